package main

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm/sandbox"
	"github.com/crmsyncd/crmsyncd/receiver/alohub/traffic"
)

// always is a fault that hits every request.
var always = sandbox.Trigger{Ratio: 1}

// outage is a phase in which the CRM is of no use, and what may be asked of it meanwhile.
type outage struct {
	name   string
	faults sandbox.Faults
	// lasts is how long the phase lasts, most how many requests the CRM may get in it: those on their way when it begins,
	// those that open the breaker, and the probes.
	lasts time.Duration
	most  int
	// paused is the reason that the daemon must give.
	paused string
}

// TestOutageLosesNothingAndIsBounded takes the CRM away in each way there is, while events go on coming in, and gives it
// back: nothing is parked, nothing is lost, and the CRM was hardly asked while it was away.
func TestOutageLosesNothingAndIsBounded(t *testing.T) {
	crm, url := crmServer(t, 1)
	p := newProcess(t, url, "CRMSYNCD_DELIVERY__HOLD=0s", "CRMSYNCD_MATCH__WAIT=1s",
		"CRMSYNCD_MATCH__UNMATCHED=unlinked", "CRMSYNCD_DELIVERY__WORKERS=4", "CRMSYNCD_DELIVERY__BREAKER__PAUSE=500ms",
		"CRMSYNCD_DELIVERY__BREAKER__MAX_PAUSE=1s", "CRMSYNCD_CRM__CONCURRENCY=1")
	p.start()
	generator, err := traffic.New(traffic.Options{
		Seed: 7, Start: time.Now().Add(-time.Hour), Contacts: traffic.NewContacts(demoSeed, demoContacts),
		Agents: traffic.NewAgents(demoSeed, demoAgents),
	})
	require.NoError(t, err)
	events, truths, err := generator.Day(200, 0)
	require.NoError(t, err)

	// 4 workers, 5 failures for the breaker, 2 probes a second and slack for the client's own repeats of cut requests.
	phases := []outage{
		{name: "works", lasts: 500 * time.Millisecond, most: 100_000},
		{name: "down", faults: sandbox.Faults{Down: always}, lasts: 4 * time.Second, most: 40, paused: "breaker"},
		{
			name: "throttled", faults: sandbox.Faults{Throttle: sandbox.Throttle{Trigger: always, RetryAfter: 3 * time.Second}},
			lasts: 4 * time.Second, most: 12, paused: "throttle",
		},
		{name: "unauthorized", faults: sandbox.Faults{Unauthorized: always}, lasts: 4 * time.Second, most: 20, paused: "auth"},
		{
			name: "failing", faults: sandbox.Faults{Failure: sandbox.Failure{Trigger: always, Status: 500}},
			lasts: 4 * time.Second, most: 30, paused: "breaker",
		},
	}
	for i, phase := range phases {
		require.NoError(t, crm.SetFaults(phase.faults))
		before := total(crm.Requests())
		share := events[i*len(events)/len(phases) : (i+1)*len(events)/len(phases)]
		for _, e := range share {
			status, answer := p.post(e.Body)
			require.Equal(t, http.StatusOK, status, "%s: %s", phase.name, answer)
		}
		if phase.paused != "" {
			p.eventually(30*time.Second, "the target rests: "+phase.paused, func() bool {
				_, body := p.get("/metrics")
				return contains(body, fmt.Sprintf("crmsyncd_worker_paused{by=%q} 1", phase.paused))
			})
		}
		<-time.After(phase.lasts) // the outage lasts
		asked := total(crm.Requests()) - before
		if phase.paused != "" {
			t.Logf("torture: C1-C6 | the CRM is of no use: %s | over %v %d events acknowledged, the CRM was asked %d times; "+
				"nothing parked, nothing lost", phase.name, phase.lasts, len(share), asked)
		}
		require.LessOrEqual(t, asked, phase.most, phase.name)
	}
	require.NoError(t, crm.SetFaults(sandbox.Faults{}))
	states := p.drained(time.Minute)
	require.Zero(t, states["parked"])
	require.Equal(t, len(truths), states["delivered"])
	logs := map[string]sandbox.Call{}
	for _, log := range crm.Calls() {
		logs[log.CallID] = log
	}
	for _, truth := range truths {
		require.Contains(t, logs, truth.CallID)
		require.Empty(t, differences(logs[truth.CallID], truth), "call %s", truth.CallID)
	}
	require.Equal(t, exitFine, p.stop())
	p.sound()
}

// total adds up the requests of all routes.
func total(requests map[string]int) int {
	sum := 0
	for _, n := range requests {
		sum += n
	}
	return sum
}
