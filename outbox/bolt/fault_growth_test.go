package bolt_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/outbox"
	"github.com/crmsyncd/crmsyncd/outbox/bolt"
)

// TestFileStopsGrowing takes messages in, delivers and purges them, again and again: the pages are used again.
func TestFileStopsGrowing(t *testing.T) {
	const cycles, group = 5, 500
	messages := int(setting(t, "TORTURE_MESSAGES", uint64(fewer(4000, 1000)))) / group * group
	path := filepath.Join(memoryFolder(t), "outbox.db")
	now := time.Date(2026, 1, 13, 8, 0, 0, 0, time.UTC)
	s := open(t, bolt.Options{Path: path, Now: func() time.Time { return now }})
	var sizes, used []int64
	body := make([]byte, 500)
	for cycle := range cycles {
		for n := 0; n < messages; n += group {
			msgs := make([]outbox.Message, group)
			for i := range msgs {
				msgs[i] = outbox.Message{Key: fmt.Sprintf("call-%d-%d", cycle, n+i), Body: body, Terms: []string{"lead"}}
			}
			_, err := s.Append(t.Context(), msgs...)
			require.NoError(t, err)
		}
		for delivered := 0; delivered < messages; delivered += group {
			entries, _, err := s.Claim(t.Context(), group)
			require.NoError(t, err)
			require.Len(t, entries, group)
			settlements := make([]outbox.Settlement, group)
			for i, e := range entries {
				settlements[i] = outbox.Settlement{Key: e.Key, Verdict: outbox.VerdictDelivered, Receipt: []byte("cl_1")}
			}
			require.NoError(t, s.Settle(t.Context(), settlements...))
		}
		now = now.Add(time.Hour)
		for purged := 0; purged < messages; {
			n, err := s.Purge(t.Context(), now, group)
			require.NoError(t, err)
			require.Positive(t, n)
			purged += n
		}
		stats := s.Stats()
		sizes, used = append(sizes, stats.FileBytes), append(used, stats.UsedBytes)
		t.Logf("cycle %d: file %d KiB, used %d KiB", cycle+1, stats.FileBytes>>10, stats.UsedBytes>>10)
	}
	last := len(sizes) - 1
	require.LessOrEqual(t, sizes[last], sizes[1]*11/10, "the file of the second cycle is large enough for all later ones")
	require.Less(t, used[last]*10, sizes[last], "what is purged is free")
	info, err := os.Stat(path)
	require.NoError(t, err)
	t.Logf("torture: A13 | %d messages in, delivered and purged, %d times over | pages in the file after each cycle: "+
		"%v KiB, in use: %v KiB; size on disk %d MiB at most, with bbolt's reserve of 16", messages, cycles, kib(sizes),
		kib(used), info.Size()>>20)
}

func kib(sizes []int64) (list []int64) {
	for _, size := range sizes {
		list = append(list, size>>10)
	}
	return list
}

// TestIntakeAndDeliveryShareCommits appends, checkpoints and settles from many goroutines at once: all of them share
// the commits.
func TestIntakeAndDeliveryShareCommits(t *testing.T) {
	const workers, each = 32, 20
	var commits, operations atomic.Int64
	s := open(t, bolt.Options{
		Path: filepath.Join(t.TempDir(), "outbox.db"),
		Committed: func(_ time.Duration, n int) {
			commits.Add(1)
			operations.Add(int64(n))
		},
	})
	msgs := make([]outbox.Message, workers*each)
	for i := range msgs {
		msgs[i] = outbox.Message{Key: keyOf(2 * i), Body: bodyOf(2 * i)}
	}
	_, err := s.Append(t.Context(), msgs...)
	require.NoError(t, err)
	entries, _, err := s.Claim(t.Context(), len(msgs))
	require.NoError(t, err)
	require.Len(t, entries, len(msgs))
	commits.Store(0)
	operations.Store(0)

	var group sync.WaitGroup
	ctx := context.Background()
	for worker := range workers {
		group.Go(func() {
			for i := range each {
				key, receipt := entries[worker*each+i].Key, []byte("begun")
				err := s.Checkpoint(ctx, outbox.Checkpoint{Key: key, Receipt: receipt})
				err = errors.Join(err, s.Settle(ctx, outbox.Settlement{Key: key, Verdict: outbox.VerdictDelivered}))
				if err != nil {
					t.Error(err)
				}
			}
		})
		group.Go(func() {
			for i := range each {
				n := 2*(workers*each+worker*each+i) + 1
				if _, err := s.Append(ctx, outbox.Message{Key: keyOf(n), Body: bodyOf(n), Delay: time.Hour}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	require.EqualValues(t, 3*workers*each, operations.Load())
	require.Less(t, commits.Load(), operations.Load()/8)
	t.Logf("torture: group commit | %d appends, %d checkpoints and %d settlements from %d goroutines | %d commits: %.0f "+
		"operations share one", workers*each, workers*each, workers*each, 2*workers, commits.Load(),
		float64(operations.Load())/float64(commits.Load()))
}
