package outboxtest

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/crmsyncd/crmsyncd/outbox"
)

func concurrencyCases() []testCase {
	return []testCase{
		{"equal messages appended at once are stored once", testConcurrentRepeats},
		{"different messages appended at once are all stored", testConcurrentMessages},
		{"different keys appended at once are all stored", testConcurrentKeys},
		{"claimers at once never share a key", testConcurrentClaims},
		{"one of several settles at once counts", testConcurrentSettles},
	}
}

// appenders is how many goroutines append at once.
const appenders = 64

// together runs act in n goroutines and waits for all of them.
func (f *fixture) together(n int, act func(i int) error) {
	f.t.Helper()
	var group errgroup.Group
	start := make(chan struct{})
	for i := range n {
		group.Go(func() error {
			<-start
			return act(i)
		})
	}
	close(start)
	f.NoError(group.Wait())
}

func testConcurrentRepeats(f *fixture) {
	var fresh atomic.Int64
	f.together(appenders, func(int) error {
		appended, err := f.store.Append(f.t.Context(), message("a", "1"))
		if err == nil && !appended[0].Duplicate {
			fresh.Add(1)
		}
		return err
	})
	f.Equal(int64(1), fresh.Load(), "exactly one was told that its message is new")
	f.Equal([]string{"1"}, bodiesOf(f.get("a")))
	stats := f.store.Stats()
	f.Equal([]uint64{1, 1, appenders - 1}, []uint64{stats.Entries, stats.Messages, stats.Duplicates})
}

func testConcurrentMessages(f *fixture) {
	f.together(appenders, func(i int) error {
		_, err := f.store.Append(f.t.Context(), message("a", fmt.Sprint(i)), message("a", fmt.Sprint(i, " more")))
		return err
	})
	e := f.get("a")
	f.Len(e.Messages, 2*appenders)
	for i, m := range e.Messages {
		f.Equal(uint64(i+1), m.Seq)
	}
	bodies := bodiesOf(e)
	for i := range appenders {
		at := slices.Index(bodies, fmt.Sprint(i))
		f.GreaterOrEqual(at, 0)
		f.Equal(fmt.Sprint(i, " more"), bodies[at+1], "the messages of one Append stay together")
	}
	f.Equal(uint64(1), f.store.Stats().Entries)
}

func testConcurrentKeys(f *fixture) {
	f.together(appenders, func(i int) error {
		_, err := f.store.Append(f.t.Context(), message(fmt.Sprint("own ", i), "1"), message(fmt.Sprint("own ", i), "2"),
			message("shared", fmt.Sprint(i)))
		return err
	})
	for i := range appenders {
		f.Equal([]string{"1", "2"}, bodiesOf(f.get(fmt.Sprint("own ", i))))
	}
	f.Len(f.get("shared").Messages, appenders)
	f.Len(f.claim(1000), appenders+1)
}

func testConcurrentClaims(f *fixture) {
	const entries = 200
	msgs := make([]outbox.Message, entries)
	for i := range msgs {
		msgs[i] = message(fmt.Sprint(i), "1")
	}
	f.append(msgs...)
	var holders [entries]atomic.Int32
	var claims atomic.Int64
	f.together(8, func(int) error {
		for {
			claimed, _, err := f.store.Claim(f.t.Context(), 3)
			if err != nil || len(claimed) == 0 {
				return err
			}
			for _, e := range claimed {
				i := slices.IndexFunc(msgs, func(m outbox.Message) bool { return m.Key == e.Key })
				if holders[i].Add(1) != 1 {
					return fmt.Errorf("entry %s was claimed while it was in flight", e.Key)
				}
			}
			claims.Add(int64(len(claimed)))
		}
	})
	f.Equal(int64(entries), claims.Load(), "each entry was claimed, and once")
	f.Equal(int64(entries), f.store.Stats().States[outbox.InFlight])
}

func testConcurrentSettles(f *fixture) {
	f.put("a", "1")
	f.take("a")
	var settled atomic.Int64
	f.together(8, func(int) error {
		err := f.store.Settle(f.t.Context(), outbox.Settlement{Key: "a", Verdict: outbox.VerdictRetry})
		if errors.Is(err, outbox.ErrNotClaimed) {
			return nil
		}
		settled.Add(1)
		return err
	})
	f.Equal(int64(1), settled.Load())
	f.Equal(1, f.get("a").Attempts)
}
