package outbox_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/outbox"
	"github.com/crmsyncd/crmsyncd/outbox/outboxtest"
)

// killer is a target that takes a second for an entry; delivering "poison" ends the process, which is what process
// imitates.
type killer struct {
	target
	killed chan struct{}
}

func newKiller() *killer {
	k := &killer{killed: make(chan struct{})}
	die := sync.OnceFunc(func() { close(k.killed) })
	k.answer = func(ctx context.Context, e outbox.Entry) (outbox.Outcome, outbox.Pause) {
		wait := time.Second
		if e.Key == "poison" {
			wait = time.Millisecond
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return outbox.Outcome{Kind: outbox.Wait}, outbox.Pause{}
		}
		if e.Key == "poison" {
			die()
			<-ctx.Done() // the process is dead: nothing comes of anything
		}
		return outbox.Outcome{Kind: outbox.Done}, outbox.Pause{}
	}
	return k
}

// deadQueue is a queue that nothing reaches any more once the process is dead.
type deadQueue struct {
	*outboxtest.Memory
	dead <-chan struct{}
}

func (q deadQueue) Settle(ctx context.Context, settlements ...outbox.Settlement) error {
	select {
	case <-q.dead:
		return outbox.ErrClosed
	default:
		return q.Memory.Settle(ctx, settlements...)
	}
}

// process runs a relay over the store until a delivery kills it or until nothing is left to do, and returns the store
// as the next process finds it, and what was asked of the target.
func process(t *testing.T, store *outboxtest.Memory, batch int, options outboxtest.MemoryOptions) (_ *outboxtest.Memory, k *killer,
	died bool,
) {
	t.Helper()
	k = newKiller()
	relay, err := outbox.NewRelay(outbox.RelayOptions{
		Queue: deadQueue{store, k.killed}, Deliverer: k, Workers: 4, Batch: batch, Timeout: time.Minute,
		Retry: outbox.RetryPolicy{Initial: time.Second, Max: time.Minute, GiveUpAfter: time.Hour},
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- relay.Run(ctx) }()
	select {
	case <-k.killed:
		died = true
	case <-time.After(time.Hour):
	}
	cancel()
	if err := <-done; !died {
		require.NoError(t, err)
	}
	return store.Reopen(options), k, died
}

// TestRelayIsolatesWhatKillsTheProcess holds that an entry whose delivery kills the process takes no other one with it:
// it alone is parked in the end, however many are delivered beside it.
func TestRelayIsolatesWhatKillsTheProcess(t *testing.T) {
	for _, batch := range []int{1, 3, 50} {
		t.Run(fmt.Sprintf("batch=%d", batch), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				options := outboxtest.MemoryOptions{MaxStarts: 5}
				store := outboxtest.NewMemory(options)
				for i := range 40 {
					key := fmt.Sprintf("entry-%d", i)
					if i == 20 {
						key = "poison"
					}
					_, err := store.Append(t.Context(), outbox.Message{Key: key, Body: []byte(key)})
					require.NoError(t, err)
				}
				deaths := 0
				for died := true; died; {
					require.LessOrEqual(t, deaths, options.MaxStarts)
					var k *killer
					store, k, died = process(t, store, batch, options)
					if died {
						deaths++
					}
					requireAloneWhenSuspect(t, k, deaths, died)
				}
				require.Equal(t, options.MaxStarts, deaths)
				stats := store.Stats()
				require.Equal(t, map[string]int64{outbox.ReasonCrashed: 1}, stats.ParkedBy)
				require.Equal(t, int64(39), stats.States[outbox.Delivered])
				poison, err := store.Get(t.Context(), "poison")
				require.NoError(t, err)
				require.Equal(t, outbox.Parked, poison.State)
			})
		})
	}
}

// requireAloneWhenSuspect requires that from the third death on the poisonous entry was the only one in flight.
func requireAloneWhenSuspect(t *testing.T, k *killer, deaths int, died bool) {
	t.Helper()
	if !died || deaths < 3 {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	require.Equal(t, "poison", k.asked[len(k.asked)-1].key)
	require.Equal(t, 1, k.sizes[len(k.sizes)-1])
	for _, a := range k.asked[:len(k.asked)-1] {
		require.GreaterOrEqual(t, k.asked[len(k.asked)-1].at.Sub(a.at), time.Second, "%s was in flight beside it", a.key)
	}
}

// TestRelayClearsTheInnocent holds that entries that were only near when the process died are delivered one by one
// once, and then together again, also if that one delivery failed.
func TestRelayClearsTheInnocent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		options := outboxtest.MemoryOptions{MaxStarts: 9}
		store := outboxtest.NewMemory(options)
		keys := []string{"a", "b", "c"}
		for _, key := range keys {
			_, err := store.Append(t.Context(), outbox.Message{Key: key, Body: []byte(key)})
			require.NoError(t, err)
		}
		for range 2 { // the process dies twice
			claimed, _, err := store.Claim(t.Context(), 10)
			require.NoError(t, err)
			require.Len(t, claimed, 3)
			store = store.Reopen(options)
		}
		began := time.Now()
		again := began.Add(10 * time.Second)
		g := &target{answer: func(_ context.Context, e outbox.Entry) (outbox.Outcome, outbox.Pause) {
			time.Sleep(time.Second) // fake time
			if e.Attempts == 0 {
				return outbox.Outcome{Kind: outbox.Failed, Until: again}, outbox.Pause{}
			}
			return outbox.Outcome{Kind: outbox.Done}, outbox.Pause{}
		}}
		relay, err := outbox.NewRelay(outbox.RelayOptions{
			Queue: store, Deliverer: g, Workers: 4,
			Retry: outbox.RetryPolicy{Initial: time.Second, Max: time.Minute, GiveUpAfter: time.Hour},
		})
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.NoError(t, relay.Run(ctx))
		for i, key := range keys {
			require.Equal(t, []time.Time{began.Add(time.Duration(i) * time.Second), again}, g.times(key), key)
		}
		require.Equal(t, int64(3), store.Stats().States[outbox.Delivered])
	})
}
