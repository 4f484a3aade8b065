package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/receiver/alohub/traffic"
)

// The canaries: what must not be seen anywhere but in the outbox and the CRM.
const (
	canaryKey       = "canary-key-of-the-webhook-4711"
	canaryWrongKey  = "canary-key-that-is-wrong-4712"
	canaryCRMToken  = "canary/token+of=the.crm-4713"
	canaryAdmin     = "canary-token-of-operators-4714"
	canaryRecording = "https://user:pw@media.example.vn:1777/canary-recording-4715.wav?sig=canary-signature-4716"
)

// canaryWords are the texts to look for.
var canaryWords = []string{
	canaryKey, canaryWrongKey, canaryCRMToken, canaryAdmin, "canary-recording-4715", "canary-signature-4716",
	"canary-name",
}

// canaryCall is a call whose customer nobody may recognise, and how the CRM takes it.
type canaryCall struct {
	id     string
	number string
	// state and reason are where the call gets to.
	state, reason string
}

// canaryCalls have the way in which the CRM fails in their names.
var canaryCalls = []canaryCall{
	{"fine", "0987654301", "delivered", ""},
	{"refused", "+84987654302", "parked", "invalid"},
	{"failing", "84987654303", "pending", "in_doubt"},
	{"lost", "0987 654 304", "pending", "in_doubt"},
	{"unfindable", "098.765.4305", "pending", "transient"},
	{"page", "(098) 765-4306", "parked", "invalid"},
	{"unknown", "0987654307", "parked", "invalid"},
	{"created", "0987654308x", "delivered", ""},
	{"locked", "0987654309", "delivered", ""},
}

// separated is what may stand between the digits of a number.
var separated = regexp.MustCompile(`([0-9])[ .()/\x{a0}-]+([0-9])`)

// leaks returns the canaries in a text. Numbers are looked for without their separators and without 0 or +84, so in
// every spelling.
func leaks(text string) []string {
	var found []string
	for _, word := range canaryWords {
		if strings.Contains(text, word) {
			found = append(found, word)
		}
	}
	joined := text
	for range 2 { // matches do not overlap
		joined = separated.ReplaceAllString(joined, "$1$2")
	}
	for i := range len(canaryCalls) + 1 {
		if number := fmt.Sprintf("98765430%d", i); strings.Contains(joined, number) {
			found = append(found, number)
		}
	}
	return found
}

func TestLeaksAreFound(t *testing.T) {
	for _, spelling := range []string{
		"0987654301", "+84987654301", "84987654301", "0987 654 301", "098 765 43 01", "098.765.4301", "(098) 765-4301",
		"+84 98 765 43 01", "tel:%2B84987654301", `"phone":987654301`, "0 9 8 7 6 5 4 3 0 1",
	} {
		require.Equal(t, []string{"987654301"}, leaks("call "+spelling+" now"), spelling)
	}
	require.Equal(t, []string{canaryKey}, leaks("key="+canaryKey))
	require.Empty(t, leaks("********01 *** (address)"))
}

// guarded is a daemon whose operators need a token.
type guarded struct{ *process }

// start starts the daemon and waits until it is ready.
func (g guarded) start() {
	g.t.Helper()
	path, err := binary()
	require.NoError(g.t, err)
	cmd := exec.CommandContext(context.Background(), path, "serve", "--config", g.config)
	cmd.Env, cmd.Stderr, cmd.Stdout = g.environ, g.log, g.log
	require.NoError(g.t, cmd.Start())
	exited := make(chan struct{})
	g.cmd, g.exited = cmd, exited
	go func() {
		_ = cmd.Wait() // the exit code says more
		close(exited)
	}()
	g.eventually(30*time.Second, "the daemon is ready", func() bool {
		status, _ := g.ask("/readyz", canaryAdmin)
		return status == http.StatusOK
	})
}

// ask asks the operators' listener with a token.
func (g guarded) ask(path, token string) (int, string) {
	req, err := http.NewRequest(http.MethodGet, "http://"+g.private+path, nil)
	require.NoError(g.t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, ""
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, ""
	}
	return resp.StatusCode, string(body)
}

// reaches waits until a call is in a state for a reason.
func (g guarded) reaches(call canaryCall) {
	g.t.Helper()
	var view struct{ State, Reason string }
	g.eventually(30*time.Second, fmt.Sprintf("call %s is %s %s", call.id, call.state, call.reason), func() bool {
		view.State, view.Reason = "", ""
		status, body := g.ask("/api/v1/calls/"+call.id, canaryAdmin)
		return status == http.StatusOK && json.Unmarshal([]byte(body), &view) == nil &&
			view.State == call.state && view.Reason == call.reason
	})
}

// requireClean requires that nothing which an operator can look at shows a canary.
func (g guarded) requireClean(when string) {
	g.t.Helper()
	paths := []string{
		"/metrics", "/api/v1/stats", "/api/v1/calls?limit=200", "/api/v1/config", "/api/v1/quarantine", "/", "/readyz",
		"/api/v1/calls?state=parked", "/api/v1/nothing?of=0987654301",
	}
	for _, call := range canaryCalls {
		paths = append(paths, "/api/v1/calls/"+call.id)
	}
	for _, path := range paths {
		_, body := g.ask(path, canaryAdmin)
		require.NotEmpty(g.t, body, path)
		require.Empty(g.t, leaks(body), "%s, %s shows a canary:\n%s", when, path, body)
	}
	log := g.log.String()
	for line := range strings.Lines(log) {
		require.Empty(g.t, leaks(line), "%s, the log shows a canary:\n%s", when, line)
	}
	require.Empty(g.t, leaks(log), when)
}

// TestNoCanaryIsSeen lets the daemon, which logs all it can, go through good and bad with customers, keys and addresses
// that must not be seen, and then looks for them in everything that it has said.
func TestNoCanaryIsSeen(t *testing.T) {
	crmSide := &canaryCRM{echoed: map[string]int{}}
	server := httptest.NewServer(crmSide)
	t.Cleanup(server.Close)
	for _, format := range []string{"json", "text"} {
		t.Run(format, func(t *testing.T) { releaseCanaries(t, crmSide, server.URL, format) })
	}
	crmSide.mu.Lock()
	defer crmSide.mu.Unlock()
	// While credentials are refused any call that is due may be the probe, so "locked" itself may never be told.
	for _, id := range []string{"refused", "failing", "unfindable", "page", "unknown"} {
		require.Positive(t, crmSide.echoed[id], "the CRM must have echoed call %s", id)
	}
}

func releaseCanaries(t *testing.T, crmSide *canaryCRM, url, format string) {
	t.Helper()
	g := guarded{newProcess(t, url, "CRMSYNCD_LOG__LEVEL=debug", "CRMSYNCD_LOG__FORMAT="+format,
		"CRMSYNCD_RECEIVER__AUTHORIZATION_KEYS="+canaryKey, "CRMSYNCD_ADMIN__TOKEN="+canaryAdmin,
		"CRMSYNCD_CRM__AUTH__TYPE=bearer", "CRMSYNCD_CRM__AUTH__TOKEN="+canaryCRMToken, "CRMSYNCD_MATCH__WAIT=0s",
		"CRMSYNCD_MATCH__UNMATCHED=create", "CRMSYNCD_DELIVERY__HOLD=0s", "CRMSYNCD_DELIVERY__BREAKER__FAILURES=100",
		"CRMSYNCD_DELIVERY__BREAKER__PAUSE=100ms", "CRMSYNCD_DELIVERY__BREAKER__MAX_PAUSE=200ms",
		"CRMSYNCD_DELIVERY__RETRY__INITIAL=100ms", "CRMSYNCD_DELIVERY__RETRY__MAX=1s")}
	g.start()
	post := func(call canaryCall) {
		customer := traffic.Contact{Phone: call.number, TransactionID: "transaction-" + call.id}
		body := eventBody(t, call.id, customer, answeredCall)
		body = []byte(strings.Replace(string(body), `"recording_url":""`, `"recording_url":"`+canaryRecording+`"`, 1))
		require.Contains(t, string(body), canaryRecording)
		w := webhook{body: string(body), keys: []string{canaryKey}}
		w.send(t, g.public).requireTaken(t, "accepted", call.id)
		w.send(t, g.public).requireTaken(t, "duplicate", call.id)
		// What is refused tells as much: in the body, the query, the key, the content type.
		w.body = string(body[:len(body)-1])
		w.send(t, g.public).requireRefusal(t, http.StatusBadRequest, "not_json")
		w.body, w.path = "["+string(body)+"]", "/webhooks/alohub?phone="+strings.ReplaceAll(call.number, " ", "%20")
		w.send(t, g.public).requireRefusal(t, http.StatusBadRequest, "not_object")
		w.keys = []string{canaryWrongKey}
		w.send(t, g.public).requireRefusal(t, http.StatusUnauthorized, "unauthorized")
		w.path, w.keys = "/webhooks/"+strings.ReplaceAll(call.number, " ", "%20"), []string{canaryKey}
		w.send(t, g.public).requireRefusal(t, http.StatusNotFound, "not_found")
	}
	locked := canaryCalls[len(canaryCalls)-1]
	for _, call := range canaryCalls[:len(canaryCalls)-1] {
		post(call)
		g.reaches(call)
	}
	g.requireClean("after the failures")
	_, view := g.ask("/api/v1/calls/refused", canaryAdmin)
	require.Contains(t, view, "HTTP 422: cannot take ********", "the CRM's own words are there, masked")
	status, _ := g.ask("/api/v1/stats", canaryWrongKey)
	require.Equal(t, http.StatusUnauthorized, status)

	crmSide.lock(true)
	post(locked)
	g.eventually(30*time.Second, "the target rests", func() bool {
		_, stats := g.ask("/api/v1/stats", canaryAdmin)
		return strings.Contains(stats, `"reason":"auth"`)
	})
	g.requireClean("while the credentials are refused")
	crmSide.lock(false)
	g.reaches(locked)
	g.requireClean("afterwards")
	require.Equal(t, exitFine, g.stop())
	log := g.log.String()
	require.Empty(t, leaks(log))
	for _, told := range []string{
		"request answered", "call delivered", "entry settled", "the target rests", "missing or wrong key",
	} {
		require.Contains(t, log, told, "the log says all it can")
	}
}
