package outboxtest

import (
	"bytes"
	"context"
	"encoding/gob"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/crmsyncd/crmsyncd/outbox"
)

// Replay implements outbox.Operator. A pending entry is made due now as well.
func (m *Memory) Replay(ctx context.Context, key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, err := m.atRest(ctx, "replay", key)
	if err != nil {
		return err
	}
	e.revive(m.now(), m.now())
	m.announce()
	return nil
}

// Discard implements outbox.Operator.
func (m *Memory) Discard(ctx context.Context, key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, err := m.atRest(ctx, "discard", key); err != nil {
		return err
	}
	delete(m.stored.Entries, key)
	m.stored.Discarded++
	return nil
}

// atRest returns an entry that is not in flight. The caller holds mu.
func (m *Memory) atRest(ctx context.Context, operation, key string) (*memoryEntry, error) {
	if err := m.usable(ctx); err != nil {
		return nil, err
	}
	e := m.stored.Entries[key]
	switch {
	case e == nil:
		return nil, fmt.Errorf("%s %q: %w", operation, key, outbox.ErrNotFound)
	case m.inFlight(key):
		return nil, fmt.Errorf("%s %q: %w", operation, key, outbox.ErrClaimed)
	}
	return e, nil
}

// Purge implements outbox.Operator: the entries that were delivered first go first.
func (m *Memory) Purge(ctx context.Context, before time.Time, limit int) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(ctx); err != nil {
		return 0, err
	}
	old := m.sorted(func(e *memoryEntry) bool {
		return e.State == outbox.Delivered && e.Since.Before(before)
	}, sinceOf)
	old = old[:min(len(old), max(limit, 0))]
	for _, e := range old {
		delete(m.stored.Entries, e.Key)
	}
	m.stored.Purged += uint64(len(old))
	return len(old), nil
}

// contentTypeBytes is how much of a content type the quarantine keeps.
const contentTypeBytes = 128

// Quarantine implements outbox.Quarantine. A body larger than the whole quarantine may be is cut to that size.
func (m *Memory) Quarantine(ctx context.Context, r outbox.Rejected) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(ctx); err != nil {
		return err
	}
	r.Body = bytes.Clone(r.Body)
	if room := m.options.QuarantineBytes; int64(len(r.Body)) > room {
		r.Body, r.Truncated = r.Body[:room], true
	}
	rejected := m.stored.Rejected
	now := m.now()
	i := slices.IndexFunc(rejected, func(k outbox.Rejected) bool { return bytes.Equal(k.Body, r.Body) })
	if i >= 0 {
		rejected[i].Count++
		rejected[i].LastAt = now
		return nil
	}
	m.stored.LastRejected++
	r.ID, r.Count, r.At, r.LastAt = m.stored.LastRejected, 1, now, now
	r.ContentType = r.ContentType[:min(len(r.ContentType), contentTypeBytes)]
	m.stored.Rejected = append(rejected, r)
	for len(m.stored.Rejected) > m.options.QuarantineCount || m.rejectedBytes() > m.options.QuarantineBytes {
		m.stored.Rejected = slices.Delete(m.stored.Rejected, 0, 1)
		m.stored.Evicted++
	}
	return nil
}

// rejectedBytes returns how large the refused bodies are together. The caller holds mu.
func (m *Memory) rejectedBytes() int64 {
	var n int64
	for _, r := range m.stored.Rejected {
		n += int64(len(r.Body))
	}
	return n
}

// Quarantined implements outbox.Quarantine.
func (m *Memory) Quarantined(ctx context.Context, after uint64, limit int) ([]outbox.Rejected, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(ctx); err != nil {
		return nil, err
	}
	var listed []outbox.Rejected
	for _, r := range m.stored.Rejected {
		if r.ID > after && len(listed) < limit {
			r.Body = bytes.Clone(r.Body)
			listed = append(listed, r)
		}
	}
	return listed, nil
}

// Backup implements outbox.Keeper; RestoreMemory reads what it writes.
func (m *Memory) Backup(ctx context.Context, w io.Writer) (int64, error) {
	var copied bytes.Buffer
	m.mu.Lock()
	err := m.usable(ctx)
	if err == nil {
		err = gob.NewEncoder(&copied).Encode(m.stored)
	}
	m.mu.Unlock() // a slow writer must not hold up the store
	if err != nil {
		return 0, err
	}
	n, err := copied.WriteTo(w)
	if err != nil {
		return n, fmt.Errorf("write the backup: %w", err)
	}
	return n, nil
}

// Check implements outbox.Keeper.
func (m *Memory) Check(ctx context.Context, report func(fault string)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(ctx); err != nil {
		return err
	}
	if kept := uint64(len(m.stored.Entries)); m.stored.Made != kept+m.stored.Discarded+m.stored.Purged {
		report(fmt.Sprintf("%d entries are there, which does not fit the counters", kept))
	}
	for key, e := range m.stored.Entries {
		if e.Key != key || len(e.Stored) == 0 || e.Covered > e.lastSeq() {
			report(fmt.Sprintf("entry %q contradicts itself", key))
		}
	}
	for key := range m.claims {
		if e := m.stored.Entries[key]; e == nil || e.State != outbox.Pending {
			report(fmt.Sprintf("claim of %q, which is not pending", key))
		}
	}
	return nil
}
