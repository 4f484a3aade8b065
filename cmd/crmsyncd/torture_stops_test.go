package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm/sandbox"
	"github.com/crmsyncd/crmsyncd/outbox"
	"github.com/crmsyncd/crmsyncd/outbox/bolt"
	"github.com/crmsyncd/crmsyncd/receiver/alohub/traffic"
)

// TestTortureStops stops the daemon at random moments while events stream in and go out to the CRM.
func TestTortureStops(t *testing.T) {
	stops := int(fromEnvironment(t, "TORTURE_STOPS", uint64(fewerInShort(100, 10))))
	seed := fromEnvironment(t, "TORTURE_SEED", uint64(time.Now().UnixNano()))
	t.Logf("seed: TORTURE_SEED=%d, stops: %d", seed, stops)
	random := rand.New(rand.NewPCG(seed, 1))
	crm, url := crmServer(t, seed)
	require.NoError(t, crm.SetFaults(sandbox.Faults{
		Latency: sandbox.Latency{Trigger: always, Min: time.Millisecond, Max: 20 * time.Millisecond},
	}))
	p := newProcess(t, url, "CRMSYNCD_DELIVERY__HOLD=20ms", "CRMSYNCD_MATCH__WAIT=1s", "CRMSYNCD_MATCH__UNMATCHED=create")
	p.start()

	board := &switchboard{p: p, book: &ledger{acked: map[string][][]byte{}}, tally: map[string]int{}}
	sending, stopSending := context.WithCancel(t.Context())
	events := make(chan traffic.Event)
	var sender sync.WaitGroup
	sender.Go(func() { board.run(sending, events, 12) })
	sender.Go(func() { generate(sending, t, seed, events) })
	var took []time.Duration
	for range stops {
		<-time.After(time.Duration(20+random.IntN(230)) * time.Millisecond) // the moment of the stop
		began := time.Now()
		require.Equal(t, exitFine, p.stop())
		took = append(took, time.Since(began))
		require.Empty(t, inDoubt(t, p.outbox), "an orderly stop cuts no delivery off")
		p.start()
	}
	stopSending()
	sender.Wait()
	require.NoError(t, crm.SetFaults(sandbox.Faults{}))
	states := p.drained(2 * time.Minute)
	require.Zero(t, states["parked"])
	require.Equal(t, exitFine, p.stop())
	p.sound()

	require.NotEmpty(t, board.book.acked)
	for outcome, n := range board.tally {
		require.Contains(t, []string{"200", "503", hungUp, noConnection}, outcome, "%d times", n)
	}
	hold(t, crm, board.book)
	survived(t, "C15", strconv.Itoa(stops)+" SIGTERMs under load",
		"exit code 0 each time, exit p99 %s ms; %d calls acknowledged, each with one call log; of the senders' tries %d were "+
			"answered 200, %d answered 503, %d hung up on before an answer, %d found nobody listening, and nothing else",
		quantile(took, 0.99), len(board.book.acked), board.tally["200"], board.tally["503"], board.tally[hungUp],
		board.tally[noConnection])
}

// inDoubt reads the file of a daemon that has stopped: the calls whose delivery began and has no end.
func inDoubt(t *testing.T, path string) []string {
	t.Helper()
	store, err := bolt.Open(bolt.Options{Path: path})
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()
	var keys []string
	for cursor := ""; ; {
		page, err := store.List(t.Context(), outbox.Filter{State: outbox.Pending, After: cursor, Limit: 1000})
		require.NoError(t, err)
		for _, e := range page.Entries {
			if e.Interrupted {
				keys = append(keys, e.Key)
			}
		}
		if cursor = page.Next; cursor == "" {
			return keys
		}
	}
}

// TestTortureSecondSignal holds that a second signal ends a stop that waits, and that what it cut off is in doubt.
func TestTortureSecondSignal(t *testing.T) {
	crm, url := crmServer(t, 1)
	p := newProcess(t, url, "CRMSYNCD_DELIVERY__HOLD=0s", "CRMSYNCD_MATCH__WAIT=0s", "CRMSYNCD_MATCH__UNMATCHED=unlinked",
		"CRMSYNCD_CRM__TIMEOUT=1m", "CRMSYNCD_SHUTDOWN_TIMEOUT=1m")
	p.start()
	slow := sandbox.Trigger{Ratio: 1, Route: "POST /api/v1/calls"}
	require.NoError(t, crm.SetFaults(sandbox.Faults{
		Latency: sandbox.Latency{Trigger: slow, Min: 30 * time.Second, Max: 30 * time.Second},
	}))
	status, answer := p.post(endedCall("second-signal"))
	require.Equal(t, http.StatusOK, status, answer)
	p.eventually(30*time.Second, "the CRM has written the call and says nothing", func() bool { return len(crm.Calls()) == 1 })

	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	p.eventually(30*time.Second, "the stop waits for the delivery", func() bool {
		return strings.Contains(p.log.String(), "crmsyncd is stopping")
	})
	began := time.Now()
	require.Equal(t, exitNotClean, p.stop())
	took := time.Since(began)
	require.Less(t, took, 15*time.Second, "it does not wait any more")
	require.Equal(t, []string{"second-signal"}, inDoubt(t, p.outbox))

	require.NoError(t, crm.SetFaults(sandbox.Faults{}))
	p.start()
	require.Equal(t, 1, p.drained(30 * time.Second)["delivered"])
	require.Len(t, crm.Calls(), 1)
	require.Equal(t, 1, crm.Requests()["POST /api/v1/calls"], "it is looked up, not written again")
	survived(t, "C15", "a second SIGTERM while the stop waits for a CRM that does not answer",
		"exit code 3 after %d ms; the call in doubt was looked up after the restart: one call log", took.Milliseconds())
	require.Equal(t, exitFine, p.stop())
}

// TestTortureStopWithoutAnswers holds that a CRM that never answers cannot keep the daemon from stopping.
func TestTortureStopWithoutAnswers(t *testing.T) {
	crm, url := crmServer(t, 1)
	const limit = 6 * time.Second
	p := newProcess(t, url, "CRMSYNCD_DELIVERY__HOLD=0s", "CRMSYNCD_MATCH__WAIT=0s", "CRMSYNCD_MATCH__UNMATCHED=unlinked",
		"CRMSYNCD_CRM__TIMEOUT=1m", "CRMSYNCD_SHUTDOWN_TIMEOUT="+limit.String())
	p.start()
	slow := sandbox.Trigger{Ratio: 1, Route: "POST /api/v1/calls"}
	require.NoError(t, crm.SetFaults(sandbox.Faults{
		Latency: sandbox.Latency{Trigger: slow, Min: time.Minute, Max: time.Minute},
	}))
	const calls = 20 // more than there are workers
	for i := range calls {
		status, answer := p.post(endedCall(fmt.Sprintf("no-answer-%02d", i)))
		require.Equal(t, http.StatusOK, status, answer)
	}
	p.eventually(30*time.Second, "every worker waits for the CRM", func() bool { return len(crm.Calls()) == 8 })
	began := time.Now()
	require.Equal(t, exitFine, p.stop())
	took := time.Since(began)
	require.Less(t, took, limit+10*time.Second)
	written := len(crm.Calls())

	require.NoError(t, crm.SetFaults(sandbox.Faults{}))
	p.start()
	require.Equal(t, calls, p.drained(time.Minute)["delivered"])
	require.Len(t, crm.Calls(), calls)
	twins := crm.Stats().Twins
	require.Zero(t, twins, "what was cut off is looked up, not written again")
	survived(t, "C15", "SIGTERM while the CRM never answers, shutdown_timeout "+limit.String(),
		"exit code 0 after %.1f s with %d calls written and unanswered; after the restart %d calls, %d call logs, %d writes refused as twins",
		took.Seconds(), written, calls, len(crm.Calls()), twins)
	require.Equal(t, exitFine, p.stop())
	p.sound()
}
