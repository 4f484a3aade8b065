package outbox_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/outbox"
	"github.com/crmsyncd/crmsyncd/outbox/outboxtest"
)

func TestRelayStopLetsDeliveriesFinish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &target{answer: func(ctx context.Context, _ outbox.Entry) (outbox.Outcome, outbox.Pause) {
			select {
			case <-time.After(5 * time.Second):
				return outbox.Outcome{Kind: outbox.Done}, outbox.Pause{}
			case <-ctx.Done():
				return outbox.Outcome{Kind: outbox.Wait}, outbox.Pause{}
			}
		}}
		b := start(t, g, nil)
		b.append(keys(10)...)
		synctest.Wait()
		require.NoError(t, b.stop())
		stats := b.store.Stats()
		require.EqualValues(t, 4, stats.States[outbox.Delivered], "the four on their way")
		require.EqualValues(t, 6, stats.States[outbox.Pending], "those claimed ahead go back")
		require.Zero(t, stats.States[outbox.InFlight])
		for _, key := range keys(10) {
			require.False(t, b.get(key).Interrupted, "an orderly stop leaves nothing in doubt")
		}
	})
}

func TestRelayStopCancelsAfterTheGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &target{answer: func(ctx context.Context, _ outbox.Entry) (outbox.Outcome, outbox.Pause) {
			<-ctx.Done()
			return outbox.Outcome{Kind: outbox.Wait}, outbox.Pause{}
		}}
		b := start(t, g, nil)
		b.append("a")
		synctest.Wait()
		began := time.Now()
		require.NoError(t, b.stop())
		require.Equal(t, 10*time.Second, time.Since(began))
		require.Equal(t, outbox.Pending, b.get("a").State)
		require.Zero(t, b.get("a").Attempts)
	})
}

func TestRelayBoundsADelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var cause error
		g := &target{answer: func(ctx context.Context, _ outbox.Entry) (outbox.Outcome, outbox.Pause) {
			<-ctx.Done()
			cause = context.Cause(ctx)
			return outbox.Outcome{Kind: outbox.Failed, Error: cause.Error()}, outbox.Pause{}
		}}
		b := start(t, g, nil)
		b.append("a")
		after(time.Minute)
		require.ErrorContains(t, cause, "longer than 1m0s")
		require.Equal(t, 1, b.get("a").Attempts)
	})
}

func TestRelayParksAReceiptThatIsTooLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &target{answer: always(outbox.Outcome{Kind: outbox.Done, Receipt: make([]byte, outbox.MaxReceiptBytes+1)})}
		b := start(t, g, nil)
		b.append("a")
		synctest.Wait()
		require.Equal(t, outbox.Parked, b.get("a").State)
		require.Equal(t, outbox.ReasonReceipt, b.get("a").Reason)
	})
}

func TestRelayWaitWithoutATimeIsNoBusyLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &target{answer: always(outbox.Outcome{Kind: outbox.Wait})}
		b := start(t, g, nil)
		b.append("a")
		after(time.Minute)
		require.LessOrEqual(t, len(g.times("a")), 61)
	})
}

// brokenQueue fails on command.
type brokenQueue struct {
	*outboxtest.Memory
	mu     sync.Mutex
	settle error
	claim  error
}

func (q *brokenQueue) fail(claim, settle error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.claim, q.settle = claim, settle
}

func (q *brokenQueue) ClaimNewest(context.Context, int) ([]outbox.Entry, error) { return nil, nil }

func (q *brokenQueue) Claim(ctx context.Context, limit int) ([]outbox.Entry, time.Time, error) {
	q.mu.Lock()
	err := q.claim
	q.mu.Unlock()
	if err != nil {
		return nil, time.Time{}, err
	}
	return q.Memory.Claim(ctx, limit)
}

func (q *brokenQueue) Settle(ctx context.Context, s ...outbox.Settlement) error {
	q.mu.Lock()
	err := q.settle
	q.mu.Unlock()
	if err != nil {
		return err
	}
	return q.Memory.Settle(ctx, s...)
}

func TestRelayWaitsForAFullDiskAndEndsOnAFailedOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &brokenQueue{}
		g := &target{answer: always(outbox.Outcome{Kind: outbox.Done})}
		b := start(t, g, func(o *outbox.RelayOptions) {
			q.Memory = o.Queue.(*outboxtest.Memory)
			o.Queue = q
		})
		q.fail(nil, outbox.ErrFull)
		b.append("a")
		after(time.Minute)
		require.Equal(t, outbox.InFlight, b.get("a").State)
		q.fail(nil, nil)
		after(10 * time.Second)
		require.Equal(t, outbox.Delivered, b.get("a").State)
		require.Len(t, g.times("a"), 1, "settling again is not delivering again")

		q.fail(nil, outbox.ErrFailed)
		b.append("b")
		synctest.Wait()
		require.ErrorIs(t, b.stop(), outbox.ErrFailed)
	})
}

func TestRelayEndsWhenItCannotClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &brokenQueue{}
		b := start(t, &target{answer: always(outbox.Outcome{Kind: outbox.Done})}, func(o *outbox.RelayOptions) {
			q.Memory = o.Queue.(*outboxtest.Memory)
			o.Queue = q
		})
		synctest.Wait()
		broken := errors.New("broken")
		q.fail(broken, nil)
		b.append("a")
		synctest.Wait()
		require.ErrorIs(t, b.stop(), broken)
	})
}

func TestNewRelayRefusesNonsense(t *testing.T) {
	store := outboxtest.NewMemory(outboxtest.MemoryOptions{})
	good := outbox.RetryPolicy{Initial: 1, Max: 2, GiveUpAfter: 3}
	for name, o := range map[string]outbox.RelayOptions{
		"nothing":       {},
		"no deliverer":  {Queue: store, Retry: good},
		"no retry":      {Queue: store, Deliverer: silent{}},
		"max < initial": {Queue: store, Deliverer: silent{}, Retry: outbox.RetryPolicy{Initial: 2, Max: 1, GiveUpAfter: 1}},
		"jitter":        {Queue: store, Deliverer: silent{}, Retry: outbox.RetryPolicy{Initial: 1, Max: 1, GiveUpAfter: 1, Jitter: 2}},
		"gives up":      {Queue: store, Deliverer: silent{}, Retry: outbox.RetryPolicy{Initial: 1, Max: 1}},
	} {
		_, err := outbox.NewRelay(o)
		require.Error(t, err, name)
	}
}
