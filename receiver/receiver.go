package receiver

import (
	"context"
	"time"

	"github.com/crmsyncd/crmsyncd/crm/call"
)

// Sink makes durable what came in. It is called by many goroutines at once. The context carries the time limit of
// Options.StoreTimeout and outlives the sender's connection.
type Sink interface {
	// Accept stores an event. A nil error promises that it survives a loss of power; duplicate says that the same one
	// was there before. An error that is, or wraps, an Unavailable says when to try again; any other is treated like
	// one.
	Accept(ctx context.Context, a Accepted) (duplicate bool, err error)
	// Quarantine keeps a body that could not be accepted, for a person to look at.
	Quarantine(ctx context.Context, r Refused) error
}

// Accepted is an event as it came in.
type Accepted struct {
	// Source is the name of the source that decoded it.
	Source string
	Event  call.Event
	// Body is the request's body as received. The sink may keep it.
	Body []byte
	// Identity is what makes two bodies the same event, see Source.
	Identity []byte
}

// Refused is an authorized request that cannot become an event.
type Refused struct {
	// Source is the name of the source whose path it was sent to.
	Source string
	// Reason is the code of the answer, "not_json". Problem is its message; it holds nothing of the body.
	Reason, Problem string
	// ContentType is the header of the request, cut to 255 bytes: it comes from outside.
	ContentType string
	// Body is what came in, or its first Options.BodyLimit bytes if Truncated. The sink may keep it.
	Body      []byte
	Truncated bool
}

// Source is one kind of sender. It is called by many goroutines at once.
type Source interface {
	// Name is the last segment of the path: lower case letters, digits and hyphens.
	Name() string
	// Decode reads a body, and does not keep it. The text of its error holds nothing of the body: it is sent to the
	// sender. An error with a method Code() string also says the code of the answer.
	Decode(body []byte) (call.Event, error)
	// Identity returns the same bytes for the same event in another layout. It is called for decoded bodies only.
	Identity(body []byte) []byte
}

// Unavailable is the error of a Sink that cannot make anything durable now.
type Unavailable struct {
	// Code is the code of the answer, "full". Empty: "unavailable".
	Code string
	// RetryAfter is when to send again, in the answer rounded up to whole seconds. 0: 5 s.
	RetryAfter time.Duration
	// Err is the cause; it is logged and not sent.
	Err error
}

// Error returns the code and the cause.
func (u Unavailable) Error() string {
	if u.Err == nil {
		return u.code()
	}
	return u.code() + ": " + u.Err.Error()
}

// Unwrap returns the cause.
func (u Unavailable) Unwrap() error { return u.Err }

func (u Unavailable) code() string {
	if u.Code == "" {
		return ResultUnavailable
	}
	return u.Code
}

// The results that an Observer is told, a closed set.
const (
	ResultStored           = "stored"
	ResultDuplicate        = "duplicate"
	ResultUnauthorized     = "unauthorized"
	ResultMalformed        = "malformed"
	ResultTooLarge         = "too_large"
	ResultUnsupportedType  = "unsupported_type"
	ResultIncomplete       = "incomplete"
	ResultUnavailable      = "unavailable"
	ResultOverloaded       = "overloaded"
	ResultStopping         = "stopping"
	ResultPanic            = "panic"
	ResultNotFound         = "not_found"
	ResultMethodNotAllowed = "method_not_allowed"
)

// Results lists all results, so that a metric can have every series from the start.
func Results() []string {
	return []string{
		ResultStored, ResultDuplicate, ResultUnauthorized, ResultMalformed, ResultTooLarge, ResultUnsupportedType,
		ResultIncomplete, ResultUnavailable, ResultOverloaded, ResultStopping, ResultPanic, ResultNotFound,
		ResultMethodNotAllowed,
	}
}

// Observer is told what happens, for metrics. It is called by many goroutines at once and must not block.
type Observer interface {
	// Answered is called once for each answer: its HTTP status, its result (see Results) and the time since the
	// headers of the request were read.
	Answered(status int, result string, took time.Duration)
	// Received is called once for each event that was stored and is not a duplicate. Both words are the sender's own,
	// from open sets.
	Received(status, direction string)
	// KeyUsed is called for each authorized request with the index of its key in Options.Keys.
	KeyUsed(slot int)
}

// unobserved is the Observer of a server without one.
type unobserved struct{}

func (unobserved) Answered(int, string, time.Duration) {}
func (unobserved) Received(string, string)             {}
func (unobserved) KeyUsed(int)                         {}
