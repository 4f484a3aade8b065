// Package odoo brings calls to Odoo, version 14 or later, through its external API.
//
// # The model
//
// Odoo has no call log of its own: calls go to the model of the OCA module crm_phonecall, or to one of one's own
// (Calls.Model). Each is a record whose external id is made of the call id. The method load creates or updates by
// external id, many records in one request, so writing twice is harmless. A request is one transaction: where one
// record is refused, none is written, and the others are sent again without it.
//
// Odoo 19 and later are spoken to by JSON-2, older ones by JSON-RPC; see server. The methods are the same.
//
// # Traps
//
// What load says of a record that it refuses may be said of an innocent one: the error of all records together stands
// at the first of them. So a record that is blamed is sent alone before its call is given up. Nor is every refusal the
// record's fault: load tells that two transactions collided in the same words.
//
// Times are UTC for Odoo, but load takes them for those of the user's zone unless the request names one. Writing the
// state of a crm.phonecall changes its duration, unless that is written with it. The field mobile is gone in Odoo 19,
// direction is missing from older versions of crm_phonecall: fields that may be missing are looked for first. A field
// that is not there fails a whole request, so the whole target pauses for it and no call is parked.
//
// People write into what we wrote. An update replaces summary and description only where they are still what was
// written last, and record and user only when they changed on our side. What was written last is in the write's
// Progress.
//
// Sources: Odoo documentation, pages "External JSON-2 API" and "External RPC API"; source of Odoo (BaseModel.load,
// ir.fields.converter, Json2Dispatcher, JsonRPCDispatcher) and of OCA/crm, crm_phonecall.
package odoo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nyaruka/phonenumbers"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/crm/text"
)

// Name is what the adapter is called in configuration and metrics.
const Name = "odoo"

// The models that calls belong to, and that of users.
const (
	partnerModel = "res.partner"
	leadModel    = "crm.lead"
	userModel    = "res.users"
)

// Odoo documents no limits. These keep a request well below the two minutes that a server allows it by default: batch
// is how many records one request writes, maxValues how many values and limit how many records a look-up takes.
const (
	batch     = 100
	maxValues = 100
	limit     = 1000
)

// Adapter speaks to an Odoo. It is safe for concurrent use.
type Adapter struct {
	cfg     Config
	calls   Calls
	options api.Options
	server  *server
	text    *text.Text
}

// All that Odoo offers.
var (
	_ crm.Adapter        = (*Adapter)(nil)
	_ crm.UserFinder     = (*Adapter)(nil)
	_ crm.ContactCreator = (*Adapter)(nil)
	_ crm.Checker        = (*Adapter)(nil)
	_ crm.Preparer       = (*Adapter)(nil)
)

// New checks a configuration and returns its Adapter. It sends nothing.
func New(cfg Config, o api.Options) (*Adapter, error) {
	o = o.Filled()
	a := &Adapter{cfg: cfg, calls: cfg.Calls.filled(), options: o}
	err := cfg.Validate()
	if err == nil {
		a.text, err = text.New(cfg.Text, o.Location)
	}
	var client *api.Client
	if err == nil {
		client, err = api.NewClient(api.ClientConfig{
			BaseURL: cfg.address(), Connection: cfg.Connection, Judge: judge, Secrets: []string{cfg.Token.Reveal()},
		}, o)
	}
	if err != nil {
		return nil, fmt.Errorf("set up the Odoo adapter: %w", err)
	}
	a.server = &server{
		cfg: cfg, client: client, now: o.Now, opening: make(chan struct{}, 1), models: map[string]model{},
	}
	return a, nil
}

// Close closes the connections that are idle. The Adapter may be used afterwards.
func (a *Adapter) Close() { a.server.client.Close() }

// Traits tells what Odoo is able to do.
func (a *Adapter) Traits() crm.Traits {
	t := crm.Traits{Name: Name, Upsert: true, ByPhone: true, WriteBatch: batch, FindBatch: maxValues}
	for _, o := range a.cfg.Objects {
		t.Objects = append(t.Objects, o.Name)
	}
	return t
}

// is reports whether err is of a kind.
func is(err error, kind crm.Kind) bool {
	e, ok := errors.AsType[*crm.Error](err)
	return ok && e.Kind == kind
}

// Find looks records up, many values with one request. Archived ones, lost leads among them, are not found.
func (a *Adapter) Find(ctx context.Context, lookups []crm.Lookup) []crm.Found {
	return api.Search{
		MaxValues: maxValues, Concurrency: a.cfg.Concurrency, Region: a.options.PhoneRegion, Spellings: spellings,
		ByTransactionID: a.byTransactionID, ByPhone: a.byPhone,
	}.Find(ctx, lookups)
}

// spellings are the usual ones and those in which Odoo itself writes what is typed, both made by libphonenumber.
func spellings(n call.Number) []string {
	all := n.Spellings()
	if parsed, err := phonenumbers.Parse(n.E164, ""); err == nil {
		for _, format := range []phonenumbers.PhoneNumberFormat{phonenumbers.INTERNATIONAL, phonenumbers.NATIONAL} {
			if form := phonenumbers.Format(parsed, format); !slices.Contains(all, form) {
				all = append(all, form)
			}
		}
	}
	return all
}

// object returns the configuration of an object with the fields that hold its numbers, empty for one that is not
// configured.
func (a *Adapter) object(ctx context.Context, name string) (o Object, err error) {
	i := slices.IndexFunc(a.cfg.Objects, func(o Object) bool { return o.Name == name })
	if i < 0 {
		return Object{}, nil
	}
	if o = a.cfg.Objects[i]; len(o.Phones) > 0 {
		return o, nil
	}
	there, err := a.server.fields(ctx, o.Name)
	for _, phone := range []string{"phone_sanitized", "phone", "mobile"} {
		if there[phone].Type != "" {
			o.Phones = append(o.Phones, phone)
		}
	}
	return o, err
}

func (a *Adapter) byTransactionID(ctx context.Context, object string, ids []string) ([]crm.Record, bool, error) {
	o, err := a.object(ctx, object)
	if err != nil || o.TransactionID == "" {
		return nil, false, err
	}
	return a.find(ctx, o, "transaction id", []any{[]any{o.TransactionID, "in", ids}})
}

func (a *Adapter) byPhone(ctx context.Context, object string, numbers []string) ([]crm.Record, bool, error) {
	o, err := a.object(ctx, object)
	if err != nil || len(o.Phones) == 0 {
		return nil, false, err
	}
	return a.find(ctx, o, "phone", anyOf(o.Phones, numbers))
}

// anyOf is the domain of the records that have one of the values in one of the fields: n conditions follow n-1 "|".
func anyOf(fields, values []string) []any {
	var operators, conditions []any
	for i, field := range fields {
		if i > 0 {
			operators = append(operators, "|")
		}
		conditions = append(conditions, []any{field, "in", values})
	}
	return append(operators, conditions...)
}

// find returns the records of an object that meet a domain.
func (a *Adapter) find(ctx context.Context, o Object, by string, domain []any) ([]crm.Record, bool, error) {
	fields := append([]string{"user_id"}, o.Phones...)
	if o.TransactionID != "" {
		fields = append(fields, o.TransactionID)
	}
	rows, truncated, err := a.server.search(ctx, "find", "find "+o.Name+" by "+by, o.Name, domain, fields...)
	records := make([]crm.Record, len(rows))
	for i, r := range rows {
		records[i] = crm.Record{
			Object: o.Name, ID: r.id("id"), Owner: r.id("user_id"), TransactionID: r.text(o.TransactionID),
		}
		for _, field := range o.Phones {
			records[i].Phones = append(records[i].Phones, r.text(field))
		}
	}
	return records, truncated, err
}

// FindUsers looks active internal users up by login, then by e-mail; upper and lower case are the same. An e-mail that
// several users have is an error: nobody is guessed.
func (a *Adapter) FindUsers(ctx context.Context, agents []string) []crm.UserFound {
	found := make([]crm.UserFound, 0, len(agents))
	for _, part := range api.Chunks(agents, maxValues, 0, nil) {
		var names []string
		for _, name := range part {
			for _, form := range []string{strings.TrimSpace(name), strings.ToLower(strings.TrimSpace(name))} {
				if !slices.Contains(names, form) {
					names = append(names, form)
				}
			}
		}
		domain := append([]any{"&", []any{"share", "=", false}}, anyOf([]string{"login", "email"}, names)...)
		users, _, err := a.server.search(ctx, "find_user", "find user", userModel, domain, "login", "email")
		for _, name := range part {
			found = append(found, pick(users, name, err))
		}
	}
	return found
}

// pick returns the user who has an agent's name.
func pick(users []row, name string, err error) crm.UserFound {
	for _, field := range []string{"login", "email"} {
		var ids []string
		for _, u := range users {
			if strings.EqualFold(u.text(field), strings.TrimSpace(name)) {
				ids = append(ids, u.id("id"))
			}
		}
		switch {
		case len(ids) == 1:
			return crm.UserFound{UserID: ids[0]}
		case len(ids) > 1:
			return crm.UserFound{Err: crm.Errorf(crm.KindInvalid, "find user",
				"several users have the %s of the agent: name one in agents.map", field)}
		}
	}
	return crm.UserFound{Err: err}
}

// CreateContacts creates a res.partner for each call. It does not carry the transaction id: that may be one of a whole
// campaign, and the next customer of the campaign would be taken for this one.
func (a *Adapter) CreateContacts(ctx context.Context, calls []call.Call) []crm.Found {
	found := make([]crm.Found, 0, len(calls))
	for _, part := range api.Chunks(calls, batch, 0, nil) {
		ids := make(map[string]string, len(part)) // by call
		errs := api.Split(part, func(calls []call.Call) error { return a.createContacts(ctx, calls, ids) })
		for i, c := range part {
			f := crm.Found{Err: errs[i]}
			if f.Err == nil {
				f.Records = []crm.Record{{Object: partnerModel, ID: ids[c.ID], Phones: []string{c.Customer.String()}}}
			}
			found = append(found, f)
		}
	}
	return found
}

func (a *Adapter) createContacts(ctx context.Context, calls []call.Call, ids map[string]string) error {
	const title = "create contact"
	values := make([]map[string]any, len(calls))
	for i, c := range calls {
		values[i] = map[string]any{"name": c.Customer.String(), "phone": c.Customer.String()}
	}
	var made []any
	err := a.server.call(ctx, invocation{
		operation: "create_contact", title: title, model: partnerModel, method: "create", effect: api.Creates,
		arguments: map[string]any{"vals_list": values}, pretend: slices.Repeat([]int{1}, len(calls)),
	}, &made)
	if err != nil {
		return err
	}
	if len(made) != len(calls) || slices.ContainsFunc(made, func(id any) bool { return idText(id) == "" }) {
		return crm.Errorf(crm.KindInDoubt, title, "the answer has no id for each of %d contacts", len(calls))
	}
	for i, c := range calls {
		ids[c.ID] = idText(made[i])
	}
	return nil
}
