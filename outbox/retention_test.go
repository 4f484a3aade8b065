package outbox_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/outbox"
	"github.com/crmsyncd/crmsyncd/outbox/outboxtest"
)

func TestRetentionRemovesWhatIsOldEnough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := outboxtest.NewMemory(outboxtest.MemoryOptions{})
		deliver := func(list ...string) {
			for _, key := range list {
				_, err := store.Append(t.Context(), outbox.Message{Key: key, Body: []byte("x")})
				require.NoError(t, err)
			}
			claimed, _, err := store.Claim(t.Context(), 1000)
			require.NoError(t, err)
			for _, e := range claimed {
				require.NoError(t, store.Settle(t.Context(), outbox.Settlement{Key: e.Key, Verdict: outbox.VerdictDelivered}))
			}
		}
		deliver(keys(300)...)
		_, err := store.Append(t.Context(), outbox.Message{Key: "pending", Body: []byte("x"), Delay: 24 * time.Hour})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- outbox.Retention{Operator: store, Keep: time.Hour}.Run(ctx) }()
		after(59 * time.Minute)
		require.Zero(t, store.Stats().Purged)
		deliver("young")
		after(3 * time.Minute)
		require.EqualValues(t, 300, store.Stats().Purged)
		require.EqualValues(t, 1, store.Stats().States[outbox.Delivered])
		require.EqualValues(t, 1, store.Stats().States[outbox.Pending])
		cancel()
		require.NoError(t, <-done)
		require.NoError(t, store.Close())
		require.ErrorIs(t, outbox.Retention{Operator: store}.Run(t.Context()), outbox.ErrClosed)
	})
}
