package admin_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/crmsyncd/crmsyncd/crm/admin"
	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/outbox"
	"github.com/crmsyncd/crmsyncd/outbox/outboxtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// number and recording must not be seen unless asked for.
const (
	number    = "0912345678"
	recording = "https://recordings.example/secret-7f3a"
)

// start is the time at which every fixture begins.
var start = time.Date(2026, 3, 2, 3, 0, 0, 0, time.UTC)

// fixture is an admin listener over an outbox in memory.
type fixture struct {
	t       *testing.T
	store   *faultyStore
	target  *fakeTarget
	log     *bytes.Buffer
	options admin.Options
	clock   time.Time
	server  *httptest.Server
}

// newFixture serves what the options, changed by change, ask for.
func newFixture(t *testing.T, change func(o *admin.Options)) *fixture {
	t.Helper()
	f := &fixture{t: t, target: &fakeTarget{}, log: &bytes.Buffer{}, clock: start}
	f.store = &faultyStore{Memory: outboxtest.NewMemory(outboxtest.MemoryOptions{
		Now: func() time.Time { return f.clock },
	})}
	f.options = admin.Options{
		Store: f.store, Decode: decode, Region: "VN", Target: f.target, Now: func() time.Time { return f.clock },
		Logger:  slog.New(slog.NewJSONHandler(f.log, nil)),
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "up 1\n") }),
	}
	if change != nil {
		change(&f.options)
	}
	f.server = httptest.NewServer(admin.New(f.options))
	t.Cleanup(f.server.Close)
	return f
}

// decode reads the bodies that the tests append.
func decode(body []byte) (call.Event, error) {
	var event call.Event
	if err := json.Unmarshal(body, &event); err != nil {
		return call.Event{}, fmt.Errorf("read event: %w", err)
	}
	return event, nil
}

// append stores an answered and ended call.
func (f *fixture) append(ids ...string) {
	f.t.Helper()
	for _, id := range ids {
		f.appendEvent(id, call.Event{
			CallID: id, Direction: call.Inbound, Status: "answered", CustomerNumber: number, Agent: "lan", Extension: "101",
			TransactionID: "deal-1", Start: start, Answer: start.Add(5 * time.Second), End: start.Add(65 * time.Second),
			Total: call.KnownSeconds(65), RecordingURL: recording,
		})
	}
}

// appendEvent stores one event and lets a second pass.
func (f *fixture) appendEvent(id string, event call.Event) {
	f.t.Helper()
	body, err := json.Marshal(event)
	require.NoError(f.t, err)
	_, err = f.store.Append(f.t.Context(), outbox.Message{Key: id, Body: body, Terms: []string{"agent:" + event.Agent}})
	require.NoError(f.t, err)
	f.clock = f.clock.Add(time.Second)
}

// park sets calls aside that were appended before.
func (f *fixture) park(reason string, ids ...string) {
	f.t.Helper()
	f.append(ids...)
	f.claim()
	for _, id := range ids {
		require.NoError(f.t, f.store.Settle(f.t.Context(), outbox.Settlement{
			Key: id, Verdict: outbox.VerdictPark, Reason: reason, Error: "the CRM refused it",
			Receipt: []byte(`{"log_id":"L-` + id + `"}`),
		}))
		f.clock = f.clock.Add(time.Second)
	}
}

// claim puts all calls that are due in flight.
func (f *fixture) claim() {
	f.t.Helper()
	_, _, err := f.store.Claim(f.t.Context(), 1000)
	require.NoError(f.t, err)
}

// answer is what came back.
type answer struct {
	code   int
	header http.Header
	body   string
}

// do sends a request; change may alter it.
func (f *fixture) do(method, path string, change func(r *http.Request)) answer {
	f.t.Helper()
	req, err := http.NewRequestWithContext(f.t.Context(), method, f.server.URL+path, nil)
	require.NoError(f.t, err)
	if change != nil {
		change(req)
	}
	resp, err := f.server.Client().Do(req)
	require.NoError(f.t, err)
	defer func() { require.NoError(f.t, resp.Body.Close()) }()
	body, err := io.ReadAll(resp.Body)
	require.NoError(f.t, err)
	return answer{code: resp.StatusCode, header: resp.Header, body: string(body)}
}

func (f *fixture) get(path string) answer  { f.t.Helper(); return f.do(http.MethodGet, path, nil) }
func (f *fixture) post(path string) answer { f.t.Helper(); return f.do(http.MethodPost, path, nil) }

// requireError holds the shape of errors.
func requireError(t *testing.T, a answer, code int, word string) {
	t.Helper()
	require.Equal(t, code, a.code, a.body)
	var body struct {
		Error struct{ Code, Message string }
	}
	require.NoError(t, json.Unmarshal([]byte(a.body), &body), a.body)
	require.Equal(t, word, body.Error.Code)
	require.NotEmpty(t, body.Error.Message)
}

// decoded returns a body that must have been answered with a 200.
func decoded[T any](t *testing.T, a answer) T {
	t.Helper()
	require.Equal(t, http.StatusOK, a.code, a.body)
	require.Equal(t, "application/json; charset=utf-8", a.header.Get("Content-Type"))
	var value T
	require.NoError(t, json.Unmarshal([]byte(a.body), &value), a.body)
	return value
}

// callPage is a page of calls.
type callPage struct {
	Calls []admin.Call
	Next  string
}

// ids returns the ids of a page in their order.
func (p callPage) ids() []string {
	list := []string{}
	for _, c := range p.Calls {
		list = append(list, c.ID)
	}
	return list
}

// fakeTarget rests when it is told to.
type fakeTarget struct {
	mu    sync.Mutex
	pause outbox.Pause
}

func (f *fakeTarget) set(p outbox.Pause) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pause = p
}

func (f *fakeTarget) Pause() {
	f.set(outbox.Pause{Reason: outbox.PauseOperator, Until: start.AddDate(200, 0, 0)})
}

func (f *fakeTarget) Resume() { f.set(outbox.Pause{}) }

func (f *fakeTarget) Paused() outbox.Pause {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.pause
}

// faultyStore is a store that fails when it is told to.
type faultyStore struct {
	*outboxtest.Memory
	err    error
	replay func(key string) error
	// get answers instead of the store unless it returns nil.
	get func(key string) error
}

func (s *faultyStore) Get(ctx context.Context, key string) (outbox.Entry, error) {
	if s.get != nil {
		if err := s.get(key); err != nil {
			return outbox.Entry{}, err
		}
	}
	return s.Memory.Get(ctx, key)
}

func (s *faultyStore) List(ctx context.Context, f outbox.Filter) (outbox.Page, error) {
	if s.err != nil {
		return outbox.Page{}, s.err
	}
	return s.Memory.List(ctx, f)
}

func (s *faultyStore) Replay(ctx context.Context, key string) error {
	if s.replay != nil {
		return s.replay(key)
	}
	return s.Memory.Replay(ctx, key)
}

func (s *faultyStore) Quarantined(ctx context.Context, after uint64, limit int) ([]outbox.Rejected, error) {
	if s.err != nil {
		return nil, s.err
	}
	return s.Memory.Quarantined(ctx, after, limit)
}
