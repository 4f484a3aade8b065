package bolt_test

import (
	"bytes"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"github.com/crmsyncd/crmsyncd/outbox"
	"github.com/crmsyncd/crmsyncd/outbox/bolt"
)

// delivered makes a store with two delivered entries, "first" and "second", and returns its path.
func delivered(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "outbox.db")
	s, err := bolt.Open(bolt.Options{Path: path})
	require.NoError(t, err)
	for _, key := range []string{"first", "second"} {
		_, err := s.Append(t.Context(), outbox.Message{Key: key, Body: []byte("event of " + key)})
		require.NoError(t, err)
		_, _, err = s.Claim(t.Context(), 1)
		require.NoError(t, err)
		require.NoError(t, s.Settle(t.Context(), outbox.Settlement{Key: key, Verdict: outbox.VerdictDelivered}))
	}
	require.NoError(t, s.Close())
	return path
}

// TestDiscardFollowsNoDamagedLink flips a bit in the link of one entry, so that it leads to the message of another.
func TestDiscardFollowsNoDamagedLink(t *testing.T) {
	path := delivered(t)
	alter(t, path, func(tx *bbolt.Tx) error {
		key, link := tx.Bucket([]byte("messages")).Cursor().First()
		damaged := bytes.Clone(link)
		require.Equal(t, byte(1), damaged[len(damaged)-1])
		damaged[len(damaged)-1] = 2
		return tx.Bucket([]byte("messages")).Put(bytes.Clone(key), damaged)
	})
	s := open(t, bolt.Options{Path: path})
	require.NoError(t, s.Discard(t.Context(), "first"))
	e, err := s.Get(t.Context(), "second")
	require.NoError(t, err)
	require.Equal(t, "event of second", string(e.Messages[0].Body))
}

// TestPurgePassesADamagedEntry damages the oldest delivered entry: those behind it are purged all the same.
func TestPurgePassesADamagedEntry(t *testing.T) {
	path := delivered(t)
	alter(t, path, func(tx *bbolt.Tx) error {
		key, record := tx.Bucket([]byte("entries")).Cursor().First()
		damaged := bytes.Clone(record)
		damaged[len(damaged)-1] ^= 1
		return tx.Bucket([]byte("entries")).Put(bytes.Clone(key), damaged)
	})
	s := open(t, bolt.Options{Path: path})
	purged, err := s.Purge(t.Context(), time.Now().Add(time.Hour), 10)
	require.NoError(t, err)
	require.Equal(t, 1, purged)
	_, err = s.Get(t.Context(), "second")
	require.ErrorIs(t, err, outbox.ErrNotFound)
}
