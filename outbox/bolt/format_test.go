package bolt_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"github.com/crmsyncd/crmsyncd/outbox"
	"github.com/crmsyncd/crmsyncd/outbox/bolt"
)

// The fixture is a store of format 1 with what it lists. A release that changes the format adds a fixture and leaves
// this one, which must open for ever. OUTBOX_WRITE_FIXTURE=1 writes a fixture that is missing and never one that is
// there.
const (
	fixtureFile     = "testdata/format-v1.db.gz"
	fixtureContents = "testdata/format-v1.json"
)

// contents are all that a store shows of itself.
type contents struct {
	Entries  []outbox.Entry
	ByTerm   map[string][]string
	Rejected []outbox.Rejected
	Stats    outbox.Stats
}

// contentsOf lists a store.
func contentsOf(t *testing.T, s *bolt.Store) contents {
	t.Helper()
	c := contents{ByTerm: map[string][]string{}, Stats: s.Stats()}
	c.Stats.FileBytes, c.Stats.UsedBytes = 0, 0 // bbolt's matter
	list, err := s.List(t.Context(), outbox.Filter{})
	require.NoError(t, err)
	for _, e := range list.Entries {
		e, err := s.Get(t.Context(), e.Key)
		require.NoError(t, err)
		c.Entries = append(c.Entries, e)
	}
	for _, term := range []string{"lead-1", "agent-7", "nobody"} {
		list, err := s.List(t.Context(), outbox.Filter{Term: term})
		require.NoError(t, err)
		for _, e := range list.Entries {
			c.ByTerm[term] = append(c.ByTerm[term], e.Key)
		}
	}
	c.Rejected, err = s.Quarantined(t.Context(), 0, 100)
	require.NoError(t, err)
	return c
}

// writeFixture makes a store with an entry in every state, at times that are always the same.
func writeFixture(t *testing.T, path string) {
	t.Helper()
	now := time.Date(2024, 1, 13, 8, 0, 0, 123456789, time.UTC)
	s, err := bolt.Open(bolt.Options{Path: path, Now: func() time.Time { now = now.Add(time.Second); return now }})
	require.NoError(t, err)
	for i, key := range []string{
		"delivered", "parked", "retried", "postponed", "interrupted", "revived", "discarded", "purged",
	} {
		_, err := s.Append(t.Context(), outbox.Message{
			Key: key, Body: fmt.Appendf(nil, `{"event":"started","of":%d}`, i), Terms: []string{"lead-1", "agent-7"},
		})
		require.NoError(t, err)
	}
	entries, _, err := s.Claim(t.Context(), 100)
	require.NoError(t, err)
	require.Len(t, entries, 8)
	require.NoError(t, s.Checkpoint(t.Context(), outbox.Checkpoint{Key: "interrupted", Receipt: []byte(`{"begun":true}`)}))
	require.NoError(t, s.Settle(t.Context(),
		outbox.Settlement{Key: "purged", Verdict: outbox.VerdictDelivered}))
	_, err = s.Purge(t.Context(), now.Add(time.Hour), 10)
	require.NoError(t, err)
	require.NoError(t, s.Settle(t.Context(),
		outbox.Settlement{Key: "delivered", Verdict: outbox.VerdictDelivered, Receipt: []byte(`{"log":"cl_1"}`)},
		outbox.Settlement{Key: "revived", Verdict: outbox.VerdictDelivered, Receipt: []byte(`{"log":"cl_2"}`)},
		outbox.Settlement{Key: "parked", Verdict: outbox.VerdictPark, Reason: "rejected", Error: "the CRM refused it"},
		outbox.Settlement{Key: "discarded", Verdict: outbox.VerdictPark, Reason: "rejected"},
		outbox.Settlement{Key: "retried", Verdict: outbox.VerdictRetry, Due: now.Add(time.Minute), Reason: "transient"},
		outbox.Settlement{Key: "postponed", Verdict: outbox.VerdictPostpone, Due: now.Add(time.Hour), Reason: "not_yet"}))
	require.NoError(t, s.Discard(t.Context(), "discarded"))
	_, err = s.Append(t.Context(),
		outbox.Message{Key: "revived", Body: []byte(`{"event":"ended"}`), Identity: []byte("ended"), Delay: time.Minute},
		outbox.Message{Key: "delivered", Body: []byte(`{"event":"started","of":0}`)},
		outbox.Message{Key: "waiting", Body: []byte{0, 1, 0xff}, Delay: 24 * time.Hour})
	require.NoError(t, err)
	for _, body := range []string{"<xml/>", "not json", "<xml/>"} {
		require.NoError(t, s.Quarantine(t.Context(), outbox.Rejected{
			Reason: "malformed", Error: "not JSON", ContentType: "text/xml", Body: []byte(body),
		}))
	}
	require.NoError(t, s.Close())
}

// fixture unpacks the fixture and returns its path.
func fixture(t *testing.T) string {
	t.Helper()
	packed, err := os.Open(fixtureFile)
	require.NoError(t, err)
	defer func() { _ = packed.Close() }()
	unpacked, err := gzip.NewReader(packed)
	require.NoError(t, err)
	file, err := io.ReadAll(unpacked)
	require.NoError(t, err)
	path := filepath.Join(memoryFolder(t), "outbox.db")
	require.NoError(t, os.WriteFile(path, file, 0o600))
	return path
}

func asJSON(t *testing.T, c contents) string {
	t.Helper()
	text, err := json.MarshalIndent(c, "", "\t")
	require.NoError(t, err)
	return string(text) + "\n"
}

func TestFormat1OpensForEver(t *testing.T) {
	if _, err := os.Stat(fixtureFile); errors.Is(err, os.ErrNotExist) && os.Getenv("OUTBOX_WRITE_FIXTURE") != "" {
		createFixture(t)
	}
	path := fixture(t)
	clean(t, path)
	want, err := os.ReadFile(fixtureContents)
	require.NoError(t, err)
	s := open(t, bolt.Options{Path: path})
	c := contentsOf(t, s)
	require.JSONEq(t, string(want), asJSON(t, c))
	states := map[string]outbox.State{}
	for _, e := range c.Entries {
		states[e.Key] = e.State
	}
	require.Equal(t, map[string]outbox.State{
		"delivered": outbox.Delivered, "parked": outbox.Parked, "retried": outbox.Pending, "postponed": outbox.Pending,
		"interrupted": outbox.Pending, "revived": outbox.Pending, "waiting": outbox.Pending,
	}, states)
	appended, err := s.Append(t.Context(), outbox.Message{Key: "revived", Identity: []byte("ended")})
	require.NoError(t, err)
	require.True(t, appended[0].Duplicate, "the identities are the same as ever")
	claimed, _, err := s.Claim(t.Context(), 100)
	require.NoError(t, err)
	require.Len(t, claimed, 5)
	t.Logf("torture: A15 | a file of format 1 is opened | %d of %d entries, %d refused bodies and the counters are as "+
		"they were written; Verify finds nothing", len(c.Entries), len(states), len(c.Rejected))
}

// createFixture writes the fixture.
func createFixture(t *testing.T) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "outbox.db")
	writeFixture(t, path)
	file, err := os.ReadFile(path)
	require.NoError(t, err)
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	require.NoError(t, err)
	_, err = w.Write(file)
	require.NoError(t, errors.Join(err, w.Close()))
	s := open(t, bolt.Options{Path: path})
	require.NoError(t, os.WriteFile(fixtureContents, []byte(asJSON(t, contentsOf(t, s))), 0o600))
	require.NoError(t, os.WriteFile(fixtureFile, packed.Bytes(), 0o600))
}

// recordsOf returns all records of a file.
func recordsOf(t *testing.T, path string) map[string]string {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true})
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	records := map[string]string{}
	require.NoError(t, db.View(func(tx *bbolt.Tx) error {
		return tx.ForEach(func(name []byte, b *bbolt.Bucket) error {
			records[string(name)] = fmt.Sprint(b.Sequence())
			return b.ForEach(func(key, value []byte) error {
				records[string(name)+"/"+hex.EncodeToString(key)] = hex.EncodeToString(value)
				return nil
			})
		})
	}))
	return records
}

// TestTodaysFormatIsFormat1 writes the fixture anew: a change of any record needs a new version of the format. The
// figures may have more counters, as they are JSON.
func TestTodaysFormatIsFormat1(t *testing.T) {
	path := filepath.Join(t.TempDir(), "outbox.db")
	writeFixture(t, path)
	is, was := recordsOf(t, path), recordsOf(t, fixture(t))
	figures := "meta/" + hex.EncodeToString([]byte("figures"))
	for _, records := range []map[string]string{is, was} {
		require.Contains(t, records, figures)
		delete(records, figures)
	}
	require.Equal(t, slices.Sorted(maps.Keys(was)), slices.Sorted(maps.Keys(is)))
	require.Equal(t, was, is)
}

// TestNewerAndUnknownFormatsAreRefused opens files of formats that this program does not know.
func TestNewerAndUnknownFormatsAreRefused(t *testing.T) {
	for _, version := range [][]byte{{2}, {255}, {0}, {}, {1, 0}} {
		path := fixture(t)
		alter(t, path, func(tx *bbolt.Tx) error { return tx.Bucket([]byte("meta")).Put([]byte("format"), version) })
		_, err := bolt.Open(bolt.Options{Path: path})
		require.ErrorContains(t, err, fmt.Sprintf("its format is %v, this program knows 1: use a newer crmsyncd", version))
		require.ErrorContains(t, err, path)
	}
	t.Logf("torture: A15 | a file of a newer or unknown format | 5 of 5 refused with words and left as they were")
}

// TestRecordsOfANewerFormatAreRefused gives one entry's record the version 2, with a checksum that is right.
func TestRecordsOfANewerFormatAreRefused(t *testing.T) {
	path := fixture(t)
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
	for _, bucket := range []string{"entries", "rejected"} {
		path := fixture(t)
		alter(t, path, func(tx *bbolt.Tx) error { return tx.Bucket([]byte(bucket)).SetSequence(1) })
		_, err := bolt.Open(bolt.Options{Path: path})
		require.ErrorIs(t, err, outbox.ErrCorrupt)
		require.ErrorContains(t, err, "its counter stands at 1")
		var faults []string
		require.NoError(t, bolt.Verify(t.Context(), path, func(fault string) { faults = append(faults, fault) }))
		require.Len(t, faults, 1)
	}
}
