package getfly_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/crm/crmtest"
	"github.com/crmsyncd/crmsyncd/crm/getfly"
	"github.com/crmsyncd/crmsyncd/crm/getfly/getflytest"
	"github.com/crmsyncd/crmsyncd/outbox"
)

func missedCall(id string) call.Call {
	c := endedCall(id)
	c.Direction, c.Result, c.Status = call.Outbound, call.ResultMissed, "missed"
	c.Answer, c.Talk = time.Time{}, call.Seconds{}
	return c
}

// TestRequests holds what is sent, to the byte.
func TestRequests(t *testing.T) {
	recorded := endedCall("call-1")
	recorded.RecordingURL = recordingURL
	for name, test := range map[string]struct {
		write  crm.Write
		change func(*getfly.Config, *api.Options)
		want   string
	}{
		"answered inbound": {
			write: crm.Write{Call: recorded},
			want: `{"phone":"0912345678","extension":"101","uuid":"call-1","type":"inbound","time":"2026-03-02 00:30:00",` +
				`"duration":"90","status":"answered","recording":"` + recordingURL + `","secret":"getfly-secret"}`,
		},
		"missed outbound": {
			write: crm.Write{Call: missedCall("call-2"), Owner: "205"},
			want: `{"phone":"0912345678","extension":"205","uuid":"call-2","type":"outbound","time":"2026-03-02 00:30:00",` +
				`"duration":"0","status":"missed","secret":"getfly-secret"}`,
		},
		"everything set": {
			write: crm.Write{Call: missedCall("call-3")},
			change: func(cfg *getfly.Config, _ *api.Options) {
				cfg.TimeZone, cfg.ProviderCode, cfg.Statuses.Missed = "UTC", getflytest.ProviderCode, "no-answer"
			},
			want: `{"phone":"0912345678","extension":"101","uuid":"call-3","type":"outbound","time":"2026-03-01 17:30:00",` +
				`"duration":"0","status":"no-answer","provider_code":"ALOHUB","secret":"getfly-secret"}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			if test.change == nil {
				test.change = func(*getfly.Config, *api.Options) {}
			}
			needsCode := strings.Contains(test.want, "provider_code")
			b := newBench(t, getflytest.Options{NeedsProviderCode: needsCode}, test.change)
			var got string
			b.server.Inject(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				body, _ := io.ReadAll(r.Body)
				got = fmt.Sprintln(r.Method, r.URL.Path, r.Header.Get("Content-Type"), r.Header.Get("X-API-KEY"), string(body))
				r.Body = io.NopCloser(strings.NewReader(string(body)))
				next.ServeHTTP(w, r)
			})
			b.write(t, test.write)
			require.Equal(t, fmt.Sprintln("POST /api/v6.1/call_center/cdr application/json", getflytest.APIKey, test.want), got)
		})
	}
}

func TestPhone(t *testing.T) {
	for raw, want := range map[string]string{
		"+84 912 345 678": "0912345678", "0912.345.678": "0912345678", "+65 6123 4567": "+6561234567", "113": "113",
	} {
		b := newBench(t, getflytest.Options{})
		c := endedCall("call-1")
		c.Customer = call.ParseNumber(raw, "VN")
		customer := b.crm.AddRecord("", "", want)
		b.write(t, crm.Write{Call: c})
		require.Equal(t, customer, b.crm.Logs()[0].RecordID, "Getfly finds the customer")
	}
}

func TestWhatACallLacks(t *testing.T) {
	b := newBench(t, getflytest.Options{})
	for words, change := range map[string]func(*call.Call){
		"no extension": func(c *call.Call) { c.Extension = "" },
		"no number":    func(c *call.Call) { c.Customer = call.Number{} },
		"came in or":   func(c *call.Call) { c.Direction = call.DirectionUnknown },
	} {
		c := endedCall("call-1")
		change(&c)
		err := b.Write(t.Context(), []crm.Write{{Call: c}})[0].Err
		kind(t, crm.KindInvalid, err)
		require.ErrorContains(t, err, words)
	}
	require.Zero(t, b.crm.Requests()["write"])
}

func TestUsersAreExtensions(t *testing.T) {
	b := newBench(t, getflytest.Options{})
	require.Equal(t, []crm.UserFound{{}, {UserID: "101"}, {}, {}},
		b.FindUsers(t.Context(), []string{"an.nguyen", " 101 ", "", "x101"}))
	require.Zero(t, b.server.Requests())
}

// TestResend: what Getfly makes of a uuid that comes again decides; the test of the README finds it out.
func TestResend(t *testing.T) {
	for repeated, want := range map[getflytest.Repeated]struct {
		logs     int
		recorded bool
	}{
		getflytest.Replaces: {1, true}, getflytest.Ignores: {1, false}, getflytest.Doubles: {2, true},
	} {
		b := newBench(t, getflytest.Options{Repeated: repeated})
		w := b.write(t, crm.Write{Call: endedCall("call-1")})
		require.Equal(t, "call-1", w.LogID)
		b.write(t, w)
		require.Equal(t, 1, b.crm.Requests()["write"], "nothing new is not sent again")

		w.Call.RecordingURL = recordingURL
		b.write(t, w)
		logs := b.crm.Logs()
		require.Len(t, logs, want.logs)
		require.Equal(t, want.recorded, logs[len(logs)-1].RecordingURL != "")
	}
}

func TestWithoutResendNothingIsSentTwice(t *testing.T) {
	b := newBench(t, getflytest.Options{Repeated: getflytest.Doubles}, withoutResend)
	require.False(t, b.Traits().Upsert)
	w := b.write(t, crm.Write{Call: endedCall("call-1")})
	b.write(t, w)
	w.Call.RecordingURL = recordingURL
	err := b.Write(t.Context(), []crm.Write{w})[0].Err
	kind(t, crm.KindInvalid, err)
	require.ErrorContains(t, err, "by hand")
	for _, fault := range []crmtest.Fault{
		crmtest.Lose(), crmtest.Say(crmtest.Answer{Status: 502}), crmtest.Say(crmtest.Answer{Status: 200, Body: "<html>"}),
	} {
		b.server.Inject(fault)
		kind(t, crm.KindInDoubt, b.Write(t.Context(), []crm.Write{{Call: endedCall("call-2")}})[0].Err)
	}
	b.server.Inject(nil)
	found := b.FindLogs(t.Context(), []call.Call{endedCall("call-2")})[0]
	kind(t, crm.KindInvalid, found.Err)
	require.ErrorContains(t, found.Err, "look in Getfly")
	require.Len(t, b.crm.Logs(), 2)
}

func noCheckpoint(context.Context, ...outbox.Checkpoint) error { return nil }

// TestDelivery takes a call whose answer gets lost the whole way.
func TestDelivery(t *testing.T) {
	for resend, want := range map[bool]struct {
		kind   outbox.OutcomeKind
		writes int
	}{true: {outbox.Done, 2}, false: {outbox.Refused, 1}} {
		t.Run(fmt.Sprint("resend ", resend), func(t *testing.T) {
			b := newBench(t, getflytest.Options{}, func(cfg *getfly.Config, _ *api.Options) { cfg.Resend = resend })
			now := time.Date(2026, 3, 1, 18, 0, 0, 0, time.UTC)
			syncer, err := crm.NewSyncer(crm.Options{
				Adapter: b, Region: "VN", Now: func() time.Time { return now },
				Decode: func(body []byte) (call.Event, error) {
					c := endedCall(string(body))
					return call.Event{
						CallID: c.ID, Direction: c.Direction, Status: c.Status, CustomerNumber: c.Customer.Raw, Agent: c.Agent,
						Extension: c.Extension, Start: c.Start, Answer: c.Answer, End: c.End, RecordingURL: recordingURL,
					}, nil
				},
			})
			require.NoError(t, err)
			entry := outbox.Entry{Key: "call-1", Messages: []outbox.StoredMessage{{Seq: 1, At: now}}, Created: now, Since: now}
			entry.Messages[0].Body = []byte("call-1")
			deliver := func() outbox.Outcome {
				report := syncer.Deliver(t.Context(), []outbox.Entry{entry}, noCheckpoint)
				require.Len(t, report.Outcomes, 1)
				if receipt := report.Outcomes[0].Receipt; receipt != nil {
					entry.Receipt = receipt
				}
				return report.Outcomes[0]
			}
			b.server.Inject(crmtest.Lose())
			require.Equal(t, outbox.Failed, deliver().Kind)
			b.server.Inject(nil)
			now = now.Add(time.Minute)
			outcome := deliver()
			require.Equal(t, want.kind, outcome.Kind, outcome.Error)
			require.Equal(t, want.writes, b.crm.Requests()["write"])
			require.Len(t, b.crm.Logs(), 1)
			require.Equal(t, "101", b.crm.Logs()[0].Owner)
		})
	}
}

func TestDryRunChangesNothing(t *testing.T) {
	dry := &api.DryRun{}
	b := newBench(t, getflytest.Options{}, func(_ *getfly.Config, o *api.Options) { o.DryRun = dry })
	b.write(t, crm.Write{Call: endedCall("call-1")})
	require.Empty(t, b.crm.Logs())
	require.Len(t, dry.Requests(), 1)
	require.NotContains(t, fmt.Sprint(dry.Requests()), getflytest.Secret)
}
