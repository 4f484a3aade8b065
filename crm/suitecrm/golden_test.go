package suitecrm_test

import (
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/crm/suitecrm"
	"github.com/crmsyncd/crmsyncd/crm/suitecrm/suitecrmtest"
)

var rewrite = flag.Bool("update", false, "rewrite the golden files")

const recordingURL = "https://media.example.com:1777/IPCCMedia/MP3Export.do?url=a%2Fb.mp3&source=ipcc"

// recorder keeps the requests that come to a fake, those for a token left out.
type recorder struct {
	crm *suitecrmtest.CRM

	mu   sync.Mutex
	sent strings.Builder
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	req.Body = io.NopCloser(strings.NewReader(string(body)))
	if !isToken(req) {
		uri, _ := url.QueryUnescape(strings.ReplaceAll(req.URL.RequestURI(), "&", "\n  &"))
		r.mu.Lock()
		r.sent.WriteString(req.Method + " " + uri + "\n")
		for _, header := range []string{"Accept", "Content-Type"} {
			r.sent.WriteString(header + ": " + req.Header.Get(header) + "\n")
		}
		r.sent.WriteString(strings.ReplaceAll(string(body), ",\"", ",\n \"") + "\n\n")
		r.mu.Unlock()
	}
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

	for name, run := range map[string]func(*testing.T, *suitecrm.Adapter){
		"answered_inbound":   sends(endedCall("call-1")),
		"missed_outbound":    sends(missed),
		"running_then_ended": sends(running, endedCall("call-3")),
		"late_recording":     sends(endedCall("call-1"), recorded),
		"nothing_new":        sends(recorded, recorded),
		"already_there": func(t *testing.T, a *suitecrm.Adapter) {
			t.Helper()
			sends(endedCall("call-1"))(t, a)
			sends(recorded)(t, a)
		},
		"find_transaction_id": finds(crm.Lookup{Object: "Contacts", TransactionID: "T&1=ä'x"}),
		"find_phone":          finds(crm.Lookup{Object: "Contacts", Phone: endedCall("").Customer}),
		"find_user": func(t *testing.T, a *suitecrm.Adapter) {
			t.Helper()
			require.NotEmpty(t, a.FindUsers(t.Context(), []string{"An.Nguyen"})[0].UserID)
		},
		"create_contact": func(t *testing.T, a *suitecrm.Adapter) {
			t.Helper()
			require.NoError(t, a.CreateContacts(t.Context(), []call.Call{endedCall("call-1")})[0].Err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			fake := suitecrmtest.New(suitecrmtest.Options{})
			fake.AddUser("an.nguyen")
			r := &recorder{crm: fake}
			server := httptest.NewServer(r)
			t.Cleanup(server.Close)
			a := newAdapter(t, server.URL, oneAtATime)
			run(t, a)
			golden(t, filepath.Join("testdata", "golden", name+".txt"), r.sent.String())
		})
	}
}

// sends writes the states of a call one after the other, for a contact and an agent.
func sends(states ...call.Call) func(*testing.T, *suitecrm.Adapter) {
	return func(t *testing.T, a *suitecrm.Adapter) {
		t.Helper()
		w := crm.Write{
			Record: &crm.Record{Object: "Contacts", ID: "b13a39f8-1c24-c5d0-ba0d-0000000000c1"},
			Owner:  "b13a39f8-1c24-c5d0-ba0d-0000000000a1",
		}
		for _, w.Call = range states {
			written := a.Write(t.Context(), []crm.Write{w})
			require.NoError(t, written[0].Err)
			w.LogID, w.Progress = written[0].LogID, written[0].Progress
		}
	}
}

func finds(lookup crm.Lookup) func(*testing.T, *suitecrm.Adapter) {
	return func(t *testing.T, a *suitecrm.Adapter) {
		t.Helper()
		require.NoError(t, a.Find(t.Context(), []crm.Lookup{lookup})[0].Err)
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
