package rest

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"github.com/crmsyncd/crmsyncd/crm"
)

// Name is what the adapter is called in configuration and metrics.
const Name = "rest"

// Options are what an Adapter is given by the program, not by its configuration. The zero value works.
type Options struct {
	// Logger gets what an operator should know of answers that are odd but no errors. nil: nothing is logged.
	Logger *slog.Logger
	// Observer is told of every request. nil: nobody is.
	Observer Observer
	// Now is the clock for waits and durations. nil: time.Now.
	Now func() time.Time
	// UserAgent names the program in requests. Empty: "crmsyncd".
	UserAgent string
	// Location and PhoneRegion are those of the call centre; Config.TimeZone and Config.PhoneRegion come first. nil: UTC;
	// empty: numbers are compared only where they have a country code.
	Location    *time.Location
	PhoneRegion string
}

// Adapter speaks to a REST CRM as a Config says. It is safe for concurrent use.
type Adapter struct {
	masker

	cfg           Config
	plan          *plan
	header        http.Header
	client        *http.Client
	authorization authorization
	limiter       *rate.Limiter
	logger        *slog.Logger
	observer      Observer
	now           func() time.Time
}

// All that a CRM may offer. What is not configured says so: see the methods.
var (
	_ crm.Adapter        = (*Adapter)(nil)
	_ crm.LogFinder      = (*Adapter)(nil)
	_ crm.UserFinder     = (*Adapter)(nil)
	_ crm.ContactCreator = (*Adapter)(nil)
	_ crm.Checker        = (*Adapter)(nil)
)

// New compiles a configuration and returns its Adapter. It sends nothing. The error joins a ConfigError for each
// mistake.
func New(cfg Config, opts Options) (*Adapter, error) {
	p, err := compile(cfg, opts)
	if err != nil {
		return nil, fmt.Errorf("set up the REST adapter: %w", err)
	}
	a := &Adapter{
		cfg: cfg, plan: p, client: newClient(cfg), header: http.Header{}, logger: opts.Logger, observer: opts.Observer,
		now: opts.Now, limiter: rate.NewLimiter(rate.Inf, 1),
	}
	if a.logger == nil {
		a.logger = slog.New(slog.DiscardHandler)
	}
	if a.observer == nil {
		a.observer = silent{}
	}
	if a.now == nil {
		a.now = time.Now
	}
	if cfg.Rate.PerSecond > 0 {
		a.limiter = rate.NewLimiter(rate.Limit(cfg.Rate.PerSecond), max(cfg.Rate.Burst, 1))
	}
	a.header.Set("Accept", "application/json")
	a.header.Set("User-Agent", cmp.Or(opts.UserAgent, "crmsyncd"))
	for key, value := range cfg.Headers {
		a.header.Set(key, value)
	}
	a.authorization = newAuthorization(cfg.Auth, a.client, a.now)
	hidden := cfg.Auth.secrets()
	if u, err := url.Parse(cfg.BaseURL); err == nil {
		hidden = append(hidden, u.Host)
	}
	a.masker = newMasker(hidden)
	return a, nil
}

// Close closes the connections that are idle. The Adapter may be used afterwards.
func (a *Adapter) Close() { a.client.CloseIdleConnections() }

// Traits tells what the configuration makes of the CRM. Without objects the CRM has to match by itself.
func (a *Adapter) Traits() crm.Traits {
	t := crm.Traits{
		Name: Name, MatchesItself: len(a.plan.objects) == 0, Upsert: a.plan.upsert != nil,
		Immutable: a.plan.update == nil && a.plan.upsert == nil, WriteBatch: 1, FindBatch: 1,
	}
	for _, o := range a.plan.objects {
		t.Objects = append(t.Objects, o.name)
		t.ByPhone = t.ByPhone || o.byPhone != nil
	}
	return t
}

// each calls do for 0 to n-1, a few at a time, and returns the results in order. After an error that stops the whole
// target the rest is not sent: fail makes a result of that error.
func each[T any](a *Adapter, n int, do func(i int) (T, error), fail func(err error) T) []T {
	results := make([]T, n)
	var stop atomic.Pointer[crm.Error]
	var group errgroup.Group
	group.SetLimit(a.cfg.Concurrency)
	for i := range n {
		group.Go(func() error {
			if e := stop.Load(); e != nil {
				results[i] = fail(e)
				return nil
			}
			result, err := do(i)
			results[i] = result
			if e, ok := errors.AsType[*crm.Error](err); ok && slices.Contains(stopping, e.Kind) {
				stop.CompareAndSwap(nil, e)
			}
			return nil
		})
	}
	_ = group.Wait() // no function returns an error
	return results
}

// stopping are the kinds of error that concern the whole target.
var stopping = []crm.Kind{crm.KindThrottled, crm.KindQuota, crm.KindUnauthorized}

// Observer is told of every request. Its methods are called from several goroutines and must not block.
type Observer interface {
	// Requested: an operation (find, create_log, …) got an answer of a class (2xx, 3xx, 4xx, 429, 5xx) or none that can
	// be read (error), after a time.
	Requested(operation, class string, took time.Duration)
}

// silent is the Observer of those who gave none.
type silent struct{}

func (silent) Requested(string, string, time.Duration) {}
