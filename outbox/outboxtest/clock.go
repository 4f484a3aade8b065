package outboxtest

import (
	"sync"
	"time"
)

// Clock is a clock that moves only when a test says so. Safe for concurrent use. Its zero value stands at the zero
// time; use NewClock.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock returns a clock that stands at start, in start's zone.
func NewClock(start time.Time) *Clock {
	return &Clock{now: start}
}

// Now returns the time that was set last, in the zone in which it was set.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Set puts the clock to the given time, which may be earlier than its own.
func (c *Clock) Set(to time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = to
}

// Advance moves the clock by d, backward if d is negative, and returns the new time.
func (c *Clock) Advance(d time.Duration) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	return c.now
}

// reach moves the clock forward to the given time; a clock that is there already stays where it is.
func (c *Clock) reach(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.now.Before(at) {
		c.now = at
	}
}
