package crmtest

import (
	"bytes"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/call"
)

func testCreate(t *testing.T, s *setup) {
	t.Helper()
	w := s.linked(t)
	id := s.created(t, w)
	logs := s.crm.Logs()
	require.Len(t, logs, 1)
	require.Equal(t, id, logs[0].ID)
	require.Equal(t, w.Call.ID, logs[0].CallID)
	require.Equal(t, w.Owner, logs[0].Owner)
	require.Empty(t, logs[0].RecordingURL)
	if w.Record != nil {
		require.Equal(t, w.Record.ID, logs[0].RecordID)
	}
}

func testUnlinked(t *testing.T, s *setup) {
	t.Helper()
	w := s.linked(t)
	w.Record, w.Owner = nil, ""
	s.created(t, w)
	logs := s.crm.Logs()
	require.Len(t, logs, 1)
	require.Empty(t, logs[0].RecordID)
}

func testWriteTwice(t *testing.T, s *setup) {
	t.Helper()
	w := s.linked(t)
	id := s.created(t, w)
	traits := s.adapter.Traits()
	if traits.Upsert {
		require.Equal(t, id, s.created(t, w))
	}
	if !traits.Immutable {
		w.LogID = id
		require.Equal(t, id, s.created(t, w))
	}
	require.Len(t, s.crm.Logs(), 1)
}

func testLateRecording(t *testing.T, s *setup) {
	t.Helper()
	if s.adapter.Traits().Immutable {
		t.Skip("the CRM does not change call logs")
	}
	w := s.linked(t)
	w.LogID = s.created(t, w)
	before := s.crm.Logs()[0]
	w.Call.RecordingURL = recordingURL
	require.NoError(t, s.write(t.Context(), t, w).Err)
	logs := s.crm.Logs()
	require.Len(t, logs, 1)
	require.Equal(t, recordingURL, logs[0].RecordingURL)
	before.RecordingURL, before.Text = recordingURL, logs[0].Text // the text may tell of the recording
	require.Equal(t, before, logs[0], "an update must keep what was there")
}

func testUpdateGone(t *testing.T, s *setup) {
	t.Helper()
	if s.adapter.Traits().Immutable {
		t.Skip("the CRM does not change call logs")
	}
	w := s.linked(t)
	w.LogID = s.missingLog()
	s.kind(t, crm.KindGone, s.write(t.Context(), t, w).Err)
	require.Empty(t, s.crm.Logs())
}

func testFindLogs(t *testing.T, s *setup) {
	t.Helper()
	finder, ok := s.adapter.(crm.LogFinder)
	if !ok || s.adapter.Traits().Upsert {
		t.Skip("the CRM has an upsert key")
	}
	w, other := s.linked(t), s.linked(t)
	id := s.created(t, w)
	s.created(t, other)
	found := finder.FindLogs(t.Context(), []call.Call{{ID: "nobody's"}, w.Call, {ID: w.Call.ID + "x"}})
	require.Equal(t, []crm.LogFound{{}, {LogID: id}, {}}, found)
}

func testPartialFailure(t *testing.T, s *setup) {
	t.Helper()
	if s.adapter.Traits().WriteBatch > 1 {
		t.Skip("a request carries several calls")
	}
	var invalid *Refusal
	for i, r := range s.Refusals {
		if r.Step == Create && r.Kind == crm.KindInvalid {
			invalid = &s.Refusals[i]
		}
	}
	require.NotNil(t, invalid, "the harness has no refusal of kind invalid for create")
	writes := []crm.Write{s.linked(t), s.linked(t), s.linked(t)}
	writes[1].Call.ID = "the-bad-one"
	s.server.Inject(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		body, err := io.ReadAll(r.Body)
		if err == nil && bytes.Contains(body, []byte("the-bad-one")) {
			Say(invalid.Answer)(w, r, next)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(w, r)
	})
	written := s.adapter.Write(t.Context(), writes)
	require.Len(t, written, 3)
	require.NoError(t, written[0].Err)
	s.kind(t, crm.KindInvalid, written[1].Err)
	require.NoError(t, written[2].Err)
	require.Len(t, s.crm.Logs(), 2)
}
