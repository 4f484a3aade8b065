package bolt

import (
	"context"
	"errors"
	"log/slog"
	"slices"

	"github.com/crmsyncd/crmsyncd/outbox"
)

// waiting returns the messages of a key that are not folded yet, as the transaction sees it.
func (t *transaction) waiting(key string) []*journaled {
	var waiting []*journaled
	// Only the committer changes the tail, and it is what runs here.
	for _, m := range t.store.tail.byKey[key] {
		if !t.folded[m] {
			waiting = append(waiting, m)
		}
	}
	for _, m := range t.addedBy[key] {
		if !t.folded[m] {
			waiting = append(waiting, m)
		}
	}
	return waiting
}

// unfolded returns the oldest messages that are not folded yet, limit at most.
func (t *transaction) unfolded(limit int) []*journaled {
	var oldest []*journaled
	take := func(m *journaled) bool {
		if !t.folded[m] {
			oldest = append(oldest, m)
		}
		return len(oldest) < limit
	}
	for m := range t.store.tail.all {
		if !take(m) {
			return oldest
		}
	}
	for _, m := range t.added {
		if !take(m) {
			return oldest
		}
	}
	return oldest
}

// foldExcess folds while more waits than the reserve has room for, if this transaction adds to it: what only drains must
// fit into the smallest room, and folds no more than it needs.
func (t *transaction) foldExcess() error {
	if len(t.added) == 0 {
		return nil
	}
	allowed := 0
	if t.store.reserved {
		allowed = maxTailCost
	}
	cost := t.store.tail.cost
	for _, m := range t.added {
		cost += m.cost()
	}
	for m := range t.folded {
		cost -= m.cost()
	}
	for cost > allowed {
		slice := t.unfolded(foldSlice)
		if err := t.foldAll(slice); err != nil {
			return err
		}
		for _, m := range slice {
			cost -= m.cost()
		}
	}
	return nil
}

// fold folds the oldest messages of the tail, limit at most.
func (t *transaction) fold(limit int) error { return t.foldAll(t.unfolded(limit)) }

// foldKey folds all messages of a key.
func (t *transaction) foldKey(key string) error { return t.foldAll(t.waiting(key)) }

// foldAll folds messages.
func (t *transaction) foldAll(messages []*journaled) error {
	for _, m := range messages {
		err := t.foldOne(m)
		if refused, ok := errors.AsType[refusal](err); ok {
			// Its entry was damaged after it was acknowledged. It stays in the journal, for Check to name.
			t.changed = true
			t.figures.damaged++
			t.store.options.Logger.Error("a message of the outbox cannot be put to its entry, which is damaged",
				slog.Uint64("journal", m.seq), slog.Any("err", refused.error))
		} else if err != nil {
			return err
		}
		t.folded[m] = true
	}
	return nil
}

// foldOne puts a message to its entry, which it makes pending. A message that is there already is left as it is.
func (t *transaction) foldOne(m *journaled) error {
	id, was, err := t.find(m.key)
	if err != nil {
		return err
	}
	var is *header
	if was == nil {
		if id, is, err = t.newEntry(m.at, m.due, m.key); err != nil {
			return err
		}
	} else {
		if t.Bucket(messagesBucket).Get(messageKey(id, m.digest)) != nil {
			return nil
		}
		is = was.withMessage(m.at, m.due)
	}
	is.lastSeq++
	is.messages++
	is.bytes += uint64(m.size)
	key := messageKey(id, m.digest)
	if err := t.Bucket(messagesBucket).Put(key, sealLink(key, is.lastSeq, m.at, m.seq)); err != nil {
		return err
	}
	t.figures.messages++
	if err := t.indexTerms(id, is, m.terms); err != nil {
		return err
	}
	return t.put(id, was, is)
}

// newEntry returns an entry for a key that has none.
func (t *transaction) newEntry(now, due int64, key string) (id entryID, h *header, err error) {
	entries := t.Bucket(entriesBucket)
	entries.FillPercent = 0.9 // ids only grow: leave little room behind
	n, err := entries.NextSequence()
	if err != nil {
		return id, nil, err
	}
	id = newID(n)
	t.figures.entries++
	h = &header{key: key, state: outbox.Pending, created: now, since: now, waiting: now, due: due}
	return id, h, t.Bucket(keysBucket).Put([]byte(key), id[:])
}

// withMessage returns the entry as a new message leaves it, due by due at the latest.
func (h *header) withMessage(now, due int64) *header {
	is := *h
	if is.freshDue == 0 || due < is.freshDue {
		is.freshDue = due
	}
	if is.freshSince == 0 {
		is.freshSince = now
	}
	if is.waiting == 0 {
		is.waiting = now
	}
	if is.state != outbox.Pending {
		is.revive(due)
	}
	is.due = min(is.due, due)
	return &is
}

// revive makes a delivered or parked entry pending, its failures forgotten, but not that it is in doubt.
func (h *header) revive(due int64) {
	h.doubt = h.inDoubt()
	h.state, h.since, h.due = outbox.Pending, h.waiting, due
	h.attempts, h.starts, h.reason, h.errorText = 0, 0, "", ""
}

// inDoubt reports whether a delivery began and was never settled.
func (h *header) inDoubt() bool { return h.doubt || h.starts > 0 }

// indexTerms adds the terms that the entry is not found by yet.
func (t *transaction) indexTerms(id entryID, h *header, terms []string) error {
	for _, term := range terms {
		if slices.Contains(h.terms, term) || len(h.terms) >= maxEntryTerms {
			continue
		}
		h.terms = append(slices.Clip(h.terms), term)
		if err := t.Bucket(termsBucket).Put(append(termPrefix(term), id[:]...), nil); err != nil {
			return err
		}
	}
	return nil
}

// maxEntryTerms bounds the terms of one entry: they are rewritten with each of its changes.
const maxEntryTerms = 64

// foldWaiting folds what waits for a key, so that a read sees it.
func (s *Store) foldWaiting(ctx context.Context, key string) error {
	s.mu.Lock()
	waits := len(s.tail.byKey[key]) > 0
	s.mu.Unlock()
	if !waits {
		return nil
	}
	return s.submit(ctx, true, func(t *transaction) error { return t.foldKey(key) })
}

// foldTail folds all that waits now, in slices, so that a read sees it. A store that cannot write shows what it can.
func (s *Store) foldTail(ctx context.Context) {
	s.mu.Lock()
	left := s.tail.live
	s.mu.Unlock()
	for ; left > 0; left -= foldSlice {
		if s.submit(ctx, true, func(t *transaction) error { return t.fold(foldSlice) }) != nil {
			return
		}
	}
}
