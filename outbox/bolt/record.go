package bolt

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"github.com/crmsyncd/crmsyncd/outbox"
)

// formatVersion is the version of the file. Version 1 had no journal: bodies stood in the messages.
const formatVersion = 2

// The versions of records: a message of version 2 is a link to the journal.
const (
	recordVersion = 1
	linkVersion   = 2
)

// sealSize is what seal puts before a payload: a checksum and the version.
const sealSize = 5

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// seal completes a record whose first sealSize bytes are reserved. The checksum covers the key as well: a record that
// turns up under another key is as damaged as one with a flipped bit.
func seal(key, record []byte) []byte {
	return sealAs(recordVersion, key, record)
}

// sealAs is seal for a record of another version.
func sealAs(version byte, key, record []byte) []byte {
	record[4] = version
	binary.BigEndian.PutUint32(record, checksum(key, record[4:]))
	return record
}

// unseal returns the payload of a record, or ErrCorrupt. The payload is only valid as long as the record is.
func unseal(key, record []byte) ([]byte, error) { return unsealAs(recordVersion, key, record) }

// unsealAs is unseal for a record of another version.
func unsealAs(version byte, key, record []byte) ([]byte, error) {
	switch {
	case len(record) < sealSize:
		return nil, fmt.Errorf("%w: %d bytes is too short for a record", outbox.ErrCorrupt, len(record))
	case binary.BigEndian.Uint32(record) != checksum(key, record[4:]):
		return nil, fmt.Errorf("%w: checksum does not match", outbox.ErrCorrupt)
	case record[4] != version:
		return nil, fmt.Errorf("%w: record version %d", outbox.ErrCorrupt, record[4])
	}
	return record[sealSize:], nil
}

// checksum is CRC-32C over a key and what follows it.
func checksum(key, rest []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, rest)
}

// header is an entry as it stands in the entries bucket: all but its messages.
type header struct {
	key              string
	state            outbox.State
	attempts, starts uint64
	created, since   int64
	due              int64
	// lastSeq is the number of the newest message; messages and bytes count all of them.
	lastSeq, messages, bytes uint64
	// waiting is when the oldest message arrived that is not delivered yet, 0 when all are.
	waiting int64
	// doubt says that deliveries began and were never settled, also after starts was set back.
	doubt bool
	// freshDue and freshSince describe the messages that came since the last claim: the earliest due time and the
	// earliest arrival, 0 when none came.
	freshDue, freshSince int64
	reason, errorText    string
	receipt              []byte
	terms                []string
}

// encode returns the sealed record of the header under its id.
func (h *header) encode(id []byte) []byte {
	b := make([]byte, sealSize, sealSize+96+len(h.key)+len(h.reason)+len(h.errorText)+len(h.receipt))
	b = append(b, byte(h.state), flag(h.doubt))
	for _, n := range []uint64{h.attempts, h.starts, h.lastSeq, h.messages, h.bytes} {
		b = binary.AppendUvarint(b, n)
	}
	for _, n := range []int64{h.created, h.since, h.due, h.waiting, h.freshDue, h.freshSince} {
		b = binary.AppendVarint(b, n)
	}
	b = appendText(b, h.key)
	b = appendText(b, h.reason)
	b = appendText(b, h.errorText)
	b = appendText(b, string(h.receipt))
	b = binary.AppendUvarint(b, uint64(len(h.terms)))
	for _, term := range h.terms {
		b = appendText(b, term)
	}
	return seal(id, b)
}

// decodeHeader reads a sealed header record; the result shares nothing with it.
func decodeHeader(id, record []byte) (*header, error) {
	payload, err := unseal(id, record)
	if err != nil {
		return nil, fmt.Errorf("entry %x: %w", id, err)
	}
	d := decoder{rest: payload}
	h := &header{state: outbox.State(d.byte()), doubt: d.byte() != 0}
	for _, n := range []*uint64{&h.attempts, &h.starts, &h.lastSeq, &h.messages, &h.bytes} {
		*n = d.uvarint()
	}
	for _, n := range []*int64{&h.created, &h.since, &h.due, &h.waiting, &h.freshDue, &h.freshSince} {
		*n = d.varint()
	}
	h.key, h.reason, h.errorText = d.text(), d.text(), d.text()
	if receipt := d.text(); receipt != "" {
		h.receipt = []byte(receipt)
	}
	for count := min(d.uvarint(), outbox.MaxEntryMessages*outbox.MaxTerms); count > 0 && !d.broken; count-- {
		h.terms = append(h.terms, d.text())
	}
	if d.broken || len(d.rest) != 0 || !slices.Contains(outbox.States, h.state) {
		return nil, fmt.Errorf("entry %x: %w: malformed record", id, outbox.ErrCorrupt)
	}
	return h, nil
}

// flag returns a bool as a byte.
func flag(set bool) byte {
	if set {
		return 1
	}
	return 0
}

// appendText appends a string with its length before it.
func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// decoder reads the parts of a payload one after the other and remembers whether one was missing.
type decoder struct {
	rest   []byte
	broken bool
}

func (d *decoder) byte() byte {
	if len(d.rest) == 0 {
		d.broken = true
		return 0
	}
	b := d.rest[0]
	d.rest = d.rest[1:]
	return b
}

func (d *decoder) uvarint() uint64 {
	n, size := binary.Uvarint(d.rest)
	return n * d.skip(size)
}

func (d *decoder) varint() int64 {
	n, size := binary.Varint(d.rest)
	return n * int64(d.skip(size))
}

// skip passes over size bytes and returns 1, or 0 when they were not there.
func (d *decoder) skip(size int) uint64 {
	if size <= 0 || size > len(d.rest) {
		d.broken, d.rest = true, nil
		return 0
	}
	d.rest = d.rest[size:]
	return 1
}

func (d *decoder) text() string {
	size := d.uvarint()
	if size > uint64(len(d.rest)) {
		d.broken, d.rest = true, nil
		return ""
	}
	s := string(d.rest[:size])
	d.rest = d.rest[size:]
	return s
}

// messageHead is what a message record begins with: its number and its arrival. The number of its record in the journal
// follows or, in a file that was once of format 1, the body.
const messageHead = 16

// sealLink returns the record of a message that stands in the journal.
func sealLink(key []byte, seq uint64, at int64, journal uint64) []byte {
	record := make([]byte, sealSize, sealSize+messageHead+idSize)
	record = binary.BigEndian.AppendUint64(record, seq)
	record = binary.BigEndian.AppendUint64(record, uint64(at))
	record = binary.BigEndian.AppendUint64(record, journal)
	return sealAs(linkVersion, key, record)
}

// linked returns the key in the journal of a message record, nil when the body stands in the record itself.
func linked(record []byte) []byte {
	if len(record) == sealSize+messageHead+idSize && record[4] == linkVersion {
		return record[sealSize+messageHead:]
	}
	return nil
}

// readMessage reads a sealed message record and what it leads to; the result shares nothing with them.
func readMessage(tx *bbolt.Tx, key, record []byte) (outbox.StoredMessage, error) {
	version := byte(recordVersion)
	link := linked(record)
	if link != nil {
		version = linkVersion
	}
	payload, err := unsealAs(version, key, record)
	// The length of the key tells a message from an entry, whose record is as sound under its own key.
	if err == nil && (len(payload) < messageHead || len(key) != idSize+digestSize) {
		err = fmt.Errorf("%w: malformed record", outbox.ErrCorrupt)
	}
	if err != nil {
		return outbox.StoredMessage{}, fmt.Errorf("message %x: %w", key, err)
	}
	body := payload[messageHead:]
	if link != nil {
		m, found, err := decodeJournal(link, tx.Bucket(journalBucket).Get(link))
		if err == nil && !bytes.Equal(m.digest[:], key[idSize:]) {
			err = fmt.Errorf("%w: journal %x holds another message", outbox.ErrCorrupt, link)
		}
		if err != nil {
			return outbox.StoredMessage{}, fmt.Errorf("message %x: %w", key, err)
		}
		body = found
	}
	return outbox.StoredMessage{
		Seq:  binary.BigEndian.Uint64(payload),
		At:   fromStored(int64(binary.BigEndian.Uint64(payload[8:]))),
		Body: append([]byte{}, body...),
	}, nil
}

// fromStored turns a stored time into a UTC time; 0 is the zero time.
func fromStored(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns).UTC()
}

// toStored is the inverse of fromStored.
func toStored(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}
