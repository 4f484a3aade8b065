package outboxtest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/crmsyncd/crmsyncd/outbox"
)

func fullCases() []testCase {
	return []testCase{
		{"a full store refuses messages and goes on delivering", testFull},
		{"a full store takes messages again after a purge", testFullThenPurged},
		{"figures tell how full a store is", testFullFigures},
	}
}

// largeBody is what fills a limited store: incompressible, so that no cleverness of a store keeps it from being full.
func largeBody(seed int) []byte {
	body := make([]byte, 64<<10)
	_, _ = rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}).Read(body) // it always fills the whole body
	return body
}

// fillUp appends until the store is full and returns the keys it took.
func (f *fixture) fillUp(prefix string) []string {
	f.t.Helper()
	var keys []string
	for i := range 4 * limitBytes / (64 << 10) {
		key := fmt.Sprint(prefix, i)
		_, err := f.store.Append(f.t.Context(), outbox.Message{Key: key, Body: largeBody(i)})
		if errors.Is(err, outbox.ErrFull) {
			f.missing(key)
			f.NotEmpty(keys)
			return keys
		}
		f.NoError(err)
		keys = append(keys, key)
	}
	f.FailNow("a store with a limit is never full")
	return nil
}

func testFull(f *fixture) {
	f.limited()
	keys := f.fillUp("call ")
	stats := f.store.Stats()
	f.Equal(uint64(len(keys)), stats.Messages, "what was refused is not counted")
	_, err := f.store.Append(f.t.Context(), outbox.Message{Key: keys[0], Body: largeBody(-1)})
	f.ErrorIs(err, outbox.ErrFull)

	delivered := 0
	for {
		entries := f.claim(8)
		if len(entries) == 0 {
			break
		}
		var checkpoints []outbox.Checkpoint
		var settlements []outbox.Settlement
		for i, e := range entries {
			f.Len(e.Messages[0].Body, 64<<10)
			checkpoints = append(checkpoints, outbox.Checkpoint{Key: e.Key, Receipt: []byte("intent " + e.Key)})
			s := outbox.Settlement{Key: e.Key, Verdict: outbox.VerdictDelivered, Receipt: []byte("id of " + e.Key)}
			if i == 0 {
				s.Verdict, s.Reason, s.Error = outbox.VerdictPark, "invalid", "refused"
			}
			settlements = append(settlements, s)
		}
		f.NoError(f.store.Checkpoint(f.t.Context(), checkpoints...), "a full store takes checkpoints")
		f.settle(settlements...)
		delivered += len(entries)
	}
	f.Equal(len(keys), delivered, "what is stored goes on being delivered")
	f.reopen()
	for _, key := range keys {
		f.Equal("id of "+key, string(f.get(key).Receipt))
	}
}

func testFullThenPurged(f *fixture) {
	f.limited()
	for round := range 3 {
		keys := f.fillUp(fmt.Sprintf("round %d call ", round))
		for entries := f.claim(16); len(entries) > 0; entries = f.claim(16) {
			for _, e := range entries {
				f.settle(outbox.Settlement{Key: e.Key, Verdict: outbox.VerdictDelivered})
			}
		}
		f.clock.Advance(time.Second)
		purged := 0
		for {
			n, err := f.store.Purge(f.t.Context(), f.now(), 10)
			f.NoError(err)
			purged += n
			if n < 10 {
				break
			}
		}
		f.Equal(len(keys), purged)
		if round == 1 {
			f.reopen()
		}
		f.put("small", "1")
		f.NoError(f.store.Discard(f.t.Context(), "small"))
	}
}

func testFullFigures(f *fixture) {
	f.limited()
	empty := f.store.Stats()
	f.Equal(int64(limitBytes), empty.LimitBytes)
	f.Less(empty.UsedBytes, empty.LimitBytes)
	f.fillUp("call ")
	full := f.store.Stats()
	f.Greater(full.UsedBytes, empty.UsedBytes+limitBytes/2, "the limit can be used")
	f.LessOrEqual(full.UsedBytes, full.FileBytes)
	f.LessOrEqual(full.UsedBytes, full.LimitBytes+2<<20, "no more than one Append goes over the limit")
	f.reopen()
	f.Equal(full.LimitBytes, f.store.Stats().LimitBytes)
	_, err := f.store.Append(f.t.Context(), outbox.Message{Key: "more", Body: largeBody(-1)})
	f.ErrorIs(err, outbox.ErrFull, "a full store is full after a restart")
}
