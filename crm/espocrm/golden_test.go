package espocrm_test

import (
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/crm/espocrm"
	"github.com/crmsyncd/crmsyncd/crm/espocrm/espocrmtest"
)

var rewrite = flag.Bool("update", false, "rewrite the golden files")

const (
	recordingURL = "https://media.example.com:1777/IPCCMedia/MP3Export.do?url=a%2Fb.mp3&source=ipcc"
	contactID    = "c0000000000000001"
)

// recorder keeps the requests that come to a fake.
type recorder struct {
	crm *espocrmtest.CRM

	mu   sync.Mutex
	sent strings.Builder
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	req.Body = io.NopCloser(strings.NewReader(string(body)))
	r.mu.Lock()
	uri := req.URL.RequestURI()
	for _, pair := range [][2]string{{"%5B", "["}, {"%5D", "]"}} {
		uri = strings.ReplaceAll(uri, pair[0], pair[1])
	}
	r.sent.WriteString(req.Method + " " + uri + "\n")
	for _, header := range []string{"X-No-Total", "X-Skip-Duplicate-Check", "Content-Type"} {
		if value := req.Header.Get(header); value != "" {
			r.sent.WriteString(header + ": " + value + "\n")
		}
	}
	r.sent.WriteString(strings.ReplaceAll(string(body), ",\"", ",\n \"") + "\n\n")
	r.mu.Unlock()
	r.crm.ServeHTTP(w, req)
}

// TestRequests holds what is sent, to the byte.
func TestRequests(t *testing.T) {
	missed := endedCall("call-2")
	missed.Direction, missed.Result, missed.Status = call.Outbound, call.ResultMissed, "missed"
	missed.Answer, missed.Talk = time.Time{}, call.Seconds{}
	running := endedCall("call-3")
	running.State, running.End, running.HangupBy = call.Answered, time.Time{}, ""
	running.Total, running.Talk = call.Seconds{}, call.Seconds{}
	recorded := endedCall("call-1")
	recorded.RecordingURL = recordingURL

	for name, run := range map[string]func(*testing.T, *espocrm.Adapter){
		"answered_inbound": func(t *testing.T, a *espocrm.Adapter) { t.Helper(); send(t, a, endedCall("call-1")) },
		"missed_outbound":  func(t *testing.T, a *espocrm.Adapter) { t.Helper(); send(t, a, missed) },
		"running_then_ended": func(t *testing.T, a *espocrm.Adapter) {
			t.Helper()
			send(t, a, running, endedCall("call-3"))
		},
		"late_recording": func(t *testing.T, a *espocrm.Adapter) {
			t.Helper()
			send(t, a, endedCall("call-1"), recorded)
		},
		"nothing_new": func(t *testing.T, a *espocrm.Adapter) { t.Helper(); send(t, a, recorded, recorded) },
		"find_transaction_id": find(
			crm.Lookup{Object: "Contact", TransactionID: "T&1=ä'x"}, crm.Lookup{Object: "Contact", TransactionID: "T-2"},
		),
		"find_phone": find(crm.Lookup{Object: "Contact", Phone: endedCall("").Customer}),
		"find_log": func(t *testing.T, a *espocrm.Adapter) {
			t.Helper()
			require.NoError(t, a.FindLogs(t.Context(), []call.Call{{ID: "call-1"}, {ID: "call-2"}})[0].Err)
		},
		"find_user": func(t *testing.T, a *espocrm.Adapter) {
			t.Helper()
			require.Equal(t, agentID, a.FindUsers(t.Context(), []string{"An.Nguyen"})[0].UserID)
		},
		"create_contact": func(t *testing.T, a *espocrm.Adapter) {
			t.Helper()
			require.NoError(t, a.CreateContacts(t.Context(), []call.Call{endedCall("call-1")})[0].Err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			fake := newCRM()
			fake.PutContact(contactID, "T-1", "+84912345678")
			r := &recorder{crm: fake}
			server := httptest.NewServer(r)
			t.Cleanup(server.Close)
			run(t, newAdapter(t, server.URL))
			sent := r.sent.String()
			for _, log := range fake.Logs() {
				sent = strings.ReplaceAll(sent, log.ID, "LOG")
			}
			golden(t, filepath.Join("testdata", "golden", name+".txt"), sent)
		})
	}
}

// send writes the states of a call one after the other, for the contact and the agent of the tests.
func send(t *testing.T, a *espocrm.Adapter, states ...call.Call) {
	t.Helper()
	w := crm.Write{Record: &crm.Record{Object: "Contact", ID: contactID}, Owner: agentID}
	for _, w.Call = range states {
		written := a.Write(t.Context(), []crm.Write{w})
		require.NoError(t, written[0].Err)
		w.LogID, w.Progress = written[0].LogID, written[0].Progress
	}
}

func find(lookups ...crm.Lookup) func(*testing.T, *espocrm.Adapter) {
	return func(t *testing.T, a *espocrm.Adapter) {
		t.Helper()
		for _, found := range a.Find(t.Context(), lookups) {
			require.NoError(t, found.Err)
		}
	}
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *rewrite {
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o750))
		require.NoError(t, os.WriteFile(file, []byte(got), 0o600))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), got, "run the test with -update if this is meant")
}
