package main

import (
	"context"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/configs"
	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/crm/sandbox"
	"github.com/crmsyncd/crmsyncd/receiver/alohub"
	"github.com/crmsyncd/crmsyncd/receiver/alohub/traffic"
)

// fromEnvironment returns a number of the environment, so that "make crash ROUNDS=" and a printed seed can be used.
func fromEnvironment(t *testing.T, name string, fallback uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return fallback
	}
	n, err := strconv.ParseUint(text, 10, 64)
	require.NoError(t, err, name)
	return n
}

// ledger is what a call centre knows of its events: which of them were acknowledged.
type ledger struct {
	mu    sync.Mutex
	acked map[string][][]byte
	sent  int
}

func newLedger() *ledger { return &ledger{acked: map[string][][]byte{}} }

func (l *ledger) ack(e traffic.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acked[e.CallID] = append(l.acked[e.CallID], e.Body)
}

// calls returns what the acknowledged events of each call say together.
func (l *ledger) calls(t *testing.T) map[string]call.Call {
	t.Helper()
	cfg, err := configs.LoadBytes("demo.yaml", configs.Demo(), nil)
	require.NoError(t, err)
	location, err := time.LoadLocation(cfg.Source.TimeZone)
	require.NoError(t, err)
	decoder, err := alohub.New(alohub.Options{Location: location})
	require.NoError(t, err)
	known := map[string]call.Call{}
	for id, bodies := range l.acked {
		var events []call.Event
		for _, body := range bodies {
			e, err := decoder.Decode(body)
			require.NoError(t, err)
			events = append(events, e)
		}
		known[id] = call.Merge(cfg.Source.PhoneRegion, events...)
	}
	return known
}

// TestCrashLosesNothingAndWritesNothingTwice kills the daemon at random moments while events stream in and the CRM loses
// answers, fails and throttles. In the end every event that was acknowledged is in the CRM, each call has exactly one
// call log, and none has ever stepped back.
func TestCrashLosesNothingAndWritesNothingTwice(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped by -short: the crash loop takes half a minute")
	}
	rounds := fromEnvironment(t, "CRASH_ROUNDS", 25)
	seed := fromEnvironment(t, "CRASH_SEED", uint64(time.Now().UnixNano()))
	t.Logf("seed: CRASH_SEED=%d, rounds: %d", seed, rounds)

	crm, url := crmServer(t, seed)
	require.NoError(t, crm.SetFaults(sandbox.Faults{
		Latency:    sandbox.Latency{Trigger: sandbox.Trigger{Ratio: 1}, Min: time.Millisecond, Max: 20 * time.Millisecond},
		LostAnswer: sandbox.Trigger{Ratio: 0.1}, Failure: sandbox.Failure{Trigger: sandbox.Trigger{Ratio: 0.05}},
		Throttle: sandbox.Throttle{Trigger: sandbox.Trigger{Ratio: 0.01}, RetryAfter: time.Second},
	}))
	p := newProcess(t, url, append(hasty(), "CRMSYNCD_MATCH__WAIT=1s", "CRMSYNCD_MATCH__UNMATCHED=create")...)
	p.start()

	book := newLedger()
	kills(t, &feed{t: t, p: p, seed: seed, book: book}, rounds, nil)
	require.NoError(t, crm.SetFaults(sandbox.Faults{}))
	states := p.drained(2 * time.Minute)
	require.Zero(t, states["parked"])
	require.Equal(t, exitFine, p.stop())
	p.sound()

	stats := crm.Stats()
	require.Positive(t, stats.Faults["lost_answer"], "the CRM must have lost answers")
	require.NotEmpty(t, book.acked)
	hold(t, crm, book)
	t.Logf("torture: A1, C4 | kill -9 of the daemon at random moments while the CRM loses answers, fails and throttles | "+
		"%d kills; %d events sent, %d calls acknowledged, 0 lost, each with one call log, none stepped back; %d answers lost, "+
		"%d failures, %d throttled, %d writes refused as twins", rounds, book.sent, len(book.acked),
		stats.Faults["lost_answer"], stats.Faults["failure"], stats.Faults["throttle"], stats.Twins)
}

// hasty is the environment of a daemon that waits for nothing longer than a test can.
func hasty() []string {
	return []string{
		"CRMSYNCD_DELIVERY__HOLD=50ms", "CRMSYNCD_DELIVERY__MAX_STARTS=1000", "CRMSYNCD_DELIVERY__BREAKER__PAUSE=100ms",
		"CRMSYNCD_DELIVERY__BREAKER__MAX_PAUSE=500ms", "CRMSYNCD_DELIVERY__RETRY__INITIAL=100ms",
		"CRMSYNCD_DELIVERY__RETRY__MAX=1s",
	}
}

// kills kills the daemon at random moments while events stream in, so many times, and starts it again each time;
// before that it calls between, if there is one. It returns when the daemon runs and all events have been sent.
func kills(t *testing.T, f *feed, rounds uint64, between func()) {
	t.Helper()
	random := rand.New(rand.NewPCG(f.seed, 1))
	sending, stopSending := context.WithCancel(t.Context())
	trying, giveUp := context.WithCancel(t.Context())
	defer giveUp()
	var sender sync.WaitGroup
	sender.Go(func() { f.run(sending, trying) })
	survived := false
	defer func() {
		stopSending()
		if !survived {
			giveUp() // nobody answers any more
		}
		sender.Wait()
	}()
	for range rounds {
		<-time.After(time.Duration(50+random.IntN(850)) * time.Millisecond) // the moment of the crash
		f.p.kill()
		if between != nil {
			between()
		}
		f.p.start()
	}
	survived = true
}

// hold holds the CRM against the ledger.
func hold(t *testing.T, crm *sandbox.Server, book *ledger) {
	t.Helper()
	contacts := map[string]sandbox.Contact{}
	for _, c := range crm.Contacts() {
		contacts[c.ID] = c
	}
	logs := map[string][]sandbox.Call{}
	for _, log := range crm.Calls() {
		logs[log.CallID] = append(logs[log.CallID], log)
	}
	for id, known := range book.calls(t) {
		require.Len(t, logs[id], 1, "call %s was acknowledged %d times", id, len(book.acked[id]))
		requireCarries(t, logs[id][0], known)
		contact := contacts[logs[id][0].ContactID]
		require.True(t, known.Customer.Same(call.ParseNumber(contact.Phone, "VN")) ||
			(known.TransactionID != "" && known.TransactionID == contact.TransactionID), "call %s is on the wrong customer", id)
	}
	for _, log := range crm.Calls() {
		requireOnlyForward(t, log.CallID, crm.Revisions(log.ID))
	}
}

// requireCarries requires that a call log says all that the acknowledged events say. It may say more: an event can be
// stored although its answer got lost in a crash.
func requireCarries(t *testing.T, log sandbox.Call, known call.Call) {
	t.Helper()
	if known.State == call.Ended {
		require.Equal(t, known.End.UTC(), log.EndedAt.UTC(), "the end of call %s", known.ID)
		require.NotNil(t, log.TotalSeconds, "the duration of call %s", known.ID)
		require.Equal(t, known.Total.N, *log.TotalSeconds, "the duration of call %s", known.ID)
		require.Equal(t, string(known.Result), log.Result, "the result of call %s", known.ID)
	}
	for what, pair := range map[string][2]string{
		"direction": {string(known.Direction), log.Direction}, "agent": {known.Agent, log.Agent},
		"recording": {known.RecordingURL, log.RecordingURL}, "transaction id": {known.TransactionID, log.TransactionID},
	} {
		if pair[0] != "" {
			require.Equal(t, pair[0], pair[1], "the %s of call %s", what, known.ID)
		}
	}
}

// requireOnlyForward requires that no revision of a call log took anything back.
func requireOnlyForward(t *testing.T, callID string, revisions []sandbox.Revision) {
	t.Helper()
	filledOnce := []string{"answered_at", "ended_at", "recording_url", "agent", "total_seconds", "hangup_by", "owner"}
	for i, r := range revisions {
		for field, change := range r.Changes {
			if i > 0 && slices.Contains(filledOnce, field) {
				require.Contains(t, []any{nil, ""}, change.From, "call %s: revision %d changed %s once more", callID, r.Number, field)
			}
		}
	}
}
