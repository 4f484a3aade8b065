package pipedrive_test

import (
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/crm/pipedrive/pipedrivetest"
)

var rewrite = flag.Bool("update", false, "rewrite the golden files")

const recordingURL = "https://media.example.com:1777/IPCCMedia/MP3Export.do?url=a%2Fb.mp3&source=ipcc"

// recorder keeps the requests that come to a fake.
type recorder struct {
	crm http.Handler

	mu   sync.Mutex
	sent strings.Builder
}

// boundary is that of a form, another one each time.
var boundary = regexp.MustCompile(`[0-9a-f]{60}`)

func (r *recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	req.Body = io.NopCloser(strings.NewReader(string(body)))
	text := strings.ReplaceAll(string(body), ",\"", ",\n \"")
	text = strings.ReplaceAll(strings.ReplaceAll(text, sound, "(the file)"), "\r\n", "\n")
	r.mu.Lock()
	r.sent.WriteString(req.Method + " " + req.URL.RequestURI() + "\n")
	if contentType := req.Header.Get("Content-Type"); contentType != "" {
		r.sent.WriteString("Content-Type: " + boundary.ReplaceAllString(contentType, "BOUNDARY") + "\n")
	}
	r.sent.WriteString(strings.TrimSpace(boundary.ReplaceAllString(text, "BOUNDARY")) + "\n\n")
	r.mu.Unlock()
	r.crm.ServeHTTP(w, req)
}

// missedCall is an outbound call that nobody answered.
func missedCall(id string) call.Call {
	c := endedCall(id)
	c.Direction, c.Result, c.Status = call.Outbound, call.ResultMissed, "missed"
	c.Answer, c.Talk, c.Hotline = time.Time{}, call.Seconds{}, ""
	return c
}

// TestRequests holds what is sent, to the byte.
func TestRequests(t *testing.T) {
	hidden := endedCall("call-4")
	hidden.Customer, hidden.Hotline, hidden.Extension = call.Number{}, "", ""
	busy := missedCall("call-5")
	busy.Status = "BUSY"
	running := endedCall("call-3")
	running.State, running.End, running.HangupBy = call.Answered, time.Time{}, ""
	running.Total, running.Talk = call.Seconds{}, call.Seconds{}
	states := func(object string, calls ...call.Call) func(*testing.T, *bench) {
		return func(t *testing.T, b *bench) {
			t.Helper()
			w := crm.Write{Owner: b.crm.AddUser(login)}
			if object != "" {
				w.Record = &crm.Record{Object: object, ID: b.crm.AddRecord(object, "T-1", "+84912345678")}
			}
			for _, w.Call = range calls {
				w = b.write(t, w)
			}
		}
	}
	for name, run := range map[string]func(*testing.T, *bench){
		"answered_inbound":   states("person", recorded(endedCall("call-1"), recordingURL)),
		"missed_outbound":    states("deal", missedCall("call-2")),
		"busy_lead":          states("lead", busy),
		"hidden_unlinked":    states("", hidden),
		"running_then_ended": states("person", running, endedCall("call-3")),
		"late_link":          states("person", endedCall("call-1"), recorded(endedCall("call-1"), recordingURL)),
		"find": func(t *testing.T, b *bench) {
			t.Helper()
			for _, object := range []string{"person", "deal", "lead"} {
				b.crm.AddRecord(object, "T&1=ä", "+84912345678")
				found := b.Find(t.Context(), []crm.Lookup{{Object: object, TransactionID: "T&1=ä"}})
				require.NoError(t, found[0].Err)
				require.Len(t, found[0].Records, 1)
			}
			short := []crm.Lookup{{Object: "person", Phone: call.ParseNumber("101", "VN")}} // has one spelling
			require.NoError(t, b.Find(t.Context(), short)[0].Err)
		},
		"create_contact": func(t *testing.T, b *bench) {
			t.Helper()
			require.NoError(t, b.CreateContacts(t.Context(), []call.Call{endedCall("call-1")})[0].Err)
		},
		"find_log": func(t *testing.T, b *bench) {
			t.Helper()
			require.NoError(t, b.FindLogs(t.Context(), []call.Call{endedCall("call-1"), endedCall("call-2")})[0].Err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			fake := pipedrivetest.New(pipedrivetest.Options{})
			r := &recorder{crm: fake}
			server := httptest.NewServer(r)
			t.Cleanup(server.Close)
			run(t, &bench{Adapter: newAdapter(t, server.URL, objects), crm: fake})
			golden(t, name, r.sent.String())
		})
	}
	t.Run("attached_recording", func(t *testing.T) {
		m := newMedia(t)
		fake := pipedrivetest.New(pipedrivetest.Options{})
		r := &recorder{crm: fake}
		server := httptest.NewServer(r)
		t.Cleanup(server.Close)
		states("person", recorded(endedCall("call-1"), m.recording()))(t,
			&bench{Adapter: newAdapter(t, server.URL, m.allowed(t)), crm: fake})
		u, err := url.Parse(m.URL)
		require.NoError(t, err)
		require.NotContains(t, r.sent.String(), u.Host, "the address of the file stays here")
		golden(t, "attached_recording", r.sent.String())
	})
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", "golden", name+".txt")
	if *rewrite {
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o750))
		require.NoError(t, os.WriteFile(file, []byte(got), 0o600))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), got, "run the test with -update if this is meant")
}
