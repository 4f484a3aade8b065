package sandbox

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"html/template"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// DefaultMaxRecords is how many contacts, users and call logs together a sandbox takes unless told otherwise.
const DefaultMaxRecords = 200_000

// ErrNoFaults is returned when faults are asked of a sandbox that was made without Options.Faults.
var ErrNoFaults = errors.New("faults are not enabled in this sandbox")

// Options are the settings of a Server. The zero value is a sandbox that takes every request and does not fail.
type Options struct {
	// APIKey is asked for as "Authorization: Bearer …" on the API. Empty: nothing is asked. The pages never ask for it.
	APIKey string
	// Faults allows SetFaults and /api/v1/faults.
	Faults bool
	// Seed is what faults are drawn from.
	Seed uint64
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// MaxRecords bounds the number of contacts, users and call logs together; 0 means DefaultMaxRecords.
	MaxRecords int
	// Location is the time zone of the pages; nil means UTC+7, Vietnam's.
	Location *time.Location
	// Logger gets one line per API request at level debug, without addresses, bodies or numbers; nil discards.
	Logger *slog.Logger
}

// Server is the sandbox CRM. It is an http.Handler and safe for concurrent use.
type Server struct {
	options  Options
	store    *store
	injector *injector
	mux      *http.ServeMux
	pages    *template.Template
	// key is the hash of the expected Authorization header, so that comparing takes the same time for every length.
	key [sha256.Size]byte
	// routes are those that faults may name.
	routes map[string]bool

	mu       sync.Mutex
	requests map[string]map[string]int
	twins    int
}

// New returns an empty sandbox. It starts nothing.
func New(options Options) *Server {
	if options.Now == nil {
		options.Now = time.Now
	}
	if options.MaxRecords <= 0 {
		options.MaxRecords = DefaultMaxRecords
	}
	if options.Location == nil {
		options.Location = time.FixedZone("UTC+7", int((7 * time.Hour).Seconds()))
	}
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Server{
		options: options, store: newStore(options.Now, options.MaxRecords), injector: newInjector(options.Seed),
		mux: http.NewServeMux(), pages: parsePages(), key: sha256.Sum256([]byte("Bearer " + options.APIKey)),
		routes: map[string]bool{}, requests: map[string]map[string]int{},
	}
	s.addAPI()
	s.addPages()
	return s
}

// ServeHTTP serves the API and the pages.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// addAPI registers the routes of the API.
func (s *Server) addAPI() {
	contacts := record[Contact]{
		schema: contactSchema(), add: s.store.addContact, change: s.store.changeContact, get: s.store.contact,
		path: "/api/v1/contacts", id: func(c *Contact) string { return c.ID },
	}
	users := record[User]{
		schema: userSchema(), add: s.store.addUser, change: s.store.changeUser, get: s.store.user,
		path: "/api/v1/users", id: func(u *User) string { return u.ID },
	}
	calls := record[Call]{
		schema: callSchema(), check: checkCall, add: s.store.addCall, change: s.store.changeCall, get: s.store.call,
		path: "/api/v1/calls", id: func(c *Call) string { return c.ID },
	}
	s.resource(contacts.path, map[string]operation{"GET": s.listContacts, "POST": contacts.create})
	s.resource(contacts.path+"/{id}", map[string]operation{"GET": contacts.read, "PATCH": contacts.update})
	s.resource(users.path, map[string]operation{"GET": s.listUsers, "POST": users.create})
	s.resource(users.path+"/{id}", map[string]operation{"GET": users.read, "PATCH": users.update})
	s.resource(calls.path, map[string]operation{"GET": s.listCalls, "POST": calls.create})
	s.resource(calls.path+"/{id}", map[string]operation{"GET": calls.read, "PATCH": calls.update})
	s.resource(calls.path+"/{id}/revisions", map[string]operation{"GET": s.listRevisions})
	s.control("/api/v1/stats", map[string]operation{"GET": s.readStats})
	if s.options.Faults {
		s.control("/api/v1/faults", map[string]operation{"GET": s.readFaults, "POST": s.writeFaults})
	}
	s.mux.HandleFunc("/api/", s.guarded("other", func(*http.Request) answer { return refused(errNotFound) }))
}

// resource registers the operations of a path that faults may hit.
func (s *Server) resource(path string, operations map[string]operation) {
	for method, operate := range operations {
		route := method + " " + path
		s.routes[route] = true
		s.mux.HandleFunc(route, s.faulty(route, operate))
	}
	s.otherMethods(path, operations)
}

// control registers the operations of a path that faults do not touch.
func (s *Server) control(path string, operations map[string]operation) {
	for method, operate := range operations {
		s.mux.HandleFunc(method+" "+path, s.guarded(method+" "+path, operate))
	}
	s.otherMethods(path, operations)
}

// otherMethods answers 405 to the methods that a path does not have.
func (s *Server) otherMethods(path string, operations map[string]operation) {
	var allowed []string
	for method := range operations {
		allowed = append(allowed, method)
	}
	slices.Sort(allowed)
	refuse := s.guarded("other", func(*http.Request) answer {
		return fail(http.StatusMethodNotAllowed, "method_not_allowed", "use %s", strings.Join(allowed, " or "))
	})
	s.mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		refuse(w, r)
	})
}

// guarded serves an operation to those who have the key.
func (s *Server) guarded(route string, operate operation) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.send(w, r, route, s.answer(w, r, operate))
	}
}

// faulty serves an operation as guarded does, with the faults that are set.
func (s *Server) faulty(route string, operate operation) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		p := s.injector.plan(route)
		if p.down {
			s.hangUp(r, route)
		}
		a := p.instead
		if p.applied {
			if came := s.answer(w, r, operate); a.status == 0 {
				a = came
			}
		}
		if !wait(r, p.delay) || p.lost {
			s.hangUp(r, route)
		}
		s.send(w, r, route, a)
	}
}

// answer checks the key, bounds the body and does what is asked.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, operate operation) answer {
	sent := sha256.Sum256([]byte(r.Header.Get("Authorization")))
	if s.options.APIKey != "" && subtle.ConstantTimeCompare(sent[:], s.key[:]) != 1 {
		return refusedKey()
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	a := operate(r)
	if a.status == http.StatusConflict {
		s.mu.Lock()
		s.twins++
		s.mu.Unlock()
	}
	return a
}

// send writes an answer and counts it.
func (s *Server) send(w http.ResponseWriter, r *http.Request, route string, a answer) {
	s.count(r, route, strconv.Itoa(a.status))
	if err := a.write(w); err != nil {
		s.options.Logger.DebugContext(r.Context(), "answer not sent", "route", route, "err", err)
	}
}

// hangUp ends the request by closing its connection without an answer; net/http does so on this very panic.
func (s *Server) hangUp(r *http.Request, route string) {
	s.count(r, route, statusCut)
	panic(http.ErrAbortHandler)
}

// wait waits for d, or until the client has gone, and reports whether it is still there.
func wait(r *http.Request, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	}
}
