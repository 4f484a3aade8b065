package crm

import (
	"context"
	"errors"
	"time"

	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/outbox"
)

// calls returns the calls of deliveries.
func calls(deliveries []*delivery) []call.Call {
	all := make([]call.Call, len(deliveries))
	for i, d := range deliveries {
		all[i] = d.call
	}
	return all
}

// findLogs looks for the logs of the calls of which one may be there without its id being known.
func (b *batch) findLogs(ctx context.Context) {
	b.lookForLogs(ctx, b.openIf(func(d *delivery) bool { return b.creates(d) && d.receipt.Doubt }))
}

// creates reports whether a write of the call makes a log that no upsert key protects from being made twice.
func (b *batch) creates(d *delivery) bool { return d.receipt.LogID == "" && !b.traits.Upsert }

// lookForLogs puts the ids of the logs that are there into the receipts.
func (b *batch) lookForLogs(ctx context.Context, doubtful []*delivery) {
	finder, finds := b.options.Adapter.(LogFinder)
	if len(doubtful) == 0 || !finds {
		return
	}
	results := finder.FindLogs(ctx, calls(doubtful))
	miscount := countMismatch("find call log", len(results), len(doubtful))
	now := b.options.Now()
	for i, d := range doubtful {
		switch {
		case miscount != nil:
			b.fail(ctx, d, miscount)
		case results[i].Err != nil:
			b.fail(ctx, d, results[i].Err)
		case results[i].LogID != "":
			d.receipt.found(results[i].LogID)
			b.remember(d)
		case now.Before(d.receipt.DoubtUntil):
			d.asked = true
			d.settle(waiting(KindInDoubt.String(), d.receipt.DoubtUntil, "a log of the call may be there that the CRM's "+
				"search does not show yet"))
		}
	}
}

// writeLogs writes all calls.
func (b *batch) writeLogs(ctx context.Context) { b.send(ctx, b.open()) }

// writeAgain updates the logs that turned out to be there already, once.
func (b *batch) writeAgain(ctx context.Context) {
	b.lookForLogs(ctx, b.openIf(func(d *delivery) bool { return d.receipt.LogID == "" }))
	if b.halted(ctx) {
		return
	}
	for _, d := range b.openIf(func(d *delivery) bool { return d.receipt.LogID == "" }) {
		b.unnamed(ctx, d)
	}
	b.send(ctx, b.open())
}

// unnamed settles a call of which the CRM says that a log exists, but not which, and does not find it either. Where its
// search lags it may find it later.
func (b *batch) unnamed(ctx context.Context, d *delivery) {
	const text = "the CRM says that a log of this call exists, but does not say which"
	if b.traits.SearchLag == 0 {
		d.settle(refused(KindExists.String(), text))
		return
	}
	until := b.options.Now().Add(b.traits.SearchLag)
	d.receipt.doubt(until)
	b.fail(ctx, d, Errorf(KindExists, "write call log", text))
	d.outcome.Until = until
}

// send hands the calls to the adapter in one Write.
func (b *batch) send(ctx context.Context, sent []*delivery) {
	if len(sent) == 0 {
		return
	}
	writes := make([]Write, len(sent))
	for i, d := range sent {
		d.asked = true
		writes[i] = Write{
			Call: d.call, Record: d.receipt.Record, Owner: d.owner, LogID: d.receipt.LogID, Progress: d.receipt.Progress,
		}
	}
	read := false
	defer func() {
		if !read {
			b.keepDoubt(ctx, sent)
		}
	}()
	results := b.options.Adapter.Write(ctx, writes)
	miscount := countMismatch("write call log", len(results), len(writes))
	for i, d := range sent {
		if miscount != nil {
			b.doubt(d)
			b.fail(ctx, d, miscount)
			continue
		}
		b.written(ctx, d, results[i])
	}
	read = true
}

// keepDoubt notes, while a panic is on its way to the relay, that nobody knows what was written: the relay
// settles the entries of a panic without a receipt of ours.
func (b *batch) keepDoubt(ctx context.Context, sent []*delivery) {
	for _, d := range sent {
		b.doubt(d)
		b.remember(d)
	}
	if err := b.keepReceipts(context.WithoutCancel(ctx), sent); err != nil {
		b.options.Logger.ErrorContext(ctx, "doubt about call logs not kept, they may be written twice", "err", err)
	}
}

// doubt notes that the write just sent may have made a log of which the id is not known.
func (b *batch) doubt(d *delivery) {
	if b.creates(d) {
		d.receipt.doubt(b.options.Now().Add(b.doubtRest()))
	}
}

// written acts on the result of one write.
func (b *batch) written(ctx context.Context, d *delivery, w Written) {
	if w.Err != nil && b.uncertain(ctx, w.Err) {
		b.doubt(d)
	}
	if w.Progress != nil {
		d.receipt.Progress = w.Progress
	}
	if w.LogID != "" {
		d.receipt.found(w.LogID)
	}
	b.remember(d)
	if w.Err == nil {
		b.done(d)
		return
	}
	switch kind := Classify(w.Err).Kind; {
	case kind == KindExists && !d.exists:
		d.exists = true // Stays open for writeAgain.
	case kind == KindGone:
		b.gone(ctx, d, w.Err)
	default:
		b.fail(ctx, d, w.Err)
	}
}

// uncertain reports whether a failed write may have taken effect. An adapter says so by its kind; what it did not
// classify, or what happened while ctx ended, says nothing.
func (b *batch) uncertain(ctx context.Context, err error) bool {
	classified, ok := errors.AsType[*Error](err)
	if !ok || classified.Kind == KindInDoubt {
		return true
	}
	return classified.Kind == KindTransient && ctx.Err() != nil
}

// gone lets the next attempt match anew and, since nobody knows whether the record or the log went, look the log up.
func (b *batch) gone(ctx context.Context, d *delivery, err error) {
	if d.receipt.Record != nil {
		b.memory.forget(*d.receipt.Record, b.traits.SearchLag, b.options.Now())
	}
	if d.receipt.LogID != "" && !b.traits.Upsert {
		d.receipt.doubt(b.options.Now().Add(b.traits.SearchLag))
	}
	d.receipt.forgetRecord()
	d.receipt.forgetLog()
	b.fail(ctx, d, err)
}

// done settles a call that stands in the CRM.
func (b *batch) done(d *delivery) {
	d.receipt.Doubt, d.receipt.DoubtUntil = false, time.Time{}
	if b.creates(d) { // Without an id only a look-up can tell the next delivery where the log is.
		d.receipt.doubt(b.options.Now().Add(b.traits.SearchLag))
	}
	d.receipt.Owner = d.owner
	d.settle(outbox.Outcome{Kind: outbox.Done})
	now, messages := b.options.Now(), d.entry.Messages
	if !d.receipt.Visible {
		d.receipt.Visible = true
		b.options.Observer.Synced("first_visible", sinceArrival(messages[0], now))
	}
	if !d.receipt.Complete && complete(d.call) {
		d.receipt.Complete = true
		b.options.Observer.Synced("complete", sinceArrival(messages[len(messages)-1], now))
	}
}

// sinceArrival returns how long ago a message arrived, 0 when the clock was set back.
func sinceArrival(m outbox.StoredMessage, now time.Time) time.Duration { return max(now.Sub(m.At), 0) }
