// Package getfly brings calls to Getfly, a CRM from Vietnam, through version 6.1 of its API.
//
// # The model
//
// Getfly takes the record of a call as a call centre sends it (POST call_center/cdr) and does the rest itself: it finds
// the customer by the phone number and the user by the extension. So nothing is looked up, the owner of a call is an
// extension, and a call has neither subject nor text. There is one request for a call, sent when it is complete: with
// its end and, if it was answered, its recording.
//
// # Traps
//
// What was sent cannot be read: the API has no way to look a call up. A call is told from others by its uuid, which is
// the call centre's call id, but the documentation does not say what becomes of one that is sent twice. Config.Resend
// says which it is. Set, a call whose answer got lost is sent again, and so is one of which more became known, a late
// recording above all: no call is missing, and if Getfly does not know a uuid again, it has two. Not set, such a call
// is set aside for a person, who can see in Getfly whether it is there.
//
// Answers and errors are not documented either. A status of 2xx is success, unless there is no JSON in the answer or it
// says otherwise.
//
// Sources: Getfly for developers, version 6.1, pages "intro" (the API key), "Receive Call Log" (the fields of a call)
// and "Get Extension Number".
package getfly

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/call"
)

// Name is what the adapter is called in configuration and metrics.
const Name = "getfly"

// Adapter speaks to a Getfly. It is safe for concurrent use.
type Adapter struct {
	cfg     Config
	options api.Options
	client  *api.Client
	zone    *time.Location
}

// All that Getfly offers.
var (
	_ crm.Adapter    = (*Adapter)(nil)
	_ crm.LogFinder  = (*Adapter)(nil)
	_ crm.UserFinder = (*Adapter)(nil)
	_ crm.Checker    = (*Adapter)(nil)
)

// New checks a configuration and returns its Adapter. It sends nothing.
func New(cfg Config, o api.Options) (*Adapter, error) {
	a := &Adapter{cfg: cfg, options: o.Filled()}
	a.zone = a.options.Location
	err := cfg.Validate()
	if err == nil && cfg.TimeZone != "" {
		a.zone, err = time.LoadLocation(cfg.TimeZone)
	}
	if err == nil {
		a.client, err = api.NewClient(api.ClientConfig{
			BaseURL: strings.TrimRight(cfg.BaseURL, "/") + "/api/v6.1", Connection: cfg.Connection, Judge: judge,
			Credentials: api.Static("X-API-KEY", cfg.Token.Reveal()), Secrets: []string{cfg.Secret.Reveal()},
		}, o)
	}
	if err != nil {
		return nil, fmt.Errorf("set up the Getfly adapter: %w", err)
	}
	return a, nil
}

// Close closes the connections that are idle. The Adapter may be used afterwards.
func (a *Adapter) Close() { a.client.Close() }

// Traits tells what Getfly is able to do.
func (a *Adapter) Traits() crm.Traits {
	return crm.Traits{
		Name: Name, MatchesItself: true, Immutable: true, Upsert: a.cfg.Resend, WriteBatch: 1, FindBatch: 1,
	}
}

// Find finds nothing: Getfly finds the customer itself.
func (a *Adapter) Find(_ context.Context, lookups []crm.Lookup) []crm.Found {
	return make([]crm.Found, len(lookups))
}

// FindUsers returns for an extension itself: users are known to Getfly by their extensions. It sends nothing.
func (a *Adapter) FindUsers(_ context.Context, agents []string) []crm.UserFound {
	found := make([]crm.UserFound, len(agents))
	for i, name := range agents {
		name = strings.TrimSpace(name)
		if strings.Trim(name, "0123456789") == "" {
			found[i].UserID = name
		}
	}
	return found
}

// FindLogs is asked for calls whose write is in doubt, which happens without Config.Resend only. It cannot tell.
func (a *Adapter) FindLogs(_ context.Context, calls []call.Call) []crm.LogFound {
	found := make([]crm.LogFound, len(calls))
	for i := range found {
		found[i].Err = crm.Errorf(crm.KindInvalid, "find call log",
			"the answer of Getfly got lost, and its API does not tell whether the call is there: look in Getfly; if it is "+
				"there, discard this call, if not, set resend, replay it and unset resend")
	}
	return found
}

// record is a call as Getfly takes it (page "Receive Call Log").
type record struct {
	Phone     string `json:"phone"`
	Extension string `json:"extension"`
	UUID      string `json:"uuid"`
	Type      string `json:"type"`
	Time      string `json:"time"`
	// Duration is in seconds, as text.
	Duration     string `json:"duration"`
	Status       string `json:"status"`
	Recording    string `json:"recording,omitempty"`
	ProviderCode string `json:"provider_code,omitempty"`
	Secret       string `json:"secret"`
}

// Write sends calls, one request each.
func (a *Adapter) Write(ctx context.Context, writes []crm.Write) []crm.Written {
	written := make([]crm.Written, len(writes))
	errs := api.Each(len(writes), a.cfg.Concurrency, func(i int) error {
		written[i] = a.write(ctx, writes[i])
		return written[i].Err
	})
	for i, err := range errs {
		written[i].Err = err
	}
	return written
}

func (a *Adapter) write(ctx context.Context, w crm.Write) crm.Written {
	const title = "create call log"
	r, lack := a.record(w)
	if lack != "" {
		return crm.Written{LogID: w.LogID, Err: crm.Errorf(crm.KindInvalid, title, "%s", lack)}
	}
	sent := digest(r)
	if w.LogID != "" && api.ReadProgress(w.Progress)["sent"] == sent {
		return crm.Written{LogID: w.LogID}
	}
	if w.LogID != "" && !a.cfg.Resend {
		return crm.Written{LogID: w.LogID, Err: crm.Errorf(crm.KindInvalid, title,
			"Getfly has the call, and more became known of it since, such as its recording: without resend it is not sent "+
				"again, so add it there by hand and discard this call")}
	}
	effect := api.Creates
	if a.cfg.Resend {
		effect = api.Changes
	}
	r.Secret = a.cfg.Secret.Reveal()
	_, err := a.client.Do(ctx, api.Request{
		Operation: "create_log", Title: title, Method: http.MethodPost, Path: "/call_center/cdr", Body: r, Effect: effect,
		Pretend: map[string]string{},
	})
	if err != nil {
		return crm.Written{LogID: w.LogID, Err: err}
	}
	return crm.Written{LogID: r.UUID, Progress: api.Progress{"sent": sent}.Bytes()}
}

// record returns what is sent of a call, without the secret, or what the call lacks for it.
func (a *Adapter) record(w crm.Write) (r record, lack string) {
	c := w.Call
	r = record{
		Phone: a.phone(c.Customer), Extension: w.Owner, UUID: c.ID, Type: string(c.Direction), Status: a.cfg.Statuses.Missed,
		Recording: c.RecordingURL, ProviderCode: a.cfg.ProviderCode,
	}
	if r.Extension == "" {
		r.Extension = c.Extension
	}
	if c.Result == call.ResultAnswered {
		r.Status = a.cfg.Statuses.Answered
	}
	r.Duration = strconv.FormatInt(c.Talked().N, 10)
	r.Time = cmp.Or(c.Began(), a.options.Now()).In(a.zone).Format(time.DateTime)
	switch {
	case r.Extension == "":
		lack = "the call names no extension, by which Getfly finds the user: name one for such calls in agents.default"
	case r.Phone == "":
		lack = "the call has no number, by which Getfly finds the customer"
	case r.Type == "":
		lack = "the call centre did not say whether the call came in or went out, which Getfly must know"
	}
	return r, lack
}

// phone returns a number as it is dialled in the call centre's country, others with their country code.
func (a *Adapter) phone(n call.Number) string {
	if n.National != "" && call.ParseNumber(n.National, a.options.PhoneRegion).E164 == n.E164 {
		return n.National
	}
	return n.String()
}

// digest tells records apart in little room.
func digest(r record) string {
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%q", r)
	return fmt.Sprintf("%016x", h.Sum64())
}

// Check asks for the extension of a number, which needs the API key and changes nothing, and names what only a call can
// show.
func (a *Adapter) Check(ctx context.Context) []crm.Finding {
	query := url.Values{"caller_number": {"0000000000"}}
	if a.cfg.ProviderCode != "" {
		query.Set("provider_code", a.cfg.ProviderCode)
	}
	var extension map[string]any
	err := a.client.JSON(ctx, api.Request{
		Operation: "describe", Title: "get extension number", Path: "/call_center/odd_number", Query: query,
	}, &extension)
	if crm.Classify(err).Kind == crm.KindForbidden {
		err = errors.Join(err, errors.New("the API key may not use the call centre: see Settings > Integration"))
	}
	repeated := "trusted to be taken for the same call (resend: true); unconfirmed, the README says how to find out " +
		"with one call"
	if !a.cfg.Resend {
		repeated = "not sent (resend: false): a call whose answer got lost, or with a late recording, is set aside"
	}
	now := a.options.Now().In(a.zone).Format("15:04")
	return []crm.Finding{
		{Subject: "credentials", Err: err},
		{Subject: "secret", Detail: "cannot be tried without writing a call"},
		{Subject: "calls sent twice", Detail: repeated},
		{Subject: "time zone", Detail: a.zone.String() + ", where it is " + now + " now; Getfly does not say which it takes"},
		{Subject: "status of missed calls", Detail: strconv.Quote(a.cfg.Statuses.Missed) + ", a word that is unconfirmed"},
	}
}
