package bolt_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/outbox"
	"github.com/crmsyncd/crmsyncd/outbox/bolt"
)

// asAfterAKill copies the file of a store that is open: what a kill would leave.
func asAfterAKill(t *testing.T, path string) string {
	t.Helper()
	file, err := os.ReadFile(path)
	require.NoError(t, err)
	left := filepath.Join(t.TempDir(), "outbox.db")
	require.NoError(t, os.WriteFile(left, file, 0o600))
	return left
}

// TestAKillLeavesTheTailOfTheJournal opens the file of a store that was killed before anything was folded, twice: the
// second time after one entry was folded alone, ahead of older messages.
func TestAKillLeavesTheTailOfTheJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "outbox.db")
	s := open(t, bolt.Options{Path: path})
	for i := range 10 {
		_, err := s.Append(t.Context(), outbox.Message{
			Key: fmt.Sprintf("call-%d", i%4), Body: fmt.Appendf(nil, "event %d", i), Terms: []string{"lead-1"},
		})
		require.NoError(t, err)
	}
	for _, before := range []func(){func() {}, func() {
		_, err := s.Get(t.Context(), "call-3")
		require.NoError(t, err)
	}} {
		before()
		left := asAfterAKill(t, path)
		clean(t, left)
		described, err := bolt.ReadContents(left)
		require.NoError(t, err)
		require.Equal(t, int64(4), described.States[outbox.Pending])
		require.Equal(t, uint64(10), described.Messages)

		again := open(t, bolt.Options{Path: left})
		stats := again.Stats()
		require.Equal(t, int64(4), stats.States[outbox.Pending])
		require.Equal(t, uint64(4), stats.Entries)
		require.Equal(t, uint64(10), stats.Messages)
		appended, err := again.Append(t.Context(), outbox.Message{Key: "call-1", Body: []byte("event 5")})
		require.NoError(t, err)
		require.True(t, appended[0].Duplicate)
		entries, _, err := again.Claim(t.Context(), 10)
		require.NoError(t, err)
		require.Len(t, entries, 4)
		for _, e := range entries {
			for i, m := range e.Messages {
				require.Equal(t, uint64(i+1), m.Seq)
				var n int
				_, err := fmt.Sscanf(string(m.Body), "event %d", &n)
				require.NoError(t, err)
				require.Equal(t, e.Key, fmt.Sprintf("call-%d", n%4))
			}
		}
		page, err := again.List(t.Context(), outbox.Filter{Term: "lead-1"})
		require.NoError(t, err)
		require.Len(t, page.Entries, 4)
		require.Equal(t, uint64(10), again.Stats().Messages, "nothing was folded twice")
		require.NoError(t, again.Close())
		clean(t, left)
	}
}

// TestADamagedMessageOfTheTailHoldsUpNobody flips a bit in a message that was acknowledged and not folded yet.
func TestADamagedMessageOfTheTailHoldsUpNobody(t *testing.T) {
	path := filepath.Join(t.TempDir(), "outbox.db")
	s := open(t, bolt.Options{Path: path})
	body := bytes.Repeat([]byte("recognisable "), 20)
	for _, key := range []string{"first", "damaged", "last"} {
		_, err := s.Append(t.Context(), outbox.Message{Key: key, Body: append([]byte(key), body...)})
		require.NoError(t, err)
	}
	left := asAfterAKill(t, path)
	file, err := os.ReadFile(left)
	require.NoError(t, err)
	for at, marked := 0, append([]byte("damaged"), body...); ; { // in every page that ever held it
		next := bytes.Index(file[at:], marked)
		if next < 0 {
			break
		}
		at += next + 50
		file[at] ^= 1
	}
	require.NoError(t, os.WriteFile(left, file, 0o600))

	again := open(t, bolt.Options{Path: left})
	require.Equal(t, uint64(1), again.Stats().Damaged)
	entries, _, err := again.Claim(t.Context(), 10)
	require.NoError(t, err)
	require.Len(t, entries, 2)
	require.Equal(t, "first", entries[0].Key)
	require.Equal(t, "last", entries[1].Key)
	var faults []string
	require.NoError(t, again.Check(t.Context(), func(fault string) { faults = append(faults, fault) }))
	require.Len(t, faults, 1)
	require.Contains(t, faults[0], "journal 0000000000000002")
}

// TestADamagedEntryIsCountedApart damages the record of an entry itself: nobody knows what it was any more.
func TestADamagedEntryIsCountedApart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "outbox.db")
	s, err := bolt.Open(bolt.Options{Path: path})
	require.NoError(t, err)
	for _, key := range []string{"damaged-entry", "sound"} {
		_, err := s.Append(t.Context(), outbox.Message{Key: key, Body: []byte("event"), Terms: []string{"marked-" + key}})
		require.NoError(t, err)
	}
	require.NoError(t, s.Close())
	file, err := os.ReadFile(path)
	require.NoError(t, err)
	// Only the record of an entry has its terms behind its key.
	record := []byte("damaged-entry\x00\x00\x00\x01\x14marked-damaged-entry")
	require.Positive(t, bytes.Index(file, record))
	for at := bytes.Index(file, record); at >= 0; at = bytes.Index(file, record) {
		file[at] ^= 1
	}
	require.NoError(t, os.WriteFile(path, file, 0o600))

	var parked []string
	s = open(t, bolt.Options{Path: path, Parked: func(reason string) { parked = append(parked, reason) }})
	entries, next, err := s.Claim(t.Context(), 10)
	require.NoError(t, err)
	require.Len(t, entries, 1)
	require.Zero(t, next)
	stats := s.Stats()
	require.Equal(t, uint64(1), stats.Damaged)
	require.Equal(t, uint64(1), stats.SetAside)
	require.Zero(t, stats.States[outbox.Pending])
	require.NotContains(t, stats.OldestSince, outbox.Pending)
	require.Equal(t, uint64(2), stats.Entries)
	require.Equal(t, []string{outbox.ReasonDamaged}, parked)
}

// TestClaimTellsOfWhatItParks lets a delivery begin as often as it may.
func TestClaimTellsOfWhatItParks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "outbox.db")
	var parked []string
	for range 3 {
		s, err := bolt.Open(bolt.Options{
			Path: path, MaxStarts: 2, Parked: func(reason string) { parked = append(parked, reason) },
			Now: func() time.Time { return time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC) },
		})
		require.NoError(t, err)
		_, err = s.Append(t.Context(), outbox.Message{Key: "poison", Body: []byte("event")})
		require.NoError(t, err)
		_, _, err = s.Claim(t.Context(), 1)
		require.NoError(t, err)
		require.NoError(t, s.Close())
	}
	require.Equal(t, []string{outbox.ReasonCrashed}, parked)
}

// TestAClaimTakesAllThatWasAcknowledged lets the second message of an entry stand far behind in the journal.
func TestAClaimTakesAllThatWasAcknowledged(t *testing.T) {
	s := open(t, bolt.Options{Path: filepath.Join(t.TempDir(), "outbox.db")})
	keys := []string{"first"}
	for i := range 100 {
		keys = append(keys, fmt.Sprintf("call-%d", i))
	}
	for i, key := range append(keys, "first") {
		_, err := s.Append(t.Context(), outbox.Message{Key: key, Body: fmt.Appendf(nil, "event %d", i)})
		require.NoError(t, err)
	}
	entries, _, err := s.Claim(t.Context(), 1)
	require.NoError(t, err)
	require.Len(t, entries, 1)
	require.Equal(t, "first", entries[0].Key)
	require.Len(t, entries[0].Messages, 2)
}

// TestFiguresCountAMessageThatCameInFlight looks at nothing but the figures: a look at the entry itself would fold.
func TestFiguresCountAMessageThatCameInFlight(t *testing.T) {
	s := open(t, bolt.Options{Path: filepath.Join(t.TempDir(), "outbox.db")})
	for _, body := range []string{"started", "ended"} {
		_, err := s.Append(t.Context(), outbox.Message{Key: "call", Body: []byte(body)})
		require.NoError(t, err)
		if body == "started" {
			_, _, err := s.Claim(t.Context(), 1)
			require.NoError(t, err)
		}
	}
	require.NoError(t, s.Settle(t.Context(), outbox.Settlement{Key: "call", Verdict: outbox.VerdictDelivered}))
	states := s.Stats().States
	require.Equal(t, int64(1), states[outbox.Pending])
	require.Zero(t, states[outbox.Delivered])
}
