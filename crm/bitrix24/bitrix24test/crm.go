package bitrix24test

import (
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

// The credentials that a fake takes unless Options name others.
const (
	ClientID     = "local.5f0c8a1b2c3d41.12345678"
	ClientSecret = "canary-client-secret"
	RefreshToken = "canary-refresh-token"
	WebhookUser  = "1"
	WebhookCode  = "canarywebhookcode1"
)

// FieldName is the custom field of contacts, leads, deals and companies that holds the transaction id.
const FieldName = "UF_CRM_TRANSACTIONID"

// Options are what differs between portals. The zero value is a portal that is ready for use and has no limits.
type Options struct {
	// Now is the clock. nil: time.Now.
	Now func() time.Time
	// SearchLag is how long records and logs do not show in look-ups. Bitrix24 itself has none that is documented.
	SearchLag time.Duration
	// TokenLife is how long an access token is taken, 0: an hour.
	TokenLife time.Duration
	// PerSecond and Burst are the leaky bucket for requests; 0: no limit. The cloud has 2 and 50.
	PerSecond, Burst float64
	// Scopes are those of the application and of the webhook. nil: crm, telephony, user.
	Scopes []string
	// NoField: the custom field for the transaction id has to be made first.
	NoField bool
	// IgnoreNumbers keeps a call that was registered without a CRM entity from being linked by its number, which the
	// product does.
	IgnoreNumbers bool
	// NoStatistics: the user has no right to see the call statistics.
	NoStatistics bool
	// Recording is what the server of the recordings answers when the portal downloads one; nil: 200.
	Recording func(address string) (status int)
}

// CRM is a fake of one portal. It is safe for concurrent use.
type CRM struct {
	o       Options
	methods map[string]method

	mu       sync.Mutex
	lastID   int
	records  []*record
	users    []user
	fields   map[string]map[string]string // by object: name of the custom field -> its type
	calls    []*registration              // registered and not finished
	stats    []*statistic
	acts     []*activity
	refused  map[string]string
	blocked  map[string]time.Time // by method, until when
	requests map[string]int
	commands map[string]int
	oauth    tokens
	bucket   float64
	counted  time.Time
}

var _ crmtest.Vendor = (*CRM)(nil)

// New returns a portal with one administrator (id 1) and nothing else.
func New(o Options) *CRM {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.TokenLife == 0 {
		o.TokenLife = time.Hour
	}
	if o.Scopes == nil {
		o.Scopes = []string{"crm", "telephony", "user"}
	}
	c := &CRM{
		o: o, methods: newMethods(), lastID: 100, fields: map[string]map[string]string{}, refused: map[string]string{},
		blocked: map[string]time.Time{}, requests: map[string]int{}, commands: map[string]int{},
		users: []user{{id: 1, email: "admin@example.com", active: true}},
		oauth: tokens{refresh: RefreshToken, access: map[string]time.Time{}},
	}
	for _, object := range objectNames() {
		c.fields[object] = map[string]string{}
		if !o.NoField {
			c.fields[object][FieldName] = "string"
		}
	}
	return c
}

// Throttled is the answer to too many requests. Bitrix24 names no time: its bucket loses two requests a second.
func Throttled(time.Duration) crmtest.Answer {
	return Says(http.StatusServiceUnavailable, "QUERY_LIMIT_EXCEEDED", "Too many requests")
}

// Says is an error in the form of the REST API.
func Says(status int, code, description string) crmtest.Answer {
	body, err := json.Marshal(map[string]string{"error": code, "error_description": description})
	if err != nil {
		panic(err)
	}
	return crmtest.Answer{Status: status, Body: string(body), Header: http.Header{"Content-Type": {"application/json"}}}
}

// AddUser makes a user and returns its id, that of the one who has the login already. A login with an @ is an e-mail
// address, one of digits an extension.
func (c *CRM) AddUser(login string) (id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, u := range c.users {
		if strings.EqualFold(login, u.email) || login == u.extension || login == u.name {
			return strconv.Itoa(u.id)
		}
	}
	u := user{id: c.nextID(), active: true, name: login}
	switch {
	case strings.Contains(login, "@"):
		u.email = login
	case strings.Trim(login, "0123456789") == "":
		u.extension = login
	}
	c.users = append(c.users, u)
	return strconv.Itoa(u.id)
}

// Dismiss makes a user inactive.
func (c *CRM) Dismiss(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.users {
		if strconv.Itoa(c.users[i].id) == id {
			c.users[i].active = false
		}
	}
}

// Refuse makes the portal refuse the call log of a call with these words; empty words end it.
func (c *CRM) Refuse(callID, words string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refused[callID] = words
	if words == "" {
		delete(c.refused, callID)
	}
}

// Block lets a method run into the limit of run time until a time.
func (c *CRM) Block(method string, until time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.blocked[strings.ToLower(method)] = until
}

// Requests returns how many HTTP requests came, by operation: find, find_log, find_user, write, describe, setup, token.
func (c *CRM) Requests() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.requests)
}

// Commands returns how often each method was called, by its name in lower case, alone or in a batch.
func (c *CRM) Commands() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.commands)
}

// nextID returns a new id. The caller holds the lock.
func (c *CRM) nextID() int {
	c.lastID++
	return c.lastID
}

// visible reports whether what was made at a time shows in look-ups.
func (c *CRM) visible(made time.Time) bool { return !c.o.Now().Before(made.Add(c.o.SearchLag)) }

// object is a JSON object.
type object = map[string]any

// failure is an error of the REST API.
type failure struct {
	status      int
	code, words string
}

func fail(status int, code, format string, args ...any) *failure {
	return &failure{status: status, code: code, words: fmt.Sprintf(format, args...)}
}

// core is the generic error of many methods.
func core(format string, args ...any) *failure {
	return fail(http.StatusBadRequest, "ERROR_CORE", format, args...)
}
