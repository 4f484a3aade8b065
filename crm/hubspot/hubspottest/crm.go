package hubspottest

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Token is the access token of a static app that a new CRM takes.
const Token = "pat-na1-00000000-hubspot-test-token"

// The credentials that the token endpoint takes, and how long a token of it is good for.
const (
	ClientID      = "11111111-client"
	ClientSecret  = "22222222-hubspot-test-secret"
	RefreshToken  = "33333333-hubspot-test-refresh"
	TokenLifetime = 30 * time.Minute
)

// CallID is the property of calls that the fake takes for the call centre's call id.
const CallID = "alohub_call_id"

// TransactionID is the property of records that AddRecord fills.
const TransactionID = "transaction_id"

// Options say what a CRM is like. The zero value is an account that is set up, without limits of rate and lag.
type Options struct {
	// Now is the clock of the lag, the limits and the tokens; nil: time.Now.
	Now func() time.Time
	// SearchLag is how long a search does not see what was written.
	SearchLag time.Duration
	// AllOrNothing: one bad input always fails the whole batch.
	AllOrNothing bool
	// Bare: the properties TransactionID and CallID are not there yet.
	Bare bool
	// NoUniqueCalls: calls take no property with unique values; CallID is an ordinary one.
	NoUniqueCalls bool
	// SearchPerSecond and PerTenSeconds bound the requests, 0: no bound. HubSpot's are 5 and, in a small account, 100.
	SearchPerSecond, PerTenSeconds int
	// Daily is how many requests a day has, 0: no bound.
	Daily int
	// Scopes are those that the token has; nil: all. They are named as HubSpot names them ("crm.objects.deals.read").
	Scopes []string
}

// CRM is the fake, a crmtest.Vendor. It is safe for concurrent use.
type CRM struct {
	options Options
	mux     *http.ServeMux

	mu         sync.Mutex
	lastID     int64
	objects    map[string][]*object
	carriers   map[carried][]*object // who has or had a value, see carry
	properties map[string][]property
	owners     []owner
	links      []link
	refused    map[string]string
	requests   map[string]int
	tokens     map[string]time.Time
	searches   []time.Time
	others     []time.Time
	today      int
}

// owner is a user who can own records. HubSpot tells the id of the owner from that of the user.
type owner struct {
	ID        string `json:"id"`
	Email     string `json:"email"`
	UserID    int64  `json:"userId"`
	FirstName string `json:"firstName"`
	LastName  string `json:"lastName"`
	Archived  bool   `json:"archived"`
}

// New returns a CRM that holds one owner with the id "7", and no records.
func New(o Options) *CRM {
	if o.Now == nil {
		o.Now = time.Now
	}
	c := &CRM{
		options: o, mux: http.NewServeMux(), lastID: 1000, objects: map[string][]*object{},
		carriers: map[carried][]*object{},
		refused:  map[string]string{}, requests: map[string]int{}, tokens: map[string]time.Time{},
		owners: []owner{{ID: "7", Email: "seven@example.com", UserID: 70, FirstName: "Seven"}},
	}
	c.properties = builtIn()
	if !o.Bare {
		for _, t := range []string{contacts, companies, deals, tickets, leads} {
			c.define(t, property{Name: TransactionID, Type: typeString})
		}
		c.define(calls, property{Name: CallID, Type: typeString, Unique: !o.NoUniqueCalls})
	}
	c.route()
	return c
}

// route lays the paths of both families.
func (c *CRM) route() {
	handle := func(method, area, rest string, h handler) {
		version := "v3"
		if area == "associations" {
			version = "v4"
		}
		c.mux.HandleFunc(method+" /crm/"+version+"/"+area+rest, c.guard(h))
		c.mux.HandleFunc(method+" /crm/"+area+"/{version}"+rest, c.guard(h))
	}
	handle("POST", "objects", "/{type}/search", c.search)
	handle("POST", "objects", "/{type}/batch/create", c.batchCreate)
	handle("POST", "objects", "/{type}/batch/update", c.batchUpdate)
	handle("POST", "objects", "/{type}/batch/upsert", c.batchUpsert)
	handle("POST", "associations", "/{from}/{to}/batch/create", c.associate)
	handle("POST", "associations", "/{from}/{to}/batch/archive", c.dissociate)
	handle("GET", "properties", "/{type}", c.listProperties)
	handle("GET", "properties", "/{type}/{name}", c.readProperty)
	handle("POST", "properties", "/{type}", c.createProperty)
	handle("GET", "owners", "", c.listOwners)
	c.mux.HandleFunc("POST /oauth/v1/token", c.token)
	c.mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusNotFound, "", "resource not found")
	})
}

// ServeHTTP answers as api.hubapi.com does.
func (c *CRM) ServeHTTP(w http.ResponseWriter, r *http.Request) { c.mux.ServeHTTP(w, r) }

// handler answers a request that may be made. It holds the lock.
type handler func(w http.ResponseWriter, r *http.Request)

// guard lets in who has a token and is within the limits.
func (c *CRM) guard(h handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		until, known := c.tokens[token]
		switch {
		case !bearer || token != Token && !known:
			refuse(w, http.StatusUnauthorized, "INVALID_AUTHENTICATION",
				"Authentication credentials not found. This API supports OAuth 2.0 authentication")
		case known && !c.options.Now().Before(until):
			refuse(w, http.StatusUnauthorized, "EXPIRED_AUTHENTICATION", "The OAuth token used to make this call expired")
		case !c.within(w, r):
		case !c.permitted(r):
			refuse(w, http.StatusForbidden, "MISSING_SCOPES",
				"This app hasn't been granted all required scopes to make this call.")
		default:
			c.requests[operation(r)]++
			h(w, r)
		}
	}
}

// within counts a request against the limits, sets the headers that tell of them, and answers one beyond them.
func (c *CRM) within(w http.ResponseWriter, r *http.Request) bool {
	now := c.options.Now()
	if strings.HasSuffix(r.URL.Path, "/search") {
		return spend(&c.searches, c.options.SearchPerSecond, time.Second, now) >= 0 || throttle(w, "SECONDLY", "secondly")
	}
	left := spend(&c.others, c.options.PerTenSeconds, 10*time.Second, now)
	if limit := c.options.PerTenSeconds; limit > 0 {
		w.Header().Set("X-HubSpot-RateLimit-Max", strconv.Itoa(limit))
		w.Header().Set("X-HubSpot-RateLimit-Remaining", strconv.Itoa(max(left, 0)))
		w.Header().Set("X-HubSpot-RateLimit-Interval-Milliseconds", "10000")
	}
	if limit := c.options.Daily; limit > 0 {
		c.today++
		w.Header().Set("X-HubSpot-RateLimit-Daily", strconv.Itoa(limit))
		w.Header().Set("X-HubSpot-RateLimit-Daily-Remaining", strconv.Itoa(max(limit-c.today, 0)))
		if c.today > limit {
			return throttle(w, "DAILY", "daily")
		}
	}
	return left >= 0 || throttle(w, "TEN_SECONDLY_ROLLING", "ten_secondly_rolling")
}

// spend notes a request and returns how many are left in the window, -1 when it is one too many.
func spend(made *[]time.Time, limit int, window time.Duration, now time.Time) int {
	if limit == 0 {
		return 0
	}
	*made = slices.DeleteFunc(*made, func(at time.Time) bool { return now.Sub(at) >= window })
	if len(*made) >= limit {
		return -1
	}
	*made = append(*made, now)
	return limit - len(*made)
}

// permitted tells whether the token has the scope of a request.
func (c *CRM) permitted(r *http.Request) bool {
	if c.options.Scopes == nil {
		return true
	}
	kind, right := cmp.Or(r.PathValue("type"), r.PathValue("to")), "write"
	if t, ok := typeOf(kind); ok {
		kind = t.name
	}
	if kind == calls {
		kind = contacts // the guide on calls asks for the scopes of contacts
	}
	if r.Method == http.MethodGet || strings.HasSuffix(r.URL.Path, "/search") {
		right = "read"
	}
	if strings.Contains(r.URL.Path, "/owners") {
		kind = "owners"
	}
	area := "objects"
	if strings.Contains(r.URL.Path, "/properties/") {
		area = "schemas"
	}
	return slices.Contains(c.options.Scopes, "crm."+area+"."+kind+"."+right)
}

// operation names what a request is for, as crmtest.Vendor counts it.
func operation(r *http.Request) string {
	t, _ := typeOf(r.PathValue("type"))
	switch path := r.URL.Path; {
	case strings.HasSuffix(path, "/search") && t.name == calls:
		return "find_log"
	case strings.HasSuffix(path, "/search"):
		return "find"
	case strings.Contains(path, "/associations/"):
		return "associate"
	case strings.Contains(path, "/owners"):
		return "find_user"
	case strings.Contains(path, "/properties/") && r.Method == http.MethodGet:
		return "describe"
	case strings.Contains(path, "/properties/"):
		return "setup"
	case t.name == calls:
		return "write"
	default:
		return "create_contact"
	}
}

// newID returns an id that was not given yet. Ids of HubSpot are whole numbers, written as text.
func (c *CRM) newID() string {
	c.lastID++
	return strconv.FormatInt(c.lastID, 10)
}
