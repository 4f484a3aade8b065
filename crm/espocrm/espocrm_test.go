package espocrm_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/crmsyncd/crmsyncd/configs/secret"
	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/crm/crmtest"
	"github.com/crmsyncd/crmsyncd/crm/espocrm"
	"github.com/crmsyncd/crmsyncd/crm/espocrm/espocrmtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// agentID is the user who has the calls in tests, fallbackID the one who has all others.
const (
	agentID    = "7"
	fallbackID = "b0000000000000099"
	hmacSecret = "canary-hmac-secret"
)

// vietnam is where the call centre is.
var vietnam = time.FixedZone("ICT", 7*60*60)

// newCRM returns a fake with the users of the tests.
func newCRM(changes ...func(*espocrmtest.Options)) *espocrmtest.CRM {
	o := espocrmtest.Options{Users: map[string]string{agentID: "an.nguyen", fallbackID: "reception"}}
	for _, change := range changes {
		change(&o)
	}
	return espocrmtest.New(o)
}

// newAdapter returns an adapter for the fake at an address.
func newAdapter(t *testing.T, baseURL string, changes ...func(*espocrm.Config, *api.Options)) *espocrm.Adapter {
	t.Helper()
	cfg := espocrm.Default()
	cfg.BaseURL, cfg.Token, cfg.DefaultUser = baseURL, secret.New(espocrmtest.APIKey), fallbackID
	cfg.Connection.Timeout = time.Minute
	cfg.Text.Language = "en"
	o := api.Options{Location: vietnam, PhoneRegion: "VN"}
	for _, change := range changes {
		change(&cfg, &o)
	}
	a, err := espocrm.New(cfg, o)
	require.NoError(t, err)
	t.Cleanup(a.Close)
	return a
}

func signing(cfg *espocrm.Config, _ *api.Options) { cfg.HMACSecret = secret.New(hmacSecret) }

// bench is an adapter with its fake.
type bench struct {
	*espocrm.Adapter

	crm    *espocrmtest.CRM
	server *crmtest.Server
}

func newBench(t *testing.T, changes ...func(*espocrm.Config, *api.Options)) *bench {
	t.Helper()
	fake := newCRM()
	server := crmtest.NewServer(t, fake)
	return &bench{Adapter: newAdapter(t, server.URL, changes...), crm: fake, server: server}
}

// write writes one call log and requires that it worked.
func (b *bench) write(t *testing.T, w crm.Write) crm.Write {
	t.Helper()
	written := b.Write(t.Context(), []crm.Write{w})
	require.Len(t, written, 1)
	require.NoError(t, written[0].Err)
	w.LogID, w.Progress = written[0].LogID, written[0].Progress
	return w
}

// TestConformance runs the suite of all adapters, with an API key and with signed requests.
func TestConformance(t *testing.T) {
	for name, test := range map[string]struct {
		fake    func(*espocrmtest.Options)
		adapter func(*espocrm.Config, *api.Options)
	}{
		"key":  {func(*espocrmtest.Options) {}, func(*espocrm.Config, *api.Options) {}},
		"hmac": {func(o *espocrmtest.Options) { o.SecretKey = hmacSecret }, signing},
	} {
		t.Run(name, func(t *testing.T) {
			crmtest.Run(t, crmtest.Harness{
				New: func(t *testing.T, baseURL string) crm.Adapter {
					t.Helper()
					return newAdapter(t, baseURL, test.adapter)
				},
				CRM:     func(*testing.T) crmtest.CRM { return newCRM(test.fake) },
				Secrets: []string{espocrmtest.APIKey, hmacSecret}, Refusals: refusals(),
			})
		})
	}
}

// refusals are EspoCRM's forms of errors.
func refusals() []crmtest.Refusal {
	says := func(name string, step crmtest.Step, status int, reason string, kind crm.Kind) crmtest.Refusal {
		header := http.Header{"Content-Type": {"text/html; charset=UTF-8"}}
		if reason != "" {
			header.Set("X-Status-Reason", reason)
		}
		return crmtest.Refusal{Name: name, Step: step, Kind: kind, Answer: crmtest.Answer{Status: status, Header: header}}
	}
	resting := func(r crmtest.Refusal, wait time.Duration) crmtest.Refusal {
		r.RetryAfter = wait
		return r
	}
	maintenance := crmtest.Refusal{
		Name: "maintenance with a time", Step: crmtest.Create, Answer: espocrmtest.Throttled(90 * time.Second),
		Kind: crm.KindThrottled, RetryAfter: 90 * time.Second,
	}
	gone := "Can't relate with non-existing record."
	return []crmtest.Refusal{
		says("validation", crmtest.Create, 400, "Field validation failure; entityType: Call, field: name, type: maxLength.",
			crm.KindInvalid),
		says("validation of an update", crmtest.Update, 400, "Field validation failure.", crm.KindInvalid),
		says("no such attribute", crmtest.Find, 400, "Not existing attribute 'cTransactionId' in where.", crm.KindForbidden),
		says("wrong key", crmtest.Find, 401, "", crm.KindUnauthorized),
		says("wrong key for a create", crmtest.Create, 401, "", crm.KindUnauthorized),
		says("too many wrong keys", crmtest.Create, 403, "Max failed login attempts exceeded.", crm.KindUnauthorized),
		says("no right", crmtest.Create, 403, "No create access for 'Call'.", crm.KindForbidden),
		says("the record is gone", crmtest.Create, 403, gone, crm.KindGone),
		says("the record of an update is gone", crmtest.Update, 403, gone, crm.KindGone),
		says("the log is gone", crmtest.Update, 404, "", crm.KindGone),
		says("no such path", crmtest.Create, 404, "", crm.KindForbidden),
		says("method", crmtest.Update, 405, "", crm.KindInvalid),
		says("database down", crmtest.Find, 500, "", crm.KindTransient),
		says("database down during a create", crmtest.Create, 500, "", crm.KindInDoubt),
		says("database down during an update", crmtest.Update, 500, "", crm.KindTransient),
		says("application down", crmtest.Create, 502, "", crm.KindInDoubt),
		resting(says("maintenance", crmtest.Create, 503, "Application is in maintenance mode.", crm.KindThrottled),
			30*time.Second),
		resting(says("maintenance during a look-up", crmtest.Find, 503, "Application is in maintenance mode.",
			crm.KindThrottled), 30*time.Second),
		maintenance,
	}
}

// endedCall is a call that was answered and ended.
func endedCall(id string) call.Call {
	start := time.Date(2026, 3, 1, 2, 30, 0, 0, time.UTC)
	return call.Call{
		ID: id, TransactionID: "T-1", Direction: call.Inbound, State: call.Ended, Result: call.ResultAnswered,
		Status: "answered", Customer: call.ParseNumber("0912 345 678", "VN"), Hotline: "19001000", Extension: "101",
		Agent: "an.nguyen", Start: start, Answer: start.Add(10 * time.Second), End: start.Add(100 * time.Second),
		HangupBy: "customer", Total: call.KnownSeconds(100), Talk: call.KnownSeconds(90),
	}
}
