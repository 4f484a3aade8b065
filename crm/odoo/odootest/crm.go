// Package odootest is a fake of Odoo's external API for tests: JSON-2 as Odoo 19 speaks it, JSON-RPC for all versions.
//
// It is written from Odoo's documentation and source, and as strict: one transaction a request, the messages and the
// rollback of load, times of load in the user's zone, the hooks of crm.phonecall, exceptions in the form of either API.
package odootest

import (
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/crmsyncd/crmsyncd/crm/crmtest"
)

// The user of the API key, and what it must come with.
const (
	APIKey   = "0123456789abcdef0123456789abcdef01234567"
	Login    = "integration@acme.vn"
	Database = "acme"
)

// Options of a CRM. The zero value is an Odoo 19 with crm_phonecall in which setup was run.
type Options struct {
	// Now is the clock; nil: time.Now.
	Now func() time.Time
	// Version is that of the server; empty: "19.0". JSON-2 is there from 19 on.
	Version string
	// OwnModel is a model of call logs in place of crm.phonecall, as the adapter's presets expect it.
	OwnModel string
	// Bare: the models have none of the fields that setup makes.
	Bare bool
	// OldPhonecall: crm.phonecall has no direction, as before its version 13.
	OldPhonecall bool
	// HTML: descriptions are of type html.
	HTML bool
	// Denied are rights that the user lacks: "crm.phonecall create".
	Denied []string
}

// CRM is a fake of an Odoo. It is safe for concurrent use.
type CRM struct {
	options Options
	calls   string // the model of call logs

	mu       sync.Mutex
	models   map[string]map[string]field
	records  map[string]map[int64]record
	external map[string]int64 // external ids of call logs
	refused  map[string]string
	requests map[string]int
	collide  int
	last     int64
}

// record is a row. Values are string, float64, bool or, for a many2one, int64; what is empty is not there.
type record map[string]any

var _ crmtest.Vendor = (*CRM)(nil)

// New returns an Odoo without records.
func New(o Options) *CRM {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Version == "" {
		o.Version = "19.0"
	}
	c := &CRM{
		options: o, calls: "crm.phonecall", models: schema(o), records: map[string]map[int64]record{},
		external: map[string]int64{}, refused: map[string]string{}, requests: map[string]int{}, last: 40,
	}
	if o.OwnModel != "" {
		c.calls = o.OwnModel
	}
	for model := range c.models {
		c.add("ir.model", record{"model": model})
	}
	return c
}

// major returns the number before the point of the version.
func (c *CRM) major() int {
	text, _, _ := strings.Cut(strings.TrimPrefix(c.options.Version, "saas~"), ".")
	n, err := strconv.Atoi(text)
	if err != nil {
		panic("odootest: no version " + c.options.Version)
	}
	return n
}

// add makes a record. The caller holds the lock, or has the CRM for itself.
func (c *CRM) add(model string, values record) int64 {
	c.last++
	if c.records[model] == nil {
		c.records[model] = map[int64]record{}
	}
	c.records[model][c.last] = values
	sanitize(c.models[model], values)
	return c.last
}

// sanitize computes phone_sanitized, for Vietnamese numbers.
func sanitize(fields map[string]field, values record) {
	if fields["phone_sanitized"].Type == "" {
		return
	}
	delete(values, "phone_sanitized")
	for _, source := range []string{"mobile", "phone"} {
		number, _ := values[source].(string)
		digits := strings.NewReplacer(" ", "", ".", "", "-", "").Replace(number)
		if rest, national := strings.CutPrefix(digits, "0"); national {
			digits = "+84" + rest
		}
		if strings.HasPrefix(digits, "+") {
			values["phone_sanitized"] = digits
			return
		}
	}
}

// AddRecord makes a res.partner or crm.lead and returns its id.
func (c *CRM) AddRecord(object, transactionID, phone string) string {
	values := record{"name": "Nguyễn Văn An"}
	if transactionID != "" {
		values["x_transaction_id"] = transactionID
	}
	if phone != "" {
		values["phone"] = phone
	}
	return c.Add(object, values)
}

// Add makes a record of a model with any values and returns its id.
func (c *CRM) Add(model string, values map[string]any) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.models[model] == nil {
		panic("odootest: no model " + model)
	}
	return strconv.FormatInt(c.add(model, maps.Clone(values)), 10)
}

// AddUser makes an internal user and returns its id. A login that is taken returns the user who has it.
func (c *CRM) AddUser(login string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, r := range c.records["res.users"] {
		if r["login"] == login {
			return strconv.FormatInt(id, 10)
		}
	}
	return strconv.FormatInt(c.add("res.users", record{"name": login, "login": login, "active": true}), 10)
}

// Set changes a value of a record without any check: what a person does. nil empties it.
func (c *CRM) Set(model, id, name string, value any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.row(model, id)
	if r[name] = value; value == nil {
		delete(r, name)
	}
}

// Value returns what a record has in a field, nil when it has nothing there.
func (c *CRM) Value(model, id, name string) any {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.row(model, id)[name]
}

// Delete deletes a record.
func (c *CRM) Delete(model, id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	number, _ := strconv.ParseInt(id, 10, 64)
	delete(c.records[model], number)
}

func (c *CRM) row(model, id string) record {
	number, _ := strconv.ParseInt(id, 10, 64)
	return c.records[model][number]
}

// Refuse lets every write of a call's log fail with a ValidationError from now on. Empty words end it.
func (c *CRM) Refuse(callID, words string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refused[callID] = words
}

// Collide lets the next loads meet another transaction that writes the same.
func (c *CRM) Collide(times int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.collide = times
}

// Requests returns how many requests came, by operation: version, token, find, find_log, find_user, write,
// create_contact, describe, setup, other.
func (c *CRM) Requests() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.requests)
}

// External returns the external ids of the call logs, sorted.
func (c *CRM) External() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Sorted(maps.Keys(c.external))
}

// Logs returns the call logs that are there, the oldest first. Where the model has no field for the call id, that is
// taken from the external id, and where it has none for the recording, from the description.
func (c *CRM) Logs() []crmtest.Log {
	c.mu.Lock()
	defer c.mu.Unlock()
	var logs []crmtest.Log
	for _, id := range slices.Sorted(maps.Keys(c.records[c.calls])) {
		logs = append(logs, c.log(id, c.records[c.calls][id]))
	}
	return logs
}

func (c *CRM) log(id int64, r record) crmtest.Log {
	text := func(names ...string) string {
		for _, name := range names {
			switch v := r[name].(type) {
			case string:
				return v
			case int64:
				return strconv.FormatInt(v, 10)
			}
		}
		return ""
	}
	log := crmtest.Log{
		ID: strconv.FormatInt(id, 10), CallID: text("x_call_id"), Owner: text("user_id", "x_user_id"),
		RecordID:     text("partner_id", "opportunity_id", "x_partner_id", "x_lead_id"),
		RecordingURL: text("x_recording_url"), Title: text("name", "x_name"), Text: text("description", "x_description"),
		Direction: map[string]string{
			"in": "inbound", "out": "outbound", "inbound": "inbound", "outbound": "outbound",
		}[text("direction", "x_direction")],
		Result: map[string]string{
			"done": "answered", "cancel": "missed", "answered": "answered", "missed": "missed",
		}[text("state", "x_state")],
	}
	if log.CallID == "" {
		for name, of := range c.external {
			if of == id {
				log.CallID = strings.TrimPrefix(name, "crmsyncd.call_")
			}
		}
	}
	if begin := strings.Index(log.Text, "https://"); begin >= 0 && log.RecordingURL == "" {
		log.RecordingURL = strings.Fields(log.Text[begin:])[0]
	}
	if at, err := time.Parse(time.DateTime, text("date", "x_start")); err == nil {
		log.Start = at
	}
	if minutes, ok := r["duration"].(float64); ok {
		log.Seconds = int64(math.Round(minutes * 60))
	}
	if seconds, ok := r["x_duration"].(float64); ok {
		log.Seconds = int64(math.Round(seconds))
	}
	return log
}

// Throttled returns the answer of the proxy in front of a hosted Odoo to too many requests.
func Throttled(wait time.Duration) crmtest.Answer {
	return crmtest.Answer{
		Status: http.StatusTooManyRequests, Header: http.Header{
			"Content-Type": {"text/html"}, "Retry-After": {fmt.Sprint(int64(wait / time.Second))},
		},
		Body: "<html><head><title>429 Too Many Requests</title></head></html>",
	}
}
