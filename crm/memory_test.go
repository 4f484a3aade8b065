package crm

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm/call"
)

// What a Syncer remembers of the CRM is bounded in number, size and time; how, only the inside shows.

var memoryStart = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

func newTestMemory(t *testing.T, entries int) *memory {
	t.Helper()
	m, err := newMemory(MemoryOptions{Records: time.Minute, Misses: time.Second, Written: time.Hour, Entries: entries})
	require.NoError(t, err)
	return m
}

// byTransaction returns the look-up of a contact.
func byTransaction(id string) Lookup { return Lookup{Object: "contact", TransactionID: id} }

func TestMemoryIsBounded(t *testing.T) {
	m := newTestMemory(t, 100)
	for i := range 150 {
		name := fmt.Sprint(i)
		m.keepReceipt(name, []byte("{}"), memoryStart)
		m.keepAnswer(byTransaction(name), call.Number{}, Found{}, memoryStart)
		_, claimed := m.claim(name, memoryStart)
		require.True(t, claimed)
		m.release(name, &Record{Object: "contact", ID: name}, time.Time{}, memoryStart)
	}
	require.Equal(t, 100, m.receipts.Len())
	require.Equal(t, 100, m.answers.Len())
	require.Equal(t, 100, m.made.Len())
	require.Empty(t, m.claims)
	require.Nil(t, m.receipt("49", memoryStart), "the oldest give way")
	require.NotNil(t, m.receipt("50", memoryStart))
}

func TestMemoryEnds(t *testing.T) {
	m := newTestMemory(t, 10)
	contact := Record{Object: "contact", ID: "1"}
	m.keepReceipt("c1", []byte("{}"), memoryStart)
	m.keepAnswer(byTransaction("T1"), call.Number{}, Found{Records: []Record{contact}}, memoryStart)
	m.keepAnswer(byTransaction("T2"), call.Number{}, Found{}, memoryStart)
	m.claim("0912345678", memoryStart)
	m.release("0912345678", &contact, time.Time{}, memoryStart)
	for after, want := range map[time.Duration][4]bool{
		-time.Nanosecond:              {}, // the clock was set back: nothing is certain
		0:                             {true, true, true, true},
		time.Second:                   {true, true, false, true},
		time.Minute - 1:               {true, true, false, true},
		time.Minute:                   {true, false, false, true},
		time.Hour - 1:                 {true, false, false, true},
		time.Hour:                     {},
		1_000 * 24 * 60 * time.Minute: {},
	} {
		now := memoryStart.Add(after)
		_, hit := m.answer(byTransaction("T1"), now)
		_, miss := m.answer(byTransaction("T2"), now)
		got := [4]bool{m.receipt("c1", now) != nil, hit, miss, m.created("0912345678", now) != nil}
		require.Equal(t, want, got, "after %s", after)
	}
}

func TestLargeItemsAreNotRemembered(t *testing.T) {
	m := newTestMemory(t, 10)
	m.keepReceipt("c1", []byte("{}"), memoryStart)
	m.keepReceipt("c1", []byte(strings.Repeat("x", maxRememberedReceipt+1)), memoryStart)
	require.Nil(t, m.receipt("c1", memoryStart), "an older one must not stand for it")

	records := make([]Record, 50)
	m.keepAnswer(byTransaction("T1"), call.Number{}, Found{Records: records}, memoryStart)
	held, known := m.answer(byTransaction("T1"), memoryStart)
	require.True(t, known)
	require.Len(t, held.Records, maxRememberedRecords)
	require.True(t, held.Truncated, "there are more than are shown")
	require.Len(t, records, 50)
}

func TestFailedLookUpIsNotRemembered(t *testing.T) {
	m := newTestMemory(t, 10)
	m.keepAnswer(byTransaction("T1"), call.Number{}, Found{Err: Errorf(KindTransient, "find", "502")}, memoryStart)
	_, known := m.answer(byTransaction("T1"), memoryStart)
	require.False(t, known)
}

func TestNumberIsRememberedInAllItsForms(t *testing.T) {
	m := newTestMemory(t, 10)
	number := func(raw string) Lookup { return Lookup{Object: "contact", Phone: call.ParseNumber(raw, "VN")} }
	m.keepAnswer(number("0912345678"), call.Number{}, Found{}, memoryStart)
	for raw, want := range map[string]bool{"+84 912 345 678": true, "0912345679": false, "888": false} {
		_, known := m.answer(number(raw), memoryStart)
		require.Equal(t, want, known, raw)
	}
	_, known := m.answer(Lookup{Object: "lead", Phone: number("0912345678").Phone}, memoryStart)
	require.False(t, known)
}

func TestClaim(t *testing.T) {
	m := newTestMemory(t, 10)
	claim := func(after time.Duration) (string, bool) {
		known, claimed := m.claim("1", memoryStart.Add(after))
		if known != nil {
			return known.ID, claimed
		}
		return "", claimed
	}
	requireClaim := func(after time.Duration, id string, claimed bool) {
		t.Helper()
		gotID, got := claim(after)
		require.Equal(t, claimed, got)
		require.Equal(t, id, gotID)
	}
	requireClaim(0, "", true)
	requireClaim(1_000*time.Hour, "", false) // somebody is at it, however long it takes
	m.release("1", nil, time.Time{}, memoryStart)
	requireClaim(0, "", true) // nothing was made
	m.release("1", nil, memoryStart.Add(time.Minute), memoryStart)
	requireClaim(time.Minute-1, "", false) // nobody knows
	requireClaim(time.Minute, "", true)
	m.release("1", &Record{Object: "contact", ID: "9"}, time.Time{}, memoryStart)
	requireClaim(0, "9", false)
	requireClaim(time.Hour, "", true)
}

func TestClaimsThatEndedAreSweptOut(t *testing.T) {
	m := newTestMemory(t, 10)
	for i := range 2 * maxClaims {
		now := memoryStart.Add(time.Duration(i) * time.Minute)
		_, claimed := m.claim(fmt.Sprint(i), now)
		require.True(t, claimed)
		if i > 0 { // the first is never released
			m.release(fmt.Sprint(i), nil, now.Add(time.Minute), now)
		}
		require.LessOrEqual(t, len(m.claims), maxClaims)
	}
	_, claimed := m.claim("0", memoryStart.Add(1_000*time.Hour))
	require.False(t, claimed, "one that is held is not swept out")
}

func TestRecordThatIsGoneIsForgotten(t *testing.T) {
	m := newTestMemory(t, 10)
	gone, other := Record{Object: "contact", ID: "1"}, Record{Object: "contact", ID: "2"}
	for number, r := range map[string]Record{"1": gone, "2": other} {
		m.claim(number, memoryStart)
		m.release(number, &r, time.Time{}, memoryStart)
	}
	m.keepAnswer(byTransaction("T1"), call.Number{}, Found{Records: []Record{other, gone}}, memoryStart)
	m.keepAnswer(byTransaction("T2"), call.Number{}, Found{Records: []Record{other}}, memoryStart)
	m.forget(gone, time.Minute, memoryStart.Add(time.Second))
	_, known := m.answer(byTransaction("T1"), memoryStart)
	require.False(t, known)
	_, known = m.answer(byTransaction("T2"), memoryStart)
	require.True(t, known)
	require.Nil(t, m.created("1", memoryStart))
	require.Equal(t, &other, m.created("2", memoryStart))

	_, claimed := m.claim("1", memoryStart.Add(time.Minute-1))
	require.False(t, claimed, "it was just made, and a search may show it yet")
	_, claimed = m.claim("1", memoryStart.Add(time.Minute))
	require.True(t, claimed)
}
