package crmtest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/call"
)

// missed returns an outbound call that nobody answered.
func (s *setup) missed() call.Call {
	c := s.call()
	c.Direction, c.Result, c.Status = call.Outbound, call.ResultMissed, "missed"
	c.Answer, c.Talk, c.End, c.Total = time.Time{}, call.Seconds{}, c.Start.Add(25*time.Second), call.KnownSeconds(25)
	return c
}

// running returns an inbound call that was answered and goes on.
func (s *setup) running() call.Call {
	c := s.call()
	c.State, c.End, c.HangupBy, c.Total, c.Talk = call.Answered, time.Time{}, "", call.Seconds{}, call.Seconds{}
	return c
}

// logOf returns the one log of a call.
func (s *setup) logOf(t *testing.T, callID string) Log {
	t.Helper()
	var found []Log
	for _, log := range s.crm.Logs() {
		if log.CallID == callID {
			found = append(found, log)
		}
	}
	require.Len(t, found, 1, "logs of %s", callID)
	return found[0]
}

// requireTrue asserts that what a log says of a call is true. What is zero, its CRM keeps no field for.
func requireTrue(t *testing.T, c call.Call, log Log) {
	t.Helper()
	if log.Direction != "" {
		require.Equal(t, string(c.Direction), log.Direction)
	}
	if log.Result != "" {
		require.Equal(t, string(c.Result), log.Result)
	}
	if !log.Start.IsZero() {
		require.WithinDuration(t, c.Start, log.Start, time.Second, "a salesperson reads another hour")
	}
	if log.Seconds != 0 {
		require.Contains(t, []int64{c.Talk.N, c.Total.N}, log.Seconds, "in seconds, whatever the unit of the CRM")
	}
	require.NotContains(t, log.Title, "\n")
}

// testUnits: whatever the units and words of a CRM, its log says what the call was.
func testUnits(t *testing.T, s *setup) {
	t.Helper()
	for name, c := range map[string]call.Call{"answered inbound": s.call(), "missed outbound": s.missed()} {
		t.Run(name, func(t *testing.T) {
			w := s.linked(t)
			w.Call = c
			s.created(t, w)
			log := s.logOf(t, c.ID)
			requireTrue(t, c, log)
			if _, keepsAll := s.crm.(Vendor); !keepsAll {
				return
			}
			require.NotEmpty(t, log.Direction)
			if c.Result == call.ResultAnswered {
				require.NotZero(t, log.Seconds)
			}
		})
	}
}

func testUpdateRunning(t *testing.T, s *setup) {
	t.Helper()
	if traits := s.adapter.Traits(); traits.Immutable || traits.WriteWhen != "" && traits.WriteWhen != crm.WriteLive {
		t.Skip("the CRM does not take a call that still runs")
	}
	w := s.linked(t)
	over := w.Call
	w.Call = s.running()
	w.Call.ID = over.ID
	w.Call.Start, w.Call.Answer = over.Start, over.Answer
	w.LogID = s.created(t, w)
	before := s.logOf(t, over.ID)
	require.Zero(t, before.Seconds, "it has no length yet")
	require.NotEqual(t, string(call.ResultMissed), before.Result)
	requireTrue(t, w.Call, Log{Direction: before.Direction, Start: before.Start, Title: before.Title})

	w.Call = over
	require.NoError(t, s.write(t.Context(), t, w).Err)
	after := s.logOf(t, over.ID)
	requireTrue(t, over, after)
	require.Equal(t, []string{before.ID, before.RecordID, before.Owner}, []string{after.ID, after.RecordID, after.Owner})
}

// testEachItsOwn: in a batch, every log has its own record, owner and recording.
func testEachItsOwn(t *testing.T, s *setup) {
	t.Helper()
	writes := make([]crm.Write, 7)
	for i := range writes {
		writes[i] = s.linked(t)
		if vendor, makes := s.crm.(Vendor); makes && i%2 == 1 {
			writes[i].Owner = vendor.AddUser(fmt.Sprintf("agent%d@example.com", i))
		}
		if i%3 == 0 {
			writes[i].Call.RecordingURL = fmt.Sprintf("https://recordings.example.com/%d.mp3", i)
		}
	}
	written := s.adapter.Write(t.Context(), writes)
	require.Len(t, written, len(writes))
	for i, w := range writes {
		require.NoError(t, written[i].Err)
		log := s.logOf(t, w.Call.ID)
		require.Equal(t, written[i].LogID, log.ID)
		require.Equal(t, w.Owner, log.Owner)
		require.Equal(t, w.Call.RecordingURL, log.RecordingURL)
		if w.Record != nil {
			require.Equal(t, w.Record.ID, log.RecordID)
		}
		requireTrue(t, w.Call, log)
	}
}

// testBadCall: in a full batch, one call that the CRM refuses fails alone, with the CRM's own words.
func testBadCall(t *testing.T, s *setup) {
	t.Helper()
	vendor, refuses := s.crm.(Vendor)
	if !refuses {
		t.Skip("the fake refuses no single calls")
	}
	const words = "priority is not a valid option"
	writes := make([]crm.Write, max(3, min(s.adapter.Traits().WriteBatch, 100)))
	for i := range writes {
		writes[i] = s.linked(t)
	}
	bad := len(writes) / 2
	vendor.Refuse(writes[bad].Call.ID, words)
	written := s.adapter.Write(t.Context(), writes)
	require.Len(t, written, len(writes))
	for i, w := range written {
		if i == bad {
			s.kind(t, crm.KindInvalid, w.Err)
			require.ErrorContains(t, w.Err, words, "an operator must see what to mend")
			continue
		}
		require.NoError(t, w.Err, "call %d", i)
		require.Equal(t, s.logOf(t, writes[i].Call.ID).ID, w.LogID)
	}
	require.Len(t, s.crm.Logs(), len(writes)-1)

	vendor.Refuse(writes[bad].Call.ID, "")
	s.created(t, writes[bad])
}

func testFindUsers(t *testing.T, s *setup) {
	t.Helper()
	finder, finds := s.adapter.(crm.UserFinder)
	vendor, makes := s.crm.(Vendor)
	if !finds || !makes {
		t.Skip("there are no users to look up")
	}
	id := vendor.AddUser(s.login())
	require.NotEmpty(t, id)
	require.Equal(t, []crm.UserFound{{}, {UserID: id}, {}},
		finder.FindUsers(t.Context(), []string{"nobody", s.login(), "x" + s.login()}))
}

// testLaggingSearch: while the search does not show a log, none is taken for certain, and it is found later.
func testLaggingSearch(t *testing.T, s *setup) {
	t.Helper()
	if s.Lagging == nil {
		t.Skip("the CRM's search does not lag")
	}
	fake, catchUp := s.Lagging(t)
	s = newSetupOf(t, s.Harness, fake)
	w := s.linked(t)
	traits := s.adapter.Traits()
	s.server.Inject(Lose())
	err := s.write(t.Context(), t, w).Err
	s.server.Inject(nil)
	if traits.Upsert {
		require.Error(t, err)
		id := s.created(t, w)
		require.Equal(t, id, s.logOf(t, w.Call.ID).ID)
		return
	}
	s.kind(t, crm.KindInDoubt, err)
	require.Positive(t, traits.SearchLag, "or it is written again too early")
	finder := s.adapter.(crm.LogFinder)
	require.Equal(t, []crm.LogFound{{}}, finder.FindLogs(t.Context(), []call.Call{w.Call}))
	catchUp()
	require.Equal(t, []crm.LogFound{{LogID: s.logOf(t, w.Call.ID).ID}}, finder.FindLogs(t.Context(), []call.Call{w.Call}))
}
