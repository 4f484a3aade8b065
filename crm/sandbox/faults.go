package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Limits of the faults. The longest delay stays well below the server's write timeout.
const (
	maxLatency    = time.Minute
	maxRetryAfter = 24 * time.Hour
	maxIndexLag   = 24 * time.Hour
	maxNext       = 1_000_000
)

// Faults says how the sandbox misbehaves. The zero value is a CRM that works. Faults are drawn in the order of the
// fields for each request to the API; of Down, Unauthorized, Throttle and Failure the first that fires wins.
type Faults struct {
	// Down closes the connection without an answer, before the request takes effect.
	Down Trigger
	// Unauthorized answers 401, whatever the key; the request takes no effect.
	Unauthorized Trigger
	// Throttle answers 429; the request takes no effect.
	Throttle Throttle
	// Failure answers 500 or 503.
	Failure Failure
	// Latency delays the answer, after the request took effect. A client that leaves ends the wait.
	Latency Latency
	// LostAnswer lets the request take effect, then closes the connection without an answer.
	LostAnswer Trigger
	// IndexLag hides records younger than this from lists and searches, not from reads by id and not from the check for
	// a call id that is there already. At most 24 hours.
	IndexLag time.Duration
}

// Trigger says which requests a fault hits: the next few, and after them a share of all.
type Trigger struct {
	// Ratio is the share of requests, 0 to 1.
	Ratio float64 `json:"ratio"`
	// Next is how many requests are hit before Ratio counts. It counts down.
	Next int `json:"next"`
	// Route limits the fault to one route, as in Stats: "POST /api/v1/calls". Empty: every route of the API.
	Route string `json:"route,omitempty"`
}

// Throttle is the fault that answers 429.
type Throttle struct {
	Trigger
	// RetryAfter is asked for in the header, in whole seconds; 0 leaves the header out. At most 24 hours.
	RetryAfter time.Duration
}

// Failure is the fault that answers 500 or 503.
type Failure struct {
	Trigger
	// Status is 500 or 503; 0 draws one of them.
	Status int
	// Applied lets the request take effect before it is answered with the failure.
	Applied bool
}

// Latency is the fault that delays answers.
type Latency struct {
	Trigger
	// Min and Max bound the delay, which is drawn between them. At most a minute.
	Min, Max time.Duration
}

// faultsJSON is the JSON form of Faults, with durations as text ("250ms").
type faultsJSON struct {
	Down         Trigger `json:"down"`
	Unauthorized Trigger `json:"unauthorized"`
	Throttle     struct {
		Trigger
		RetryAfter duration `json:"retry_after"`
	} `json:"throttle"`
	Failure struct {
		Trigger
		Status  int  `json:"status"`
		Applied bool `json:"applied"`
	} `json:"failure"`
	Latency struct {
		Trigger
		Min duration `json:"min"`
		Max duration `json:"max"`
	} `json:"latency"`
	LostAnswer Trigger  `json:"lost_answer"`
	IndexLag   duration `json:"index_lag"`
}

// duration is a time.Duration that is text in JSON.
type duration time.Duration

// MarshalText writes the duration as time.Duration does.
func (d duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads what time.ParseDuration takes.
func (d *duration) UnmarshalText(raw []byte) error {
	parsed, err := time.ParseDuration(string(raw))
	*d = duration(parsed)
	return err
}

// MarshalJSON writes the faults as POST /api/v1/faults takes them.
func (f Faults) MarshalJSON() ([]byte, error) {
	j := faultsJSON{
		Down: f.Down, Unauthorized: f.Unauthorized, LostAnswer: f.LostAnswer, IndexLag: duration(f.IndexLag),
	}
	j.Throttle.Trigger, j.Throttle.RetryAfter = f.Throttle.Trigger, duration(f.Throttle.RetryAfter)
	j.Failure.Trigger, j.Failure.Status, j.Failure.Applied = f.Failure.Trigger, f.Failure.Status, f.Failure.Applied
	j.Latency.Trigger, j.Latency.Min, j.Latency.Max = f.Latency.Trigger, duration(f.Latency.Min), duration(f.Latency.Max)
	return json.Marshal(j)
}

// faults returns what the JSON form says.
func (j faultsJSON) faults() Faults {
	return Faults{
		Down: j.Down, Unauthorized: j.Unauthorized, LostAnswer: j.LostAnswer, IndexLag: time.Duration(j.IndexLag),
		Throttle: Throttle{Trigger: j.Throttle.Trigger, RetryAfter: time.Duration(j.Throttle.RetryAfter)},
		Failure:  Failure{Trigger: j.Failure.Trigger, Status: j.Failure.Status, Applied: j.Failure.Applied},
		Latency: Latency{
			Trigger: j.Latency.Trigger, Min: time.Duration(j.Latency.Min), Max: time.Duration(j.Latency.Max),
		},
	}
}

// validate says what is wrong with the faults, given the routes that there are.
func (f Faults) validate(known map[string]bool) error {
	var problems []error
	wrong := func(bad bool, format string, args ...any) {
		if bad {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	for _, t := range []struct {
		name string
		Trigger
	}{
		{"down", f.Down},
		{"unauthorized", f.Unauthorized},
		{"throttle", f.Throttle.Trigger},
		{"failure", f.Failure.Trigger},
		{"latency", f.Latency.Trigger},
		{"lost_answer", f.LostAnswer},
	} {
		// Written so that NaN, which is neither below 0 nor above 1, is refused as well.
		wrong(!(t.Ratio >= 0 && t.Ratio <= 1), "%s.ratio is %v: use 0 to 1", t.name, t.Ratio)
		wrong(t.Next < 0 || t.Next > maxNext, "%s.next is %d: use 0 to %d", t.name, t.Next, maxNext)
		wrong(t.Route != "" && !known[t.Route], "%s.route is %q: use a route such as %q", t.name, clip(t.Route, maxShort),
			"POST /api/v1/calls")
	}
	status := f.Failure.Status
	wrong(status != 0 && status != http.StatusInternalServerError && status != http.StatusServiceUnavailable,
		"failure.status is %d: use 500, 503 or 0", status)
	wrong(f.Throttle.RetryAfter < 0 || f.Throttle.RetryAfter > maxRetryAfter,
		"throttle.retry_after is %s: use 0s to %s", f.Throttle.RetryAfter, maxRetryAfter)
	wrong(f.Latency.Min < 0 || f.Latency.Max > maxLatency || f.Latency.Min > f.Latency.Max,
		"latency is %s to %s: use 0s to %s, min not above max", f.Latency.Min, f.Latency.Max, maxLatency)
	wrong(f.IndexLag < 0 || f.IndexLag > maxIndexLag, "index_lag is %s: use 0s to %s", f.IndexLag, maxIndexLag)
	return errors.Join(problems...)
}
