package bolt

import (
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"go.etcd.io/bbolt"

	"github.com/crmsyncd/crmsyncd/outbox"
)

// The keys of the meta bucket.
var (
	formatKey  = []byte("format")
	figuresKey = []byte("figures")
)

// maxReasons bounds how many reasons are counted apart; the others count together.
const (
	maxReasons  = 64
	otherReason = "other"
)

// figures are the counters of the store. They change and are saved with what they count, so they add up after a crash.
type figures struct {
	// at is when they were saved, folded the number in the journal up to which everything was folded then.
	at                            int64
	folded                        uint64
	pending, delivered, parked    int64
	entries, messages, duplicates uint64
	discarded, purged             uint64
	damaged, setAside             uint64
	rejected, rejectedBytes       int64
	evicted                       uint64
	parkedBy                      map[string]int64
}

// storedFigures is how figures stand in the file: JSON, so that a new counter needs no new format.
type storedFigures struct {
	At                            int64
	Folded                        uint64
	Pending, Delivered, Parked    int64
	Entries, Messages, Duplicates uint64
	Discarded, Purged             uint64
	Damaged, SetAside             uint64
	Rejected, RejectedBytes       int64
	Evicted                       uint64
	ParkedBy                      map[string]int64
}

// clone returns a copy that shares nothing.
func (f figures) clone() figures {
	f.parkedBy = maps.Clone(f.parkedBy)
	return f
}

// loadFigures reads the figures; a file that was just made has none.
func loadFigures(tx *bbolt.Tx) (figures, error) {
	record := tx.Bucket(metaBucket).Get(figuresKey)
	if record == nil {
		return figures{parkedBy: map[string]int64{}}, nil
	}
	payload, err := unseal(figuresKey, record)
	if err != nil {
		return figures{}, fmt.Errorf("figures: %w", err)
	}
	var stored storedFigures
	if err := json.Unmarshal(payload, &stored); err != nil {
		return figures{}, fmt.Errorf("figures: %w: %w", outbox.ErrCorrupt, err)
	}
	f := figures{
		at: stored.At, pending: stored.Pending, delivered: stored.Delivered, parked: stored.Parked, entries: stored.Entries,
		messages: stored.Messages, duplicates: stored.Duplicates, discarded: stored.Discarded, purged: stored.Purged,
		damaged:  stored.Damaged,
		setAside: stored.SetAside, folded: stored.Folded, rejected: stored.Rejected, rejectedBytes: stored.RejectedBytes, evicted: stored.Evicted,
		parkedBy: stored.ParkedBy,
	}
	if f.parkedBy == nil {
		f.parkedBy = map[string]int64{}
	}
	return f, nil
}

// save writes the figures.
func (f figures) save(tx *bbolt.Tx) error {
	payload, err := json.Marshal(storedFigures{
		At: f.at, Pending: f.pending, Delivered: f.delivered, Parked: f.parked, Entries: f.entries, Messages: f.messages,
		Duplicates: f.duplicates, Discarded: f.discarded, Purged: f.purged, Damaged: f.damaged, SetAside: f.setAside,
		Folded: f.folded, Rejected: f.rejected, RejectedBytes: f.rejectedBytes, Evicted: f.evicted, ParkedBy: f.parkedBy,
	})
	if err != nil {
		return err
	}
	return tx.Bucket(metaBucket).Put(figuresKey, seal(figuresKey, append(make([]byte, sealSize), payload...)))
}

// move counts an entry that goes from one state to another; nil stands for outside.
func (f *figures) move(was, is *header) {
	f.count(was, -1)
	f.count(is, 1)
}

func (f *figures) count(h *header, by int64) {
	if h == nil {
		return
	}
	switch h.state {
	case outbox.Pending:
		f.pending += by
	case outbox.Delivered:
		f.delivered += by
	case outbox.Parked:
		f.parked += by
		reason := h.reason
		if _, known := f.parkedBy[reason]; !known && (by < 0 || len(f.parkedBy) >= maxReasons) {
			reason = otherReason
		}
		if f.parkedBy[reason] += by; f.parkedBy[reason] == 0 {
			delete(f.parkedBy, reason)
		}
	}
}

// Stats returns figures about the store, see outbox.Inspector. It seeks a few keys and walks nothing but the claims and
// the tail of the journal, which are bounded.
func (s *Store) Stats() outbox.Stats {
	s.mu.Lock()
	f := s.figures.clone()
	s.tail.count(&f)
	flying, used := int64(len(s.claims)), s.used
	oldest := map[outbox.State]time.Time{}
	for _, c := range s.claims {
		if at, ok := oldest[outbox.InFlight]; !ok || fromStored(c.since).Before(at) {
			oldest[outbox.InFlight] = fromStored(c.since)
		}
	}
	s.mu.Unlock()
	stats := outbox.Stats{
		States: map[outbox.State]int64{
			outbox.Pending: f.pending - flying, outbox.InFlight: flying, outbox.Delivered: f.delivered,
			outbox.Parked: f.parked,
		},
		ParkedBy: f.parkedBy, Entries: f.entries, Messages: f.messages, Duplicates: f.duplicates,
		Discarded: f.discarded, Purged: f.purged, Damaged: f.damaged, SetAside: f.setAside, OldestSince: oldest, Rejected: f.rejected,
		RejectedBytes: f.rejectedBytes, Evicted: f.evicted, UsedBytes: used, LimitBytes: s.options.Limit,
	}
	// A store that is being closed has no more to say than its counters.
	_ = guarded(func() error {
		return s.db.View(func(tx *bbolt.Tx) error {
			stats.FileBytes = tx.Size()
			s.oldest(tx, &stats)
			return nil
		})
	})
	return stats
}

// oldest fills in since when the oldest entry of each state stands and when the next one is due.
func (s *Store) oldest(tx *bbolt.Tx, stats *outbox.Stats) {
	s.mu.Lock()
	defer s.mu.Unlock()
	states := tx.Bucket(statesBucket).Cursor()
	for _, state := range []outbox.State{outbox.Pending, outbox.Delivered, outbox.Parked} {
		key, _ := states.Seek([]byte{byte(state)})
		for ; len(key) > 0 && key[0] == byte(state); key, _ = states.Next() {
			if _, taken := s.claims[idAtEnd(key)]; taken {
				continue
			}
			h, err := readHeader(tx, idAtEnd(key))
			if err != nil || state != outbox.Pending && len(s.tail.byKey[h.key]) > 0 {
				continue // it is set aside, or will be; or pending once its messages are folded
			}
			stats.OldestSince[state] = fromStored(timeAt(key, 1))
			break
		}
	}
	due := tx.Bucket(dueBucket).Cursor()
	for key, _ := due.First(); key != nil; key, _ = due.Next() {
		if _, taken := s.claims[idAtEnd(key)]; !taken {
			stats.OldestDue = fromStored(timeAt(key, 0))
			break
		}
	}
	s.oldestInTail(stats)
}

// oldestInTail takes account of what is not folded yet.
func (s *Store) oldestInTail(stats *outbox.Stats) {
	earlier := func(at time.Time, than time.Time) bool { return than.IsZero() || at.Before(than) }
	for m := range s.tail.all {
		if m.opens && m.from != outbox.Pending && earlier(fromStored(m.at), stats.OldestSince[outbox.Pending]) {
			stats.OldestSince[outbox.Pending] = fromStored(m.at)
		}
		if due := fromStored(m.due); earlier(due, stats.OldestDue) {
			stats.OldestDue = due
		}
	}
}
