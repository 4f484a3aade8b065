package espocrm_test

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
	"github.com/crmsyncd/crmsyncd/crm/espocrm"
	"github.com/crmsyncd/crmsyncd/crm/espocrm/espocrmtest"
)

// kind requires that err is a crm.Error of a kind.
func kind(t *testing.T, want crm.Kind, err error) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, want.String(), crm.Classify(err).Kind.String(), "%v", err)
}

// classified requires that err is a crm.Error of a kind, and returns it.
func classified(t *testing.T, want crm.Kind, err error) *crm.Error {
	t.Helper()
	kind(t, want, err)
	return crm.Classify(err)
}

func TestOwner(t *testing.T) {
	b := newBench(t)
	theirs := b.crm.AddUser("binh.le")
	id := b.crm.AddRecord("Lead", "T-1", "+84912345678")
	for i, test := range []struct {
		agent, record string
		want          string
	}{
		{agent: agentID, record: theirs, want: agentID},
		{record: theirs, want: theirs},
		{want: fallbackID},
	} {
		record := &crm.Record{Object: "Lead", ID: id, Owner: test.record}
		b.write(t, crm.Write{Call: endedCall(fmt.Sprint("call-", i)), Record: record, Owner: test.agent})
		require.Equal(t, test.want, b.crm.Logs()[i].Owner)
		require.Equal(t, []any{id}, b.crm.Values("Call", b.crm.Logs()[i].ID)["leadsIds"])
	}
}

func TestNoOwnerAtAllIsRefusedInWords(t *testing.T) {
	b := newBench(t, func(cfg *espocrm.Config, _ *api.Options) { cfg.DefaultUser = "" })
	err := b.Write(t.Context(), []crm.Write{{Call: endedCall("call-1")}})[0].Err
	require.Contains(t, classified(t, crm.KindInvalid, err).Message, "default_user")
	require.Zero(t, b.server.Requests())
}

func TestOneRefusedCallDoesNotHoldTheOthers(t *testing.T) {
	b := newBench(t)
	b.crm.Refuse("call-42", "Field validation failure; entityType: Call, field: cKhuVuc, type: required.")
	writes := make([]crm.Write, 100)
	for i := range writes {
		writes[i] = crm.Write{Call: endedCall(fmt.Sprint("call-", i)), Owner: agentID}
	}
	for i, written := range b.Write(t.Context(), writes) {
		if i == 42 {
			require.Contains(t, classified(t, crm.KindInvalid, written.Err).Message, "cKhuVuc")
			continue
		}
		require.NoError(t, written.Err)
		require.NotEmpty(t, written.LogID)
	}
	require.Len(t, b.crm.Logs(), 99)
	require.Equal(t, 100, b.crm.Requests()["write"], "one request a call")
}

func TestRequestsPerCall(t *testing.T) {
	b := newBench(t)
	var lookups []crm.Lookup
	var calls []call.Call
	for i := range 100 {
		id := fmt.Sprintf("20260301093000-%06d", i)
		b.crm.AddRecord("Lead", id, "+84912345678")
		lookups = append(lookups,
			crm.Lookup{Object: "Contact", TransactionID: id}, crm.Lookup{Object: "Lead", TransactionID: id})
		calls = append(calls, endedCall(id))
	}
	found := b.Find(t.Context(), lookups)
	writes := make([]crm.Write, len(calls))
	for i, c := range calls {
		require.Empty(t, found[2*i].Records)
		require.Len(t, found[2*i+1].Records, 1)
		writes[i] = crm.Write{Call: c, Record: &found[2*i+1].Records[0], Owner: agentID}
	}
	for _, written := range b.Write(t.Context(), writes) {
		require.NoError(t, written.Err)
	}
	for _, log := range b.FindLogs(t.Context(), calls) {
		require.NotEmpty(t, log.LogID)
	}
	require.LessOrEqual(t, b.server.Requests(), 110)
}

func TestAPersonsWordsStay(t *testing.T) {
	running := endedCall("call-1")
	running.State, running.End, running.Talk, running.Total = call.Answered, time.Time{}, call.Seconds{}, call.Seconds{}
	for name, test := range map[string]struct {
		edit       map[string]any
		title      string
		text       string
		keepsTitle bool
	}{
		"nobody wrote":     {nil, "01:30", "Talk time", false},
		"notes":            {map[string]any{"description": "khách hỏi giá"}, "01:30", "khách hỏi giá", false},
		"another title":    {map[string]any{"name": "Gọi lại chị Lan"}, "Gọi lại chị Lan", "Talk time", true},
		"the text emptied": {map[string]any{"description": ""}, "01:30", "Talk time", false},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			w := b.write(t, crm.Write{Call: running, Owner: agentID})
			b.crm.Edit("Call", w.LogID, test.edit)
			w.Call = endedCall("call-1")
			w = b.write(t, w)
			w.Call.RecordingURL = recordingURL
			b.write(t, w)
			log := b.crm.Logs()[0]
			require.Contains(t, log.Title, test.title)
			require.Contains(t, log.Text, test.text)
			require.Equal(t, recordingURL, log.RecordingURL)
			require.Equal(t, "answered", log.Result)
		})
	}
}

// TestLostUpdateIsStillOurs: an update that took effect without our knowing must not be taken for a person's words.
func TestLostUpdateIsStillOurs(t *testing.T) {
	b := newBench(t)
	running := endedCall("call-1")
	running.State, running.End, running.Talk = call.Started, time.Time{}, call.Seconds{}
	w := b.write(t, crm.Write{Call: running, Owner: agentID})
	w.Call.State = call.Answered
	w.Call.Agent = "binh.le"
	b.server.Inject(func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodPatch {
			crmtest.Lose()(rw, r, next)
		}
		next.ServeHTTP(rw, r)
	})
	written := b.Write(t.Context(), []crm.Write{w})[0]
	kind(t, crm.KindTransient, written.Err)
	require.Contains(t, b.crm.Logs()[0].Text, "binh.le", "it took effect")
	w.Progress = written.Progress
	again := b.Write(t.Context(), []crm.Write{w})[0]
	require.Equal(t, string(w.Progress), string(again.Progress), "it does not grow with every attempt")
	b.server.Inject(nil)
	w.Progress, w.Call = written.Progress, endedCall("call-1")
	b.write(t, w)
	require.Contains(t, b.crm.Logs()[0].Title, "01:30")
	require.Contains(t, b.crm.Logs()[0].Text, "Talk time")
}

func TestWhatAPersonMovedStays(t *testing.T) {
	b := newBench(t)
	contact, deal := b.crm.AddRecord("Contact", "T-1", ""), b.crm.AddRecord("Opportunity", "", "")
	record := &crm.Record{Object: "Contact", ID: contact}
	w := b.write(t, crm.Write{Call: endedCall("call-1"), Record: record, Owner: agentID})
	b.crm.Edit("Call", w.LogID, map[string]any{
		"parentType": "Opportunity", "parentId": deal, "assignedUserId": fallbackID,
	})
	w.Call.RecordingURL = recordingURL
	b.write(t, w)
	require.Equal(t, deal, b.crm.Logs()[0].RecordID)
	require.Equal(t, fallbackID, b.crm.Logs()[0].Owner)

	w.Record = &crm.Record{Object: "Contact", ID: b.crm.AddRecord("Contact", "T-1", "")} // merged into another
	w.Owner = b.crm.AddUser("binh.le")
	b.write(t, w)
	require.Equal(t, w.Record.ID, b.crm.Logs()[0].RecordID)
	require.Equal(t, w.Owner, b.crm.Logs()[0].Owner)
}

// TestTheCallLeavesItsFormerRecord: the list of the former contact does not show the call of another customer.
func TestTheCallLeavesItsFormerRecord(t *testing.T) {
	b := newBench(t)
	record := func(object string) *crm.Record {
		return &crm.Record{Object: object, ID: b.crm.AddRecord(object, "", "")}
	}
	w := b.write(t, crm.Write{Call: endedCall("call-1"), Record: record("Contact"), Owner: agentID})
	for _, next := range []*crm.Record{record("Contact"), record("Lead"), record("Opportunity")} {
		w.Record = next
		w = b.write(t, w)
		stored := b.crm.Values("Call", w.LogID)
		require.Equal(t, next.ID, stored["parentId"])
		for field, object := range map[string]string{"contactsIds": "Contact", "leadsIds": "Lead"} {
			if object == next.Object {
				require.Equal(t, []any{next.ID}, stored[field])
			} else {
				require.Empty(t, stored[field])
			}
		}
	}
}

func TestGoneRecord(t *testing.T) {
	b := newBench(t)
	w := crm.Write{Call: endedCall("call-1"), Record: &crm.Record{Object: "Contact", ID: "c404"}, Owner: agentID}
	kind(t, crm.KindGone, b.Write(t.Context(), []crm.Write{w})[0].Err)
	require.Empty(t, b.crm.Logs())
}

func TestTimesAndDuration(t *testing.T) {
	c := endedCall("call-1")
	plain := func(change func(*call.Call)) call.Call {
		changed := c
		change(&changed)
		return changed
	}
	for name, test := range map[string]struct {
		call    call.Call
		start   time.Time
		seconds int64
		result  string
	}{
		"answered":         {c, c.Start, 90, "answered"},
		"missed":           {plain(func(c *call.Call) { c.Result = call.ResultMissed }), c.Start, 0, "missed"},
		"running":          {plain(func(c *call.Call) { c.State = call.Answered }), c.Start, 0, ""},
		"no start":         {plain(func(c *call.Call) { c.Start = time.Time{} }), c.Answer, 90, "answered"},
		"talk not known":   {plain(func(c *call.Call) { c.Talk = call.Seconds{} }), c.Start, 100, "answered"},
		"only start, end":  {plain(func(c *call.Call) { c.Talk, c.Total = call.Seconds{}, call.Seconds{} }), c.Start, 100, "answered"},
		"another location": {plain(func(c *call.Call) { c.Start = c.Start.In(vietnam) }), c.Start, 90, "answered"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.write(t, crm.Write{Call: test.call, Owner: agentID})
			log := b.crm.Logs()[0]
			require.True(t, test.start.Equal(log.Start), log.Start)
			require.Equal(t, test.seconds, log.Seconds)
			require.Equal(t, test.result, log.Result)
		})
	}
}

func TestTheTitleFits(t *testing.T) {
	b := newBench(t, func(cfg *espocrm.Config, _ *api.Options) {
		cfg.Text.Title = "{{.Customer}} " + strings.Repeat("Nguyễn ", 60)
	})
	b.write(t, crm.Write{Call: endedCall("call-1"), Owner: agentID})
	require.Len(t, []rune(b.crm.Logs()[0].Title), 255)
}

func TestOwnFields(t *testing.T) {
	b := newBench(t, func(cfg *espocrm.Config, _ *api.Options) {
		cfg.Calls = espocrm.Calls{CallID: "cProviderCallId", Duration: "cTalkSeconds"}
		cfg.Text.Fields = map[string]string{"cHotline": "{{.Hotline}}"}
	})
	b.crm.Define("Call", "cTalkSeconds", "int", 0)
	b.crm.Define("Call", "cHotline", "varchar", 50)
	w := endedCall("call-1")
	w.RecordingURL = recordingURL
	b.write(t, crm.Write{Call: w, Owner: agentID})
	values := b.crm.Values("Call", b.crm.Logs()[0].ID)
	require.InDelta(t, 90, values["cTalkSeconds"], 0)
	require.Equal(t, "19001000", values["cHotline"])
	require.Nil(t, values["description"])
	require.Nil(t, values["cRecordingUrl"])
}

func TestMaintenanceHoldsEverything(t *testing.T) {
	now := time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC)
	b := newBench(t, func(_ *espocrm.Config, o *api.Options) { o.Now = func() time.Time { return now } })
	b.server.Inject(crmtest.Say(espocrmtest.Throttled(20 * time.Second)))
	kind(t, crm.KindThrottled, b.Write(t.Context(), []crm.Write{{Call: endedCall("call-1"), Owner: agentID}})[0].Err)
	b.server.Inject(nil)
	before := b.server.Requests()
	err := b.Find(t.Context(), []crm.Lookup{{Object: "Contact", TransactionID: "T-1"}})[0].Err
	require.Equal(t, 20*time.Second, classified(t, crm.KindThrottled, err).RetryAfter)
	require.Equal(t, before, b.server.Requests(), "nothing is sent meanwhile")
	now = now.Add(20 * time.Second)
	b.write(t, crm.Write{Call: endedCall("call-1"), Owner: agentID})
}
