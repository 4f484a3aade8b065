package crm

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/outbox"
)

// Syncer brings the calls of an outbox to a CRM. It is the outbox's Deliverer, safe for concurrent use.
type Syncer struct {
	options Options
	traits  Traits
	agents  *agents
	memory  *memory
	// began is when the Syncer was made: what a process before it wrote, the CRM's search may not show yet.
	began time.Time
}

var _ outbox.Deliverer = (*Syncer)(nil)

// NewSyncer checks the options and returns a Syncer. It does not reach the CRM. The error names all that is wrong.
func NewSyncer(o Options) (*Syncer, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("set up the syncer: %w", err)
	}
	memory, err := newMemory(o.Memory)
	if err != nil {
		return nil, fmt.Errorf("set up the memory of the syncer: %w", err)
	}
	s := &Syncer{options: o, traits: o.Adapter.Traits(), memory: memory, began: o.Now()}
	s.options.Write = latest(o.Write, s.traits.writeWhen())
	finder, _ := o.Adapter.(UserFinder)
	s.agents = newAgents(o.Agents, finder)
	return s, nil
}

// Deliver writes the calls of a batch. The look-ups of all calls go to the adapter together, one Find per object and
// step, and all call logs in one Write; a second Write follows only for calls of which a log turned out to be there
// already. Reasons and errors of the outcomes are for operators: they name records, never numbers.
//
// An outcome that waits with a zero Until leaves the time to the relay: the target rests for an unknown time, or ctx
// was cancelled.
func (s *Syncer) Deliver(ctx context.Context, entries []outbox.Entry, checkpoint outbox.CheckpointFunc) outbox.Report {
	b := &batch{
		Syncer: s, checkpoint: checkpoint, started: s.options.Now(), deliveries: make([]*delivery, 0, len(entries)),
	}
	for _, entry := range entries {
		b.deliveries = append(b.deliveries, s.begin(entry))
	}
	steps := []func(context.Context){b.hold, b.match, b.applyPolicy, b.findOwners, b.findLogs, b.writeLogs, b.writeAgain}
	for _, step := range steps {
		if b.halt(ctx); len(b.open()) == 0 {
			break
		}
		step(ctx)
	}
	b.halt(ctx)
	return b.report(ctx)
}

// batch is one run of Deliver.
type batch struct {
	*Syncer
	checkpoint outbox.CheckpointFunc
	started    time.Time
	deliveries []*delivery
	pause      outbox.Pause
}

// delivery is one entry on its way through Deliver.
type delivery struct {
	entry outbox.Entry
	call  call.Call
	// ended is when the first message arrived that saw the end of the call.
	ended   time.Time
	receipt receipt
	// matched: the record, or that there is none, is decided.
	matched bool
	owner   string
	// exists: the CRM answered that a log of the call is there already.
	exists bool
	// asked: the CRM was asked for this call.
	asked bool
	// settled: outcome is final.
	settled bool
	outcome outbox.Outcome
}

// begin reads an entry.
func (s *Syncer) begin(entry outbox.Entry) *delivery {
	now := s.options.Now()
	left := s.memory.receipt(entry.Key, now)
	if left == nil {
		left = entry.Receipt
	}
	d := &delivery{entry: entry, receipt: readReceipt(left, s.traits)}
	if entry.Interrupted && d.receipt.LogID == "" && !s.traits.Upsert {
		// Kept in the receipt: only the first delivery after the interruption is told of it. The CRM may still be at work on
		// what the process sent that died.
		d.receipt.doubt(now.Add(s.doubtRest()))
	}
	events := make([]call.Event, 0, len(entry.Messages))
	for _, message := range entry.Messages {
		event, err := s.options.Decode(message.Body)
		if err != nil {
			d.settle(refused("undecodable",
				fmt.Sprintf("message %d was taken in but cannot be read: %v", message.Seq, err)))
			return d
		}
		if !event.IsCall() {
			continue
		}
		events = append(events, event)
		if event.Ended() && d.ended.IsZero() {
			d.ended = message.At
		}
	}
	if len(events) == 0 {
		d.settle(outbox.Outcome{Kind: outbox.Done, Reason: "ignored"})
		return d
	}
	d.call = call.Merge(s.options.Region, events...)
	return d
}

// settle makes an outcome final. The receipt is added by report.
func (d *delivery) settle(o outbox.Outcome) { d.outcome, d.settled = o, true }

// open returns the deliveries without an outcome.
func (b *batch) open() []*delivery {
	return b.openIf(func(*delivery) bool { return true })
}

// openIf returns the deliveries without an outcome that meet a condition.
func (b *batch) openIf(meets func(*delivery) bool) []*delivery {
	var open []*delivery
	for _, d := range b.deliveries {
		if !d.settled && meets(d) {
			open = append(open, d)
		}
	}
	return open
}

// halted reports whether nothing more may be sent to the CRM: it asked for a rest, or ctx ended.
func (b *batch) halted(ctx context.Context) bool { return b.pause.Reason != "" || ctx.Err() != nil }

// halt settles what has no outcome yet when nothing more may be sent. Who was not asked for spends no attempt.
func (b *batch) halt(ctx context.Context) {
	if !b.halted(ctx) {
		return
	}
	for _, d := range b.open() {
		switch {
		case b.pause.Reason != "":
			d.settle(waiting(b.pause.Reason, b.pause.Until, b.pause.Error))
		case stopped(ctx) || !d.asked:
			d.settle(cutShort())
		default:
			b.fail(ctx, d, &Error{Kind: KindTransient, Op: "deliver", Err: context.Cause(ctx)})
		}
	}
}

// stopped reports whether ctx was cancelled by us, in contrast to a deadline that passed because the CRM was slow.
func stopped(ctx context.Context) bool { return errors.Is(ctx.Err(), context.Canceled) }

// hold lets calls wait that are not to be written yet.
func (b *batch) hold(context.Context) {
	now := b.options.Now()
	for _, d := range b.open() {
		until, reason := b.writeTime(d)
		if now.Before(until) {
			d.settle(waiting(reason, until, "more news of the call is awaited"))
		}
	}
}

// writeTime returns until when the call waits for more news of it, and for which. Zero: it does not wait.
func (s *Syncer) writeTime(d *delivery) (until time.Time, reason string) {
	switch {
	case s.options.Write == WriteLive:
		return time.Time{}, ""
	case d.call.State != call.Ended:
		return d.entry.Since.Add(s.options.EndWait), "running"
	case s.options.Write == WriteComplete && !complete(d.call):
		return d.ended.Add(s.options.RecordingWait), "recording"
	default:
		return time.Time{}, ""
	}
}

// complete reports whether nothing more is to be expected of a call.
func complete(c call.Call) bool {
	return c.State == call.Ended && (c.RecordingURL != "" || c.Result != call.ResultAnswered)
}
