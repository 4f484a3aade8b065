// Package pipedrive brings calls to Pipedrive through its REST API, versions 1 and 2.
//
// # The model
//
// A call is a call log, and every call log is an activity as well, of the type call. The activity is what people see
// and what can be listed and changed; the call log can only be made, and takes a recording, once. So the id of a log is
// that of its activity, and the call log's own id is kept in the write's Progress for the recording. The log hangs on a
// person, a deal or a lead, and belongs to the user whom the agent's e-mail address names.
//
// # Once, and late
//
// A call log is made when the call is complete (crm.Traits.Immutable): it has ended and its recording is there, or was
// awaited long enough. What becomes known later is added to the activity's note, line by line; nothing in it is
// replaced, for people write there.
//
// There is no key of one's own. The call id is a line of the note, and a create whose answer got lost is looked for
// among the activities that changed since the call began.
//
// # Recordings
//
// Pipedrive takes recordings as files, not as links. From the configured hosts they are fetched and passed on as they
// arrive; from others, and when a file is not to be had, the link stands in the note. A file that is not there yet is
// tried again for a while. Failing downloads of many calls must not look like a CRM that is down: see patience.
//
// # Traps
//
// Requests cost tokens of a daily budget, and searches are limited by themselves. A look-up asks for one value of one
// field. The answer 429 stands for a burst as for a spent day, and who goes on after it meets a page of Cloudflare with
// 403, which says nothing about the token. The day ends at midnight of a zone that nobody names.
//
// Sources: Pipedrive's OpenAPI documents of API v1 and v2; pages "Rate limiting" and "HTTP status codes" of its
// developer documentation; page "CallLogs" of its API reference.
package pipedrive

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/text"
)

// Name is what the adapter is called in configuration and metrics.
const Name = "pipedrive"

// The rate buckets, and how many requests are under way at a time.
const (
	budgetSearch = "search"
	budgetOther  = "other"
	concurrency  = 4
)

// Adapter speaks to a Pipedrive. It is safe for concurrent use.
type Adapter struct {
	cfg        Config
	options    api.Options
	client     *api.Client
	recordings *api.Downloader
	text       *text.Text
	ledger     *ledger
	patience   *patience

	// fieldKeys are the keys of the custom fields that are configured by name, by object.
	fieldMu   sync.Mutex
	fieldKeys map[string]string
}

// All that Pipedrive offers.
var (
	_ crm.Adapter        = (*Adapter)(nil)
	_ crm.LogFinder      = (*Adapter)(nil)
	_ crm.UserFinder     = (*Adapter)(nil)
	_ crm.ContactCreator = (*Adapter)(nil)
	_ crm.Checker        = (*Adapter)(nil)
	_ crm.Preparer       = (*Adapter)(nil)
)

// New checks a configuration and returns its Adapter. It sends nothing.
func New(cfg Config, o api.Options) (*Adapter, error) {
	o = o.Filled()
	a := &Adapter{
		cfg: cfg, options: o, fieldKeys: map[string]string{}, patience: newPatience(o.Now),
		ledger: newLedger(cfg.DailyBudget, o.Now, o.Observer),
	}
	err := cfg.Validate()
	if err == nil {
		a.client, err = api.NewClient(api.ClientConfig{
			BaseURL: cfg.BaseURL, Connection: cfg.Connection, Judge: a.judge, Levels: levels,
			Credentials: api.Static("X-Api-Token", cfg.Token.Reveal()), Secrets: []string{cfg.Token.Reveal()},
			Budgets: map[string]api.Budget{budgetSearch: cfg.SearchRate, budgetOther: cfg.Rate},
		}, o)
	}
	if err == nil {
		a.recordings, err = api.NewDownloader(cfg.download(), o)
	}
	if err == nil {
		a.text, err = text.New(cfg.Text, o.Location)
	}
	if err != nil {
		return nil, fmt.Errorf("set up the Pipedrive adapter: %w", err)
	}
	return a, nil
}

// Close closes the connections that are idle. The Adapter may be used afterwards.
func (a *Adapter) Close() {
	a.client.Close()
	a.recordings.Close()
}

// Traits tells what Pipedrive is able to do. The lists of API v2 may lag a little behind a create; the time for it is
// chosen with room, and only a write in doubt waits for it.
func (a *Adapter) Traits() crm.Traits {
	t := crm.Traits{Name: Name, Immutable: true, SearchLag: searchLag, WriteBatch: 1, FindBatch: 1}
	for _, o := range a.cfg.Objects {
		t.Objects = append(t.Objects, o.Name)
		t.ByPhone = t.ByPhone || o.Name == person
	}
	return t
}

// answer is the envelope of all answers of Pipedrive.
type answer[T any] struct {
	Success    bool
	Data       T
	Additional struct {
		// NextCursor is where the next page begins in API v2, Pagination the same in API v1.
		NextCursor string `json:"next_cursor"`
		Pagination struct {
			More      bool `json:"more_items_in_collection"`
			NextStart int  `json:"next_start"`
		}
	} `json:"additional_data"`
}

// send sends a request that costs tokens and reads its answer. cost is what Pipedrive's API reference names.
func send[T any](ctx context.Context, a *Adapter, cost int64, r api.Request) (answer[T], error) {
	var got answer[T]
	if r.Budget == "" {
		r.Budget = budgetOther
	}
	if err := a.ledger.spend(r.Title, cost); err != nil {
		return got, err
	}
	if err := a.client.JSON(ctx, r, &got); err != nil {
		return got, err
	}
	if !got.Success {
		kind := crm.KindTransient
		if r.Effect == api.Creates {
			kind = crm.KindInDoubt
		}
		return got, crm.Errorf(kind, r.Title, "the answer does not say that it worked")
	}
	return got, nil
}

// id is an id as Pipedrive writes it: a number, or a text for leads and call logs.
type id string

// UnmarshalJSON reads either form.
func (i *id) UnmarshalJSON(data []byte) error {
	*i = id(strings.Trim(string(data), `"`))
	if *i == "null" {
		*i = ""
	}
	return nil
}

// judge reads an answer (page "HTTP status codes").
func (a *Adapter) judge(r api.Request, answer api.Answer) *crm.Error {
	e := api.Judge(r, answer)
	if e == nil {
		return nil
	}
	isPage := strings.HasPrefix(strings.TrimSpace(string(answer.Body)), "<")
	switch {
	case answer.Status == http.StatusTooManyRequests:
		a.ledger.throttled(e, answer.Header)
	case answer.Status == http.StatusForbidden && isPage:
		e.Kind, e.RetryAfter = crm.KindThrottled, blockedRest
		e.Message = "Cloudflare refuses this machine for a while: too many requests were sent after a 429"
	case answer.Status == http.StatusPaymentRequired:
		e.Kind = crm.KindUnauthorized // the company's account is closed or its trial is over: nothing will work
	case answer.Status == http.StatusBadRequest && r.Effect == api.Reads:
		e.Kind = crm.KindForbidden // the question is wrong, such as for a field that is not there: no fault of the call
	}
	return e
}
