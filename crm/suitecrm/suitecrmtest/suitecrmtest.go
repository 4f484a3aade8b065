// Package suitecrmtest is a fake of SuiteCRM's V8 JSON API for tests: accounts, contacts, leads, opportunities, users
// and calls in memory, with the checks, the answers and the oddities of a real server.
//
// # What it holds to
//
// It is written from the vendor's documentation (pages "JSON API" and "SuiteCRM V8 API Set Up") and from the sources of
// SuiteCRM 7.14. The API stands under /legacy/Api, or under /Api where Options.Version7 is set; other paths are a page
// with 404. Tokens live for an hour, refresh tokens for a month, and a client has the one grant that it was made for.
// A request without a token is 401 in OAuth's form; whatever else is wrong is 400 with words. An id must be a UUID and
// is taken once and for all, also by a deleted record. Attributes and filters that no field is meant by are errors.
// Times in another form than YYYY-MM-DD HH:MM:SS are read in the user's format, of which nothing sensible comes. A
// subject of more than 50 characters breaks the insert. Texts are returned escaped as for HTML. Parents are not
// checked.
//
// # What it does not
//
// Relationships, files, sorting, logic hooks and the languages of labels are left out. SuiteCRM has no search index
// that lags, but its database may have replicas that do: Options.SearchLag.
package suitecrmtest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/crmsyncd/crmsyncd/crm/crmtest"
)

// The credentials that a fake takes.
const (
	ClientID     = "3d7f3fda-97d8-4e2b-a9ad-eb895a2fe9b0"
	ClientSecret = "suitecrm-client-secret"
	Username     = "crmsyncd"
	Password     = "suitecrm-password"
)

// Options are how a fake is set up. The zero value is a SuiteCRM 8 as crmsyncd needs it.
type Options struct {
	// Now is the clock. nil: time.Now.
	Now func() time.Time
	// SearchLag is how long a record that was created or changed is not in the answers of lists yet, default 0.
	SearchLag time.Duration
	// Version7 puts the API under /Api.
	Version7 bool
	// PasswordGrant is a client of the password grant; false: of client credentials.
	PasswordGrant bool
	// OrLetsAllThrough is a server before 7.11.13.
	OrLetsAllThrough bool
	// Bare leaves out the custom fields.
	Bare bool
	// Denied are actions ("edit", "list", "view") that the role does not allow, by module.
	Denied map[string][]string
}

// CRM is a fake of SuiteCRM. It is safe for concurrent use.
type CRM struct {
	options Options
	mux     *http.ServeMux

	mu       sync.Mutex
	lastID   int
	fields   map[string]map[string]definition
	records  map[string][]*record
	tokens   map[string]time.Time
	refresh  map[string]time.Time
	refusals map[string]string
	requests map[string]int
}

var _ crmtest.Vendor = (*CRM)(nil)

// record is a record of any module.
type record struct {
	id      string
	values  map[string]any
	deleted bool
	changed time.Time
}

// New returns a fake that holds nothing.
func New(o Options) *CRM {
	if o.Now == nil {
		o.Now = time.Now
	}
	c := &CRM{
		options: o, mux: http.NewServeMux(), fields: standardFields(!o.Bare), records: map[string][]*record{},
		tokens: map[string]time.Time{}, refresh: map[string]time.Time{}, refusals: map[string]string{},
		requests: map[string]int{},
	}
	root := "/legacy/Api"
	if o.Version7 {
		root = "/Api"
	}
	c.mux.HandleFunc("POST "+root+"/access_token", c.token)
	c.mux.HandleFunc("GET "+root+"/V8/meta/modules", c.modules)
	c.mux.HandleFunc("GET "+root+"/V8/meta/fields/{module}", c.fieldList)
	c.mux.HandleFunc("GET "+root+"/V8/module/{module}", c.list)
	c.mux.HandleFunc("GET "+root+"/V8/module/{module}/{id}", c.read)
	c.mux.HandleFunc("POST "+root+"/V8/module", c.create)
	c.mux.HandleFunc("PATCH "+root+"/V8/module", c.update)
	c.mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=UTF-8")
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte("<html><head><title>404 Not Found</title></head><body>Not Found</body></html>"))
	})
	return c
}

// ServeHTTP answers a request.
func (c *CRM) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, pattern := c.mux.Handler(r)
	c.requests[operation(r)]++
	if strings.Contains(pattern, "/V8/") && !c.authorized(r) {
		deny(w, http.StatusUnauthorized, "access_denied", "The resource owner or authorization server denied the request.")
		return
	}
	c.mux.ServeHTTP(w, r)
}

// operation names a request as Requests counts it.
func operation(r *http.Request) string {
	_, path, _ := strings.Cut(r.URL.Path, "/Api/")
	switch {
	case path == "access_token":
		return "token"
	case strings.HasPrefix(path, "V8/meta/"):
		return "describe"
	case r.Method != http.MethodGet:
		return "write"
	case strings.HasPrefix(path, "V8/module/Users"):
		return "find_user"
	case strings.HasPrefix(path, "V8/module/Calls"):
		return "read_log"
	default:
		return "find"
	}
}

// Requests returns how many requests came so far, by operation: token, describe, find, find_user, read_log, write.
func (c *CRM) Requests() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.requests)
}

// Refuse makes every write of a call fail with these words; empty words end it. The call is known by call_id_c.
func (c *CRM) Refuse(callID, words string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refusals[callID] = words
}

// ForgetTokens ends all access tokens, and the refresh tokens as well where asked to.
func (c *CRM) ForgetTokens(refreshTokensToo bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.tokens)
	if refreshTokensToo {
		clear(c.refresh)
	}
}

// AddRecord makes a record of a module with a transaction id and a number, which is stored as it is.
func (c *CRM) AddRecord(module, transactionID, phone string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	values := map[string]any{"transaction_id_c": transactionID}
	switch module {
	case "Contacts", "Leads":
		values["last_name"], values["phone_mobile"] = "Nguyễn Văn An", phone
	case "Accounts":
		values["name"], values["phone_office"] = "Công ty An Bình", phone
	}
	return c.add(module, c.newID(), values).id
}

// AddUser makes an active user.
func (c *CRM) AddUser(login string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.add("Users", c.newID(), map[string]any{"user_name": login, "status": "Active"}).id
}

// newID returns an id as SuiteCRM makes them: not a UUID of any version, but of its form.
func (c *CRM) newID() string {
	c.lastID++
	return fmt.Sprintf("b13a39f8-1c24-c5d0-ba0d-%012x", c.lastID)
}

func (c *CRM) add(module, id string, values map[string]any) *record {
	r := &record{id: id, values: values, changed: c.options.Now()}
	c.records[module] = append(c.records[module], r)
	return r
}

// Edit changes fields of a record as a person does.
func (c *CRM) Edit(module, id string, values map[string]any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.Copy(c.find(module, id).values, values)
}

// Delete deletes a record as a person does: it stays, marked.
func (c *CRM) Delete(module, id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.find(module, id).deleted = true
}

// Values returns the fields of a record as they are stored.
func (c *CRM) Values(module, id string) map[string]any {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.find(module, id).values)
}

// Define adds or changes a field.
func (c *CRM) Define(module, name, kind string, length int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fields[module][name] = definition{Type: kind, Len: length, Source: "custom_fields"}
}

// Logs returns the calls that are not deleted. Call id, recording and seconds are those of the fields call_id_c,
// recording_url_c and duration_seconds_c; without the last the duration is that of hours and minutes.
func (c *CRM) Logs() []crmtest.Log {
	c.mu.Lock()
	defer c.mu.Unlock()
	var logs []crmtest.Log
	for _, r := range c.records["Calls"] {
		if r.deleted {
			continue
		}
		start, _ := time.Parse(time.DateTime, text(r.values["date_start"]))
		logs = append(logs, crmtest.Log{
			ID: r.id, CallID: text(r.values["call_id_c"]), RecordID: text(r.values["parent_id"]),
			Owner: text(r.values["assigned_user_id"]), RecordingURL: text(r.values["recording_url_c"]),
			Direction: strings.ToLower(text(r.values["direction"])),
			Result:    map[string]string{"Held": "answered", "Not Held": "missed"}[text(r.values["status"])],
			Start:     start, Title: text(r.values["name"]), Text: text(r.values["description"]),
			Seconds: cmp.Or(number(r.values["duration_seconds_c"]),
				3600*number(r.values["duration_hours"])+60*number(r.values["duration_minutes"])),
		})
	}
	return logs
}

// Throttled returns what a server answers that can take no requests now. SuiteCRM limits no rates; a proxy before it
// may.
func Throttled(wait time.Duration) crmtest.Answer {
	return crmtest.Answer{Status: http.StatusTooManyRequests, Header: http.Header{
		"Content-Type": {"text/html"}, "Retry-After": {strconv.FormatInt(int64((wait+time.Second-1)/time.Second), 10)},
	}, Body: "<html><head><title>429 Too Many Requests</title></head></html>"}
}

// reply answers with JSON:API.
func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/vnd.api+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// refuse answers with an error.
func refuse(w http.ResponseWriter, format string, args ...any) {
	reply(w, http.StatusBadRequest, map[string]any{"errors": map[string]any{
		"status": http.StatusBadRequest, "title": nil, "detail": fmt.Sprintf(format, args...),
	}})
}
