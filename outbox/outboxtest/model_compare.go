package outboxtest

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/crmsyncd/crmsyncd/outbox"
)

// compare checks that the store shows what the model holds, by every way in which it shows anything.
func (m *model) compare(rt *rapid.T) {
	for _, key := range modelKeys() {
		stored, err := m.store.Get(rt.Context(), key)
		e := m.entries[key]
		if e == nil {
			require.ErrorIs(rt, err, outbox.ErrNotFound)
			continue
		}
		require.NoError(rt, err)
		e.adopt(rt, stored, m.now())
		require.Equal(rt, e.view(key), normal(stored))
	}
	m.compareLists(rt)
	m.compareStats(rt)
	m.compareRejected(rt)
	require.NoError(rt, m.store.Check(rt.Context(), func(fault string) { rt.Fatalf("Check: %s", fault) }))
}

func (m *model) compareLists(rt *rapid.T) {
	filters := []outbox.Filter{{}, {Reason: "invalid"}, {From: epoch.Add(time.Second), To: epoch.Add(time.Minute)}}
	for _, state := range outbox.States {
		filters = append(filters, outbox.Filter{State: state}, outbox.Filter{State: state, Term: "x", Reason: "timeout"})
	}
	for _, term := range modelTerms() {
		filters = append(filters, outbox.Filter{Term: term})
	}
	for _, filter := range filters {
		filter.Limit = 2
		listed, err := listAll(rt.Context(), m.store, filter)
		require.NoError(rt, err)
		var last time.Time
		for _, e := range listed {
			want := m.entries[e.Key].view(e.Key)
			want.Messages = nil
			require.Equal(rt, want, normal(e), "List(%+v)", filter)
			if filter.Term == "" {
				require.False(rt, e.Since.Before(last), "List(%+v) has the longest-standing entry first", filter)
				last = e.Since
			}
		}
		require.Equal(rt, m.chosen(filter), slices.Sorted(slices.Values(keysOf(listed))), "List(%+v)", filter)
	}
}

// chosen returns the sorted keys of the entries that a filter chooses.
func (m *model) chosen(f outbox.Filter) []string {
	var keys []string
	for _, key := range slices.Sorted(maps.Keys(m.entries)) {
		e := m.entries[key]
		switch {
		case f.State != 0 && e.state != f.State:
		case f.Reason != "" && e.reason != f.Reason:
		case f.Term != "" && !slices.Contains(e.terms, f.Term):
		case !f.From.IsZero() && e.since.Before(f.From):
		case !f.To.IsZero() && !e.since.Before(f.To):
		default:
			keys = append(keys, key)
		}
	}
	return keys
}

func (m *model) compareStats(rt *rapid.T) {
	states, reasons, oldest := map[outbox.State]int64{}, map[string]int64{}, map[outbox.State]time.Time{}
	for _, e := range m.entries {
		states[e.state]++
		if e.state == outbox.Parked {
			reasons[e.reason]++
		}
		if since, ok := oldest[e.state]; !ok || e.since.Before(since) {
			oldest[e.state] = e.since
		}
	}
	stats := m.store.Stats()
	require.Equal(rt, states, counts(stats))
	require.Equal(rt, reasons, parked(stats))
	require.Equal(rt, oldest, stats.OldestSince)
	require.Equal(rt, m.nextDue(), stats.OldestDue)
	require.Equal(rt,
		[]uint64{m.made, m.messages, m.duplicates, m.discarded, m.purged},
		[]uint64{stats.Entries, stats.Messages, stats.Duplicates, stats.Discarded, stats.Purged},
		"entries, messages, duplicates, discarded, purged")
}

func (m *model) compareRejected(rt *rapid.T) {
	list, err := m.store.Quarantined(rt.Context(), 0, m.h.QuarantineCount)
	require.NoError(rt, err)
	times := map[string]int{}
	for _, r := range list {
		times[string(r.Body)] = r.Count
	}
	require.Equal(rt, m.rejected, times)
	require.Equal(rt, int64(len(m.rejected)), m.store.Stats().Rejected)
}

func (m *model) quarantine(rt *rapid.T) {
	body := fmt.Sprint(rapid.IntRange(1, m.h.QuarantineCount).Draw(rt, "body")) // never more than fit
	require.NoError(rt, m.store.Quarantine(rt.Context(), outbox.Rejected{Reason: "not_json", Body: []byte(body)}))
	m.rejected[body]++
}
