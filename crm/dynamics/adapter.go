// Package dynamics brings calls to Microsoft Dynamics 365 Sales, through the Web API of Dataverse: one row of the table
// phonecall for each call.
//
// # The model
//
// The id of a row is chosen here: a GUID that is always the same for the same call id. A call is written by PATCH to
// that id, which creates the row or updates it, so nothing is ever written twice (Traits.Upsert).
//
// An activity that is completed is read-only. So a call that still runs is an open row; one that ended is written and
// completed. What comes later, a recording above all, reopens the row, changes it and completes it again. All steps of
// one call are one change set: they take effect together or not at all, so no row is left open or half written, and
// none of them can be skipped or repeated alone. The change sets of many calls share a request ($batch), where each
// fails for itself.
//
// Records and users are looked up by the query function In, many values in one request.
//
// # Traps
//
// Whether a row is completed is known from Progress. Where that is lost, or somebody completed the row by hand, the
// refused change is tried once more with the reopening in front. PATCH without If-Match creates: every step but the
// first of a new call has it, or a deleted row would come back empty. Durations are whole minutes. An OData literal
// doubles its quotes, and a + in a query is a plus, never a space. Dataverse compares texts without case; a record is
// taken only if it has the very transaction id. A column that is missing or hidden is a matter of configuration: the
// whole target pauses and no call is parked for it. The link to a further page is never followed: more rows than a page
// has are asked for in halves.
package dynamics

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/text"
)

// Name is what the adapter is called in configuration and metrics.
const Name = "dynamics"

// Adapter speaks to an environment as a Config says. It is safe for concurrent use.
type Adapter struct {
	cfg     Config
	client  *api.Client
	text    *text.Text
	now     func() time.Time
	root    string // of all paths
	dry     bool
	records api.Search
}

var (
	_ crm.UserFinder     = (*Adapter)(nil)
	_ crm.ContactCreator = (*Adapter)(nil)
	_ crm.Checker        = (*Adapter)(nil)
	_ crm.Preparer       = (*Adapter)(nil)
)

// New checks a configuration and returns its Adapter. It sends nothing.
func New(cfg Config, o api.Options) (*Adapter, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("set up the Dynamics adapter: %w", err)
	}
	o = o.Filled()
	a := &Adapter{cfg: cfg, now: o.Now, root: "/api/data/v" + cfg.APIVersion, dry: o.DryRun != nil}
	base := strings.TrimSuffix(cfg.BaseURL, "/")
	credentials, err := api.NewOAuth(api.OAuth{
		TokenURL: cmp.Or(cfg.TokenURL, "https://login.microsoftonline.com/"+cfg.TenantID+"/oauth2/v2.0/token"),
		ClientID: cfg.ClientID, ClientSecret: cfg.ClientSecret, Scopes: []string{base + "/.default"},
	}, cfg.Connection, o)
	if err == nil {
		a.text, err = text.New(cfg.Text, o.Location)
	}
	if err == nil {
		a.client, err = api.NewClient(api.ClientConfig{
			BaseURL: base, Connection: cfg.Connection, Credentials: credentials, Judge: judge,
			Header:  http.Header{"Odata-Version": {"4.0"}, "Odata-Maxversion": {"4.0"}},
			Secrets: []string{cfg.ClientSecret.Reveal()},
		}, o)
	}
	if err != nil {
		return nil, fmt.Errorf("set up the Dynamics adapter: %w", err)
	}
	a.records = api.Search{
		MaxSize: cfg.QuerySize, Size: func(value string) int { return len(escape(quote(value) + ",")) },
		Concurrency: cfg.Concurrency, Region: o.PhoneRegion, ByTransactionID: a.byTransactionID, ByPhone: a.byPhone,
	}
	return a, nil
}

// Close closes the connections that are idle.
func (a *Adapter) Close() { a.client.Close() }

// Traits tells what the environment can do as configured.
func (a *Adapter) Traits() crm.Traits {
	t := crm.Traits{Name: Name, Upsert: true, WriteBatch: a.cfg.Batch, FindBatch: 100}
	for _, o := range a.cfg.Objects {
		t.Objects, t.ByPhone = append(t.Objects, o.Name), t.ByPhone || len(o.Phones) > 0
	}
	return t
}

// Find looks records up, as many values in one request as fit.
func (a *Adapter) Find(ctx context.Context, lookups []crm.Lookup) []crm.Found {
	return a.records.Find(ctx, lookups)
}

// object returns the configuration of a table, without columns for one that is not configured.
func (a *Adapter) object(name string) Object {
	i := slices.IndexFunc(a.cfg.Objects, func(o Object) bool { return o.Name == name })
	if i < 0 {
		return Object{Name: name}
	}
	return a.cfg.Objects[i]
}

func (a *Adapter) byTransactionID(ctx context.Context, object string, ids []string) ([]crm.Record, bool, error) {
	o := a.object(object)
	if o.TransactionID == "" {
		return nil, false, nil
	}
	return a.find(ctx, o, "transaction id", []string{o.TransactionID}, ids)
}

func (a *Adapter) byPhone(ctx context.Context, object string, spellings []string) ([]crm.Record, bool, error) {
	o := a.object(object)
	if len(o.Phones) == 0 {
		return nil, false, nil
	}
	return a.find(ctx, o, "phone", o.Phones, spellings)
}

// find returns the records of a table that have one of the values in one of the columns.
func (a *Adapter) find(ctx context.Context, o Object, by string, columns, values []string) ([]crm.Record, bool, error) {
	selected := o.Phones
	if o.TransactionID != "" {
		selected = append([]string{o.TransactionID}, o.Phones...)
	}
	q := query{
		operation: "find", title: "find " + o.Name + " by " + by, set: o.set(), id: o.Name + "id", columns: columns,
		selected: selected, values: values, filter: o.Filter,
	}
	rows, more, err := a.query(ctx, q)
	var records []crm.Record
	for _, r := range rows {
		record := crm.Record{ID: r.text(q.id), TransactionID: r.text(o.TransactionID)}
		for _, column := range o.Phones {
			if number := r.text(column); number != "" {
				record.Phones = append(record.Phones, number)
			}
		}
		records = append(records, record)
	}
	return records, more, err
}

// query asks for the rows of a table of which one of the columns has one of the values.
type query struct {
	operation, title, set, id, filter string
	columns, selected, values         []string
}

// path returns the query below the API. Values stand once, in a parameter alias.
func (q query) path() string {
	var quoted, conditions, aliases []string
	for _, value := range q.values {
		quoted = append(quoted, quote(value))
	}
	for i, column := range q.columns {
		conditions = append(conditions, fmt.Sprintf("Microsoft.Dynamics.CRM.In(PropertyName=@p%d,PropertyValues=@v)", i))
		aliases = append(aliases, fmt.Sprintf("&@p%d='%s'", i, column))
	}
	filter := "(" + strings.Join(conditions, " or ") + ")"
	if q.filter != "" {
		filter += " and (" + q.filter + ")"
	}
	return "/" + q.set + "?$select=" + strings.Join(append([]string{q.id}, q.selected...), ",") + "&$filter=" +
		escape(filter) + strings.Join(aliases, "") + "&@v=" + escape("["+strings.Join(quoted, ",")+"]")
}

// query sends a query. Rows without a proper id are left out; more: there is a further page.
func (a *Adapter) query(ctx context.Context, q query) (rows []row, more bool, err error) {
	var answer struct {
		Value *[]row `json:"value"`
		Next  string `json:"@odata.nextLink"`
	}
	err = a.client.JSON(ctx, api.Request{
		Operation: q.operation, Title: q.title, Path: a.root + q.path(),
		Header: http.Header{"Prefer": {"odata.maxpagesize=1000"}},
	}, &answer)
	if err == nil && answer.Value == nil {
		err = crm.Errorf(crm.KindTransient, q.title, "the answer has no list of what was found")
	}
	if err != nil {
		return nil, false, err
	}
	rows = slices.DeleteFunc(*answer.Value, func(r row) bool { return !guid.MatchString(r.text(q.id)) })
	return rows, answer.Next != "", nil
}

// row is a row of an answer.
type row map[string]json.RawMessage

// text returns a value as text, empty for null and for what is no text.
func (r row) text(column string) string {
	var text string
	if json.Unmarshal(r[column], &text) != nil {
		return ""
	}
	return text
}

// quote returns a text as an OData literal.
func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// escape escapes a part of a query: a space is not written as +, which OData takes for a plus.
func escape(text string) string { return strings.ReplaceAll(url.QueryEscape(text), "+", "%20") }
