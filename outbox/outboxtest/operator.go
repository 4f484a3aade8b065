package outboxtest

import (
	"time"

	"github.com/crmsyncd/crmsyncd/outbox"
)

func operatorCases() []testCase {
	return []testCase{
		{"a parked entry can be replayed", testReplayParked},
		{"a delivered entry can be replayed", testReplayDelivered},
		{"a replayed entry takes new messages", testReplayThenArrival},
		{"an entry in flight cannot be changed by hand", testClaimedByHand},
		{"an unknown entry cannot be changed by hand", testUnknownByHand},
		{"a discarded entry is gone in every state", testDiscard},
	}
}

func testReplayParked(f *fixture) {
	f.append(outbox.Message{Key: "a", Body: []byte("1"), Terms: []string{"x"}})
	created := f.now()
	f.take("a")
	f.settle(outbox.Settlement{Key: "a", Verdict: outbox.VerdictRetry})
	f.park("a", "invalid")
	f.clock.Advance(time.Hour)
	f.NoError(f.store.Replay(f.t.Context(), "a"))
	e := f.get("a")
	f.Equal(outbox.Pending, e.State)
	f.Zero(e.Attempts, "the attempts are forgotten")
	f.Equal(created, e.Created)
	f.Equal(f.now(), e.Since)
	f.Equal(f.now(), e.Due)
	f.False(e.Interrupted)
	f.Zero(f.store.Stats().ParkedBy["invalid"])
	f.Equal([]string{"a"}, f.listed(outbox.Filter{State: outbox.Pending, Term: "x"}))
	f.reopen()
	f.Equal(e, f.get("a"), "a replay survives a restart")
	f.Equal([]string{"1"}, bodiesOf(f.take("a")))
}

func testReplayDelivered(f *fixture) {
	f.append(message("a", "1"), message("a", "2"))
	f.take("a")
	f.settle(outbox.Settlement{Key: "a", Verdict: outbox.VerdictDelivered, Receipt: []byte("id 7")})
	f.clock.Advance(time.Hour)
	f.NoError(f.store.Replay(f.t.Context(), "a"))
	e := f.take("a")
	f.Equal([]string{"1", "2"}, bodiesOf(e))
	f.Equal("id 7", string(e.Receipt), "the deliverer still knows what it wrote")
	f.Equal(f.now(), e.Since)
	f.settle(outbox.Settlement{Key: "a", Verdict: outbox.VerdictDelivered})
	f.Equal(outbox.Delivered, f.get("a").State)
	f.Zero(f.idle(), "replayed once, delivered once more")
}

func testReplayThenArrival(f *fixture) {
	f.put("a", "1")
	f.deliver("a")
	f.NoError(f.store.Replay(f.t.Context(), "a"))
	f.append(delayed("a", "2", time.Hour))
	f.Equal(f.now(), f.get("a").Due, "the replay does not wait for the new message")
	f.take("a")
	f.settle(outbox.Settlement{Key: "a", Verdict: outbox.VerdictDelivered})
	f.Equal(outbox.Delivered, f.get("a").State, "the new message went along")
}

func testClaimedByHand(f *fixture) {
	f.put("a", "1")
	e := f.take("a")
	f.ErrorIs(f.store.Replay(f.t.Context(), "a"), outbox.ErrClaimed)
	f.ErrorIs(f.store.Discard(f.t.Context(), "a"), outbox.ErrClaimed)
	f.Equal(e, f.get("a"))
	f.reopen()
	f.NoError(f.store.Discard(f.t.Context(), "a"), "a claim ends with its process")
}

func testUnknownByHand(f *fixture) {
	f.ErrorIs(f.store.Replay(f.t.Context(), "unknown"), outbox.ErrNotFound)
	f.ErrorIs(f.store.Discard(f.t.Context(), "unknown"), outbox.ErrNotFound)
	f.ErrorIs(f.store.Replay(f.t.Context(), ""), outbox.ErrNotFound)
}

func testDiscard(f *fixture) {
	add := func(key string) { f.append(outbox.Message{Key: key, Body: []byte("1"), Terms: []string{"x", key}}) }
	add("delivered")
	f.deliver("delivered")
	add("parked")
	f.park("parked", "invalid")
	add("interrupted")
	f.take("interrupted")
	f.reopen()
	f.append(outbox.Message{Key: "pending", Body: []byte("1"), Terms: []string{"x", "pending"}, Delay: time.Hour})

	for i, key := range []string{"delivered", "parked", "interrupted", "pending"} {
		f.NoError(f.store.Discard(f.t.Context(), key))
		f.missing(key)
		f.Empty(f.listed(outbox.Filter{Term: key}), "its terms are gone")
		f.Len(f.listed(outbox.Filter{Term: "x"}), 3-i)
		f.ErrorIs(f.store.Discard(f.t.Context(), key), outbox.ErrNotFound)
		f.Equal(uint64(i+1), f.store.Stats().Discarded)
	}
	f.Zero(f.idle())
	f.reopen()
	f.Empty(f.listed(outbox.Filter{}))

	f.clock.Advance(time.Second)
	f.put("pending", "1") // no duplicate: the entry is forgotten
	e := f.get("pending")
	f.Equal(f.now(), e.Created)
	f.Equal(uint64(1), e.Messages[0].Seq)
	f.Empty(f.listed(outbox.Filter{Term: "x"}), "the terms of the entry before do not come back")
}
