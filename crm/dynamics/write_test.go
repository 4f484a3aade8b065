package dynamics_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/crm/crmtest"
	"github.com/crmsyncd/crmsyncd/crm/dynamics"
	"github.com/crmsyncd/crmsyncd/crm/dynamics/dynamicstest"
)

// many returns writes of calls that ended, unlinked.
func many(n int) []crm.Write {
	writes := make([]crm.Write, n)
	for i := range writes {
		writes[i] = crm.Write{Call: ended(fmt.Sprintf("call-%03d", i))}
	}
	return writes
}

// TestBacklog: a hundred calls of a campaign take two requests.
func TestBacklog(t *testing.T) {
	b := newBench(t, dynamicstest.Options{})
	lookups, writes := make([]crm.Lookup, 100), many(100)
	for i := range lookups {
		lookups[i] = crm.Lookup{Object: "contact", TransactionID: fmt.Sprintf("T-2026-03-01-%036d", i)}
		b.crm.AddRecord("contact", lookups[i].TransactionID, "+84912345678")
	}
	for i, found := range b.Find(t.Context(), lookups) {
		require.NoError(t, found.Err)
		require.Len(t, found.Records, 1)
		writes[i].Record = &found.Records[0]
	}
	for _, w := range b.Write(t.Context(), writes) {
		require.NoError(t, w.Err)
	}
	require.Len(t, b.crm.Logs(), 100)
	require.Equal(t, map[string]int{"token": 1, "find": 1, "write": 1}, b.crm.Requests())
}

func TestCompletion(t *testing.T) {
	b := newBench(t, dynamicstest.Options{})
	w := crm.Write{Call: running("call-1")}
	first := b.one(t, w)
	require.NoError(t, first.Err)
	require.Empty(t, first.Progress)
	require.EqualValues(t, 0, b.crm.Value(first.LogID, "statecode"))

	w.LogID, w.Call = first.LogID, ended("call-1")
	second := b.one(t, w)
	require.NoError(t, second.Err)
	require.JSONEq(t, `{"closed":"1"}`, string(second.Progress))
	require.EqualValues(t, 1, b.crm.Value(first.LogID, "statecode"))
	require.EqualValues(t, 4, b.crm.Value(first.LogID, "statuscode"))
	require.EqualValues(t, 2, b.crm.Value(first.LogID, "actualdurationminutes"), "90 seconds are two minutes")

	w.Progress, w.Call = second.Progress, recorded("call-1")
	require.NoError(t, b.one(t, w).Err)
	require.EqualValues(t, 1, b.crm.Value(first.LogID, "statecode"), "completed again")
	require.Equal(t, w.Call.RecordingURL, b.crm.Logs()[0].RecordingURL)
	require.Equal(t, 3, b.crm.Requests()["write"])
}

// TestCompletedMeanwhile: nothing is known of the row, but it is completed.
func TestCompletedMeanwhile(t *testing.T) {
	for name, state := range map[string][2]int64{"completed": {1, 2}, "cancelled": {2, 3}, "by us": {1, 4}} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, dynamicstest.Options{})
			id := b.one(t, crm.Write{Call: running("call-1")}).LogID
			b.crm.Set(id, "statecode", state[0])
			b.crm.Set(id, "statuscode", state[1])
			for _, w := range []crm.Write{{Call: recorded("call-1")}, {Call: recorded("call-1"), LogID: id}} {
				written := b.one(t, w)
				require.NoError(t, written.Err)
				require.Equal(t, id, written.LogID)
				require.EqualValues(t, 1, b.crm.Value(id, "statecode"))
			}
			require.Equal(t, recorded("").RecordingURL, b.crm.Logs()[0].RecordingURL)
		})
	}
}

// TestAtomic: what cannot be written leaves nothing behind, and a row that was completed stays completed.
func TestAtomic(t *testing.T) {
	b := newBench(t, dynamicstest.Options{}, ownColumns)
	b.crm.Refuse("call-1", "Chưa nhập kết quả")
	written := b.one(t, crm.Write{Call: ended("call-1")})
	require.Equal(t, "invalid", kindOf(written.Err))
	require.ErrorContains(t, written.Err, "Chưa nhập kết quả")
	require.Empty(t, written.LogID)
	require.Empty(t, b.crm.Logs())

	b.crm.Refuse("call-1", "")
	written = b.one(t, crm.Write{Call: ended("call-1")})
	gone := crm.Write{
		Call: recorded("call-1"), LogID: written.LogID, Progress: written.Progress,
		Record: &crm.Record{Object: "contact", ID: missing},
	}
	require.Equal(t, "gone", kindOf(b.one(t, gone).Err))
	require.EqualValues(t, 1, b.crm.Value(written.LogID, "statecode"))

	b.crm.Delete(written.LogID)
	gone.Record = nil
	require.Equal(t, "gone", kindOf(b.one(t, gone).Err))
	require.Empty(t, b.crm.Logs(), "a deleted row does not come back empty")
	gone.LogID = "" // its progress may still be known
	require.Equal(t, written.LogID, b.one(t, gone).LogID, "only as a new one")
}

func TestWrongIDs(t *testing.T) {
	b := newBench(t, dynamicstest.Options{})
	for _, w := range []crm.Write{
		{Call: ended("c"), Owner: "an.nguyen"},
		{Call: ended("c"), LogID: "1)/x("},
		{Call: ended("c"), Record: &crm.Record{Object: "contact", ID: "../leads"}},
	} {
		require.Equal(t, "invalid", kindOf(b.one(t, w).Err))
	}
	require.Zero(t, b.server.Requests())

	disabled := b.crm.AddUser("left@acme.com")
	b.crm.Set(disabled, "isdisabled", true)
	require.Equal(t, "forbidden", kindOf(b.one(t, crm.Write{Call: ended("c"), Owner: disabled}).Err))
}

// TestStopsAtErrors: where the preference continue-on-error does nothing, the bad call still fails alone.
func TestStopsAtErrors(t *testing.T) {
	b := newBench(t, dynamicstest.Options{StopsAtErrors: true})
	b.crm.Refuse("call-005", "the queue is closed")
	for i, w := range b.Write(t.Context(), many(20)) {
		if i == 5 {
			require.Equal(t, "invalid", kindOf(w.Err))
			require.ErrorContains(t, w.Err, "the queue is closed")
			continue
		}
		require.NoError(t, w.Err)
	}
	require.Len(t, b.crm.Logs(), 19)
}

// TestThrottledMidway: a batch that is throttled from some call on, and the batches after it.
func TestThrottledMidway(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	b := newBench(t, dynamicstest.Options{Limit: 2, Now: clock}, func(cfg *dynamics.Config) {
		cfg.Batch, cfg.Concurrency = 10, 1
	})
	written := b.Write(t.Context(), many(50))
	for i, w := range written {
		require.Equal(t, i < 20, w.Err == nil)
		if w.Err != nil {
			require.Equal(t, "throttled", kindOf(w.Err))
			require.Equal(t, 5*time.Minute, crm.Classify(w.Err).RetryAfter)
		}
	}
	require.Equal(t, 3, b.crm.Requests()["write"])
	now = now.Add(5 * time.Minute)
	require.NoError(t, b.one(t, many(50)[49]).Err)

	b = newBench(t, dynamicstest.Options{}, func(cfg *dynamics.Config) { cfg.Batch, cfg.Concurrency = 1, 1 })
	require.NoError(t, b.one(t, crm.Write{Call: ended("warm up")}).Err)
	b.server.Inject(crmtest.Say(dynamicstest.InBatch(429, "0x80072326", "Number of concurrent requests")))
	for _, w := range b.Write(t.Context(), many(30)) {
		require.Equal(t, "throttled", kindOf(w.Err))
	}
	require.Equal(t, 3, b.server.Requests(), "the others are not tried")
}

// TestToken: tokens are renewed by the clock, and once more when one is refused.
func TestToken(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	b := newBench(t, dynamicstest.Options{Now: func() time.Time { return now }})
	refused := 0
	b.server.Inject(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		seen := &status{ResponseWriter: w}
		next.ServeHTTP(seen, r)
		if seen.code == http.StatusUnauthorized {
			refused++
		}
	})
	for range 3 {
		require.NoError(t, b.one(t, crm.Write{Call: ended("c")}).Err)
		now = now.Add(59*time.Minute + 55*time.Second) // a few seconds before its end
	}
	require.Equal(t, 3, b.crm.Requests()["token"])
	require.Zero(t, refused)
	b.crm.EndSessions()
	require.NoError(t, b.one(t, crm.Write{Call: ended("c")}).Err)
}

// status notes the status of an answer.
type status struct {
	http.ResponseWriter

	code int
}

func (s *status) WriteHeader(code int) {
	s.code = code
	s.ResponseWriter.WriteHeader(code)
}

func TestDryRun(t *testing.T) {
	dry := &api.DryRun{}
	b := newBenchWith(t, dynamicstest.Options{}, api.Options{DryRun: dry})
	for _, w := range b.Write(t.Context(), many(3)) {
		require.NoError(t, w.Err)
		require.NotEmpty(t, w.LogID)
	}
	require.Empty(t, b.crm.Logs())
	require.Len(t, dry.Requests(), 1)
	require.Contains(t, dry.Requests()[0].Body, "PATCH /api/data/v9.2/phonecalls(")
}

// TestWeather: answers get lost, requests fail and are throttled; every call stands once in the end, completed, with
// its recording.
func TestWeather(t *testing.T) {
	b := newBench(t, dynamicstest.Options{})
	b.server.Endure(crmtest.Weather{
		Seed: 7, Lose: 0.3, Fail: 0.15, Throttle: 0.1, Throttled: dynamicstest.Throttled(0), Exempt: forToken,
	})
	writes := many(40)
	for i := range writes {
		writes[i].Call = running(writes[i].Call.ID)
	}
	for _, state := range []func(string) call.Call{running, ended, recorded} {
		for i := range writes {
			writes[i].Call = state(writes[i].Call.ID)
		}
		for left := writes; len(left) > 0; {
			var failed []crm.Write
			for i, written := range b.Write(t.Context(), left) {
				if written.Err != nil {
					failed = append(failed, left[i])
					continue
				}
				for k := range writes {
					if writes[k].Call.ID == left[i].Call.ID {
						writes[k].LogID, writes[k].Progress = written.LogID, written.Progress
					}
				}
			}
			left = failed
		}
	}
	b.server.Endure(crmtest.Weather{})
	logs := b.crm.Logs()
	require.Len(t, logs, len(writes))
	for _, log := range logs {
		require.Equal(t, recorded("").RecordingURL, log.RecordingURL)
		require.EqualValues(t, 1, b.crm.Value(log.ID, "statecode"))
	}
}

func TestOddAnswersToABatch(t *testing.T) {
	multipart := http.Header{"Content-Type": {"multipart/mixed; boundary=b"}}
	part := "--b\r\nContent-Type: application/http\r\n\r\n"
	for name, answer := range map[string]crmtest.Answer{
		"no parts":    {Status: 200, Header: multipart, Body: "--b--\r\n"},
		"no HTTP":     {Status: 200, Header: multipart, Body: part + "hello\r\n--b--\r\n"},
		"no end":      {Status: 200, Header: multipart, Body: part + "HTTP/1.1 204 No Content\r\n"},
		"other part":  {Status: 200, Header: multipart, Body: "--b\r\nContent-Type: text/html\r\n\r\nx\r\n--b--\r\n"},
		"no boundary": {Status: 200, Header: http.Header{"Content-Type": {"multipart/mixed"}}, Body: "--b--"},
		"JSON":        {Status: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: "{}"},
		"empty change set": {
			Status: 200, Header: multipart,
			Body: "--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c--\r\n--b--\r\n",
		},
		"redirect": {Status: 200, Header: multipart, Body: part + "HTTP/1.1 302 Found\r\n\r\n\r\n--b--\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, dynamicstest.Options{})
			require.NoError(t, b.one(t, crm.Write{Call: ended("warm up")}).Err)
			b.server.Inject(crmtest.Say(answer))
			require.Equal(t, "transient", kindOf(b.one(t, crm.Write{Call: ended("c")}).Err))
		})
	}
}
