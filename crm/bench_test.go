package crm_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/outbox"
)

// start is when the clock of a bench begins.
var start = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

// bench is a Syncer on a fake CRM, with a clock that moves by hand.
type bench struct {
	crm      *fakeCRM
	syncer   *crm.Syncer
	observer *fakeObserver
	options  crm.Options
	now      time.Time
	// checkpoints are what was made durable, checkpointErr is what the store answers.
	checkpoints   []outbox.Checkpoint
	checkpointErr error
}

// newBench returns a bench; each change may touch the CRM and the options before the Syncer is made.
func newBench(t require.TestingT, changes ...func(*fakeCRM, *crm.Options)) *bench {
	b := &bench{crm: newFakeCRM(), observer: &fakeObserver{}, now: start}
	o := crm.Options{
		Adapter: b.crm, Region: "VN", Now: func() time.Time { return b.now }, Observer: b.observer,
		Logger: slog.New(slog.DiscardHandler), Match: crm.MatchOptions{Wait: 15 * time.Minute, Phone: true},
		Agents: crm.AgentOptions{CacheFor: 10 * time.Minute}, EndWait: 6 * time.Hour, RecordingWait: 15 * time.Minute,
		Decode: func(body []byte) (e call.Event, err error) { return e, json.Unmarshal(body, &e) },
	}
	for _, change := range changes {
		change(b.crm, &o)
	}
	b.options = o
	b.restart(t)
	return b
}

// restart makes a Syncer that remembers nothing.
func (b *bench) restart(t require.TestingT) {
	syncer, err := crm.NewSyncer(b.options)
	require.NoError(t, err)
	b.syncer = syncer
}

// checkpoint is the store's side of a delivery.
func (b *bench) checkpoint(_ context.Context, checkpoints ...outbox.Checkpoint) error {
	b.checkpoints = append(b.checkpoints, checkpoints...)
	return b.checkpointErr
}

// deliver delivers a batch and requires one outcome per entry, in their order.
func (b *bench) deliver(t *testing.T, entries ...outbox.Entry) outbox.Report {
	t.Helper()
	return b.deliverWith(t.Context(), t, entries...)
}

func (b *bench) deliverWith(ctx context.Context, t *testing.T, entries ...outbox.Entry) outbox.Report {
	t.Helper()
	report := b.syncer.Deliver(ctx, entries, b.checkpoint)
	require.Len(t, report.Outcomes, len(entries))
	for i, o := range report.Outcomes {
		require.Equal(t, entries[i].Key, o.Key)
	}
	return report
}

// one delivers one entry and returns its outcome.
func (b *bench) one(t *testing.T, entry outbox.Entry) outbox.Outcome {
	t.Helper()
	return b.deliver(t, entry).Outcomes[0]
}

// entry returns an entry of events that arrived at start.
func entry(t require.TestingT, events ...call.Event) outbox.Entry {
	e := outbox.Entry{Key: events[0].CallID, Created: start, Since: start, Starts: 1}
	for i, event := range events {
		body, err := json.Marshal(event)
		require.NoError(t, err)
		e.Messages = append(e.Messages, outbox.StoredMessage{Seq: uint64(i) + 1, At: start, Body: body})
	}
	return e
}

// after returns the entry as it is claimed again after an outcome.
func after(e outbox.Entry, o outbox.Outcome) outbox.Entry {
	if o.Receipt != nil {
		e.Receipt = o.Receipt
	}
	return e
}

// answered returns an event of a call that is being answered.
func answered(id, transactionID, number string) call.Event {
	return call.Event{
		CallID: id, TransactionID: transactionID, CustomerNumber: number, Status: "answered", Direction: call.Inbound,
		Start: start, Answer: start.Add(5 * time.Second),
	}
}

// ended returns the event of the end of the same call.
func ended(id, transactionID, number string) call.Event {
	e := answered(id, transactionID, number)
	e.End, e.HangupBy = start.Add(time.Minute), "customer"
	return e
}

// recorded returns the event of the end of the same call with its recording.
func recorded(id, transactionID, number string) call.Event {
	e := ended(id, transactionID, number)
	e.RecordingURL = "https://media.example/" + id + ".mp3"
	return e
}
