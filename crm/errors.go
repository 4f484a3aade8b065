package crm

import (
	"errors"
	"fmt"
	"time"
)

// Kind classifies what a CRM answered. Adapters choose it, the Syncer acts on it.
type Kind uint8

// The kinds. The zero kind is transient: what nobody classified is tried again.
const (
	// KindTransient: try again later (timeout, connection refused, 5xx).
	KindTransient Kind = iota
	// KindInDoubt: transient, and the request may have taken effect.
	KindInDoubt
	// KindThrottled: the whole target waits as asked.
	KindThrottled
	// KindQuota: a long-term quota is spent, the whole target waits until it is renewed.
	KindQuota
	// KindUnauthorized: the credentials are refused, the whole target pauses.
	KindUnauthorized
	// KindForbidden: this request was refused (403). On every call it is a matter of credentials, on one of that call.
	KindForbidden
	// KindInvalid: this call will never be taken as it is.
	KindInvalid
	// KindGone: the record or log that was named is not there any more.
	KindGone
	// KindExists: a call log of this call id is there already, Written.LogID says which.
	KindExists
)

// Kinds lists all kinds, for metrics.
var Kinds = []Kind{
	KindTransient, KindInDoubt, KindThrottled, KindQuota, KindUnauthorized, KindForbidden, KindInvalid, KindGone,
	KindExists,
}

// String returns the kind as it stands in metrics, logs and as the reason of parked entries.
func (k Kind) String() string {
	switch k {
	case KindTransient:
		return "transient"
	case KindInDoubt:
		return "in_doubt"
	case KindThrottled:
		return "throttled"
	case KindQuota:
		return "quota"
	case KindUnauthorized:
		return "unauthorized"
	case KindForbidden:
		return "forbidden"
	case KindInvalid:
		return "invalid"
	case KindGone:
		return "gone"
	case KindExists:
		return "exists"
	default:
		return "unknown"
	}
}

// Error is an answer of a CRM, or the lack of one, classified.
type Error struct {
	Kind Kind
	// Op is what was tried: "find contact", "create call log".
	Op string
	// Status is the HTTP status, 0 without an answer.
	Status int
	// RetryAfter is how long the CRM asked to wait, 0 when it did not say.
	RetryAfter time.Duration
	// Message is the CRM's own word, cut to a few hundred characters, numbers and secrets masked.
	Message string
	// Err is the cause when there was no answer. Its text must not carry the URL.
	Err error
}

// Error tells what was tried, what was answered and what it was taken for.
func (e *Error) Error() string {
	text := e.Op
	if e.Status != 0 {
		text += fmt.Sprintf(": HTTP %d", e.Status)
	}
	if e.Message != "" {
		text += ": " + e.Message
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text + " (" + e.Kind.String() + ")"
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errorf returns an error of a kind that an adapter found out by itself.
func Errorf(kind Kind, op, format string, args ...any) *Error {
	return &Error{Kind: kind, Op: op, Message: fmt.Sprintf(format, args...)}
}

// Classify returns err as an Error. What is not one is transient.
func Classify(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Kind: KindTransient, Op: "reach the CRM", Err: err}
}
