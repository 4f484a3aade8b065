package bolt_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"github.com/crmsyncd/crmsyncd/outbox"
	"github.com/crmsyncd/crmsyncd/outbox/bolt"
)

// Each benchmark counts one event as one operation, so that ns/op of all of them stand side by side: the raw sync of
// the disk, bbolt with a transaction per event, bbolt's own Batch, and the outbox.

var senders = []int{1, 16, 64, 256}

var event = make([]byte, 500)

// spread runs one operation b.N times from n goroutines.
func spread(b *testing.B, n int, operation func(i int64) error) {
	b.Helper()
	var next atomic.Int64
	var group sync.WaitGroup
	b.ResetTimer()
	for range n {
		group.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				if err := operation(i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

func BenchmarkFsync(b *testing.B) {
	f, err := os.Create(filepath.Join(b.TempDir(), "file"))
	require.NoError(b, err)
	defer func() { _ = f.Close() }()
	page := make([]byte, 4096)
	b.ResetTimer()
	for i := 0; b.Loop(); i++ {
		_, err := f.WriteAt(page, int64(i%1024)*4096)
		require.NoError(b, err)
		require.NoError(b, f.Sync())
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

func BenchmarkBboltUpdate(b *testing.B) { bare(b, (*bbolt.DB).Update) }

func BenchmarkBboltBatch(b *testing.B) { bare(b, (*bbolt.DB).Batch) }

// bare measures bbolt itself: one bucket, one record an event.
func bare(b *testing.B, write func(*bbolt.DB, func(*bbolt.Tx) error) error) {
	b.Helper()
	for _, n := range senders {
		b.Run(fmt.Sprintf("senders=%d", n), func(b *testing.B) {
			db, err := bbolt.Open(filepath.Join(b.TempDir(), "bare.db"), 0o600, nil)
			require.NoError(b, err)
			defer func() { _ = db.Close() }()
			bucket := []byte("events")
			require.NoError(b, db.Update(func(tx *bbolt.Tx) error {
				_, err := tx.CreateBucket(bucket)
				return err
			}))
			spread(b, n, func(i int64) error {
				return write(db, func(tx *bbolt.Tx) error {
					return tx.Bucket(bucket).Put(binary.BigEndian.AppendUint64(nil, uint64(i)), event)
				})
			})
		})
	}
}

// BenchmarkCommitter is the least that any store with one committer costs: one bucket, one record an event, no figures.
func BenchmarkCommitter(b *testing.B) {
	type write struct {
		key  []byte
		done chan error
	}
	for _, n := range senders {
		b.Run(fmt.Sprintf("senders=%d", n), func(b *testing.B) {
			db, err := bbolt.Open(filepath.Join(b.TempDir(), "bare.db"), 0o600, nil)
			require.NoError(b, err)
			bucket := []byte("events")
			require.NoError(b, db.Update(func(tx *bbolt.Tx) error {
				_, err := tx.CreateBucket(bucket)
				return err
			}))
			writes := make(chan write, 8192)
			var committer sync.WaitGroup
			committer.Go(func() {
				for first := range writes {
					group := []write{first}
					for len(writes) > 0 {
						group = append(group, <-writes)
					}
					err := db.Update(func(tx *bbolt.Tx) error {
						for _, w := range group {
							if err := tx.Bucket(bucket).Put(w.key, event); err != nil {
								return err
							}
						}
						return nil
					})
					for _, w := range group {
						w.done <- err
					}
				}
			})
			spread(b, n, func(i int64) error {
				w := write{key: binary.BigEndian.AppendUint64(nil, uint64(i)), done: make(chan error, 1)}
				writes <- w
				return <-w.done
			})
			close(writes)
			committer.Wait()
			require.NoError(b, db.Close())
		})
	}
}

func BenchmarkAppend(b *testing.B) {
	for _, n := range senders {
		b.Run(fmt.Sprintf("senders=%d", n), func(b *testing.B) {
			s := open(b, bolt.Options{Path: filepath.Join(b.TempDir(), "outbox.db")})
			spread(b, n, func(i int64) error {
				_, err := s.Append(context.Background(), outbox.Message{
					Key: fmt.Sprintf("20240113150030%08d", i), Body: binary.BigEndian.AppendUint64(event[:492:492], uint64(i)),
				})
				return err
			})
		})
	}
}
