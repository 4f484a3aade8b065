package bolt_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/outbox"
	"github.com/crmsyncd/crmsyncd/outbox/bolt"
)

// backlogs are how many entries wait while something is measured.
var backlogs = []int{0, 100_000, 1_000_000}

// backlogged returns the path of a store with n pending entries that are not due for an hour. It is made once.
func backlogged(b *testing.B, dir string, n int) string {
	b.Helper()
	path := filepath.Join(dir, fmt.Sprintf("backlog-%d.db", n))
	if _, err := os.Stat(path); err == nil {
		return path
	}
	s, err := bolt.Open(bolt.Options{Path: path})
	require.NoError(b, err)
	fill(b, s, n, time.Hour)
	require.NoError(b, s.Close())
	return path
}

// fill appends n entries of one event each.
func fill(b *testing.B, s *bolt.Store, n int, delay time.Duration) {
	b.Helper()
	const chunk = 2000
	for i := 0; i < n; i += chunk {
		msgs := make([]outbox.Message, min(chunk, n-i))
		for j := range msgs {
			msgs[j] = outbox.Message{Key: fmt.Sprintf("20230113150030%08d", i+j), Body: event, Delay: delay}
		}
		_, err := s.Append(context.Background(), msgs...)
		require.NoError(b, err)
	}
}

// BenchmarkBacklog shows that the cost of an operation does not grow with what waits. One operation is 64 entries in one
// call, so that what is measured is the work and not the disk's fsync alone.
func BenchmarkBacklog(b *testing.B) {
	const group = 64
	dir := b.TempDir()
	for _, n := range backlogs {
		path := backlogged(b, dir, n)
		b.Run("Open/"+count(n), func(b *testing.B) {
			for b.Loop() {
				s, err := bolt.Open(bolt.Options{Path: path})
				require.NoError(b, err)
				require.NoError(b, s.Close())
			}
		})
		s := open(b, bolt.Options{Path: path})
		next := 0
		fresh := func() []outbox.Message {
			msgs := make([]outbox.Message, group)
			for i := range msgs {
				next++
				msgs[i] = outbox.Message{Key: fmt.Sprintf("20240113150030%08d", next), Body: event}
			}
			return msgs
		}
		b.Run("Append/"+count(n), func(b *testing.B) {
			for b.Loop() {
				_, err := s.Append(b.Context(), fresh()...)
				require.NoError(b, err)
			}
		})
		var claimed []outbox.Entry
		b.Run("Claim/"+count(n), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				settleAll(b, s, claimed)
				_, err := s.Append(b.Context(), fresh()...)
				require.NoError(b, err)
				b.StartTimer()
				claimed, _, err = s.Claim(b.Context(), group)
				require.NoError(b, err)
				require.Len(b, claimed, group)
			}
		})
		b.Run("Settle/"+count(n), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				settleAll(b, s, claimed)
				_, err := s.Append(b.Context(), fresh()...)
				require.NoError(b, err)
				claimed, _, err = s.Claim(b.Context(), group)
				require.NoError(b, err)
				b.StartTimer()
				settleAll(b, s, claimed)
				claimed = nil
			}
		})
	}
}

func settleAll(b *testing.B, s *bolt.Store, entries []outbox.Entry) {
	b.Helper()
	settlements := make([]outbox.Settlement, len(entries))
	for i, e := range entries {
		settlements[i] = outbox.Settlement{Key: e.Key, Verdict: outbox.VerdictDelivered, Receipt: []byte(`{"v":1,"log":"cl_1"}`)}
	}
	require.NoError(b, s.Settle(b.Context(), settlements...))
}

// count writes a number as benchmarks name it: 0, 100k, 1M.
func count(n int) string {
	switch {
	case n >= 1_000_000:
		return strconv.Itoa(n/1_000_000) + "M"
	case n >= 1000:
		return strconv.Itoa(n/1000) + "k"
	default:
		return strconv.Itoa(n)
	}
}

// BenchmarkMemory reports how much of the process's memory is resident, mapped file pages apart, with a backlog and at
// work on it.
func BenchmarkMemory(b *testing.B) {
	dir := b.TempDir()
	for _, n := range backlogs {
		path := backlogged(b, dir, n)
		b.Run(count(n), func(b *testing.B) {
			s := open(b, bolt.Options{Path: path})
			for b.Loop() {
				fill(b, s, 2000, 0)
				claimed, _, err := s.Claim(b.Context(), 2000)
				require.NoError(b, err)
				settleAll(b, s, claimed)
			}
			runtime.GC()
			b.ReportMetric(float64(anonymousBytes(b))/(1<<20), "MiB-anonymous")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// anonymousBytes returns the resident memory of this process that is not a mapped file.
func anonymousBytes(b *testing.B) int64 {
	b.Helper()
	status, err := os.ReadFile("/proc/self/status")
	require.NoError(b, err)
	for line := range strings.SplitSeq(string(status), "\n") {
		if rest, found := strings.CutPrefix(line, "RssAnon:"); found {
			kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			require.NoError(b, err)
			return kib << 10
		}
	}
	b.Fatal("no RssAnon in /proc/self/status")
	return 0
}

// BenchmarkPurge reports the 99th percentile of an append's time at 200 events a second, without and with a purge of
// delivered entries beside it.
func BenchmarkPurge(b *testing.B) {
	const delivered = 1_000_000
	path := filepath.Join(b.TempDir(), "delivered.db")
	s := open(b, bolt.Options{Path: path})
	const chunk = 2000
	for i := 0; i < delivered; i += chunk {
		deliver(b, s, i, chunk)
	}
	for _, purging := range []bool{false, true} {
		b.Run(fmt.Sprintf("purging=%t", purging), func(b *testing.B) {
			ctx, cancel := context.WithCancel(b.Context())
			var purge sync.WaitGroup
			before := s.Stats().Purged
			if purging {
				purge.Go(func() {
					if err := (outbox.Retention{Operator: s}).Run(ctx); err != nil {
						b.Error(err)
					}
				})
			}
			var took []time.Duration
			ticker := time.NewTicker(5 * time.Millisecond)
			defer ticker.Stop()
			for i := 0; b.Loop(); i++ {
				<-ticker.C
				began := time.Now()
				_, err := s.Append(b.Context(), outbox.Message{Key: fmt.Sprintf("%t-%d-%d", purging, b.N, i), Body: event, Delay: time.Hour})
				require.NoError(b, err)
				took = append(took, time.Since(began))
			}
			cancel()
			purge.Wait()
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "ms-p99")
			b.ReportMetric(float64(s.Stats().Purged-before), "purged")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// deliver appends, claims and delivers entries.
func deliver(b *testing.B, s *bolt.Store, from, n int) {
	b.Helper()
	msgs := make([]outbox.Message, n)
	for j := range msgs {
		msgs[j] = outbox.Message{Key: fmt.Sprintf("20230113150030%08d", from+j), Body: event}
	}
	_, err := s.Append(b.Context(), msgs...)
	require.NoError(b, err)
	claimed, _, err := s.Claim(b.Context(), n)
	require.NoError(b, err)
	settleAll(b, s, claimed)
}
