package bolt

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/crmsyncd/crmsyncd/outbox"
)

// The buckets of the file.
var (
	metaBucket     = []byte("meta")
	journalBucket  = []byte("journal")
	reserveBucket  = []byte("reserve")
	keysBucket     = []byte("keys")
	entriesBucket  = []byte("entries")
	messagesBucket = []byte("messages")
	dueBucket      = []byte("due")
	statesBucket   = []byte("states")
	termsBucket    = []byte("terms")
	rejectedBucket = []byte("rejected")
	digestsBucket  = []byte("digests")

	allBuckets = [][]byte{
		metaBucket, journalBucket, reserveBucket, keysBucket, entriesBucket, messagesBucket, dueBucket, statesBucket, termsBucket, rejectedBucket,
		digestsBucket,
	}
)

// sinceFormat2 are the buckets that a file of format 1 lacks.
var sinceFormat2 = [][]byte{journalBucket, reserveBucket}

const (
	idSize     = 8
	digestSize = 16
)

// entryID is the id of an entry as it stands in every bucket: it grows with each new entry.
type entryID [idSize]byte

// newID returns the id for a number.
func newID(n uint64) (id entryID) {
	binary.BigEndian.PutUint64(id[:], n)
	return id
}

// sortable turns a stored time into bytes that sort like the time, also before 1970.
func sortable(ns int64) []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(ns)^(1<<63))
}

// dueKey is the key of an entry in the due index.
func dueKey(due int64, id entryID) []byte { return append(sortable(due), id[:]...) }

// stateKey is the key of an entry in the index of states.
func stateKey(state outbox.State, since int64, id entryID) []byte {
	return append(append([]byte{byte(state)}, sortable(since)...), id[:]...)
}

// termPrefix is what the keys of a term begin with in the index of terms.
func termPrefix(term string) []byte { return append([]byte{byte(len(term))}, term...) }

// idAtEnd returns the id that an index key ends with.
func idAtEnd(key []byte) (id entryID) {
	copy(id[:], key[len(key)-idSize:])
	return id
}

// timeAt returns the stored time that stands at offset in an index key.
func timeAt(key []byte, offset int) int64 {
	return int64(binary.BigEndian.Uint64(key[offset:]) ^ (1 << 63))
}

// digest shortens an identity to 128 bits of its SHA-256: enough that two events never meet by chance.
func digest(identity []byte) (d [digestSize]byte) {
	sum := sha256.Sum256(identity)
	copy(d[:], sum[:])
	return d
}
