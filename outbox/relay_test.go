package outbox_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/crmsyncd/crmsyncd/outbox"
	"github.com/crmsyncd/crmsyncd/outbox/outboxtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// target is a deliverer that a test scripts: answer decides what becomes of an entry, and every entry that was asked for
// is kept with the time.
type target struct {
	answer func(ctx context.Context, e outbox.Entry) (outbox.Outcome, outbox.Pause)

	mu     sync.Mutex
	asked  []ask
	sizes  []int
	flying map[string]bool
}

type ask struct {
	key string
	at  time.Time
}

func (g *target) Deliver(ctx context.Context, entries []outbox.Entry, _ outbox.CheckpointFunc) outbox.Report {
	g.mu.Lock()
	g.sizes = append(g.sizes, len(entries))
	for _, e := range entries {
		if g.flying[e.Key] {
			panic("two deliveries of " + e.Key + " at a time")
		}
		if g.flying == nil {
			g.flying = map[string]bool{}
		}
		g.flying[e.Key] = true
		g.asked = append(g.asked, ask{e.Key, time.Now()})
	}
	g.mu.Unlock()
	defer func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		for _, e := range entries {
			delete(g.flying, e.Key)
		}
	}()
	var report outbox.Report
	for _, e := range entries {
		o, pause := g.answer(ctx, e)
		o.Key = e.Key
		report.Outcomes = append(report.Outcomes, o)
		if pause.Reason != "" {
			report.Pause = pause
		}
	}
	return report
}

// times returns when a key was asked for; all keys for "".
func (g *target) times(key string) []time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	var list []time.Time
	for _, a := range g.asked {
		if key == "" || a.key == key {
			list = append(list, a.at)
		}
	}
	return list
}

// always returns an answer that is the same for every entry.
func always(o outbox.Outcome) func(context.Context, outbox.Entry) (outbox.Outcome, outbox.Pause) {
	return func(context.Context, outbox.Entry) (outbox.Outcome, outbox.Pause) { return o, outbox.Pause{} }
}

// bench is a store with a relay running over it, in a bubble of fake time.
type bench struct {
	t     *testing.T
	store *outboxtest.Memory
	relay *outbox.Relay
	stop  func() error
}

// start runs a relay until the test ends, and stops it then.
func start(t *testing.T, d outbox.Deliverer, change func(*outbox.RelayOptions)) *bench {
	t.Helper()
	store := outboxtest.NewMemory(outboxtest.MemoryOptions{})
	o := outbox.RelayOptions{
		Queue: store, Deliverer: d, Workers: 4, Grace: 10 * time.Second, Timeout: time.Minute,
		Retry: outbox.RetryPolicy{Initial: time.Second, Max: time.Minute, GiveUpAfter: 72 * time.Hour},
	}
	if change != nil {
		change(&o)
	}
	relay, err := outbox.NewRelay(o)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- relay.Run(ctx) }()
	b := &bench{t: t, store: store, relay: relay}
	b.stop = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	t.Cleanup(func() { _ = b.stop() })
	return b
}

func (b *bench) append(keys ...string) {
	b.t.Helper()
	for _, key := range keys {
		_, err := b.store.Append(b.t.Context(), outbox.Message{Key: key, Body: []byte("body of " + key)})
		require.NoError(b.t, err)
	}
}

func (b *bench) get(key string) outbox.Entry {
	b.t.Helper()
	e, err := b.store.Get(b.t.Context(), key)
	require.NoError(b.t, err)
	return e
}

// after lets fake time pass.
func after(d time.Duration) {
	time.Sleep(d) // fake time: synctest moves it when everything waits
	synctest.Wait()
}

func keys(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("call-%03d", i)
	}
	return list
}

func TestRelayDeliversWhatIsDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &target{answer: always(outbox.Outcome{Kind: outbox.Done, Receipt: []byte("log 1")})}
		b := start(t, g, nil)
		b.append(keys(20)...)
		synctest.Wait()
		for _, key := range keys(20) {
			e := b.get(key)
			require.Equal(t, outbox.Delivered, e.State, key)
			require.Equal(t, "log 1", string(e.Receipt))
		}
		require.Len(t, g.times(""), 20)
	})
}

func TestRelayFillsBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &target{answer: always(outbox.Outcome{Kind: outbox.Done})}
		b := start(t, g, func(o *outbox.RelayOptions) { o.Batch = 10 })
		b.relay.Pause()
		b.append(keys(25)...)
		b.relay.Resume()
		synctest.Wait()
		slices.Sort(g.sizes)
		require.Equal(t, []int{5, 10, 10}, g.sizes)
	})
}

func TestRelayDeliversFreshEntriesBeforeABacklog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		g := &target{answer: func(context.Context, outbox.Entry) (outbox.Outcome, outbox.Pause) {
			<-release
			return outbox.Outcome{Kind: outbox.Done}, outbox.Pause{}
		}}
		b := start(t, g, func(o *outbox.RelayOptions) { o.Workers, o.Batch = 2, 2 })
		backlog := keys(100)
		b.append(backlog...)
		after(time.Second)
		b.append("fresh")
		for b.get("fresh").State != outbox.Delivered {
			release <- struct{}{}
			synctest.Wait()
		}
		require.Less(t, len(g.times("")), 20, "deliveries until the fresh one")
		close(release)
		after(time.Second)
		for _, key := range backlog {
			require.Equal(t, outbox.Delivered, b.get(key).State)
		}
		require.Len(t, g.times(""), 101)
	})
}

func TestRelayRetriesWithBackoffAndParksByAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &target{answer: always(outbox.Outcome{Kind: outbox.Failed, Reason: "transient", Error: "HTTP 500"})}
		b := start(t, g, func(o *outbox.RelayOptions) { o.Retry.GiveUpAfter = 10 * time.Minute })
		b.append("a")
		synctest.Wait()
		began := time.Now()
		require.Equal(t, 1, b.get("a").Attempts)
		require.Equal(t, "HTTP 500", b.get("a").Error)
		after(20 * time.Minute)
		e := b.get("a")
		require.Equal(t, outbox.Parked, e.State)
		require.Equal(t, outbox.ReasonGaveUp, e.Reason)
		asked := g.times("a")
		for i, seconds := range []int{1, 3, 7, 15, 31, 63, 123} { // 1 s, doubled, capped at 60 s
			require.Equal(t, time.Duration(seconds)*time.Second, asked[i+1].Sub(began), "attempt %d", i+2)
		}
		require.LessOrEqual(t, asked[len(asked)-1].Sub(began), 11*time.Minute)
	})
}

func TestRelayDoesNotGiveUpAtTheFirstFailureOfAnOldEntry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &target{answer: always(outbox.Outcome{Kind: outbox.Failed})}
		b := start(t, g, func(o *outbox.RelayOptions) { o.Retry.GiveUpAfter = time.Hour })
		b.relay.Pause()
		b.append("a")
		after(100 * time.Hour)
		b.relay.Resume()
		synctest.Wait()
		require.Equal(t, outbox.Pending, b.get("a").State)
		require.Equal(t, 1, b.get("a").Attempts)
	})
}

func TestRelayParksWhatIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &target{answer: always(outbox.Outcome{Kind: outbox.Refused, Reason: "invalid", Error: "no such field"})}
		b := start(t, g, nil)
		b.append("a")
		synctest.Wait()
		e := b.get("a")
		require.Equal(t, []any{outbox.Parked, "invalid", "no such field"}, []any{e.State, e.Reason, e.Error})
	})
}

func TestRelayParksAfterTheAttemptsOfAnOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &target{answer: always(outbox.Outcome{Kind: outbox.Failed, Attempts: 3, Reason: "forbidden"})}
		b := start(t, g, nil)
		b.append("a")
		after(time.Hour)
		require.Equal(t, outbox.Parked, b.get("a").State)
		require.Equal(t, "forbidden", b.get("a").Reason)
		require.Len(t, g.times("a"), 3)
	})
}

func TestRelayTakesAPanicForAFailedAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &target{answer: func(_ context.Context, e outbox.Entry) (outbox.Outcome, outbox.Pause) {
			if e.Key == "bad" {
				panic("index out of range")
			}
			return outbox.Outcome{Kind: outbox.Done}, outbox.Pause{}
		}}
		b := start(t, g, nil)
		b.append("bad", "good-1", "good-2")
		after(time.Hour)
		require.Equal(t, outbox.Delivered, b.get("good-1").State)
		require.Equal(t, outbox.Delivered, b.get("good-2").State)
		require.Equal(t, outbox.Parked, b.get("bad").State)
		require.Equal(t, outbox.ReasonPanic, b.get("bad").Reason)
		require.Contains(t, b.get("bad").Error, "index out of range")
		require.Empty(t, b.relay.Paused().Reason, "a bug of ours is not the target's fault")
	})
}

func TestRelayTakesASilentDelivererForAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, silent{}, nil)
		b.append("a")
		synctest.Wait()
		require.Equal(t, outbox.ReasonNoOutcome, b.get("a").Reason)
		require.Equal(t, 1, b.get("a").Attempts)
	})
}

type silent struct{}

func (silent) Deliver(context.Context, []outbox.Entry, outbox.CheckpointFunc) outbox.Report {
	return outbox.Report{}
}
