package salesforcetest

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/crmsyncd/crmsyncd/crm/crmtest"
)

// The connected app that the CRM knows.
const (
	ClientID     = "3MVG9.salesforcetest.client"
	ClientSecret = "5A1E5F0RCE-salesforcetest-secret"
)

// The custom fields of an org that was set up (see Options.Bare).
const (
	TransactionID = "Transaction_Id__c"
	CallID        = "Call_Id__c"
	Recording     = "Call_Recording__c"
	CallStart     = "Call_Start__c"
)

// Options of a CRM. The zero value is an org that was set up and has no limits.
type Options struct {
	// Now is the clock; nil: time.Now.
	Now func() time.Time
	// SearchLag is how long a new record stays out of query results. Salesforce's own SOQL has no lag that is documented:
	// it reads the database. 0: none.
	SearchLag time.Duration
	// Bare: the org has none of the custom fields.
	Bare bool
	// NoExternalID: fields of activities cannot be external ids. The field CallID is there, without that right.
	NoExternalID bool
	// DailyLimit is how many requests the org has; 0: 100,000. More are refused.
	DailyLimit int64
	// PageSize is how many rows a query returns at once; 0: 2,000.
	PageSize int
	// InstanceURL is what a token answer says; empty: where the request came to.
	InstanceURL string
}

// CRM is a fake of an org. It is safe for concurrent use.
type CRM struct {
	options Options

	mu        sync.Mutex
	objects   map[string]*object
	records   map[string]*record
	order     []string
	carriers  map[carried][]*record // who has or had a text, see carry
	cursors   map[string]cursor
	hidden    []customField
	refused   map[string]string
	requests  map[string]int
	session   string
	used      int64
	sequences int64
}

// record is a row. Values are string, int64, bool or nil, by the name of the field as described.
type record struct {
	object  string
	id      string
	values  map[string]any
	deleted bool
	created time.Time
}

// New returns an org without records.
func New(o Options) *CRM {
	if o.Now == nil {
		o.Now = time.Now
	}
	o.DailyLimit, o.PageSize = cmp.Or(o.DailyLimit, 100_000), cmp.Or(o.PageSize, 2_000)
	return &CRM{
		options: o, objects: schema(o), records: make(map[string]*record), carriers: make(map[carried][]*record), cursors: make(map[string]cursor),
		refused: make(map[string]string), requests: make(map[string]int),
	}
}

// AddRecord makes a record of an object with a transaction id and a phone and returns its id.
func (c *CRM) AddRecord(object, transactionID, phone string) string {
	values := map[string]any{"Phone": phone, "LastName": "Nguyễn", "Company": "ACME", "Name": "Nguyễn"}
	if transactionID != "" {
		values[TransactionID] = transactionID
	}
	return c.Add(object, values)
}

// Add makes a record of an object with any values that the object has fields for, and returns its id. An object that
// the org does not have panics: it is a mistake in a test.
func (c *CRM) Add(object string, values map[string]any) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	o := c.objects[strings.ToLower(object)]
	if o == nil {
		panic("salesforcetest: no object " + object)
	}
	return c.insert(o, values).id
}

// insert adds a row, leaving out what the object has no field for. The caller holds the lock.
func (c *CRM) insert(o *object, values map[string]any) *record {
	r := &record{object: o.name, id: c.newID(o.prefix), values: make(map[string]any), created: c.options.Now()}
	for name, value := range values {
		if f := o.field(name); f != nil {
			r.values[f.Name] = value
		}
	}
	r.values["Id"] = r.id
	if o.name == "Lead" {
		r.values["IsConverted"] = false
	}
	c.records[r.id] = r
	c.order = append(c.order, r.id)
	c.carry(r, r.values)
	return r
}

// carried is a text in a field, in lower case.
type carried struct{ object, field, text string }

// carry notes the texts that a record is given, so that keys are found without looking at all records.
func (c *CRM) carry(r *record, values map[string]any) {
	for name, value := range values {
		if text, is := value.(string); is && text != "" {
			key := carried{r.object, name, strings.ToLower(text)}
			c.carriers[key] = append(c.carriers[key], r)
		}
	}
}

// carriersOf returns the records of an object that have, or once had, a text in a field, each once.
func (c *CRM) carriersOf(object, field, text string) []*record {
	var found []*record
	for _, r := range c.carriers[carried{object, field, strings.ToLower(text)}] {
		if !slices.Contains(found, r) {
			found = append(found, r)
		}
	}
	return found
}

// AddUser makes an active user with a user name, which is the e-mail as well, and returns its id. Names are unique: one
// that is taken returns the user who has it.
func (c *CRM) AddUser(login string) string {
	c.mu.Lock()
	for id, r := range c.records {
		if strings.EqualFold(r.text("Username"), login) {
			c.mu.Unlock()
			return id
		}
	}
	c.mu.Unlock()
	return c.Add("User", map[string]any{"Username": login, "Email": login, "IsActive": true})
}

// Set changes a value of a record without any check: what a person does in the CRM.
func (c *CRM) Set(id, field string, value any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.records[id].values[field] = value
	c.carry(c.records[id], map[string]any{field: value})
}

// Value returns what a record has in a field, nil when it has nothing there.
func (c *CRM) Value(id, field string) any {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.records[id].values[field]
}

// Delete puts a record into the recycle bin.
func (c *CRM) Delete(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.records[id].deleted = true
}

// EndSessions makes the access token that was given out invalid.
func (c *CRM) EndSessions() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.session = ""
}

// Refuse lets every write of a call's log fail from now on, as a validation rule does. The others of its request are
// written. Empty words end it.
func (c *CRM) Refuse(callID, words string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refused[callID] = words
}

var _ crmtest.Vendor = (*CRM)(nil)

// Requests returns how many requests came, by operation: token, find, find_log, find_user, write, create_contact,
// describe, setup, other.
func (c *CRM) Requests() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.requests)
}

// Tasks returns the ids of the tasks that are there, the oldest first.
func (c *CRM) Tasks() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(c.order), func(id string) bool {
		return c.records[id].object != "Task" || c.records[id].deleted
	})
}

// link finds the address of a recording in the text of a task.
var link = regexp.MustCompile(`https?://\S+`)

// Logs returns the call logs that are there, the oldest first. A Task has no time of its start unless there is a custom
// field for it.
func (c *CRM) Logs() []crmtest.Log {
	ids := c.Tasks()
	c.mu.Lock()
	defer c.mu.Unlock()
	logs := make([]crmtest.Log, 0, len(ids))
	for _, id := range ids {
		logs = append(logs, c.records[id].log())
	}
	return logs
}

// text returns a value as text, empty when there is none.
func (r *record) text(field string) string {
	text, _ := r.values[field].(string)
	return text
}

// newID returns an id of 18 characters: a prefix that tells the object, a number, and a checksum of the case of the
// other characters. The caller holds the lock.
func (c *CRM) newID(prefix string) string {
	c.sequences++
	return withChecksum(fmt.Sprintf("%s5g%010d", prefix, c.sequences))
}

// withChecksum makes an id of 15 characters one of 18.
func withChecksum(id string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
	sum := []byte(id)
	for part := range 3 {
		bits := 0
		for i, r := range id[part*5 : part*5+5] {
			if r >= 'A' && r <= 'Z' {
				bits |= 1 << i
			}
		}
		sum = append(sum, alphabet[bits])
	}
	return string(sum)
}

// idForm is what an id looks like.
var idForm = regexp.MustCompile(`^[a-zA-Z0-9]{15}([a-zA-Z0-9]{3})?$`)

// row returns the record of an id of 15 or 18 characters, nil when there never was one. The caller holds the lock.
func (c *CRM) row(id string) *record {
	if len(id) == 15 {
		id = withChecksum(id)
	}
	return c.records[id]
}

// newSession returns an access token.
func newSession() string { return "00D5g0000000001EAA!" + rand.Text() }
