package crmtest

import (
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// Weather is what goes wrong by chance between a daemon and a CRM. Ratios are shares of all requests, from 0 to 1, and
// together 1 at most.
type Weather struct {
	// Seed makes the chances repeatable, as far as the order of the requests is.
	Seed uint64
	// Lose is the share of requests that take effect and of which the answer gets lost.
	Lose float64
	// Fail is the share of requests that are answered with 502 by a proxy and take no effect.
	Fail float64
	// Throttle is the share of requests that are answered with Throttled and take no effect.
	Throttle float64
	// Throttled is the vendor's answer to too many requests, and Named the time that it tells to wait.
	Throttled Answer
	Named     time.Duration
	// Grace is how long after such an answer requests may still come without being early: they were under way.
	// 0: a fifth of Named.
	Grace time.Duration
	// MaxLatency bounds by how much each answer is late; the delay is drawn evenly. 0: none is.
	MaxLatency time.Duration
	// Exempt tells requests that fare well whatever the weather, those for a token; nil: none.
	Exempt func(*http.Request) bool
}

// Counts are what the weather did.
type Counts struct {
	Lost, Failed, Throttled int
	// Early counts the requests that came between a throttled answer and the time that it named.
	Early int
}

// Endure puts weather in front of the CRM from now on, and begins to count anew. The zero Weather is fair.
func (s *Server) Endure(w Weather) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.weather = newFront(w)
}

// Counts returns what the weather did since Endure.
func (s *Server) Counts() Counts {
	s.mu.Lock()
	weather := s.weather
	s.mu.Unlock()
	if weather == nil {
		return Counts{}
	}
	weather.mu.Lock()
	defer weather.mu.Unlock()
	return weather.counts
}

// front is a weather that is on.
type front struct {
	Weather

	mu     sync.Mutex
	chance *rand.Rand
	counts Counts
	// told are the times of throttled answers of which the named time may not have passed.
	told []time.Time
}

func newFront(w Weather) *front {
	if w.Grace == 0 {
		w.Grace = w.Named / 5
	}
	return &front{Weather: w, chance: rand.New(rand.NewPCG(w.Seed, w.Seed))}
}

// serve lets a request fare as the weather is.
func (f *front) serve(w http.ResponseWriter, r *http.Request, crm http.Handler) {
	if f.Exempt != nil && f.Exempt(r) {
		crm.ServeHTTP(w, r)
		return
	}
	fault, latency := f.draw(time.Now())
	if latency > 0 {
		select {
		case <-time.After(latency):
		case <-r.Context().Done():
		}
	}
	fault(w, r, crm)
}

// draw decides on a request that came at a time.
func (f *front) draw(came time.Time) (Fault, time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.countEarly(came)
	drawn := f.chance.Float64()
	var latency time.Duration
	if f.MaxLatency > 0 {
		latency = time.Duration(f.chance.Int64N(int64(f.MaxLatency) + 1))
	}
	switch {
	case drawn < f.Lose:
		f.counts.Lost++
		return Lose(), latency
	case drawn < f.Lose+f.Fail:
		f.counts.Failed++
		return Say(Answer{Status: http.StatusBadGateway, Body: "<html><body>Bad Gateway</body></html>"}), latency
	case drawn < f.Lose+f.Fail+f.Throttle:
		f.counts.Throttled++
		return f.throttle, latency
	default:
		return func(w http.ResponseWriter, r *http.Request, crm http.Handler) { crm.ServeHTTP(w, r) }, latency
	}
}

// throttle answers that there are too many requests, and notes when.
func (f *front) throttle(w http.ResponseWriter, r *http.Request, crm http.Handler) {
	Say(f.Throttled)(w, r, crm)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.told = append(f.told, time.Now())
}

// countEarly counts a request that came before the time that an answer named. The caller holds the lock.
func (f *front) countEarly(came time.Time) {
	kept := f.told[:0]
	early := false
	for _, told := range f.told {
		since := came.Sub(told)
		early = early || since > f.Grace && since < f.Named
		if since < f.Named {
			kept = append(kept, told)
		}
	}
	f.told = kept
	if early {
		f.counts.Early++
	}
}
