package outboxtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/crmsyncd/crmsyncd/outbox"
)

// Append implements outbox.Appender.
func (m *Memory) Append(ctx context.Context, msgs ...outbox.Message) ([]outbox.Appended, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(ctx); err != nil {
		return nil, err
	}
	for _, msg := range msgs {
		if err := valid(msg); err != nil {
			return nil, err
		}
	}
	now := m.now()
	touched := map[string]*memoryEntry{}
	appended := make([]outbox.Appended, len(msgs))
	for i, msg := range msgs {
		duplicate, err := m.stage(touched, msg, now)
		if err != nil {
			return nil, err
		}
		appended[i].Duplicate = duplicate
	}
	if m.options.Limit > 0 && len(touched) > 0 && m.used(touched) > m.options.Limit {
		return nil, outbox.ErrFull
	}
	m.commit(touched, appended)
	return appended, nil
}

// stage adds a message to a copy of its entry in touched. The caller holds mu.
func (m *Memory) stage(touched map[string]*memoryEntry, msg outbox.Message, now time.Time) (bool, error) {
	e := touched[msg.Key]
	if e == nil {
		if e = m.stored.Entries[msg.Key]; e != nil {
			e = e.clone()
		} else {
			e = newMemoryEntry(msg.Key, now)
		}
	}
	switch {
	case e.has(msg):
		return true, nil
	case e.full(msg):
		return false, fmt.Errorf("append to %q: %w", msg.Key, outbox.ErrEntryFull)
	}
	_, claimed := m.claims[msg.Key]
	e.add(msg, now, claimed)
	if e.Age == 0 {
		m.stored.LastAge++
		e.Age = m.stored.LastAge
	}
	touched[msg.Key] = e
	return false, nil
}

// commit makes staged entries visible. The caller holds mu.
func (m *Memory) commit(touched map[string]*memoryEntry, appended []outbox.Appended) {
	for key, e := range touched {
		if m.stored.Entries[key] == nil {
			m.stored.Made++
		}
		m.stored.Entries[key] = e
	}
	for _, a := range appended {
		if a.Duplicate {
			m.stored.Duplicates++
		} else {
			m.stored.Messages++
		}
	}
	if len(touched) > 0 {
		m.announce()
	}
}

func valid(m outbox.Message) error {
	switch {
	case m.Key == "" || len(m.Key) > outbox.MaxKeyBytes:
		return fmt.Errorf("key of %d bytes: %w", len(m.Key), outbox.ErrInvalid)
	case len(m.Body) > outbox.MaxBodyBytes:
		return fmt.Errorf("body of %d bytes: %w", len(m.Body), outbox.ErrInvalid)
	case len(m.Terms) > outbox.MaxTerms:
		return fmt.Errorf("%d terms: %w", len(m.Terms), outbox.ErrInvalid)
	}
	for _, term := range m.Terms {
		if term == "" || len(term) > outbox.MaxTermBytes {
			return fmt.Errorf("term of %d bytes: %w", len(term), outbox.ErrInvalid)
		}
	}
	return nil
}

// Claim implements outbox.Queue.
func (m *Memory) Claim(ctx context.Context, limit int) ([]outbox.Entry, time.Time, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(ctx); err != nil {
		return nil, time.Time{}, err
	}
	now := m.now()
	var entries []outbox.Entry
	for _, e := range m.sorted(m.waiting, dueOf) {
		switch {
		case len(entries) == limit:
			return entries, time.Time{}, nil
		case e.Due.After(now):
			if len(entries) > 0 {
				return entries, time.Time{}, nil
			}
			return nil, e.Due, nil
		}
		entries = m.take(entries, e, now)
	}
	return entries, time.Time{}, nil
}

// ClaimNewest implements outbox.Queue.
func (m *Memory) ClaimNewest(ctx context.Context, limit int) ([]outbox.Entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(ctx); err != nil {
		return nil, err
	}
	now := m.now()
	var entries []outbox.Entry
	for _, e := range slices.Backward(m.sorted(m.waiting, dueOf)) {
		if !e.Due.After(now) && len(entries) < limit {
			entries = m.take(entries, e, now)
		}
	}
	return entries, nil
}

// take puts a due entry in flight and adds it to the others, or parks it.
func (m *Memory) take(entries []outbox.Entry, e *memoryEntry, now time.Time) []outbox.Entry {
	if e.Starts >= m.options.MaxStarts {
		e.State, e.Since, e.Due = outbox.Parked, now, time.Time{}
		e.Reason = outbox.ReasonCrashed
		e.Error = fmt.Sprintf("%d deliveries began and never ended: the process died in each", e.Starts)
		return entries
	}
	e.Starts++
	m.claims[e.Key] = e.lastSeq()
	return append(entries, e.view(true, true))
}

func dueOf(e *memoryEntry) time.Time   { return e.Due }
func sinceOf(e *memoryEntry) time.Time { return e.Since }

// Changed implements outbox.Queue.
func (m *Memory) Changed() <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.changed
}

// Settle implements outbox.Queue. A receipt over outbox.MaxReceiptBytes is answered with outbox.ErrInvalid and leaves
// its entry in flight.
func (m *Memory) Settle(ctx context.Context, settlements ...outbox.Settlement) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(ctx); err != nil {
		return err
	}
	var errs []error
	for _, s := range settlements {
		seen, err := m.claimed(s.Key, s.Receipt)
		if err != nil {
			errs = append(errs, fmt.Errorf("settle %q: %w", s.Key, err))
			continue
		}
		m.stored.Entries[s.Key].settle(s, seen, m.now())
		delete(m.claims, s.Key)
	}
	m.announce()
	return errors.Join(errs...)
}

// Checkpoint implements outbox.Queue: all of the checkpoints are stored, or none.
func (m *Memory) Checkpoint(ctx context.Context, checkpoints ...outbox.Checkpoint) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(ctx); err != nil {
		return err
	}
	for _, c := range checkpoints {
		if _, err := m.claimed(c.Key, c.Receipt); err != nil {
			return fmt.Errorf("checkpoint %q: %w", c.Key, err)
		}
	}
	for _, c := range checkpoints {
		m.stored.Entries[c.Key].Receipt = bytes.Clone(c.Receipt)
	}
	return nil
}

// claimed returns the Seq of the last message that the claim of a key handed out. The caller holds mu.
func (m *Memory) claimed(key string, receipt []byte) (uint64, error) {
	seen, ok := m.claims[key]
	switch {
	case !ok:
		return 0, outbox.ErrNotClaimed
	case len(receipt) > outbox.MaxReceiptBytes:
		return 0, fmt.Errorf("receipt of %d bytes: %w", len(receipt), outbox.ErrInvalid)
	}
	return seen, nil
}

// used counts the bytes of all entries, those in touched in place of what is stored. The caller holds mu.
func (m *Memory) used(touched map[string]*memoryEntry) int64 {
	var n int64
	for key, e := range m.stored.Entries {
		if touched[key] == nil {
			n += e.size()
		}
	}
	for _, e := range touched {
		n += e.size()
	}
	return n
}
