package bitrix24_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/crmsyncd/crmsyncd/configs/secret"
	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/bitrix24"
	"github.com/crmsyncd/crmsyncd/crm/bitrix24/bitrix24test"
	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/crm/crmtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ict is the zone of the call centre.
var ict = time.FixedZone("ICT", 7*60*60)

// appConfig is that of an application on a fake portal, with the token in a file of dir.
func appConfig(baseURL, dir string) bitrix24.Config {
	cfg := bitrix24.Default()
	cfg.Portal, cfg.TokenURL = baseURL, baseURL+"/oauth/token/"
	cfg.ClientID, cfg.ClientSecret = bitrix24test.ClientID, secret.New(bitrix24test.ClientSecret)
	cfg.RefreshToken, cfg.TokenStore = secret.New(bitrix24test.RefreshToken), filepath.Join(dir, "token.json")
	cfg.DefaultUser = "1"
	cfg.Rate = api.Budget{}
	return cfg
}

// webhookConfig is that of a webhook on a fake portal.
func webhookConfig(baseURL string) bitrix24.Config {
	cfg := bitrix24.Default()
	cfg.WebhookURL = secret.New(baseURL + "/rest/" + bitrix24test.WebhookUser + "/" + bitrix24test.WebhookCode + "/")
	cfg.DefaultUser = "1"
	cfg.Rate = api.Budget{}
	return cfg
}

func newAdapter(t *testing.T, cfg bitrix24.Config, now func() time.Time) *bitrix24.Adapter {
	t.Helper()
	a, err := bitrix24.New(cfg, api.Options{Location: ict, PhoneRegion: "VN", Now: now})
	require.NoError(t, err)
	t.Cleanup(a.Close)
	return a
}

// portal is a fake with a server and adapters for it.
type portal struct {
	*bitrix24test.CRM

	server *httptest.Server
	dir    string
}

func newPortal(t *testing.T, o bitrix24test.Options) *portal {
	t.Helper()
	p := &portal{CRM: bitrix24test.New(o), dir: t.TempDir()}
	p.server = httptest.NewServer(p.CRM)
	t.Cleanup(p.server.Close)
	return p
}

func (p *portal) app(t *testing.T) *bitrix24.Adapter {
	t.Helper()
	return newAdapter(t, appConfig(p.server.URL, p.dir), nil)
}

func (p *portal) webhook(t *testing.T) *bitrix24.Adapter {
	t.Helper()
	return newAdapter(t, webhookConfig(p.server.URL), nil)
}

// answered is an inbound call of five minutes that an agent took.
func answered(id string) call.Call {
	start := time.Date(2026, 3, 1, 2, 30, 0, 0, time.UTC)
	return call.Call{
		ID: id, TransactionID: "T-1001", Direction: call.Inbound, State: call.Ended, Result: call.ResultAnswered,
		Status: "answered", Customer: call.ParseNumber("0912 345 678", "VN"), Hotline: "19001000", Extension: "101",
		Agent: "an.nguyen", Start: start, Answer: start.Add(10 * time.Second), End: start.Add(310 * time.Second),
		HangupBy: "customer", Total: call.KnownSeconds(310), Talk: call.KnownSeconds(300),
	}
}

// missed is an outbound call that nobody took.
func missed(id string) call.Call {
	c := answered(id)
	c.Direction, c.Result, c.Status, c.HangupBy = call.Outbound, call.ResultMissed, "missed", "system"
	c.Answer, c.Talk = time.Time{}, call.Seconds{}
	return c
}

// recorded returns the call with its recording.
func recorded(c call.Call) call.Call {
	c.RecordingURL = "https://media.example.com:1777/IPCCMedia/MP3Export.do?url=a%2Fb.mp3&source=ipcc"
	return c
}

// write writes calls and requires that nothing failed.
func write(t *testing.T, a crm.Adapter, writes ...crm.Write) []crm.Written {
	t.Helper()
	written := a.Write(t.Context(), writes)
	require.Len(t, written, len(writes))
	for _, w := range written {
		require.NoError(t, w.Err)
		require.NotEmpty(t, w.LogID)
	}
	return written
}

// next returns the write that follows one, with what that left.
func next(w crm.Write, left crm.Written) crm.Write {
	if left.LogID != "" {
		w.LogID = left.LogID
	}
	if left.Progress != nil {
		w.Progress = left.Progress
	}
	return w
}

// kind requires that err is a crm.Error of a kind and returns what it says.
func kind(t *testing.T, want crm.Kind, err error) crm.Error {
	t.Helper()
	require.Error(t, err)
	e := crm.Classify(err)
	require.Equal(t, want.String(), e.Kind.String(), "%v", err)
	return *e
}

// TestConformance runs the suite of all adapters in mode telephony.
func TestConformance(t *testing.T) {
	dir := t.TempDir()
	crmtest.Run(t, crmtest.Harness{
		New: func(t *testing.T, baseURL string) crm.Adapter {
			t.Helper()
			u, err := url.Parse(baseURL)
			require.NoError(t, err)
			cfg := appConfig(baseURL, dir)
			// Adapters of one portal share its refresh token; a port may be given to the portal of a later test again.
			cfg.TokenStore = filepath.Join(dir, strings.Split(t.Name(), "/")[1]+u.Port()+".json")
			return newAdapter(t, cfg, nil)
		},
		// A portal that was told no record looks for one by itself, which the suite does not expect.
		CRM:          func(*testing.T) crmtest.CRM { return bitrix24test.New(bitrix24test.Options{IgnoreNumbers: true}) },
		Secrets:      []string{bitrix24test.ClientSecret, bitrix24test.RefreshToken, "canary"},
		MissingLogID: "externalCall.716f1cb73def9700a23842adf9c4c568.1773130779",
		Exempt:       func(r *http.Request) bool { return r.URL.Path == "/oauth/token/" },
		Refusals:     refusals(),
	})
}

// refusals are the errors that a request as a whole gets.
func refusals() []crmtest.Refusal {
	says := func(name string, step crmtest.Step, status int, code, words string, kind crm.Kind, wait time.Duration,
	) crmtest.Refusal {
		return crmtest.Refusal{
			Name: name, Step: step, Answer: bitrix24test.Says(status, code, words), Kind: kind, RetryAfter: wait,
		}
	}
	return []crmtest.Refusal{
		says("bucket is full", crmtest.Create, 503, "QUERY_LIMIT_EXCEEDED", "Too many requests", crm.KindThrottled,
			2*time.Second),
		says("run time", crmtest.Find, 429, "OPERATION_TIME_LIMIT", "Method is blocked", crm.KindThrottled, time.Minute),
		says("overload", crmtest.Find, 401, "OVERLOAD_LIMIT", "REST API is blocked due to overload", crm.KindQuota,
			30*time.Minute),
		says("overload as it was", crmtest.Create, 503, "OVERLOAD_LIMIT", "REST API is blocked due to overload",
			crm.KindQuota, 30*time.Minute),
		says("no auth", crmtest.Find, 401, "NO_AUTH_FOUND", "Wrong authorization data", crm.KindUnauthorized, 0),
		says("plan without REST", crmtest.Create, 401, "ACCESS_DENIED", "REST is available only on commercial plans",
			crm.KindUnauthorized, 0),
		says("scope", crmtest.Create, 401, "insufficient_scope", "higher privileges", crm.KindUnauthorized, 0),
		says("webhook", crmtest.Create, 403, "WRONG_AUTH_TYPE", "denied for this method", crm.KindUnauthorized, 0),
		says("portal is gone", crmtest.Find, 403, "PORTAL_DELETED", "Portal was deleted", crm.KindUnauthorized, 0),
		says("server error", crmtest.Find, 500, "INTERNAL_SERVER_ERROR", "Internal server error", crm.KindTransient, 0),
		says("server error on create", crmtest.Create, 500, "INTERNAL_SERVER_ERROR", "Internal server error",
			crm.KindInDoubt, 0),
		says("bad data", crmtest.Create, 400, "ERROR_CORE", "Unknown TYPE", crm.KindInvalid, 0),
		says("proxy", crmtest.Update, 502, "", "", crm.KindTransient, 0),
	}
}

// record keeps the bodies of all requests but those for tokens, without the token.
func (p *portal) record(t *testing.T) *[]string {
	t.Helper()
	bodies := &[]string{}
	handler := p.server.Config.Handler
	p.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil && len(body) > 0 {
			*bodies = append(*bodies, string(body))
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		handler.ServeHTTP(w, r)
	})
	return bodies
}
