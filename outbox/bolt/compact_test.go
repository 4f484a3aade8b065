package bolt_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"github.com/crmsyncd/crmsyncd/outbox"
	"github.com/crmsyncd/crmsyncd/outbox/bolt"
)

// worn makes a store at path as it is after a while: of many entries only some are left, in each state, with refused
// bodies and terms.
func worn(t *testing.T, path string) {
	t.Helper()
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	s, err := bolt.Open(bolt.Options{Path: path, Now: func() time.Time { return now }})
	require.NoError(t, err)
	const entries, batch = 1200, 100
	for first := 0; first < entries; first += batch {
		var msgs []outbox.Message
		for i := range batch {
			key := fmt.Sprintf("call-%d", first+i)
			msgs = append(msgs, outbox.Message{Key: key, Body: bytes.Repeat([]byte(key), 200), Terms: []string{"agent:lan"}},
				outbox.Message{Key: key, Body: []byte("second of " + key)})
		}
		_, err := s.Append(t.Context(), msgs...)
		require.NoError(t, err)
	}
	require.NoError(t, s.Quarantine(t.Context(), outbox.Rejected{Reason: "not_json", Body: []byte("refused")}))
	claimed, _, err := s.Claim(t.Context(), entries-50)
	require.NoError(t, err)
	var settlements []outbox.Settlement
	for i, e := range claimed {
		settlement := outbox.Settlement{Key: e.Key, Verdict: outbox.VerdictDelivered, Receipt: []byte("receipt of " + e.Key)}
		switch i % 100 {
		case 0:
			settlement.Verdict, settlement.Reason, settlement.Error = outbox.VerdictPark, "invalid", "the CRM refused it"
		case 1:
			settlement.Verdict, settlement.Due = outbox.VerdictRetry, now.Add(time.Hour)
		}
		settlements = append(settlements, settlement)
	}
	require.NoError(t, s.Settle(t.Context(), settlements...))
	purged, err := s.Purge(t.Context(), now.Add(time.Second), entries)
	require.NoError(t, err)
	require.Positive(t, purged)
	require.NoError(t, s.Close())
}

// everything returns all that a store at path shows of what it holds.
func everything(t *testing.T, path string) (entries map[string]outbox.Entry, bad []outbox.Rejected, s outbox.Stats) {
	t.Helper()
	store, err := bolt.Open(bolt.Options{Path: path})
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()
	entries = map[string]outbox.Entry{}
	var filter outbox.Filter
	for {
		page, err := store.List(t.Context(), filter)
		require.NoError(t, err)
		for _, listed := range page.Entries {
			entries[listed.Key], err = store.Get(t.Context(), listed.Key)
			require.NoError(t, err)
		}
		if filter.After = page.Next; page.Next == "" {
			break
		}
	}
	bad, err = store.Quarantined(t.Context(), 0, 1000)
	require.NoError(t, err)
	s = store.Stats()
	s.FileBytes, s.UsedBytes = 0, 0
	return entries, bad, s
}

// onlyFile requires that a folder holds one file of this name and nothing else.
func onlyFile(t *testing.T, path string) {
	t.Helper()
	names, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, names, 1, "%v", names)
	require.Equal(t, filepath.Base(path), names[0].Name())
}

func TestCompactShrinksAndLosesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "outbox.db")
	worn(t, path)
	require.NoError(t, os.Chmod(path, 0o640))
	entries, rejected, stats := everything(t, path)
	require.Greater(t, len(entries), 60)
	require.Len(t, rejected, 1)
	before, err := os.Stat(path)
	require.NoError(t, err)

	var last, total int64
	c, err := bolt.Compact(t.Context(), bolt.CompactOptions{Path: path, Progress: func(done, all int64) {
		require.GreaterOrEqual(t, done, last)
		require.LessOrEqual(t, done, all)
		last, total = done, all
	}})
	require.NoError(t, err)
	require.Equal(t, before.Size(), c.Before)
	require.Less(t, c.After, c.Before/4)
	require.Positive(t, last)
	require.Less(t, total, c.Before/2, "free pages are not counted as work")
	after, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, c.After, after.Size())
	require.Equal(t, before.Mode(), after.Mode())
	onlyFile(t, path)

	nowEntries, nowRejected, nowStats := everything(t, path)
	require.Equal(t, entries, nowEntries)
	require.Equal(t, rejected, nowRejected)
	require.Equal(t, stats, nowStats)

	store := open(t, bolt.Options{Path: path})
	_, err = store.Append(t.Context(), outbox.Message{Key: "new", Body: []byte("x")})
	require.NoError(t, err, "ids go on where they were")
	require.NoError(t, store.Check(t.Context(), func(fault string) { t.Error(fault) }))
}

// TestCompactLeavesTwoMetaPagesThatAreWhole holds what a store is worth when the newer one is damaged: all.
func TestCompactLeavesTwoMetaPagesThatAreWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "outbox.db")
	worn(t, path)
	want, _, _ := everything(t, path)
	_, err := bolt.Compact(t.Context(), bolt.CompactOptions{Path: path})
	require.NoError(t, err)
	compacted, err := os.ReadFile(path)
	require.NoError(t, err)
	for page := range 2 {
		damaged := filepath.Join(t.TempDir(), "outbox.db")
		require.NoError(t, os.WriteFile(damaged, damage(compacted, page*4096), 0o600))
		is, _, _ := everything(t, damaged)
		require.Equal(t, want, is, "meta page %d is damaged", page)
	}
}

func TestCompactFollowsALink(t *testing.T) {
	path := filepath.Join(t.TempDir(), "outbox.db")
	worn(t, path)
	link := filepath.Join(t.TempDir(), "link.db")
	require.NoError(t, os.Symlink(path, link))
	_, err := bolt.Compact(t.Context(), bolt.CompactOptions{Path: link})
	require.NoError(t, err)
	info, err := os.Lstat(link)
	require.NoError(t, err)
	require.Equal(t, os.ModeSymlink, info.Mode().Type())
	onlyFile(t, path)
}

func TestCompactLeavesEverythingWhenItCannotFinish(t *testing.T) {
	errNot := errors.New("not sound")
	calls := 0
	for name, c := range map[string]struct {
		change func(o *bolt.CompactOptions, cancel context.CancelFunc)
		want   error
	}{
		"stopped before it begins": {func(_ *bolt.CompactOptions, cancel context.CancelFunc) { cancel() }, context.Canceled},
		"stopped while it copies": {func(o *bolt.CompactOptions, cancel context.CancelFunc) {
			o.Progress = func(int64, int64) { cancel() }
		}, context.Canceled},
		"the file is damaged": {func(o *bolt.CompactOptions, _ context.CancelFunc) {
			o.Verify = func(context.Context, string) error { return errNot }
		}, errNot},
		"the copy is damaged": {func(o *bolt.CompactOptions, _ context.CancelFunc) {
			o.Verify = func(context.Context, string) error {
				if calls++; calls == 2 {
					return errNot
				}
				return nil
			}
		}, errNot},
		"stopped while the copy is verified": {func(o *bolt.CompactOptions, cancel context.CancelFunc) {
			o.Verify = func(_ context.Context, path string) error {
				if filepath.Base(path) != "outbox.db" {
					cancel()
				}
				return nil
			}
		}, context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "outbox.db")
			worn(t, path)
			before, err := os.ReadFile(path)
			require.NoError(t, err)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			o := bolt.CompactOptions{Path: path}
			c.change(&o, cancel)
			_, err = bolt.Compact(ctx, o)
			require.ErrorIs(t, err, c.want)
			require.ErrorContains(t, err, path)
			after, err := os.ReadFile(path)
			require.NoError(t, err)
			require.True(t, bytes.Equal(before, after), "the old file is as it was")
			onlyFile(t, path)
		})
	}
}

func TestCompactRefusesWhatItMustNotTouch(t *testing.T) {
	sound := filled(t)
	foreign := filepath.Join(t.TempDir(), "foreign.db")
	db, err := bbolt.Open(foreign, 0o600, nil)
	require.NoError(t, err)
	require.NoError(t, db.Close())
	other, err := os.ReadFile(foreign)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		file []byte
		want string
	}{
		"empty":   {nil, "it is empty"},
		"foreign": {other, "not an outbox of this program"},
		"cut":     {sound[:25*4096], "cut short"},
		"damaged": {damage(sound, 0), "faults"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "outbox.db")
			require.NoError(t, os.WriteFile(path, c.file, 0o600))
			_, err := bolt.Compact(t.Context(), bolt.CompactOptions{Path: path})
			require.ErrorContains(t, err, c.want)
			onlyFile(t, path)
		})
	}
	_, err = bolt.Compact(t.Context(), bolt.CompactOptions{Path: filepath.Join(t.TempDir(), "outbox.db")})
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestCompactRefusesAnOpenStore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "outbox.db")
	s := open(t, bolt.Options{Path: path})
	_, err := bolt.Compact(t.Context(), bolt.CompactOptions{Path: path})
	require.ErrorIs(t, err, bolt.ErrInUse)
	_, err = s.Append(t.Context(), outbox.Message{Key: "a", Body: []byte("x")})
	require.NoError(t, err)
}

func TestCompactRemovesWhatAKilledOneLeft(t *testing.T) {
	path := filepath.Join(t.TempDir(), "outbox.db")
	worn(t, path)
	require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(path), ".outbox.db.compact-1"), []byte("half"), 0o600))
	_, err := bolt.Compact(t.Context(), bolt.CompactOptions{Path: path})
	require.NoError(t, err)
	onlyFile(t, path)
}

// TestOpenWaitsForTheFileThatHasTheName holds what would lose every later event: a store that waits for the lock while
// Compact runs must not go on with the file that Compact has replaced.
func TestOpenWaitsForTheFileThatHasTheName(t *testing.T) {
	path := filepath.Join(t.TempDir(), "outbox.db")
	worn(t, path)
	opened := make(chan *bolt.Store, 1)
	started := false
	_, err := bolt.Compact(t.Context(), bolt.CompactOptions{Path: path, Progress: func(int64, int64) {
		if started {
			return
		}
		started = true
		go func() {
			s, err := bolt.Open(bolt.Options{Path: path, LockTimeout: time.Minute})
			if err != nil {
				t.Error(err)
			}
			opened <- s
		}()
		require.Eventually(t, func() bool { return openFiles(t, path) >= 2 }, time.Minute, time.Millisecond,
			"the store has opened the old file and waits for its lock")
	}})
	require.NoError(t, err)
	s := <-opened
	require.NotNil(t, s)
	_, err = s.Append(t.Context(), outbox.Message{Key: "late", Body: []byte("x")})
	require.NoError(t, err)
	require.NoError(t, s.Close())
	again := open(t, bolt.Options{Path: path})
	_, err = again.Get(t.Context(), "late")
	require.NoError(t, err)
}

// openFiles returns how many descriptors of this process lead to path.
func openFiles(t *testing.T, path string) int {
	t.Helper()
	descriptors, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("this system does not show which files are open")
	}
	count := 0
	for _, d := range descriptors {
		if target, err := os.Readlink(filepath.Join("/proc/self/fd", d.Name())); err == nil && target == path {
			count++
		}
	}
	return count
}
