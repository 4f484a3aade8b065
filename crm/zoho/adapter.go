// Package zoho brings calls to Zoho CRM (API v8): one record of the module Calls for each call.
//
// # The model
//
// Records are found by COQL, up to 50 values in one query, each module with queries of its own. Calls are written up to
// 100 in one request, each with a result in the place of the call. A unique field (Calls.CallID) makes writing harmless
// to repeat (upsert); where Calls takes no upsert, Calls.Upsert false makes the adapter insert, and look calls up by
// their call id after a doubt (FindLogs). With a unique field an insert of what is there is refused with its id.
//
// Access tokens come from a refresh token that does not change, at the accounts host of the data centre. The answer
// names the host of the API.
//
// # Traps
//
// Call_Type, the start, the duration and the owner of a call are frozen once it is made, so a call is written when it
// has ended, and an update sends only what has changed of texts, recording and link: what people changed in Zoho stays.
// A missed call is a type of its own, Missed, and means that a customer called in vain; a call of ours that nobody
// answered is Outbound with a duration of nothing. Call_Duration is a text whose format Zoho describes in two ways.
//
// Nothing found is 204 without a body. Errors of a request come as an object, or as a list of one item that looks like
// a result. The limit of requests at a time and the credits of a rolling day are refused in the same way, without a
// time: each refusal in a row makes the rest longer, and from minutes on it is taken for a quota that is spent. Ten
// access tokens in ten minutes are all that Zoho gives, so only what is refused for its token fetches another.
package zoho

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/crm/text"
)

// Name is what the adapter is called in configuration and metrics.
const Name = "zoho"

const (
	// maxBatch is how many records one request carries (page "Insert Records").
	maxBatch = 100
	// searchLag is how long a call that was just written may be missing in COQL. Zoho does not say; its other search
	// needs up to a minute.
	searchLag = time.Minute
)

// Adapter speaks to Zoho CRM as a Config says. It is safe for concurrent use.
type Adapter struct {
	cfg           Config
	client        *api.Client
	text          *text.Text
	location      *time.Location
	now           func() time.Time
	logger        *slog.Logger
	records, logs api.Search
	// slots bounds the requests that are under way.
	slots chan struct{}
	rests rests
}

var (
	_ crm.LogFinder      = (*Adapter)(nil)
	_ crm.UserFinder     = (*Adapter)(nil)
	_ crm.ContactCreator = (*Adapter)(nil)
	_ crm.Checker        = (*Adapter)(nil)
	_ crm.Preparer       = (*Adapter)(nil)
)

// New checks a configuration and returns its Adapter. It sends nothing.
func New(cfg Config, o api.Options) (*Adapter, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("set up the Zoho adapter: %w", err)
	}
	o = o.Filled()
	a := &Adapter{
		cfg: cfg, location: o.Location, now: o.Now, logger: o.Logger, slots: make(chan struct{}, cfg.Concurrency),
	}
	oauth := api.OAuth{
		TokenURL: strings.TrimSuffix(cfg.AccountsURL, "/") + "/oauth/v2/token", ClientID: cfg.ClientID,
		ClientSecret: cfg.ClientSecret, RefreshToken: cfg.RefreshToken, Scheme: "Zoho-oauthtoken",
	}
	if cfg.AccountsURL == "" {
		oauth.TokenURL = dataCenters()[cfg.DataCenter] + "/oauth/v2/token"
	}
	base := cfg.BaseURL
	if base == "" {
		base, oauth.BaseURL = "https://www.zohoapis."+cfg.DataCenter, domain
	}
	var err error
	if a.text, err = text.New(cfg.Text, o.Location); err != nil {
		return nil, fmt.Errorf("set up the Zoho adapter: %w", err)
	}
	credentials, err := api.NewOAuth(oauth, cfg.Connection, o)
	if err == nil {
		a.client, err = api.NewClient(api.ClientConfig{
			BaseURL: base, Connection: cfg.Connection, Credentials: credentials, Judge: a.judge, Levels: levels,
		}, o)
	}
	if err != nil {
		return nil, fmt.Errorf("set up the Zoho adapter: %w", err)
	}
	search := api.Search{
		MaxValues: cfg.QueryValues, MaxSize: cfg.QueryValues, Size: a.weight, Concurrency: cfg.Concurrency,
		Region: o.PhoneRegion, Spellings: call.Number.Spellings,
	}
	a.records, a.logs = search, search
	a.records.ByTransactionID, a.records.ByPhone = a.byTransactionID, a.byPhone
	a.logs.ByTransactionID = a.logsByCallID
	return a, nil
}

// Close closes the connections that are idle.
func (a *Adapter) Close() { a.client.Close() }

// Traits tells what Zoho can do as configured.
func (a *Adapter) Traits() crm.Traits {
	t := crm.Traits{
		Name: Name, Upsert: a.cfg.Calls.Upsert, WriteWhen: crm.WriteEnded, SearchLag: searchLag,
		WriteBatch: maxBatch, FindBatch: a.cfg.QueryValues,
	}
	for _, o := range a.cfg.Objects {
		t.Objects, t.ByPhone = append(t.Objects, o.Name), t.ByPhone || len(o.Phones) > 0
	}
	return t
}

// do sends a request, as one of Concurrency, and decodes its answer. found is false where the answer is 204: nothing.
func (a *Adapter) do(ctx context.Context, r api.Request, into any) (found bool, err error) {
	select {
	case a.slots <- struct{}{}:
		defer func() { <-a.slots }()
	case <-ctx.Done():
		return false, &crm.Error{Kind: crm.KindTransient, Op: r.Title, Err: ctx.Err()}
	}
	r.Path = "/crm/v8" + r.Path
	answer, err := a.client.Do(ctx, r)
	if e, ok := errors.AsType[*crm.Error](err); ok {
		if e.Kind == crm.KindForbidden && problemOf(answer.Body).setup() {
			e.Kind = crm.KindUnauthorized // not before: the client would fetch another token, which is no better
		}
		return false, e
	}
	if answer.Status == http.StatusNoContent {
		return false, nil
	}
	if answer.Cut || json.Unmarshal(answer.Body, into) != nil {
		return false, crm.Errorf(doubt(r.Effect), r.Title, "the answer is not JSON of the form expected")
	}
	return true, nil
}

// doubt is the kind of an answer that does not say what was done.
func doubt(effect api.Effect) crm.Kind {
	if effect == api.Creates {
		return crm.KindInDoubt
	}
	return crm.KindTransient
}

// levels reads the credits of the rolling day that are left. Zoho tells them once half of them are used, and never how
// many there were.
func levels(answer api.Answer) []api.Level {
	left, err := strconv.ParseInt(answer.Header.Get(creditsHeader), 10, 64)
	if err != nil {
		return nil
	}
	return []api.Level{{Quota: "daily", Left: max(left, 0)}}
}

// creditsHeader is documented on the page "API Limits".
const creditsHeader = "X-Api-Credits-Remaining" //nolint:gosec // the name of a header, no credentials

// judge reads an answer as Zoho means it (page "Status Codes"). What is said of single records stays for those who read
// the results.
func (a *Adapter) judge(r api.Request, answer api.Answer) *crm.Error {
	e, p := api.Judge(r, answer), problemOf(answer.Body)
	if e == nil {
		a.rests.end()
		return nil
	}
	if p.Code != "" {
		e.Message = p.words()
	}
	switch {
	case answer.Status == http.StatusTooManyRequests, p.Code == "TOO_MANY_REQUESTS", p.exhausted():
		e.Kind, e.RetryAfter = a.rests.next(a.now(), p.exhausted() || answer.Header.Get(creditsHeader) == "0")
		if p.Details.RetryAfter > 0 {
			e.RetryAfter = time.Duration(min(p.Details.RetryAfter, 86_400)) * time.Second
		}
		if answer.Header.Get("Retry-After") != "" {
			e.Kind, e.RetryAfter = crm.KindThrottled, 0 // the client reads the header
		}
	case p.setup():
		e.Kind = crm.KindForbidden // see do
	case e.Kind == crm.KindInvalid && itemized(r, answer):
		return nil
	}
	return e
}

// itemized reports whether an answer that is an error has a result for each record of the request.
func itemized(r api.Request, answer api.Answer) bool {
	sent, writes := r.Body.(envelope)
	var results struct {
		Data []result `json:"data"`
	}
	return writes && json.Unmarshal(answer.Body, &results) == nil && len(results.Data) == len(sent.Data)
}

// rests are the waits after refusals in a row, each longer than the one before. It is safe for concurrent use.
type rests struct {
	mu    sync.Mutex
	step  int
	until time.Time
}

// next returns how long to rest. Requests that were under way together are refused together, and count once. spent says
// that the credits of the day are known to be used up: they come back little by little.
func (r *rests) next(now time.Time, spent bool) (crm.Kind, time.Duration) {
	const daily = 4
	waits := []time.Duration{
		10 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute,
		5 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour,
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !now.Before(r.until) {
		r.step = min(r.step+1, len(waits))
		if spent {
			r.step = max(r.step, daily+1)
		}
		r.until = now.Add(waits[r.step-1])
	}
	if r.step > daily {
		return crm.KindQuota, r.until.Sub(now)
	}
	return crm.KindThrottled, r.until.Sub(now)
}

// end notes that a request was taken. The next refusal is the first one again.
func (r *rests) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.step = 0
}

// object returns the configuration of a module, empty for one that is not configured.
func (a *Adapter) object(name string) Object {
	i := slices.IndexFunc(a.cfg.Objects, func(o Object) bool { return o.Name == name })
	if i < 0 {
		return Object{}
	}
	return a.cfg.Objects[i]
}
