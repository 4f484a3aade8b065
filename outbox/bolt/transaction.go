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
	changed bool
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

// find returns the entry of a key, or nil.
func (t *transaction) find(key string) (entryID, *header, error) {
	var id entryID
	stored := t.Bucket(keysBucket).Get([]byte(key))
	if stored == nil {
		return id, nil, nil
	}
	copy(id[:], stored)
	h, err := t.header(id)
	return id, h, err
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
