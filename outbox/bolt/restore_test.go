package bolt_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/outbox"
	"github.com/crmsyncd/crmsyncd/outbox/bolt"
)

// backupFile returns the path of a backup with 200 pending entries.
func backupFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "backup.db")
	require.NoError(t, os.WriteFile(path, filled(t), 0o600))
	return path
}

func TestRestoreMakesAStore(t *testing.T) {
	from := backupFile(t)
	path := filepath.Join(t.TempDir(), "deeper", "outbox.db")
	var done, total int64
	r, err := bolt.Restore(t.Context(), bolt.RestoreOptions{From: from, Path: path, Progress: func(d, t int64) {
		done, total = d, t
	}})
	require.NoError(t, err)
	require.Empty(t, r.Previous)
	require.Equal(t, map[outbox.State]int64{outbox.Pending: 200, outbox.Delivered: 0, outbox.Parked: 0}, r.Contents.States)
	require.EqualValues(t, 200, r.Contents.Messages)
	require.Equal(t, r.Contents.FileBytes, total)
	require.Equal(t, total, done)
	onlyFile(t, path)
	onlyFile(t, from)
	was, _, _ := everything(t, from)
	is, _, _ := everything(t, path)
	require.Equal(t, was, is)
}

func TestRestoreReplacesOnlyWhenToldTo(t *testing.T) {
	from := backupFile(t)
	path := filepath.Join(t.TempDir(), "outbox.db")
	worn(t, path)
	before, err := os.ReadFile(path)
	require.NoError(t, err)

	o := bolt.RestoreOptions{From: from, Path: path, Now: func() time.Time {
		return time.Date(2026, 3, 2, 10, 0, 5, 0, time.FixedZone("+07", 7*60*60))
	}}
	_, err = bolt.Restore(t.Context(), o)
	require.ErrorIs(t, err, os.ErrExist)
	onlyFile(t, path)

	o.Replace = true
	r, err := bolt.Restore(t.Context(), o)
	require.NoError(t, err)
	require.Equal(t, path+".replaced-20260302T030005Z", r.Previous)
	previous, err := os.ReadFile(r.Previous)
	require.NoError(t, err)
	require.True(t, bytes.Equal(before, previous), "the old file is kept")
	was, _, _ := everything(t, from)
	is, _, _ := everything(t, path)
	require.Equal(t, was, is)

	_, err = bolt.Restore(t.Context(), o)
	require.ErrorIs(t, err, os.ErrExist, "an older file that was kept is not lost to a newer one")
	names, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, names, 2)
}

func TestRestoreReplacesADamagedFile(t *testing.T) {
	from := backupFile(t)
	path := filepath.Join(t.TempDir(), "outbox.db")
	require.NoError(t, os.WriteFile(path, []byte("rubbish"), 0o600))
	r, err := bolt.Restore(t.Context(), bolt.RestoreOptions{From: from, Path: path, Replace: true})
	require.NoError(t, err)
	kept, err := os.ReadFile(r.Previous)
	require.NoError(t, err)
	require.Equal(t, "rubbish", string(kept))
	require.EqualValues(t, 200, open(t, bolt.Options{Path: path}).Stats().Entries)
}

func TestRestoreRefusesABackupThatIsNotSound(t *testing.T) {
	sound := filled(t)
	for name, c := range map[string]struct {
		file []byte
		want string
	}{
		"empty":   {nil, "it is empty"},
		"text":    {bytes.Repeat([]byte("not a database\n"), 1000), "not a bbolt file at all"},
		"cut":     {sound[:25*4096], "cut short"},
		"damaged": {damage(sound, 4096), "faults"},
	} {
		t.Run(name, func(t *testing.T) {
			from := filepath.Join(t.TempDir(), "backup.db")
			require.NoError(t, os.WriteFile(from, c.file, 0o600))
			path := filepath.Join(t.TempDir(), "outbox.db")
			require.NoError(t, os.WriteFile(path, sound, 0o600))
			_, err := bolt.Restore(t.Context(), bolt.RestoreOptions{From: from, Path: path, Replace: true})
			require.ErrorIs(t, err, outbox.ErrCorrupt)
			require.ErrorContains(t, err, c.want)
			require.ErrorContains(t, err, from)
			onlyFile(t, path)
			after, err := os.ReadFile(path)
			require.NoError(t, err)
			require.True(t, bytes.Equal(sound, after))
		})
	}
}

func TestRestoreLeavesNothingWhenItIsStopped(t *testing.T) {
	from := backupFile(t)
	path := filepath.Join(t.TempDir(), "outbox.db")
	ctx, cancel := context.WithCancel(t.Context())
	verified := bolt.RestoreOptions{From: from, Path: path, Verify: func(context.Context, string) error {
		cancel()
		return nil
	}}
	_, err := bolt.Restore(ctx, verified)
	require.ErrorIs(t, err, context.Canceled)
	names, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Empty(t, names)
}

func TestRestoreDoesNotReplaceAFileThatWasMadeMeanwhile(t *testing.T) {
	from := backupFile(t)
	path := filepath.Join(t.TempDir(), "outbox.db")
	_, err := bolt.Restore(t.Context(), bolt.RestoreOptions{
		From: from, Path: path, Replace: true,
		Verify: func(context.Context, string) error { return os.WriteFile(path, []byte("new"), 0o600) },
	})
	require.ErrorIs(t, err, os.ErrExist)
	onlyFile(t, path)
	kept, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "new", string(kept))
}

func TestRestoreRefusesFilesThatAreOpen(t *testing.T) {
	from, path := backupFile(t), filepath.Join(t.TempDir(), "outbox.db")
	s, err := bolt.Open(bolt.Options{Path: path})
	require.NoError(t, err)
	o := bolt.RestoreOptions{From: from, Path: path, Replace: true, LockTimeout: time.Millisecond}
	_, err = bolt.Restore(t.Context(), o)
	require.ErrorIs(t, err, bolt.ErrInUse)
	_, err = s.Append(t.Context(), outbox.Message{Key: "a", Body: []byte("x")})
	require.NoError(t, err)
	require.NoError(t, s.Close())

	live := open(t, bolt.Options{Path: from})
	_, err = bolt.Restore(t.Context(), o)
	require.ErrorIs(t, err, bolt.ErrInUse)
	require.ErrorContains(t, err, "the backup")
	require.NoError(t, live.Close())
	_, err = bolt.Restore(t.Context(), o)
	require.NoError(t, err)

	_, err = bolt.Restore(t.Context(), bolt.RestoreOptions{From: path, Path: path, Replace: true})
	require.ErrorContains(t, err, "same file")
	_, err = bolt.Restore(t.Context(), bolt.RestoreOptions{From: from, Path: filepath.Dir(path), Replace: true})
	require.ErrorContains(t, err, "not a file")
}

func TestReadContentsSaysWhatAFileHolds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "outbox.db")
	worn(t, path)
	_, rejected, stats := everything(t, path)
	c, err := bolt.ReadContents(path)
	require.NoError(t, err)
	for state, n := range c.States {
		require.Equal(t, stats.States[state], n, state)
	}
	require.Equal(t, stats.Messages, c.Messages)
	require.EqualValues(t, len(rejected), c.Rejected)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, info.Size(), c.FileBytes)

	open(t, bolt.Options{Path: path})
	_, err = bolt.ReadContents(path)
	require.ErrorIs(t, err, bolt.ErrInUse)
}

// TestCloseDoesNotWaitForABackup holds that a client who stops reading cannot keep a daemon from stopping.
func TestCloseDoesNotWaitForABackup(t *testing.T) {
	path := filepath.Join(t.TempDir(), "outbox.db")
	worn(t, path)
	s := open(t, bolt.Options{Path: path})
	stuck, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	result := make(chan error, 1)
	go func() {
		_, err := s.Backup(context.Background(), writerFunc(func(p []byte) (int, error) {
			once.Do(func() { close(stuck) })
			<-release
			return len(p), nil
		}))
		result <- err
	}()
	<-stuck
	require.NoError(t, s.Close())
	close(release)
	require.ErrorIs(t, <-result, outbox.ErrClosed)
	_, err := s.Backup(t.Context(), io.Discard)
	require.ErrorIs(t, err, outbox.ErrClosed)
}

func TestBackupEndsWithTheErrorOfItsWriter(t *testing.T) {
	s := open(t, bolt.Options{Path: filepath.Join(t.TempDir(), "outbox.db")})
	errGone := errors.New("the reader has gone")
	_, err := s.Backup(t.Context(), writerFunc(func([]byte) (int, error) { return 0, errGone }))
	require.ErrorIs(t, err, errGone)
	n, err := s.Backup(t.Context(), io.Discard)
	require.NoError(t, err)
	require.Positive(t, n)
}
