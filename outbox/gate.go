package outbox

import (
	"sync"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// gate says whether the target may be delivered to. Open, everything passes. Closed, nothing does until a time, and
// from then on one probe at a time: its success opens the gate, its failure closes it for longer. One mechanism serves
// for a target that is down (several keys failed in a row), throttles, or refuses our credentials.
//
// It is safe for concurrent use.
type gate struct {
	now       func() time.Time
	threshold int
	intervals *backoff.ExponentialBackOff
	observe   func(reason string, until time.Time)

	mu       sync.Mutex
	closed   bool
	reason   string
	until    time.Time
	errText  string
	probing  bool
	operator bool
	// failing holds the keys that failed since the last success. One bad entry, however often it fails, is not the
	// target's fault.
	failing map[string]bool
	changed chan struct{}
}

// pass is what the gate allows.
type pass uint8

const (
	passNone pass = iota
	passProbe
	passAll
)

// newGate returns an open gate that closes itself after threshold failures of different keys in a row, at first for
// pause, then longer each time up to maxPause.
func newGate(threshold int, pause, maxPause time.Duration, now func() time.Time, observe func(string, time.Time)) *gate {
	return &gate{
		now: now, threshold: threshold, intervals: intervals(pause, maxPause, 0.2), observe: observe,
		failing: map[string]bool{}, changed: make(chan struct{}),
	}
}

// intervals returns growing, jittered intervals that never end.
func intervals(initial, longest time.Duration, jitter float64) *backoff.ExponentialBackOff {
	b := backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(initial), backoff.WithMaxInterval(longest), backoff.WithMultiplier(2),
		backoff.WithRandomizationFactor(jitter), backoff.WithMaxElapsedTime(0))
	b.Reset()
	return b
}

// check returns what may pass now, how long until that may change by itself (0: only by a change), and a channel that is
// closed when it changes.
func (g *gate) check() (p pass, wait time.Duration, changed <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.operator:
		return passNone, 0, g.changed
	case !g.closed:
		return passAll, 0, g.changed
	case g.probing:
		return passNone, 0, g.changed
	}
	if wait := g.until.Sub(g.now()); wait > 0 {
		return passNone, wait, g.changed
	}
	return passProbe, 0, g.changed
}

// beginProbe reserves the one probe; false when the gate does not want one any more.
func (g *gate) beginProbe() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closed || g.probing || g.operator {
		return false
	}
	g.probing = true
	return true
}

// cancelProbe gives a probe back that was not sent.
func (g *gate) cancelProbe() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.probing = false
	g.broadcast()
}

// isClosed reports whether anything but a probe has to wait.
func (g *gate) isClosed() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.closed || g.operator
}

// judge takes in what became of a delivery: the pause it asked for, the keys that failed and why, and whether anything
// reached the target and came back. It reports whether the gate is closed now.
func (g *gate) judge(probe bool, p Pause, failed []string, why string, reached bool) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if probe {
		g.probing = false
	}
	switch {
	case p.Reason != "":
		g.close(p.Reason, p.Until, p.Error)
	case probe && reached:
		g.open()
	case probe && len(failed) > 0:
		g.close(PauseBreaker, time.Time{}, why) // whatever it was, now it fails
	case probe: // the target was not asked: the next entry is the probe
		g.broadcast()
	case g.closed: // what was on its way when the gate closed tells nothing about now
	case reached:
		clear(g.failing)
	default:
		for _, key := range failed {
			g.failing[key] = true
		}
		if len(g.failing) >= g.threshold {
			g.close(PauseBreaker, time.Time{}, why)
		}
	}
	return g.closed
}

// close closes the gate, or keeps it closed, until a time (zero: the next interval). A closing never shortens another.
func (g *gate) close(reason string, until time.Time, errText string) {
	if until.IsZero() {
		until = g.now().Add(g.intervals.NextBackOff())
	}
	if g.closed && until.Before(g.until) {
		until = g.until
	}
	if g.closed && g.reason != reason {
		g.observe(g.reason, time.Time{})
	}
	g.closed, g.reason, g.until, g.errText = true, reason, until, errText
	g.observe(reason, until)
	g.broadcast()
}

// open lets everything pass again.
func (g *gate) open() {
	g.observe(g.reason, time.Time{})
	g.closed, g.reason, g.until, g.errText = false, "", time.Time{}, ""
	g.intervals.Reset()
	clear(g.failing)
	g.broadcast()
}

// broadcast wakes everybody who waits for a change.
func (g *gate) broadcast() {
	close(g.changed)
	g.changed = make(chan struct{})
}

// hold closes the gate by hand until release; nothing passes, not even a probe.
func (g *gate) hold(on bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.operator == on {
		return
	}
	g.operator = on
	until := time.Time{}
	if on {
		until = farFuture
	}
	g.observe(PauseOperator, until)
	g.broadcast()
}

// farFuture is the end of a pause that only a person ends: 2200-01-01.
var farFuture = time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)

// pause returns the pause in force; an empty reason means none.
func (g *gate) pause() Pause {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.operator {
		return Pause{Reason: PauseOperator, Until: farFuture}
	}
	return Pause{Reason: g.reason, Until: g.until, Error: g.errText}
}
