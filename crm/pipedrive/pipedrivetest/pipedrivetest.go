// Package pipedrivetest is a fake of Pipedrive's REST API for tests: users, persons, deals, leads, custom fields, call
// logs with their activities and recordings in memory, with the checks and the answers of the real one.
//
// # What it holds to
//
// It is written from Pipedrive's API reference and its OpenAPI documents of API v1 and v2. The token belongs into the
// header x-api-token. Call logs are validated field by field: a number in place of the duration's text, a time in
// another form, a deal together with a lead, a field that nobody knows are 400; a person, deal or lead that is not
// there is 404; another user's log needs access to account settings, 403. Call logs cannot be changed, their activities
// can. A recording is taken once, then 409, and only whole. The list of call logs shows those of the token's own user.
// A search of one field is exact and minds the case, one of persons by phone compares the stored text; neither shows
// values that the real one does not show. Requests cost the tokens that the reference names, and a spent day is 429.
//
// # What it does not
//
// Organizations, mail, pipelines and permissions of single records are left out. A search index that lags is played by
// Options.SearchLag.
package pipedrivetest

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/crmsyncd/crmsyncd/crm/crmtest"
)

// Token is the API token that a fake takes.
const Token = "0123456789abcdef0123456789abcdef01234567"

// The keys of the field "Transaction ID" of persons and of deals with leads.
const (
	PersonField = "1111111111111111111111111111111111111111"
	DealField   = "2222222222222222222222222222222222222222"
)

// Options are how a fake is set up. The zero value is a company as crmsyncd needs it.
type Options struct {
	// Now is the clock. nil: time.Now.
	Now func() time.Time
	// SearchLag is how long what was made or changed is not in the answers of searches and lists yet, default 0.
	SearchLag time.Duration
	// SearchLimit is how many searches two seconds may have; 0: any number. The real one: 10.
	SearchLimit int
	// DailyTokens is the company's budget of a day (UTC); 0: without end.
	DailyTokens int64
	// Regular takes access to account settings from the token's user.
	Regular bool
	// Bare leaves out the custom fields.
	Bare bool
}

// CRM is a fake of Pipedrive. It is safe for concurrent use.
type CRM struct {
	options Options
	mux     *http.ServeMux

	mu       sync.Mutex
	lastID   int
	users    []user
	fields   map[string][]field
	records  []*record
	entries  []*entry
	refusals map[string]string
	requests map[string]int
	searches []time.Time
	day      time.Time
	spent    int64
}

var _ crmtest.Vendor = (*CRM)(nil)

type user struct {
	id    int
	email string
}

// ownUser is the user of the token.
const ownUser = 1

// New returns a fake that holds the token's user and nothing else.
func New(o Options) *CRM {
	if o.Now == nil {
		o.Now = time.Now
	}
	c := &CRM{
		options: o, mux: http.NewServeMux(), lastID: 100, users: []user{{ownUser, "owner@example.com"}},
		fields: map[string][]field{}, refusals: map[string]string{}, requests: map[string]int{},
	}
	if !o.Bare {
		c.fields["person"] = []field{{PersonField, "Transaction ID", "varchar"}}
		c.fields["deal"] = []field{{DealField, "Transaction ID", "varchar"}}
	}
	c.route()
	return c
}

// route says who answers what, as which operation, and what it costs.
func (c *CRM) route() {
	for _, r := range []struct {
		pattern, operation string
		cost               int64
		answer             http.HandlerFunc
	}{
		{"GET /v1/users/me", "describe", 2, c.me},
		{"GET /v1/users", "find_user", 20, c.listUsers},
		{"GET /v1/leads/{id}", "read", 2, c.read("lead")},
		{"GET /v1/callLogs", "list_logs", 20, c.listLogs},
		{"POST /v1/callLogs", "write", 10, c.createLog},
		{"POST /v1/callLogs/{id}/recordings", "attach_recording", 10, c.attach},
		{"GET /api/v2/activities", "find_log", 10, c.listActivities},
		{"GET /api/v2/activities/{id}", "read_log", 1, c.readActivity},
		{"PATCH /api/v2/activities/{id}", "update_log", 5, c.updateActivity},
		{"GET /api/v2/itemSearch/field", "find", 20, c.searchField},
		{"GET /api/v2/persons/search", "find", 20, c.searchPersons},
		{"GET /api/v2/persons/{id}", "read", 1, c.read("person")},
		{"GET /api/v2/deals/{id}", "read", 1, c.read("deal")},
		{"POST /api/v2/persons", "create_contact", 5, c.createPerson},
		{"GET /api/v2/personFields", "describe", 10, c.listFields("person")},
		{"GET /api/v2/dealFields", "describe", 10, c.listFields("deal")},
		{"POST /api/v2/personFields", "setup", 5, c.createField("person")},
		{"POST /api/v2/dealFields", "setup", 5, c.createField("deal")},
	} {
		c.mux.HandleFunc(r.pattern, func(w http.ResponseWriter, request *http.Request) {
			c.requests[r.operation]++
			if c.admit(w, r.cost, r.operation == "find") {
				r.answer(w, request)
			}
		})
	}
}

// ServeHTTP answers a request.
func (c *CRM) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body) // before the lock: a recording comes as slowly as it is fetched
	if err != nil {
		return // the form broke off, nobody hears an answer
	}
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.Header.Get("X-Api-Token") != Token {
		refuse(w, http.StatusUnauthorized, "unauthorized access")
		return
	}
	c.mux.ServeHTTP(w, r)
}

// admit counts tokens and searches, and answers by itself where there are too many.
func (c *CRM) admit(w http.ResponseWriter, cost int64, isSearch bool) bool {
	now := c.options.Now()
	if today := now.UTC().Truncate(24 * time.Hour); today.After(c.day) {
		c.day, c.spent = today, 0
	}
	if c.options.DailyTokens > 0 {
		if c.spent+cost > c.options.DailyTokens {
			say(w, Spent())
			return false
		}
		c.spent += cost
		w.Header().Set("X-Daily-Requests-Left", strconv.FormatInt(c.options.DailyTokens-c.spent, 10))
	}
	const window = 2 * time.Second
	if !isSearch || c.options.SearchLimit == 0 {
		return true
	}
	for len(c.searches) > 0 && now.Sub(c.searches[0]) >= window {
		c.searches = c.searches[1:]
	}
	if len(c.searches) >= c.options.SearchLimit {
		say(w, Throttled(window))
		return false
	}
	c.searches = append(c.searches, now)
	return true
}

// Throttled returns what Pipedrive answers to too many requests at once: a reset in seconds, no Retry-After.
func Throttled(wait time.Duration) crmtest.Answer {
	a := failure(http.StatusTooManyRequests, "Rate limit exceeded")
	a.Header.Set("X-Ratelimit-Limit", "20")
	a.Header.Set("X-Ratelimit-Remaining", "0")
	a.Header.Set("X-Ratelimit-Reset", strconv.FormatInt(int64((wait+time.Second-1)/time.Second), 10))
	return a
}

// Spent returns what Pipedrive answers once the company's tokens of the day are spent.
func Spent() crmtest.Answer {
	a := failure(http.StatusTooManyRequests, "Daily request limit exceeded")
	a.Header.Set("X-Daily-Requests-Left", "0")
	return a
}

// Blocked returns the page of Cloudflare for those who go on after 429.
func Blocked() crmtest.Answer {
	return crmtest.Answer{
		Status: http.StatusForbidden, Header: http.Header{"Content-Type": {"text/html; charset=UTF-8"}},
		Body: "<!DOCTYPE html>\n<html><head><title>Access denied | api.pipedrive.com used Cloudflare</title></head></html>",
	}
}

// failure returns an error in Pipedrive's form.
func failure(status int, words string) crmtest.Answer {
	body, _ := json.Marshal(map[string]any{
		"success": false, "error": words, "data": nil, "additional_data": nil,
		"error_info": "Please check developers.pipedrive.com for more information about Pipedrive API.",
	})
	return crmtest.Answer{
		Status: status, Header: http.Header{"Content-Type": {"application/json; charset=utf-8"}}, Body: string(body),
	}
}

func say(w http.ResponseWriter, a crmtest.Answer) {
	maps.Copy(w.Header(), a.Header)
	w.WriteHeader(a.Status)
	_, _ = io.WriteString(w, a.Body)
}

func refuse(w http.ResponseWriter, status int, words string) { say(w, failure(status, words)) }

// reply answers with data.
func reply(w http.ResponseWriter, data, additional any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_ = json.NewEncoder(w).Encode(map[string]any{"success": true, "data": data, "additional_data": additional})
}

// cursor is the additional data of API v2; next "" is the end.
func cursor(next string) any {
	if next == "" {
		return map[string]any{"next_cursor": nil}
	}
	return map[string]any{"next_cursor": next}
}

// Refuse makes every call log of a call fail its validation with these words; empty words end it.
func (c *CRM) Refuse(callID, words string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refusals[callID] = words
}

// Requests returns how many requests came so far, by operation: find, read (one record), find_log (activities),
// read_log, list_logs (call logs), find_user, write, update_log, attach_recording, create_contact, describe, setup.
func (c *CRM) Requests() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.requests)
}

// AddUser makes a user with an e-mail address and returns its id; one who is there is not made again.
func (c *CRM) AddUser(login string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, u := range c.users {
		if u.email == login {
			return strconv.Itoa(u.id)
		}
	}
	c.lastID++
	c.users = append(c.users, user{c.lastID, login})
	return strconv.Itoa(c.lastID)
}

// callIDLine is the line of a note that tells the call id.
var callIDLine = regexp.MustCompile(`(?:Call ID|Mã cuộc gọi): ([^<\n]+)`)
