package outboxtest

import (
	"time"

	"github.com/crmsyncd/crmsyncd/outbox"
)

func listCases() []testCase {
	return []testCase{
		{"List shows entries without their messages", testListEntry},
		{"List chooses by state", testListByState},
		{"List chooses by reason", testListByReason},
		{"List chooses by term", testListByTerm},
		{"List chooses by time", testListByTime},
		{"List combines what it is asked for", testListCombined},
	}
}

func testListEntry(f *fixture) {
	f.append(outbox.Message{Key: "a", Body: []byte("1"), Terms: []string{"x"}})
	f.take("a")
	f.settle(outbox.Settlement{
		Key: "a", Verdict: outbox.VerdictRetry, Due: f.now().Add(time.Hour), Receipt: []byte("r"), Reason: "x", Error: "y",
	})
	want := f.get("a")
	want.Messages = nil
	for _, filter := range []outbox.Filter{{}, {State: outbox.Pending}, {Term: "x"}, {Reason: "x"}} {
		entries := f.list(f.t.Context(), filter)
		f.Equal([]outbox.Entry{want}, entries)
	}
	entries := f.list(f.t.Context(), outbox.Filter{})
	entries[0].Receipt[0] = 'X'
	f.Equal("r", string(f.get("a").Receipt), "an entry is a copy")
}

// variety makes one entry in each state, each standing a minute longer than the next: delivered, parked, in flight,
// pending and waiting for a retry.
func (f *fixture) variety() {
	f.t.Helper()
	add := func(key string) {
		f.t.Helper()
		f.append(outbox.Message{Key: key, Body: []byte("1"), Terms: []string{"any", "only " + key}})
	}
	add("delivered")
	f.deliver("delivered")
	f.clock.Advance(time.Minute)
	add("parked")
	f.park("parked", "invalid")
	f.clock.Advance(time.Minute)
	add("in flight")
	f.take("in flight")
	f.clock.Advance(time.Minute)
	add("retry")
	f.take("retry")
	f.settle(outbox.Settlement{
		Key: "retry", Verdict: outbox.VerdictRetry, Due: f.now().Add(24 * time.Hour), Reason: "transient", Error: "timeout",
	})
	f.clock.Advance(time.Minute)
	f.append(outbox.Message{
		Key: "pending", Body: []byte("1"), Terms: []string{"any", "only pending"}, Delay: 48 * time.Hour,
	})
	f.clock.Advance(time.Minute)
}

// byAge returns the entries of variety, the longest-standing first.
func byAge() []string { return []string{"delivered", "parked", "in flight", "retry", "pending"} }

func testListByState(f *fixture) {
	f.variety()
	f.Equal(byAge(), f.listed(outbox.Filter{}), "any state, the longest-standing first")
	f.Equal([]string{"delivered"}, f.listed(outbox.Filter{State: outbox.Delivered}))
	f.Equal([]string{"parked"}, f.listed(outbox.Filter{State: outbox.Parked}))
	f.Equal([]string{"in flight"}, f.listed(outbox.Filter{State: outbox.InFlight}))
	f.Equal([]string{"retry", "pending"}, f.listed(outbox.Filter{State: outbox.Pending}))
	for _, e := range f.list(f.t.Context(), outbox.Filter{State: outbox.InFlight}) {
		f.Equal(outbox.InFlight, e.State)
		f.Equal(1, e.Starts)
	}
	f.reopen()
	f.Empty(f.listed(outbox.Filter{State: outbox.InFlight}), "claims end with their process")
	f.Equal([]string{"in flight", "retry", "pending"}, f.listed(outbox.Filter{State: outbox.Pending}))
}

func testListByReason(f *fixture) {
	f.variety()
	f.put("other", "1")
	f.park("other", "unmatched")
	f.Equal([]string{"parked"}, f.listed(outbox.Filter{Reason: "invalid"}))
	f.Equal([]string{"other"}, f.listed(outbox.Filter{Reason: "unmatched"}))
	f.Equal([]string{"retry"}, f.listed(outbox.Filter{Reason: "transient"}), "an entry may wait with a reason")
	f.Empty(f.listed(outbox.Filter{Reason: "transient", State: outbox.Parked}))
	f.Empty(f.listed(outbox.Filter{Reason: "inv"}), "the whole word counts")
}

func testListByTerm(f *fixture) {
	f.variety()
	f.Equal(byAge(), f.listed(outbox.Filter{Term: "any"}), "the longest-standing first, by term as well")
	for _, key := range byAge() {
		f.Equal([]string{key}, f.listed(outbox.Filter{Term: "only " + key}))
	}
	f.Empty(f.listed(outbox.Filter{Term: "unknown"}))
	f.Empty(f.listed(outbox.Filter{Term: "only"}), "the whole term counts")

	f.append(outbox.Message{Key: "delivered", Body: []byte("2"), Terms: []string{"second", "any"}})
	f.Equal([]string{"delivered"}, f.listed(outbox.Filter{Term: "second"}), "each message adds its terms")
	f.Equal([]string{"delivered"}, f.listed(outbox.Filter{Term: "only delivered"}), "and keeps those before")
	f.True(f.append(outbox.Message{Key: "delivered", Body: []byte("2"), Terms: []string{"third"}})[0].Duplicate)
	f.Empty(f.listed(outbox.Filter{Term: "third"}), "a repeat changes nothing")
}

func testListByTime(f *fixture) {
	f.variety()
	start := epoch.UTC()
	f.Equal([]string{"parked", "in flight"},
		f.listed(outbox.Filter{From: start.Add(time.Minute), To: start.Add(3 * time.Minute)}),
		"From is inclusive, To is exclusive")
	f.Equal(byAge()[4:], f.listed(outbox.Filter{From: start.Add(3*time.Minute + 1)}))
	f.Equal(byAge()[:1], f.listed(outbox.Filter{To: start.Add(time.Minute)}))
	f.Equal(byAge()[:2], f.listed(outbox.Filter{To: epoch.Add(time.Minute + 1)}), "in any zone")
	f.Empty(f.listed(outbox.Filter{From: start.Add(time.Hour)}))
	f.Empty(f.listed(outbox.Filter{To: start}))
	f.Empty(f.listed(outbox.Filter{From: start.Add(3 * time.Minute), To: start.Add(time.Minute)}))
}

func testListCombined(f *fixture) {
	f.variety()
	start := epoch.UTC()
	f.Equal([]string{"pending"}, f.listed(outbox.Filter{
		State: outbox.Pending, Term: "any", From: start.Add(3*time.Minute + 1), To: start.Add(time.Hour),
	}))
	f.Equal([]string{"retry"}, f.listed(outbox.Filter{
		State: outbox.Pending, Term: "any", Reason: "transient", From: start, To: start.Add(time.Hour), Limit: 1,
	}))
	f.Empty(f.listed(outbox.Filter{State: outbox.Delivered, Term: "only parked"}))
	f.Empty(f.listed(outbox.Filter{State: outbox.Parked, Reason: "invalid", From: start.Add(2 * time.Minute)}))
}
