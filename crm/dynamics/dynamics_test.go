package dynamics_test

import (
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
	"github.com/crmsyncd/crmsyncd/crm/dynamics"
	"github.com/crmsyncd/crmsyncd/crm/dynamics/dynamicstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// missing is the id of a row that never was.
const missing = "11111111-2222-4333-8444-555555555555"

// configuration returns one for an environment at an address, which is the token endpoint as well.
func configuration(address string) dynamics.Config {
	cfg := dynamics.Default()
	cfg.BaseURL, cfg.TokenURL = address, address+"/"+dynamicstest.Tenant+"/oauth2/v2.0/token"
	cfg.ClientID, cfg.ClientSecret = dynamicstest.ClientID, secret.New(dynamicstest.ClientSecret)
	cfg.Text.Language = "en"
	return cfg
}

// ownColumns names all columns of one's own.
func ownColumns(cfg *dynamics.Config) {
	cfg.PhoneCalls.CallIDField, cfg.PhoneCalls.SecondsField = dynamicstest.CallID, dynamicstest.Seconds
	cfg.PhoneCalls.RecordingField = dynamicstest.Recording
}

// forToken tells the requests for a token.
func forToken(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/token") }

// bench is an environment with an adapter for it.
type bench struct {
	*dynamics.Adapter
	crm    *dynamicstest.CRM
	server *crmtest.Server
}

// newBench returns a bench of an environment with options, and an adapter whose configuration was changed.
func newBench(t *testing.T, o dynamicstest.Options, changes ...func(*dynamics.Config)) *bench {
	t.Helper()
	return newBenchWith(t, o, api.Options{}, changes...)
}

func newBenchWith(t *testing.T, o dynamicstest.Options, options api.Options, changes ...func(*dynamics.Config)) *bench {
	t.Helper()
	fake := dynamicstest.New(o)
	server := crmtest.NewServer(t, fake)
	cfg := configuration(server.URL)
	for _, change := range changes {
		change(&cfg)
	}
	options.PhoneRegion, options.Location, options.Now = "VN", time.FixedZone("ICT", 7*60*60), o.Now
	a, err := dynamics.New(cfg, options)
	require.NoError(t, err)
	t.Cleanup(a.Close)
	return &bench{Adapter: a, crm: fake, server: server}
}

// ended returns an answered call of 90 seconds that ended at 17:01:40 in Vietnam.
func ended(id string) call.Call {
	start := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
	return call.Call{
		ID: id, TransactionID: "T-1001", Direction: call.Inbound, State: call.Ended, Result: call.ResultAnswered,
		Status: "answered", Customer: call.ParseNumber("0912345678", "VN"), Hotline: "19001000", Extension: "101",
		Agent: "an.nguyen", Start: start, Answer: start.Add(10 * time.Second), End: start.Add(100 * time.Second),
		HangupBy: "customer", Total: call.KnownSeconds(100), Talk: call.KnownSeconds(90),
	}
}

// running returns the same call before it ended.
func running(id string) call.Call {
	c := ended(id)
	c.State, c.End, c.HangupBy, c.Total, c.Talk = call.Answered, time.Time{}, "", call.Seconds{}, call.Seconds{}
	return c
}

// recorded returns the same call with a recording.
func recorded(id string) call.Call {
	c := ended(id)
	c.RecordingURL = "https://media.example.com:1777/IPCCMedia/MP3Export.do?url=a.mp3&source=ipcc"
	return c
}

// one writes a call and returns what became of it.
func (b *bench) one(t *testing.T, w crm.Write) crm.Written {
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

// refusals are Dataverse's own forms of errors.
func refusals() []crmtest.Refusal {
	whole := func(name string, step crmtest.Step, status int, code, words string, kind crm.Kind) crmtest.Refusal {
		return crmtest.Refusal{Name: name, Step: step, Answer: dynamicstest.Refusal(status, code, words), Kind: kind}
	}
	item := func(name string, step crmtest.Step, status int, code, words string, kind crm.Kind) crmtest.Refusal {
		return crmtest.Refusal{
			Name: name, Step: step, Answer: dynamicstest.InBatch(status, code, words), Kind: kind, RetryAfter: 11 * time.Second,
		}
	}
	throttled := func(code, words string) crmtest.Refusal {
		r := whole("service protection "+code, crmtest.Create, 429, code, words, crm.KindThrottled)
		r.Answer.Header.Set("Retry-After", "9")
		r.RetryAfter = 9 * time.Second
		return r
	}
	return []crmtest.Refusal{
		throttled("0x80072322", "Number of requests exceeded the limit of 6000 over time window of 300 seconds."),
		throttled("0x80072321", "Combined execution time of incoming requests exceeded limit of 1,200,000 milliseconds."),
		throttled("0x80072326", "Number of concurrent requests exceeded the limit of 52."),
		{
			Name: "throttled look-up", Step: crmtest.Find, Answer: dynamicstest.Throttled(9 * time.Second),
			Kind: crm.KindThrottled, RetryAfter: 9 * time.Second,
		},
		item("throttled within a batch", crmtest.Create, 429, "0x80072321", "Combined execution time", crm.KindThrottled),
		whole("no privilege", crmtest.Create, 403, "0x80040220", "Principal user is missing prvCreateActivity privilege",
			crm.KindForbidden),
		item("no privilege within a batch", crmtest.Create, 403, "0x80040220",
			"Principal user is missing prvAppendToContact privilege", crm.KindForbidden),
		whole("no token", crmtest.Find, 401, "", "", crm.KindUnauthorized),
		whole("column is missing", crmtest.Find, 400, "0x80060888",
			"Could not find a property named 'new_transactionid' on type 'Microsoft.Dynamics.CRM.contact'.",
			crm.KindUnauthorized),
		whole("column of a look-up is missing", crmtest.Find, 400, "0x80041103",
			"'contact' entity doesn't contain attribute with Name = 'new_x' and NameMapping = 'Logical'.", crm.KindUnauthorized),
		whole("table is missing", crmtest.Find, 404, "0x80060888", "Resource not found for the segment 'leads'.",
			crm.KindUnauthorized),
		item("column of a write is missing", crmtest.Create, 400, "0x80048d19",
			"The property 'new_callid' does not exist on type 'Microsoft.Dynamics.CRM.phonecall'.", crm.KindUnauthorized),
		item("too long", crmtest.Create, 400, "0x80044331", "The length of the 'subject' exceeded '200'.", crm.KindInvalid),
		item("record is gone", crmtest.Create, 404, "0x80040217", "contact With Id = "+missing+" Does Not Exist",
			crm.KindGone),
		item("log is gone", crmtest.Update, 404, "0x80040217", "phonecall With Id = "+missing+" Does Not Exist",
			crm.KindGone),
		item("user is gone", crmtest.Update, 404, "0x80040217", "systemuser With Id = "+missing+" Does Not Exist",
			crm.KindInvalid),
		item("written at the same moment", crmtest.Create, 412, "0x80040237", "Cannot insert duplicate key.",
			crm.KindTransient),
		item("database is busy", crmtest.Update, 500, "0x80044151", "Generic SQL error.", crm.KindTransient),
		whole("broken inside", crmtest.Create, 500, "0x80040216", "An unexpected error occurred.", crm.KindTransient),
		whole("maintenance", crmtest.Update, 503, "0x80060808", "down", crm.KindTransient),
		whole("batch is refused", crmtest.Create, 400, "0x80060888", "The batch is malformed", crm.KindInvalid),
	}
}

func TestConformance(t *testing.T) {
	for name, change := range map[string]func(*dynamics.Config){
		"default": func(*dynamics.Config) {}, "own columns": ownColumns,
	} {
		t.Run(name, func(t *testing.T) {
			crmtest.Run(t, crmtest.Harness{
				New: func(t *testing.T, baseURL string) crm.Adapter {
					t.Helper()
					cfg := configuration(baseURL)
					change(&cfg)
					a, err := dynamics.New(cfg, api.Options{PhoneRegion: "VN"})
					require.NoError(t, err)
					t.Cleanup(a.Close)
					return a
				},
				CRM:     func(*testing.T) crmtest.CRM { return dynamicstest.New(dynamicstest.Options{}) },
				Secrets: []string{dynamicstest.ClientSecret}, Exempt: forToken, MissingLogID: missing, Refusals: refusals(),
			})
		})
	}
}
