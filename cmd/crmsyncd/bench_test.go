package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"github.com/crmsyncd/crmsyncd/outbox"
	"github.com/crmsyncd/crmsyncd/outbox/bolt"
	"github.com/crmsyncd/crmsyncd/receiver"
	"github.com/crmsyncd/crmsyncd/receiver/alohub"
)

// noStore takes everything and keeps nothing: what is left is HTTP and decoding.
type noStore struct{}

func (noStore) Append(_ context.Context, msgs ...outbox.Message) ([]outbox.Appended, error) {
	return make([]outbox.Appended, len(msgs)), nil
}

func (noStore) Quarantine(context.Context, outbox.Rejected) error { return nil }

func (noStore) Quarantined(context.Context, uint64, int) ([]outbox.Rejected, error) {
	return nil, nil
}

// BenchmarkAck is the acknowledgement of one event through real HTTP, from the request to the answer after the commit.
// BenchmarkFsync and BenchmarkAppend of outbox/bolt belong beside it.
func BenchmarkAck(b *testing.B) {
	acknowledge(b, func(b *testing.B) store {
		b.Helper()
		s, err := bolt.Open(bolt.Options{Path: filepath.Join(b.TempDir(), "outbox.db")})
		require.NoError(b, err)
		b.Cleanup(func() { require.NoError(b, s.Close()) })
		return s
	})
}

// BenchmarkAckDelivering is the same while a relay delivers all of it to a CRM that answers at once.
func BenchmarkAckDelivering(b *testing.B) {
	acknowledge(b, func(b *testing.B) store {
		b.Helper()
		s, err := bolt.Open(bolt.Options{Path: filepath.Join(b.TempDir(), "outbox.db")})
		require.NoError(b, err)
		relay, err := outbox.NewRelay(outbox.RelayOptions{
			Queue: s, Deliverer: instant{}, Workers: 8,
			Retry: outbox.RetryPolicy{Initial: time.Second, Max: time.Minute, GiveUpAfter: time.Hour},
		})
		require.NoError(b, err)
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- relay.Run(ctx) }()
		b.Cleanup(func() {
			cancel()
			require.NoError(b, <-done)
			require.NoError(b, s.Close())
		})
		return s
	})
}

// instant is a CRM that takes everything at once.
type instant struct{}

func (instant) Deliver(_ context.Context, entries []outbox.Entry, _ outbox.CheckpointFunc) outbox.Report {
	var report outbox.Report
	for _, e := range entries {
		report.Outcomes = append(report.Outcomes, outbox.Outcome{Key: e.Key, Kind: outbox.Done, Receipt: []byte("cl_1")})
	}
	return report
}

// BenchmarkAckOpenLoop reports how long events wait for their acknowledgement when 200 a second arrive for 20 seconds,
// whatever -benchtime is.
func BenchmarkAckOpenLoop(b *testing.B) {
	collectLess() // as serve does
	s, err := bolt.Open(bolt.Options{Path: filepath.Join(b.TempDir(), "outbox.db")})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, s.Close()) })
	url := serveWebhooks(b, s)
	var waits []time.Duration
	for b.Loop() {
		waits = append(waits, openLoop(b, url, int64(len(waits)), 4000)...)
	}
	for name, share := range map[string]float64{"ms-p50": 0.5, "ms-p99": 0.99, "ms-p99.9": 0.999} {
		b.ReportMetric(milliseconds(waits, share), name)
	}
	b.ReportMetric(float64(len(waits)), "events")
	b.ReportMetric(0, "ns/op")
}

// openLoop sends events, 200 a second, numbered from first on, whether or not the ones before are answered yet. It
// returns how long each waited for its answer, counted from the moment at which it was due to be sent: a stall counts
// for every event that came due in it.
func openLoop(b *testing.B, url string, first, events int64) []time.Duration {
	b.Helper()
	const every = time.Second / 200
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	defer client.CloseIdleConnections()
	waits := make([]time.Duration, events)
	var group sync.WaitGroup
	began := time.Now()
	for i := range events {
		due := began.Add(time.Duration(i) * every)
		<-time.After(time.Until(due))
		group.Go(func() {
			if err := postEvent(client, url, first+i); err != nil {
				b.Error(err)
			}
			waits[i] = time.Since(due)
		})
	}
	group.Wait()
	return waits
}

// milliseconds returns what a share of the times stayed within.
func milliseconds(times []time.Duration, share float64) float64 {
	sorted := slices.Sorted(slices.Values(times))
	return float64(sorted[min(int(share*float64(len(sorted))), len(sorted)-1)].Microseconds()) / 1000
}

// BenchmarkAckUpdate is BenchmarkAck with a bare bbolt in the place of the outbox: one transaction for each event, in
// which its body is put under its call id, and nothing else.
func BenchmarkAckUpdate(b *testing.B) {
	acknowledge(b, func(b *testing.B) store {
		b.Helper()
		db, err := bbolt.Open(filepath.Join(b.TempDir(), "bare.db"), 0o600, nil)
		require.NoError(b, err)
		b.Cleanup(func() { require.NoError(b, db.Close()) })
		require.NoError(b, db.Update(func(tx *bbolt.Tx) error {
			_, err := tx.CreateBucket(updateBucket)
			return err
		}))
		return updateStore{db: db}
	})
}

var updateBucket = []byte("events")

// updateStore makes each event durable in a transaction of its own.
type updateStore struct {
	noStore
	db *bbolt.DB
}

func (s updateStore) Append(_ context.Context, msgs ...outbox.Message) ([]outbox.Appended, error) {
	return make([]outbox.Appended, len(msgs)), s.db.Update(func(tx *bbolt.Tx) error {
		for _, m := range msgs {
			if err := tx.Bucket(updateBucket).Put([]byte(m.Key), m.Body); err != nil {
				return err
			}
		}
		return nil
	})
}

// BenchmarkAckNoop is BenchmarkAck without storage.
func BenchmarkAckNoop(b *testing.B) {
	acknowledge(b, func(*testing.B) store { return noStore{} })
}

func acknowledge(b *testing.B, open func(*testing.B) store) {
	b.Helper()
	collectLess() // as serve does
	for _, conns := range []int{1, 16, 64, 256} {
		b.Run(fmt.Sprintf("conns=%d", conns), func(b *testing.B) {
			url := serveWebhooks(b, open(b))
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: conns, MaxConnsPerHost: conns}}
			defer client.CloseIdleConnections()
			var next atomic.Int64
			var group sync.WaitGroup
			b.ResetTimer()
			for range conns {
				group.Go(func() {
					for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
						if err := postEvent(client, url, i); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			group.Wait()
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// serveWebhooks serves the receiver over a store until the benchmark ends.
func serveWebhooks(b *testing.B, s store) string {
	b.Helper()
	decoder, err := alohub.New(alohub.Options{Location: time.FixedZone("+07", 7*60*60)})
	require.NoError(b, err)
	server, err := receiver.New(receiver.Options{
		Keys: []string{demoKey}, Sink: sink{store: s}, Sources: []receiver.Source{decoder},
		Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(b, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	b.Cleanup(func() {
		require.NoError(b, server.Shutdown(context.Background()))
		require.NoError(b, <-done)
	})
	return "http://" + l.Addr().String() + "/webhooks/alohub"
}

// postEvent posts the event of one call.
func postEvent(client *http.Client, url string, i int64) error {
	body := bytes.Replace([]byte(endEvent), []byte("20240113150030123456"), fmt.Appendf(nil, "20240113150030%08d", i), 1)
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", demoKey)
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	if closeErr := resp.Body.Close(); err == nil {
		err = closeErr
	}
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("HTTP %d", resp.StatusCode)
	}
	return err
}
