package outbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// RelayOptions configure a Relay. Queue and Deliverer are required.
type RelayOptions struct {
	Queue     Queue
	Deliverer Deliverer
	// Workers is how many deliveries run at a time, Batch how many entries one of them takes. 0: 1.
	Workers, Batch int
	// Timeout bounds one delivery of a batch. 0: 1 min.
	Timeout time.Duration
	// Grace is how long deliveries may go on after Run was asked to stop before they are cancelled. 0: not at all.
	Grace time.Duration
	Retry RetryPolicy
	// BreakerFailures is how many failures of different keys in a row make the target rest, at first for BreakerPause,
	// then longer each time up to BreakerMaxPause. 0: 5, 5 s, 1 min.
	BreakerFailures               int
	BreakerPause, BreakerMaxPause time.Duration
	// Now is the clock; nil: time.Now.
	Now    func() time.Time
	Logger *slog.Logger
	// Observer is told what happens; nil: nobody.
	Observer Observer
}

// Observer is told what a Relay does. Its methods are called from several goroutines and must not block.
type Observer interface {
	// Delivered: one delivery of a batch has ended. Outcome is that of its entries, "mixed" when they differ.
	Delivered(outcome string, entries int, took time.Duration)
	// Settled: an entry was settled, sinceAppend after its oldest undelivered message came, with attempts failures.
	Settled(outcome, reason string, sinceAppend time.Duration, attempts int)
	// Paused: the target rests for a reason until a time; the zero time: it does not rest for that reason any more.
	Paused(reason string, until time.Time)
	// Working: so many of the workers are busy.
	Working(slots, busy int)
}

// Relay claims entries that are due, hands them to a Deliverer and settles what became of them. Claiming runs ahead of
// the workers by one round, and settling beside them, so that neither of their commits is ever waited for between two
// deliveries.
type Relay struct {
	o    RelayOptions
	gate *gate
	busy atomic.Int64
	// flying counts the entries that were claimed and are not settled yet. The claimer alone adds and waits.
	flying sync.WaitGroup
	// restsFor is the reason that was logged last; the gate calls one at a time.
	restsFor string
}

// NewRelay returns a relay; Run starts it.
func NewRelay(o RelayOptions) (*Relay, error) {
	if o.Queue == nil || o.Deliverer == nil {
		return nil, errors.New("a relay needs a queue and a deliverer")
	}
	if err := o.Retry.validate(); err != nil {
		return nil, err
	}
	o.Workers, o.Batch = max(o.Workers, 1), max(o.Batch, 1)
	if o.Timeout <= 0 {
		o.Timeout = time.Minute
	}
	if o.BreakerFailures <= 0 {
		o.BreakerFailures = 5
	}
	if o.BreakerPause <= 0 {
		o.BreakerPause = 5 * time.Second
	}
	if o.BreakerMaxPause <= 0 {
		o.BreakerMaxPause = time.Minute
	}
	o.BreakerMaxPause = max(o.BreakerMaxPause, o.BreakerPause)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Observer == nil {
		o.Observer = nobody{}
	}
	r := &Relay{o: o}
	r.gate = newGate(o.BreakerFailures, o.BreakerPause, o.BreakerMaxPause, o.Now, r.paused)
	return r, nil
}

// nobody is the Observer that does nothing.
type nobody struct{}

func (nobody) Delivered(string, int, time.Duration)       {}
func (nobody) Settled(string, string, time.Duration, int) {}
func (nobody) Paused(string, time.Time)                   {}
func (nobody) Working(int, int)                           {}

// paused tells observer and log that the target rests or goes on.
func (r *Relay) paused(reason string, until time.Time) {
	r.o.Observer.Paused(reason, until)
	level := slog.LevelWarn
	switch {
	case until.IsZero():
		r.restsFor = ""
		r.o.Logger.Info("the target does not rest any more", slog.String("reason", reason))
		return
	case reason == r.restsFor: // another probe failed: no news
		level = slog.LevelDebug
	}
	r.restsFor = reason
	r.o.Logger.Log(context.Background(), level, "the target rests", slog.String("reason", reason),
		slog.Time("until", until))
}

// Pause stops deliveries until Resume, whatever the target says. Those on their way go on.
func (r *Relay) Pause() { r.gate.hold(true) }

// Resume ends a Pause; a rest that the target itself asked for goes on.
func (r *Relay) Resume() { r.gate.hold(false) }

// Paused returns why the target rests and until when; an empty reason: it does not.
func (r *Relay) Paused() Pause { return r.gate.pause() }

// batch is a piece of work for one worker.
type batch struct {
	entries []Entry
	probe   bool
}

// settled is an entry's settlement with what the observer is told of it.
type settled struct {
	Settlement
	entry   Entry
	outcome string
}

// Run relays until ctx ends, then lets the deliveries on their way finish within Grace, cancels what is left, settles
// all of it and returns. It returns early, with an error, when the queue cannot be used any more.
func (r *Relay) Run(ctx context.Context) error {
	claiming, stopClaiming := context.WithCancelCause(ctx)
	defer stopClaiming(nil)
	delivering, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	stopGrace := context.AfterFunc(claiming, func() {
		time.AfterFunc(r.o.Grace, func() { cancel(errStopping) })
	})
	defer stopGrace()

	batches := make(chan batch)
	settlements := make(chan []settled, r.o.Workers)
	var workers, settler sync.WaitGroup
	for range r.o.Workers {
		workers.Go(func() {
			for b := range batches {
				settlements <- r.work(delivering, b)
			}
		})
	}
	var settleErr error
	settler.Go(func() {
		settleErr = r.settleAll(context.WithoutCancel(ctx), settlements, stopClaiming)
	})
	claimErr := r.claimAll(claiming, batches, settlements)
	stopClaiming(claimErr)
	close(batches)
	workers.Wait()
	close(settlements)
	settler.Wait()
	return errors.Join(claimErr, settleErr)
}

// errStopping is why a delivery is cancelled when the grace is over.
var errStopping = errors.New("the process is stopping")

// claimAll claims what is due and hands it to the workers until ctx ends or the queue fails.
func (r *Relay) claimAll(ctx context.Context, batches chan<- batch, settlements chan<- []settled) error {
	var turns turns
	for ctx.Err() == nil {
		changed := r.o.Queue.Changed()
		allowed, wait, moved := r.gate.check()
		limit := r.o.Workers * r.o.Batch
		if allowed == passProbe {
			limit = 1
		}
		var entries []Entry
		if allowed != passNone {
			var next time.Time
			var err error
			entries, next, err = turns.claim(ctx, r.o.Queue, limit)
			switch {
			case ctx.Err() != nil && err != nil:
				return nil
			case errors.Is(err, ErrFull):
				r.o.Logger.Error("cannot claim entries, trying again", slog.Any("err", err))
				wait = time.Second
			case err != nil:
				return fmt.Errorf("claim entries: %w", err)
			case len(entries) == 0 && !next.IsZero():
				wait = max(next.Sub(r.o.Now()), time.Millisecond)
			}
		}
		if len(entries) > 0 {
			entries, alone := r.isolate(entries, settlements)
			r.handOut(ctx, entries, allowed == passProbe, batches, settlements)
			if alone {
				r.flying.Wait()
			}
			continue
		}
		r.sleep(ctx, wait, changed, moved)
	}
	return nil
}

// turns lets the newest entries have every second turn while there are more due than can be claimed at once: a fresh
// call does not wait behind a backlog, and the backlog goes on.
type turns struct{ backlog, fresh bool }

// claim claims from the end whose turn it is.
func (t *turns) claim(ctx context.Context, q Queue, limit int) (entries []Entry, next time.Time, err error) {
	if t.fresh = t.backlog && !t.fresh && limit > 1; t.fresh {
		if entries, err = q.ClaimNewest(ctx, limit); len(entries) > 0 || err != nil {
			return entries, time.Time{}, err
		}
	}
	entries, next, err = q.Claim(ctx, limit)
	t.backlog = len(entries) == limit
	return entries, next, err
}

// longestSleep bounds how long the relay trusts a timer: due times are wall-clock times, and that clock may jump.
const longestSleep = 30 * time.Second

// sleep waits for something to happen, at most for a time (0: for long).
func (r *Relay) sleep(ctx context.Context, wait time.Duration, changed, moved <-chan struct{}) {
	if wait <= 0 || wait > longestSleep {
		wait = longestSleep
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-changed:
	case <-moved:
	}
}

// handOut gives claimed entries to the workers, in batches. When the gate closes or the relay stops meanwhile, the rest
// goes back unspent.
func (r *Relay) handOut(ctx context.Context, entries []Entry, probe bool, batches chan<- batch,
	settlements chan<- []settled,
) {
	if probe && !r.gate.beginProbe() {
		settlements <- r.release(entries)
		return
	}
	for len(entries) > 0 {
		n := min(len(entries), r.o.Batch)
		_, _, moved := r.gate.check()
		if !probe && r.gate.isClosed() {
			settlements <- r.release(entries)
			return
		}
		select {
		case batches <- batch{entries: entries[:n], probe: probe}:
			entries = entries[n:]
		case <-moved:
		case <-ctx.Done():
			if probe {
				r.gate.cancelProbe()
			}
			settlements <- r.release(entries)
			return
		}
	}
}

// release returns settlements that let entries go as if they had never been claimed.
func (r *Relay) release(entries []Entry) []settled {
	list := make([]settled, len(entries))
	for i, e := range entries {
		list[i] = settled{entry: e, outcome: outcomeReleased, Settlement: Settlement{
			Key: e.Key, Verdict: VerdictRelease,
		}}
	}
	return list
}
