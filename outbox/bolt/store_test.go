package bolt_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"
	"go.uber.org/goleak"

	"github.com/crmsyncd/crmsyncd/outbox"
	"github.com/crmsyncd/crmsyncd/outbox/bolt"
	"github.com/crmsyncd/crmsyncd/outbox/outboxtest"
)

func TestMain(m *testing.M) {
	if order := os.Getenv(victimVariable); order != "" {
		os.Exit(runVictim(order))
	}
	goleak.VerifyTestMain(m)
}

const (
	fewStarts     = 3
	fewRejected   = 4
	rejectedBytes = 4 << 10
)

func open(tb testing.TB, o bolt.Options) *bolt.Store {
	tb.Helper()
	s, err := bolt.Open(o)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, s.Close()) })
	return s
}

func harness() outboxtest.Harness {
	openIn := func(tb testing.TB, dir string, clock *outboxtest.Clock, limit int64) outbox.Store {
		tb.Helper()
		s, err := bolt.Open(bolt.Options{
			Path: filepath.Join(dir, "outbox.db"), Now: clock.Now, Limit: limit, MaxStarts: fewStarts,
			QuarantineCount: fewRejected, QuarantineBytes: rejectedBytes,
		})
		require.NoError(tb, err)
		return s // the suite closes what it opens
	}
	return outboxtest.Harness{
		Open: func(tb testing.TB, dir string, clock *outboxtest.Clock) outbox.Store {
			tb.Helper()
			return openIn(tb, dir, clock, 0)
		},
		OpenLimited: func(tb testing.TB, dir string, clock *outboxtest.Clock, limit int64) outbox.Store {
			tb.Helper()
			return openIn(tb, dir, clock, limit)
		},
		Restore: func(tb testing.TB, backup []byte, dir string) {
			tb.Helper()
			require.NoError(tb, os.WriteFile(filepath.Join(dir, "outbox.db"), backup, 0o600))
		},
		MaxStarts: fewStarts, QuarantineCount: fewRejected, QuarantineBytes: rejectedBytes,
	}
}

func TestConformance(t *testing.T) { outboxtest.Run(t, harness()) }

func TestModel(t *testing.T) { outboxtest.Model(t, harness()) }

func TestStress(t *testing.T) { outboxtest.Stress(t, harness()) }

// filled returns the bytes of a sound store with some entries.
func filled(t *testing.T) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "outbox.db")
	s, err := bolt.Open(bolt.Options{Path: path})
	require.NoError(t, err)
	for i := range 200 {
		_, err := s.Append(t.Context(), outbox.Message{Key: fmt.Sprintf("call-%d", i), Body: bytes.Repeat([]byte("x"), 500)})
		require.NoError(t, err)
	}
	require.NoError(t, s.Close())
	file, err := os.ReadFile(path)
	require.NoError(t, err)
	return file
}

func damage(file []byte, at int) []byte {
	damaged := bytes.Clone(file)
	for i := range 200 {
		damaged[at+i] ^= 0xa5
	}
	return damaged
}

func TestOpenRefusesWhatItCannotTrust(t *testing.T) {
	sound := filled(t)
	foreign := filepath.Join(t.TempDir(), "foreign.db")
	db, err := bbolt.Open(foreign, 0o600, nil)
	require.NoError(t, err)
	require.NoError(t, db.Close())
	other, err := os.ReadFile(foreign)
	require.NoError(t, err)

	cases := map[string]struct {
		file []byte
		want string
	}{
		"empty":              {nil, "it is empty"},
		"text":               {bytes.Repeat([]byte("not a database\n"), 1000), "not a bbolt file at all"},
		"a few bytes":        {sound[:50], "not a bbolt file at all"},
		"both metas damaged": {damage(damage(sound, 0), 4096), "no meta page is sound"},
		"another bbolt file": {other, "not an outbox of this program"},
	}
	for _, size := range []int{100, 4096, 3*4096 + 17, 4 * 4096, 10 * 4096, 25 * 4096, 50 * 4096, 75 * 4096, 90*4096 - 1} {
		cases[fmt.Sprintf("cut to %d bytes", size)] = struct {
			file []byte
			want string
		}{sound[:size], "cut short"}
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "outbox.db")
			require.NoError(t, os.WriteFile(path, c.file, 0o600))
			_, err := bolt.Open(bolt.Options{Path: path})
			require.ErrorContains(t, err, c.want)
			require.ErrorContains(t, err, path)
			after, err := os.ReadFile(path)
			require.NoError(t, err)
			require.True(t, bytes.Equal(c.file, after), "a refused file is left as it is")
		})
	}
}

func TestOpenSurvivesOneDamagedMetaPage(t *testing.T) {
	sound := filled(t)
	for page := range 2 {
		path := filepath.Join(t.TempDir(), "outbox.db")
		require.NoError(t, os.WriteFile(path, damage(sound, page*4096), 0o600))
		s := open(t, bolt.Options{Path: path})
		require.Positive(t, s.Stats().Entries, "meta page %d", page)
	}
}

func TestOpenSaysThatAnotherProcessHasTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "outbox.db")
	open(t, bolt.Options{Path: path})
	_, err := bolt.Open(bolt.Options{Path: path, LockTimeout: 50 * time.Millisecond})
	require.ErrorContains(t, err, "another process has it open")
}

func TestOpenLeavesNoHalfMadeFile(t *testing.T) {
	dir := t.TempDir()
	open(t, bolt.Options{Path: filepath.Join(dir, "deeper", "outbox.db")})
	names, err := os.ReadDir(filepath.Join(dir, "deeper"))
	require.NoError(t, err)
	require.Len(t, names, 1)
	require.Equal(t, "outbox.db", names[0].Name())
}

func TestOpenMakesOneStoreWhenTwoOpenAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "outbox.db")
	var opened atomic.Int64
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			s, err := bolt.Open(bolt.Options{Path: path, LockTimeout: 10 * time.Second})
			if err != nil {
				return
			}
			opened.Add(1)
			_, err = s.Append(context.Background(), outbox.Message{Key: fmt.Sprint(opened.Load()), Body: []byte("x")})
			if err == nil {
				err = s.Close()
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	require.EqualValues(t, 2, opened.Load())
	require.EqualValues(t, 2, open(t, bolt.Options{Path: path}).Stats().Entries, "neither replaced the other's file")
}

func TestFlippedBitsAreNeverDelivered(t *testing.T) {
	path := filepath.Join(t.TempDir(), "outbox.db")
	s, err := bolt.Open(bolt.Options{Path: path})
	require.NoError(t, err)
	body := bytes.Repeat([]byte("recognisable body "), 20)
	for _, key := range []string{"damaged", "sound"} {
		_, err = s.Append(t.Context(), outbox.Message{Key: key, Body: append([]byte(key), body...)})
		require.NoError(t, err)
	}
	require.NoError(t, s.Close())
	file, err := os.ReadFile(path)
	require.NoError(t, err)
	at := bytes.LastIndex(file, append([]byte("damaged"), body...))
	require.Positive(t, at)
	file[at+50] ^= 1
	require.NoError(t, os.WriteFile(path, file, 0o600))

	s = open(t, bolt.Options{Path: path})
	entries, _, err := s.Claim(t.Context(), 10)
	require.NoError(t, err)
	require.Len(t, entries, 1)
	require.Equal(t, "sound", entries[0].Key)
	require.Equal(t, map[string]int64{outbox.ReasonDamaged: 1}, s.Stats().ParkedBy)
	_, err = s.Get(t.Context(), "damaged")
	require.ErrorIs(t, err, outbox.ErrCorrupt)
	var faults []string
	require.NoError(t, s.Check(t.Context(), func(fault string) { faults = append(faults, fault) }))
	require.Len(t, faults, 1)
	require.Contains(t, faults[0], "entry damaged")
	require.Equal(t, uint64(1), s.Stats().Damaged)
}

func TestVerifyFindsNothingWrongWithASoundFileAndNamesDamagedPages(t *testing.T) {
	path := filepath.Join(t.TempDir(), "outbox.db")
	sound := filled(t)
	require.NoError(t, os.WriteFile(path, sound, 0o600))
	var faults []string
	report := func(fault string) { faults = append(faults, fault) }
	require.NoError(t, bolt.Verify(t.Context(), path, report))
	require.Empty(t, faults)
	require.NoError(t, os.WriteFile(path, damage(sound, 0), 0o600))
	require.NoError(t, bolt.Verify(t.Context(), path, report))
	require.NotEmpty(t, faults)
	require.ErrorContains(t, bolt.Verify(t.Context(), t.TempDir(), report), "it is a folder")
}

func TestBackupStopsWithItsContext(t *testing.T) {
	s := open(t, bolt.Options{Path: filepath.Join(t.TempDir(), "outbox.db")})
	ctx, cancel := context.WithCancel(t.Context())
	_, err := s.Backup(ctx, writerFunc(func(p []byte) (int, error) { cancel(); return len(p), nil }))
	require.ErrorIs(t, err, context.Canceled)
	n, err := s.Backup(t.Context(), io.Discard)
	require.NoError(t, err)
	require.Positive(t, n)
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestManyAppendsShareCommits(t *testing.T) {
	var commits, operations atomic.Int64
	s := open(t, bolt.Options{
		Path: filepath.Join(t.TempDir(), "outbox.db"),
		Committed: func(_ time.Duration, n int) {
			commits.Add(1)
			operations.Add(int64(n))
		},
	})
	const senders, each = 64, 20
	var group sync.WaitGroup
	for sender := range senders {
		group.Go(func() {
			for i := range each {
				if _, err := s.Append(context.Background(), outbox.Message{
					Key: fmt.Sprintf("%d-%d", sender, i), Body: []byte("x"),
				}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	require.EqualValues(t, senders*each, operations.Load())
	require.Less(t, commits.Load(), int64(senders*each/4), "appends that wait must share a commit")
}
