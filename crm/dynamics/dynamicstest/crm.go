// Package dynamicstest is a fake of the Dataverse Web API: as much of it as a call centre needs.
//
// # The model
//
// A CRM is an environment of Dynamics 365 Sales: tables with columns (contact, lead, opportunity, account, systemuser,
// phonecall), rows, one application user with client credentials, queries with the function In and parameter aliases,
// $batch with change sets, upsert by PATCH, table definitions and privileges. It takes nothing that the real one would
// not take: names, types, lengths, references and pairs of state and status are checked and refused with Dataverse's
// own codes, in its own shapes.
//
// # Traps that it reproduces
//
// PATCH without If-Match creates. A completed phone call can only be reopened. What fails within a change set undoes
// all of it. Without the preference continue-on-error a batch ends at its first error, with the status of that error.
// Texts are compared without case. The lines of a batch end with CRLF.
//
// Facts are those of the Dataverse developer guide ("Execute batch operations using the Web API", "Use Upsert to Create
// or Update a record", "Compose HTTP requests and handle errors", "Service protection API limits") and of the table
// reference of phonecall. The code with which a change of a completed phone call is refused is not documented: the fake
// uses the one of rules that reject a change.
package dynamicstest

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/crmsyncd/crmsyncd/crm/crmtest"
)

// The app registration that the CRM knows.
const (
	Tenant       = "acme.onmicrosoft.com"
	ClientID     = "2d6ab1a0-dynamicstest-client"
	ClientSecret = "Q~dynamicstest-secret"
)

// The columns of one's own of an environment that was set up (see Options.Bare).
const (
	TransactionID = "new_transactionid"
	CallID        = "new_callid"
	Seconds       = "new_talkseconds"
	Recording     = "new_recordingurl"
)

// Options of a CRM. The zero value is an environment that was set up and has the usual limits.
type Options struct {
	// Now is the clock; nil: time.Now.
	Now func() time.Time
	// Bare: there are none of the columns of one's own.
	Bare bool
	// Limit is how many requests are taken in five minutes; 0: 6,000.
	Limit int
	// PageSize bounds how many rows a query returns at once; 0: 5,000.
	PageSize int
	// StopsAtErrors: the preference continue-on-error is not known.
	StopsAtErrors bool
	// Lacking is a privilege that the security role does not have ("prvAppendTocontact").
	Lacking string
}

// CRM is a fake of an environment. It is safe for concurrent use.
type CRM struct {
	options Options

	mu       sync.Mutex
	tables   map[string]*table
	rows     map[string]*row
	order    []string
	refused  map[string]string
	requests map[string]int
	recent   []time.Time
	session  string
	expires  time.Time
}

// row is one row. Values are string, int64 or bool by the name of the column; a bound lookup is the id of the other row
// under the name of its navigation property.
type row struct {
	table  string
	id     string
	values map[string]any
}

// New returns an environment without rows.
func New(o Options) *CRM {
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Limit, o.PageSize = cmp.Or(o.Limit, 6_000), cmp.Or(o.PageSize, 5_000)
	return &CRM{
		options: o, tables: schema(o.Bare), rows: make(map[string]*row), refused: make(map[string]string),
		requests: make(map[string]int),
	}
}

var _ crmtest.Vendor = (*CRM)(nil)

// AddRecord makes a row of a table with a transaction id and a phone and returns its id.
func (c *CRM) AddRecord(object, transactionID, phone string) string {
	values := map[string]any{"telephone1": phone, "statecode": int64(0)}
	if transactionID != "" {
		values[TransactionID] = transactionID
	}
	return c.Add(object, values)
}

// AddUser makes an enabled user whose e-mail and domain name are the login, and returns its id. A login that is taken
// returns the user who has it.
func (c *CRM) AddUser(login string) string {
	c.mu.Lock()
	for id, r := range c.rows {
		if r.table == "systemuser" && strings.EqualFold(r.text("domainname"), login) {
			c.mu.Unlock()
			return id
		}
	}
	c.mu.Unlock()
	return c.Add("systemuser", map[string]any{"domainname": login, "internalemailaddress": login, "isdisabled": false})
}

// Add makes a row of a table and returns its id. A table that is not there panics: it is a mistake in a test.
func (c *CRM) Add(name string, values map[string]any) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.tables[name]
	if t == nil {
		panic("dynamicstest: no table " + name)
	}
	id := fmt.Sprintf("00000000-0000-4000-8000-%012x", len(c.order)+1)
	r := &row{table: name, id: id, values: map[string]any{name + "id": id}}
	for column, value := range values {
		if t.columns[column] != nil {
			r.values[column] = value
		}
	}
	c.insert(r)
	return id
}

// insert adds a row. The caller holds the lock.
func (c *CRM) insert(r *row) {
	c.rows[r.id] = r
	c.order = append(c.order, r.id)
}

// Set changes a value of a row without any check: what a person does in the CRM.
func (c *CRM) Set(id, column string, value any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rows[id].values[column] = value
}

// Value returns what a row has in a column, nil when it has nothing there.
func (c *CRM) Value(id, column string) any {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rows[id].values[column]
}

// Delete removes a row.
func (c *CRM) Delete(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.rows, id)
}

// EndSessions makes the access token that was given out invalid.
func (c *CRM) EndSessions() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.session = ""
}

// Refuse lets every write of a call's row fail from now on, as a plug-in does. Empty words end it.
func (c *CRM) Refuse(callID, words string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refused[callID] = words
}

// Requests returns how many requests came, by operation: token, find, find_user, write, describe, setup, other.
func (c *CRM) Requests() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.requests)
}

// What the description of a phone call says where there is no column of one's own, in English or Vietnamese.
var (
	describedCall      = regexp.MustCompile(`(?m)^(?:Call ID|Mã cuộc gọi): (.+)$`)
	describedRecording = regexp.MustCompile(`(?m)^(?:Recording|Ghi âm): (\S+)$`)
	describedTalk      = regexp.MustCompile(`(?m)^(?:Talk time|Thời gian đàm thoại): (\d+):(\d\d)$`)
)

// Logs returns the phone calls that are there, the oldest first.
func (c *CRM) Logs() []crmtest.Log {
	c.mu.Lock()
	defer c.mu.Unlock()
	var logs []crmtest.Log
	for _, id := range c.order {
		if r := c.rows[id]; r != nil && r.table == "phonecall" {
			logs = append(logs, r.log())
		}
	}
	return logs
}

// log returns a phone call as a call log. A completed call of no duration was missed.
func (r *row) log() crmtest.Log {
	l := crmtest.Log{
		ID: r.id, CallID: r.callID(), Owner: r.text("ownerid"), Title: r.text("subject"), Text: r.text("description"),
		RecordingURL: cmp.Or(r.text(Recording), first(describedRecording, r.text("description"))),
		Direction:    "inbound", Seconds: r.number("actualdurationminutes") * 60,
	}
	if out, told := r.values["directioncode"].(bool); out || !told {
		l.Direction = "outbound"
	}
	for name, id := range r.values {
		if strings.HasPrefix(name, "regardingobjectid_") {
			l.RecordID, _ = id.(string)
		}
	}
	if talk := describedTalk.FindStringSubmatch(l.Text); talk != nil {
		minutes, _ := strconv.ParseInt(talk[1], 10, 64)
		seconds, _ := strconv.ParseInt(talk[2], 10, 64)
		l.Seconds = minutes*60 + seconds
	}
	if r.values[Seconds] != nil {
		l.Seconds = r.number(Seconds)
	}
	if r.number("statecode") == 1 {
		l.Result = map[bool]string{true: "answered", false: "missed"}[r.number("actualdurationminutes") > 0]
	}
	l.Start, _ = time.Parse(time.RFC3339, r.text("actualstart"))
	return l
}

func (r *row) callID() string {
	return cmp.Or(r.text(CallID), first(describedCall, r.text("description")))
}

// first returns what the first group of a pattern finds.
func first(pattern *regexp.Regexp, text string) string {
	if found := pattern.FindStringSubmatch(text); found != nil {
		return found[1]
	}
	return ""
}

// text returns a value as text, number as a whole number; empty and 0 where there is none.
func (r *row) text(column string) string {
	text, _ := r.values[column].(string)
	return text
}

func (r *row) number(column string) int64 {
	n, _ := r.values[column].(int64)
	return n
}
