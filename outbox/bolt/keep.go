package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"go.etcd.io/bbolt"

	"github.com/crmsyncd/crmsyncd/outbox"
)

// Backup writes a consistent copy of the file, see outbox.Keeper. While it runs the pages that it may still have to
// read are not used again, so the file grows with what is changed meanwhile. Close ends it with outbox.ErrClosed and does
// not wait for w, however long a Write takes.
func (s *Store) Backup(ctx context.Context, w io.Writer) (int64, error) {
	// The transaction writes into a pipe: it can end while w is stuck.
	out, in := io.Pipe()
	finished := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		defer close(finished)
		in.CloseWithError(s.view(ctx, func(tx *bbolt.Tx) error {
			_, err := tx.WriteTo(in)
			return err
		}))
	})
	group.Go(func() {
		select {
		case <-s.closing:
			in.CloseWithError(outbox.ErrClosed)
		case <-ctx.Done():
			in.CloseWithError(ctx.Err())
		case <-finished:
		}
	})
	n, err := io.Copy(cancelable{ctx, w}, out)
	out.CloseWithError(err)
	group.Wait()
	return n, err
}

// cancelable is a writer that fails once its context has ended.
type cancelable struct {
	ctx context.Context //nolint:containedctx // it lives as long as one call of Backup
	w   io.Writer
}

func (c cancelable) Write(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.w.Write(p)
}

// Check verifies what the store holds, see outbox.Keeper: every record's checksum, and that entries, indexes and figures
// agree. bbolt's own pages can only be verified while nobody writes: Verify does that.
func (s *Store) Check(ctx context.Context, report func(fault string)) error {
	return s.view(ctx, func(tx *bbolt.Tx) error { return check(ctx, tx, report) })
}

// Verify verifies the file of a store that is not open, bbolt's pages and all that Check does, and calls report for each
// fault. An error means that the file cannot be opened at all.
func Verify(ctx context.Context, path string, report func(fault string)) (err error) {
	if err := inspect(path); err != nil {
		return fmt.Errorf("verify outbox %s: %w", path, err)
	}
	db, file, err := openGuarded(path, bbolt.Options{ReadOnly: true, Timeout: time.Second, PreLoadFreelist: true})
	if err != nil {
		return fmt.Errorf("verify outbox %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := checkTree(file); err != nil {
		report(err.Error())
		return nil // bbolt could end the process, or never come to an end itself
	}
	return db.View(func(tx *bbolt.Tx) error {
		whole := readable(tx, report)
		if whole { // else bbolt would meet the damage in a goroutine of its own
			for fault := range tx.Check(bbolt.WithKVStringer(shortKeys{})) {
				report(fault.Error())
			}
		}
		err := guarded(func() error { return check(ctx, tx, report) })
		if !whole && errors.Is(err, outbox.ErrCorrupt) {
			return nil // reported above
		}
		return err
	})
}

// check verifies the records that a transaction sees.
func check(ctx context.Context, tx *bbolt.Tx, report func(fault string)) error {
	if _, err := ours(tx); err != nil {
		return err
	}
	c := checker{tx: tx, report: report, counted: figures{parkedBy: map[string]int64{}}, told: map[string]bool{}}
	c.entries()
	c.index(dueBucket, func(h *header, id entryID) []byte { return dueKey(h.due, id) })
	c.index(statesBucket, func(h *header, id entryID) []byte { return stateKey(h.state, h.since, id) })
	c.index(messagesBucket, nil)
	c.index(termsBucket, nil)
	c.journal()
	c.rejected()
	return ctx.Err()
}

// checker walks one file.
type checker struct {
	tx      *bbolt.Tx
	report  func(fault string)
	counted figures
	// told are the records of the journal that the fault of an entry spoke of.
	told map[string]bool
}

// entries verifies every entry with its messages and that the indexes lead to it, then the figures.
func (c *checker) entries() {
	_ = c.tx.Bucket(entriesBucket).ForEach(func(key, record []byte) error {
		id := idAtEnd(key)
		h, err := decodeHeader(key, record)
		if err != nil {
			c.report(err.Error())
			return nil
		}
		c.counted.count(h, 1)
		messages, err := readMessages(c.tx, id)
		if err != nil {
			c.report(fmt.Sprintf("entry %s: %v", h.key, err))
			c.tell(id)
		} else if uint64(len(messages)) != h.messages {
			c.report(fmt.Sprintf("entry %s: %d messages are there, it says %d", h.key, len(messages), h.messages))
		}
		c.expect(h, keysBucket, []byte(h.key), id[:])
		c.expect(h, statesBucket, stateKey(h.state, h.since, id), nil)
		if h.state == outbox.Pending {
			c.expect(h, dueBucket, dueKey(h.due, id), nil)
		}
		for _, term := range h.terms {
			c.expect(h, termsBucket, append(termPrefix(term), id[:]...), nil)
		}
		return nil
	})
	saved, err := loadFigures(c.tx)
	if err != nil {
		c.report(err.Error())
		return
	}
	if saved.pending != c.counted.pending || saved.delivered != c.counted.delivered || saved.parked != c.counted.parked {
		c.report(fmt.Sprintf("the figures say %d pending, %d delivered, %d parked; there are %d, %d, %d", saved.pending,
			saved.delivered, saved.parked, c.counted.pending, c.counted.delivered, c.counted.parked))
	}
}

// tell notes the records of the journal that an entry leads to.
func (c *checker) tell(id entryID) {
	messages := c.tx.Bucket(messagesBucket).Cursor()
	for key, record := messages.Seek(id[:]); bytes.HasPrefix(key, id[:]); key, record = messages.Next() {
		if link := linked(record); link != nil {
			c.told[string(link)] = true
		}
	}
}

// journal verifies every record of the journal, and that those that were folded belong to an entry.
func (c *checker) journal() {
	journal := c.tx.Bucket(journalBucket)
	saved, err := loadFigures(c.tx)
	if journal == nil || err != nil {
		return // a file of format 1; or reported by entries
	}
	_ = journal.ForEach(func(key, record []byte) error {
		m, _, err := decodeJournal(key, record)
		if err != nil {
			if !c.told[string(key)] {
				c.report(err.Error())
			}
			return nil
		}
		if m.seq > saved.folded {
			return nil
		}
		id, h, err := findEntry(c.tx, m.key)
		if err != nil || h == nil || c.tx.Bucket(messagesBucket).Get(messageKey(id, m.digest)) == nil {
			c.report(fmt.Sprintf("journal %x: its message is missing from entry %s", key, m.key))
		}
		return nil
	})
}

// expect reports a key that should be in an index but is not, or leads elsewhere.
func (c *checker) expect(h *header, bucket, key, value []byte) {
	k, v := c.tx.Bucket(bucket).Cursor().Seek(key)
	if !bytes.Equal(k, key) || !bytes.Equal(v, value) {
		c.report(fmt.Sprintf("entry %s: it is missing from the index %q", h.key, bucket))
	}
}

// index reports the keys of an index that lead to no entry or, where place says where the entry should stand, are not
// in that place.
func (c *checker) index(bucket []byte, place func(*header, entryID) []byte) {
	_ = c.tx.Bucket(bucket).ForEach(func(key, _ []byte) error {
		id := idAtEnd(key)
		if bytes.Equal(bucket, messagesBucket) {
			copy(id[:], key)
		}
		record := c.tx.Bucket(entriesBucket).Get(id[:])
		if record == nil {
			c.report(fmt.Sprintf("index %q: %x leads to no entry", bucket, key))
			return nil
		}
		if h, err := decodeHeader(id[:], record); err == nil && place != nil && !bytes.Equal(key, place(h, id)) {
			c.report(fmt.Sprintf("index %q: %x is not where entry %s stands", bucket, key, h.key))
		}
		return nil
	})
}
