package outboxtest

import (
	"fmt"
	"time"

	"github.com/crmsyncd/crmsyncd/outbox"
)

func settleCases() []testCase {
	return []testCase{
		{"delivered resets the attempts and keeps the entry", testDelivered},
		{"a retry spends an attempt and waits", testRetry},
		{"a postponement spends no attempt", testPostpone},
		{"a retry or postponement into the past is due now", testDueInThePast},
		{"a parked entry keeps its reason and is not retried", testPark},
		{"a released entry is as it was before the claim", testRelease},
		{"a release keeps the doubt", testReleaseKeepsDoubt},
		{"Settle ends all claims in one call", testSettleBatch},
		{"Settle of a key that is not in flight is refused, the others are settled", testSettleNotClaimed},
	}
}

func testDelivered(f *fixture) {
	f.put("a", "1")
	arrived := f.now()
	f.take("a")
	f.settle(outbox.Settlement{Key: "a", Verdict: outbox.VerdictRetry, Reason: "timeout", Error: "no answer"})
	f.clock.Advance(time.Minute)
	f.take("a")
	f.clock.Advance(time.Second)
	f.settle(outbox.Settlement{Key: "a", Verdict: outbox.VerdictDelivered, Receipt: []byte("id 7")})
	e := f.get("a")
	f.Equal(outbox.Delivered, e.State)
	f.Zero(e.Attempts)
	f.Zero(e.Starts)
	f.False(e.Interrupted)
	f.Equal(arrived, e.Created)
	f.Equal(f.now(), e.Since)
	f.Equal("id 7", string(e.Receipt))
	f.Equal([]string{"1"}, bodiesOf(e), "a delivered entry is kept with its messages")
	f.Empty(e.Reason, "the reason of an earlier failure is past")
	f.Empty(e.Error)
	f.clock.Advance(10000 * time.Hour)
	f.Zero(f.idle(), "a delivered entry is done")
	f.reopen()
	f.Equal(e, f.get("a"))
}

func testRetry(f *fixture) {
	f.put("a", "1")
	arrived := f.now()
	for i := range 12 {
		e := f.take("a")
		f.Equal(i, e.Attempts)
		f.Equal(1, e.Starts, "what is settled does not count")
		due := f.now().Add(time.Duration(i+1) * time.Second)
		f.settle(outbox.Settlement{
			Key: "a", Verdict: outbox.VerdictRetry, Due: due, Reason: "transient", Error: fmt.Sprint("error ", i),
		})
		e = f.get("a")
		f.Equal(outbox.Pending, e.State)
		f.Equal(i+1, e.Attempts)
		f.Zero(e.Starts)
		f.Equal(due, e.Due)
		f.Equal(arrived, e.Since, "it still waits since the message came")
		f.Equal("transient", e.Reason)
		f.Equal(fmt.Sprint("error ", i), e.Error)
		f.Equal(due, f.idle())
		f.reopen()
		f.Equal(e, f.get("a"), "a retry survives a restart")
		f.clock.Set(due.Add(-1))
		f.Equal(due, f.idle())
		f.clock.Set(due)
	}
}

func testPostpone(f *fixture) {
	f.put("a", "1")
	f.take("a")
	f.settle(outbox.Settlement{Key: "a", Verdict: outbox.VerdictRetry})
	for range 3 {
		f.take("a")
		due := f.now().Add(time.Minute)
		f.settle(outbox.Settlement{
			Key: "a", Verdict: outbox.VerdictPostpone, Due: due, Reason: "unmatched", Error: "no such customer yet",
		})
		e := f.get("a")
		f.Equal(outbox.Pending, e.State)
		f.Equal(1, e.Attempts)
		f.Zero(e.Starts)
		f.Equal(due, e.Due)
		f.Equal("unmatched", e.Reason)
		f.Equal("no such customer yet", e.Error)
		f.Equal(due, f.idle())
		f.clock.Advance(time.Minute)
	}
}

func testDueInThePast(f *fixture) {
	for _, verdict := range []outbox.Verdict{outbox.VerdictRetry, outbox.VerdictPostpone} {
		for name, due := range map[string]time.Time{"zero": {}, "past": f.now().Add(-time.Hour), "now": f.clock.Now()} {
			f.put(name, string(rune('0'+verdict)))
			f.take(name)
			f.settle(outbox.Settlement{Key: name, Verdict: verdict, Due: due})
			f.False(f.get(name).Due.After(f.now()), "%s is due now", name)
			f.deliver(name)
		}
	}
}

func testPark(f *fixture) {
	f.put("a", "1")
	f.take("a")
	f.clock.Advance(time.Second)
	f.settle(outbox.Settlement{
		Key: "a", Verdict: outbox.VerdictPark, Receipt: []byte("r"), Reason: "invalid", Error: "subject is required",
		Due: f.now().Add(time.Minute),
	})
	e := f.get("a")
	f.Equal(outbox.Parked, e.State)
	f.Equal("invalid", e.Reason)
	f.Equal("subject is required", e.Error)
	f.Equal("r", string(e.Receipt))
	f.Equal(f.now(), e.Since)
	f.Zero(e.Starts)
	f.clock.Advance(10000 * time.Hour)
	f.Zero(f.idle(), "a parked entry is never retried by itself")
	f.reopen()
	f.Zero(f.idle())
	f.Equal(e, f.get("a"))
}

func testRelease(f *fixture) {
	f.put("a", "1")
	f.take("a")
	f.settle(outbox.Settlement{Key: "a", Verdict: outbox.VerdictRetry, Receipt: []byte("r"), Reason: "x", Error: "y"})
	before := f.get("a")
	for range f.h.MaxStarts + 2 {
		f.clock.Advance(time.Second)
		f.take("a")
		f.settle(outbox.Settlement{Key: "a", Verdict: outbox.VerdictRelease})
		f.Equal(before, f.get("a"), "due when it was, and no start is counted")
	}
	f.reopen()
	f.Equal(before, f.get("a"))

	f.clock.Advance(time.Second)
	f.take("a")
	f.append(delayed("a", "2", time.Hour))
	f.settle(outbox.Settlement{Key: "a", Verdict: outbox.VerdictRelease})
	e := f.get("a")
	f.Equal(before.Due, e.Due, "a message in flight does not put it off")
	f.Equal([]string{"1", "2"}, bodiesOf(f.take("a")))
}

func testReleaseKeepsDoubt(f *fixture) {
	f.put("a", "1")
	f.take("a")
	f.reopen()
	before := f.get("a")
	f.True(f.take("a").Interrupted)
	f.settle(outbox.Settlement{Key: "a", Verdict: outbox.VerdictRelease})
	e := f.get("a")
	f.True(e.Interrupted, "the delivery before was never settled")
	f.Equal(before, e)
	e = f.take("a")
	f.Equal(2, e.Starts)
	f.True(e.Interrupted)
}

func testSettleBatch(f *fixture) {
	f.append(message("a", "1"), message("b", "1"), message("c", "1"), message("d", "1"))
	f.claim(10)
	f.settle(
		outbox.Settlement{Key: "a", Verdict: outbox.VerdictDelivered},
		outbox.Settlement{Key: "b", Verdict: outbox.VerdictRetry, Due: f.now().Add(time.Hour)},
		outbox.Settlement{Key: "c", Verdict: outbox.VerdictPostpone, Due: f.now().Add(time.Minute)},
		outbox.Settlement{Key: "d", Verdict: outbox.VerdictPark, Reason: "invalid"},
	)
	f.Equal(outbox.Delivered, f.get("a").State)
	f.Equal(1, f.get("b").Attempts)
	f.Zero(f.get("c").Attempts)
	f.Equal(outbox.Parked, f.get("d").State)
	f.Equal(f.now().Add(time.Minute), f.idle())
	f.NoError(f.store.Settle(f.t.Context()), "a Settle of nothing settles nothing")
}

func testSettleNotClaimed(f *fixture) {
	f.append(message("a", "1"), message("b", "1"))
	f.clock.Advance(time.Second)
	f.put("waits", "1")
	f.Len(f.claim(2), 2)
	done := func(key string) outbox.Settlement {
		return outbox.Settlement{Key: key, Verdict: outbox.VerdictDelivered, Receipt: []byte("r")}
	}
	f.ErrorIs(f.store.Settle(f.t.Context(), done("unknown"), done("a"), done("waits"), done("b")), outbox.ErrNotClaimed)
	f.Equal(outbox.Delivered, f.get("a").State)
	f.Equal(outbox.Delivered, f.get("b").State, "those after the refused one are settled as well")
	f.missing("unknown")
	waits := f.get("waits")
	f.Equal(outbox.Pending, waits.State)
	f.Empty(waits.Receipt)

	before := f.get("a")
	f.ErrorIs(f.store.Settle(f.t.Context(), outbox.Settlement{Key: "a", Verdict: outbox.VerdictRetry}),
		outbox.ErrNotClaimed, "a claim is settled once")
	f.Equal(before, f.get("a"))
	f.take("waits")
	f.reopen()
	f.ErrorIs(f.store.Settle(f.t.Context(), done("waits")), outbox.ErrNotClaimed, "a claim ends with its process")
	f.Equal(outbox.Pending, f.get("waits").State)
}
