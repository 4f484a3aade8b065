package outboxtest

import (
	"fmt"
	"time"

	"github.com/crmsyncd/crmsyncd/outbox"
)

func claimCases() []testCase {
	return []testCase{
		{"Claim gives the oldest due first", testOldestDueFirst},
		{"ClaimNewest gives the newest due first", testNewestDueFirst},
		{"entries that are due at the same time come by age", testTiesByAge},
		{"a delay holds an entry back and later messages do not prolong it", testDelay},
		{"a message that is due earlier brings the entry forward", testBroughtForward},
		{"Claim tells when the next entry is due", testNextDue},
		{"Claim keeps to its limit", testClaimLimit},
		{"a key is claimed once at a time", testClaimedOnce},
		{"a claimed entry is complete", testClaimComplete},
		{"a clock that is set back loses nothing", testClockSetBack},
	}
}

func testOldestDueFirst(f *fixture) {
	f.append(delayed("d", "1", 4*time.Second), delayed("b", "1", 2*time.Second), delayed("e", "1", time.Hour))
	f.append(delayed("a", "1", 3*time.Second), delayed("c", "1", time.Second))
	f.clock.Advance(10 * time.Second)
	f.append(message("now", "1"))
	f.Equal([]string{"c", "b", "a", "d", "now"}, keysOf(f.claim(10)))
}

func testNewestDueFirst(f *fixture) {
	newest := func(limit int) []string {
		entries, err := f.store.ClaimNewest(f.t.Context(), limit)
		f.NoError(err)
		return keysOf(entries)
	}
	f.Empty(newest(10))
	f.append(delayed("d", "1", 4*time.Second), delayed("b", "1", 2*time.Second), delayed("e", "1", time.Hour))
	f.append(delayed("a", "1", 3*time.Second), delayed("c", "1", time.Second))
	f.Empty(newest(10), "nothing is due")
	f.clock.Advance(10 * time.Second)
	f.append(message("now", "1"))
	f.Equal([]string{"now", "d"}, newest(2))
	f.Equal([]string{"c"}, keysOf(f.claim(1)), "the other end")
	f.Equal([]string{"a", "b"}, newest(10), "those in flight are left out, and what is not due")
	f.Equal(outbox.InFlight, f.get("a").State)
}

func testTiesByAge(f *fixture) {
	f.append(delayed("z", "1", 3*time.Second))
	f.clock.Advance(time.Second)
	f.append(delayed("y", "1", 2*time.Second), delayed("m", "1", 2*time.Second), delayed("x", "1", 2*time.Second))
	f.clock.Advance(time.Second)
	f.append(delayed("a", "1", time.Second))
	f.clock.Advance(time.Second)
	f.reopen()
	f.Equal([]string{"z", "y"}, keysOf(f.claim(2)))
	f.Equal([]string{"m", "x", "a"}, keysOf(f.claim(10)))
}

func testDelay(f *fixture) {
	f.append(delayed("a", "1", 2*time.Second))
	due := f.now().Add(2 * time.Second)
	f.Equal(due, f.idle())
	f.clock.Advance(2*time.Second - 1)
	f.append(delayed("a", "2", 2*time.Second))
	f.Equal(due, f.get("a").Due, "the later message does not put the due time off")
	f.Equal(due, f.idle(), "a nanosecond early is early")
	f.clock.Advance(1)
	f.Equal([]string{"1", "2"}, bodiesOf(f.take("a")), "the later message goes along")
}

func testBroughtForward(f *fixture) {
	f.append(delayed("a", "1", time.Hour))
	f.append(delayed("a", "2", time.Minute))
	f.Equal(f.now().Add(time.Minute), f.get("a").Due)
	f.append(message("a", "3"))
	f.Equal(f.now(), f.get("a").Due)
	f.Equal([]string{"1", "2", "3"}, bodiesOf(f.take("a")))

	for _, verdict := range []outbox.Verdict{outbox.VerdictRetry, outbox.VerdictPostpone} {
		key := fmt.Sprint("waits", verdict)
		f.put(key, "1")
		f.take(key)
		due := f.now().Add(time.Hour)
		f.settle(outbox.Settlement{Key: key, Verdict: verdict, Due: due, Reason: "timeout"})
		f.append(delayed(key, "2", 2*time.Hour))
		f.Equal(due, f.get(key).Due, "a message that is due later changes nothing")
		f.append(delayed(key, "3", time.Second))
		f.Equal(f.now().Add(time.Second), f.get(key).Due, "a message does not wait for the retry of another")
		f.clock.Advance(time.Second)
		f.Equal([]string{"1", "2", "3"}, bodiesOf(f.take(key)))
	}
}

func testNextDue(f *fixture) {
	f.Zero(f.idle(), "none is waiting")
	f.append(delayed("a", "1", time.Hour), delayed("b", "1", time.Minute))
	f.Equal(f.now().Add(time.Minute), f.idle())
	f.clock.Advance(time.Minute)
	f.take("b")
	f.Equal(f.now().Add(59*time.Minute), f.idle(), "an entry in flight is not the next one")
	f.clock.Advance(time.Hour)
	f.take("a")
	f.Zero(f.idle(), "entries in flight are not waiting")
	f.settle(outbox.Settlement{Key: "a", Verdict: outbox.VerdictDelivered},
		outbox.Settlement{Key: "b", Verdict: outbox.VerdictPark, Reason: "invalid"})
	f.Zero(f.idle(), "delivered and parked entries are not waiting")
}

func testClaimLimit(f *fixture) {
	for i := range 5 {
		f.put(fmt.Sprint(i), "1")
		f.clock.Advance(time.Second)
	}
	f.Equal([]string{"0", "1"}, keysOf(f.claim(2)))
	f.Equal([]string{"2", "3"}, keysOf(f.claim(2)))
	f.Equal([]string{"4"}, keysOf(f.claim(2)))
	f.Empty(f.claim(2))
}

func testClaimedOnce(f *fixture) {
	f.put("a", "1")
	f.take("a")
	f.idle()
	f.clock.Advance(1000 * time.Hour)
	f.idle()
	f.put("a", "2")
	f.idle()
	f.settle(outbox.Settlement{Key: "a", Verdict: outbox.VerdictRetry})
	f.take("a")
	f.idle()
}

func testClaimComplete(f *fixture) {
	f.append(outbox.Message{Key: "a", Body: []byte("1"), Identity: []byte("id"), Terms: []string{"x"}})
	arrived := f.now()
	f.clock.Advance(time.Second)
	f.put("a", "2")
	f.take("a")
	f.settle(outbox.Settlement{
		Key: "a", Verdict: outbox.VerdictRetry, Receipt: []byte("receipt"), Reason: "timeout", Error: "no answer in 10 s",
	})
	f.clock.Advance(time.Second)
	e := f.take("a")
	f.Equal(f.get("a"), e, "Claim returns what Get shows")
	f.Equal([]outbox.StoredMessage{
		{Seq: 1, At: arrived, Body: []byte("1")},
		{Seq: 2, At: arrived.Add(time.Second), Body: []byte("2")},
	}, e.Messages)
	f.Equal("receipt", string(e.Receipt))
	f.Equal(1, e.Attempts)
	f.Equal(1, e.Starts, "this one included")
	f.False(e.Interrupted, "the delivery before was settled")
	f.Equal(arrived, e.Created)
	f.Equal(arrived, e.Since, "an entry in flight stands since its oldest message that is not delivered")
	f.Equal("timeout", e.Reason)
	f.Equal("no answer in 10 s", e.Error)
	f.Equal([]string{"a"}, f.listed(outbox.Filter{State: outbox.InFlight, Term: "x"}))
}

func testClockSetBack(f *fixture) {
	f.put("a", "1")
	due := f.now()
	f.clock.Advance(-time.Hour)
	f.Equal(due, f.idle(), "not due yet by this clock")
	f.put("b", "1")
	f.take("b")
	f.settle(outbox.Settlement{Key: "b", Verdict: outbox.VerdictRetry, Due: f.now().Add(time.Minute)})
	f.clock.Advance(2 * time.Hour)
	f.Equal([]string{"b", "a"}, keysOf(f.claim(10)))
}
