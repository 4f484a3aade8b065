package bolt_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/outbox"
	"github.com/crmsyncd/crmsyncd/outbox/bolt"
)

// BenchmarkBacklogPurged reports what an append and its commit cost in a fresh file, in one from which a million
// delivered entries were purged, and in that one after it was compacted. bbolt writes the list of its free pages with
// each commit.
func BenchmarkBacklogPurged(b *testing.B) {
	path := filepath.Join(b.TempDir(), "purged.db")
	fresh := appendCost(b, "fresh", filepath.Join(b.TempDir(), "fresh.db"), 0)
	purgeAll(b, path, 1_000_000)
	appendCost(b, "purged", path, fresh)
	_, err := bolt.Compact(b.Context(), bolt.CompactOptions{Path: path})
	require.NoError(b, err)
	appendCost(b, "compacted", path, fresh)
}

// appendCost runs a benchmark of single appends and returns what one cost. It reports the size of the file, the free
// part of it, and the ratio to the cost in a fresh file, unless that is 0.
func appendCost(b *testing.B, name, path string, fresh time.Duration) (each time.Duration) {
	b.Helper()
	b.Run(name, func(b *testing.B) {
		s, err := bolt.Open(bolt.Options{Path: path})
		require.NoError(b, err)
		defer func() { require.NoError(b, s.Close()) }()
		n := 0
		for b.Loop() {
			n++
			_, err := s.Append(b.Context(), outbox.Message{
				Key: fmt.Sprintf("%s-%08d", name, n), Body: event, Delay: time.Hour,
			})
			require.NoError(b, err)
		}
		each = b.Elapsed() / time.Duration(n)
		stats := s.Stats()
		b.ReportMetric(float64(stats.FileBytes)/(1<<20), "MiB-file")
		b.ReportMetric(float64(stats.FileBytes-stats.UsedBytes)/(1<<20), "MiB-free")
		if fresh > 0 {
			b.ReportMetric(float64(each)/float64(fresh), "x-fresh")
		}
	})
	return each
}

// purgeAll makes a store from which n delivered entries were purged.
func purgeAll(b *testing.B, path string, n int) {
	b.Helper()
	s, err := bolt.Open(bolt.Options{Path: path})
	require.NoError(b, err)
	defer func() { require.NoError(b, s.Close()) }()
	const chunk = 2000
	for from := 0; from < n; from += chunk {
		deliver(b, s, from, chunk)
	}
	for purged := chunk; purged == chunk; {
		purged, err = s.Purge(b.Context(), time.Now().Add(time.Hour), chunk)
		require.NoError(b, err)
	}
	require.Equal(b, uint64(n), s.Stats().Purged)
}
