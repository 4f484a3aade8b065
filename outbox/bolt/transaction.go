package bolt

import (
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/crmsyncd/crmsyncd/outbox"
)

// transaction is a group's bbolt transaction and what memory will hold once it is committed.
type transaction struct {
	*bbolt.Tx
	store   *Store
	figures figures
	claimed map[entryID]claim
	settled map[entryID]bool
	// added are the messages that came into the journal, also by their keys, and folded those that left its tail.
	added   []*journaled
	addedBy map[string][]*journaled
	folded  map[*journaled]bool
	// parked are the reasons for which the store itself set entries aside.
	parked []string
	// changed says that more than the journal changed, so that the figures must be saved, and saved that they are.
	changed, saved bool
}

// transact returns a transaction in which nothing happened yet.
func (s *Store) transact(tx *bbolt.Tx) *transaction {
	return &transaction{
		Tx: tx, store: s, figures: s.figures.clone(), addedBy: map[string][]*journaled{}, folded: map[*journaled]bool{},
	}
}

// taken reports whether an entry is in flight as the transaction sees it.
func (t *transaction) taken(id entryID) bool {
	if _, ok := t.claimed[id]; ok {
		return true
	}
	// Only the committer writes the map, and it is what runs here.
	_, ok := t.store.claims[id]
	return ok && !t.settled[id]
}

// take puts an entry in flight.
func (t *transaction) take(id entryID, c claim) {
	if t.claimed == nil {
		t.claimed = map[entryID]claim{}
	}
	t.claimed[id] = c
}

// release ends the flight of an entry.
func (t *transaction) release(id entryID) {
	if t.settled == nil {
		t.settled = map[entryID]bool{}
	}
	delete(t.claimed, id)
	t.settled[id] = true
}

// find returns the entry of a key, or nil, without the messages that are not folded yet.
func (t *transaction) find(key string) (entryID, *header, error) { return findEntry(t.Tx, key) }

// findEntry returns the entry of a key, or nil.
func findEntry(tx *bbolt.Tx, key string) (id entryID, h *header, err error) {
	stored := tx.Bucket(keysBucket).Get([]byte(key))
	if stored == nil {
		return id, nil, nil
	}
	copy(id[:], stored)
	h, err = readHeader(tx, id)
	return id, h, err
}

// entry returns the entry of a key, or nil, with all its messages folded.
func (t *transaction) entry(key string) (entryID, *header, error) {
	if err := t.foldKey(key); err != nil {
		return entryID{}, nil, err
	}
	return t.find(key)
}

// header returns the entry with an id.
func (t *transaction) header(id entryID) (*header, error) { return readHeader(t.Tx, id) }

// readHeader returns the entry with an id; a missing one is as damaged as a broken one. It is a refusal: an unreadable
// entry must not fail the operations that share its commit.
func readHeader(tx *bbolt.Tx, id entryID) (*header, error) {
	record := tx.Bucket(entriesBucket).Get(id[:])
	if record == nil {
		return nil, refuse(fmt.Errorf("entry %x: %w: it is missing", id, outbox.ErrCorrupt))
	}
	h, err := decodeHeader(id[:], record)
	if err != nil {
		return nil, refuse(err)
	}
	return h, nil
}

// put stores an entry and moves it in the indexes from where it was (nil: nowhere).
func (t *transaction) put(id entryID, was, is *header) error {
	t.changed = true
	due, states := t.Bucket(dueBucket), t.Bucket(statesBucket)
	if was != nil && was.state == outbox.Pending && (is.state != outbox.Pending || was.due != is.due) {
		if err := due.Delete(dueKey(was.due, id)); err != nil {
			return err
		}
	}
	if was == nil || was.state != is.state || was.since != is.since {
		if was != nil {
			if err := states.Delete(stateKey(was.state, was.since, id)); err != nil {
				return err
			}
		}
		if err := states.Put(stateKey(is.state, is.since, id), nil); err != nil {
			return err
		}
	}
	if is.state == outbox.Pending {
		if err := due.Put(dueKey(is.due, id), nil); err != nil {
			return err
		}
	}
	t.figures.move(was, is)
	return t.Bucket(entriesBucket).Put(id[:], is.encode(id[:]))
}
