package odoo_test

import (
	"bytes"
	"fmt"
	"io"
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
	"github.com/crmsyncd/crmsyncd/crm/odoo"
	"github.com/crmsyncd/crmsyncd/crm/odoo/odootest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ownModel is a model of call logs of one's own.
const ownModel = "x_call_log"

// configuration returns one for an Odoo at an address.
func configuration(address string) odoo.Config {
	cfg := odoo.Default()
	cfg.BaseURL, cfg.Database, cfg.Login = address, odootest.Database, odootest.Login
	cfg.Token = secret.New(odootest.APIKey)
	cfg.Connection.Timeout = time.Minute
	cfg.Text.Language = "en"
	return cfg
}

func newAdapter(t *testing.T, cfg odoo.Config, changes ...func(*api.Options)) *odoo.Adapter {
	t.Helper()
	o := api.Options{PhoneRegion: "VN", Location: time.FixedZone("ICT", 7*60*60)}
	for _, change := range changes {
		change(&o)
	}
	a, err := odoo.New(cfg, o)
	require.NoError(t, err)
	t.Cleanup(a.Close)
	return a
}

// bench is an Odoo with an adapter for it.
type bench struct {
	*odoo.Adapter

	crm    *odootest.CRM
	server *crmtest.Server
}

func newBench(t *testing.T, o odootest.Options, changes ...func(*odoo.Config)) *bench {
	t.Helper()
	fake := odootest.New(o)
	server := crmtest.NewServer(t, fake)
	cfg := configuration(server.URL)
	if o.OwnModel != "" {
		cfg.Calls.Model = o.OwnModel
	}
	for _, change := range changes {
		change(&cfg)
	}
	return &bench{Adapter: newAdapter(t, cfg), crm: fake, server: server}
}

// write writes one call log and requires that it worked.
func (b *bench) write(t *testing.T, w crm.Write) crm.Write {
	t.Helper()
	written := b.Write(t.Context(), []crm.Write{w})[0]
	require.NoError(t, written.Err)
	w.LogID, w.Progress = written.LogID, written.Progress
	return w
}

// ended returns an answered call of 90 seconds.
func ended(id string) call.Call {
	start := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
	return call.Call{
		ID: id, TransactionID: "T-1001", Direction: call.Inbound, State: call.Ended, Result: call.ResultAnswered,
		Status: "answered", Customer: call.ParseNumber("0912345678", "VN"), Hotline: "19001000", Extension: "101",
		Agent: "an.nguyen", Start: start, Answer: start.Add(10 * time.Second), End: start.Add(100 * time.Second),
		HangupBy: "customer", Total: call.KnownSeconds(100), Talk: call.KnownSeconds(90),
	}
}

// missed returns an outbound call that nobody answered.
func missed(id string) call.Call {
	c := ended(id)
	c.Direction, c.Result, c.Status = call.Outbound, call.ResultMissed, "missed"
	c.Answer, c.Talk, c.End, c.Total = time.Time{}, call.Seconds{}, c.Start.Add(25*time.Second), call.KnownSeconds(25)
	return c
}

// running returns call-1 while it goes on.
func running() call.Call {
	c := ended("call-1")
	c.State, c.End, c.HangupBy, c.Total, c.Talk = call.Answered, time.Time{}, "", call.Seconds{}, call.Seconds{}
	return c
}

// many returns writes of new calls.
func many(n int) []crm.Write {
	writes := make([]crm.Write, n)
	for i := range writes {
		writes[i] = crm.Write{Call: ended(fmt.Sprintf("call-%04d", i))}
	}
	return writes
}

func kindOf(err error) string {
	if err == nil {
		return ""
	}
	return crm.Classify(err).Kind.String()
}

// aside tells the requests by which the adapter finds out how to speak to the server and which fields there are.
func aside(r *http.Request) bool {
	if r.Body == nil {
		return true
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return false
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return r.Method == http.MethodGet || strings.HasSuffix(r.URL.Path, "/fields_get") ||
		bytes.Contains(body, []byte(`"authenticate"`)) || bytes.Contains(body, []byte(`"fields_get"`))
}

func TestConformance(t *testing.T) {
	for name, o := range map[string]odootest.Options{
		"json2":   {},
		"jsonrpc": {Version: "16.0"},
		"own":     {OwnModel: ownModel},
	} {
		t.Run(name, func(t *testing.T) {
			forms := refusals("partner_id")
			if o.OwnModel != "" {
				forms = refusals("x_partner_id")
			}
			if name == "jsonrpc" {
				forms = rpcRefusals()
			}
			crmtest.Run(t, crmtest.Harness{
				New: func(t *testing.T, baseURL string) crm.Adapter {
					t.Helper()
					cfg := configuration(baseURL)
					if o.OwnModel != "" {
						cfg.Calls.Model = o.OwnModel
					}
					return newAdapter(t, cfg)
				},
				CRM:     func(*testing.T) crmtest.CRM { return odootest.New(o) },
				Secrets: []string{odootest.APIKey}, Exempt: aside, MissingLogID: "424242", Refusals: forms,
			})
		})
	}
}

// loaded is an answer of load that refuses its one record.
func loaded(field, message string) string {
	return `{"ids":false,"nextrow":0,"messages":[{"type":"error","record":0,"rows":{"from":0,"to":0},"field":"` + field +
		`","message":"` + message + `"}]}`
}

func says(body string) crmtest.Answer {
	return crmtest.Answer{Status: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: body}
}

// refusals are the forms of JSON-2.
func refusals(partner string) []crmtest.Refusal {
	const (
		exceptions = "odoo.exceptions."
		find       = crmtest.Find
		create     = crmtest.Create
		update     = crmtest.Update
	)
	form := func(name string, step crmtest.Step, status int, class, words string, kind crm.Kind) crmtest.Refusal {
		return crmtest.Refusal{Name: name, Step: step, Answer: odootest.Refusal(status, class, words), Kind: kind}
	}
	of := func(name string, step crmtest.Step, field, words string, kind crm.Kind) crmtest.Refusal {
		return crmtest.Refusal{Name: name, Step: step, Answer: says(loaded(field, words)), Kind: kind}
	}
	html := func(name string, status int, kind crm.Kind, wait time.Duration) crmtest.Refusal {
		return crmtest.Refusal{Name: name, Step: create, Kind: kind, RetryAfter: wait, Answer: crmtest.Answer{
			Status: status, Header: http.Header{"Content-Type": {"text/html"}}, Body: "<html>Odoo.sh</html>",
		}}
	}
	return []crmtest.Refusal{
		form("key is refused", find, 401, "werkzeug.exceptions.Unauthorized", "Invalid apikey", crm.KindUnauthorized),
		form("key expired", create, 403, exceptions+"AccessDenied", "Access Denied", crm.KindUnauthorized),
		form("session", find, 403, "odoo.http.SessionExpiredException", "Session expired", crm.KindUnauthorized),
		form("no right", create, 403, exceptions+"AccessError", "You are not allowed to create", crm.KindForbidden),
		form("no right to read", find, 403, exceptions+"AccessError", "You are not allowed to access", crm.KindForbidden),
		form("no such model", create, 404, "werkzeug.exceptions.NotFound", "the model 'crm.phonecall' does not exist",
			crm.KindUnauthorized),
		form("missing", update, 404, exceptions+"MissingError", "Record does not exist or has been deleted.", crm.KindGone),
		form("validation", create, 422, exceptions+"ValidationError", "No calls on Sunday for 0912345678", crm.KindInvalid),
		form("user error", update, 422, exceptions+"UserError", "No calls on Sunday", crm.KindInvalid),
		form("wrong question", find, 422, exceptions+"UserError", "Phone is too short", crm.KindForbidden),
		form("no such field", find, 500, "builtins.ValueError", "Invalid field res.partner.x_t in condition",
			crm.KindUnauthorized),
		form("no such column", create, 500, "builtins.ValueError", "Invalid field name 'x_call_id'", crm.KindUnauthorized),
		form("collision", create, 500, "psycopg2.errors.SerializationFailure", "could not serialize access",
			crm.KindTransient),
		form("concurrency", update, 409, exceptions+"ConcurrencyError", "Try again", crm.KindTransient),
		form("bug of a module", create, 500, "builtins.TypeError", "unsupported operand", crm.KindTransient),
		of("bad row", create, "state", "Value 'held' not found in selection field 'Status'", crm.KindInvalid),
		of("record is gone", create, partner, "No matching record found for database id '7'", crm.KindGone),
		of("log is gone", update, ".id", "Unknown database identifier '7'", crm.KindGone),
		of("user is gone", create, "user_id", "No matching record found for database id '7'", crm.KindInvalid),
		of("row collides", create, "", "could not serialize access due to concurrent update", crm.KindTransient),
		of("no right, told by load", create, "", "You are not allowed to create 'Phonecall' (crm.phonecall) records.",
			crm.KindForbidden),
		of("rule on a record", create, "", "Due to security restrictions, you are not allowed to access", crm.KindForbidden),
		of("another load of the call", update, "", `duplicate key value violates unique constraint ir_model_data_uniq`,
			crm.KindTransient),
		html("no such path", 404, crm.KindUnauthorized, 0), html("bad gateway", 502, crm.KindTransient, 0),
		html("throttled", 429, crm.KindThrottled, 10*time.Second),
		{
			Name: "throttled with a time", Step: update, Answer: odootest.Throttled(30 * time.Second),
			Kind: crm.KindThrottled, RetryAfter: 30 * time.Second,
		},
	}
}

// rpcRefusals are the forms of JSON-RPC.
func rpcRefusals() []crmtest.Refusal {
	form := func(name string, step crmtest.Step, class, words string, kind crm.Kind) crmtest.Refusal {
		return crmtest.Refusal{Name: name, Step: step, Answer: odootest.RPCRefusal(class, words), Kind: kind}
	}
	return []crmtest.Refusal{
		form("key expired", crmtest.Create, "odoo.exceptions.AccessDenied", "Access Denied", crm.KindUnauthorized),
		form("session", crmtest.Find, "odoo.http.SessionExpiredException", "Session expired", crm.KindUnauthorized),
		form("no right", crmtest.Create, "odoo.exceptions.AccessError", "not allowed", crm.KindForbidden),
		form("missing", crmtest.Update, "odoo.exceptions.MissingError", "Record does not exist", crm.KindGone),
		form("validation", crmtest.Create, "odoo.exceptions.ValidationError", "No calls on Sunday", crm.KindInvalid),
		form("no such model", crmtest.Create, "odoo.exceptions.UserError", "Object crm.phonecall doesn't exist",
			crm.KindUnauthorized),
		form("no such field", crmtest.Create, "builtins.KeyError", "'x_call_id'", crm.KindUnauthorized),
		form("no such database", crmtest.Find, "psycopg2.OperationalError", `FATAL: database "acme" does not exist`,
			crm.KindUnauthorized),
		form("database is away", crmtest.Find, "psycopg2.OperationalError", "server closed it", crm.KindTransient),
		form("collision", crmtest.Create, "psycopg2.errors.SerializationFailure", "could not serialize", crm.KindTransient),
		form("bug of a module", crmtest.Update, "builtins.TypeError", "unsupported operand", crm.KindTransient),
		{
			Name: "bad row", Step: crmtest.Create, Kind: crm.KindInvalid,
			Answer: says(`{"jsonrpc":"2.0","id":1,"result":` + loaded("state", "Value 'held' not found") + `}`),
		},
		{
			Name: "no result", Step: crmtest.Create, Kind: crm.KindTransient, Answer: says(`{"jsonrpc":"2.0","id":1}`),
		},
	}
}
