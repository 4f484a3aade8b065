package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/crm/crmtest"
	"github.com/crmsyncd/crmsyncd/receiver/alohub/traffic"
)

// searchLag is how long the searches of the fakes do not show what was written: as long as real ones, and shorter than
// the rest of a write in doubt.
const searchLag = 2 * time.Second

// TestCrashOnVendors kills the daemon at random moments while events stream in and the CRM, a fake of the vendor's own
// API, loses answers, fails, throttles and lags. In the end each call has one call log, on the right record, owned by
// the right agent, that says what the events say.
func TestCrashOnVendors(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped by -short: a crash loop for each vendor takes a minute and a half")
	}
	rounds := fromEnvironment(t, "CRASH_ROUNDS", 6)
	seed := fromEnvironment(t, "CRASH_SEED", uint64(time.Now().UnixNano()))
	t.Logf("seed: CRASH_SEED=%d, rounds: %d", seed, rounds)
	_, err := binary() // once, before all want it
	require.NoError(t, err)
	for i, v := range vendorCRMs() {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			crashOn(t, v, seed+uint64(i), rounds)
		})
	}
}

// crashOn is the crash loop of one vendor.
func crashOn(t *testing.T, v vendorCRM, seed, rounds uint64) {
	t.Helper()
	customers := traffic.NewContacts(demoSeed, demoContacts)
	o := newOffice(t, v, nil, searchLag, customers)
	p := newProcessOf(t, o.configuration, append(hasty(), "CRMSYNCD_MATCH__WAIT=1s", "CRMSYNCD_DELIVERY__RECORDING_WAIT=2s")...)
	p.start()
	storm := storm{server: o.server, weather: crmtest.Weather{
		Seed: seed, Lose: 0.1, Fail: 0.05, Throttle: 0.02, Throttled: v.rests[0].answer, Named: v.rests[0].named,
		MaxLatency: 20 * time.Millisecond,
		// A lost answer to a refresh of a token that rotates ends the access, by the vendor's rules.
		Exempt: func(r *http.Request) bool { return strings.Contains(r.URL.Path, "/token") },
	}}
	storm.blow()
	book := newLedger()
	kills(t, &feed{t: t, p: p, seed: seed, book: book, toTheEnd: true}, rounds, storm.blow)
	storm.end()
	states := p.drained(2 * time.Minute)
	require.Zero(t, states["parked"])
	require.Equal(t, exitFine, p.stop())
	p.sound()

	require.Positive(t, storm.counts.Lost, "the CRM must have lost answers")
	o.hold(t, book, customers)
	t.Logf("torture: C4 %s | kill -9 of the daemon at random moments while %s loses answers, fails, throttles and lags | "+
		"%d kills; %d events, %d calls, each with one call log on the right record, by the right agent, twins 0; "+
		"%d answers lost, %d failures, %d throttled, %d requests before the time that these named", v.name, v.title, rounds,
		book.sent, len(book.acked), storm.counts.Lost, storm.counts.Failed, storm.counts.Throttled, storm.counts.Early)
}

// storm is weather of which the counts go on over the deaths of the daemon. A daemon that was just started knows of no
// rest that its predecessor was told, so requests are early only within one life.
type storm struct {
	server  *crmtest.Server
	weather crmtest.Weather
	counts  crmtest.Counts
}

// blow begins the storm, or goes on with it for the next life of the daemon.
func (s *storm) blow() {
	s.count()
	s.weather.Seed++
	s.server.Endure(s.weather)
}

// end ends the storm.
func (s *storm) end() {
	s.count()
	s.server.Endure(crmtest.Weather{})
}

func (s *storm) count() {
	c := s.server.Counts()
	s.counts.Lost += c.Lost
	s.counts.Failed += c.Failed
	s.counts.Throttled += c.Throttled
	s.counts.Early += c.Early
}

// hold holds the CRM against the ledger.
func (o *office) hold(t *testing.T, book *ledger, customers []traffic.Contact) {
	t.Helper()
	logs := o.byCall(t)
	require.NotEmpty(t, book.acked)
	for id, known := range book.calls(t) {
		require.Contains(t, logs, id, "the call is lost")
		o.requireRight(t, logs[id], known, customers)
	}
}

// requireRight requires that a call log is on the right record, has the right owner and says what is known of the call.
func (o *office) requireRight(t *testing.T, log crmtest.Log, known call.Call, customers []traffic.Contact) {
	t.Helper()
	if record, is := o.record(known, customers); is {
		require.Equal(t, record, log.RecordID, "call %s is on the wrong record", known.ID)
	} else {
		require.Empty(t, log.RecordID, "call %s of a stranger is on a customer's record", known.ID)
	}
	if known.Agent != "" {
		require.Equal(t, o.agents[known.Agent], log.Owner, "the owner of call %s", known.ID)
	}
	require.Equal(t, string(known.Direction), log.Direction, "the direction of call %s", known.ID)
	require.Equal(t, string(known.Result), log.Result, "the result of call %s", known.ID)
	require.Equal(t, known.Start.UTC(), log.Start.UTC(), "the start of call %s", known.ID)
	require.Equal(t, known.Talk.N, log.Seconds, "the time talked of call %s", known.ID)
	require.Equal(t, known.RecordingURL, log.RecordingURL, "the recording of call %s", known.ID)
}

// record returns the id of the record that a call belongs to, by the transaction id or else by the number.
func (o *office) record(known call.Call, customers []traffic.Contact) (id string, is bool) {
	for i, c := range customers {
		if known.TransactionID != "" && known.TransactionID == c.TransactionID {
			return o.records[i], true
		}
	}
	for i, c := range customers {
		if known.Customer.Same(call.ParseNumber(c.Phone, "VN")) {
			return o.records[i], true
		}
	}
	return "", false
}
