package zoho_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/crm/crmtest"
	"github.com/crmsyncd/crmsyncd/crm/zoho"
	"github.com/crmsyncd/crmsyncd/crm/zoho/zohotest"
)

// many returns n writes of new calls.
func many(n int) []crm.Write {
	writes := make([]crm.Write, n)
	for i := range writes {
		writes[i] = crm.Write{Call: ended(fmt.Sprintf("call-%04d", i))}
	}
	return writes
}

func TestOneBadCallFailsAlone(t *testing.T) {
	for name, change := range map[string]func(*zoho.Config){"upsert": func(*zoho.Config) {}, "insert": inserting} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, zohotest.Options{}, change)
			b.account.Refuse("call-0042", "Chưa nhập mục đích cuộc gọi cho 0912345678")
			for i, w := range b.Write(t.Context(), many(150)) {
				if i != 42 {
					require.NoError(t, w.Err)
					continue
				}
				require.Equal(t, "invalid", kindOf(w.Err))
				require.ErrorContains(t, w.Err, "INVALID_DATA: Chưa nhập mục đích cuộc gọi cho ********78")
			}
			require.Len(t, b.account.Logs(), 149)
			require.Equal(t, 2, b.account.Requests()["write"])
		})
	}
}

// TestWhatPeopleChangedStays: an update sends what differs from what was last sent, and nothing is sent for nothing.
func TestWhatPeopleChangedStays(t *testing.T) {
	b := newBench(t, zohotest.Options{FreezeNames: true})
	contact := b.account.AddRecord("Contacts", "T-1001", "")
	w := crm.Write{Call: ended("c1"), Record: &crm.Record{Object: "Contacts", ID: contact}}
	first := b.write(t, w)
	require.NoError(t, first.Err)
	b.account.Set(first.LogID, "Subject", "Gọi lại thứ Hai")
	w.LogID, w.Progress = first.LogID, first.Progress
	before := b.account.Requests()["write"]
	require.NoError(t, b.write(t, w).Err)
	require.Equal(t, before, b.account.Requests()["write"])

	w.Call.RecordingURL = recordingURL
	second := b.write(t, w)
	require.NoError(t, second.Err)
	log := b.account.Logs()[0]
	require.Equal(t, "Gọi lại thứ Hai", log.Title)
	require.Equal(t, []string{recordingURL, contact}, []string{log.RecordingURL, log.RecordID})

	lead := b.account.AddRecord("Leads", "T-1001", "")
	w.Record, w.Progress = &crm.Record{Object: "Leads", ID: lead}, second.Progress
	require.NoError(t, b.write(t, w).Err)
	require.Nil(t, b.account.Value(first.LogID, "Who_Id"), "it must not stand with two customers")
	require.Equal(t, lead, b.account.Logs()[0].RecordID)
}

// TestCallThatWasWrittenBeforeItsEnd gets its duration once that is known, and what Zoho has frozen is done without.
func TestCallThatWasWrittenBeforeItsEnd(t *testing.T) {
	b := newBench(t, zohotest.Options{})
	running := ended("c1")
	running.State, running.End, running.Talk = call.Answered, time.Time{}, call.Seconds{}
	first := b.write(t, crm.Write{Call: running})
	require.NoError(t, first.Err)
	require.Zero(t, b.account.Logs()[0].Seconds)
	w := crm.Write{Call: ended("c1"), LogID: first.LogID, Progress: first.Progress}
	w.Call.RecordingURL = recordingURL

	refusing := newBench(t, zohotest.Options{})
	refusing.server.Inject(func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method != http.MethodPut {
			next.ServeHTTP(rw, r)
			return
		}
		refusing.server.Inject(nil)
		crmtest.Say(zohotest.Item("INVALID_DATA", "frozen", map[string]any{"api_name": "Call_Duration"}))(rw, r, next)
	})
	of := refusing.write(t, crm.Write{Call: running})
	require.NoError(t, of.Err)
	frozen := w
	frozen.LogID, frozen.Progress = of.LogID, of.Progress
	require.NoError(t, refusing.write(t, frozen).Err)
	require.Equal(t, recordingURL, refusing.account.Logs()[0].RecordingURL)
	require.Zero(t, refusing.account.Logs()[0].Seconds)

	require.NoError(t, b.write(t, w).Err)
	require.Equal(t, int64(90), b.account.Logs()[0].Seconds)
}

// TestRecordingThatDoesNotFit stands in the text.
func TestRecordingThatDoesNotFit(t *testing.T) {
	b := newBench(t, zohotest.Options{RecordingLength: 40})
	for i, address := range []string{recordingURL, "https://media.example.com/" + strings.Repeat("a", 300)} {
		w := crm.Write{Call: ended(fmt.Sprint("c", i))}
		w.Call.RecordingURL = address
		written := b.write(t, w)
		require.NoError(t, written.Err)
		require.Equal(t, address, b.account.Logs()[i].RecordingURL)
		require.Nil(t, b.account.Value(written.LogID, zohotest.Recording))
	}
}

func TestWhatOfARecordIsRefused(t *testing.T) {
	b := newBench(t, zohotest.Options{})
	contact, lead := b.account.AddRecord("Contacts", "", ""), b.account.AddRecord("Leads", "", "")
	b.account.Delete(contact)
	b.account.Delete(lead)
	known := b.write(t, many(1)[0])
	require.NoError(t, known.Err)
	for name, test := range map[string]struct {
		write crm.Write
		kind  string
	}{
		"contact is deleted": {crm.Write{Call: ended("a"), Record: &crm.Record{Object: "Contacts", ID: contact}}, "gone"},
		"lead is deleted":    {crm.Write{Call: ended("b"), Record: &crm.Record{Object: "Leads", ID: lead}}, "gone"},
		"update with it": {
			crm.Write{Call: ended("call-0000"), LogID: known.LogID, Record: &crm.Record{Object: "Leads", ID: lead}}, "gone",
		},
		"no such user": {crm.Write{Call: ended("c"), Owner: "5725767000099999999"}, "invalid"},
		"no such log":  {crm.Write{Call: ended("d"), LogID: "12345"}, "gone"},
	} {
		t.Run(name, func(t *testing.T) {
			written := b.write(t, test.write)
			require.Equal(t, test.kind, kindOf(written.Err), "%v", written.Err)
			require.Equal(t, test.write.LogID, written.LogID)
		})
	}
	require.Len(t, b.account.Logs(), 1)
}

// TestExistingLogs: an insert that meets the unique field says which call there is, although no query shows it yet.
func TestExistingLogs(t *testing.T) {
	b := newBench(t, zohotest.Options{NoUpsert: true, SearchLag: time.Hour}, inserting)
	first := b.write(t, many(1)[0])
	require.NoError(t, first.Err)
	again := b.write(t, many(1)[0])
	require.Equal(t, "exists", kindOf(again.Err))
	require.Equal(t, first.LogID, again.LogID)
	require.Len(t, b.account.Logs(), 1)
}

// TestRequestsOfABacklog: calls of one module cost one query for 50 and one write for 100.
func TestRequestsOfABacklog(t *testing.T) {
	b := newBench(t, zohotest.Options{})
	const calls = 200
	lookups, writes := make([]crm.Lookup, calls), many(calls)
	for i := range lookups {
		lookups[i] = crm.Lookup{Object: "Contacts", TransactionID: fmt.Sprintf("ALOHUB_3432323%04d", i)}
		b.account.AddRecord("Contacts", lookups[i].TransactionID, "")
	}
	for i, found := range b.Find(t.Context(), lookups) {
		require.NoError(t, found.Err)
		require.Len(t, found.Records, 1)
		writes[i].Record = &found.Records[0]
	}
	for _, w := range b.Write(t.Context(), writes) {
		require.NoError(t, w.Err)
	}
	require.Equal(t, map[string]int{"token": 1, "find": 4, "write": 2}, b.account.Requests())
}

// TestStrangeResults: answers that make no sense are never taken for success.
func TestStrangeResults(t *testing.T) {
	for body, kinds := range map[string][2]string{
		`{}`: {"transient", "in_doubt"}, `[]`: {"transient", "in_doubt"}, `{"data":[]}`: {"transient", "in_doubt"},
		`{"data":[{"code":"SUCCESS","details":{"id":"../x"}}]}`: {"transient", "in_doubt"},
		`{"data":[{"code":"SUCCESS","details":[]}]}`:            {"transient", "in_doubt"},
		`{"data":[{"details":{"id":"1"}}]}`:                     {"transient", "in_doubt"},
		`{"data":[{"code":"SUCCESS"},{"code":"SUCCESS"}]}`:      {"transient", "in_doubt"},
		`{"data":[{"code":"ODD","details":"odd"}]}`:             {"invalid", "invalid"},
	} {
		for i, change := range []func(*zoho.Config){func(*zoho.Config) {}, inserting} {
			b := newBench(t, zohotest.Options{}, change)
			require.NoError(t, b.write(t, crm.Write{Call: ended("token")}).Err)
			b.server.Inject(crmtest.Say(crmtest.Answer{Status: http.StatusOK, Body: body}))
			written := b.write(t, many(1)[0])
			require.Equal(t, kinds[i], kindOf(written.Err), body)
			require.Empty(t, written.LogID)
		}
	}
}

func TestDryRun(t *testing.T) {
	account := zohotest.New(zohotest.Options{})
	o := options()
	o.DryRun = &api.DryRun{}
	a := newAdapter(t, configuration(crmtest.NewServer(t, account).URL), o)
	for _, w := range a.Write(t.Context(), many(2)) {
		require.NoError(t, w.Err)
	}
	require.Empty(t, account.Logs())
	require.Len(t, o.DryRun.Requests(), 1)
	require.Contains(t, o.DryRun.Requests()[0].Body, "call-0001")
}

// TestFrozenFieldsOfACallThatIsThere: where an upsert may not name them, the call is looked up; that the look-up fails
// parks no call.
func TestFrozenFieldsOfACallThatIsThere(t *testing.T) {
	b := newBench(t, zohotest.Options{FreezeNames: true})
	first := b.write(t, many(1)[0])
	require.NoError(t, first.Err)
	again := b.write(t, many(1)[0])
	require.NoError(t, again.Err)
	require.Equal(t, first.LogID, again.LogID)
	b.server.Inject(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.URL.Path == "/crm/v8/coql" {
			crmtest.Drop()(w, r, next)
		}
		next.ServeHTTP(w, r)
	})
	require.Equal(t, "transient", kindOf(b.write(t, many(1)[0]).Err))
	require.Len(t, b.account.Logs(), 1)
}
