package outboxtest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/crmsyncd/crmsyncd/outbox"
)

// Get implements outbox.Inspector.
func (m *Memory) Get(ctx context.Context, key string) (outbox.Entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(ctx); err != nil {
		return outbox.Entry{}, err
	}
	e := m.stored.Entries[key]
	if e == nil {
		return outbox.Entry{}, fmt.Errorf("get %q: %w", key, outbox.ErrNotFound)
	}
	return e.view(m.inFlight(key), true), nil
}

func (m *Memory) inFlight(key string) bool {
	_, claimed := m.claims[key]
	return claimed
}

// List implements outbox.Inspector.
func (m *Memory) List(ctx context.Context, f outbox.Filter) (outbox.Page, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(ctx); err != nil {
		return outbox.Page{}, err
	}
	var from cursor
	if f.After != "" {
		var err error
		if from, err = parseCursor(f.After); err != nil {
			return outbox.Page{}, err
		}
	}
	if f.Limit <= 0 {
		f.Limit = 100
	}
	var page outbox.Page
	var last cursor
	chosen := m.sorted(func(e *memoryEntry) bool { return m.matches(e, f) && from.before(e) }, sinceOf)
	for _, e := range chosen {
		if len(page.Entries) == f.Limit {
			page.Next = last.String()
			break
		}
		page.Entries = append(page.Entries, e.view(m.inFlight(e.Key), false))
		last = cursor{e.Since.UnixNano(), e.Age}
	}
	return page, nil
}

// matches tells whether a filter chooses an entry. The caller holds mu.
func (m *Memory) matches(e *memoryEntry, f outbox.Filter) bool {
	state := e.State
	if m.inFlight(e.Key) {
		state = outbox.InFlight
	}
	return (f.State == 0 || f.State == state) &&
		(f.Reason == "" || f.Reason == e.Reason) &&
		(f.Term == "" || slices.Contains(e.Terms, f.Term)) &&
		(f.From.IsZero() || !e.Since.Before(f.From)) &&
		(f.To.IsZero() || e.Since.Before(f.To))
}

// cursor is the place of an entry in a listing. Its zero value stands before all entries.
type cursor struct {
	since int64
	age   uint64
}

func (c cursor) String() string { return fmt.Sprintf("%d-%d", c.since, c.age) }

func parseCursor(s string) (cursor, error) {
	var c cursor
	if _, err := fmt.Sscanf(s, "%d-%d", &c.since, &c.age); err != nil {
		return cursor{}, fmt.Errorf("list entries: %q is not a cursor of a listing", s)
	}
	return c, nil
}

func (c cursor) before(e *memoryEntry) bool {
	since := e.Since.UnixNano()
	return c == cursor{} || since > c.since || since == c.since && e.Age > c.age
}

// Stats implements outbox.Inspector.
func (m *Memory) Stats() outbox.Stats {
	m.mu.Lock()
	defer m.mu.Unlock()
	stats := outbox.Stats{
		States:      map[outbox.State]int64{},
		ParkedBy:    map[string]int64{},
		OldestSince: map[outbox.State]time.Time{},
		Entries:     m.stored.Made,
		Messages:    m.stored.Messages,
		Duplicates:  m.stored.Duplicates,
		Discarded:   m.stored.Discarded,
		Purged:      m.stored.Purged,
		Rejected:    int64(len(m.stored.Rejected)),
		Evicted:     m.stored.Evicted,
		UsedBytes:   m.used(nil),
		LimitBytes:  m.options.Limit,
	}
	stats.RejectedBytes = m.rejectedBytes()
	stats.FileBytes = stats.UsedBytes
	for _, state := range outbox.States {
		stats.States[state] = 0
	}
	for _, e := range m.stored.Entries {
		state := e.State
		switch {
		case m.inFlight(e.Key):
			state = outbox.InFlight
		case state == outbox.Parked:
			stats.ParkedBy[e.Reason]++
		case state == outbox.Pending && (stats.OldestDue.IsZero() || e.Due.Before(stats.OldestDue)):
			stats.OldestDue = e.Due
		}
		stats.States[state]++
		if oldest, ok := stats.OldestSince[state]; !ok || e.Since.Before(oldest) {
			stats.OldestSince[state] = e.Since
		}
	}
	return stats
}
