package crm

import (
	"context"
	"log/slog"
	"time"

	"github.com/crmsyncd/crmsyncd/outbox"
)

// fewAttempts is how often a call is tried whose failure is most likely its own.
const fewAttempts = 5

// shortestDoubt is how long a call rests at least after a request of which the effect is not known: the CRM may still
// be at it, and its search index takes a while to show it.
const shortestDoubt = 10 * time.Second

// doubtRest is how long a call rests after a request of which the effect is not known.
func (s *Syncer) doubtRest() time.Duration { return max(shortestDoubt, s.traits.SearchLag) }

// The longest rests that a CRM may ask for. More is taken for a mistake of its own.
const (
	maxThrottleRest = time.Hour
	maxQuotaRest    = 25 * time.Hour
)

// pauses names the rests that kinds ask for, the most serious last: of several the most serious counts.
var pauses = [...]struct {
	kind    Kind
	reason  string
	longest time.Duration
}{
	{KindThrottled, outbox.PauseThrottle, maxThrottleRest},
	{KindQuota, outbox.PauseQuota, maxQuotaRest},
	{KindUnauthorized, outbox.PauseAuth, maxThrottleRest},
}

// waiting is the outcome of a call that is not to be tried now.
func waiting(reason string, until time.Time, text string) outbox.Outcome {
	return outbox.Outcome{Kind: outbox.Wait, Until: until, Reason: reason, Error: text}
}

// refused is the outcome of a call that will never work as it is.
func refused(reason, text string) outbox.Outcome {
	return outbox.Outcome{Kind: outbox.Refused, Reason: reason, Error: text}
}

// cutShort is the outcome of a call that we stopped delivering. It says nothing about the CRM.
func cutShort() outbox.Outcome {
	o := waiting("stopped", time.Time{}, "the delivery was stopped before it was done")
	o.Untouched = true
	return o
}

// fail settles a call by what the CRM answered.
func (b *batch) fail(ctx context.Context, d *delivery, err error) {
	d.asked = true
	e := Classify(err)
	o := outbox.Outcome{Kind: outbox.Failed, Reason: e.Kind.String(), Error: e.Error()}
	switch e.Kind {
	case KindThrottled, KindQuota, KindUnauthorized:
		pause := b.rest(e)
		o.Kind, o.Reason, o.Until = outbox.Wait, pause.Reason, pause.Until
	case KindForbidden, KindGone, KindExists:
		o.Attempts = fewAttempts
	case KindInvalid:
		o.Kind = outbox.Refused
	default:
		if stopped(ctx) {
			o = cutShort()
		} else if e.Kind == KindInDoubt {
			o.Until = b.options.Now().Add(b.doubtRest())
		}
	}
	d.settle(o)
}

// rest notes that the CRM asked for a rest, and returns the rest that this answer asks for.
func (b *batch) rest(e *Error) outbox.Pause {
	rank := func(reason string) int {
		for i, p := range pauses {
			if p.reason == reason {
				return i
			}
		}
		return -1
	}
	var asked outbox.Pause
	for _, p := range pauses {
		if p.kind != e.Kind {
			continue
		}
		asked = outbox.Pause{Reason: p.reason, Error: e.Error()}
		if e.RetryAfter > 0 {
			asked.Until = b.options.Now().Add(min(e.RetryAfter, p.longest))
		}
	}
	more := rank(asked.Reason) - rank(b.pause.Reason)
	if more > 0 || more == 0 && asked.Until.After(b.pause.Until) {
		b.pause = asked
	}
	return asked
}

// report returns the outcomes, each with the receipt where it changed.
func (b *batch) report(ctx context.Context) outbox.Report {
	report := outbox.Report{Outcomes: make([]outbox.Outcome, 0, len(b.deliveries)), Pause: b.pause}
	took := b.options.Now().Sub(b.started)
	for _, d := range b.deliveries {
		d.outcome.Key = d.entry.Key
		d.outcome.Untouched = d.outcome.Untouched || !d.asked
		b.addReceipt(d)
		report.Outcomes = append(report.Outcomes, d.outcome)
		b.log(ctx, d, took)
	}
	return report
}

// addReceipt puts the receipt into the outcome unless it says what is stored already. Until it is stored, the memory
// keeps it.
func (b *batch) addReceipt(d *delivery) {
	encoded, err := d.receipt.encode()
	if err != nil {
		// An operator must see it. The empty receipt is one that cannot be read: the log will be looked up.
		d.outcome = refused("receipt", err.Error())
		d.outcome.Key, d.outcome.Receipt, d.outcome.Untouched = d.entry.Key, []byte("{}"), !d.asked
		b.memory.dropReceipt(d.entry.Key)
		return
	}
	stored := d.entry.Receipt
	if string(encoded) == string(stored) || len(stored) == 0 && d.receipt.blank() {
		b.memory.dropReceipt(d.entry.Key)
		return
	}
	d.outcome.Receipt = encoded
	b.memory.keepReceipt(d.entry.Key, encoded, b.options.Now())
}

// remember keeps the receipt as it is now: what was just learned must outlive a panic or a store that fails.
func (b *batch) remember(d *delivery) {
	if encoded, err := d.receipt.encode(); err == nil {
		b.memory.keepReceipt(d.entry.Key, encoded, b.options.Now())
	}
}

// log writes the one line on a delivery.
func (b *batch) log(ctx context.Context, d *delivery, took time.Duration) {
	if !b.options.Logger.Enabled(ctx, slog.LevelDebug) {
		return
	}
	var record Record
	if d.receipt.Record != nil {
		record = *d.receipt.Record
	}
	b.options.Logger.LogAttrs(ctx, slog.LevelDebug, "call delivered",
		slog.String("key", d.entry.Key), slog.String("call_id", d.call.ID), slog.String("state", string(d.call.State)),
		slog.String("matched_by", d.receipt.By), slog.String("record_object", record.Object),
		slog.String("record_id", record.ID), slog.String("log_id", d.receipt.LogID),
		slog.String("outcome", d.outcome.Kind.String()), slog.String("kind", d.outcome.Reason),
		slog.Duration("took", took))
}
