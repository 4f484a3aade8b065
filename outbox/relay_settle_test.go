package outbox_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/outbox"
	"github.com/crmsyncd/crmsyncd/outbox/outboxtest"
)

// narrowQueue settles one entry at a time while it is full: the disk has room for no more.
type narrowQueue struct {
	*outboxtest.Memory
	mu    sync.Mutex
	full  bool
	asked []string
}

func (q *narrowQueue) Settle(ctx context.Context, list ...outbox.Settlement) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, s := range list {
		q.asked = append(q.asked, s.Key)
	}
	if !q.full || len(list) < 2 {
		return q.Memory.Settle(ctx, list...)
	}
	if err := q.Memory.Settle(ctx, list[0]); err != nil {
		return err
	}
	return &outbox.UnsettledError{Left: list[1:], Err: outbox.ErrFull}
}

// TestRelaySettlesNothingTwice lets a part of the settlements find no room. The others are not sent again: their entries
// may be in flight anew, and an old verdict would take a message for delivered that nobody delivered.
func TestRelaySettlesNothingTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &narrowQueue{full: true}
		g := &target{answer: always(outbox.Outcome{Kind: outbox.Done})}
		b := start(t, g, func(o *outbox.RelayOptions) {
			q.Memory, o.Batch, o.Workers = o.Queue.(*outboxtest.Memory), 10, 1
			o.Queue = q
			for _, key := range keys(4) {
				_, err := q.Append(t.Context(), outbox.Message{Key: key, Body: []byte("event")})
				require.NoError(t, err)
			}
		})
		after(time.Minute)
		for _, key := range keys(4) {
			require.Equal(t, outbox.Delivered, b.get(key).State)
		}
		count := map[string]int{}
		for _, key := range q.asked {
			count[key]++
		}
		require.Equal(t, map[string]int{"call-000": 1, "call-001": 2, "call-002": 3, "call-003": 4}, count)
	})
}
