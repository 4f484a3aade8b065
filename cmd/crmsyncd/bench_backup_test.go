package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/configs"
	"github.com/crmsyncd/crmsyncd/crm/admin"
	"github.com/crmsyncd/crmsyncd/outbox"
	"github.com/crmsyncd/crmsyncd/outbox/bolt"
)

// BenchmarkBacklogBackup reports the 99th percentile of the wait for an acknowledgement at 200 events a second, over an
// outbox with 100,000 calls: alone, and while one backup after the other is downloaded as "crmsyncd backup" does.
func BenchmarkBacklogBackup(b *testing.B) {
	const calls, events = 100_000, 4000
	collectLess() // as serve does
	cfg := benchConfig(b)
	waitingCalls(b, cfg.Outbox.Path, calls)
	serveAll(b, cfg)
	webhooks := "http://" + cfg.Receiver.Listen + "/webhooks/alohub"
	var alone, beside []time.Duration
	var backups int
	var copied int64
	for b.Loop() {
		sent := int64(len(alone) + len(beside))
		alone = append(alone, openLoop(b, webhooks, sent, events)...)

		ctx, stop := context.WithCancel(b.Context())
		done := make(chan error, 1)
		go func() {
			n, bytes, err := downloadBackups(ctx, cfg, filepath.Join(b.TempDir(), "backup.db"))
			backups, copied = backups+n, copied+bytes
			done <- err
		}()
		beside = append(beside, openLoop(b, webhooks, sent+events, events)...)
		stop()
		require.NoError(b, <-done)
	}
	quiet, busy := milliseconds(alone, 0.99), milliseconds(beside, 0.99)
	b.ReportMetric(quiet, "ms-p99-alone")
	b.ReportMetric(busy, "ms-p99-backup")
	b.ReportMetric(busy/quiet, "ratio")
	b.ReportMetric(float64(backups), "backups")
	b.ReportMetric(float64(copied)/(1<<20), "MiB-copied")
	b.ReportMetric(0, "ns/op")
}

// benchConfig returns the demo's configuration with a file and addresses of its own. Nothing comes due for delivery.
func benchConfig(b *testing.B) *configs.Config {
	b.Helper()
	public, err := freeAddress()
	require.NoError(b, err)
	private, err := freeAddress()
	require.NoError(b, err)
	cfg, err := configs.LoadBytes("demo.yaml", configs.Demo(), []string{
		"CRMSYNCD_RECEIVER__LISTEN=" + public, "CRMSYNCD_ADMIN__LISTEN=" + private, "CRMSYNCD_DELIVERY__HOLD=24h",
		"CRMSYNCD_OUTBOX__PATH=" + filepath.Join(b.TempDir(), "outbox.db"),
	})
	require.NoError(b, err)
	return cfg
}

// waitingCalls makes an outbox in which calls wait for tomorrow.
func waitingCalls(b *testing.B, path string, calls int) {
	b.Helper()
	s, err := bolt.Open(bolt.Options{Path: path})
	require.NoError(b, err)
	const chunk = 2000
	for first := 0; first < calls; first += chunk {
		messages := make([]outbox.Message, chunk)
		for i := range messages {
			id := fmt.Sprintf("20230113150030%06d", first+i)
			messages[i] = outbox.Message{
				Key: id, Body: endedCall(id), Terms: []string{"transaction:" + id, "agent:adminxxx"}, Delay: 24 * time.Hour,
			}
		}
		_, err := s.Append(b.Context(), messages...)
		require.NoError(b, err)
	}
	require.NoError(b, s.Close())
}

// serveAll runs a daemon until the benchmark ends.
func serveAll(b *testing.B, cfg *configs.Config) {
	b.Helper()
	d, err := newDaemon(b.Context(), cfg, slog.New(slog.DiscardHandler))
	require.NoError(b, err)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	b.Cleanup(func() {
		stop()
		require.NoError(b, <-done)
	})
}

// downloadBackups downloads one backup after the other into a file until ctx ends, and returns how many were whole and
// how many bytes came.
func downloadBackups(ctx context.Context, cfg *configs.Config, file string) (backups int, bytes int64, err error) {
	for {
		f, err := os.Create(file)
		if err != nil {
			return backups, bytes, err
		}
		job := backup{file: file, rate: admin.DefaultBackupRate, cfg: cfg}
		_, err = job.download(ctx, &steadyFile{File: f}, func(int64, int64) {})
		size, seekErr := f.Seek(0, io.SeekCurrent)
		bytes += size
		if closeErr := f.Close(); err == nil {
			err = closeErr
		}
		switch {
		case ctx.Err() != nil:
			return backups, bytes, seekErr
		case err != nil:
			return backups, bytes, err
		}
		backups++
	}
}
