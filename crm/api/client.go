package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"github.com/crmsyncd/crmsyncd/crm"
)

// ClientConfig is what an adapter tells its Client of the CRM.
type ClientConfig struct {
	// BaseURL is what every path is appended to, without a slash at its end. Access.BaseURL takes its place where the
	// token names another; only then may it be empty.
	BaseURL    string
	Connection Connection
	// Credentials put the token on. nil: none.
	Credentials Credentials
	// Header goes with every request, besides Accept and User-Agent, which it may replace.
	Header http.Header
	// Secrets are never shown in messages. Those of Credentials need not be named.
	Secrets []string
	// Budgets are the rate buckets by name; by convention "read", "search" and "write".
	Budgets map[string]Budget
	// Judge reads an answer as the vendor means it; nil for success. Of its error Kind, Message and RetryAfter matter:
	// without a Message the CRM's words are looked for where most APIs have them, without a RetryAfter that of the header
	// counts. nil: Judge by status.
	Judge func(r Request, a Answer) *crm.Error
	// Levels reads the quotas that an answer tells. nil: none.
	Levels func(a Answer) []Level
}

// Budget bounds the requests of all workers together.
type Budget struct {
	// PerSecond is how many requests are sent per second on average; 0: no bound.
	PerSecond float64 `koanf:"per_second" validate:"gte=0"`
	// Burst is how many may be sent at once, at least 1.
	Burst int `koanf:"burst" validate:"gte=0"`
}

// Level is what an answer says is left of a quota.
type Level struct {
	// Quota names it for metrics: "interval" or "daily".
	Quota string
	// Budget is the rate bucket that rests when nothing is left; empty: all requests do.
	Budget string
	// Left of Limit requests remain.
	Left, Limit int64
	// Reset is how long it takes until the quota is renewed. With Left 0 nothing is sent before; 0: not known.
	Reset time.Duration
}

// Client sends requests to one CRM. It is safe for concurrent use.
type Client struct {
	exchanger   *exchanger
	rests       *rests
	dryRun      *DryRun
	credentials Credentials
	base        string
	header      http.Header
	hidden      []string
	budgets     map[string]*rate.Limiter
	judge       func(Request, Answer) *crm.Error
	levels      func(Answer) []Level
	// plain says that a base URL named by a token may be without TLS, because the configured one is.
	plain bool
}

// NewClient checks a configuration and returns its Client. It sends nothing.
func NewClient(cfg ClientConfig, o Options) (*Client, error) {
	o = o.Filled()
	configured := cfg.addresses()
	if len(configured) == 0 {
		return nil, errors.New("the address of the CRM is missing")
	}
	c := &Client{
		rests: newRests(o.Now), dryRun: o.DryRun, credentials: cfg.Credentials, base: strings.TrimRight(cfg.BaseURL, "/"),
		header: http.Header{"Accept": {"application/json"}, "User-Agent": {o.UserAgent}},
		hidden: slices.Clone(cfg.Secrets), budgets: map[string]*rate.Limiter{}, judge: cfg.Judge, levels: cfg.Levels,
	}
	for i, address := range configured {
		u, err := parseAddress(address)
		if err != nil {
			return nil, err
		}
		c.plain = c.plain || i == 0 && u.Scheme == "http"
		c.hidden = append(c.hidden, u.Host)
	}
	for key, values := range cfg.Header {
		c.header[http.CanonicalHeaderKey(key)] = values
	}
	for name, b := range cfg.Budgets {
		if b.PerSecond > 0 {
			c.budgets[name] = rate.NewLimiter(rate.Limit(b.PerSecond), max(b.Burst, 1))
		}
	}
	if c.credentials == nil {
		c.credentials = static{}
	}
	if c.judge == nil {
		c.judge = Judge
	}
	c.exchanger = newExchanger(cfg.Connection, newGuard(cfg.Connection.PrivateAddresses, configured), o)
	return c, nil
}

// addresses returns the configured URLs, that of the CRM first.
func (cfg ClientConfig) addresses() []string {
	var all []string
	if cfg.BaseURL != "" {
		all = append(all, cfg.BaseURL)
	}
	if own, ok := cfg.Credentials.(ownCredentials); ok {
		all = append(all, own.addresses()...)
	}
	return all
}

// parseAddress reads the URL of a server. Its errors do not quote it: it may hold a password.
func parseAddress(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("the address of the CRM must be one such as https://crm.example.com")
	case u.User != nil:
		return nil, errors.New("the address of the CRM must not hold a user or password")
	default:
		return u, nil
	}
}

// Close closes the connections that are idle, those of the credentials too, and waits for a token that is being
// fetched. The Client may be used afterwards.
func (c *Client) Close() {
	c.exchanger.client.CloseIdleConnections()
	if own, ok := c.credentials.(ownCredentials); ok {
		own.close()
	}
}

// Do sends a request and returns what was answered. It waits for the request's Budget as long as ctx allows. A refusal
// of the token is tried once more with a fresh one. While the CRM wants rest nothing is sent (see the package comment).
//
// Every error is a *crm.Error without secrets, addresses and numbers: what Judge says of the answer; where there is no
// answer, or only part of one, crm.KindTransient, but crm.KindInDoubt if the request Creates and was sent; a request
// that cannot be sent at all is crm.KindInvalid. The Answer is returned with the error where there is one.
func (c *Client) Do(ctx context.Context, r Request) (Answer, error) {
	if r.Title == "" {
		r.Title = r.Operation
	}
	if r.Method == "" {
		r.Method = http.MethodPost
		if r.Effect == Reads && r.Body == nil && r.WithToken == nil {
			r.Method = http.MethodGet
		}
	}
	if r.Effect == Creates && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		return Answer{}, crm.Errorf(crm.KindInvalid, r.Title, "what makes something must not be sent by %s", r.Method)
	}
	if c.dryRun != nil && r.Effect != Reads {
		return c.pretend(r)
	}
	if c.dryRun != nil && c.dryRun.Offline {
		return Answer{}, crm.Errorf(crm.KindTransient, r.Title, "not asked, since nothing is to be sent")
	}
	a, token, err := c.send(ctx, r, "")
	if e, ok := errors.AsType[*crm.Error](err); ok && e.Kind == crm.KindUnauthorized && token != "" {
		a, _, err = c.send(ctx, r, token)
	}
	return a, err
}

// JSON is Do, and decodes the answer into what into points at; nil: the body is not looked at. Numbers that go into an
// any become json.Number, so that long ids keep all digits. A success that cannot be decoded is crm.KindTransient, but
// crm.KindInDoubt if the request Creates.
func (c *Client) JSON(ctx context.Context, r Request, into any) error {
	a, err := c.Do(ctx, r)
	if err != nil || into == nil {
		return err
	}
	if err := decode(a, into); err != nil {
		return &crm.Error{Kind: lost(r.Effect), Op: r.Title, Status: a.Status, Message: c.Mask(err.Error())}
	}
	return nil
}

// lost is the kind of a request that was sent and of which nobody knows what became.
func lost(effect Effect) crm.Kind {
	if effect == Creates {
		return crm.KindInDoubt
	}
	return crm.KindTransient
}

// decode reads one JSON value and nothing after it. Its errors quote nothing of it.
func decode(a Answer, into any) error {
	if a.Cut {
		return errors.New("the answer is larger than max_response")
	}
	d := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(a.Body, []byte("\ufeff"))))
	d.UseNumber()
	err := d.Decode(into)
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("the answer has another form than expected: %q is no %s", e.Field, e.Type)
	}
	if err != nil {
		return errors.New("the answer is not JSON")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("the answer goes on after its end")
	}
	return nil
}
