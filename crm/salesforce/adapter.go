// Package salesforce brings calls to Salesforce (Sales Cloud): one Task of subtype Call for each call.
//
// # The model
//
// Records are found by SOQL, many values in one query, each object with a query of its own. Calls are written by
// sObject Collections: up to 200 tasks in one request, each with a result. The external id field Tasks.CallIDField
// makes writing harmless to repeat (upsert); where the org does not let activities have one, Tasks.Upsert false makes
// the adapter insert, and look tasks up by their call id after a doubt (FindLogs).
//
// Access tokens come from the OAuth client credentials flow. They say where the instance is but not when they end: a
// new one is fetched once Salesforce refuses the old one.
//
// # Traps
//
// A field that the integration user may not see does not exist for the API. So INVALID_FIELD is a matter of rights:
// the whole target pauses and no call is parked for it. Phone numbers are compared as the texts that are stored. A
// lead that was converted takes no activities and is never found. TaskSubtype cannot be changed, not even to what it
// is: an upsert that finds its Task is refused if it names it, and is sent again without. Description holds what
// salespeople type as comments: see Tasks.KeepDescription. A Task has a date and no time: ActivityDate is that of
// Config.TimeZone.
package salesforce

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/crm/text"
)

// Name is what the adapter is called in configuration and metrics.
const Name = "salesforce"

// batch is how many records one request of sObject Collections carries (REST API guide, "Upsert Records Using sObject
// Collections"), and how many values one query asks for.
const batch = 200

// Adapter speaks to an org as a Config says. It is safe for concurrent use.
type Adapter struct {
	cfg                  Config
	client               *api.Client
	text                 *text.Text
	location             *time.Location
	logger               *slog.Logger
	records, logs, users api.Search
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
		return nil, fmt.Errorf("set up the Salesforce adapter: %w", err)
	}
	o = o.Filled()
	a := &Adapter{cfg: cfg, location: o.Location, logger: o.Logger}
	address, err := cfg.address()
	if err == nil && cfg.TimeZone != "" {
		a.location, err = time.LoadLocation(cfg.TimeZone)
	}
	if err == nil {
		a.text, err = text.New(cfg.Text, a.location)
	}
	var credentials api.Credentials
	if err == nil {
		credentials, err = api.NewOAuth(api.OAuth{
			TokenURL: address + "/services/oauth2/token", ClientID: cfg.ClientID, ClientSecret: cfg.ClientSecret,
			BaseURL: instance(address),
		}, cfg.Connection, o)
	}
	if err == nil {
		a.client, err = api.NewClient(api.ClientConfig{
			BaseURL: address, Connection: cfg.Connection, Credentials: credentials, Judge: judge, Levels: levels,
			Secrets: []string{cfg.ClientSecret.Reveal()},
		}, o)
	}
	if err != nil {
		return nil, fmt.Errorf("set up the Salesforce adapter: %w", err)
	}
	search := api.Search{
		MaxValues: batch, MaxSize: cfg.QuerySize, Concurrency: cfg.Concurrency,
		Region: cmp.Or(cfg.PhoneRegion, o.PhoneRegion), Spellings: call.Number.Spellings,
		Size: func(value string) int { return len(url.QueryEscape(quote(value) + ",")) },
	}
	a.records, a.logs, a.users = search, search, search
	a.records.ByTransactionID, a.records.ByPhone = a.byTransactionID, a.byPhone
	a.logs.ByTransactionID = a.logsByCallID
	a.users.ByTransactionID, a.users.Fold = a.usersByName, true
	return a, nil
}

// instance returns what reads the address of the instance in a token answer. It must be the org's own host or one of
// Salesforce's: the token goes there.
func instance(address string) func(map[string]any) (string, error) {
	domains := []string{".salesforce.com", ".force.com", ".salesforce.mil", ".sfcrmproducts.cn"}
	return func(raw map[string]any) (string, error) {
		named, _ := raw["instance_url"].(string)
		named = strings.TrimSuffix(named, "/")
		u, err := url.Parse(named)
		switch {
		case named == address:
			return address, nil
		case err != nil || u.Scheme != "https" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Port() != "" ||
			!slices.ContainsFunc(domains, func(d string) bool { return strings.HasSuffix(strings.ToLower(u.Host), d) }):
			return "", errors.New("the instance_url of the token answer is no host of Salesforce")
		}
		return named, nil
	}
}

// levels reads how much of the daily pool is used ("api-usage=18/5000"). The pool may be overdrawn, and has no moment
// of renewal: REQUEST_LIMIT_EXCEEDED says when nothing is left.
func levels(a api.Answer) []api.Level {
	var used, limit int64
	if _, err := fmt.Sscanf(a.Header.Get("Sforce-Limit-Info"), "api-usage=%d/%d", &used, &limit); err != nil {
		return nil
	}
	return []api.Level{{Quota: "daily", Left: max(limit-used, 0), Limit: limit}}
}

// Close closes the connections that are idle.
func (a *Adapter) Close() { a.client.Close() }

// Traits tells what the org can do as configured.
func (a *Adapter) Traits() crm.Traits {
	t := crm.Traits{Name: Name, Upsert: a.cfg.Tasks.Upsert, WriteBatch: batch, FindBatch: batch}
	for _, o := range a.cfg.Objects {
		t.Objects, t.ByPhone = append(t.Objects, o.Name), t.ByPhone || len(o.Phones) > 0
	}
	return t
}

// Find looks records up, as many values in one query as fit.
func (a *Adapter) Find(ctx context.Context, lookups []crm.Lookup) []crm.Found {
	return a.records.Find(ctx, lookups)
}

// object returns the configuration of an object, empty for one that is not configured.
func (a *Adapter) object(name string) Object {
	i := slices.IndexFunc(a.cfg.Objects, func(o Object) bool { return o.Name == name })
	if i < 0 {
		return Object{}
	}
	return a.cfg.Objects[i]
}

func (a *Adapter) byTransactionID(ctx context.Context, object string, ids []string) ([]crm.Record, bool, error) {
	o := a.object(object)
	if o.TransactionID == "" {
		return nil, false, nil
	}
	return a.find(ctx, o, "transaction id", o.TransactionID+" IN ("+quoted(ids)+")")
}

func (a *Adapter) byPhone(ctx context.Context, object string, spellings []string) ([]crm.Record, bool, error) {
	o := a.object(object)
	var found []crm.Record
	if len(o.Phones) == 0 {
		return nil, false, nil
	}
	for _, part := range api.Chunks(spellings, 0, max(a.cfg.QuerySize/len(o.Phones), 1), a.records.Size) {
		var conditions []string
		for _, field := range o.Phones {
			conditions = append(conditions, field+" IN ("+quoted(part)+")")
		}
		records, truncated, err := a.find(ctx, o, "phone", "("+strings.Join(conditions, " OR ")+")")
		found = append(found, records...)
		if truncated || err != nil {
			return found, truncated, err
		}
	}
	return found, false, nil
}

// find returns the records of an object that meet a condition, each with the values of the fields that are looked up.
func (a *Adapter) find(ctx context.Context, o Object, by, condition string) ([]crm.Record, bool, error) {
	if o.Name == "Lead" {
		condition += " AND IsConverted = false"
	}
	fields := append([]string{"Id", "OwnerId"}, o.Phones...)
	if o.TransactionID != "" {
		fields = append(fields, o.TransactionID)
	}
	rows, truncated, err := a.query(ctx, "find", "find "+o.Name+" by "+by,
		"SELECT "+strings.Join(fields, ", ")+" FROM "+o.Name+" WHERE "+condition)
	var records []crm.Record
	for _, r := range rows {
		record := crm.Record{
			Object: o.Name, ID: r.text("Id"), Owner: r.text("OwnerId"), TransactionID: r.text(o.TransactionID),
		}
		for _, field := range o.Phones {
			if number := r.text(field); number != "" {
				record.Phones = append(record.Phones, number)
			}
		}
		records = append(records, record)
	}
	return records, truncated, err
}

// row is a row of a query's result.
type row map[string]json.RawMessage

// text returns a value as text, empty for null and for what is no text. Names are compared without case, as SOQL does.
func (r row) text(field string) string {
	for name, value := range r {
		var text string
		if strings.EqualFold(name, field) && json.Unmarshal(value, &text) == nil {
			return text
		}
	}
	return ""
}

// query sends SOQL. Rows without a proper id are left out; truncated: there is a further page.
func (a *Adapter) query(ctx context.Context, operation, title, soql string) (rows []row, truncated bool, err error) {
	var answer struct {
		Done    *bool `json:"done"`
		Records []row `json:"records"`
	}
	err = a.client.JSON(ctx, api.Request{
		Operation: operation, Title: title, Method: http.MethodGet, Path: a.path("query"), Query: url.Values{"q": {soql}},
	}, &answer)
	if err == nil && (answer.Done == nil || answer.Records == nil) {
		err = crm.Errorf(crm.KindTransient, title, "the answer has no list of what was found")
	}
	if err != nil {
		return nil, false, err
	}
	rows = slices.DeleteFunc(answer.Records, func(r row) bool { return !recordID.MatchString(r.text("Id")) })
	return rows, !*answer.Done, nil
}

// path returns the path of a resource of the REST API.
func (a *Adapter) path(resource string) string {
	return "/services/data/v" + a.cfg.APIVersion + "/" + resource
}

// quote returns a text as SOQL writes it.
func quote(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`, "\n", `\n`, "\r", `\r`).Replace(text) + "'"
}

func quoted(texts []string) string {
	var all []string
	for _, text := range texts {
		all = append(all, quote(text))
	}
	return strings.Join(all, ",")
}
