package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"github.com/crmsyncd/crmsyncd/outbox"
)

// Claim takes entries that are due, see outbox.Queue. The start of their delivery is durable when it returns. It looks
// before it writes: without a due entry it costs no commit.
func (s *Store) Claim(ctx context.Context, limit int) ([]outbox.Entry, time.Time, error) {
	if limit < 1 {
		return nil, time.Time{}, fmt.Errorf("claim: limit %d is less than 1", limit)
	}
	now := s.options.Now().UnixNano()
	next, err := s.nextDue(ctx)
	if err != nil || next.IsZero() || next.UnixNano() > now {
		return nil, next, err
	}
	entries, err := s.claim(ctx, now, limit, oldestDue)
	if err != nil || len(entries) > 0 {
		return entries, time.Time{}, err
	}
	next, err = s.nextDue(ctx)
	return nil, next, err
}

// ClaimNewest takes the entries that have been due for the shortest time, see outbox.Queue.
func (s *Store) ClaimNewest(ctx context.Context, limit int) ([]outbox.Entry, error) {
	if limit < 1 {
		return nil, fmt.Errorf("claim: limit %d is less than 1", limit)
	}
	now := s.options.Now().UnixNano()
	next, err := s.nextDue(ctx)
	if err != nil || next.IsZero() || next.UnixNano() > now {
		return nil, err
	}
	return s.claim(ctx, now, limit, newestDue)
}

// claim puts entries in flight that choose finds.
func (s *Store) claim(ctx context.Context, now int64, limit int, choose chooseFunc) (entries []outbox.Entry, err error) {
	for {
		err = s.submit(ctx, true, func(t *transaction) error {
			var err error
			entries, err = t.claimDue(now, limit, choose)
			return err
		})
		if !errors.Is(err, outbox.ErrFull) || limit == 1 {
			break
		}
		limit /= 2 // a full disk may have room for fewer
	}
	if err != nil {
		return nil, err
	}
	return entries, nil
}

// nextDue returns when the first entry that is not in flight is due, zero when none waits.
func (s *Store) nextDue(ctx context.Context) (next time.Time, err error) {
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		c := tx.Bucket(dueBucket).Cursor()
		next = fromStored(s.tail.due())
		for key, _ := c.First(); key != nil; key, _ = c.Next() {
			if _, taken := s.claims[idAtEnd(key)]; !taken {
				if due := fromStored(timeAt(key, 0)); next.IsZero() || due.Before(next) {
					next = due
				}
				return nil
			}
		}
		return nil
	})
	return next, err
}

// maxSweeps bounds how often one claim looks again because what it found had to be parked.
const maxSweeps = 16

// foldPerClaim is how many messages are folded for each entry that a claim wants: more than entries come with, so that
// the tail of the journal gets shorter, and few enough for a disk that is nearly full.
const foldPerClaim = 8

// claimDue puts up to limit due entries in flight. Those that cannot be delivered are parked on the way.
func (t *transaction) claimDue(now int64, limit int, choose chooseFunc) ([]outbox.Entry, error) {
	if err := t.fold(min(foldPerClaim*limit, max(foldSlice, limit))); err != nil {
		return nil, err
	}
	var entries []outbox.Entry
	for range maxSweeps {
		missing := limit - len(entries)
		keys := choose(t, now, missing)
		for _, key := range keys {
			e, err := t.claimOne(now, key)
			if err != nil {
				return nil, err
			}
			if e != nil {
				entries = append(entries, *e)
			}
		}
		if len(entries) == limit || len(keys) < missing {
			break
		}
	}
	return entries, nil
}

// chooseFunc returns keys of the due index, limit at most, whose entries are due and not in flight.
type chooseFunc func(t *transaction, now int64, limit int) [][]byte

// oldestDue chooses from the beginning.
func oldestDue(t *transaction, now int64, limit int) [][]byte {
	var keys [][]byte
	c := t.Bucket(dueBucket).Cursor()
	for key, _ := c.First(); key != nil && timeAt(key, 0) <= now && len(keys) < limit; key, _ = c.Next() {
		if !t.taken(idAtEnd(key)) {
			keys = append(keys, bytes.Clone(key))
		}
	}
	return keys
}

// newestDue chooses from the end.
func newestDue(t *transaction, now int64, limit int) [][]byte {
	var keys [][]byte
	c := t.Bucket(dueBucket).Cursor()
	key, _ := c.Seek(sortable(now + 1))
	if key == nil {
		key, _ = c.Last()
	} else {
		key, _ = c.Prev()
	}
	for ; key != nil && len(keys) < limit; key, _ = c.Prev() {
		if !t.taken(idAtEnd(key)) {
			keys = append(keys, bytes.Clone(key))
		}
	}
	return keys
}

// claimOne puts the entry of a key of the due index in flight and returns it, or parks it and returns nil.
func (t *transaction) claimOne(now int64, key []byte) (*outbox.Entry, error) {
	id := idAtEnd(key)
	was, err := t.header(id)
	if err != nil {
		return nil, t.setAside(key, err)
	}
	if waiting := t.waiting(was.key); len(waiting) > 0 {
		if err := t.foldAll(waiting); err != nil {
			return nil, err
		}
		if was, err = t.header(id); err != nil {
			return nil, err
		}
	}
	is := *was
	messages, err := readMessages(t.Tx, id)
	switch {
	case err != nil:
		return nil, t.park(id, was, now, outbox.ReasonDamaged, err.Error())
	case was.starts >= uint64(t.store.options.MaxStarts):
		return nil, t.park(id, was, now, outbox.ReasonCrashed, fmt.Sprintf(
			"its delivery began %d times and the process died each time; replay it when the cause is mended", was.starts))
	}
	is.starts++
	is.freshDue, is.freshSince = 0, 0
	if err := t.put(id, was, &is); err != nil {
		return nil, err
	}
	t.take(id, claim{since: is.since})
	e := is.entry(true)
	e.Messages, e.Interrupted = messages, was.inDoubt()
	return &e, nil
}

// park sets an entry aside that no delivery can be begun for.
func (t *transaction) park(id entryID, was *header, now int64, reason, errorText string) error {
	is := *was
	is.state, is.since = outbox.Parked, now
	is.reason, is.errorText = reason, errorText
	is.freshDue, is.freshSince = 0, 0
	t.parked = append(t.parked, reason)
	if reason == outbox.ReasonDamaged {
		t.figures.damaged++
	}
	return t.put(id, was, &is)
}

// setAside takes an entry that cannot be read out of the due index, so that it is never tried again and holds nobody
// up. Its bytes stay where they are, for Check to name and a human to look at; it is counted apart from the others.
func (t *transaction) setAside(key []byte, fault error) error {
	t.changed = true
	t.figures.damaged++
	t.figures.setAside++
	t.figures.pending--
	t.parked = append(t.parked, outbox.ReasonDamaged)
	t.store.options.Logger.Error("an entry of the outbox is damaged and was set aside", slog.Any("err", fault))
	return t.Bucket(dueBucket).Delete(key)
}

// readMessages returns the messages of an entry in the order of their arrival.
func readMessages(tx *bbolt.Tx, id entryID) ([]outbox.StoredMessage, error) {
	var messages []outbox.StoredMessage
	c := tx.Bucket(messagesBucket).Cursor()
	for key, record := c.Seek(id[:]); bytes.HasPrefix(key, id[:]); key, record = c.Next() {
		m, err := readMessage(tx, key, record)
		if err != nil {
			return nil, err
		}
		messages = append(messages, m)
	}
	slices.SortFunc(messages, func(a, b outbox.StoredMessage) int { return int(int64(a.Seq) - int64(b.Seq)) })
	return messages, nil
}

// entry returns the header as an outbox.Entry without messages.
func (h *header) entry(inFlight bool) outbox.Entry {
	e := outbox.Entry{
		Key: h.key, State: h.state, Receipt: slices.Clone(h.receipt), Attempts: int(h.attempts), Starts: int(h.starts),
		Interrupted: h.inDoubt(), Created: fromStored(h.created), Since: fromStored(h.since),
		Reason: h.reason, Error: h.errorText,
	}
	if h.state == outbox.Pending {
		e.Due = fromStored(h.due)
	}
	if inFlight {
		e.State, e.Interrupted = outbox.InFlight, h.doubt || h.starts > 1
	}
	return e
}
