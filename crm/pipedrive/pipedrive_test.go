package pipedrive_test

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/crmsyncd/crmsyncd/configs/secret"
	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/crm/crmtest"
	"github.com/crmsyncd/crmsyncd/crm/pipedrive"
	"github.com/crmsyncd/crmsyncd/crm/pipedrive/pipedrivetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// login is the agent of the tests.
const login = "an.nguyen@example.com"

// vietnam is where the call centre is.
var vietnam = time.FixedZone("ICT", 7*60*60)

// change changes how an adapter is set up.
type change = func(*pipedrive.Config, *api.Options)

// newAdapter returns an adapter for the fake at an address, without bounds on its rate.
func newAdapter(t *testing.T, baseURL string, changes ...change) *pipedrive.Adapter {
	t.Helper()
	cfg := pipedrive.Default()
	cfg.BaseURL, cfg.Token = baseURL, secret.New(pipedrivetest.Token)
	cfg.Rate, cfg.SearchRate = api.Budget{}, api.Budget{}
	cfg.Connection.Timeout = time.Minute
	cfg.Text.Language = "en"
	o := api.Options{Location: vietnam, PhoneRegion: "VN"}
	for _, change := range changes {
		change(&cfg, &o)
	}
	a, err := pipedrive.New(cfg, o)
	require.NoError(t, err)
	t.Cleanup(a.Close)
	return a
}

// objects are all kinds of records.
func objects(cfg *pipedrive.Config, _ *api.Options) {
	cfg.Objects = []pipedrive.Object{
		{Name: "person", TransactionID: "transaction id "},
		{Name: "deal", TransactionID: pipedrivetest.DealField},
		{Name: "lead", TransactionID: "Transaction ID"},
	}
}

// bench is an adapter with its fake.
type bench struct {
	*pipedrive.Adapter

	crm    *pipedrivetest.CRM
	server *crmtest.Server
}

func newBench(t *testing.T, o pipedrivetest.Options, changes ...change) *bench {
	t.Helper()
	fake := pipedrivetest.New(o)
	server := crmtest.NewServer(t, fake)
	return &bench{Adapter: newAdapter(t, server.URL, changes...), crm: fake, server: server}
}

// write writes one call log and requires that it worked.
func (b *bench) write(t *testing.T, w crm.Write) crm.Write {
	t.Helper()
	written := b.Write(t.Context(), []crm.Write{w})
	require.Len(t, written, 1)
	require.NoError(t, written[0].Err)
	return next(w, written[0])
}

// next returns the write that follows what came of one.
func next(w crm.Write, written crm.Written) crm.Write {
	w.LogID = written.LogID
	if written.Progress != nil {
		w.Progress = written.Progress
	}
	return w
}

// linked returns a write of a call for a new person and the agent.
func (b *bench) linked(c call.Call) crm.Write {
	return crm.Write{
		Call: c, Record: &crm.Record{Object: "person", ID: b.crm.AddRecord("person", c.TransactionID, c.Customer.E164)},
		Owner: b.crm.AddUser(login),
	}
}

// TestConformance runs the suite of all adapters, with each kind of record as the first one.
func TestConformance(t *testing.T) {
	clock := newClock()
	for _, object := range []string{"person", "deal", "lead"} {
		t.Run(object, func(t *testing.T) {
			t.Parallel()
			crmtest.Run(t, crmtest.Harness{
				New: func(t *testing.T, baseURL string) crm.Adapter {
					t.Helper()
					return newAdapter(t, baseURL, func(cfg *pipedrive.Config, _ *api.Options) {
						cfg.Objects = []pipedrive.Object{{Name: object, TransactionID: "Transaction ID"}}
					})
				},
				CRM:     func(*testing.T) crmtest.CRM { return pipedrivetest.New(pipedrivetest.Options{}) },
				Secrets: []string{pipedrivetest.Token}, Refusals: refusals(),
				Lagging: func(*testing.T) (crmtest.CRM, func()) {
					fake := pipedrivetest.New(pipedrivetest.Options{SearchLag: 30 * time.Second, Now: clock.Now})
					return fake, func() { clock.move(time.Minute) }
				},
			})
		})
	}
}

// refusals are Pipedrive's forms of errors.
func refusals() []crmtest.Refusal {
	says := func(name string, step crmtest.Step, status int, words string, kind crm.Kind) crmtest.Refusal {
		return crmtest.Refusal{Name: name, Step: step, Kind: kind, Answer: crmtest.Answer{
			Status: status, Header: http.Header{"Content-Type": {"application/json"}},
			Body: `{"success":false,"error":"` + words + `","error_info":"see the documentation","data":null}`,
		}}
	}
	resting := func(name string, a crmtest.Answer, kind crm.Kind, wait time.Duration) crmtest.Refusal {
		return crmtest.Refusal{Name: name, Step: crmtest.Create, Answer: a, Kind: kind, RetryAfter: wait}
	}
	unsaid := pipedrivetest.Throttled(0)
	unsaid.Header.Del("X-Ratelimit-Reset")
	reset := pipedrivetest.Spent()
	reset.Header.Set("X-Ratelimit-Reset", "7200")
	unnamed := pipedrivetest.Throttled(2 * time.Hour)
	return []crmtest.Refusal{
		says("bad data", crmtest.Create, 400, "outcome is required.", crm.KindInvalid),
		says("no such field", crmtest.Find, 400, "The field is not searchable", crm.KindForbidden),
		says("wrong token", crmtest.Find, 401, "unauthorized access", crm.KindUnauthorized),
		says("wrong token for a create", crmtest.Create, 401, "unauthorized access", crm.KindUnauthorized),
		says("account closed", crmtest.Create, 402, "company account is not open", crm.KindUnauthorized),
		says("another user's log", crmtest.Create, 403, "You don't have permission.", crm.KindForbidden),
		says("the record is gone", crmtest.Create, 404, "A resource required was not found.", crm.KindGone),
		says("the log is gone", crmtest.Create, 410, "The callLog is no longer available", crm.KindGone),
		says("down", crmtest.Find, 500, "An internal server error occurred", crm.KindTransient),
		says("down during a create", crmtest.Create, 500, "An internal server error occurred", crm.KindInDoubt),
		says("it did not work", crmtest.Find, 200, "no", crm.KindTransient),
		says("a create did not work", crmtest.Create, 200, "no", crm.KindInDoubt),
		resting("burst", pipedrivetest.Throttled(3*time.Second), crm.KindThrottled, 3*time.Second),
		resting("burst without a time", unsaid, crm.KindThrottled, 2*time.Second),
		resting("the day is spent and not named", unnamed, crm.KindQuota, 2*time.Hour),
		resting("the day is spent", reset, crm.KindQuota, 2*time.Hour),
		resting("cloudflare", pipedrivetest.Blocked(), crm.KindThrottled, 5*time.Minute),
	}
}

// endedCall is a call that was answered and ended.
func endedCall(id string) call.Call {
	start := time.Date(2026, 3, 1, 2, 30, 0, 0, time.UTC)
	return call.Call{
		ID: id, TransactionID: "T-1", Direction: call.Inbound, State: call.Ended, Result: call.ResultAnswered,
		Status: "answered", Customer: call.ParseNumber("0912 345 678", "VN"), Hotline: "19001000", Extension: "101",
		Agent: login, Start: start, Answer: start.Add(10 * time.Second), End: start.Add(100 * time.Second),
		HangupBy: "customer", Total: call.KnownSeconds(100), Talk: call.KnownSeconds(90),
	}
}

// clock is a clock that stands until it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

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
