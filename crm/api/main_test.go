package api_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is a CRM that counts its requests.
type server struct {
	*httptest.Server

	mu   sync.Mutex
	seen []string
}

// serve starts a CRM. The handler is called with what the request was.
func serve(t *testing.T, handler http.HandlerFunc) *server {
	t.Helper()
	s := &server{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.seen = append(s.seen, r.Method+" "+r.URL.RequestURI())
		s.mu.Unlock()
		handler(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

// requests returns what was asked for, in order.
func (s *server) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.seen...)
}

// say answers everything the same.
func say(status int, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

// newClient returns a client that is closed at the end of the test.
func newClient(t *testing.T, cfg api.ClientConfig, o api.Options) *api.Client {
	t.Helper()
	c, err := api.NewClient(cfg, o)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

// failure returns the error of a request as what it must be.
func failure(t *testing.T, err error) *crm.Error {
	t.Helper()
	e, ok := errors.AsType[*crm.Error](err)
	require.True(t, ok, "%v", err)
	return e
}

// clock is a clock that stands until it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// observed is an Observer that keeps what it is told.
type observed struct {
	mu       sync.Mutex
	requests map[string]int
	quotas   map[string][2]int64
}

func newObserved() *observed {
	return &observed{requests: map[string]int{}, quotas: map[string][2]int64{}}
}

func (o *observed) Requested(operation, class string, _ time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.requests[operation+" "+class]++
}

func (o *observed) Quota(quota string, left, limit int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.quotas[quota] = [2]int64{left, limit}
}

// credentials are Credentials by a function.
type credentials func(ctx context.Context, refused string) (api.Access, error)

func (c credentials) Access(ctx context.Context, refused string) (api.Access, error) {
	return c(ctx, refused)
}

// at are credentials that name a base URL.
func at(baseURL string) credentials {
	return func(context.Context, string) (api.Access, error) { return api.Access{BaseURL: baseURL}, nil }
}

// The requests of the tests.
var (
	reading  = api.Request{Operation: "find", Title: "find contact", Path: "/contacts", Budget: "read"}
	creating = api.Request{
		Operation: "create_log", Title: "create call log", Path: "/calls", Body: map[string]string{"name": "a & b"},
		Effect: api.Creates, Budget: "write",
	}
	changing = api.Request{
		Operation: "update_log", Title: "update call log", Method: http.MethodPatch, Path: "/calls/1",
		Body: map[string]string{"name": "c"}, Effect: api.Changes, Budget: "write",
	}
)
