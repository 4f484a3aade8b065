// Package espocrmtest is a fake of EspoCRM's REST API for tests: accounts, contacts, leads, opportunities, cases, users
// and calls in memory, with the checks, the answers and the oddities of a real server.
//
// # What it holds to
//
// It is written from the vendor's documentation (pages "REST API", "API search parameters", "CRUD operations",
// "Metadata", "Roles management", "Phone numbers"), from the product's sources and from exchanges with an 8.4.2.
// Credentials are checked as on the page "REST API"; a wrong key is 401 with an empty text/html body, and after ten of
// them an address is refused with 403 for a minute. An error's words are in the header X-Status-Reason. Fields nobody
// defined are dropped in silence, a filter on one is 400, a page of more than 200 records is 403, a URL of more than
// 8 KiB is 414. A create answers with the default duration, not with the stored one. Lists show the primary number of a
// record only, although they find it by any. A linked record that is not there is 403; broken JSON and wrong JSON types
// are 500. Contacts, leads and accounts of the same number or name are 409 with the list of those that are there; calls
// are never compared.
//
// # What it does not
//
// Teams, streams, portals and formulas are left out. EspoCRM has no search index that lags, but its database may have
// replicas that do: Options.SearchLag.
package espocrmtest

import (
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/crmsyncd/crmsyncd/crm/crmtest"
)

// The credentials that a fake takes unless Options say otherwise.
const (
	APIKey        = "espocrm-api-key-0123456789abcdef"
	AdminName     = "admin"
	AdminPassword = "espocrm-admin-password"
)

// apiUserID is the user whom the API key belongs to.
const apiUserID = "a0000000000000001"

// Options are how a fake is set up. The zero value is a server as crmsyncd needs it.
type Options struct {
	// Now is the clock. nil: time.Now.
	Now func() time.Time
	// SearchLag is how long a record that was created or changed is not in the answers of lists yet, default 0.
	SearchLag time.Duration
	// APIKey is the key of the API user. Empty: the constant APIKey. With a SecretKey the user's method is HMAC.
	APIKey, SecretKey string
	// Users are user names by id, besides those that AddUser makes.
	Users map[string]string
	// Bare leaves out the custom fields cTransactionId, cProviderCallId and cRecordingUrl.
	Bare bool
	// Rights change what the role of the API user allows, by entity type and action ("read", "create", "edit"): all, own
	// or no. What is not named is all, for users read only.
	Rights map[string]map[string]string
	// AssignmentPermission says whom the API user may assign: all (default) or no.
	AssignmentPermission string
	// LocalNumbers is a server whose setting "International phone numbers" is off: any text is taken for a number.
	LocalNumbers bool
}

// CRM is a fake of EspoCRM. It is safe for concurrent use.
type CRM struct {
	options Options
	mux     *http.ServeMux

	mu       sync.Mutex
	lastID   int
	fields   map[string]map[string]definition
	records  map[string][]*record
	byID     map[string]*record
	refusals map[string]string
	requests map[string]int
	failures []time.Time
}

var _ crmtest.Vendor = (*CRM)(nil)

// New returns a fake that holds its users and nothing else.
func New(o Options) *CRM {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.APIKey == "" {
		o.APIKey = APIKey
	}
	if o.AssignmentPermission == "" {
		o.AssignmentPermission = "all"
	}
	c := &CRM{
		options: o, mux: http.NewServeMux(), fields: standardFields(!o.Bare), records: map[string][]*record{},
		byID: map[string]*record{}, refusals: map[string]string{}, requests: map[string]int{},
	}
	c.addUser(apiUserID, "crmsyncd", "api")
	for id, name := range o.Users {
		c.addUser(id, name, "regular")
	}
	c.route()
	return c
}

// route says who answers what.
func (c *CRM) route() {
	const root = "/api/v1/"
	c.mux.HandleFunc("GET "+root+"App/user", c.appUser)
	c.mux.HandleFunc("GET "+root+"Metadata", c.metadata)
	c.mux.HandleFunc("POST "+root+"Admin/fieldManager/{scope}", c.createField)
	c.mux.HandleFunc("GET "+root+"{entity}", c.list)
	c.mux.HandleFunc("POST "+root+"{entity}", c.create)
	c.mux.HandleFunc("GET "+root+"{entity}/{id}", c.read)
	c.mux.HandleFunc("PUT "+root+"{entity}/{id}", c.update)
	c.mux.HandleFunc("PATCH "+root+"{entity}/{id}", c.update)
}

// ServeHTTP answers a request.
func (c *CRM) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests[operation(r)]++
	if len(r.URL.RequestURI()) > maxURL {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusRequestURITooLong)
		_, _ = w.Write([]byte("<html><head><title>414 Request-URI Too Large</title></head></html>"))
		return
	}
	if status, reason := c.authenticate(r); status != http.StatusOK {
		refuse(w, status, reason)
		return
	}
	c.mux.ServeHTTP(w, r)
}

// maxURL is how long a request line may be at a web server with its usual settings.
const maxURL = 8 << 10

// operation names a request as Requests counts it.
func operation(r *http.Request) string {
	entity, id, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/api/v1/"), "/")
	switch {
	case entity == "Metadata" || entity == "App":
		return "describe"
	case entity == "Admin":
		return "setup"
	case entity == "User":
		return "find_user"
	case entity == "Call" && r.Method != http.MethodGet:
		return "write"
	case entity == "Call" && id != "":
		return "read_log"
	case entity == "Call":
		return "find_log"
	case r.Method == http.MethodPost:
		return "create_contact"
	case id != "":
		return "read"
	default:
		return "find"
	}
}

// Requests returns how many requests came so far, by operation: find, read (one record), find_log, read_log, find_user,
// write, create_contact, describe, setup.
func (c *CRM) Requests() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.requests)
}

// Refuse makes every write of a call fail its validation with these words; empty words end it.
func (c *CRM) Refuse(callID, words string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refusals[callID] = words
}

// Throttled returns what a server answers that can take no requests now. EspoCRM limits no rates; its maintenance mode
// is the one answer of its own that asks to come back, and the Retry-After is what a proxy before it adds.
func Throttled(wait time.Duration) crmtest.Answer {
	return crmtest.Answer{Status: http.StatusServiceUnavailable, Header: http.Header{
		"Content-Type":    {"text/html; charset=UTF-8"},
		"X-Status-Reason": {"Application is in maintenance mode."},
		"Retry-After":     {seconds(wait)},
	}}
}
