package zoho_test

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
	"github.com/crmsyncd/crmsyncd/crm/zoho"
	"github.com/crmsyncd/crmsyncd/crm/zoho/zohotest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// configuration returns one for an account at an address.
func configuration(address string) zoho.Config {
	cfg := zoho.Default()
	cfg.AccountsURL, cfg.BaseURL, cfg.ClientID = address, address, zohotest.ClientID
	cfg.ClientSecret, cfg.RefreshToken = secret.New(zohotest.ClientSecret), secret.New(zohotest.RefreshToken)
	cfg.AgentDomain, cfg.Text.Language = "acme.com", "en"
	cfg.Connection.Timeout = time.Minute
	return cfg
}

// options are those of a Vietnamese call centre.
func options() api.Options {
	return api.Options{PhoneRegion: "VN", Location: time.FixedZone("ICT", 7*60*60)}
}

func newAdapter(t *testing.T, cfg zoho.Config, o api.Options) *zoho.Adapter {
	t.Helper()
	a, err := zoho.New(cfg, o)
	require.NoError(t, err)
	t.Cleanup(a.Close)
	return a
}

// forToken tells the requests for a token.
func forToken(r *http.Request) bool { return r.URL.Path == "/oauth/v2/token" }

// bench is an account with an adapter for it.
type bench struct {
	*zoho.Adapter
	account *zohotest.CRM
	server  *crmtest.Server
}

// newBench returns a bench of an account with options, and an adapter whose configuration was changed.
func newBench(t *testing.T, o zohotest.Options, changes ...func(*zoho.Config)) *bench {
	t.Helper()
	account := zohotest.New(o)
	server := crmtest.NewServer(t, account)
	cfg := configuration(server.URL)
	for _, change := range changes {
		change(&cfg)
	}
	of := options()
	of.Now = o.Now
	return &bench{Adapter: newAdapter(t, cfg, of), account: account, server: server}
}

// inserting makes an adapter do without the upsert.
func inserting(cfg *zoho.Config) { cfg.Calls.Upsert = false }

// ended returns an answered call that ended at 17:01:40 in Vietnam.
func ended(id string) call.Call {
	start := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
	return call.Call{
		ID: id, TransactionID: "T-1001", Direction: call.Inbound, State: call.Ended, Result: call.ResultAnswered,
		Status: "answered", Customer: call.ParseNumber("0912345678", "VN"), Hotline: "19001000", Extension: "101",
		Agent: "an.nguyen", Start: start, Answer: start.Add(10 * time.Second), End: start.Add(100 * time.Second),
		HangupBy: "customer", Total: call.KnownSeconds(100), Talk: call.KnownSeconds(90),
	}
}

// missed returns an outbound call of the first of March in Vietnam that nobody answered.
func missed(id string) call.Call {
	c := ended(id)
	c.Direction, c.Result, c.Status = call.Outbound, call.ResultMissed, "missed"
	c.Answer, c.Talk = time.Time{}, call.Seconds{}
	c.Start = time.Date(2026, 2, 28, 17, 30, 0, 0, time.UTC)
	c.End, c.Total = c.Start.Add(20*time.Second), call.KnownSeconds(20)
	return c
}

// write writes one call.
func (b *bench) write(t *testing.T, w crm.Write) crm.Written {
	t.Helper()
	written := b.Write(t.Context(), []crm.Write{w})
	require.Len(t, written, 1)
	return written[0]
}

// kindOf returns the kind of an error as text, empty for none.
func kindOf(err error) string {
	if err == nil {
		return ""
	}
	return crm.Classify(err).Kind.String()
}

// refusals are Zoho's own forms of errors.
func refusals(upsert bool) []crmtest.Refusal {
	whole := func(name string, step crmtest.Step, status int, code string, kind crm.Kind) crmtest.Refusal {
		return crmtest.Refusal{
			Name: name, Step: step, Answer: zohotest.Refusal(status, code, "said of 0912345678", nil), Kind: kind,
		}
	}
	one := func(name string, step crmtest.Step, code, field string, kind crm.Kind) crmtest.Refusal {
		return crmtest.Refusal{Name: name, Step: step, Kind: kind, Answer: zohotest.Item(code, "said of 0912345678",
			map[string]any{"api_name": field, "json_path": "$.data[0]." + field})}
	}
	after := func(r crmtest.Refusal, wait time.Duration) crmtest.Refusal {
		r.RetryAfter = wait
		return r
	}
	exists := crmtest.Refusal{
		Name: "exists", Step: crmtest.Create, Kind: crm.KindExists,
		Answer: zohotest.Item("MULTIPLE_OR_MULTI_ERRORS", "Multiple errors", map[string]any{"errors": []any{
			map[string]any{"code": "INVALID_DATA", "details": map[string]any{"api_name": "Subject"}},
			map[string]any{"code": "DUPLICATE_DATA", "details": map[string]any{
				"api_name": "Alohub_Call_ID", "duplicate_record": map[string]any{"id": "572576700000001"},
			}},
		}}),
	}
	inside := crm.KindTransient
	if !upsert {
		inside = crm.KindInDoubt
	}
	return []crmtest.Refusal{
		after(whole("too many requests", crmtest.Create, 429, "TOO_MANY_REQUESTS", crm.KindThrottled), 10*time.Second),
		after(whole("credits are spent", crmtest.Find, 429, "LIMIT_EXCEEDED", crm.KindQuota), 5*time.Minute),
		{
			Name: "a wait is named", Step: crmtest.Find, Answer: zohotest.Throttled(9 * time.Second),
			Kind: crm.KindThrottled, RetryAfter: 9 * time.Second,
		},
		whole("token", crmtest.Create, 401, "INVALID_TOKEN", crm.KindUnauthorized),
		whole("scope", crmtest.Find, 401, "OAUTH_SCOPE_MISMATCH", crm.KindUnauthorized),
		whole("module", crmtest.Find, 400, "INVALID_MODULE", crm.KindUnauthorized),
		whole("path", crmtest.Find, 404, "INVALID_URL_PATTERN", crm.KindUnauthorized),
		whole("permission", crmtest.Create, 403, "NO_PERMISSION", crm.KindForbidden),
		whole("query", crmtest.Find, 400, "SYNTAX_ERROR", crm.KindInvalid),
		whole("unreadable", crmtest.Create, 400, "INVALID_REQUEST", crm.KindInvalid),
		whole("broken inside", crmtest.Create, 500, "INTERNAL_ERROR", inside),
		whole("down", crmtest.Update, 503, "SERVICE_UNAVAILABLE", crm.KindTransient),
		one("module of a list", crmtest.Create, "INVALID_MODULE", "", crm.KindUnauthorized),
		one("invalid", crmtest.Create, "INVALID_DATA", "Subject", crm.KindInvalid),
		one("missing", crmtest.Create, "MANDATORY_NOT_FOUND", "Call_Purpose", crm.KindInvalid),
		one("another twin", crmtest.Create, "DUPLICATE_DATA", "Subject", crm.KindInvalid),
		one("locked", crmtest.Update, "RECORD_LOCKED", "", crm.KindTransient),
		one("no right", crmtest.Update, "NO_PERMISSION", "", crm.KindForbidden),
		one("gone", crmtest.Update, "INVALID_DATA", "id", crm.KindGone),
		exists,
	}
}

func TestConformance(t *testing.T) {
	for name, test := range map[string]struct {
		account zohotest.Options
		change  func(*zoho.Config)
	}{
		"upsert":       {change: func(*zoho.Config) {}},
		"insert":       {zohotest.Options{NoUpsert: true, NoUnique: true}, inserting},
		"strict names": {zohotest.Options{FreezeNames: true}, func(cfg *zoho.Config) { cfg.Calls.Recording = "" }},
	} {
		t.Run(name, func(t *testing.T) {
			lagging := func(*testing.T) (crmtest.CRM, func()) {
				now := time.Now()
				o := test.account
				o.SearchLag, o.Now = time.Hour, func() time.Time { return now }
				return zohotest.New(o), func() { now = now.Add(o.SearchLag) }
			}
			if test.account.FreezeNames {
				lagging = nil
			}
			crmtest.Run(t, crmtest.Harness{
				New: func(t *testing.T, baseURL string) crm.Adapter {
					t.Helper()
					cfg := configuration(baseURL)
					test.change(&cfg)
					return newAdapter(t, cfg, options())
				},
				CRM: func(*testing.T) crmtest.CRM { return zohotest.New(test.account) }, Lagging: lagging,
				Secrets: []string{zohotest.ClientSecret, zohotest.RefreshToken}, Exempt: forToken,
				Refusals: refusals(name != "insert"),
			})
		})
	}
}
