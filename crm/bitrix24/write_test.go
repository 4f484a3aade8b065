package bitrix24_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/bitrix24/bitrix24test"
	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/crm/crmtest"
)

// onContact returns the write of a call of a new contact, for a user.
func (p *portal) onContact(c call.Call) crm.Write {
	id := p.AddRecord("contact", c.TransactionID, c.Customer.E164)
	return crm.Write{Call: c, Record: &crm.Record{Object: "contact", ID: id}, Owner: p.AddUser("an.nguyen@example.com")}
}

func TestACallTakesOneRequest(t *testing.T) {
	p := newPortal(t, bitrix24test.Options{})
	w := p.onContact(recorded(answered("call-1")))
	a := p.app(t)
	written := write(t, a, w)[0]
	require.Equal(t, []crmtest.Log{{
		ID: written.LogID, CallID: "call-1", RecordID: w.Record.ID, Owner: w.Owner, RecordingURL: w.Call.RecordingURL,
		Direction: "inbound", Result: "answered", Start: w.Call.Start.In(ict), Seconds: 300,
	}}, sameZone(p.Logs()))
	require.Equal(t, map[string]int{"token": 1, "write": 1}, p.Requests())

	again := next(w, written)
	require.Equal(t, written.LogID, write(t, a, again)[0].LogID)
	require.Equal(t, 1, p.Requests()["write"], "nothing is left to do")
	require.Zero(t, p.Commands()["side effects"], "no card, no lead, no message in a chat")
}

// sameZone returns logs with their times in the zone of the call centre.
func sameZone(logs []crmtest.Log) []crmtest.Log {
	for i := range logs {
		logs[i].Start = logs[i].Start.In(ict)
	}
	return logs
}

func TestMissedCalls(t *testing.T) {
	for name, test := range map[string]struct {
		change func(c *call.Call)
		code   string
	}{
		"outbound, nobody took it": {func(*call.Call) {}, "304"},
		"declined":                 {func(c *call.Call) { c.HangupBy = "customer" }, "603"},
		"given up by the agent":    {func(c *call.Call) { c.HangupBy = "agent" }, "603-S"},
		"inbound, customer gave up": {
			func(c *call.Call) { c.Direction, c.HangupBy = call.Inbound, "customer" }, "304",
		},
		"the end was never heard of": {
			func(c *call.Call) { c.State, c.Result, c.End = call.Started, call.ResultNone, time.Time{} }, "OTHER",
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPortal(t, bitrix24test.Options{})
			c := missed("call-1")
			test.change(&c)
			bodies := p.record(t)
			write(t, p.app(t), p.onContact(c))
			require.Contains(t, strings.Join(*bodies, "\n"), "STATUS_CODE="+test.code)
			require.Zero(t, p.Logs()[0].Seconds)
		})
	}
}

func TestDealsAreBound(t *testing.T) {
	p := newPortal(t, bitrix24test.Options{})
	contact := p.AddRecord("contact", "", "+84912345678")
	deal := p.AddRecord("deal", "T-1001", "")
	a := p.app(t)
	w := crm.Write{Call: answered("call-1"), Record: &crm.Record{Object: "deal", ID: deal}, Owner: "1"}
	written := write(t, a, w)[0]
	require.Equal(t, deal, p.Logs()[0].RecordID)
	require.Equal(t, 1, p.Requests()["write"])
	require.Equal(t, 1, p.Commands()["crm.activity.binding.add"])
	require.NotEqual(t, contact, deal)

	w = next(w, written)
	w.Call = recorded(w.Call)
	write(t, a, w)
	require.Equal(t, 1, p.Commands()["crm.activity.binding.add"], "it is bound already")
	require.Equal(t, 1, p.Commands()["telephony.externalcall.attachrecord"])
}

func TestARecordThatIsFoundLaterIsBound(t *testing.T) {
	p := newPortal(t, bitrix24test.Options{})
	a := p.app(t)
	w := p.onContact(answered("call-1"))
	w = next(w, write(t, a, w)[0])
	deal := p.AddRecord("deal", "T-1001", "")
	w.Record = &crm.Record{Object: "deal", ID: deal}
	write(t, a, w)
	require.Equal(t, deal, p.Logs()[0].RecordID)
	require.Equal(t, []string{"deal:" + deal}, p.Bindings(p.Logs()[0].ID), "not on the former record any more")
}

func TestTheRecordingFailsAlone(t *testing.T) {
	status := http.StatusBadGateway
	p := newPortal(t, bitrix24test.Options{Recording: func(string) int { return status }})
	a := p.app(t)
	w := p.onContact(recorded(answered("call-1")))
	failed := a.Write(t.Context(), []crm.Write{w})[0]
	e := kind(t, crm.KindTransient, failed.Err)
	require.Equal(t, "attach recording", e.Op)
	require.Contains(t, e.Message, "502")
	require.Equal(t, failed.LogID, p.Logs()[0].ID, "the call stands")

	status = http.StatusOK
	w = next(w, failed)
	write(t, a, w)
	require.Equal(t, w.Call.RecordingURL, p.Logs()[0].RecordingURL)
	require.Equal(t, 1, p.Commands()["telephony.externalcall.register"])
	require.Equal(t, 1, p.Commands()["telephony.externalcall.finish"])
}

func TestARecordingThatNobodyMayFetch(t *testing.T) {
	p := newPortal(t, bitrix24test.Options{})
	w := p.onContact(answered("call-1"))
	w.Call.RecordingURL = "https://10.0.0.5:1777/a.mp3"
	failed := p.app(t).Write(t.Context(), []crm.Write{w})[0]
	require.Contains(t, kind(t, crm.KindInvalid, failed.Err).Message, "non-public")
	require.NotEmpty(t, failed.LogID)
}

func TestOneBadCallAmongMany(t *testing.T) {
	p := newPortal(t, bitrix24test.Options{})
	p.Refuse("call-42", "Unsupported phone number format")
	var writes []crm.Write
	for i := range 100 {
		writes = append(writes, p.onContact(recorded(answered("call-"+string('0'+rune(i/10))+string('0'+rune(i%10))))))
	}
	for i, w := range p.app(t).Write(t.Context(), writes) {
		if i == 42 {
			require.Contains(t, kind(t, crm.KindInvalid, w.Err).Message, "Unsupported phone number format")
			require.Empty(t, w.LogID)
			continue
		}
		require.NoError(t, w.Err)
	}
	require.Len(t, p.Logs(), 99)
	require.Equal(t, 7, p.Requests()["write"], "16 calls of three commands in a request of 50")
}

// TestStepsAreNotRepeated: whatever step fails, the next write begins with it.
func TestStepsAreNotRepeated(t *testing.T) {
	for _, step := range []string{
		"telephony.externalcall.register", "telephony.externalcall.finish", "crm.activity.binding.add",
		"telephony.externalcall.attachrecord",
	} {
		t.Run(step, func(t *testing.T) {
			p := newPortal(t, bitrix24test.Options{})
			deal := p.AddRecord("deal", "T-1001", "")
			w := crm.Write{Call: recorded(answered("call-1")), Record: &crm.Record{Object: "deal", ID: deal}, Owner: "1"}
			p.Block(step, time.Now().Add(3*time.Minute))
			failed := p.app(t).Write(t.Context(), []crm.Write{w})[0]
			e := kind(t, crm.KindThrottled, failed.Err)
			require.InDelta(t, 180, e.RetryAfter.Seconds(), 5, "as operating_reset_at says")

			p.Block(step, time.Time{})
			write(t, p.app(t), next(w, failed))
			require.Len(t, p.Logs(), 1)
			require.Equal(t, deal, p.Logs()[0].RecordID)
			require.NotEmpty(t, p.Logs()[0].RecordingURL)
			require.Equal(t, 1, p.registrations(step))
		})
	}
}

// registrations returns how many calls were registered, but for those that a blocked register refused.
func (p *portal) registrations(blocked string) int {
	n := p.Commands()["telephony.externalcall.register"]
	if blocked == "telephony.externalcall.register" {
		n--
	}
	return n
}

// TestALostAnswerMakesNoTwin: the statistics say what was done, and the rest is done then.
func TestALostAnswerMakesNoTwin(t *testing.T) {
	p := newPortal(t, bitrix24test.Options{})
	server := crmtest.NewServer(t, p.CRM)
	a := newAdapter(t, appConfig(server.URL, p.dir), nil)
	deal := p.AddRecord("deal", "T-1001", "")
	w := crm.Write{Call: answered("call-1"), Record: &crm.Record{Object: "deal", ID: deal}, Owner: "1"}
	require.Empty(t, a.Find(t.Context(), []crm.Lookup{{Object: "contact", TransactionID: "none"}})[0].Records)
	server.Inject(crmtest.Lose())
	failed := a.Write(t.Context(), []crm.Write{w})[0]
	kind(t, crm.KindInDoubt, failed.Err)
	server.Inject(nil)

	found := a.FindLogs(t.Context(), []call.Call{w.Call})
	require.NoError(t, found[0].Err)
	w = next(w, failed)
	w.LogID, w.Call = found[0].LogID, recorded(w.Call)
	write(t, a, w)
	require.Len(t, p.Logs(), 1)
	require.Equal(t, w.Call.RecordingURL, p.Logs()[0].RecordingURL)
	require.Equal(t, deal, p.Logs()[0].RecordID)
}

// TestAFinishThatWasDone: its answer got lost after the registration was kept, so the progress knows less than the CRM.
func TestAFinishThatWasDone(t *testing.T) {
	p := newPortal(t, bitrix24test.Options{})
	w := p.onContact(answered("call-1"))
	a := p.app(t)
	written := write(t, a, w)[0]
	before := w
	before.Progress = api.Progress{"call": written.LogID}.Bytes()
	failed := a.Write(t.Context(), []crm.Write{before})[0]
	kind(t, crm.KindInDoubt, failed.Err)
	require.Empty(t, failed.LogID)
	require.JSONEq(t, "{}", string(failed.Progress), "the registration is not to be tried again")
	require.Equal(t, written.LogID, a.FindLogs(t.Context(), []call.Call{w.Call})[0].LogID)
	require.Len(t, p.Logs(), 1)
}

func TestACallThatDoesNotShowOnItsRecord(t *testing.T) {
	p := newPortal(t, bitrix24test.Options{})
	w := p.onContact(answered("call-1"))
	p.DeleteRecord(w.Record.ID)
	a := p.app(t)
	failed := a.Write(t.Context(), []crm.Write{w})[0]
	require.Contains(t, kind(t, crm.KindInvalid, failed.Err).Message, "Owner of the activity is not found")
	require.NotEmpty(t, failed.LogID)
	again := a.Write(t.Context(), []crm.Write{next(w, failed)})[0]
	kind(t, crm.KindInvalid, again.Err)
}

func TestWhoHadTheCall(t *testing.T) {
	for name, test := range map[string]struct {
		change func(p *portal, w *crm.Write)
		want   func(p *portal) string
	}{
		"the user who is known": {
			func(*portal, *crm.Write) {}, func(p *portal) string { return p.AddUser("an.nguyen@example.com") },
		},
		"nobody is known": {
			func(_ *portal, w *crm.Write) { w.Owner = "" }, func(*portal) string { return "1" },
		},
		"nobody took it": {
			func(p *portal, w *crm.Write) {
				w.Owner, w.Call.Agent, w.Call.Extension = "", "", ""
				w.Record.Owner = p.AddUser("owner@example.com")
			},
			func(p *portal) string { return p.AddUser("owner@example.com") },
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPortal(t, bitrix24test.Options{})
			w := p.onContact(answered("call-1"))
			test.change(p, &w)
			write(t, p.app(t), w)
			require.Equal(t, test.want(p), p.Logs()[0].Owner)
		})
	}
}

func TestWithoutADefaultUserTheExtensionTells(t *testing.T) {
	p := newPortal(t, bitrix24test.Options{})
	cfg := appConfig(p.server.URL, p.dir)
	cfg.DefaultUser = ""
	a := newAdapter(t, cfg, nil)
	w := p.onContact(answered("call-1"))
	w.Owner = ""
	kind(t, crm.KindInvalid, a.Write(t.Context(), []crm.Write{w})[0].Err)
	user := p.AddUser("101")
	write(t, a, w)
	require.Equal(t, user, p.Logs()[0].Owner)

	w.Call.Extension = ""
	e := kind(t, crm.KindInvalid, a.Write(t.Context(), []crm.Write{w})[0].Err)
	require.Contains(t, e.Message, "default_user")
}

func TestTextsFromOutsideAreNotReplaced(t *testing.T) {
	p := newPortal(t, bitrix24test.Options{})
	c := answered("$result[a000000][CALL_ID]")
	a := p.app(t)
	written := write(t, a, p.onContact(c))[0]
	require.Equal(t, "$ result[a000000][CALL_ID]", p.Logs()[0].CallID)
	require.Equal(t, written.LogID, a.FindLogs(t.Context(), []call.Call{c})[0].LogID)
}

func TestABacklogTakesFewRequests(t *testing.T) {
	p := newPortal(t, bitrix24test.Options{})
	a := p.app(t)
	calls := a.Traits().WriteBatch
	byID, byPhone := make([]crm.Lookup, 0, calls), make([]crm.Lookup, 0, calls)
	var writes []crm.Write
	for i := range calls {
		c := recorded(answered("call-" + strings.Repeat("x", i)))
		c.TransactionID, c.Customer = c.ID, call.ParseNumber("09123456"+string('0'+rune(i/10))+string('0'+rune(i%10)), "VN")
		w := p.onContact(c)
		writes = append(writes, w)
		byID = append(byID, crm.Lookup{Object: "contact", TransactionID: c.ID})
		byPhone = append(byPhone, crm.Lookup{Object: "contact", Phone: c.Customer})
	}
	for _, lookups := range [][]crm.Lookup{byID, byPhone} {
		for i, f := range a.Find(t.Context(), lookups) {
			require.NoError(t, f.Err)
			require.Len(t, f.Records, 1)
			require.Equal(t, writes[i].Record.ID, f.Records[0].ID)
		}
	}
	write(t, a, writes...)
	requests := p.Requests()
	t.Logf("%d calls: %v", calls, requests)
	require.LessOrEqual(t, float64(requests["find"]+requests["write"]), 0.1*float64(calls))
}
