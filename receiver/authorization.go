package receiver

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
)

// keyring holds the digests of the keys. Digests have one length, so that the time a comparison takes does not tell
// how long a key is or how much of it was right.
type keyring [][sha256.Size]byte

func newKeyring(keys []string) keyring {
	ring := make(keyring, len(keys))
	for i, key := range keys {
		ring[i] = sha256.Sum256([]byte(key))
	}
	return ring
}

// slot returns the index of the key that the request carries. The whole header value is compared, with every key,
// also after one has matched. A request with two Authorization headers has none.
func (k keyring) slot(header http.Header) (slot int, ok bool) {
	values := header["Authorization"]
	if len(values) != 1 {
		return 0, false
	}
	digest := sha256.Sum256([]byte(values[0]))
	found := 0
	for i := range k {
		match := subtle.ConstantTimeCompare(digest[:], k[i][:])
		slot = subtle.ConstantTimeSelect(match, i, slot)
		found |= match
	}
	return slot, found == 1
}
