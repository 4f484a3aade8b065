package outbox

import (
	"sync"
	"time"
)

// Clock follows the wall clock without its jumps: it never goes back, and it goes at between half and double speed until
// it agrees again. A wall clock that is set back an hour, or to 1970, would otherwise freeze every delivery that is
// due by the old time; one that is set forward, or to 2038, would make all of them due at once, give up what is old and
// purge what is young. Safe for concurrent use.
type Clock struct {
	wall func() time.Time
	// elapsed is the monotonic clock.
	elapsed func() time.Duration

	mu   sync.Mutex
	now  time.Time
	last time.Duration
}

// NewClock returns a clock that begins at the wall clock's time, or at notBefore where that is later: a process that
// starts before the wall clock is set must not fall behind what it has stored.
func NewClock(notBefore time.Time) *Clock {
	began := time.Now()
	return newClock(notBefore, time.Now, func() time.Duration { return time.Since(began) })
}

func newClock(notBefore time.Time, wall func() time.Time, elapsed func() time.Duration) *Clock {
	c := &Clock{wall: wall, elapsed: elapsed, now: wall().UTC().Round(0), last: elapsed()}
	if c.now.Before(notBefore) {
		c.now = notBefore.UTC()
	}
	return c
}

// Now returns the time, UTC.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	elapsed := c.elapsed()
	passed := max(elapsed-c.last, 0)
	c.last = elapsed
	behind := c.wall().Sub(c.now.Add(passed))
	c.now = c.now.Add(passed + min(max(behind, -passed/2), passed))
	return c.now
}
