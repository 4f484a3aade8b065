// Package suitecrm brings calls to SuiteCRM 8, and 7 from 7.11.13 on, through the V8 JSON API.
//
// # The model
//
// A call is a record of the module Calls. Its parent is the record that the call belongs to; a contact or lead is also
// put among the people of the call, because that is what their history shows. SuiteCRM lets the client choose the id of
// what it creates, and refuses an id that is there already ("Bean Calls with id … is already exist"). The id of a call
// is the UUID version 5 of the call centre's call id: a call cannot be written twice, a create whose answer got lost is
// sent again and ends as an update.
//
// Look-ups ask for one value each, a few at a time. A number is asked for in each of its spellings, in all phone fields
// with one request; SuiteCRM compares the stored text as it is.
//
// # Traps
//
// Almost every error is status 400 and only its words tell what it is; they have stayed the same from 7.11 to 8. An
// attribute that SuiteCRM does not know is an error, and then of every call. Times without a zone are UTC and must be
// written YYYY-MM-DD HH:MM:SS: anything else is read in the format that the API user has chosen in the profile. What
// the API returns is escaped as for HTML. Deleted records keep their id: a call that somebody deleted cannot be written
// again. Before 7.11.13 the operator "or" let every record through; Check finds that out.
//
// People write into what we wrote. An update sends only what changed on our side, and replaces subject and description
// only where they still are what was written last, which the write's Progress tells.
//
// Sources: SuiteCRM documentation, pages "JSON API" and "SuiteCRM V8 API Set Up"; the sources of SuiteCRM 7.14
// (ModuleService, Filter, MetaService, Call, SugarBean), which 8 carries as its legacy part; the issues #8366 (or) and
// SuiteCRM-Core #137 (the path /legacy).
package suitecrm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"strings"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/text"
)

// Name is what the adapter is called in configuration and metrics.
const Name = "suitecrm"

// mediaType is that of JSON:API.
const mediaType = "application/vnd.api+json"

// callsModule is the module of calls.
const callsModule = "Calls"

// Adapter speaks to a SuiteCRM. It is safe for concurrent use.
type Adapter struct {
	cfg     Config
	options api.Options
	client  *api.Client
	text    *text.Text
	objects map[string]Object
}

// All that SuiteCRM offers.
var (
	_ crm.Adapter        = (*Adapter)(nil)
	_ crm.UserFinder     = (*Adapter)(nil)
	_ crm.ContactCreator = (*Adapter)(nil)
	_ crm.Checker        = (*Adapter)(nil)
	_ crm.Preparer       = (*Adapter)(nil)
)

// New checks a configuration and returns its Adapter. It sends nothing.
func New(cfg Config, o api.Options) (*Adapter, error) {
	a := &Adapter{cfg: cfg, options: o.Filled(), objects: map[string]Object{}}
	for _, object := range cfg.Objects {
		a.objects[object.Name] = object
	}
	root := cfg.root(cfg.Legacy)
	client := api.ClientConfig{
		BaseURL: root, Connection: cfg.Connection, Judge: judge, Header: http.Header{"Accept": {mediaType}},
	}
	err := cfg.Validate()
	if err == nil {
		client.Credentials, err = api.NewOAuth(api.OAuth{
			TokenURL: root + "/access_token", ClientID: cfg.ClientID, ClientSecret: cfg.ClientSecret,
			Username: cfg.Username, Password: cfg.Password,
		}, cfg.Connection, o)
	}
	if err == nil {
		a.client, err = api.NewClient(client, o)
	}
	if err == nil {
		a.text, err = text.New(cfg.Text, a.options.Location)
	}
	if err != nil {
		return nil, fmt.Errorf("set up the SuiteCRM adapter: %w", err)
	}
	return a, nil
}

// Close closes the connections that are idle. The Adapter may be used afterwards.
func (a *Adapter) Close() { a.client.Close() }

// Traits tells what SuiteCRM is able to do. The id of a call makes of a second create an update.
func (a *Adapter) Traits() crm.Traits {
	t := crm.Traits{Name: Name, Upsert: true, WriteBatch: 1, FindBatch: 1}
	for _, o := range a.cfg.Objects {
		t.Objects = append(t.Objects, o.Name)
		t.ByPhone = t.ByPhone || len(o.Phones) > 0
	}
	return t
}

// resource is a record as JSON:API has it.
type resource struct {
	Type       string     `json:"type"`
	ID         string     `json:"id"`
	Attributes attributes `json:"attributes,omitempty"`
}

type document struct {
	Data resource `json:"data"`
}

// attributes are the fields of a record.
type attributes map[string]any

// UnmarshalJSON takes what is no object for nothing: PHP writes an empty one as a list.
func (f *attributes) UnmarshalJSON(data []byte) error {
	if !bytes.HasPrefix(data, []byte("{")) {
		return nil
	}
	values := map[string]any{}
	if err := json.Unmarshal(data, &values); err != nil {
		return err
	}
	*f = values
	return nil
}

// text returns a field that is a text as people wrote it, empty otherwise.
func (f attributes) text(field string) string {
	s, _ := f[field].(string)
	return html.UnescapeString(s)
}

// save creates (POST) or updates (PATCH) a record with the id that it shall have or has. Repeating it is harmless: a
// second create is refused.
func (a *Adapter) save(ctx context.Context, method, operation, title string, r resource) error {
	var answer document
	err := a.client.JSON(ctx, api.Request{
		Operation: operation, Title: title, Method: method, Path: "/V8/module", Body: document{r},
		Header: http.Header{"Content-Type": {mediaType}}, Effect: api.Changes, Pretend: document{r},
	}, &answer)
	if err == nil && !strings.EqualFold(answer.Data.ID, r.ID) {
		err = crm.Errorf(crm.KindTransient, title, "the answer is not the record that was written")
	}
	return err
}

// get reads what stands at a path.
func (a *Adapter) get(ctx context.Context, operation, title, path string, query url.Values, into any) error {
	r := api.Request{Operation: operation, Title: title, Method: http.MethodGet, Path: path, Query: query}
	return a.client.JSON(ctx, r, into)
}

// judge reads an answer by its words: SuiteCRM answers 400 to whatever it does not like.
func judge(r api.Request, a api.Answer) *crm.Error {
	e := api.Judge(r, a)
	if e == nil {
		return nil
	}
	e.Message = detail(a.Body)
	has := func(words string) bool { return strings.Contains(strings.ToLower(e.Message), words) }
	switch {
	case a.Status == http.StatusNotFound:
		e.Kind = crm.KindTransient // the web server's answer: SuiteCRM itself has none
		e.Message = "the API is not at this path: is legacy right, and do the rewrite rules in .htaccess stand?"
	case a.Status != http.StatusBadRequest:
	case r.Operation == operationCreate && has("already exist"), r.Operation == operationContact && has("already exist"):
		e.Kind = crm.KindExists
	case has("module with id ") && has("is not found"):
		e.Kind = crm.KindGone
	case r.Effect == api.Reads, has("accessdenied"), has("access denied"), has("not have access"),
		has("property ") && has("is invalid"), has("does not exist"):
		e.Kind = crm.KindForbidden // rights or configuration: no fault of the call
	}
	return e
}

// detail returns the words of an error: errors is an object, which SuiteCRM sends, or a list of them, as JSON:API has
// it.
func detail(body []byte) string {
	type problem struct{ Title, Detail string }
	var sent struct{ Errors json.RawMessage }
	if json.Unmarshal(body, &sent) != nil {
		return ""
	}
	var one problem
	var several []problem
	if json.Unmarshal(sent.Errors, &several) == nil && len(several) > 0 {
		one = several[0]
	} else if json.Unmarshal(sent.Errors, &one) != nil {
		return ""
	}
	return strings.TrimSpace(one.Title + " " + one.Detail)
}

// isKind reports whether err is of a kind.
func isKind(err error, kind crm.Kind) bool {
	e, ok := errors.AsType[*crm.Error](err)
	return ok && e.Kind == kind
}
