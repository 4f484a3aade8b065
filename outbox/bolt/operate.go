package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/crmsyncd/crmsyncd/outbox"
)

// Replay makes an entry pending and due now, see outbox.Operator.
func (s *Store) Replay(ctx context.Context, key string) error {
	now := s.options.Now().UnixNano()
	return s.submit(ctx, true, func(t *transaction) error {
		id, was, err := t.idle(key)
		if err != nil {
			return err
		}
		is := *was
		if is.waiting == 0 {
			is.waiting = now
		}
		is.revive(now)
		if was.state != outbox.Pending {
			is.since = now // it waits for the operator's sake; a message that comes later tells the age of the oldest
		}
		return t.put(id, was, &is)
	})
}

// idle returns an entry that is there and not in flight.
func (t *transaction) idle(key string) (entryID, *header, error) {
	id, h, err := t.entry(key)
	if err != nil {
		return id, nil, err
	}
	if h == nil {
		return id, nil, refuse(fmt.Errorf("%w: %s", outbox.ErrNotFound, key))
	}
	if t.taken(id) {
		return id, nil, refuse(fmt.Errorf("%w: %s", outbox.ErrClaimed, key))
	}
	return id, h, nil
}

// Discard removes an entry, see outbox.Operator.
func (s *Store) Discard(ctx context.Context, key string) error {
	return s.submit(ctx, true, func(t *transaction) error {
		id, h, err := t.idle(key)
		if err != nil {
			return err
		}
		t.figures.discarded++
		return t.remove(id, h)
	})
}

// Purge removes old delivered entries, see outbox.Operator.
func (s *Store) Purge(ctx context.Context, before time.Time, limit int) (int, error) {
	purged := 0
	err := s.submit(ctx, true, func(t *transaction) error {
		purged = 0
		old, err := t.deliveredBefore(before.UnixNano(), limit)
		if err != nil {
			return err
		}
		for id, h := range old {
			if err := t.remove(id, h); err != nil {
				return err
			}
		}
		t.figures.purged += uint64(len(old))
		purged = len(old)
		return nil
	})
	return purged, err
}

// deliveredBefore returns up to limit entries that were delivered before a time. One for which a message waits to be
// folded is about to be pending again.
func (t *transaction) deliveredBefore(before int64, limit int) (map[entryID]*header, error) {
	old := map[entryID]*header{}
	c := t.Bucket(statesBucket).Cursor()
	key, _ := c.Seek([]byte{byte(outbox.Delivered)})
	for ; len(key) > 0 && key[0] == byte(outbox.Delivered) && len(old) < limit; key, _ = c.Next() {
		if timeAt(key, 1) >= before {
			break
		}
		h, err := t.header(idAtEnd(key))
		if errors.Is(err, outbox.ErrCorrupt) {
			continue // Check names it; the others need not wait for that
		} else if err != nil {
			return nil, err
		}
		if len(t.waiting(h.key)) == 0 {
			old[idAtEnd(key)] = h
		}
	}
	return old, nil
}

// remove takes an entry and all that belongs to it out of the file.
func (t *transaction) remove(id entryID, h *header) error {
	t.changed = true
	messages := t.Bucket(messagesBucket)
	c := messages.Cursor()
	for key, record := c.Seek(id[:]); bytes.HasPrefix(key, id[:]); key, record = c.Seek(id[:]) {
		_, err := unsealAs(linkVersion, key, record)
		if link := linked(record); link != nil && err == nil { // a damaged link may lead to the message of another
			if err := t.Bucket(journalBucket).Delete(bytes.Clone(link)); err != nil {
				return err
			}
		}
		if err := messages.Delete(key); err != nil {
			return err
		}
	}
	terms := t.Bucket(termsBucket)
	for _, term := range h.terms {
		if err := terms.Delete(append(termPrefix(term), id[:]...)); err != nil {
			return err
		}
	}
	if h.state == outbox.Pending {
		if err := t.Bucket(dueBucket).Delete(dueKey(h.due, id)); err != nil {
			return err
		}
	}
	if err := t.Bucket(statesBucket).Delete(stateKey(h.state, h.since, id)); err != nil {
		return err
	}
	t.figures.move(h, nil)
	if err := t.Bucket(keysBucket).Delete([]byte(h.key)); err != nil {
		return err
	}
	return t.Bucket(entriesBucket).Delete(id[:])
}
