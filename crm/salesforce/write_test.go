package salesforce_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/crm/crmtest"
	"github.com/crmsyncd/crmsyncd/crm/salesforce"
	"github.com/crmsyncd/crmsyncd/crm/salesforce/salesforcetest"
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
	for name, change := range map[string]func(*salesforce.Config){
		"upsert": func(*salesforce.Config) {}, "insert": inserting,
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, salesforcetest.Options{}, change)
			b.org.Refuse("call-0042", "Chưa nhập kết quả cuộc gọi cho 0912345678")
			writes := many(100)
			before := b.org.Requests()["write"]
			for i, w := range b.Write(t.Context(), writes) {
				if i != 42 {
					require.NoError(t, w.Err)
					require.NotEmpty(t, w.LogID)
					continue
				}
				require.Equal(t, "invalid", kindOf(w.Err))
				require.ErrorContains(t, w.Err, "FIELD_CUSTOM_VALIDATION_EXCEPTION: Chưa nhập kết quả cuộc gọi cho ")
				require.NotContains(t, w.Err.Error(), "0912345678")
			}
			require.Len(t, b.org.Logs(), 99)
			require.Equal(t, before+1, b.org.Requests()["write"])
		})
	}
}

// TestUnreadableCallFailsAlone: what the JSON reader of Salesforce refuses, it refuses for the whole request.
func TestUnreadableCallFailsAlone(t *testing.T) {
	b := newBench(t, salesforcetest.Options{}, func(cfg *salesforce.Config) {
		cfg.Text.Fields = map[string]string{salesforcetest.CallStart: `{{if eq .CallID "call-0007"}}yesterday{{end}}`}
	})
	written := b.Write(t.Context(), many(20))
	for i, w := range written {
		require.Equal(t, i == 7, w.Err != nil, "%d: %v", i, w.Err)
	}
	require.Equal(t, "invalid", kindOf(written[7].Err))
	require.ErrorContains(t, written[7].Err, "JSON_PARSER_ERROR")
	require.Len(t, b.org.Logs(), 19)
}

func TestNewAndKnownCallsInOneWrite(t *testing.T) {
	b := newBench(t, salesforcetest.Options{})
	writes := many(5)
	for i, w := range b.Write(t.Context(), writes[:3]) {
		writes[i].LogID = w.LogID
	}
	b.org.Delete(writes[1].LogID)
	before := b.org.Requests()["write"]
	written := b.Write(t.Context(), writes)
	require.Equal(t, before+2, b.org.Requests()["write"], "one for the new ones, one for the known ones")
	for i, w := range written {
		require.Equal(t, i == 1, w.Err != nil, "%d: %v", i, w.Err)
	}
	require.Equal(t, "gone", kindOf(written[1].Err))
	require.Equal(t, writes[0].LogID, written[0].LogID)
	require.Len(t, b.org.Logs(), 4)
}

// TestRepeatedUpsert: the Task is there, and its subtype cannot be written again.
func TestRepeatedUpsert(t *testing.T) {
	b := newBench(t, salesforcetest.Options{})
	first := b.Write(t.Context(), many(2))
	writes := many(3)
	writes[0].Call.RecordingURL = "https://media.example.com/a.mp3"
	before := b.org.Requests()["write"]
	for i, w := range b.Write(t.Context(), writes) {
		require.NoError(t, w.Err)
		if i < 2 {
			require.Equal(t, first[i].LogID, w.LogID)
		}
		require.Equal(t, "Call", b.org.Value(w.LogID, "TaskSubtype"))
	}
	require.Equal(t, before+2, b.org.Requests()["write"])
	require.Len(t, b.org.Logs(), 3)
	require.Equal(t, "https://media.example.com/a.mp3", b.org.Logs()[0].RecordingURL)
}

func TestRepeatedUpsertFails(t *testing.T) {
	b := newBench(t, salesforcetest.Options{})
	b.Write(t.Context(), many(1))
	sent := 0
	b.server.Inject(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if sent++; sent == 2 {
			crmtest.Say(salesforcetest.Throttled(time.Minute))(w, r, next)
			return
		}
		next.ServeHTTP(w, r)
	})
	written := b.Write(t.Context(), many(2))
	require.Equal(t, "throttled", kindOf(written[0].Err))
	require.NoError(t, written[1].Err, "what was written before stays written")
	require.NotEmpty(t, written[1].LogID)
}

func TestWhatOfARecordIsRefused(t *testing.T) {
	b := newBench(t, salesforcetest.Options{})
	gone := b.org.AddRecord("Contact", "", "")
	b.org.Delete(gone)
	inactive := b.org.AddUser("gone@acme.com")
	b.org.Set(inactive, "IsActive", false)
	known := b.Write(t.Context(), many(1))[0].LogID
	contact := func(id string) *crm.Record { return &crm.Record{Object: "Contact", ID: id} }
	for name, test := range map[string]struct {
		write crm.Write
		kind  string
	}{
		"contact is deleted":         {crm.Write{Call: ended("a"), Record: contact(gone)}, "gone"},
		"contact never was":          {crm.Write{Call: ended("b"), Record: contact("0035g00000ZZZZZEAV")}, "gone"},
		"contact id is none":         {crm.Write{Call: ended("c"), Record: contact("x/../y?")}, "gone"},
		"owner is inactive":          {crm.Write{Call: ended("d"), Owner: inactive}, "invalid"},
		"owner never was":            {crm.Write{Call: ended("e"), Owner: "0055g00000ZZZZZEAV"}, "invalid"},
		"owner id is none":           {crm.Write{Call: ended("f"), Owner: "7"}, "invalid"},
		"log id is none":             {crm.Write{Call: ended("g"), LogID: "12345"}, "gone"},
		"deleted contact, known log": {crm.Write{Call: ended("call-0000"), LogID: known, Record: contact(gone)}, "gone"},
	} {
		t.Run(name, func(t *testing.T) {
			written := b.Write(t.Context(), []crm.Write{test.write})[0]
			require.Equal(t, test.kind, kindOf(written.Err), "%v", written.Err)
			require.Equal(t, test.write.LogID, written.LogID)
		})
	}
	require.Len(t, b.org.Logs(), 1)
}

// TestExistingLogs: the answer to an insert that meets a unique field says which log there is.
func TestExistingLogs(t *testing.T) {
	b := newBench(t, salesforcetest.Options{}, func(cfg *salesforce.Config) { cfg.Tasks.Upsert = false })
	id := b.Write(t.Context(), many(1))[0].LogID
	again := b.Write(t.Context(), many(1))[0]
	require.Equal(t, "exists", kindOf(again.Err))
	require.Equal(t, id[:15], again.LogID, "the same record, in the form of 15 characters")
	require.NoError(t, b.Write(t.Context(), []crm.Write{{Call: ended("call-0000"), LogID: again.LogID}})[0].Err)
	require.Len(t, b.org.Logs(), 1)
}

func TestLongTexts(t *testing.T) {
	b := newBench(t, salesforcetest.Options{}, func(cfg *salesforce.Config) {
		cfg.Text.Title = strings.Repeat("Cuộc gọi 📞 ", 60)
		cfg.Text.Body = strings.Repeat("{{.Hotline}}", 200)
	})
	w := many(1)
	w[0].Call.Hotline = strings.Repeat("Đường dây nóng 📞 ", 20)
	written := b.Write(t.Context(), w)[0]
	require.NoError(t, written.Err)
	require.True(t, strings.HasSuffix(b.org.Logs()[0].Title, "…"))
	require.True(t, strings.HasSuffix(b.org.Logs()[0].Text, "…"))
}

func TestLongAddressStandsInTheText(t *testing.T) {
	b := newBench(t, salesforcetest.Options{}, func(cfg *salesforce.Config) {
		cfg.Tasks.RecordingField = salesforcetest.Recording
	})
	w := many(1)
	w[0].Call.RecordingURL = "https://media.example.com/" + strings.Repeat("a", 300)
	written := b.Write(t.Context(), w)[0]
	require.NoError(t, written.Err)
	require.Nil(t, b.org.Value(written.LogID, salesforcetest.Recording), "it does not fit the field")
	require.Equal(t, w[0].Call.RecordingURL, b.org.Logs()[0].RecordingURL)
}

// TestRequestsOfABacklog: 200 calls cost two requests when the first object has them all.
func TestRequestsOfABacklog(t *testing.T) {
	b := newBench(t, salesforcetest.Options{})
	const calls = 400
	lookups, writes := make([]crm.Lookup, calls), many(calls)
	for i := range lookups {
		lookups[i] = crm.Lookup{Object: "Contact", TransactionID: fmt.Sprintf("ALOHUB_34323234355%04d", i)}
		b.org.AddRecord("Contact", lookups[i].TransactionID, "")
	}
	for i, found := range b.Find(t.Context(), lookups) {
		require.NoError(t, found.Err)
		require.Len(t, found.Records, 1)
		writes[i].Record = &found.Records[0]
	}
	for _, w := range b.Write(t.Context(), writes) {
		require.NoError(t, w.Err)
	}
	require.Equal(t, 2, b.org.Requests()["find"])
	require.Equal(t, 2, b.org.Requests()["write"])
	require.Equal(t, 1, b.org.Requests()["token"])
}

// TestLagMakesNoTwin: a log that queries do not show yet is not made again by an upsert.
func TestLagMakesNoTwin(t *testing.T) {
	now := time.Now()
	b := newBench(t, salesforcetest.Options{SearchLag: time.Minute, Now: func() time.Time { return now }})
	b.server.Inject(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if forToken(r) {
			next.ServeHTTP(w, r)
			return
		}
		crmtest.Lose()(w, r, next)
	})
	w := many(1)
	require.Error(t, b.Write(t.Context(), w)[0].Err)
	b.server.Inject(nil)
	require.Equal(t, []crm.LogFound{{}}, b.FindLogs(t.Context(), []call.Call{w[0].Call}))
	written := b.Write(t.Context(), w)[0]
	require.NoError(t, written.Err)
	require.Len(t, b.org.Logs(), 1)
	now = now.Add(time.Minute)
	require.Equal(t, []crm.LogFound{{LogID: written.LogID}}, b.FindLogs(t.Context(), []call.Call{w[0].Call}))
}

func TestSessionEnds(t *testing.T) {
	b := newBench(t, salesforcetest.Options{})
	require.NoError(t, b.Write(t.Context(), many(1))[0].Err)
	b.org.EndSessions()
	require.NoError(t, b.Write(t.Context(), many(1))[0].Err)
	require.Equal(t, 2, b.org.Requests()["token"])
}

func TestDailyPool(t *testing.T) {
	b := newBench(t, salesforcetest.Options{DailyLimit: 2})
	written := b.Write(t.Context(), many(600))
	for i, w := range written {
		require.Equal(t, w.Err == nil, w.LogID != "", "%d", i)
	}
	require.Len(t, b.org.Logs(), 400)
	before := b.org.Requests()["write"]
	require.Equal(t, "quota", kindOf(b.Write(t.Context(), many(1))[0].Err))
	require.Equal(t, before, b.org.Requests()["write"], "nothing is sent while the pool is spent")
}

// TestAnItemBeginsARest: one record of a request that was taken says that the pool is spent.
func TestAnItemBeginsARest(t *testing.T) {
	b := newBench(t, salesforcetest.Options{})
	require.NoError(t, b.Write(t.Context(), many(1))[0].Err)
	b.server.Inject(crmtest.Say(crmtest.Answer{
		Status: 200, Body: `[{"success":false,"errors":[{"statusCode":"REQUEST_LIMIT_EXCEEDED","message":"no more"}]}]`,
	}))
	require.Equal(t, "quota", kindOf(b.Write(t.Context(), many(1))[0].Err))
	b.server.Inject(nil)
	lookups := []crm.Lookup{{Object: "Contact", TransactionID: "T-1"}}
	require.Equal(t, "quota", kindOf(b.Find(t.Context(), lookups)[0].Err))
	require.Zero(t, b.org.Requests()["find"], "nothing is sent while the pool is spent")
}

// TestStrangeResults: answers that make no sense are never taken for success.
func TestStrangeResults(t *testing.T) {
	for body, kinds := range map[string][2]string{
		`[]`: {"transient", "in_doubt"}, `{}`: {"transient", "in_doubt"}, `null`: {"transient", "in_doubt"},
		`[{"success":true}]`:                       {"transient", "in_doubt"},
		`[{"success":true,"id":"../x"}]`:           {"transient", "in_doubt"},
		`[{"success":false,"errors":[]}]`:          {"transient", "in_doubt"},
		`[{"id":"00T5g00000ZZZZZEAV"}]`:            {"transient", "in_doubt"},
		`[{"success":true,"id":7}]`:                {"transient", "in_doubt"},
		`[{"success":true,"errors":[],"id":""}]`:   {"transient", "in_doubt"},
		`[{"success":false,"errors":[{"x":"y"}]}]`: {"invalid", "invalid"},
	} {
		for i, change := range []func(*salesforce.Config){func(*salesforce.Config) {}, inserting} {
			b := newBench(t, salesforcetest.Options{}, change)
			require.NoError(t, b.Write(t.Context(), []crm.Write{{Call: ended("token")}})[0].Err)
			b.server.Inject(crmtest.Say(crmtest.Answer{Status: http.StatusOK, Body: body}))
			written := b.Write(t.Context(), many(1))[0]
			require.Equal(t, kinds[i], kindOf(written.Err), body)
			require.Empty(t, written.LogID)
		}
	}
}
