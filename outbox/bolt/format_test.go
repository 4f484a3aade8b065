package bolt_test

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"github.com/crmsyncd/crmsyncd/outbox"
	"github.com/crmsyncd/crmsyncd/outbox/bolt"
)

// A fixture is a store of a format with what it lists. A release that changes the format adds a fixture and leaves the
// others, which must open for ever. OUTBOX_WRITE_FIXTURE=1 writes that of today's format when it is missing and never one
// that is there.
const todaysFormat = 2

func fixtureFile(format int) string { return fmt.Sprintf("testdata/format-v%d.db.gz", format) }

func fixtureContents(format int) string { return fmt.Sprintf("testdata/format-v%d.json", format) }

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

// fixture unpacks the fixture of a format and returns its path.
func fixture(t *testing.T, format int) string {
	t.Helper()
	packed, err := os.Open(fixtureFile(format))
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

func TestEveryFormatOpensForEver(t *testing.T) {
	if _, err := os.Stat(fixtureFile(todaysFormat)); errors.Is(err, os.ErrNotExist) &&
		os.Getenv("OUTBOX_WRITE_FIXTURE") != "" {
		createFixture(t)
	}
	for format := 1; format <= todaysFormat; format++ {
		t.Run(strconv.Itoa(format), func(t *testing.T) { opensForEver(t, format) })
	}
}

// opensForEver opens the fixture of a format, which brings it to today's, and works with it.
func opensForEver(t *testing.T, format int) {
	t.Helper()
	path := fixture(t, format)
	clean(t, path)
	listed, err := os.ReadFile(fixtureContents(format))
	require.NoError(t, err)
	var want contents // a later release may list more
	require.NoError(t, json.Unmarshal(listed, &want))
	s := open(t, bolt.Options{Path: path})
	c := contentsOf(t, s)
	require.JSONEq(t, asJSON(t, want), asJSON(t, c))
	require.Equal(t, []byte{todaysFormat}, formatOf(t, s))
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
	_, err = s.Append(t.Context(), outbox.Message{Key: "delivered", Body: []byte(`{"event":"ended"}`)})
	require.NoError(t, err)
	e, err := s.Get(t.Context(), "delivered")
	require.NoError(t, err)
	require.Len(t, e.Messages, 2, "a message of each format in one entry")
	require.NoError(t, s.Close())
	clean(t, path)
	t.Logf("torture: A15 | a file of format %d is opened | %d of %d entries, %d refused bodies and the counters are as "+
		"they were written; it is of format %d now; Verify finds nothing before and after", format, len(c.Entries),
		len(states), len(c.Rejected), todaysFormat)
}

// formatOf returns the format in the file of a store.
func formatOf(t *testing.T, s *bolt.Store) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "copy.db")
	f, err := os.Create(path)
	require.NoError(t, err)
	_, err = s.Backup(t.Context(), f)
	require.NoError(t, errors.Join(err, f.Close()))
	format, err := hex.DecodeString(recordsOf(t, path)["meta/"+hex.EncodeToString([]byte("format"))])
	require.NoError(t, err)
	return format
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
	require.NoError(t, os.WriteFile(fixtureContents(todaysFormat), []byte(asJSON(t, contentsOf(t, s))), 0o600))
	require.NoError(t, os.WriteFile(fixtureFile(todaysFormat), packed.Bytes(), 0o600))
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

// TestTodaysFormatIsThatOfTheFixture writes the fixture anew: a change of any record needs a new version of the format. The
// figures may have more counters, as they are JSON.
func TestTodaysFormatIsThatOfTheFixture(t *testing.T) {
	path := filepath.Join(t.TempDir(), "outbox.db")
	writeFixture(t, path)
	is, was := recordsOf(t, path), recordsOf(t, fixture(t, todaysFormat))
	figures := "meta/" + hex.EncodeToString([]byte("figures"))
	for _, records := range []map[string]string{is, was} {
		require.Contains(t, records, figures)
		delete(records, figures)
		delete(records, "reserve/"+hex.EncodeToString([]byte("reserve"))) // it is there when there is plenty of room for it
	}
	require.Equal(t, slices.Sorted(maps.Keys(was)), slices.Sorted(maps.Keys(is)))
	require.Equal(t, was, is)
}
