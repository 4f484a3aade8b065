package getfly_test

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
	"github.com/crmsyncd/crmsyncd/crm/getfly"
	"github.com/crmsyncd/crmsyncd/crm/getfly/getflytest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const recordingURL = "https://media.example.com:1777/IPCCMedia/MP3Export.do?url=a%2Fb.mp3&source=ipcc"

// vietnam is where the call centre is.
var vietnam = time.FixedZone("ICT", 7*60*60)

// newAdapter returns an adapter for the fake at an address.
func newAdapter(t *testing.T, baseURL string, changes ...func(*getfly.Config, *api.Options)) *getfly.Adapter {
	t.Helper()
	cfg := getfly.Default()
	cfg.BaseURL, cfg.Token, cfg.Secret = baseURL, secret.New(getflytest.APIKey), secret.New(getflytest.Secret)
	cfg.Connection.Timeout = time.Minute
	o := api.Options{Location: vietnam, PhoneRegion: "VN"}
	for _, change := range changes {
		change(&cfg, &o)
	}
	a, err := getfly.New(cfg, o)
	require.NoError(t, err)
	t.Cleanup(a.Close)
	return a
}

func withoutResend(cfg *getfly.Config, _ *api.Options) { cfg.Resend = false }

// bench is an adapter with its fake.
type bench struct {
	*getfly.Adapter

	crm    *getflytest.CRM
	server *crmtest.Server
}

func newBench(t *testing.T, o getflytest.Options, changes ...func(*getfly.Config, *api.Options)) *bench {
	t.Helper()
	fake := getflytest.New(o)
	server := crmtest.NewServer(t, fake)
	return &bench{Adapter: newAdapter(t, server.URL, changes...), crm: fake, server: server}
}

// write writes one call and requires that it worked.
func (b *bench) write(t *testing.T, w crm.Write) crm.Write {
	t.Helper()
	written := b.Write(t.Context(), []crm.Write{w})
	require.Len(t, written, 1)
	require.NoError(t, written[0].Err)
	w.LogID = written[0].LogID
	if written[0].Progress != nil {
		w.Progress = written[0].Progress
	}
	return w
}

// kind asserts that err is a crm.Error of a kind.
func kind(t *testing.T, want crm.Kind, err error) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, want.String(), crm.Classify(err).Kind.String(), "%v", err)
}

// TestConformance runs the suite of all adapters.
func TestConformance(t *testing.T) {
	crmtest.Run(t, crmtest.Harness{
		New:     func(t *testing.T, baseURL string) crm.Adapter { t.Helper(); return newAdapter(t, baseURL) },
		CRM:     func(*testing.T) crmtest.CRM { return getflytest.New(getflytest.Options{}) },
		Secrets: []string{getflytest.APIKey, getflytest.Secret}, Login: "101", Refusals: refusals(),
	})
}

// refusals are forms of errors that a Getfly may have: it documents none.
func refusals() []crmtest.Refusal {
	says := func(name string, status int, body string, kind crm.Kind) crmtest.Refusal {
		return crmtest.Refusal{Name: name, Step: crmtest.Create, Kind: kind, Answer: crmtest.Answer{
			Status: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: body,
		}}
	}
	return []crmtest.Refusal{
		says("bad data", 400, `{"code":400,"message":"a field is missing"}`, crm.KindInvalid),
		says("bad data, the framework's form", 422, `{"message":"The given data was invalid."}`, crm.KindInvalid),
		says("wrong key", 401, `{"code":401,"message":"X-API-KEY is invalid"}`, crm.KindUnauthorized),
		says("wrong secret", 400, `{"code":400,"message":"Secret is invalid"}`, crm.KindUnauthorized),
		says("wrong code", 403, `{"message":"provider_code is invalid"}`, crm.KindUnauthorized),
		says("no right", 403, `{"message":"forbidden"}`, crm.KindForbidden),
		says("an error that is called fine", 200, `{"code":400,"message":"a field is missing"}`, crm.KindInvalid),
		says("a wrong key that is called fine", 200, `{"code":"401","message":"X-API-KEY is invalid"}`, crm.KindUnauthorized),
		says("a wrong secret that is called fine", 200, `{"success":false,"message":"secret"}`, crm.KindUnauthorized),
		says("not a success", 200, `{"success":false}`, crm.KindInvalid),
		says("an error beside data", 200, `{"data":null,"errors":[{"phone":"invalid"}]}`, crm.KindInvalid),
		says("a page that is called fine", 200, "<html>welcome</html>", crm.KindTransient),
		says("no such path", 404, "<html>404</html>", crm.KindTransient),
		says("a server that is down", 500, "", crm.KindTransient),
		{
			Name: "a proxy that limits", Step: crmtest.Create, Answer: getflytest.Throttled(90 * time.Second),
			Kind: crm.KindThrottled, RetryAfter: 90 * time.Second,
		},
	}
}

func TestAnswersThatAreSuccesses(t *testing.T) {
	for _, body := range []string{
		"", `{}`, `[]`, `"ok"`, `{"code":200,"message":"success"}`, `{"status":true,"error":false,"errors":[]}`,
		`{"success":1,"error":0}`, `{"status":"success","error":null,"errors":{}}`, `{"error":"0"}`,
	} {
		b := newBench(t, getflytest.Options{})
		b.server.Inject(crmtest.Say(crmtest.Answer{Status: 201, Body: body}))
		require.Equal(t, "call-1", b.write(t, crm.Write{Call: endedCall("call-1")}).LogID, body)
	}
}

// endedCall is a call that was answered and ended.
func endedCall(id string) call.Call {
	start := time.Date(2026, 3, 1, 17, 30, 0, 0, time.UTC) // it is the next day in Vietnam
	return call.Call{
		ID: id, TransactionID: "T-1", Direction: call.Inbound, State: call.Ended, Result: call.ResultAnswered,
		Status: "answered", Customer: call.ParseNumber("+84 912 345 678", "VN"), Hotline: "19001000", Extension: "101",
		Agent: "an.nguyen", Start: start, Answer: start.Add(10 * time.Second), End: start.Add(100 * time.Second),
		HangupBy: "customer", Total: call.KnownSeconds(100), Talk: call.KnownSeconds(90),
	}
}
