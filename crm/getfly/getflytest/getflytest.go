// Package getflytest is a fake of Getfly's API for tests: customers, extensions and calls in memory.
//
// # What it holds to
//
// It is written from the vendor's pages for version 6.1: a call comes with the API key in a header and the secret of
// the connection in its body, as JSON; its time is local and its duration seconds as text. The customer is found by the
// number as it is dialled in Vietnam, the user by the extension.
//
// # What it makes up
//
// The vendor documents neither answers nor errors, nor what becomes of a uuid that comes again: the fake answers with a
// message and code, refuses what lacks a field, and does what Options.Repeated says.
package getflytest

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/crmsyncd/crmsyncd/crm/crmtest"
)

// The credentials that a fake takes.
const (
	APIKey       = "getfly-key"
	Secret       = "getfly-secret"
	ProviderCode = "ALOHUB"
)

// zone is that of Vietnam.
var zone = time.FixedZone("Asia/Ho_Chi_Minh", 7*60*60)

// Repeated is what becomes of a call whose uuid is there already.
type Repeated int

// The ways.
const (
	// Replaces: the later one takes the place of the earlier.
	Replaces Repeated = iota
	// Ignores: the earlier one stays.
	Ignores
	// Doubles: both are there.
	Doubles
)

// Options are how a fake is set up.
type Options struct {
	// Repeated is what becomes of a uuid that comes again.
	Repeated Repeated
	// NeedsProviderCode makes the fake refuse calls without the code.
	NeedsProviderCode bool
}

// CRM is a fake of Getfly. It is safe for concurrent use.
type CRM struct {
	options Options

	mu         sync.Mutex
	lastID     int
	customers  map[string]string // ids by number
	extensions map[string]string // extensions by login
	calls      []stored
	refusals   map[string]string
	requests   map[string]int
}

// stored is a call as it came, with the customer that was found.
type stored struct {
	sent
	customer string
}

// sent is a call as it comes.
type sent struct {
	Phone        string `json:"phone"`
	Extension    any    `json:"extension"`
	UUID         string `json:"uuid"`
	Type         string `json:"type"`
	Time         string `json:"time"`
	Duration     string `json:"duration"`
	Status       string `json:"status"`
	Recording    string `json:"recording"`
	Secret       string `json:"secret"`
	ProviderCode string `json:"provider_code"`
}

var _ crmtest.Vendor = (*CRM)(nil)

// New returns a fake that holds nothing.
func New(o Options) *CRM {
	return &CRM{
		options: o, lastID: 200, customers: map[string]string{}, extensions: map[string]string{},
		refusals: map[string]string{}, requests: map[string]int{},
	}
}

// ServeHTTP answers a request.
func (c *CRM) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	path, known := strings.CutPrefix(r.URL.Path, "/api/v6.1/call_center/")
	switch {
	case !known:
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte("<html><title>404</title></html>"))
	case r.Header.Get("X-API-KEY") != APIKey:
		c.requests["refused"]++
		say(w, http.StatusUnauthorized, "X-API-KEY is invalid")
	case path == "odd_number" && r.Method == http.MethodGet:
		c.requests["describe"]++
		_ = json.NewEncoder(w).Encode(map[string]any{"odd_number": nil})
	case path == "cdr" && r.Method == http.MethodPost:
		c.requests["write"]++
		c.receive(w, r)
	default:
		say(w, http.StatusMethodNotAllowed, "method not allowed")
	}
}

// receive answers POST call_center/cdr.
func (c *CRM) receive(w http.ResponseWriter, r *http.Request) {
	var s sent
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") || json.NewDecoder(r.Body).Decode(&s) != nil {
		say(w, http.StatusBadRequest, "the body is not JSON")
		return
	}
	if problem := c.problem(s); problem != "" {
		say(w, http.StatusBadRequest, problem)
		return
	}
	at := slices.IndexFunc(c.calls, func(earlier stored) bool { return earlier.UUID == s.UUID })
	switch {
	case at < 0, c.options.Repeated == Doubles:
		c.calls = append(c.calls, stored{s, c.customers[s.Phone]})
	case c.options.Repeated == Replaces:
		c.calls[at] = stored{s, c.customers[s.Phone]}
	}
	say(w, http.StatusOK, "success")
}

// problem returns what is wrong with a call.
func (c *CRM) problem(s sent) string {
	seconds, notNumber := strconv.Atoi(s.Duration)
	_, notTime := time.ParseInLocation(time.DateTime, s.Time, zone)
	switch {
	case s.Secret != Secret:
		return "secret is invalid"
	case c.options.NeedsProviderCode && s.ProviderCode != ProviderCode:
		return "provider_code is invalid"
	case c.refusals[s.UUID] != "":
		return c.refusals[s.UUID]
	case s.Phone == "", extension(s.Extension) == "", s.UUID == "", s.Status == "":
		return "a field is missing"
	case s.Type != "inbound" && s.Type != "outbound":
		return "type is invalid"
	case notTime != nil:
		return "time is invalid"
	case notNumber != nil || seconds < 0:
		return "duration is invalid"
	default:
		return ""
	}
}

// extension returns an extension, which is a number in the vendor's sample, as text.
func extension(v any) string {
	if number, is := v.(float64); is {
		return strconv.Itoa(int(number))
	}
	s, _ := v.(string)
	return s
}

// AddRecord makes a customer who has a number. Getfly is not asked by transaction id.
func (c *CRM) AddRecord(_, _, phone string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lastID++
	id := strconv.Itoa(c.lastID)
	if national, vietnamese := strings.CutPrefix(phone, "+84"); vietnamese {
		phone = "0" + national
	}
	c.customers[phone] = id
	return id
}

// AddUser makes a user and returns the extension: the login, where that is one.
func (c *CRM) AddUser(login string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if strings.Trim(login, "0123456789") == "" {
		return login
	}
	if c.extensions[login] == "" {
		c.lastID++
		c.extensions[login] = strconv.Itoa(c.lastID)
	}
	return c.extensions[login]
}

// Refuse makes the fake refuse a call with these words; empty words end it.
func (c *CRM) Refuse(callID, words string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refusals[callID] = words
}

// Requests returns how many requests came so far, by operation: write, describe, and refused for those without the key.
func (c *CRM) Requests() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.requests)
}

// Logs returns the calls. Getfly shows neither title nor text; the owner is the extension.
func (c *CRM) Logs() []crmtest.Log {
	c.mu.Lock()
	defer c.mu.Unlock()
	logs := make([]crmtest.Log, 0, len(c.calls))
	for _, s := range c.calls {
		start, _ := time.ParseInLocation(time.DateTime, s.Time, zone)
		seconds, _ := strconv.ParseInt(s.Duration, 10, 64)
		logs = append(logs, crmtest.Log{
			ID: s.UUID, CallID: s.UUID, RecordID: s.customer, Owner: extension(s.Extension), RecordingURL: s.Recording,
			Direction: s.Type, Result: s.Status, Start: start, Seconds: seconds,
		})
	}
	return logs
}

// Throttled returns what a server answers that can take no requests now. Getfly documents no limits: this is what a
// proxy before it says.
func Throttled(wait time.Duration) crmtest.Answer {
	return crmtest.Answer{Status: http.StatusTooManyRequests, Header: http.Header{
		"Content-Type": {"text/html"}, "Retry-After": {strconv.FormatInt(int64((wait+time.Second-1)/time.Second), 10)},
	}, Body: "<html><title>429 Too Many Requests</title></html>"}
}

// say answers with a message.
func say(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"code": status, "message": message})
}
