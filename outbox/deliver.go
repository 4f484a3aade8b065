package outbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// What an Observer and the log are told of deliveries and entries.
const (
	outcomeDone     = "done"
	outcomeFailed   = "failed"
	outcomeWait     = "wait"
	outcomeRefused  = "refused"
	outcomePanic    = "panic"
	outcomeMixed    = "mixed"
	outcomeReleased = "released"
)

// Reasons that the relay itself gives.
const (
	// ReasonGaveUp: the delivery failed until RetryPolicy.GiveUpAfter.
	ReasonGaveUp = "gave_up"
	// ReasonPanic: the deliverer panicked.
	ReasonPanic = "panic"
	// ReasonNoOutcome: the deliverer said nothing about the entry.
	ReasonNoOutcome = "no_outcome"
	// ReasonReceipt: the deliverer left more than MaxReceiptBytes.
	ReasonReceipt = "receipt_too_large"
)

// panicAttempts is how often an entry may make the deliverer panic before it is parked.
const panicAttempts = 5

// String returns the kind as observers and the log get it.
func (k OutcomeKind) String() string {
	switch k {
	case Done:
		return outcomeDone
	case Wait:
		return outcomeWait
	case Refused:
		return outcomeRefused
	default:
		return outcomeFailed
	}
}

// work delivers a batch, unless the target rests by now, and returns what is to be settled.
func (r *Relay) work(ctx context.Context, b batch) []settled {
	if !b.probe && r.gate.isClosed() {
		return r.release(b.entries)
	}
	r.o.Observer.Working(r.o.Workers, int(r.busy.Add(1)))
	defer func() { r.o.Observer.Working(r.o.Workers, int(r.busy.Add(-1))) }()
	began := time.Now()
	report, panicked := r.deliver(ctx, b.entries)
	outcomes := r.complete(b.entries, report.Outcomes)
	r.o.Observer.Delivered(summary(outcomes, panicked), len(b.entries), time.Since(began))

	var failed []string
	var why string
	reached := false
	for _, o := range outcomes {
		switch {
		case o.Untouched:
		case o.Kind == Failed:
			failed, why = append(failed, o.Key), o.Error
		default:
			reached = true
		}
	}
	if panicked {
		failed = nil // a bug of ours says nothing about the target
	}
	closed := r.gate.judge(b.probe, report.Pause, failed, why, reached)
	list := make([]settled, len(outcomes))
	for i, o := range outcomes {
		list[i] = r.decide(b.entries[i], o, closed && !panicked)
	}
	return list
}

// deliver calls the deliverer within the time it has. A panic becomes a failed attempt of every entry.
func (r *Relay) deliver(ctx context.Context, entries []Entry) (report Report, panicked bool) {
	ctx, cancel := context.WithTimeoutCause(ctx, r.o.Timeout, fmt.Errorf("the delivery took longer than %s", r.o.Timeout))
	defer cancel()
	defer func() {
		fault := recover()
		if fault == nil {
			return
		}
		r.o.Logger.Error("the delivery panicked", slog.Any("panic", fault), slog.String("stack", string(debug.Stack())))
		report, panicked = Report{}, true
		for _, e := range entries {
			report.Outcomes = append(report.Outcomes, Outcome{
				Key: e.Key, Kind: Failed, Attempts: panicAttempts, Reason: ReasonPanic,
				Error: fmt.Sprintf("the delivery panicked: %v", fault),
			})
		}
	}()
	return r.o.Deliverer.Deliver(ctx, entries, r.o.Queue.Checkpoint), false
}

// complete returns one outcome for each entry, in their order.
func (r *Relay) complete(entries []Entry, outcomes []Outcome) []Outcome {
	byKey := make(map[string]Outcome, len(outcomes))
	for _, o := range outcomes {
		byKey[o.Key] = o
	}
	list := make([]Outcome, len(entries))
	for i, e := range entries {
		o, ok := byKey[e.Key]
		if !ok {
			o = Outcome{Key: e.Key, Reason: ReasonNoOutcome, Error: "the deliverer said nothing about this entry"}
		}
		list[i] = o
	}
	return list
}

// summary names the outcome of a delivery in one word.
func summary(outcomes []Outcome, panicked bool) string {
	if panicked {
		return outcomePanic
	}
	for _, o := range outcomes[1:] {
		if o.Kind != outcomes[0].Kind {
			return outcomeMixed
		}
	}
	return outcomes[0].Kind.String()
}

// decide turns the outcome of an entry into its settlement. While the target rests a failure spends no attempt: the
// entry goes behind those that wait, so that the next probe is another one.
func (r *Relay) decide(e Entry, o Outcome, resting bool) settled {
	now := r.o.Now()
	s := settled{entry: e, outcome: o.Kind.String(), Settlement: Settlement{
		Key: e.Key, Receipt: o.Receipt, Reason: o.Reason, Error: o.Error, Due: o.Until,
	}}
	if len(o.Receipt) > MaxReceiptBytes {
		s.Verdict, s.outcome, s.Receipt, s.Reason = VerdictPark, outcomeRefused, nil, ReasonReceipt
		s.Error = fmt.Sprintf("the receipt has %d bytes, %d are kept", len(o.Receipt), MaxReceiptBytes)
		return s
	}
	switch o.Kind {
	case Done:
		s.Verdict = VerdictDelivered
		return s
	case Wait:
		s.Verdict = VerdictPostpone
		if s.Due.IsZero() && !resting {
			s.Due = now.Add(r.o.Retry.wait(1)) // at once would be a busy loop; while the target rests the gate holds it
		}
		return s
	case Refused:
		s.Verdict = VerdictPark
		return s
	}
	failures := e.Attempts + 1
	if due := now.Add(r.o.Retry.wait(failures)); due.After(s.Due) {
		s.Due = due
	}
	switch {
	case resting:
		s.Verdict = VerdictPostpone
	case o.Attempts > 0 && failures >= o.Attempts:
		s.Verdict, s.outcome = VerdictPark, outcomeRefused
	case r.o.Retry.spent(failures, now.Sub(e.Since)):
		s.Verdict, s.outcome, s.Reason = VerdictPark, outcomeRefused, ReasonGaveUp
	default:
		s.Verdict = VerdictRetry
	}
	return s
}

// settleAll settles what the workers bring, as much as waits in one transaction, until the channel is closed. When the
// queue cannot be used any more it stops the claiming, and drops the rest: the entries are still in the store.
func (r *Relay) settleAll(ctx context.Context, settlements <-chan []settled, stop context.CancelCauseFunc) error {
	var broken error
	for list := range settlements {
	more:
		for {
			select {
			case next, ok := <-settlements:
				if !ok {
					break more
				}
				list = append(list, next...)
			default:
				break more
			}
		}
		if broken == nil {
			if err := r.settle(ctx, list); err != nil {
				broken = fmt.Errorf("settle deliveries: %w", err)
				stop(broken)
			}
		}
		r.flying.Add(-len(list))
	}
	return broken
}

// settleFor is how long a settlement is tried again while the disk is full. After that the entries stay in flight until
// a restart, which delivers them again.
const settleFor = 15 * time.Minute

// settle makes settlements durable. A full disk is waited for; other errors end the relay.
func (r *Relay) settle(ctx context.Context, list []settled) error {
	plain := make([]Settlement, len(list))
	for i, s := range list {
		plain[i] = s.Settlement
	}
	wait := intervals(100*time.Millisecond, 5*time.Second, 0.5)
	wait.MaxElapsedTime = settleFor
	err := backoff.RetryNotify(func() error {
		err := r.o.Queue.Settle(ctx, plain...)
		if unsettled, ok := errors.AsType[*UnsettledError](err); ok {
			plain = unsettled.Left // the others may be in flight again, with other news
			return err
		}
		if errors.Is(err, ErrNotClaimed) && !errors.Is(err, ErrFailed) && !errors.Is(err, ErrClosed) {
			r.o.Logger.Error("a delivery was settled twice", slog.Any("err", err))
			return nil
		}
		if err != nil && !errors.Is(err, ErrFull) {
			return backoff.Permanent(err)
		}
		return err
	}, wait, func(err error, next time.Duration) {
		r.o.Logger.Error("cannot settle deliveries, trying again", slog.Any("err", err), slog.Duration("wait", next))
	})
	if err != nil {
		return err
	}
	r.tell(ctx, list)
	return nil
}

// tell reports settled entries to the observer and, one line each, to the log.
func (r *Relay) tell(ctx context.Context, list []settled) {
	now := r.o.Now()
	for _, s := range list {
		if s.outcome == outcomeReleased {
			continue
		}
		attempts := s.entry.Attempts
		if s.Verdict == VerdictRetry || s.Verdict == VerdictPark {
			attempts++
		}
		waited := now.Sub(s.entry.Since)
		r.o.Observer.Settled(s.outcome, s.Reason, waited, attempts)
		level := slog.LevelInfo
		switch {
		case s.Verdict == VerdictPark:
			level = slog.LevelError
		case s.Verdict == VerdictRetry && s.Error != s.entry.Error:
			level = slog.LevelWarn
		case s.Verdict != VerdictDelivered:
			level = slog.LevelDebug
		}
		r.o.Logger.Log(ctx, level, "entry settled", slog.String("call_id", s.Key),
			slog.String("outcome", s.outcome), slog.String("reason", s.Reason), slog.String("err", s.Error),
			slog.Int("attempts", attempts), slog.Int("messages", len(s.entry.Messages)), slog.Duration("waited", waited),
			slog.Time("due", s.Due))
	}
}
