package outbox

import (
	"fmt"
	"time"
)

// RetryPolicy says when a failed delivery is tried again and when it is given up.
type RetryPolicy struct {
	// Initial is the wait after the first failure, Max the longest one; each wait is twice the one before.
	Initial, Max time.Duration
	// Jitter spreads each wait by this share of it, 0 to 1.
	Jitter float64
	// GiveUpAfter is the age of an entry's oldest undelivered message from which on a failure parks it.
	GiveUpAfter time.Duration
}

// validate reports what is wrong with the policy.
func (p RetryPolicy) validate() error {
	switch {
	case p.Initial <= 0 || p.Max < p.Initial:
		return fmt.Errorf("retry from %s to %s: the first must be positive and not above the second", p.Initial, p.Max)
	case p.Jitter < 0 || p.Jitter > 1:
		return fmt.Errorf("retry jitter %g is not between 0 and 1", p.Jitter)
	case p.GiveUpAfter <= 0:
		return fmt.Errorf("retry gives up after %s: it must be positive", p.GiveUpAfter)
	}
	return nil
}

// maxDoublings is where the wait has reached any maximum: 2^40 times a nanosecond is 18 minutes, times a second longer
// than anybody waits.
const maxDoublings = 40

// wait returns how long to wait after the given number of failures, 1 or more.
func (p RetryPolicy) wait(failures int) time.Duration {
	b := intervals(p.Initial, p.Max, p.Jitter)
	wait := b.NextBackOff()
	for range min(failures, maxDoublings) - 1 {
		wait = b.NextBackOff()
	}
	return wait
}

// minAttempts is how often an entry is tried before its age alone can park it: after a long outage of our own the first
// failure must not be the last.
const minAttempts = 3

// spent reports whether an entry that has now failed this often is given up.
func (p RetryPolicy) spent(failures int, age time.Duration) bool {
	return failures >= minAttempts && age >= p.GiveUpAfter
}
