package hubspot_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/crm/crmtest"
	"github.com/crmsyncd/crmsyncd/crm/hubspot"
	"github.com/crmsyncd/crmsyncd/crm/hubspot/hubspottest"
)

// clock returns a clock that stands.
func clock(at time.Time) func() time.Time { return func() time.Time { return at } }

// hundred returns writes of a hundred calls of a hundred contacts.
func (b *bench) hundred() []crm.Write {
	writes := make([]crm.Write, 100)
	for i := range writes {
		writes[i] = b.contact(answered(fmt.Sprintf("20260302-%026d", i)))
	}
	return writes
}

func TestRequestsOfABacklog(t *testing.T) {
	for name, change := range map[string]func(*hubspot.Config, *api.Options){"upsert": english, "create": creating} {
		b := newBench(t, hubspottest.Options{}, change)
		writes := b.hundred()
		lookups := make([]crm.Lookup, len(writes))
		for i, w := range writes {
			lookups[i] = crm.Lookup{Object: "contact", TransactionID: w.Call.TransactionID}
		}
		for i, found := range b.adapter.Find(t.Context(), lookups) {
			require.NoError(t, found.Err)
			require.Len(t, found.Records, 1)
			require.Equal(t, writes[i].Record.ID, found.Records[0].ID)
		}
		for _, w := range b.adapter.Write(t.Context(), writes) {
			require.NoError(t, w.Err)
		}
		require.Len(t, b.crm.Logs(), 100)
		t.Logf("%s: %d requests for 100 calls", name, len(b.took()))
		require.LessOrEqual(t, b.server.Requests(), 5)
	}
}

func TestOneBadCallOfAHundred(t *testing.T) {
	const words = "Property values were not valid: hs_call_title of 0912345678 is not liked"
	for name, test := range map[string]struct {
		options  hubspottest.Options
		change   func(*hubspot.Config, *api.Options)
		requests int
	}{
		"207":                {change: english, requests: 2},
		"all or nothing":     {hubspottest.Options{AllOrNothing: true}, english, 20},
		"create":             {hubspottest.Options{NoUniqueCalls: true}, creating, 1},
		"create all or none": {hubspottest.Options{NoUniqueCalls: true, AllOrNothing: true}, creating, 20},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, test.options, test.change)
			writes := b.hundred()
			b.crm.Refuse(writes[37].Call.ID, words)
			written := b.adapter.Write(t.Context(), writes)
			for i, w := range written {
				if i == 37 {
					e := classified(t, crm.KindInvalid, w.Err)
					require.Contains(t, e.Message, "is not liked")
					require.NotContains(t, w.Err.Error(), "0912345678")
					continue
				}
				require.NoError(t, w.Err)
			}
			require.Len(t, b.crm.Logs(), 99)
			for _, log := range b.crm.Logs() {
				i := slices.IndexFunc(writes, func(w crm.Write) bool { return w.Call.ID == log.CallID })
				require.Equal(t, writes[i].Record.ID, log.RecordID)
				require.Equal(t, written[i].LogID, log.ID)
			}
			require.LessOrEqual(t, b.server.Requests(), test.requests)

			b.crm.Refuse(writes[37].Call.ID, "")
			for i := range writes {
				writes[i] = again(writes[i], written[i])
			}
			require.NoError(t, b.adapter.Write(t.Context(), writes)[37].Err)
			require.Len(t, b.crm.Logs(), 100)
		})
	}
}

func TestBadUpdateAmongOthers(t *testing.T) {
	b := newBench(t, hubspottest.Options{})
	writes := []crm.Write{b.contact(answered("C-1")), b.contact(answered("C-2")), b.contact(answered("C-3"))}
	for i, w := range b.adapter.Write(t.Context(), writes) {
		require.NoError(t, w.Err)
		writes[i] = again(writes[i], w)
		writes[i].Call.RecordingURL = "https://media.example.com/" + writes[i].Call.ID
	}
	b.crm.Delete("call", writes[0].LogID)
	b.crm.Refuse("C-3", "no")
	written := b.adapter.Write(t.Context(), writes)
	requireKind(t, crm.KindGone, written[0].Err)
	require.NoError(t, written[1].Err)
	requireKind(t, crm.KindInvalid, written[2].Err)
}

// TestLaggingIndexMakesNoTwin: the answer to a write got lost, and the search does not show the call yet.
func TestLaggingIndexMakesNoTwin(t *testing.T) {
	b := newBench(t, hubspottest.Options{SearchLag: time.Hour})
	w := b.contact(answered("C-1"))
	b.server.Inject(crmtest.Lose())
	requireKind(t, crm.KindTransient, b.adapter.Write(t.Context(), []crm.Write{w})[0].Err)
	b.server.Inject(nil)
	require.True(t, b.adapter.Traits().Upsert)
	b.write(t, w)
	require.Len(t, b.crm.Logs(), 1)
	require.Equal(t, w.Record.ID, b.crm.Logs()[0].RecordID)
}

// TestLaggingIndexWithoutUniqueProperty: the Syncer is told how long it has to rest before it looks.
func TestLaggingIndexWithoutUniqueProperty(t *testing.T) {
	b := newBench(t, hubspottest.Options{SearchLag: time.Hour, NoUniqueCalls: true}, creating)
	w := b.contact(answered("C-1"))
	b.server.Inject(crmtest.Lose())
	requireKind(t, crm.KindInDoubt, b.adapter.Write(t.Context(), []crm.Write{w})[0].Err)
	b.server.Inject(nil)
	traits := b.adapter.Traits()
	require.False(t, traits.Upsert)
	require.Equal(t, 30*time.Second, traits.SearchLag)
	require.Equal(t, []crm.LogFound{{}}, b.adapter.FindLogs(t.Context(), []call.Call{w.Call}))
	b.crm.Settle()
	require.Equal(t, []crm.LogFound{{LogID: b.crm.Logs()[0].ID}}, b.adapter.FindLogs(t.Context(), []call.Call{w.Call}))
}

// TestAnswersThatNameNobody: results without trace ids, and errors that do not say whose they are.
func TestAnswersThatNameNobody(t *testing.T) {
	invalid := `{"status":"error","category":"VALIDATION_ERROR","message":"bad"}`
	for name, test := range map[string]struct {
		answer string
		kinds  []crm.Kind
	}{
		"one is left over": {
			`{"status":"COMPLETE","results":[{"id":"1","properties":{"alohub_call_id":"C-1"}},
			{"id":"3","properties":{"alohub_call_id":"C-3"}}],"errors":[` + invalid + `]}`,
			[]crm.Kind{0, crm.KindInvalid, 0},
		},
		"fewer results than inputs": {
			`{"status":"COMPLETE","results":[{"id":"1","objectWriteTraceId":"0"}]}`,
			[]crm.Kind{0, crm.KindTransient, crm.KindTransient},
		},
		"trace ids of nobody": {
			`{"status":"COMPLETE","results":[{"id":"1","objectWriteTraceId":"7"},{"id":"2","objectWriteTraceId":"x"},
			{"id":"3","objectWriteTraceId":"-1"}]}`,
			[]crm.Kind{crm.KindTransient, crm.KindTransient, crm.KindTransient},
		},
		"ids that are none": {
			`{"status":"COMPLETE","results":[{"id":null,"objectWriteTraceId":"0"},{"id":{},"objectWriteTraceId":"1"},
			{"id":["3"],"objectWriteTraceId":"2"}]}`,
			[]crm.Kind{crm.KindTransient, crm.KindTransient, crm.KindTransient},
		},
		"ids that are numbers": {
			`{"status":"COMPLETE","results":[{"id":1,"objectWriteTraceId":"0"},{"id":2,"objectWriteTraceId":"1"},
			{"id":3,"objectWriteTraceId":"2"}]}`,
			[]crm.Kind{0, 0, 0},
		},
		"null": {`null`, []crm.Kind{crm.KindTransient, crm.KindTransient, crm.KindTransient}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, hubspottest.Options{})
			b.server.Inject(crmtest.Say(crmtest.Answer{Status: 207, Body: test.answer}))
			var writes []crm.Write
			for i := range 3 {
				writes = append(writes, crm.Write{Call: answered(fmt.Sprintf("C-%d", i+1))})
			}
			for i, w := range b.adapter.Write(t.Context(), writes) {
				if test.kinds[i] == 0 && w.Err == nil {
					require.Equal(t, fmt.Sprint(i+1), w.LogID)
					continue
				}
				requireKind(t, test.kinds[i], w.Err)
			}
		})
	}
}

// TestRefusedAllWithoutNames: as many errors as inputs, none of which says whose it is.
func TestRefusedAllWithoutNames(t *testing.T) {
	b := newBench(t, hubspottest.Options{})
	b.server.Inject(func(w http.ResponseWriter, r *http.Request, crm http.Handler) {
		body := make([]byte, r.ContentLength)
		_, _ = r.Body.Read(body)
		n := strings.Count(string(body), `"idProperty"`)
		one := `{"status":"error","category":"VALIDATION_ERROR","message":"bad"}`
		list := strings.TrimSuffix(strings.Repeat(one+",", n), ",")
		body207 := `{"status":"COMPLETE","results":[],"errors":[` + list + `]}`
		crmtest.Say(crmtest.Answer{Status: 207, Body: body207})(w, r, crm)
	})
	writes := []crm.Write{{Call: answered("C-1")}, {Call: answered("C-2")}, {Call: answered("C-3")}}
	for _, w := range b.adapter.Write(t.Context(), writes) {
		requireKind(t, crm.KindInvalid, w.Err)
	}
	require.LessOrEqual(t, b.server.Requests(), 6)
}

func TestThrottledRests(t *testing.T) {
	now := start
	b := newBench(t, hubspottest.Options{}, func(_ *hubspot.Config, o *api.Options) {
		o.Now = func() time.Time { return now }
	})
	w := b.contact(answered("C-1"))
	b.server.Inject(crmtest.Say(hubspottest.Throttled(10 * time.Second)))
	e := classified(t, crm.KindThrottled, b.adapter.Write(t.Context(), []crm.Write{w})[0].Err)
	require.Equal(t, 10*time.Second, e.RetryAfter)
	b.server.Inject(nil)

	now = now.Add(4 * time.Second)
	before := b.server.Requests()
	e = classified(t, crm.KindThrottled, b.adapter.Write(t.Context(), []crm.Write{w})[0].Err)
	require.Equal(t, 6*time.Second, e.RetryAfter)
	require.Equal(t, before, b.server.Requests(), "nothing is sent before the time has passed")

	now = now.Add(7 * time.Second)
	b.write(t, w)
}

// quotas writes down what an Observer is told.
type quotas struct {
	api.Observer

	told []string
}

func (q *quotas) Requested(string, string, time.Duration) {}
func (q *quotas) Quota(name string, left, limit int64) {
	q.told = append(q.told, fmt.Sprintf("%s %d/%d", name, left, limit))
}

func TestLimitsAreTold(t *testing.T) {
	now, told := start, &quotas{}
	tick := func() time.Time { return now }
	b := newBench(t, hubspottest.Options{Now: tick, PerTenSeconds: 3, Daily: 5}, func(_ *hubspot.Config, o *api.Options) {
		o.Now, o.Observer = tick, told
	})
	w := crm.Write{Call: answered("C-1")}
	for range 3 {
		b.write(t, w)
	}
	require.Equal(t, []string{
		"interval 2/3", "daily 4/5", "interval 1/3", "daily 3/5", "interval 0/3", "daily 2/5",
	}, told.told)
	before := b.server.Requests()
	requireKind(t, crm.KindThrottled, b.adapter.Write(t.Context(), []crm.Write{w})[0].Err)
	require.Equal(t, before, b.server.Requests(), "the window is spent: nothing is sent to be refused")

	now = now.Add(11 * time.Second)
	b.write(t, w)
	b.write(t, w)
	e := classified(t, crm.KindQuota, b.adapter.Write(t.Context(), []crm.Write{w})[0].Err)
	require.Equal(t, time.Hour, e.RetryAfter)
}

func TestDryRunSendsNothing(t *testing.T) {
	run := &api.DryRun{}
	b := newBench(t, hubspottest.Options{}, func(_ *hubspot.Config, o *api.Options) { o.DryRun = run })
	w := b.contact(answered("C-1"))
	b.write(t, w)
	require.Empty(t, b.took())
	require.Empty(t, b.crm.Logs())
	recorded := run.Requests()
	require.Len(t, recorded, 2)
	require.Equal(t, "upsert_log", recorded[0].Operation)
	require.Equal(t, "associate", recorded[1].Operation)
	require.Contains(t, recorded[1].Body, w.Record.ID)
}

func TestStoppedInTheMiddle(t *testing.T) {
	b := newBench(t, hubspottest.Options{NoUniqueCalls: true}, creating)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, w := range b.adapter.Write(ctx, b.hundred()) {
		requireKind(t, crm.KindTransient, w.Err)
	}
	require.Empty(t, b.took())
}
