package outbox

import (
	"context"
	"time"
)

// Deliverer brings entries to where they belong. The relay calls it from several goroutines, never with the same key in
// two of them.
type Deliverer interface {
	// Deliver handles a batch and reports on it. An entry without an outcome in the report, and every entry of a batch
	// in which Deliver panicked, counts as a failed attempt. It must return soon after ctx ends.
	Deliver(ctx context.Context, entries []Entry, checkpoint CheckpointFunc) Report
}

// CheckpointFunc makes receipts of the entries being delivered durable before a step that must not happen twice.
type CheckpointFunc func(ctx context.Context, checkpoints ...Checkpoint) error

// Report is what became of a batch.
type Report struct {
	Outcomes []Outcome
	// Pause asks the whole target to rest. The zero Pause asks nothing.
	Pause Pause
}

// Outcome is what became of one entry. The kinds are Done, Failed, Wait and Refused; the zero kind counts as Failed.
type Outcome struct {
	Key  string
	Kind OutcomeKind
	// Until is when an entry that waits is due again; for a failed one the earliest time of the next attempt.
	Until time.Time
	// Attempts limits how many attempts a failed entry gets before it is parked; 0: until the policy gives up by age.
	Attempts int
	// Receipt replaces the stored one unless it is nil.
	Receipt []byte
	// Reason is one word, Error a sentence without secrets.
	Reason, Error string
	// Untouched: the target was not asked for this entry, so its outcome says nothing about the target.
	Untouched bool
}

// OutcomeKind says what an outcome asks for.
type OutcomeKind uint8

// The kinds of outcome.
const (
	// Failed: try again later, an attempt is spent. Several failures of different keys in a row open the breaker.
	Failed OutcomeKind = iota
	// Done: delivered.
	Done
	// Wait: try again at Until, no attempt is spent. A zero Until leaves the time to the relay.
	Wait
	// Refused: it will never work as it is; park it.
	Refused
)

// Pause asks for a rest of the whole target.
type Pause struct {
	// Reason is one of the Pause… constants; empty: no pause.
	Reason string
	// Until is when to try again. Zero: the relay decides, longer each time.
	Until time.Time
	// Error says in a sentence what the target answered.
	Error string
}

// The reasons why a target rests.
const (
	PauseBreaker  = "breaker"  // several failures in a row
	PauseThrottle = "throttle" // the target asked to wait
	PauseQuota    = "quota"    // the target's quota is spent
	PauseAuth     = "auth"     // the target refuses the credentials
	PauseOperator = "operator" // somebody asked for it
)

// PauseReasons lists all reasons, for metrics.
var PauseReasons = []string{PauseBreaker, PauseThrottle, PauseQuota, PauseAuth, PauseOperator}
