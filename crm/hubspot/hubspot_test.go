package hubspot_test

import (
	"bytes"
	"io"
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
	"github.com/crmsyncd/crmsyncd/crm/hubspot"
	"github.com/crmsyncd/crmsyncd/crm/hubspot/hubspottest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var _ crmtest.Vendor = (*hubspottest.CRM)(nil)

// config returns the configuration for a fake at an address, without bounds that would slow tests down.
func config(baseURL string) hubspot.Config {
	cfg := hubspot.Default()
	cfg.BaseURL, cfg.Token = baseURL, secret.New(hubspottest.Token)
	cfg.Connection.Timeout = time.Minute
	cfg.Rate, cfg.SearchRate = api.Budget{}, api.Budget{}
	return cfg
}

func newAdapter(t *testing.T, cfg hubspot.Config, o api.Options) *hubspot.Adapter {
	t.Helper()
	if o.PhoneRegion == "" {
		o.PhoneRegion, o.Location = "VN", time.FixedZone("ICT", 7*60*60)
	}
	a, err := hubspot.New(cfg, o)
	require.NoError(t, err)
	t.Cleanup(a.Close)
	return a
}

// request is what came over the wire.
type request struct{ method, path, body string }

// bench is an adapter on a fake, with all that goes over the wire.
type bench struct {
	crm     *hubspottest.CRM
	server  *crmtest.Server
	adapter *hubspot.Adapter

	mu   sync.Mutex
	seen []request
}

// tap is a fake of which the requests are written down.
type tap struct {
	*hubspottest.CRM

	b *bench
}

func (tp tap) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	path := r.URL.Path
	if r.URL.RawQuery != "" {
		path += "?" + r.URL.RawQuery
	}
	tp.b.mu.Lock()
	tp.b.seen = append(tp.b.seen, request{r.Method, path, string(body)})
	tp.b.mu.Unlock()
	tp.CRM.ServeHTTP(w, r)
}

func newBench(t *testing.T, o hubspottest.Options, changes ...func(*hubspot.Config, *api.Options)) *bench {
	t.Helper()
	b := &bench{crm: hubspottest.New(o)}
	b.server = crmtest.NewServer(t, tap{b.crm, b})
	cfg, options := config(b.server.URL), api.Options{}
	for _, change := range changes {
		change(&cfg, &options)
	}
	b.adapter = newAdapter(t, cfg, options)
	return b
}

// took returns the requests since the last time.
func (b *bench) took() []request {
	b.mu.Lock()
	defer b.mu.Unlock()
	seen := b.seen
	b.seen = nil
	return seen
}

// write writes one call log and requires that it went well.
func (b *bench) write(t *testing.T, w crm.Write) crm.Written {
	t.Helper()
	written := b.adapter.Write(t.Context(), []crm.Write{w})
	require.Len(t, written, 1)
	require.NoError(t, written[0].Err)
	return written[0]
}

// again returns a write as the next delivery brings it.
func again(w crm.Write, written crm.Written) crm.Write {
	w.LogID, w.Progress = written.LogID, written.Progress
	return w
}

// contact makes a contact and returns a write of a call that belongs to it.
func (b *bench) contact(c call.Call) crm.Write {
	id := b.crm.AddRecord("contact", c.TransactionID, c.Customer.E164)
	return crm.Write{Call: c, Owner: "7", Record: &crm.Record{Object: "contact", ID: id}}
}

var start = time.Date(2026, 3, 2, 1, 0, 0, 0, time.UTC)

// answered returns an inbound call that an agent took and that ended.
func answered(id string) call.Call {
	return call.Call{
		ID: id, TransactionID: "TXN-" + id, Direction: call.Inbound, State: call.Ended, Result: call.ResultAnswered,
		Status: "answered", Customer: call.ParseNumber("0912345678", "VN"), Hotline: "19001000", Extension: "101",
		Agent: "an.nguyen", Start: start, Answer: start.Add(10 * time.Second), End: start.Add(100 * time.Second),
		HangupBy: "customer", Total: call.KnownSeconds(100), Talk: call.KnownSeconds(90),
	}
}

// missed returns an outbound call that the customer did not take.
func missed(id string) call.Call {
	c := answered(id)
	c.Direction, c.Result, c.Status = call.Outbound, call.ResultMissed, "missed"
	c.Answer, c.Talk, c.Total = time.Time{}, call.Seconds{}, call.KnownSeconds(30)
	c.End = start.Add(30 * time.Second)
	return c
}

// requireKind requires that err is a crm.Error of a kind.
func requireKind(t require.TestingT, want crm.Kind, err error) {
	require.Error(t, err)
	require.Equal(t, want.String(), crm.Classify(err).Kind.String(), "%v", err)
}

// classified requires that err is a crm.Error of a kind, and returns it.
func classified(t *testing.T, want crm.Kind, err error) *crm.Error {
	t.Helper()
	requireKind(t, want, err)
	return crm.Classify(err)
}
