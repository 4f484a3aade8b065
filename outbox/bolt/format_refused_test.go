package bolt_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"github.com/crmsyncd/crmsyncd/outbox"
	"github.com/crmsyncd/crmsyncd/outbox/bolt"
)

// TestNewerAndUnknownFormatsAreRefused opens files of formats that this program does not know.
func TestNewerAndUnknownFormatsAreRefused(t *testing.T) {
	for _, version := range [][]byte{{3}, {255}, {0}, {}, {1, 0}} {
		path := fixture(t, todaysFormat)
		alter(t, path, func(tx *bbolt.Tx) error { return tx.Bucket([]byte("meta")).Put([]byte("format"), version) })
		_, err := bolt.Open(bolt.Options{Path: path})
		require.ErrorContains(t, err, fmt.Sprintf("its format is %v, this program knows 1 to 2: use a newer crmsyncd", version))
		require.ErrorContains(t, err, path)
	}
	t.Logf("torture: A15 | a file of a newer or unknown format | 5 of 5 refused with words and left as they were")
}

// TestRecordsOfANewerFormatAreRefused gives one entry's record the version 2, with a checksum that is right.
func TestRecordsOfANewerFormatAreRefused(t *testing.T) {
	path := fixture(t, todaysFormat)
	var id []byte
	alter(t, path, func(tx *bbolt.Tx) error {
		id = bytes.Clone(tx.Bucket([]byte("keys")).Get([]byte("interrupted")))
		record := bytes.Clone(tx.Bucket([]byte("entries")).Get(id))
		record[4] = 2
		sum := crc32.Checksum(slices.Concat(id, record[4:]), crc32.MakeTable(crc32.Castagnoli))
		binary.BigEndian.PutUint32(record, sum)
		return tx.Bucket([]byte("entries")).Put(id, record)
	})
	s := open(t, bolt.Options{Path: path})
	_, err := s.Get(t.Context(), "interrupted")
	require.ErrorIs(t, err, outbox.ErrCorrupt)
	require.ErrorContains(t, err, "record version 2")
	var faults []string
	require.NoError(t, s.Check(t.Context(), func(fault string) { faults = append(faults, fault) }))
	require.Contains(t, strings.Join(faults, "\n"), "record version 2")
	for { // it is never delivered, and holds nobody up
		entries, _, err := s.Claim(t.Context(), 10)
		require.NoError(t, err)
		if len(entries) == 0 {
			break
		}
		for _, e := range entries {
			require.NotEqual(t, "interrupted", e.Key)
		}
	}
}

// alter changes a file behind the store's back.
func alter(t *testing.T, path string, change func(tx *bbolt.Tx) error) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, nil)
	require.NoError(t, err)
	require.NoError(t, errors.Join(db.Update(change), db.Close()))
}

// TestIdsAreNeverGivenOutTwice sets back the counter of ids, as a flipped bit may.
func TestIdsAreNeverGivenOutTwice(t *testing.T) {
	for _, bucket := range []string{"entries", "rejected", "journal"} {
		path := fixture(t, todaysFormat)
		alter(t, path, func(tx *bbolt.Tx) error { return tx.Bucket([]byte(bucket)).SetSequence(1) })
		_, err := bolt.Open(bolt.Options{Path: path})
		require.ErrorIs(t, err, outbox.ErrCorrupt)
		require.ErrorContains(t, err, "its counter stands at 1")
		var faults []string
		require.NoError(t, bolt.Verify(t.Context(), path, func(fault string) { faults = append(faults, fault) }))
		require.Len(t, faults, 1)
	}
}
