package bolt

import (
	"bytes"
	"context"
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
		if is.waiting == 0 || is.state != outbox.Pending {
			is.waiting = now
		}
		is.revive(now)
		return t.put(id, was, &is)
	})
}

// idle returns an entry that is there and not in flight.
func (t *transaction) idle(key string) (entryID, *header, error) {
	id, h, err := t.find(key)
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
		var old []entryID
		c := t.Bucket(statesBucket).Cursor()
		key, _ := c.Seek([]byte{byte(outbox.Delivered)})
		for ; len(key) > 0 && key[0] == byte(outbox.Delivered) && len(old) < limit; key, _ = c.Next() {
			if timeAt(key, 1) >= before.UnixNano() {
				break
			}
			old = append(old, idAtEnd(key))
		}
		for _, id := range old {
			h, err := t.header(id)
			if err != nil {
				return err
			}
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

// remove takes an entry and all that belongs to it out of the file.
func (t *transaction) remove(id entryID, h *header) error {
	t.changed = true
	messages := t.Bucket(messagesBucket)
	c := messages.Cursor()
	for key, _ := c.Seek(id[:]); bytes.HasPrefix(key, id[:]); key, _ = c.Seek(id[:]) {
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
