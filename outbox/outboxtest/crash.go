package outboxtest

import (
	"time"

	"github.com/crmsyncd/crmsyncd/outbox"
)

func crashCases() []testCase {
	return []testCase{
		{"an unsettled delivery is interrupted after a restart", testInterrupted},
		{"a settle ends the doubt", testSettleEndsDoubt},
		{"an entry that is never settled is parked as crashed", testCrashed},
		{"a crashed entry can be replayed and stays in doubt", testCrashedReplayed},
		{"a new message revives a crashed entry and it stays in doubt", testCrashedRevived},
		{"an entry that crashes does not hold up the others", testCrashedAmongOthers},
	}
}

func testInterrupted(f *fixture) {
	f.append(delayed("other", "1", time.Hour))
	f.put("a", "1")
	e := f.take("a")
	f.Equal(1, e.Starts)
	f.False(e.Interrupted)
	f.reopen()
	e = f.get("a")
	f.Equal(outbox.Pending, e.State)
	f.Equal(1, e.Starts)
	f.True(e.Interrupted)
	f.False(e.Due.After(f.now()), "due: nothing waits for a lease to run out")
	f.False(f.store.Stats().OldestDue.After(f.now()))
	f.Zero(e.Attempts, "a crash is not a failed attempt")

	e = f.take("a")
	f.Equal(2, e.Starts)
	f.True(e.Interrupted)
	f.Equal(e, f.get("a"))
	f.False(f.get("other").Interrupted, "what was not in flight is not in doubt")
}

func testSettleEndsDoubt(f *fixture) {
	f.put("a", "1")
	for _, verdict := range []outbox.Verdict{outbox.VerdictRetry, outbox.VerdictPostpone, outbox.VerdictDelivered} {
		f.take("a")
		f.reopen()
		f.True(f.take("a").Interrupted)
		f.settle(outbox.Settlement{Key: "a", Verdict: verdict})
		e := f.get("a")
		f.Zero(e.Starts, "verdict %d", verdict)
		f.False(e.Interrupted, "verdict %d", verdict)
		if verdict == outbox.VerdictDelivered {
			f.put("a", "2")
		}
		e = f.take("a")
		f.Equal(1, e.Starts, "verdict %d", verdict)
		f.False(e.Interrupted, "verdict %d", verdict)
		f.settle(outbox.Settlement{Key: "a", Verdict: outbox.VerdictPostpone})
	}
}

// crash lets the process die MaxStarts times while the entry "a", the only one that is due, is in flight.
func (f *fixture) crash() {
	f.t.Helper()
	for start := range f.h.MaxStarts {
		f.Equal(start+1, f.take("a").Starts)
		f.reopen()
	}
}

func testCrashed(f *fixture) {
	f.put("a", "1")
	f.crash()
	f.clock.Advance(time.Second)
	f.Zero(f.idle(), "the entry is parked instead of being started once more")
	e := f.get("a")
	f.Equal(outbox.Parked, e.State)
	f.Equal(outbox.ReasonCrashed, e.Reason)
	f.NotEmpty(e.Error, "an operator reads why")
	f.Equal(f.now(), e.Since)
	f.Equal([]string{"1"}, bodiesOf(e), "a parked entry is never lost")
	f.Equal(int64(1), f.store.Stats().ParkedBy[outbox.ReasonCrashed])
	f.Equal([]string{"a"}, f.listed(outbox.Filter{State: outbox.Parked, Reason: outbox.ReasonCrashed}))
	f.reopen()
	f.Zero(f.idle())
	f.Equal(e, f.get("a"))
}

func testCrashedReplayed(f *fixture) {
	f.put("a", "1")
	f.crash()
	f.idle()
	f.NoError(f.store.Replay(f.t.Context(), "a"))
	f.True(f.take("a").Interrupted, "deliveries began and were never settled: their effect is in doubt")
	f.settle(outbox.Settlement{Key: "a", Verdict: outbox.VerdictRetry})
	f.False(f.take("a").Interrupted)
	f.settle(outbox.Settlement{Key: "a", Verdict: outbox.VerdictPostpone})
	f.crash()
	f.idle()
	f.Equal(outbox.Parked, f.get("a").State, "a replayed entry has MaxStarts again")
}

func testCrashedRevived(f *fixture) {
	f.put("a", "1")
	f.crash()
	f.idle()
	f.put("a", "2")
	e := f.take("a")
	f.Equal([]string{"1", "2"}, bodiesOf(e))
	f.True(e.Interrupted, "deliveries began and were never settled: their effect is in doubt")
	f.settle(outbox.Settlement{Key: "a", Verdict: outbox.VerdictDelivered})
	f.False(f.get("a").Interrupted)
}

func testCrashedAmongOthers(f *fixture) {
	f.put("a", "1")
	f.crash()
	f.clock.Advance(time.Second)
	f.put("b", "1")
	f.Equal([]string{"b"}, keysOf(f.claim(1)), "the crashed entry does not take the place of another")
	f.Equal(outbox.Parked, f.get("a").State)
}
