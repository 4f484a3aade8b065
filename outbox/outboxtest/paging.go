package outboxtest

import (
	"fmt"
	"time"

	"github.com/crmsyncd/crmsyncd/outbox"
)

func pagingCases() []testCase {
	return []testCase{
		{"pages are complete and do not repeat", testPages},
		{"a page has 100 entries unless told", testPageDefault},
		{"pages do not lose what stays when other entries change", testPagesUnderChange},
		{"a cursor that no listing gave does no harm", testForeignCursor},
	}
}

// crowd makes n entries, several of them at the same time.
func (f *fixture) crowd(n int) []string {
	f.t.Helper()
	msgs, keys := make([]outbox.Message, n), make([]string, n)
	for i := range n {
		keys[i] = fmt.Sprintf("%03d", i)
		terms := []string{"all"}
		if i%2 == 0 {
			terms = append(terms, "even")
		}
		msgs[i] = outbox.Message{Key: keys[i], Body: []byte("1"), Terms: terms}
	}
	for len(msgs) > 0 {
		chunk := min(len(msgs), 4)
		f.append(msgs[:chunk]...)
		f.clock.Advance(time.Second)
		msgs = msgs[chunk:]
	}
	return keys
}

func testPages(f *fixture) {
	keys := f.crowd(23)
	var even []string
	for i := 0; i < len(keys); i += 2 {
		even = append(even, keys[i])
	}
	claimed := keysOf(f.claim(5))
	f.Len(claimed, 5)
	for _, limit := range []int{1, 2, 3, 7, 22, 23, 24, 1000} {
		f.ElementsMatch(keys, f.pages(outbox.Filter{Limit: limit}), "limit %d", limit)
		f.ElementsMatch(keys, f.pages(outbox.Filter{Limit: limit, Term: "all"}), "limit %d", limit)
		f.ElementsMatch(even, f.pages(outbox.Filter{Limit: limit, Term: "even"}), "limit %d", limit)
		f.ElementsMatch(claimed, f.pages(outbox.Filter{Limit: limit, State: outbox.InFlight}), "limit %d", limit)
		pending := f.pages(outbox.Filter{Limit: limit, State: outbox.Pending})
		f.ElementsMatch(keys, append(pending, claimed...), "limit %d", limit)
		window := outbox.Filter{Limit: limit, From: epoch.Add(time.Second), To: epoch.Add(3 * time.Second)}
		f.ElementsMatch(keys[4:12], f.pages(window), "limit %d", limit)
	}
}

// pages follows a listing and checks each page on the way.
func (f *fixture) pages(filter outbox.Filter) []string {
	f.t.Helper()
	var keys []string
	var last time.Time
	for range 10_000 {
		page, err := f.store.List(f.t.Context(), filter)
		f.NoError(err)
		f.LessOrEqual(len(page.Entries), filter.Limit)
		for _, e := range page.Entries {
			if filter.Term == "" {
				f.False(e.Since.Before(last), "the longest-standing first, over all pages")
				last = e.Since
			}
			keys = append(keys, e.Key)
		}
		if page.Next == "" {
			return keys
		}
		f.NotEqual(filter.After, page.Next, "each page goes on")
		filter.After = page.Next
	}
	f.FailNow("a listing has no end")
	return nil
}

func testPageDefault(f *fixture) {
	keys := f.crowd(101)
	page, err := f.store.List(f.t.Context(), outbox.Filter{})
	f.NoError(err)
	f.LessOrEqual(len(page.Entries), 100)
	f.NotEmpty(page.Next)
	f.ElementsMatch(keys, f.listed(outbox.Filter{}))
}

func testPagesUnderChange(f *fixture) {
	keys := f.crowd(20)
	for _, filter := range []outbox.Filter{{Limit: 3}, {Limit: 3, State: outbox.Pending}, {Limit: 3, Term: "all"}} {
		changing := map[string]bool{}
		seen := map[string]int{}
		for turn := 0; ; turn++ {
			page, err := f.store.List(f.t.Context(), filter)
			f.NoError(err)
			for _, e := range page.Entries {
				seen[e.Key]++
			}
			if page.Next == "" {
				break
			}
			filter.After = page.Next
			f.stir(turn, keys, changing)
		}
		for _, key := range keys {
			if !changing[key] {
				f.Equal(1, seen[key], "entry %s, which stayed as it was", key)
			}
		}
		keys = f.listed(outbox.Filter{State: outbox.Pending})
	}
}

// stir changes the store between two pages: the first entry is delivered, the last one goes, a new one comes.
func (f *fixture) stir(turn int, keys []string, changing map[string]bool) {
	f.t.Helper()
	if turn > 2 {
		return
	}
	for _, key := range keysOf(f.claim(1)) {
		f.settle(outbox.Settlement{Key: key, Verdict: outbox.VerdictDelivered})
		changing[key] = true
	}
	last := keys[len(keys)-1-turn]
	f.NoError(f.store.Discard(f.t.Context(), last))
	changing[last] = true
	f.append(outbox.Message{Key: last + "'", Body: []byte("1"), Terms: []string{"all"}})
}

func testForeignCursor(f *fixture) {
	keys := f.crowd(3)
	for _, cursor := range []string{"x", "-", "\x00", "0", "////", "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"} {
		for _, filter := range []outbox.Filter{{}, {State: outbox.Pending}, {State: outbox.InFlight}, {Term: "all"}} {
			filter.After = cursor
			page, err := f.store.List(f.t.Context(), filter)
			if err == nil {
				f.Subset(keys, keysOf(page.Entries))
			}
		}
	}
}
