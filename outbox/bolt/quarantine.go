package bolt

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/crmsyncd/crmsyncd/outbox"
)

const maxContentTypeBytes = 128

// Quarantine keeps a refused body, see outbox.Quarantine.
func (s *Store) Quarantine(ctx context.Context, r outbox.Rejected) error {
	if most := min(outbox.MaxBodyBytes, s.options.QuarantineBytes); int64(len(r.Body)) > most {
		r.Body, r.Truncated = r.Body[:most], true
	}
	r.At = s.options.Now().UTC()
	r.LastAt, r.Count = r.At, 1
	r.Reason, r.Error = shorten(r.Reason, maxReasonBytes), shorten(r.Error, maxErrorBytes)
	r.ContentType = shorten(r.ContentType, maxContentTypeBytes)
	sum := sha256.Sum256(r.Body)
	return s.submit(ctx, false, func(t *transaction) error { return t.quarantine(r, sum[:]) })
}

// quarantine stores a refused body, or counts it when an equal one is there, and lets the oldest ones go.
func (t *transaction) quarantine(r outbox.Rejected, sum []byte) error {
	rejected, digests := t.Bucket(rejectedBucket), t.Bucket(digestsBucket)
	t.changed = true
	if id := digests.Get(sum); id != nil {
		known, err := decodeRejected(id, rejected.Get(id))
		if err == nil {
			known.Count++
			known.LastAt = r.At
			return putRejected(rejected, idAtEnd(id), known)
		}
	} else {
		t.figures.rejected++
		t.figures.rejectedBytes += int64(len(r.Body))
	}
	n, err := rejected.NextSequence()
	if err != nil {
		return err
	}
	id := newID(n)
	if err := digests.Put(sum, id[:]); err != nil {
		return err
	}
	if err := putRejected(rejected, id, r); err != nil {
		return err
	}
	return t.evict(id)
}

// evict lets the oldest refused bodies go while there are too many, but never the one that just came.
func (t *transaction) evict(newest entryID) error {
	rejected := t.Bucket(rejectedBucket)
	o := t.store.options
	for t.figures.rejected > o.QuarantineCount || t.figures.rejectedBytes > o.QuarantineBytes {
		c := rejected.Cursor()
		key, record := c.First()
		if key == nil || idAtEnd(key) == newest {
			return nil
		}
		r, err := decodeRejected(key, record)
		if err == nil {
			sum := sha256.Sum256(r.Body)
			if err := t.Bucket(digestsBucket).Delete(sum[:]); err != nil {
				return err
			}
		}
		t.figures.rejected--
		t.figures.rejectedBytes -= int64(len(r.Body))
		t.figures.evicted++
		if err := c.Delete(); err != nil {
			return err
		}
	}
	return nil
}

// Quarantined lists refused bodies, see outbox.Quarantine.
func (s *Store) Quarantined(ctx context.Context, after uint64, limit int) ([]outbox.Rejected, error) {
	var list []outbox.Rejected
	err := s.view(ctx, func(tx *bbolt.Tx) error {
		c := tx.Bucket(rejectedBucket).Cursor()
		first := newID(after + 1)
		for key, record := c.Seek(first[:]); key != nil && len(list) < limit; key, record = c.Next() {
			r, err := decodeRejected(key, record)
			if err != nil {
				return err
			}
			list = append(list, r)
		}
		return nil
	})
	return list, err
}

// rejectedHead is what is stored before a refused body, as JSON with its length before it.
type rejectedHead struct {
	At, LastAt                 int64
	Count                      int
	Reason, Error, ContentType string
	Truncated                  bool
}

func putRejected(bucket *bbolt.Bucket, id entryID, r outbox.Rejected) error {
	head, err := json.Marshal(rejectedHead{
		At: toStored(r.At), LastAt: toStored(r.LastAt), Count: r.Count, Reason: r.Reason, Error: r.Error,
		ContentType: r.ContentType, Truncated: r.Truncated,
	})
	if err != nil {
		return err
	}
	record := binary.AppendUvarint(make([]byte, sealSize), uint64(len(head)))
	record = append(append(record, head...), r.Body...)
	return bucket.Put(id[:], seal(id[:], record))
}

func decodeRejected(key, record []byte) (r outbox.Rejected, err error) {
	payload, err := unseal(key, record)
	if err != nil {
		return r, fmt.Errorf("refused body %x: %w", key, err)
	}
	d := decoder{rest: payload}
	var head rejectedHead
	if err := json.Unmarshal([]byte(d.text()), &head); err != nil || d.broken {
		return r, fmt.Errorf("refused body %x: %w: malformed record", key, outbox.ErrCorrupt)
	}
	return outbox.Rejected{
		ID: binary.BigEndian.Uint64(key), At: fromStored(head.At), LastAt: fromStored(head.LastAt), Count: head.Count,
		Reason: head.Reason, Error: head.Error, ContentType: head.ContentType, Truncated: head.Truncated,
		Body: append([]byte{}, d.rest...),
	}, nil
}

// rejected verifies the bodies in quarantine, that their digests lead to them, and how many the figures say there are.
func (c *checker) rejected() {
	var count, size int64
	digests := c.tx.Bucket(digestsBucket)
	_ = c.tx.Bucket(rejectedBucket).ForEach(func(key, record []byte) error {
		count++
		r, err := decodeRejected(key, record)
		if err != nil {
			c.report(err.Error())
			return nil
		}
		size += int64(len(r.Body))
		if sum := sha256.Sum256(r.Body); !bytes.Equal(digests.Get(sum[:]), key) {
			c.report(fmt.Sprintf("refused body %x: its digest does not lead to it", key))
		}
		return nil
	})
	_ = digests.ForEach(func(key, id []byte) error {
		if c.tx.Bucket(rejectedBucket).Get(id) == nil {
			c.report(fmt.Sprintf("index %q: %x leads to no refused body", digestsBucket, key))
		}
		return nil
	})
	if f, err := loadFigures(c.tx); err == nil && (f.rejected != count || f.rejectedBytes != size) {
		c.report(fmt.Sprintf("the figures say %d refused bodies of %d bytes; there are %d of %d", f.rejected, f.rejectedBytes,
			count, size))
	}
	for _, name := range [][]byte{entriesBucket, rejectedBucket, journalBucket} {
		if err := checkSequence(c.tx, name); err != nil {
			c.report(err.Error())
		}
	}
}
