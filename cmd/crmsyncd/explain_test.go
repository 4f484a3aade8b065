package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/require"
)

// explained is what the tests read of an explanation.
type explained struct {
	Steps []struct {
		Outcome  struct{ Kind string }
		Matched  struct{ Record struct{ ID string } }
		Requests []struct {
			Method, URL string
			Body        json.RawMessage
		}
	}
	Agent struct{ Owner, Source string }
}

// wholeCall is an event of an answered call that ended, with its recording, of the customer and agent of a vendor.
const wholeCall = `{"call_id":"20240113150030000001","call_status":"answered","direction":"inbound",
	"caller_number":"0912345678","destination_number":"888","starttime":"2024-01-13 15:00:30",
	"answertime":"2024-01-13 15:00:35","endtime":"2024-01-13 15:05:30","hangup_by":"customer","hotline":"19001234",
	"total_duration":"300","holding_duration":"0","recording_url":"https://media.example.vn/rec/1.mp3?a=1&b=2",
	"transactionID":"TRANSID_1111","userName":"agent","eventType":"call"}`

// TestExplainIsWhatTheDaemonSends explains an event against the fake of each CRM, which gets nothing but look-ups from
// that, lets the daemon deliver the same event, and compares the requests that change the CRM one by one. What a dry run
// cannot know, the ids of what it did not make, is left out of the comparison.
func TestExplainIsWhatTheDaemonSends(t *testing.T) {
	for _, name := range []string{"hubspot", "espocrm", "salesforce", "bitrix24", "bitrix24 application"} {
		t.Run(name, func(t *testing.T) {
			v := newVendor(name, false)
			t.Cleanup(v.server.Close)
			p := newProcess(t, "")
			p.environ = slices.DeleteFunc(p.environ, func(variable string) bool { // of the demo's CRM
				return strings.HasPrefix(variable, "CRMSYNCD_CRM__")
			})
			p.environ = append(p.environ, "CRMSYNCD_DELIVERY__HOLD=0s", "CRMSYNCD_LOG__FORMAT=text")
			config := strings.ReplaceAll(string(v.config), tokenStore, filepath.Join(t.TempDir(), "token.json"))
			require.NoError(t, os.WriteFile(p.config, []byte(config), 0o600))
			x := explainWholeCall(t, p, v)
			asked := len(v.exchanges())

			p.start()
			status, answer := p.post([]byte(wholeCall))
			require.Equal(t, http.StatusOK, status, answer)
			p.eventually(30*time.Second, "the call is delivered", func() bool { return p.states()["delivered"] == 1 })
			require.Equal(t, exitFine, p.stop())
			require.Len(t, v.Logs(), 1)
			requireSent(t, x, v.exchanges()[asked:])
			changes := 0
			for _, n := range v.changes() {
				changes += n
			}
			require.Equal(t, len(x.Steps[0].Requests), changes, "the daemon changes nothing that was not explained: %v",
				v.changes())
		})
	}
}

// explainWholeCall explains wholeCall and requires that this changed nothing, and that numbers and recordings are shown
// only when they are asked for.
func explainWholeCall(t *testing.T, p *process, v *vendor) (x explained) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "event.json")
	require.NoError(t, os.WriteFile(file, []byte(wholeCall), 0o600))
	got := p.keep(nil, "explain", file, "--output", "json", "--show-numbers")
	require.Equal(t, exitFine, got.code, got.err)
	masked := p.keep(nil, "explain", file, "--output", "json")
	require.Equal(t, exitFine, masked.code, masked.err)
	for _, secret := range []string{"912345678", "media.example"} {
		require.Contains(t, got.out, secret)
		require.NotContains(t, masked.out, secret)
	}
	require.Empty(t, v.changes(), "explaining changes nothing")
	require.Empty(t, v.Logs())

	require.NoError(t, json.Unmarshal([]byte(got.out), &x), got.out)
	require.Len(t, x.Steps, 1)
	require.Equal(t, "done", x.Steps[0].Outcome.Kind, got.out)
	require.Equal(t, v.recordID, x.Steps[0].Matched.Record.ID)
	require.Equal(t, "crm", x.Agent.Source)
	return x
}

// requireSent requires that of the requests that came those that were explained came as they were explained, in their
// order, and that all others were look-ups.
func requireSent(t *testing.T, x explained, came []exchange) {
	t.Helper()
	requests := x.Steps[0].Requests
	require.NotEmpty(t, requests)
	next := 0
	for _, e := range came {
		if next == len(requests) {
			break
		}
		r := requests[next]
		u, err := url.Parse(r.URL)
		require.NoError(t, err)
		if e.method != r.Method || !samePath(u.RequestURI(), e.uri) || !json.Valid([]byte(e.body)) ||
			shape(t, string(r.Body)) != shape(t, e.body) {
			continue
		}
		next++
	}
	if next < len(requests) {
		require.Fail(t, "explained and not sent", "%s %s\n%s\ncame: %v", requests[next].Method, requests[next].URL,
			requests[next].Body, came)
	}
}

// samePath compares request URIs but for what was masked of them.
func samePath(explained, sent string) bool {
	explainedParts, sentParts := strings.Split(explained, "/"), strings.Split(sent, "/")
	if len(explainedParts) != len(sentParts) {
		return false
	}
	for i, part := range explainedParts {
		if part != "***" && part != sentParts[i] {
			return false
		}
	}
	return true
}

// shape returns a body in one form, ids of what the request before it made taken out.
func shape(t *testing.T, body string) string {
	t.Helper()
	var v any
	require.NoError(t, json.Unmarshal([]byte(body), &v), body)
	if m, isObject := v.(map[string]any); isObject {
		if inputs, ok := m["inputs"].([]any); ok {
			for _, input := range inputs {
				if link, ok := input.(map[string]any)["from"].(map[string]any); ok {
					link["id"] = "made before"
				}
			}
		}
		delete(m, "auth")
	}
	return fmt.Sprint(v)
}

// TestHostileCRM holds that what a CRM answers neither moves the cursor of a terminal nor makes lines of its own, whether
// it is a record, a user or an error.
func TestHostileCRM(t *testing.T) {
	const hostile = `\u001b[2J\r\nforged: \u009b31m\u202e<script>alert(1)</script>`
	mux := http.NewServeMux()
	var refuse atomic.Bool
	mux.HandleFunc("/api/v1/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch {
		case refuse.Load():
			w.WriteHeader(http.StatusBadRequest)
			_, _ = fmt.Fprintf(w, `{"error":{"message":"%s"}}`, hostile)
		case strings.HasSuffix(r.URL.Path, "/contacts"):
			_, _ = fmt.Fprintf(w, `{"data":[{"id":"%s","owner":"%s","transaction_id":"T","phone":"%s"}],"total":1}`,
				hostile, hostile, hostile)
		case strings.HasSuffix(r.URL.Path, "/users"):
			_, _ = fmt.Fprintf(w, `{"data":[{"id":"%s","name":"lan"}],"total":1}`, hostile)
		default:
			t.Errorf("%s %s was sent", r.Method, r.URL)
		}
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	p := newProcess(t, server.URL)
	file := filepath.Join(t.TempDir(), "event.json")
	require.NoError(t, os.WriteFile(file, []byte(`{"call_id":"c","transactionID":"T","userName":"lan"}`), 0o600))
	for _, output := range []string{"text", "json"} {
		got := p.keep(nil, "explain", file, "--output", output)
		require.Equal(t, exitFine, got.code, got.err)
		require.Contains(t, got.out, "<script>")
		requireHarmless(t, got)
	}
	refuse.Store(true)
	for _, c := range []struct {
		code int
		args []string
	}{
		{exitFine, []string{"explain", file}}, // a call that the CRM refuses is parked: that is all that is to be told
		{exitFine, []string{"explain", file, "--output", "json"}},
		{exitCannot, []string{"check", "--online"}},
	} {
		got := p.keep(nil, c.args...)
		require.Equal(t, c.code, got.code, got.out)
		require.Contains(t, got.out, "HTTP 400")
		requireHarmless(t, got)
	}
}

// requireHarmless requires that an output has nothing but text, on lines of the program's own.
func requireHarmless(t *testing.T, got outcome) {
	t.Helper()
	for line := range strings.SplitSeq(got.out+got.err, "\n") {
		require.NotContains(t, strings.TrimSpace(line)+" ", "\r")
		require.False(t, strings.HasPrefix(strings.TrimSpace(line), "forged"), "%q", line)
		require.Equal(t, -1, strings.IndexFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }), "%q", line)
	}
}
