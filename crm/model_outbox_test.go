package crm_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/outbox"
)

// append adds one event of a call, in any order, again or for the first time.
func (m *model) append() {
	number := rapid.IntRange(0, 9).Draw(m.t, "call")
	customer := number % len(customers)
	id := fmt.Sprintf("c%d", number)
	steps := []func(id, transaction, phone string) call.Event{answered, ended, recorded}
	event := rapid.SampledFrom(steps).Draw(m.t, "event")(id, customers[customer].transaction, customers[customer].phone)
	event.Agent = []string{"a", "b"}[number%2]
	if event.TransactionID != "" && rapid.Bool().Draw(m.t, "no transaction id") {
		event.TransactionID = ""
	}
	h := m.entries[id]
	if h == nil {
		h = &held{Entry: outbox.Entry{Key: id, Created: m.now}, customer: customer}
		m.entries[id] = h
	}
	if slices.Contains(h.events, event) {
		return // The store knows an exact repeat.
	}
	body, err := json.Marshal(event)
	require.NoError(m.t, err)
	if len(h.Messages) == h.delivered {
		h.Since = m.now
	}
	h.events = append(h.events, event)
	h.Messages = append(h.Messages, outbox.StoredMessage{Seq: uint64(len(h.events)), At: m.now, Body: body})
	h.pending, h.parked, h.due = true, false, m.now
}

// deliver delivers some of the pending entries, or all of them, and settles them as the relay does.
func (m *model) deliver(all bool) {
	var batch []outbox.Entry
	for _, key := range slices.Sorted(maps.Keys(m.entries)) {
		if h := m.entries[key]; h.pending && !m.now.Before(h.due) && (all || rapid.Bool().Draw(m.t, "delivered")) {
			batch = append(batch, h.Entry)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	m.cancel, m.crashed = cancel, false
	report, fault := m.run(ctx, batch)
	switch fault {
	case nil:
		m.settle(report)
	case crash{}:
		for _, e := range batch {
			m.entries[e.Key].Interrupted = true
		}
		for _, h := range m.entries {
			h.Interrupted = h.Interrupted || h.unsettled
		}
		m.restart(m.t)
	default: // The relay settles a panic as a failure of every entry.
		for _, e := range batch {
			m.entries[e.Key].Interrupted = false
		}
	}
}

// settle does what the outcomes say, unless the store fails.
func (m *model) settle(report outbox.Report) {
	for _, o := range report.Outcomes {
		h := m.entries[o.Key]
		if h.unsettled = m.fault == "settle LOST"; h.unsettled {
			continue
		}
		h.Interrupted, h.due = false, o.Until
		if o.Receipt != nil {
			h.Receipt = o.Receipt
		}
		switch o.Kind {
		case outbox.Done:
			h.pending, h.delivered, h.Attempts = false, len(h.Messages), 0
		case outbox.Refused:
			h.pending, h.parked = false, true
		case outbox.Failed:
			if h.Attempts++; o.Attempts > 0 && h.Attempts >= o.Attempts {
				h.pending, h.parked = false, true
			}
		}
	}
}

// run calls the Syncer and returns what it panicked with.
func (m *model) run(ctx context.Context, batch []outbox.Entry) (report outbox.Report, fault any) {
	defer func() { fault = recover() }()
	return m.syncer.Deliver(ctx, batch, func(_ context.Context, checkpoints ...outbox.Checkpoint) error {
		if m.crashed || m.fault == "checkpoint" {
			return outbox.ErrFailed
		}
		for _, c := range checkpoints {
			m.entries[c.Key].Receipt = c.Receipt
		}
		return nil
	}), nil
}
