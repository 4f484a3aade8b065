package outboxtest

import (
	"time"

	"github.com/crmsyncd/crmsyncd/outbox"
)

func statsCases() []testCase {
	return []testCase{
		{"an empty store has empty figures", testStatsEmpty},
		{"figures add up after every operation", testStatsAddUp},
		{"figures survive a restart", testStatsSurvive},
		{"figures tell the oldest of each state and the next due", testStatsOldest},
		{"figures count what is parked by its reason", testStatsParkedBy},
	}
}

// counts leaves out the states without entries.
func counts(stats outbox.Stats) map[outbox.State]int64 {
	states := map[outbox.State]int64{}
	for state, n := range stats.States {
		if n != 0 {
			states[state] = n
		}
	}
	return states
}

// parked leaves out the reasons without entries.
func parked(stats outbox.Stats) map[string]int64 {
	reasons := map[string]int64{}
	for reason, n := range stats.ParkedBy {
		if n != 0 {
			reasons[reason] = n
		}
	}
	return reasons
}

func testStatsEmpty(f *fixture) {
	stats := f.store.Stats()
	f.Empty(counts(stats))
	f.Empty(parked(stats))
	f.Empty(stats.OldestSince)
	f.Zero(stats.OldestDue)
	f.Zero(stats.Entries + stats.Messages + stats.Duplicates + stats.Discarded + stats.Purged + stats.Evicted)
	f.Zero(stats.Rejected + stats.RejectedBytes)
}

func testStatsAddUp(f *fixture) {
	// after checks the figures once an operation is done: entries pending, in flight, delivered and parked.
	after := func(operation string, want ...int64) {
		f.t.Helper()
		stats := f.store.Stats()
		for i, state := range outbox.States {
			f.Equal(want[i], stats.States[state], "%s after: %s", state, operation)
		}
		f.sound(f.t.Context())
	}
	f.append(message("a", "1"), message("a", "2"), message("b", "1"))
	after("append", 2, 0, 0, 0)
	f.append(message("a", "1"))
	after("repeat", 2, 0, 0, 0)
	f.claim(2)
	after("claim", 0, 2, 0, 0)
	f.put("a", "3")
	after("append in flight", 0, 2, 0, 0)
	f.settle(outbox.Settlement{Key: "a", Verdict: outbox.VerdictDelivered},
		outbox.Settlement{Key: "b", Verdict: outbox.VerdictDelivered})
	after("settle", 1, 0, 1, 0)
	f.take("a")
	after("claim again", 0, 1, 1, 0)
	f.reopen()
	after("reopen", 1, 0, 1, 0)
	f.park("a", "invalid")
	after("park", 0, 0, 1, 1)
	f.NoError(f.store.Replay(f.t.Context(), "a"))
	after("replay", 1, 0, 1, 0)
	f.take("a")
	f.settle(outbox.Settlement{Key: "a", Verdict: outbox.VerdictRetry, Due: f.now().Add(time.Hour)})
	after("retry", 1, 0, 1, 0)
	f.NoError(f.store.Discard(f.t.Context(), "a"))
	after("discard", 0, 0, 1, 0)
	f.put("b", "2")
	after("append on delivered", 1, 0, 0, 0)
	f.deliver("b")
	_, err := f.store.Purge(f.t.Context(), f.now().Add(1), 10)
	f.NoError(err)
	after("purge", 0, 0, 0, 0)
	f.put("b", "1")
	after("append under a purged key", 1, 0, 0, 0)

	stats := f.store.Stats()
	f.Equal([]uint64{3, 6, 1, 1, 1},
		[]uint64{stats.Entries, stats.Messages, stats.Duplicates, stats.Discarded, stats.Purged},
		"entries (b came twice), messages, duplicates, discarded, purged")
}

func testStatsSurvive(f *fixture) {
	f.variety()
	f.append(message("parked", "1"))
	f.NoError(f.store.Quarantine(f.t.Context(), outbox.Rejected{Reason: "not_json", Body: []byte("<html>")}))
	f.put("gone", "1")
	f.NoError(f.store.Discard(f.t.Context(), "gone"))
	before := f.store.Stats()
	f.reopen()
	after := f.store.Stats()
	f.Equal(map[outbox.State]int64{outbox.Pending: 3, outbox.Delivered: 1, outbox.Parked: 1}, counts(after),
		"what was in flight is pending")
	f.Equal(parked(before), parked(after))
	f.Equal(
		[]uint64{before.Entries, before.Messages, before.Duplicates, before.Discarded, before.Purged, before.Evicted},
		[]uint64{after.Entries, after.Messages, after.Duplicates, after.Discarded, after.Purged, after.Evicted})
	f.Equal([]int64{1, 6}, []int64{after.Rejected, after.RejectedBytes})
}

func testStatsOldest(f *fixture) {
	f.variety()
	start := epoch.UTC()
	at := func(minutes int) time.Time { return start.Add(time.Duration(minutes) * time.Minute) }
	stats := f.store.Stats()
	f.Equal(map[outbox.State]time.Time{
		outbox.Delivered: at(0), outbox.Parked: at(1), outbox.InFlight: at(2), outbox.Pending: at(3),
	}, stats.OldestSince)
	f.Equal(at(3).Add(24*time.Hour), stats.OldestDue)

	f.settle(outbox.Settlement{Key: "in flight", Verdict: outbox.VerdictDelivered})
	f.NoError(f.store.Discard(f.t.Context(), "delivered"))
	f.NoError(f.store.Discard(f.t.Context(), "retry"))
	f.NoError(f.store.Replay(f.t.Context(), "parked"))
	f.take("parked")
	stats = f.store.Stats()
	f.Equal(map[outbox.State]time.Time{
		outbox.Delivered: at(5), outbox.InFlight: at(5), outbox.Pending: at(4),
	}, stats.OldestSince, "a state without entries is missing")
	f.Equal(at(4).Add(48*time.Hour), stats.OldestDue, "an entry in flight does not count")
	f.NoError(f.store.Discard(f.t.Context(), "pending"))
	f.Zero(f.store.Stats().OldestDue)
}

func testStatsParkedBy(f *fixture) {
	for _, reason := range []string{"invalid", "gave_up", "invalid", "unmatched"} {
		key := "parked " + string(rune('0'+len(f.listed(outbox.Filter{}))))
		f.put(key, "1")
		f.park(key, reason)
	}
	f.Equal(map[string]int64{"invalid": 2, "gave_up": 1, "unmatched": 1}, parked(f.store.Stats()))
	f.reopen()
	f.Equal(map[string]int64{"invalid": 2, "gave_up": 1, "unmatched": 1}, parked(f.store.Stats()))
	f.NoError(f.store.Discard(f.t.Context(), "parked 0"))
	f.NoError(f.store.Replay(f.t.Context(), "parked 1"))
	f.put("parked 3", "2")
	f.Equal(map[string]int64{"invalid": 1}, parked(f.store.Stats()))
}
