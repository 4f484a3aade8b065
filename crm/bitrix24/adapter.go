// Package bitrix24 brings calls to Bitrix24: as calls of its telephony, or as activities of type call where the
// credentials are not allowed to use telephony.
//
// # The model
//
// Everything goes through batch: up to 50 commands in one request, which counts as one against the limit of 2 requests
// a second. A batch answers 200; what became of a command stands in result or result_error under its key. Commands run
// in the order in which they are written and may refer to the results of earlier ones, so that the steps of a call
// (register, finish, binding to a deal) need one request. Recordings are attached last: Bitrix24 downloads each one
// meanwhile, and a request that takes too long has written the calls by then.
//
// In mode telephony a call is written when it has ended, and nothing but its recording and its bindings change later.
// What is done stands in the progress of a call, and a step that is done is not repeated. In mode activity one command
// writes a call, at any time, and the recording is a link in its description.
//
// # Exactly once
//
// Neither has a key that makes repeating harmless. EXTERNAL_CALL_ID does not: a repeated register is recognised for
// half an hour after the start of the call and not beyond its finish. So a call in doubt is looked up in the call
// statistics (voximplant.statistic.get) or among the activities (crm.activity.list).
//
// # Traps
//
// The code in the path of a webhook is a secret. Refresh tokens rotate: a lost one ends the access of the application.
// Tokens are renewed only when one was refused; Bitrix24 blocks applications that do it by the clock.
//
// A call that is registered without a record is linked by its number, by Bitrix24 itself. That of a deal is, too, and
// is bound to the deal besides. A CRM activity that could not be made is no error to Bitrix24: the call then stands in the
// statistics alone, which is told here as an error.
//
// Bitrix24 replaces $result[…] wherever it stands in a parameter, so no text from outside may hold it.
package bitrix24

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/text"
)

// Name is what the adapter is called in configuration and metrics.
const Name = "bitrix24"

const (
	// maxCommands is how many commands a batch takes, pageSize how many rows a list returns.
	maxCommands, pageSize = 50, 50
	// maxValues is how many values one look-up asks for: a page of each command, four commands an object.
	maxValues = 200
	// maxComm is how many numbers one crm.duplicate.findbycomm asks for, maxHits from how many hits on it may have left
	// some out. It takes 20 numbers, but then a hit for each of them would be too many.
	maxComm, maxHits = 8, 20
	// deliveryBatch is how many calls are best written at a time: two to four commands each are four to eight requests,
	// several of them under way at once, and their look-ups fit into one or two.
	deliveryBatch = 96
	// concurrency is how many requests of one delivery are under way at a time.
	concurrency = 4
	// seenFor is how long a look-up serves the objects that are asked for after the first.
	seenFor = 5 * time.Second
	// budget is the one rate bucket: Bitrix24 counts all requests alike.
	budget = "all"
)

// Adapter speaks to a portal as a Config says. It is safe for concurrent use.
type Adapter struct {
	cfg       Config
	client    *api.Client
	text      *text.Text
	location  *time.Location
	now       func() time.Time
	search    api.Search
	telephony bool
	secrets   []string

	mu   sync.Mutex
	seen []lookup
}

var (
	_ crm.LogFinder  = (*Adapter)(nil)
	_ crm.UserFinder = (*Adapter)(nil)
	_ crm.Checker    = (*Adapter)(nil)
	_ crm.Preparer   = (*Adapter)(nil)
)

// New checks a configuration and returns its Adapter. It sends nothing.
func New(cfg Config, o api.Options) (*Adapter, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("set up the Bitrix24 adapter: %w", err)
	}
	o = o.Filled()
	a := &Adapter{cfg: cfg, location: o.Location, now: o.Now, telephony: cfg.Mode == ModeTelephony}
	client := api.ClientConfig{
		BaseURL: strings.TrimSuffix(cfg.Portal, "/") + "/rest", Connection: cfg.Connection, Judge: a.judge,
		Budgets: map[string]api.Budget{budget: cfg.Rate},
	}
	var err error
	if cfg.WebhookURL.IsSet() {
		client.BaseURL = strings.TrimSuffix(cfg.WebhookURL.Reveal(), "/")
		a.secrets = []string{client.BaseURL[strings.LastIndex(client.BaseURL, "/")+1:]}
		client.Secrets = a.secrets
	} else {
		a.telephony = a.telephony || cfg.Mode == ModeAuto
		client.Credentials, err = api.NewOAuth(api.OAuth{
			TokenURL: cfg.TokenURL, ClientID: cfg.ClientID, ClientSecret: cfg.ClientSecret, RefreshToken: cfg.RefreshToken,
			Method: http.MethodGet, BaseURL: cfg.endpoint, Store: api.TokenFile(cfg.TokenStore), RefreshOnlyWhenRefused: true,
		}, cfg.Connection, o)
	}
	if err == nil {
		a.client, err = api.NewClient(client, o)
	}
	if err == nil {
		a.text, err = text.New(cfg.Text, o.Location)
	}
	if err != nil {
		return nil, fmt.Errorf("set up the Bitrix24 adapter: %w", err)
	}
	a.search = api.Search{
		MaxValues: maxValues, Concurrency: concurrency, Region: o.PhoneRegion, Spellings: spellings,
		ByTransactionID: func(ctx context.Context, object string, values []string) ([]crm.Record, bool, error) {
			return a.lookUp(ctx, false, object, values)
		},
		ByPhone: func(ctx context.Context, object string, values []string) ([]crm.Record, bool, error) {
			return a.lookUp(ctx, true, object, values)
		},
	}
	return a, nil
}

// Close closes the connections that are idle.
func (a *Adapter) Close() { a.client.Close() }

// Traits tells what the mode makes of Bitrix24. A call of telephony is written once it has ended.
func (a *Adapter) Traits() crm.Traits {
	t := crm.Traits{Name: Name, ByPhone: true, WriteBatch: deliveryBatch, FindBatch: maxValues}
	if a.telephony {
		t.WriteWhen = crm.WriteEnded
	}
	for _, o := range a.cfg.Objects {
		t.Objects = append(t.Objects, o.Name)
	}
	return t
}
