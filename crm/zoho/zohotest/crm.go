package zohotest

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/crmsyncd/crmsyncd/crm/crmtest"
)

// The client that the account knows, and its refresh token.
const (
	ClientID     = "1000.ZOHOTESTCLIENT"
	ClientSecret = "zohotest-client-secret"
	RefreshToken = "1000.zohotest-refresh-token.8f3a" //nolint:gosec // of a fake
)

// The custom fields of an account that was set up, and Zoho's own field for recordings.
const (
	TransactionID = "Transaction_ID"
	CallID        = "Alohub_Call_ID"
	Recording     = "Voice_Recording__s"
)

// Options of a CRM. The zero value is an account that was set up.
type Options struct {
	// Now is the clock; nil: time.Now.
	Now func() time.Time
	// SearchLag is how long a new record stays out of query results. 0: it does not.
	SearchLag time.Duration
	// Bare: the account has none of the custom fields.
	Bare bool
	// NoUpsert: Calls takes no upsert. NoUnique: the field for the call id takes one value twice.
	NoUpsert, NoUnique bool
	// FreezeNames: an update of a call that names a frozen field is refused even where it says what is there.
	FreezeNames bool
	// HoursMinutes: Call_Duration is read as hh:mm, not as mm:ss.
	HoursMinutes bool
	// RecordingLength is how long the address of a recording may be; 0: 255.
	RecordingLength int
	// Credits is how many requests a rolling day has; 0: 100,000. Concurrency is how many may be under way; 0: 25.
	Credits, Concurrency int
	// NoScopes are parts of paths that the token has no scope for ("/coql").
	NoScopes []string
	// APIDomain is what a token answer says; empty: nothing.
	APIDomain string
}

// CRM is a fake of an account. It is safe for concurrent use.
type CRM struct {
	options  Options
	underWay atomic.Int64

	mu        sync.Mutex
	fields    map[string]map[string]*field
	records   map[string]*record
	ofModule  map[string][]*record  // in the order in which they were made
	carriers  map[carried][]*record // who has or had a text, see carry
	users     []user
	refused   map[string]string
	requests  map[string]int
	spent     []time.Time
	token     string
	expires   time.Time
	sequence  int64
	workflows int
}

// record is a record of a module. Values are what JSON decodes to.
type record struct {
	id, module string
	values     map[string]any
	created    time.Time
	deleted    bool
}

type user struct{ id, email string }

// New returns an account without records. Its only user is the one of the refresh token.
func New(o Options) *CRM {
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Credits, o.Concurrency = cmp.Or(o.Credits, 100_000), cmp.Or(o.Concurrency, 25)
	o.RecordingLength = cmp.Or(o.RecordingLength, 255)
	c := &CRM{
		options: o, fields: schema(o), records: make(map[string]*record), refused: make(map[string]string),
		ofModule: make(map[string][]*record), carriers: make(map[carried][]*record),
		requests: make(map[string]int),
	}
	c.AddUser("admin@example.com")
	return c
}

var _ crmtest.Vendor = (*CRM)(nil)

// newID returns an id. The caller holds the lock.
func (c *CRM) newID() string {
	c.sequence++
	return fmt.Sprintf("57257670000%08d", c.sequence)
}

// AddRecord makes a record of a module with a transaction id and a phone and returns its id.
func (c *CRM) AddRecord(module, transactionID, phone string) string {
	values := map[string]any{"Last_Name": "Nguyễn", TransactionID: nil, "Phone": nil}
	if transactionID != "" {
		values[TransactionID] = transactionID
	}
	if phone != "" {
		values["Phone"] = phone
	}
	return c.Add(module, values)
}

// Add makes a record of a module, without any check, and returns its id.
func (c *CRM) Add(module string, values map[string]any) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.insert(module, maps.Clone(values)).id
}

// insert adds a record. Without an owner it belongs to the user of the token. The caller holds the lock.
func (c *CRM) insert(module string, values map[string]any) *record {
	r := &record{id: c.newID(), module: module, values: values, created: c.options.Now()}
	if values["Owner"] == nil {
		values["Owner"] = map[string]any{"id": c.users[0].id}
	}
	c.records[r.id] = r
	c.ofModule[module] = append(c.ofModule[module], r)
	c.carry(r, values)
	return r
}

// carried is a text in a field.
type carried struct{ module, field, text string }

// carry notes the texts that a record is given, so that twins are found without looking at all records.
func (c *CRM) carry(r *record, values map[string]any) {
	for name, value := range values {
		if text, is := value.(string); is && text != "" {
			key := carried{r.module, name, text}
			c.carriers[key] = append(c.carriers[key], r)
		}
	}
}

// AddUser makes an active user with an e-mail address and returns its id. Of one that is taken it returns the user.
func (c *CRM) AddUser(login string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, u := range c.users {
		if strings.EqualFold(u.email, login) {
			return u.id
		}
	}
	u := user{id: c.newID(), email: login}
	c.users = append(c.users, u)
	return u.id
}

// Value returns what a record has in a field.
func (c *CRM) Value(id, name string) any {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.records[id].values[name]
}

// Set changes a value without any check: what a person does in the CRM.
func (c *CRM) Set(id, name string, value any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.records[id].values[name] = value
	c.carry(c.records[id], map[string]any{name: value})
}

// Delete puts a record into the recycle bin.
func (c *CRM) Delete(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.records[id].deleted = true
}

// EndSession makes the access token that was given out invalid.
func (c *CRM) EndSession() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.token = ""
}

// Refuse makes every write of a call fail from now on. The others of its batch are written. Empty words end it.
func (c *CRM) Refuse(callID, words string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refused[callID] = words
}

// Requests returns how many requests came, by operation: token, find, find_log, find_user, write, create_contact,
// describe, setup, other.
func (c *CRM) Requests() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.requests)
}

// Workflows returns how many writes would have started the account's workflows.
func (c *CRM) Workflows() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.workflows
}

// link finds the address of a recording in the text of a call.
var link = regexp.MustCompile(`https?://\S+`)

// Logs returns the calls that are there, the oldest first.
func (c *CRM) Logs() []crmtest.Log {
	c.mu.Lock()
	defer c.mu.Unlock()
	var logs []crmtest.Log
	for _, r := range c.ofModule["Calls"] {
		if !r.deleted {
			logs = append(logs, c.log(r))
		}
	}
	return logs
}

// log reads a call. The type Missed says that a customer called in vain; a call of the account's own without a duration
// was answered by nobody.
func (c *CRM) log(r *record) crmtest.Log {
	l := crmtest.Log{
		ID: r.id, CallID: r.text(CallID), RecordID: cmp.Or(idIn(r.values["Who_Id"]), idIn(r.values["What_Id"])),
		Owner: idIn(r.values["Owner"]), RecordingURL: r.text(Recording), Title: r.text("Subject"),
		Text: r.text("Description"), Direction: "inbound", Result: "answered",
	}
	l.Start, _ = time.Parse(time.RFC3339, r.text("Call_Start_Time"))
	l.Seconds = c.seconds(r.text("Call_Duration"))
	if r.text("Call_Type") == "Outbound" {
		l.Direction = "outbound"
	}
	if r.text("Call_Type") == "Missed" || l.Direction == "outbound" && l.Seconds == 0 {
		l.Result = "missed"
	}
	if l.RecordingURL == "" {
		l.RecordingURL = link.FindString(l.Text)
	}
	return l
}

// seconds reads a duration as the account does, -1 for what is none.
func (c *CRM) seconds(text string) int64 {
	var first, second int64
	if _, err := fmt.Sscanf(text, "%d:%d", &first, &second); err != nil || first < 0 || second < 0 || second > 59 {
		return -1
	}
	if c.options.HoursMinutes {
		return first*3600 + second*60
	}
	return first*60 + second
}

// text returns a value as text, empty when there is none.
func (r *record) text(name string) string {
	text, _ := r.values[name].(string)
	return text
}

// idIn returns the id in a reference such as {"id": "1"}.
func idIn(value any) string {
	reference, _ := value.(map[string]any)
	id, _ := reference["id"].(string)
	return id
}

// Throttled returns the answer to too many requests. Zoho's API description has a time to wait in it; what most answers
// have is not known.
func Throttled(wait time.Duration) crmtest.Answer {
	return Refusal(http.StatusTooManyRequests, "TOO_MANY_REQUESTS", "Rate limit exceeded.",
		map[string]any{"retry_after": int64(wait / time.Second)})
}
