package bolt_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/outbox"
	"github.com/crmsyncd/crmsyncd/outbox/bolt"
)

// slowTarget is a CRM that takes a while for each request, however much is in it, and then takes everything.
type slowTarget struct{ latency time.Duration }

func (s slowTarget) Deliver(ctx context.Context, entries []outbox.Entry, _ outbox.CheckpointFunc) outbox.Report {
	select {
	case <-time.After(s.latency):
	case <-ctx.Done():
	}
	var report outbox.Report
	for _, e := range entries {
		report.Outcomes = append(report.Outcomes, outbox.Outcome{Key: e.Key, Kind: outbox.Done, Receipt: []byte("cl_1")})
	}
	return report
}

// BenchmarkDrain reports how fast a backlog is delivered to a CRM that takes 50 ms a request, as a share of what its
// workers could do if the outbox cost nothing: workers ÷ latency, times the size of a batch.
func BenchmarkDrain(b *testing.B) {
	const workers = 8
	const latency = 50 * time.Millisecond
	for _, batch := range []int{1, 100} {
		b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) {
			s := open(b, bolt.Options{Path: filepath.Join(b.TempDir(), "outbox.db")})
			n := max(b.N, workers*batch*4) / (workers * batch) * workers * batch
			fill(b, s, n, 0)
			relay, err := outbox.NewRelay(outbox.RelayOptions{
				Queue: s, Deliverer: slowTarget{latency}, Workers: workers, Batch: batch,
				Retry: outbox.RetryPolicy{Initial: time.Second, Max: time.Minute, GiveUpAfter: time.Hour},
			})
			require.NoError(b, err)
			ctx, cancel := context.WithCancel(b.Context())
			done := make(chan error, 1)
			b.ResetTimer()
			go func() { done <- relay.Run(ctx) }()
			for {
				changed := s.Changed()
				if s.Stats().States[outbox.Delivered] >= int64(n) {
					break
				}
				<-changed
			}
			b.StopTimer()
			cancel()
			require.NoError(b, <-done)
			rate := float64(n) / b.Elapsed().Seconds()
			b.ReportMetric(rate, "entries/s")
			b.ReportMetric(100*rate/(workers*float64(batch)/latency.Seconds()), "%-of-ideal")
			b.ReportMetric(0, "ns/op")
		})
	}
}
