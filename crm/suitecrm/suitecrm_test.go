package suitecrm_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/crmsyncd/crmsyncd/configs/secret"
	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/crm/crmtest"
	"github.com/crmsyncd/crmsyncd/crm/suitecrm"
	"github.com/crmsyncd/crmsyncd/crm/suitecrm/suitecrmtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// vietnam is where the call centre is.
var vietnam = time.FixedZone("ICT", 7*60*60)

// newAdapter returns an adapter for the fake at an address.
func newAdapter(t *testing.T, baseURL string, changes ...func(*suitecrm.Config, *api.Options)) *suitecrm.Adapter {
	t.Helper()
	cfg := suitecrm.Default()
	cfg.BaseURL, cfg.ClientID, cfg.ClientSecret = baseURL, suitecrmtest.ClientID, secret.New(suitecrmtest.ClientSecret)
	cfg.Connection.Timeout = time.Minute
	cfg.Calls.DurationSeconds = "duration_seconds_c"
	cfg.Text.Language = "en"
	o := api.Options{Location: vietnam, PhoneRegion: "VN"}
	for _, change := range changes {
		change(&cfg, &o)
	}
	a, err := suitecrm.New(cfg, o)
	require.NoError(t, err)
	t.Cleanup(a.Close)
	return a
}

// withPassword is a client of the password grant.
func withPassword(cfg *suitecrm.Config, _ *api.Options) {
	cfg.Username, cfg.Password = suitecrmtest.Username, secret.New(suitecrmtest.Password)
}

// bench is an adapter with its fake.
type bench struct {
	*suitecrm.Adapter

	crm    *suitecrmtest.CRM
	server *crmtest.Server
}

func newBench(t *testing.T, o suitecrmtest.Options, changes ...func(*suitecrm.Config, *api.Options)) *bench {
	t.Helper()
	fake := suitecrmtest.New(o)
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

// kind asserts that err is a crm.Error of a kind.
func kind(t *testing.T, want crm.Kind, err error) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, want.String(), crm.Classify(err).Kind.String(), "%v", err)
}

func isToken(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/access_token") }

// TestConformance runs the suite of all adapters, with either grant.
func TestConformance(t *testing.T) {
	for name, test := range map[string]struct {
		options suitecrmtest.Options
		change  func(*suitecrm.Config, *api.Options)
	}{
		"client credentials": {change: func(*suitecrm.Config, *api.Options) {}},
		"password":           {suitecrmtest.Options{PasswordGrant: true}, withPassword},
	} {
		t.Run(name, func(t *testing.T) {
			crmtest.Run(t, crmtest.Harness{
				New: func(t *testing.T, baseURL string) crm.Adapter {
					t.Helper()
					return newAdapter(t, baseURL, test.change)
				},
				CRM:          func(*testing.T) crmtest.CRM { return suitecrmtest.New(test.options) },
				Secrets:      []string{suitecrmtest.ClientSecret, suitecrmtest.Password, "suitecrm-token"},
				Exempt:       isToken,
				MissingLogID: suitecrm.LogID("a call that is not there"),
				Lagging: func(*testing.T) (crmtest.CRM, func()) {
					o := test.options
					o.SearchLag = time.Hour
					return suitecrmtest.New(o), func() {}
				},
				Refusals: refusals(),
			})
		})
	}
}

// refusals are SuiteCRM's forms of errors.
func refusals() []crmtest.Refusal {
	says := func(name string, step crmtest.Step, status int, body string, kind crm.Kind) crmtest.Refusal {
		return crmtest.Refusal{Name: name, Step: step, Kind: kind, Answer: crmtest.Answer{
			Status: status, Header: http.Header{"Content-Type": {"application/vnd.api+json"}}, Body: body,
		}}
	}
	words := func(name string, step crmtest.Step, detail string, kind crm.Kind) crmtest.Refusal {
		return says(name, step, 400, fmt.Sprintf(`{"errors": {"status": 400, "title": null, "detail": %q}}`, detail), kind)
	}
	page := func(name string, step crmtest.Step, status int, kind crm.Kind) crmtest.Refusal {
		return says(name, step, status, "<html><head><title>Error</title></head></html>", kind)
	}
	denied := `{"error":"access_denied","message":"The resource owner or authorization server denied the request."}`
	const update = crmtest.Update
	return []crmtest.Refusal{
		words("bad data", crmtest.Create, "Expected a number for duration_hours", crm.KindInvalid),
		says("a list of errors", crmtest.Create, 400,
			`{"errors":[{"status":"400","title":"Invalid","detail":"Expected a number"}]}`, crm.KindInvalid),
		words("no such attribute", crmtest.Create, "Property call_id_c in Call module is invalid", crm.KindForbidden),
		words("no such module", crmtest.Create, "Module Calls does not exist", crm.KindForbidden),
		words("no right", crmtest.Create, "[AccessDeniedException] ", crm.KindForbidden),
		words("no right to the module", update, "The API user does not have access to this module.", crm.KindForbidden),
		words("the log is gone", update, "Calls module with id 1c2d is not found", crm.KindGone),
		words("no such filter", crmtest.Find, "Filter field transaction_id_c in Contact module is not found",
			crm.KindForbidden),
		says("no token", crmtest.Find, 401, denied, crm.KindUnauthorized),
		says("no token for a create", crmtest.Create, 401, denied, crm.KindUnauthorized),
		page("forbidden by the web server", crmtest.Create, 403, crm.KindForbidden),
		page("no such path", crmtest.Create, 404, crm.KindTransient),
		page("no such path for an update", update, 404, crm.KindTransient),
		page("no such path for a look-up", crmtest.Find, 404, crm.KindTransient),
		says("database down", crmtest.Create, 500, "Database failure. Please refer to suitecrm.log for details.",
			crm.KindTransient),
		page("a page that claims to be fine", crmtest.Create, 200, crm.KindTransient),
		page("a proxy without a server", update, 502, crm.KindTransient),
		{
			Name: "a proxy that limits", Step: crmtest.Create, Answer: suitecrmtest.Throttled(90 * time.Second),
			Kind: crm.KindThrottled, RetryAfter: 90 * time.Second,
		},
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
