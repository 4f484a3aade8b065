package sandbox

import (
	"maps"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// Names of the faults in Stats.
const (
	faultDown         = "down"
	faultUnauthorized = "unauthorized"
	faultThrottle     = "throttle"
	faultFailure      = "failure"
	faultLatency      = "latency"
	faultLostAnswer   = "lost_answer"
)

// injector draws the faults of each request. Requests that arrive in the same order get the same faults from the same
// seed.
type injector struct {
	mu     sync.Mutex
	random *rand.Rand
	faults Faults
	fired  map[string]int
}

func newInjector(seed uint64) *injector {
	return &injector{
		random: rand.New(rand.NewPCG(seed, 0)), //nolint:gosec // faults must repeat with their seed; no secret hangs on it
		fired:  map[string]int{},
	}
}

// plan is what happens to one request.
type plan struct {
	// down closes the connection at once.
	down bool
	// instead is answered in place of what the request came to, unless its status is 0.
	instead answer
	// applied lets the request take effect although instead is answered.
	applied bool
	delay   time.Duration
	lost    bool
}

func (i *injector) set(f Faults) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.faults = f
}

func (i *injector) current() Faults {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.faults
}

// counts returns how often each fault fired.
func (i *injector) counts() map[string]int {
	i.mu.Lock()
	defer i.mu.Unlock()
	counts := map[string]int{
		faultDown: 0, faultUnauthorized: 0, faultThrottle: 0, faultFailure: 0, faultLatency: 0, faultLostAnswer: 0,
	}
	maps.Copy(counts, i.fired)
	return counts
}

// plan draws what happens to the next request on a route.
func (i *injector) plan(route string) plan {
	i.mu.Lock()
	defer i.mu.Unlock()
	p := plan{applied: true}
	f := &i.faults
	switch {
	case i.fires(&f.Down, faultDown, route):
		return plan{down: true}
	case i.fires(&f.Unauthorized, faultUnauthorized, route):
		p.instead, p.applied = refusedKey(), false
	case i.fires(&f.Throttle.Trigger, faultThrottle, route):
		p.instead = fail(http.StatusTooManyRequests, "throttled", "too many requests")
		p.instead.retryAfter, p.applied = f.Throttle.RetryAfter, false
	case i.fires(&f.Failure.Trigger, faultFailure, route):
		p.instead, p.applied = i.failure(), f.Failure.Applied
	}
	if i.fires(&f.Latency.Trigger, faultLatency, route) {
		p.delay = f.Latency.Min
		if spread := f.Latency.Max - f.Latency.Min; spread > 0 {
			p.delay += time.Duration(i.random.Int64N(int64(spread) + 1))
		}
	}
	if p.applied {
		p.lost = i.fires(&f.LostAnswer, faultLostAnswer, route)
	}
	return p
}

// failure is the answer of the failure that fired. The caller holds the lock.
func (i *injector) failure() answer {
	status := i.faults.Failure.Status
	if status == 0 {
		status = []int{http.StatusInternalServerError, http.StatusServiceUnavailable}[i.random.IntN(2)]
	}
	return fail(status, "unavailable", "the CRM is out of order")
}

// fires reports whether a fault hits a request, and counts it. The caller holds the lock.
func (i *injector) fires(t *Trigger, name, route string) bool {
	if t.Route != "" && t.Route != route {
		return false
	}
	hit := t.Next > 0
	if hit {
		t.Next--
	} else {
		hit = t.Ratio > 0 && i.random.Float64() < t.Ratio
	}
	if hit {
		i.fired[name]++
	}
	return hit
}
