package outbox_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/outbox"
)

func TestRelayOutageIsBoundedAndBurnsNoAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		down.Store(true)
		g := &target{}
		g.answer = func(context.Context, outbox.Entry) (outbox.Outcome, outbox.Pause) {
			if down.Load() {
				return outbox.Outcome{Kind: outbox.Failed, Reason: "transient", Error: "HTTP 502"}, outbox.Pause{}
			}
			return outbox.Outcome{Kind: outbox.Done}, outbox.Pause{}
		}
		b := start(t, g, nil)
		b.append(keys(500)...)
		after(time.Hour)
		require.Equal(t, outbox.PauseBreaker, b.relay.Paused().Reason)
		require.Equal(t, "HTTP 502", b.relay.Paused().Error, "an operator wants to know why")
		during := len(g.times(""))
		// 5 to open the breaker, as many again on their way, and a probe a minute.
		require.LessOrEqual(t, during, 90)
		require.GreaterOrEqual(t, during, 60, "the target must be probed")
		spent := 0
		for _, key := range keys(500) {
			spent += b.get(key).Attempts
		}
		require.LessOrEqual(t, spent, 4)
		down.Store(false)
		after(2 * time.Minute)
		require.EqualValues(t, 500, b.store.Stats().States[outbox.Delivered])
		require.Empty(t, b.relay.Paused().Reason)
	})
}

func TestRelayProbesWithAnotherEntryAfterAFailedProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		down.Store(true)
		g := &target{}
		g.answer = func(_ context.Context, e outbox.Entry) (outbox.Outcome, outbox.Pause) {
			if down.Load() || strings.HasSuffix(e.Key, "-000") {
				return outbox.Outcome{Kind: outbox.Failed}, outbox.Pause{}
			}
			return outbox.Outcome{Kind: outbox.Done}, outbox.Pause{}
		}
		b := start(t, g, nil)
		b.append(keys(50)...)
		after(10 * time.Minute)
		down.Store(false)
		after(10 * time.Minute)
		require.EqualValues(t, 49, b.store.Stats().States[outbox.Delivered], "a bad entry must not keep the breaker open")
	})
}

func TestRelayOneBadEntryDoesNotOpenTheBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &target{answer: always(outbox.Outcome{Kind: outbox.Failed})}
		b := start(t, g, nil)
		b.append("bad")
		after(2 * time.Hour)
		require.Greater(t, len(g.times("bad")), 50)
		require.Empty(t, b.relay.Paused().Reason)
	})
}

func TestRelayRestsAsAsked(t *testing.T) {
	for _, reason := range []string{outbox.PauseThrottle, outbox.PauseQuota, outbox.PauseAuth} {
		t.Run(reason, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				until := began.Add(90 * time.Second)
				g := &target{}
				g.answer = func(context.Context, outbox.Entry) (outbox.Outcome, outbox.Pause) {
					if time.Now().Before(until) {
						return outbox.Outcome{Kind: outbox.Wait, Until: until}, outbox.Pause{Reason: reason, Until: until}
					}
					return outbox.Outcome{Kind: outbox.Done}, outbox.Pause{}
				}
				b := start(t, g, nil)
				b.append(keys(100)...)
				synctest.Wait()
				first := len(g.times(""))
				require.LessOrEqual(t, first, 4, "one request of each worker may be on its way")
				require.Equal(t, reason, b.relay.Paused().Reason)
				after(89 * time.Second)
				require.Len(t, g.times(""), first, "no request before the time the target named")
				after(2 * time.Second)
				require.EqualValues(t, 100, b.store.Stats().States[outbox.Delivered])
				for _, key := range keys(100) {
					require.Zero(t, b.get(key).Attempts)
				}
			})
		})
	}
}

func TestRelayProbesWhileCredentialsAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var refused atomic.Bool
		refused.Store(true)
		g := &target{}
		g.answer = func(context.Context, outbox.Entry) (outbox.Outcome, outbox.Pause) {
			if refused.Load() {
				return outbox.Outcome{Kind: outbox.Wait}, outbox.Pause{Reason: outbox.PauseAuth, Error: "HTTP 401"}
			}
			return outbox.Outcome{Kind: outbox.Done}, outbox.Pause{}
		}
		b := start(t, g, nil)
		b.append(keys(30)...)
		after(time.Hour)
		require.Equal(t, outbox.PauseAuth, b.relay.Paused().Reason)
		require.Equal(t, "HTTP 401", b.relay.Paused().Error)
		require.LessOrEqual(t, len(g.times("")), 90)
		require.Zero(t, b.store.Stats().States[outbox.Parked])
		refused.Store(false)
		after(2 * time.Minute)
		require.EqualValues(t, 30, b.store.Stats().States[outbox.Delivered])
	})
}

func TestRelayEntriesThatDoNotReachTheTargetDoNotOpenTheGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &target{}
		g.answer = func(_ context.Context, e outbox.Entry) (outbox.Outcome, outbox.Pause) {
			if strings.HasPrefix(e.Key, "waits") {
				return outbox.Outcome{Kind: outbox.Wait, Until: time.Now().Add(time.Second), Untouched: true}, outbox.Pause{}
			}
			return outbox.Outcome{Kind: outbox.Failed}, outbox.Pause{}
		}
		b := start(t, g, nil)
		b.append(keys(40)...)
		b.append("waits-1", "waits-2")
		after(time.Hour)
		failed := 0
		for _, key := range keys(40) {
			failed += len(g.times(key))
		}
		require.LessOrEqual(t, failed, 90)
	})
}

func TestRelayPauseByHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &target{answer: always(outbox.Outcome{Kind: outbox.Done})}
		b := start(t, g, nil)
		b.relay.Pause()
		b.append(keys(10)...)
		after(24 * time.Hour)
		require.Empty(t, g.times(""))
		require.Equal(t, outbox.PauseOperator, b.relay.Paused().Reason)
		b.relay.Resume()
		synctest.Wait()
		require.EqualValues(t, 10, b.store.Stats().States[outbox.Delivered])
	})
}

func TestRelaySuccessOnItsWayDoesNotEndARest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		until := time.Now().Add(time.Minute)
		g := &target{}
		g.answer = func(_ context.Context, e outbox.Entry) (outbox.Outcome, outbox.Pause) {
			if e.Key == "call-000" { // sent before the target asked for a rest, answered after
				after := time.NewTimer(10 * time.Second)
				<-after.C
				return outbox.Outcome{Kind: outbox.Done}, outbox.Pause{}
			}
			if time.Now().Before(until) {
				return outbox.Outcome{Kind: outbox.Wait, Until: until},
					outbox.Pause{Reason: outbox.PauseThrottle, Until: until}
			}
			return outbox.Outcome{Kind: outbox.Done}, outbox.Pause{}
		}
		b := start(t, g, nil)
		b.append(keys(20)[:1]...)
		synctest.Wait() // it is on its way
		b.append(keys(20)[1:]...)
		after(20 * time.Second)
		require.Equal(t, outbox.Delivered, b.get("call-000").State)
		b.append("new")
		after(39 * time.Second)
		require.LessOrEqual(t, len(g.times("")), 4, "no request before the time the target named")
		after(2 * time.Second)
		require.EqualValues(t, 21, b.store.Stats().States[outbox.Delivered])
	})
}
