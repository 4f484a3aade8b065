package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm/sandbox"
	"github.com/crmsyncd/crmsyncd/outbox"
)

// poisonedCRM is a CRM with one call that kills who delivers it: a request that names the call is never answered, and
// whoever receives from reached kills the sender while it waits. The CRM has done by then what was asked of it.
type poisonedCRM struct {
	crm    *sandbox.Server
	callID string
	cured  atomic.Bool
	// reached is sent to at each request that names the call, with what was asked.
	reached chan string
}

func (c *poisonedCRM) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the sender was killed
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if c.cured.Load() || !strings.Contains(r.URL.RawQuery+string(body), c.callID) {
		c.crm.ServeHTTP(w, r)
		return
	}
	c.crm.ServeHTTP(httptest.NewRecorder(), r)
	c.reached <- r.Method + " " + r.URL.Path
	<-r.Context().Done()
}

// TestTorturePoison delivers a call that kills the process each time, while events stream in and other calls are on
// their way beside it. It is parked as the outbox promises, and nothing else suffers from it.
func TestTorturePoison(t *testing.T) {
	const poison, maxStarts = "poison", 10 // the default of delivery.max_starts
	crm, _ := crmServer(t, 1)
	_, err := crm.AddContact(sandbox.Contact{Name: "Trần Thị Bình", Phone: "+84389912345", TransactionID: "TRANSID_1111"})
	require.NoError(t, err)
	// The other calls of the same claim are still on their way when the poisonous one strikes.
	require.NoError(t, crm.SetFaults(sandbox.Faults{
		Latency: sandbox.Latency{Trigger: always, Min: 10 * time.Millisecond, Max: 30 * time.Millisecond},
	}))
	poisoned := &poisonedCRM{crm: crm, callID: poison, reached: make(chan string)}
	server := httptest.NewServer(poisoned)
	defer server.Close()
	p := newProcess(t, server.URL, "CRMSYNCD_DELIVERY__HOLD=50ms")
	p.start()

	others := newLoad(p, "other", 4)
	sending, stopSending := context.WithCancel(t.Context())
	defer stopSending()
	var sender sync.WaitGroup
	sender.Go(func() { others.run(sending, 4, 25*time.Millisecond, math.MaxInt32) })
	p.eventually(30*time.Second, "others are delivered", func() bool { return len(crm.Calls()) > 0 })
	status, answer := p.post(endedCall(poison))
	require.Equal(t, http.StatusOK, status, answer)
	began := time.Now()
	asked := poisoned.strike(p, maxStarts)
	took := time.Since(began)
	stopSending()
	sender.Wait()
	p.start()
	states := p.drained(time.Minute) // a further delivery of the poisonous call would never end
	requireParked(p, states, poison)
	require.Equal(t, map[string]int{"POST /api/v1/calls": 1, "GET /api/v1/calls": maxStarts - 1}, asked)

	poisoned.cured.Store(true)
	p.replay(poison)
	require.Zero(t, p.drained(30 * time.Second)["parked"])
	logs := map[string]int{}
	for _, log := range crm.Calls() {
		logs[log.CallID]++
		require.Equal(t, 1, logs[log.CallID], log.CallID)
	}
	require.NotEmpty(t, others.accepted)
	for _, id := range append(others.accepted, poison) {
		require.Contains(t, logs, id)
	}
	survived(t, "C8", "a call whose delivery kills the process each time, as running out of memory would, among others",
		"parked as %s after %d starts, %.1f s after it came; readiness green, crmsyncd_dead_letters and its _total 1; %d other "+
			"calls acknowledged meanwhile, 0 parked, 0 lost, each with one call log; replayed after the cure: one call log",
		outbox.ReasonCrashed, maxStarts, took.Seconds(), len(others.accepted))
	require.Equal(t, exitFine, p.stop())
	p.sound()
}

// strike kills the daemon each time that it delivers the poisonous call, and starts it again until the last time. It
// returns how often each request was what killed it.
func (c *poisonedCRM) strike(p *process, times int) map[string]int {
	p.t.Helper()
	asked := map[string]int{}
	for start := 1; ; start++ {
		select {
		case request := <-c.reached:
			asked[request]++
		case <-p.exited:
			require.FailNow(p.t, "the daemon has exited by itself", "%s", p.cmd.ProcessState)
		case <-time.After(30 * time.Second):
			require.FailNow(p.t, "the call was not delivered", "start %d", start)
		}
		p.kill()
		if start == times {
			return asked
		}
		p.startUnder()
	}
}

// requireParked requires that one call, and no other, is parked because its delivery killed the process, that whoever
// watches sees it, and that events are still taken.
func requireParked(p *process, states map[string]int, callID string) {
	p.t.Helper()
	status, body := p.get("/api/v1/calls?state=parked")
	require.Equal(p.t, http.StatusOK, status, "%s", body)
	require.Equal(p.t, 1, states["parked"], "%s", body)
	status, body = p.get("/api/v1/calls/" + url.PathEscape(callID))
	require.Equal(p.t, http.StatusOK, status, "%s", body)
	var view struct {
		State  string `json:"state"`
		Reason string `json:"reason"`
		Error  string `json:"error"`
	}
	require.NoError(p.t, json.Unmarshal(body, &view), "%s", body)
	require.Equal(p.t, "parked", view.State)
	require.Equal(p.t, outbox.ReasonCrashed, view.Reason)
	require.Contains(p.t, view.Error, "began 10 times and the process died each time")
	status, body = p.get("/readyz")
	require.Equal(p.t, http.StatusOK, status, "%s", body)
	require.InDelta(p.t, 1, p.metric(`crmsyncd_dead_letters{reason="crashed"}`), 0)
	require.InDelta(p.t, 1, p.metric(`crmsyncd_dead_letters_total{reason="crashed"}`), 0)
	require.InDelta(p.t, 1, p.metric(`crmsyncd_ready`), 0)
}

// replay asks the daemon to deliver a parked call again.
func (p *process) replay(callID string) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost,
		"http://"+p.private+"/api/v1/calls/"+url.PathEscape(callID)+"/replay", http.NoBody)
	require.NoError(p.t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(p.t, err)
	defer func() { _ = resp.Body.Close() }()
	require.Equal(p.t, http.StatusOK, resp.StatusCode)
}
