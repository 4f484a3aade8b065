package console_test

import (
	"context"
	"encoding/json"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/crmsyncd/crmsyncd/crm/admin"
	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/crm/console"
	"github.com/crmsyncd/crmsyncd/outbox"
	"github.com/crmsyncd/crmsyncd/outbox/outboxtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const number = "0912345678"

// start is the time at which every fixture begins, 10:00 in Vietnam.
var start = time.Date(2026, 3, 2, 3, 0, 0, 0, time.UTC)

// fixture is a console over an outbox in memory.
type fixture struct {
	t       *testing.T
	store   *store
	target  *target
	ready   error
	clock   time.Time
	options console.Options
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{t: t, target: &target{}, clock: start}
	now := func() time.Time { return f.clock }
	f.store = &store{Memory: outboxtest.NewMemory(outboxtest.MemoryOptions{Now: now})}
	f.options = console.Options{
		Store: f.store, Queries: admin.NewQueries(f.store, decode, "VN"), Ready: func() error { return f.ready },
		Target: f.target, Location: time.FixedZone("ICT", 7*3600), Now: now,
	}
	return f
}

// decode reads the bodies that the tests append.
func decode(body []byte) (call.Event, error) {
	var event call.Event
	err := json.Unmarshal(body, &event)
	return event, err
}

// append stores a call that is due at once.
func (f *fixture) append(ids ...string) {
	f.t.Helper()
	for _, id := range ids {
		f.appendEvent(id, call.Event{CallID: id, CustomerNumber: number, Agent: "lan", Direction: call.Inbound})
	}
}

func (f *fixture) appendEvent(id string, event call.Event) {
	f.t.Helper()
	body, err := json.Marshal(event)
	require.NoError(f.t, err)
	_, err = f.store.Append(f.t.Context(), outbox.Message{Key: id, Body: body})
	require.NoError(f.t, err)
}

// settle claims what is due and settles it in one way.
func (f *fixture) settle(s outbox.Settlement) {
	f.t.Helper()
	entries, _, err := f.store.Claim(f.t.Context(), 1000)
	require.NoError(f.t, err)
	for _, entry := range entries {
		s.Key = entry.Key
		require.NoError(f.t, f.store.Settle(f.t.Context(), s))
	}
}

// park appends calls and sets them aside.
func (f *fixture) park(reason, err string, ids ...string) {
	f.t.Helper()
	f.append(ids...)
	f.settle(outbox.Settlement{Verdict: outbox.VerdictPark, Reason: reason, Error: err})
}

// request serves one path over HTTP.
func (f *fixture) request(method, path string) (code int, header http.Header, body string) {
	f.t.Helper()
	server := httptest.NewServer(console.New(f.options))
	defer server.Close()
	req, err := http.NewRequestWithContext(f.t.Context(), method, server.URL+path, nil)
	require.NoError(f.t, err)
	resp, err := server.Client().Do(req)
	require.NoError(f.t, err)
	defer func() { require.NoError(f.t, resp.Body.Close()) }()
	text, err := io.ReadAll(resp.Body)
	require.NoError(f.t, err)
	return resp.StatusCode, resp.Header, string(text)
}

// page returns the source of the overview.
func (f *fixture) page() string {
	f.t.Helper()
	code, _, body := f.request(http.MethodGet, "/")
	require.Equal(f.t, http.StatusOK, code)
	return body
}

var tags = regexp.MustCompile(`<[^>]*>`)

// text returns what a reader of the overview sees, without the tags, its spaces folded.
func (f *fixture) text() string {
	f.t.Helper()
	return strings.Join(strings.Fields(html.UnescapeString(tags.ReplaceAllString(f.page(), " "))), " ")
}

// target rests when it is told to.
type target struct{ pause outbox.Pause }

func (t *target) Pause()               {}
func (t *target) Resume()              {}
func (t *target) Paused() outbox.Pause { return t.pause }

// store fails when it is told to, counts what it is asked for and may change the figures.
type store struct {
	*outboxtest.Memory
	err    error
	gets   int
	change func(s *outbox.Stats)
}

func (s *store) Get(ctx context.Context, key string) (outbox.Entry, error) {
	s.gets++
	return s.Memory.Get(ctx, key)
}

func (s *store) List(ctx context.Context, f outbox.Filter) (outbox.Page, error) {
	if s.err != nil {
		return outbox.Page{}, s.err
	}
	return s.Memory.List(ctx, f)
}

func (s *store) Quarantined(ctx context.Context, after uint64, limit int) ([]outbox.Rejected, error) {
	if s.err != nil {
		return nil, s.err
	}
	return s.Memory.Quarantined(ctx, after, limit)
}

func (s *store) Stats() outbox.Stats {
	stats := s.Memory.Stats()
	if s.change != nil {
		s.change(&stats)
	}
	return stats
}
