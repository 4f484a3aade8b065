package bolt_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"github.com/crmsyncd/crmsyncd/outbox"
	"github.com/crmsyncd/crmsyncd/outbox/bolt"
)

const (
	pageBytes      = 4096
	damagedEntries = 40
)

// page is a page of a file that is in use.
type page struct{ id, overflow int }

// pagesOf returns the pages of a file that are in use, without the meta pages.
func pagesOf(t *testing.T, file []byte) []page {
	t.Helper()
	path := filepath.Join(memoryFolder(t), "outbox.db")
	require.NoError(t, os.WriteFile(path, file, 0o600))
	pages, err := usedPages(path)
	require.NoError(t, err)
	return pages
}

func usedPages(path string) (pages []page, err error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true, PreLoadFreelist: true})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return pages, db.View(func(tx *bbolt.Tx) error {
		for id := 2; ; {
			p, err := tx.Page(id)
			if p == nil || err != nil {
				return err
			}
			if p.Type != "free" {
				pages = append(pages, page{id, p.OverflowCount})
			}
			id += p.OverflowCount + 1
		}
	})
}

// examine makes damaged copies of the file at Path, one by one, and says for each what became of it: "r N OUTCOME".
func (v *victim) examine() {
	sound, err := os.ReadFile(v.Path)
	if err != nil {
		v.say("x %v", err)
		return
	}
	pages, err := usedPages(v.Path)
	if err != nil {
		v.say("x %v", err)
		return
	}
	used := 0
	for _, p := range pages {
		used = max(used, (p.id+p.overflow+1)*pageBytes)
	}
	records := recordBytes(sound, pages)
	for n := v.First; n < v.First+v.Count; n++ {
		path := filepath.Join(filepath.Dir(v.Path), "damaged.db")
		random := rand.New(rand.NewPCG(v.Seed, uint64(n)))
		err := os.WriteFile(path, spoil(sound[:used], pages, records, v.Kind, random), 0o600)
		if err == nil {
			err = os.Truncate(path, int64(len(sound)))
		}
		if err != nil {
			v.say("x %v", err)
			return
		}
		v.say("r %d %s", n, outcome(path))
		_ = os.Remove(path)
	}
}

// recordBytes returns where the bytes of keys, values and references to them stand in the pages of a file: what follows
// the head of a page, without the free space behind. (go.etcd.io/bbolt internal/common: Page, leafPageElement.)
func recordBytes(file []byte, pages []page) (offsets []int) {
	const head, element, leaf, freelist = 16, 16, 2, 16
	number := binary.NativeEndian
	for _, p := range pages {
		begin := p.id * pageBytes
		flags, count := number.Uint16(file[begin+8:]), int(number.Uint16(file[begin+10:]))
		end := begin + head + 8*count
		for at := begin + head; flags != freelist && at < begin+head+count*element; at += element {
			if flags == leaf {
				end = max(end, at+int(number.Uint32(file[at+4:])+number.Uint32(file[at+8:])+number.Uint32(file[at+12:])))
			} else {
				end = max(end, at+int(number.Uint32(file[at:])+number.Uint32(file[at+4:])))
			}
		}
		for at := begin + head; at < end; at++ {
			offsets = append(offsets, at)
		}
	}
	return offsets
}

// spoil returns a copy of a file with one page overwritten, or one bit of its records flipped.
func spoil(file []byte, pages []page, records []int, kind string, random *rand.Rand) []byte {
	file = bytes.Clone(file)
	if kind == "bit" {
		file[records[random.IntN(len(records))]] ^= 1 << random.IntN(8)
		return file
	}
	hit := pages[random.IntN(len(pages))]
	begin := (hit.id + random.IntN(hit.overflow+1)) * pageBytes
	lost := file[begin : begin+pageBytes]
	switch random.IntN(3) {
	case 0:
		clear(lost)
	case 1:
		for i := range lost {
			lost[i] = byte(random.Uint32())
		}
	case 2: // a page that was written to the wrong place
		other := pages[random.IntN(len(pages))].id
		if other*pageBytes == begin {
			clear(lost)
			break
		}
		copy(lost, file[other*pageBytes:])
	}
	return file
}

// outcome verifies, opens and reads a damaged file and says in a word what comes of it.
func outcome(path string) string {
	ctx := context.Background()
	var faults []string
	verified := bolt.Verify(ctx, path, func(fault string) { faults = append(faults, fault) })
	named := verified != nil || len(faults) > 0
	if strings.Contains(strings.Join(faults, " "), "referred to twice") {
		return "circular" // bbolt could go on for ever
	}
	s, err := bolt.Open(bolt.Options{Path: path})
	if err != nil {
		if !errors.Is(err, outbox.ErrCorrupt) && !strings.Contains(err.Error(), "format") &&
			!strings.Contains(err.Error(), "not an outbox") {
			return fmt.Sprintf("unclear %v", err)
		}
		return "refused"
	}
	present, err := deliverAll(ctx, s)
	if closed := s.Close(); err == nil {
		err = closed
	}
	switch {
	case errors.Is(err, errWrongData):
		return fmt.Sprintf("wrong %v", err)
	case named:
		return "named"
	case err != nil:
		return fmt.Sprintf("noticed %v", err)
	case present != damagedEntries:
		return fmt.Sprintf("unnoticed %d of %d entries are there", present, damagedEntries)
	}
	return "harmless"
}

var errWrongData = errors.New("wrong data was delivered")

// deliverAll claims all that is due and returns how many entries were whole.
func deliverAll(ctx context.Context, s *bolt.Store) (present int, err error) {
	for {
		entries, _, err := s.Claim(ctx, 2*damagedEntries)
		if err != nil || len(entries) == 0 {
			return present, err
		}
		for _, e := range entries {
			for _, m := range e.Messages {
				if _, err := numberOf(e.Key, m.Body); err != nil {
					return present, fmt.Errorf("%w: %w", errWrongData, err)
				}
			}
			if len(e.Messages) == 2 {
				present++
			}
		}
	}
}

// TestDamagedPages overwrites pages and flips bits of sound files. Nothing wrong is ever delivered, and nothing is
// missing without Verify, Open or the delivery itself noticing.
func TestDamagedPages(t *testing.T) {
	seed, _ := seeded(t)
	path := filepath.Join(memoryFolder(t), "outbox.db")
	s, err := bolt.Open(bolt.Options{Path: path})
	require.NoError(t, err)
	for n := 0; n < 2*damagedEntries; n += 2 {
		_, err := s.Append(t.Context(),
			outbox.Message{Key: keyOf(n), Body: bodyOf(n), Terms: []string{"lead-1"}},
			outbox.Message{Key: keyOf(n + 1), Body: bodyOf(n + 1)})
		require.NoError(t, err)
	}
	require.NoError(t, s.Close())

	for _, c := range []struct {
		id, kind, what string
		copies         int
	}{
		{"A9", "page", "a page overwritten", fewer(100, 30)},
		{"A10", "bit", "a bit of a record or of its place flipped", fewer(1000, 100)},
	} {
		counts := examineAll(t, order{Mode: "examine", Path: path, Kind: c.kind, Seed: seed, Count: c.copies})
		require.Zero(t, counts["wrong"])
		require.Zero(t, counts["unnoticed"])
		require.Zero(t, counts["unclear"])
		require.Zero(t, counts["crashed"])
		require.Positive(t, counts["named"])
		t.Logf("torture: %s | %s, in %d copies | wrong data delivered %d, lost unnoticed %d; named by the check %d, "+
			"refused at the start %d, noticed at the delivery %d, without effect %d; a circle of pages, named by the check "+
			"and not opened: %d; process crashed %d (stopped by the race detector's "+
			"pointer check: %d)", c.id, c.what, c.copies,
			counts["wrong"], counts["unnoticed"], counts["named"], counts["refused"], counts["noticed"], counts["harmless"],
			counts["circular"], counts["crashed"], counts["checkptr"])
	}
}

// examineAll has victims examine copies, a new one after each that a copy has crashed, and counts the outcomes.
func examineAll(t *testing.T, o order) map[string]int {
	t.Helper()
	counts := map[string]int{}
	for end := o.First + o.Count; o.First < end; {
		o.Count = end - o.First
		p := start(t, o)
		code := p.finish(t)
		require.Empty(t, p.said("x"))
		results := p.said("r")
		for _, result := range results {
			_, result, _ = strings.Cut(result, " ")
			word, rest, _ := strings.Cut(result, " ")
			counts[word]++
			if rest != "" {
				t.Logf("%s: %s", word, rest)
			}
		}
		o.First += len(results)
		if code != exitDone {
			word := "crashed"
			if strings.Contains(p.errors.String(), "fatal error: checkptr") {
				word = "checkptr" // the race detector checks unsafe pointers as well; without it bbolt reads on
			}
			counts[word]++
			t.Logf("copy %d crashed: %.1500s", o.First, p.errors.String())
			o.First++
		}
	}
	return counts
}
