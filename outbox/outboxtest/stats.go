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
	ctx := f.t.Context()
	steps := []struct {
		name string
		act  func()
		want map[outbox.State]int64
	}{
		{
			"append", func() { f.append(message("a", "1"), message("a", "2"), message("b", "1")) },
			map[outbox.State]int64{outbox.Pending: 2},
		},
		{"repeat", func() { f.append(message("a", "1")) }, map[outbox.State]int64{outbox.Pending: 2}},
		{"claim", func() { f.claim(2) }, map[outbox.State]int64{outbox.InFlight: 2}},
		{"append in flight", func() { f.put("a", "3") }, map[outbox.State]int64{outbox.InFlight: 2}},
		{"settle", func() {
			f.settle(outbox.Settlement{Key: "a", Verdict: outbox.VerdictDelivered},
				outbox.Settlement{Key: "b", Verdict: outbox.VerdictDelivered})
		}, map[outbox.State]int64{outbox.Pending: 1, outbox.Delivered: 1}},
		{"claim again", func() { f.take("a") }, map[outbox.State]int64{outbox.InFlight: 1, outbox.Delivered: 1}},
		{"reopen", f.reopen, map[outbox.State]int64{outbox.Pending: 1, outbox.Delivered: 1}},
		{"park", func() { f.park("a", "x") }, map[outbox.State]int64{outbox.Parked: 1, outbox.Delivered: 1}},
		{
			"replay parked", func() { f.NoError(f.store.Replay(ctx, "a")) },
			map[outbox.State]int64{outbox.Pending: 1, outbox.Delivered: 1},
		},
		{"retry", func() {
			f.take("a")
			f.settle(outbox.Settlement{Key: "a", Verdict: outbox.VerdictRetry, Due: f.now().Add(time.Hour)})
		}, map[outbox.State]int64{outbox.Pending: 1, outbox.Delivered: 1}},
		{"discard", func() { f.NoError(f.store.Discard(ctx, "a")) }, map[outbox.State]int64{outbox.Delivered: 1}},
		{"append on delivered", func() { f.put("b", "2") }, map[outbox.State]int64{outbox.Pending: 1}},
		{"deliver", func() { f.deliver("b") }, map[outbox.State]int64{outbox.Delivered: 1}},
		{"purge", func() {
			n, err := f.store.Purge(ctx, f.now().Add(1), 10)
			f.NoError(err)
			f.Equal(1, n)
		}, map[outbox.State]int64{}},
		{"append a purged key", func() { f.put("b", "1") }, map[outbox.State]int64{outbox.Pending: 1}},
	}
	for _, step := range steps {
		step.act()
		f.Equal(step.want, counts(f.store.Stats()), step.name)
		f.sound(ctx)
	}
	stats := f.store.Stats()
	f.Equal(uint64(3), stats.Entries, "a, b, and b again")
	f.Equal(uint64(6), stats.Messages)
	f.Equal(uint64(1), stats.Duplicates)
	f.Equal(uint64(1), stats.Discarded)
	f.Equal(uint64(1), stats.Purged)
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
