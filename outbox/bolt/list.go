package bolt

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/crmsyncd/crmsyncd/outbox"
)

const (
	defaultPage = 100
	maxPage     = 1000
	// maxLooks bounds how many entries one page may look at, whatever it finds.
	maxLooks = 5000
)

// Get returns an entry, see outbox.Inspector.
func (s *Store) Get(ctx context.Context, key string) (e outbox.Entry, err error) {
	if err := s.foldWaiting(ctx, key); err != nil {
		return e, err
	}
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		stored := tx.Bucket(keysBucket).Get([]byte(key))
		if stored == nil {
			return fmt.Errorf("%w: %s", outbox.ErrNotFound, key)
		}
		id := idAtEnd(stored)
		h, err := readHeader(tx, id)
		if err != nil {
			return err
		}
		e = h.entry(s.flying(id))
		e.Messages, err = readMessages(tx, id)
		return err
	})
	if refused, ok := errors.AsType[refusal](err); ok {
		err = refused.error
	}
	return e, err
}

// flying reports whether an entry is in flight.
func (s *Store) flying(id entryID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.claims[id]
	return ok
}

// List returns a page of entries, see outbox.Inspector. By term it goes along the index of terms, in the order in which
// the entries were made; else along the index of states, all chosen states side by side.
func (s *Store) List(ctx context.Context, f outbox.Filter) (page outbox.Page, err error) {
	limit := f.Limit
	if limit <= 0 {
		limit = defaultPage
	}
	after, err := hex.DecodeString(f.After)
	if err != nil || (f.After != "" && len(after) != cursorSize) {
		return page, fmt.Errorf("%w: %q is not a cursor of a page", outbox.ErrInvalid, f.After)
	}
	s.foldTail(ctx)
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		w := walk{store: s, tx: tx, filter: f, limit: min(limit, maxPage), page: &page}
		if f.Term != "" {
			return w.term(after)
		}
		return w.states(after)
	})
	return page, err
}

// cursorSize is the size of a page's cursor: a time and an id, whatever index is gone along.
const cursorSize = 8 + idSize

// walk goes along an index and gathers a page.
type walk struct {
	store  *Store
	tx     *bbolt.Tx
	filter outbox.Filter
	limit  int
	looks  int
	page   *outbox.Page
}

// term goes along the entries that were made after the cursor and carry the term.
func (w *walk) term(after []byte) error {
	prefix := termPrefix(w.filter.Term)
	begin := bytes.Clone(prefix)
	if len(after) > 0 {
		begin = append(begin, after[8:]...)
	}
	c := w.tx.Bucket(termsBucket).Cursor()
	key, _ := c.Seek(begin)
	if len(after) > 0 && bytes.Equal(key, begin) {
		key, _ = c.Next()
	}
	for ; bytes.HasPrefix(key, prefix); key, _ = c.Next() {
		if len(key) != len(prefix)+idSize { // the prefix of a longer key by chance
			continue
		}
		if full, err := w.look(idAtEnd(key), append(make([]byte, 8), key[len(prefix):]...)); full || err != nil {
			return err
		}
	}
	return nil
}

// states goes along the chosen states, merging them by Since and id, from the cursor or Filter.From on.
func (w *walk) states(after []byte) error {
	begin := after
	if len(begin) == 0 && !w.filter.From.IsZero() {
		begin = sortable(w.filter.From.UnixNano())
	}
	var lanes []*lane
	for _, state := range []outbox.State{outbox.Pending, outbox.Delivered, outbox.Parked} {
		// Entries in flight stand under pending.
		if f := w.filter.State; f == 0 || f == state || (f == outbox.InFlight && state == outbox.Pending) {
			l := &lane{state: state, cursor: w.tx.Bucket(statesBucket).Cursor()}
			l.take(l.cursor.Seek(append([]byte{byte(state)}, begin...)))
			if len(after) > 0 && bytes.Equal(l.position, after) {
				l.take(l.cursor.Next())
			}
			lanes = append(lanes, l)
		}
	}
	for {
		var first *lane
		for _, l := range lanes {
			if l.position != nil && (first == nil || bytes.Compare(l.position, first.position) < 0) {
				first = l
			}
		}
		if first == nil || (!w.filter.To.IsZero() && timeAt(first.position, 0) >= w.filter.To.UnixNano()) {
			return nil
		}
		if full, err := w.look(idAtEnd(first.position), first.position); full || err != nil {
			return err
		}
		first.take(first.cursor.Next())
	}
}

// lane is a walk along one state.
type lane struct {
	state  outbox.State
	cursor *bbolt.Cursor
	// position is the time and id of the entry that the cursor is at, nil at the end.
	position []byte
}

// take notes where the cursor has come to.
func (l *lane) take(key, _ []byte) {
	l.position = nil
	if len(key) > 0 && key[0] == byte(l.state) {
		l.position = key[1:]
	}
}

// look adds an entry to the page if the filter wants it, and reports whether the page has had enough; at is where the
// next page then goes on. An unreadable entry is left out: Check names it.
func (w *walk) look(id entryID, at []byte) (full bool, err error) {
	h, err := readHeader(w.tx, id)
	if err != nil && !errors.Is(err, outbox.ErrCorrupt) {
		return false, err
	}
	if err == nil {
		e := h.entry(h.state == outbox.Pending && w.store.flying(id))
		f := w.filter
		if (f.State == 0 || f.State == e.State) && (f.Reason == "" || f.Reason == e.Reason) &&
			(f.From.IsZero() || !e.Since.Before(f.From)) && (f.To.IsZero() || e.Since.Before(f.To)) {
			w.page.Entries = append(w.page.Entries, e)
		}
	}
	w.looks++
	full = len(w.page.Entries) == w.limit || w.looks == maxLooks
	if full {
		w.page.Next = hex.EncodeToString(at)
	}
	return full, nil
}
