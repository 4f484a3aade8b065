package rest_test

import (
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/call"
)

var rewrite = flag.Bool("update", false, "rewrite the golden files")

// endedCall is the call that tests write: answered, ended, from a number that needs escaping.
func endedCall() call.Call {
	start := time.Date(2026, 3, 1, 2, 30, 0, 0, time.UTC)
	return call.Call{
		ID: "call-1", TransactionID: "T&1=ä'x", Direction: call.Inbound, State: call.Ended, Result: call.ResultAnswered,
		Status: "answered", Customer: call.ParseNumber("0912 345 678", "VN"), Hotline: "19001000", Extension: "101",
		Agent: "an.nguyen", Start: start, Answer: start.Add(10 * time.Second), End: start.Add(100 * time.Second),
		HangupBy: "customer", Total: call.KnownSeconds(100), Talk: call.KnownSeconds(90),
	}
}

// TestRequests holds what is sent to each vendor: the requests of one look-up by transaction id, one by phone, a
// create, an update with a late recording, a write without a record and a look-up of the log.
func TestRequests(t *testing.T) {
	forEachVendor(t, func(t *testing.T, v vendor, f *fake) {
		t.Helper()
		var sent strings.Builder
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			record := dump(t, r)
			if !strings.Contains(r.URL.Path, "oauth2") {
				sent.WriteString(record)
			}
			f.ServeHTTP(w, r)
		}))
		t.Cleanup(server.Close)
		adapter := vendorAdapter(t, v.name, server.URL)
		object := adapter.Traits().Objects[0]
		c := endedCall()
		lead := crm.Record{Object: object, ID: f.AddRecord(object, c.TransactionID, c.Customer.E164)}

		adapter.Find(t.Context(), []crm.Lookup{{Object: object, TransactionID: c.TransactionID}})
		adapter.Find(t.Context(), []crm.Lookup{{Object: object, Phone: c.Customer}})
		written := adapter.Write(t.Context(), []crm.Write{{Call: c, Record: &lead, Owner: "7"}})
		require.NoError(t, written[0].Err)
		c.RecordingURL = "https://recordings.example.com/call-1.mp3?a=1&b=<2>"
		updated := adapter.Write(t.Context(), []crm.Write{{Call: c, Record: &lead, Owner: "7", LogID: written[0].LogID}})
		require.NoError(t, updated[0].Err)
		unlinked := adapter.Write(t.Context(), []crm.Write{{Call: call.Call{ID: "call-2", Start: c.Start, End: c.End}}})
		require.NoError(t, unlinked[0].Err)
		logs := adapter.FindLogs(t.Context(), []call.Call{c})
		require.Equal(t, written[0].LogID, logs[0].LogID)

		golden(t, filepath.Join("testdata", "golden", v.name+".txt"), sent.String())
	})
}

// dump returns a request as text, without what is the same in every one, and gives the body back.
func dump(t *testing.T, r *http.Request) string {
	t.Helper()
	body, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	text := r.Method + " " + r.URL.RequestURI() + "\n"
	if kind := r.Header.Get("Content-Type"); kind != "" {
		text += kind + "\n"
	}
	if len(body) > 0 {
		text += string(body) + "\n"
	}
	return text + "\n"
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
