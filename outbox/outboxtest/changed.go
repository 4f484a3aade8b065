package outboxtest

import (
	"time"

	"github.com/crmsyncd/crmsyncd/outbox"
)

func changedCases() []testCase {
	return []testCase{
		{"Changed tells of an append", testChangedByAppend},
		{"Changed tells of a settle", testChangedBySettle},
		{"Changed tells of a replay", testChangedByReplay},
	}
}

// patience is how long a test waits for what must happen at once. It only passes in full when the test fails.
const patience = 10 * time.Second

// changes runs act, after which the channel that Changed returned before must be closed.
func (f *fixture) changes(what string, act func()) {
	f.t.Helper()
	changed := f.store.Changed()
	f.idle()
	act()
	select {
	case <-changed:
	case <-time.After(patience):
		f.FailNow("Changed was not closed", what)
	}
}

func testChangedByAppend(f *fixture) {
	f.changes("first message", func() { f.put("a", "1") })
	f.deliver("a")
	f.changes("message on a delivered entry", func() { f.put("a", "2") })
	f.park("a", "invalid")
	f.changes("message on a parked entry", func() { f.put("a", "3") })
	f.take("a")
	f.settle(outbox.Settlement{Key: "a", Verdict: outbox.VerdictRetry, Due: f.now().Add(time.Hour)})
	f.changes("message that brings an entry forward", func() { f.put("a", "4") })
	f.deliver("a")
	f.changes("message that waits", func() { f.append(delayed("b", "1", time.Hour)) })
	f.changes("message that waits less", func() { f.append(delayed("c", "1", time.Minute)) })
}

func testChangedBySettle(f *fixture) {
	for _, verdict := range []outbox.Verdict{outbox.VerdictRetry, outbox.VerdictPostpone} {
		f.put("a", string(rune('0'+verdict)))
		f.take("a")
		f.changes("retried or postponed at once", func() { f.settle(outbox.Settlement{Key: "a", Verdict: verdict}) })
		f.take("a")
		f.changes("retried or postponed, none waiting before", func() {
			f.settle(outbox.Settlement{Key: "a", Verdict: verdict, Due: f.now().Add(time.Minute)})
		})
		f.clock.Advance(time.Minute)
		f.deliver("a")
	}
	f.put("a", "released")
	f.take("a")
	f.changes("released", func() { f.settle(outbox.Settlement{Key: "a", Verdict: outbox.VerdictRelease}) })
	f.deliver("a")
	for _, verdict := range []outbox.Verdict{outbox.VerdictDelivered, outbox.VerdictPark} {
		key := string(rune('0' + verdict))
		f.put(key, "1")
		f.take(key)
		f.put(key, "2")
		f.changes("a message came in flight", func() { f.settle(outbox.Settlement{Key: key, Verdict: verdict}) })
		f.deliver(key)
	}
}

func testChangedByReplay(f *fixture) {
	f.put("a", "1")
	f.park("a", "invalid")
	f.changes("replay of a parked entry", func() { f.NoError(f.store.Replay(f.t.Context(), "a")) })
	f.deliver("a")
	f.changes("replay of a delivered entry", func() { f.NoError(f.store.Replay(f.t.Context(), "a")) })
}
