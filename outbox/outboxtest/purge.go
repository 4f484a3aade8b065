package outboxtest

import (
	"fmt"
	"time"

	"github.com/crmsyncd/crmsyncd/outbox"
)

func purgeCases() []testCase {
	return []testCase{
		{"Purge removes what was delivered before a time, up to a limit", testPurge},
		{"Purge leaves what is not delivered", testPurgeLeaves},
		{"a purged key is new again", testPurgedIsNew},
	}
}

func testPurge(f *fixture) {
	for i := range 10 {
		f.put(fmt.Sprint(i), "1")
		f.deliver(fmt.Sprint(i))
		f.clock.Advance(time.Minute)
	}
	start := epoch.UTC()
	purge := func(before time.Time, limit, want int) {
		f.t.Helper()
		n, err := f.store.Purge(f.t.Context(), before, limit)
		f.NoError(err)
		f.Equal(want, n)
	}
	purge(start, 10, 0) // before is exclusive
	purge(start.Add(time.Nanosecond), 10, 1)
	f.missing("0")
	purge(start.Add(6*time.Minute), 2, 2)
	f.Len(f.listed(outbox.Filter{}), 7, "no more than the limit at a time")
	purge(start.Add(6*time.Minute), 10, 3)
	f.Equal([]string{"6", "7", "8", "9"}, f.listed(outbox.Filter{}))
	purge(start.Add(6*time.Minute), 10, 0)
	f.Equal(uint64(6), f.store.Stats().Purged)
	f.reopen()
	f.Equal([]string{"6", "7", "8", "9"}, f.listed(outbox.Filter{}))
	f.Equal(uint64(6), f.store.Stats().Purged)
}

func testPurgeLeaves(f *fixture) {
	f.put("parked", "1")
	f.park("parked", "invalid")
	f.put("again", "1")
	f.deliver("again")
	f.append(delayed("again", "2", time.Hour), delayed("pending", "1", time.Hour))
	f.put("replayed", "1")
	f.deliver("replayed")
	f.NoError(f.store.Replay(f.t.Context(), "replayed"))
	f.take("replayed")
	n, err := f.store.Purge(f.t.Context(), f.now().Add(1000*time.Hour), 100)
	f.NoError(err)
	f.Zero(n)
	f.Len(f.listed(outbox.Filter{}), 4)
}

func testPurgedIsNew(f *fixture) {
	f.append(outbox.Message{Key: "a", Body: []byte("1"), Terms: []string{"x"}})
	f.take("a")
	f.settle(outbox.Settlement{Key: "a", Verdict: outbox.VerdictDelivered, Receipt: []byte("r")})
	f.clock.Advance(time.Second)
	n, err := f.store.Purge(f.t.Context(), f.now(), 1)
	f.NoError(err)
	f.Equal(1, n)
	f.missing("a")
	f.Empty(f.listed(outbox.Filter{Term: "x"}))
	f.ErrorIs(f.store.Replay(f.t.Context(), "a"), outbox.ErrNotFound)

	f.put("a", "1") // no duplicate: the entry is forgotten
	e := f.take("a")
	f.Equal(f.now(), e.Created)
	f.Empty(e.Receipt)
	f.Equal([]string{"1"}, bodiesOf(e))
}
