package bolt_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/outbox"
	"github.com/crmsyncd/crmsyncd/outbox/bolt"
)

// TestReadEntryIsGet holds that an entry read from a closed file is what Get returned, whether its messages were folded
// or not, and that reading leaves every byte of the file as it was.
func TestReadEntryIsGet(t *testing.T) {
	path := filepath.Join(t.TempDir(), "outbox.db")
	_, err := bolt.ReadEntry(path, "a")
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.NoFileExists(t, path)

	store, err := bolt.Open(bolt.Options{Path: path})
	require.NoError(t, err)
	appended := func(key, body string) {
		_, err := store.Append(t.Context(), outbox.Message{Key: key, Body: []byte(body), Terms: []string{"agent:x"}})
		require.NoError(t, err)
	}
	appended("folded", "one")
	claimed, _, err := store.Claim(t.Context(), 10)
	require.NoError(t, err)
	require.Len(t, claimed, 1)
	require.NoError(t, store.Settle(t.Context(), outbox.Settlement{
		Key: "folded", Verdict: outbox.VerdictPark, Reason: "invalid", Error: "no", Receipt: []byte("receipt"),
	}))
	appended("folded", "two") // waits in the journal
	appended("new", "first")
	appended("new", "second")
	_, err = bolt.ReadEntry(path, "new")
	require.ErrorIs(t, err, bolt.ErrInUse)
	require.NoError(t, store.Close())

	before, err := os.ReadFile(path)
	require.NoError(t, err)
	read := map[string]outbox.Entry{}
	for _, key := range []string{"folded", "new"} {
		read[key], err = bolt.ReadEntry(path, key)
		require.NoError(t, err)
		require.Len(t, read[key].Messages, 2)
	}
	_, err = bolt.ReadEntry(path, "nobody")
	require.ErrorIs(t, err, outbox.ErrNotFound)
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, before, after)

	store, err = bolt.Open(bolt.Options{Path: path})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	for key, e := range read {
		got, err := store.Get(t.Context(), key)
		require.NoError(t, err)
		require.Equal(t, got, e)
	}
}
