package salesforce_test

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
	"github.com/crmsyncd/crmsyncd/crm/salesforce"
	"github.com/crmsyncd/crmsyncd/crm/salesforce/salesforcetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// missing is the id of a Task that never was.
const missing = "00T5g00000ZZZZZEAV"

// configuration returns one for an org at an address.
func configuration(address string) salesforce.Config {
	cfg := salesforce.Default()
	cfg.MyDomain, cfg.ClientID = address, salesforcetest.ClientID
	cfg.ClientSecret = secret.New(salesforcetest.ClientSecret)
	cfg.Connection.Timeout = time.Minute
	cfg.Text.Language = "en"
	return cfg
}

// options are those of a Vietnamese call centre.
func options() api.Options {
	return api.Options{PhoneRegion: "VN", Location: time.FixedZone("ICT", 7*60*60)}
}

func newAdapter(t *testing.T, cfg salesforce.Config) *salesforce.Adapter {
	t.Helper()
	a, err := salesforce.New(cfg, options())
	require.NoError(t, err)
	t.Cleanup(a.Close)
	return a
}

// forToken tells the requests for a token.
func forToken(r *http.Request) bool { return r.URL.Path == "/services/oauth2/token" }

// bench is an org with an adapter for it.
type bench struct {
	*salesforce.Adapter
	org    *salesforcetest.CRM
	server *crmtest.Server
}

// newBench returns a bench of an org with options, and an adapter whose configuration was changed.
func newBench(t *testing.T, o salesforcetest.Options, changes ...func(*salesforce.Config)) *bench {
	t.Helper()
	org := salesforcetest.New(o)
	server := crmtest.NewServer(t, org)
	cfg := configuration(server.URL)
	for _, change := range changes {
		change(&cfg)
	}
	return &bench{Adapter: newAdapter(t, cfg), org: org, server: server}
}

// inserting makes an adapter do without the upsert.
func inserting(cfg *salesforce.Config) { cfg.Tasks.Upsert, cfg.Tasks.CallIDField = false, "CallObject" }

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

// kindOf returns the kind of an error as text, empty for none.
func kindOf(err error) string {
	if err == nil {
		return ""
	}
	return crm.Classify(err).Kind.String()
}

// item returns an answer of sObject Collections that refuses its one record.
func item(code, message string) crmtest.Answer {
	return crmtest.Answer{
		Status: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}},
		Body: `[{"success":false,"errors":[{"statusCode":"` + code + `","message":"` + message + `","fields":[]}]}]`,
	}
}

// refusals are Salesforce's own forms of errors.
func refusals(upsert bool) []crmtest.Refusal {
	whole := func(name string, step crmtest.Step, status int, code, message string, kind crm.Kind) crmtest.Refusal {
		return crmtest.Refusal{
			Name: name, Step: step, Answer: salesforcetest.Refusal(status, code, message), Kind: kind,
		}
	}
	one := func(name string, step crmtest.Step, code, message string, kind crm.Kind) crmtest.Refusal {
		return crmtest.Refusal{Name: name, Step: step, Answer: item(code, message), Kind: kind}
	}
	noColumn := "No such column 'Transaction_Id__c' on entity 'Contact'."
	daily := whole("daily pool is spent", crmtest.Create, 403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.",
		crm.KindQuota)
	daily.RetryAfter = 15 * time.Minute
	found := whole("daily pool is spent, looking up", crmtest.Find, 403, "REQUEST_LIMIT_EXCEEDED",
		"TotalRequests Limit exceeded.", crm.KindQuota)
	found.RetryAfter = 15 * time.Minute
	long := whole("too many long requests", crmtest.Update, 403, "REQUEST_LIMIT_EXCEEDED",
		"ConcurrentPerOrgLongTxn Limit exceeded.", crm.KindThrottled)
	long.RetryAfter = 20 * time.Second
	storage := one("no storage left", crmtest.Create, "STORAGE_LIMIT_EXCEEDED", "storage limit exceeded", crm.KindQuota)
	storage.RetryAfter = 15 * time.Minute
	unavailable := crm.KindTransient
	if !upsert {
		unavailable = crm.KindInDoubt
	}
	return []crmtest.Refusal{
		daily, found, long, storage,
		{
			Name: "a wait is named", Step: crmtest.Create, Answer: salesforcetest.Throttled(9 * time.Second),
			Kind: crm.KindThrottled, RetryAfter: 9 * time.Second,
		},
		whole("session", crmtest.Find, 401, "INVALID_SESSION_ID", "Session expired or invalid", crm.KindUnauthorized),
		whole("field is hidden", crmtest.Find, 400, "INVALID_FIELD", noColumn, crm.KindUnauthorized),
		whole("object is hidden", crmtest.Find, 400, "INVALID_TYPE", "sObject type 'Lead' is not supported.",
			crm.KindUnauthorized),
		whole("no such key", crmtest.Create, 404, "NOT_FOUND",
			"Provided external ID field does not exist or is not accessible: Call_Id__c", crm.KindUnauthorized),
		whole("forbidden", crmtest.Create, 403, "INSUFFICIENT_ACCESS", "no", crm.KindForbidden),
		whole("a broken query", crmtest.Find, 400, "MALFORMED_QUERY", "unexpected token: 0912345678", crm.KindInvalid),
		whole("unreadable", crmtest.Create, 400, "JSON_PARSER_ERROR", "Cannot deserialize", crm.KindInvalid),
		whole("maintenance", crmtest.Update, 503, "SERVER_UNAVAILABLE", "down", crm.KindTransient),
		whole("row is locked", crmtest.Update, 400, "UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access",
			crm.KindTransient),
		whole("broken inside", crmtest.Create, 500, "UNKNOWN_EXCEPTION", "An unexpected error occurred.", unavailable),
		one("item is locked", crmtest.Create, "UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access", crm.KindTransient),
		one("item is invalid", crmtest.Create, "STRING_TOO_LONG", "Subject: data value too large: 0912345678",
			crm.KindInvalid),
		one("rule of the org", crmtest.Update, "FIELD_CUSTOM_VALIDATION_EXCEPTION", "Chưa nhập kết quả", crm.KindInvalid),
		one("deleted", crmtest.Update, "ENTITY_IS_DELETED", "entity is deleted", crm.KindGone),
		one("no rights", crmtest.Create, "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY", "no", crm.KindForbidden),
		one("exists", crmtest.Create, "DUPLICATE_VALUE",
			"duplicate value found: Call_Id__c duplicates value on record with id: 00T5g0000012345", crm.KindExists),
	}
}

func TestConformance(t *testing.T) {
	for name, change := range map[string]func(*salesforce.Config){
		"upsert": func(*salesforce.Config) {}, "insert": inserting,
		"own fields": func(cfg *salesforce.Config) {
			cfg.Tasks.RecordingField, cfg.Tasks.StartField = salesforcetest.Recording, salesforcetest.CallStart
		},
		"insert, own key": func(cfg *salesforce.Config) { cfg.Tasks.Upsert = false },
	} {
		t.Run(name, func(t *testing.T) {
			upsert := name != "insert" && name != "insert, own key"
			crmtest.Run(t, crmtest.Harness{
				New: func(t *testing.T, baseURL string) crm.Adapter {
					t.Helper()
					cfg := configuration(baseURL)
					change(&cfg)
					return newAdapter(t, cfg)
				},
				CRM: func(*testing.T) crmtest.CRM {
					return salesforcetest.New(salesforcetest.Options{NoExternalID: !upsert})
				},
				Secrets: []string{salesforcetest.ClientSecret}, Exempt: forToken, MissingLogID: missing,
				Refusals: refusals(upsert),
			})
		})
	}
}

func TestLead(t *testing.T) {
	b := newBench(t, salesforcetest.Options{})
	converted, open := b.org.AddRecord("Lead", "T-1001", ""), b.org.AddRecord("Lead", "T-1001", "")
	b.org.Set(converted, "IsConverted", true)
	found := b.Find(t.Context(), []crm.Lookup{{Object: "Lead", TransactionID: "T-1001"}})
	require.NoError(t, found[0].Err)
	require.Len(t, found[0].Records, 1, "a converted lead takes no activities")
	require.Equal(t, open, found[0].Records[0].ID)

	b.org.Set(open, "IsConverted", true) // after it was found
	w := crm.Write{Call: ended("c1"), Record: &crm.Record{Object: "Lead", ID: open}}
	require.Equal(t, "gone", kindOf(b.Write(t.Context(), []crm.Write{w})[0].Err))
}
