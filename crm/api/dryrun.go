package api

import (
	"slices"
	"sync"
)

// DryRun records the requests that would have changed the CRM. The zero value is ready. It is safe for concurrent use.
type DryRun struct {
	// Offline keeps requests that only read from being sent as well: they are crm.KindTransient, and nothing reaches the
	// network, a token is not fetched either. Set it before the first request.
	Offline bool

	mu       sync.Mutex
	requests []Recorded
}

// Recorded is a request that was not sent, its secrets masked. Numbers are shown: it is for the operator's eyes, never
// for a log.
type Recorded struct {
	Operation, Title, Method, URL, Body string
}

// Requests returns what was recorded, in order.
func (d *DryRun) Requests() []Recorded {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.requests)
}

func (d *DryRun) record(r Recorded) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.requests = append(d.requests, r)
}
