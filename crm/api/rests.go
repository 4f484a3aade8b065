package api

import (
	"sync"
	"time"

	"github.com/crmsyncd/crmsyncd/crm"
)

// rests remembers until when a CRM asked not to be bothered. Safe for concurrent use.
type rests struct {
	now func() time.Time

	mu    sync.Mutex
	until map[string]rest
}

// rest is one request of the CRM to wait, and how it was put.
type rest struct {
	until   time.Time
	kind    crm.Kind
	message string
}

func newRests(now func() time.Time) *rests { return &rests{now: now, until: map[string]rest{}} }

// ask begins a rest of a budget, or of all requests for "". A shorter one does not end a longer one.
func (r *rests) ask(budget string, wait time.Duration, kind crm.Kind, message string) {
	until := r.now().Add(min(wait, maxWait))
	r.mu.Lock()
	defer r.mu.Unlock()
	if until.After(r.until[budget].until) {
		r.until[budget] = rest{until: until, kind: kind, message: message}
	}
}

// check returns the error of a request that must not be sent now. The time that is left is rounded up to seconds.
func (r *rests) check(title, budget string) error {
	now := r.now()
	r.mu.Lock()
	longest := r.until[""]
	if own := r.until[budget]; own.until.After(longest.until) {
		longest = own
	}
	r.mu.Unlock()
	left := longest.until.Sub(now)
	if left <= 0 {
		return nil
	}
	left = (left + time.Second - 1).Truncate(time.Second)
	message := "not sent, the CRM asked to wait"
	if longest.message != "" {
		message += ": " + longest.message
	}
	return &crm.Error{Kind: longest.kind, Op: title, RetryAfter: left, Message: message}
}
