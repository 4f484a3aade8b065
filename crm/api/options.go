package api

import (
	"cmp"
	"log/slog"
	"time"
)

// Options are what the program gives to every adapter and its Client. The zero value works.
type Options struct {
	// Logger gets what an operator should know of answers that are odd but no errors. nil: nothing is logged.
	Logger *slog.Logger
	// Observer is told of every request. nil: nobody is.
	Observer Observer
	// Now is the clock for waits and durations. nil: time.Now.
	Now func() time.Time
	// UserAgent names the program in requests. Empty: "crmsyncd".
	UserAgent string
	// Location and PhoneRegion (ISO 3166, "VN") are those of the call centre, for CRMs that say nothing else. nil: UTC;
	// empty: numbers are compared only where they have a country code.
	Location    *time.Location
	PhoneRegion string
	// DryRun keeps what would change the CRM from being sent and records it. nil: all is sent.
	DryRun *DryRun
}

// Observer is told of every request. Its methods are called from several goroutines and must not block.
type Observer interface {
	// Requested: an operation (find, create_log, …) got an answer of a class (2xx, 3xx, 4xx, 429, 5xx) or none that can
	// be read (error), after a time.
	Requested(operation, class string, took time.Duration)
	// Quota: the CRM said how many requests are left of a named quota ("interval", "daily") and how large it is.
	Quota(quota string, left, limit int64)
}

// Filled returns o with a value for everything that was not given, the Observer of those who gave none included; DryRun
// stays as it is.
func (o Options) Filled() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Observer == nil {
		o.Observer = silent{}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Location == nil {
		o.Location = time.UTC
	}
	o.UserAgent = cmp.Or(o.UserAgent, "crmsyncd")
	return o
}

// silent is the Observer of those who gave none.
type silent struct{}

func (silent) Requested(string, string, time.Duration) {}
func (silent) Quota(string, int64, int64)              {}
