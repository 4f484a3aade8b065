// Package espocrm brings calls to EspoCRM, version 7 or later, through its REST API.
//
// # The model
//
// A call is a record of the entity type Call. Its parent is the record that the call belongs to; a contact or lead is
// also put among the call's contacts or leads, so that the call shows in both places. The owner is the assigned user,
// whom EspoCRM demands: the agent, else the owner of the record, else Config.DefaultUser. EspoCRM computes a call's
// duration from its start and end; the end is therefore written as start plus talk time, so that what people see is the
// time that was talked, and 0 for a missed call.
//
// There is no upsert. A field of one's own carries the call centre's call id (Config.Calls.CallID), by which the log of
// a create whose answer got lost is found again. Look-ups ask for many values at once with the filter "in"; writes are
// one request each, a few at a time.
//
// # Traps
//
// Fields that do not exist are dropped from a write in silence, so Check reads the field definitions and sends every
// look-up once. Lists tell the primary number of a record only, although they find it by any of its numbers: a record
// that was found by another one is read whole. The answer to a create is not the stored record. An error's words are in
// the header X-Status-Reason; its body may be empty or a page. A request that can never work and a database that is
// away may both be 500.
//
// People write into what we wrote. An update replaces title and text only where they are still what the adapter wrote
// last, and parent and owner only when they changed on our side. What was written last is in the write's Progress.
//
// Sources: EspoCRM documentation, pages "REST API", "API search parameters", "CRUD operations", "Metadata", "Roles
// management", "Phone numbers", "Duplicate check"; the OpenAPI description of version 9.3.
package espocrm

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/text"
)

// Name is what the adapter is called in configuration and metrics.
const Name = "espocrm"

// Adapter speaks to an EspoCRM. It is safe for concurrent use.
type Adapter struct {
	cfg     Config
	options api.Options
	client  *api.Client
	text    *text.Text
	// objects are those of the configuration and the calls themselves, which are found by their call id.
	objects map[string]Object
}

// All that EspoCRM offers.
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
	const root = "/api/v1"
	client := api.ClientConfig{
		BaseURL:    strings.TrimSuffix(strings.TrimRight(cfg.BaseURL, "/"), root) + root,
		Connection: cfg.Connection, Judge: judge, Secrets: []string{cfg.Token.Reveal(), cfg.HMACSecret.Reveal()},
	}
	if !cfg.HMACSecret.IsSet() {
		client.Credentials = api.Static("X-Api-Key", cfg.Token.Reveal())
	}
	a := &Adapter{cfg: cfg, options: o.Filled(), objects: map[string]Object{
		callType: {Name: callType, TransactionID: cfg.Calls.CallID},
	}}
	for _, object := range cfg.Objects {
		a.objects[object.Name] = object
	}
	err := cfg.Validate()
	if err == nil {
		a.client, err = api.NewClient(client, o)
	}
	if err == nil {
		a.text, err = text.New(cfg.Text, a.options.Location)
	}
	if err != nil {
		return nil, fmt.Errorf("set up the EspoCRM adapter: %w", err)
	}
	return a, nil
}

// Close closes the connections that are idle. The Adapter may be used afterwards.
func (a *Adapter) Close() { a.client.Close() }

// Traits tells what EspoCRM is able to do.
func (a *Adapter) Traits() crm.Traits {
	t := crm.Traits{Name: Name, WriteBatch: 1, FindBatch: maxValues}
	for _, o := range a.cfg.Objects {
		t.Objects = append(t.Objects, o.Name)
		t.ByPhone = t.ByPhone || len(o.Phones) > 0
	}
	return t
}

// callType is the entity type of calls.
const callType = "Call"

// send sends a request. With a secret key its header carries the API key and the hash of method and path without the
// query, as raw bytes: the form that every version takes (source: Hmac.php; page "REST API").
func (a *Adapter) send(ctx context.Context, r api.Request, header string, into any) (api.Answer, error) {
	r.Header = http.Header{}
	if header != "" {
		r.Header.Set(header, "true")
	}
	if a.cfg.HMACSecret.IsSet() {
		mac := hmac.New(sha256.New, []byte(a.cfg.HMACSecret.Reveal()))
		mac.Write([]byte(r.Method + " " + r.Path))
		signed := append([]byte(a.cfg.Token.Reveal()+":"), mac.Sum(nil)...)
		r.Header.Set("X-Hmac-Authorization", base64.StdEncoding.EncodeToString(signed))
	}
	if into != nil {
		return api.Answer{}, a.client.JSON(ctx, r, into)
	}
	return a.client.Do(ctx, r)
}

// get reads what stands at a path.
func (a *Adapter) get(ctx context.Context, operation, title, path string, query url.Values, into any) error {
	header := ""
	if query.Has("maxSize") {
		header = "X-No-Total" // counting all that is found would be work for nothing
	}
	r := api.Request{Operation: operation, Title: title, Method: http.MethodGet, Path: path, Query: query}
	_, err := a.send(ctx, r, header, into)
	return err
}

// entity is a record as EspoCRM sends it.
type entity map[string]any

// text returns an attribute that is a text, empty otherwise.
func (e entity) text(attribute string) string {
	s, _ := e[attribute].(string)
	return s
}
