package api_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/call"
)

// index is a CRM that finds records by exact text and returns at most page of them at once.
type index struct {
	records map[string][]crm.Record
	page    int
	// odd adds records that nobody asked for to every answer, twice.
	odd bool

	mu       sync.Mutex
	requests map[string]int
	asked    [][]string
}

// ask returns a look-up by one kind of value.
func (x *index) ask(kind string, values func(crm.Record) []string) api.Ask {
	return func(_ context.Context, object string, wanted []string) ([]crm.Record, bool, error) {
		x.mu.Lock()
		defer x.mu.Unlock()
		x.requests[object+" "+kind]++
		x.asked = append(x.asked, wanted)
		var hits []crm.Record
		for _, r := range x.records[object] {
			if slices.ContainsFunc(values(r), func(v string) bool { return slices.Contains(wanted, v) }) {
				hits = append(hits, r)
			}
		}
		truncated := len(hits) > x.page
		hits = hits[:min(len(hits), x.page)]
		if x.odd {
			stray := crm.Record{ID: "stray", TransactionID: "stray", Phones: []string{"+84999999999", "no number"}}
			hits = append([]crm.Record{stray, stray, {TransactionID: wanted[0], Phones: wanted}}, hits...)
		}
		return hits, truncated, nil
	}
}

func (x *index) search(maxValues, concurrency int) api.Search {
	return api.Search{
		MaxValues: maxValues, Concurrency: concurrency, Region: "VN",
		ByTransactionID: x.ask("id", func(r crm.Record) []string { return []string{r.TransactionID} }),
		ByPhone:         x.ask("phone", func(r crm.Record) []string { return r.Phones }),
	}
}

// The world of the property: few values, so that they meet.
var (
	objects     = rapid.SampledFrom([]string{"contact", "lead"})
	ids         = rapid.SampledFrom([]string{"T1", "T2", "T3", "T4", "T5"})
	subscribers = rapid.SampledFrom([]string{"0912345678", "+84 987 654 321", "0281234567", "101", "0168 123 4567"})
	spellings   = rapid.SampledFrom([]string{
		"+84912345678", "0912345678", "84912345678", "0912 345 678", "+84987654321", "0987654321", "101", "02812345678",
		"+84381234567", "01681234567", "0281234567",
	})
)

func drawIndex(t *rapid.T) *index {
	x := &index{
		records: map[string][]crm.Record{}, requests: map[string]int{}, page: rapid.IntRange(1, 8).Draw(t, "page"),
		odd: rapid.Bool().Draw(t, "odd"),
	}
	for i := range rapid.IntRange(0, 12).Draw(t, "records") {
		object := objects.Draw(t, "object")
		x.records[object] = append(x.records[object], crm.Record{
			ID: fmt.Sprint(i), Object: object, TransactionID: ids.Draw(t, "id"),
			Phones: rapid.SliceOfN(spellings, 0, 3).Draw(t, "phones"),
		})
	}
	return x
}

func drawLookups(t *rapid.T) []crm.Lookup {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) crm.Lookup {
		l := crm.Lookup{Object: objects.Draw(t, "object")}
		switch rapid.IntRange(0, 8).Draw(t, "kind") {
		case 0: // for nothing
		case 1, 2, 3:
			l.Phone = call.ParseNumber(subscribers.Draw(t, "subscriber"), "VN")
		default:
			l.TransactionID = " " + ids.Draw(t, "id")
			l.Phone = call.ParseNumber(subscribers.Draw(t, "subscriber"), "VN")
		}
		return l
	}), 0, 12).Draw(t, "lookups")
}

// valuesOf returns what a look-up asks by.
func valuesOf(l crm.Lookup) []string {
	if id := strings.TrimSpace(l.TransactionID); id != "" {
		return []string{id}
	}
	return l.Phone.Spellings()
}

// hits returns the records of the index that an exact search by one value finds.
func (x *index) hits(l crm.Lookup, value string) (ids []string) {
	for _, r := range x.records[l.Object] {
		if l.TransactionID != "" && r.TransactionID == value || l.TransactionID == "" && slices.Contains(r.Phones, value) {
			ids = append(ids, r.ID)
		}
	}
	return ids
}

// TestSearch compares with a naive model: every look-up alone.
func TestSearch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x, lookups := drawIndex(t), drawLookups(t)
		maxValues := rapid.IntRange(0, 5).Draw(t, "max values")
		found := x.search(maxValues, rapid.IntRange(0, 3).Draw(t, "concurrency")).Find(t.Context(), lookups)
		require.Len(t, found, len(lookups))
		cutOff := false
		values := map[string]map[string]bool{}
		for i, l := range lookups {
			require.NoError(t, found[i].Err)
			var wanted []string
			truncated := false
			for _, value := range valuesOf(l) {
				hits := x.hits(l, value)
				truncated = truncated || len(hits) > x.page
				wanted = append(wanted, hits[:min(len(hits), x.page)]...)
				group := fmt.Sprintf("%s %t", l.Object, l.TransactionID == "")
				if values[group] == nil {
					values[group] = map[string]bool{}
				}
				values[group][value] = true
			}
			require.Equal(t, truncated, found[i].Truncated, "%+v", l)
			var got []string
			for _, r := range found[i].Records {
				require.Equal(t, l.Object, r.Object)
				require.NotContains(t, got, r.ID, "twice")
				require.True(t, carries(r, l), "%+v does not carry %+v", r, l)
				got = append(got, r.ID)
			}
			require.Subset(t, got, wanted, "%+v", l)
			if l.TransactionID != "" && !truncated {
				require.ElementsMatch(t, wanted, got)
			}
		}
		// With no answer cut off the number of requests is the least that there can be.
		least, sent := 0, 0
		for group, distinct := range values {
			least++
			if maxValues > 0 {
				least += (len(distinct) - 1) / maxValues
			}
			_ = group
		}
		for _, n := range x.requests {
			sent += n
		}
		for _, records := range x.records {
			cutOff = cutOff || len(records) > x.page
		}
		if !cutOff {
			require.Equal(t, least, sent)
		}
		require.GreaterOrEqual(t, sent, least)
		for _, asked := range x.asked {
			require.True(t, maxValues == 0 || len(asked) <= maxValues)
		}
	})
}

// carries is the naive check of a record.
func carries(r crm.Record, l crm.Lookup) bool {
	if id := strings.TrimSpace(l.TransactionID); id != "" {
		return r.TransactionID == id
	}
	return slices.ContainsFunc(r.Phones, func(raw string) bool { return call.ParseNumber(raw, "VN").Same(l.Phone) })
}

func lookupsFor(ids ...string) []crm.Lookup {
	lookups := make([]crm.Lookup, len(ids))
	for i, id := range ids {
		lookups[i] = crm.Lookup{Object: "contact", TransactionID: id}
	}
	return lookups
}

func TestSearchFolds(t *testing.T) {
	s := api.Search{Fold: true, ByTransactionID: func(
		_ context.Context, _ string, values []string,
	) ([]crm.Record, bool, error) {
		require.Equal(t, []string{"abc"}, values)
		return []crm.Record{{ID: "1", TransactionID: "Abc"}, {ID: "2", TransactionID: "abcd"}}, false, nil
	}}
	for _, found := range s.Find(t.Context(), lookupsFor("abc", "ABC", " abc ")) {
		require.Equal(t, []crm.Record{{Object: "contact", ID: "1", TransactionID: "Abc"}}, found.Records)
	}
	s.Fold = false
	s.ByTransactionID = func(_ context.Context, _ string, values []string) ([]crm.Record, bool, error) {
		require.Equal(t, []string{"abc", "ABC"}, values)
		return []crm.Record{{ID: "1", TransactionID: "ABC"}}, false, nil
	}
	found := s.Find(t.Context(), lookupsFor("abc", "ABC"))
	require.Empty(t, found[0].Records)
	require.Len(t, found[1].Records, 1)
}

func TestSearchBySize(t *testing.T) {
	var asked [][]string
	s := api.Search{MaxSize: 5, ByTransactionID: func(
		_ context.Context, _ string, values []string,
	) ([]crm.Record, bool, error) {
		asked = append(asked, values)
		return nil, false, nil
	}}
	s.Find(t.Context(), lookupsFor("aa", "bb", "cc", "much-too-long", "d"))
	require.Equal(t, [][]string{{"aa", "bb"}, {"cc"}, {"much-too-long"}, {"d"}}, asked)
	asked = nil
	s.Size = func(string) int { return 1 }
	s.Find(t.Context(), lookupsFor("aa", "bb", "cc", "dd", "ee", "ff"))
	require.Len(t, asked, 2)
}

// TestSearchFails: an error counts for those who were asked for in that request, and what concerns all stops it.
func TestSearchFails(t *testing.T) {
	for kind, want := range map[crm.Kind][]bool{
		crm.KindTransient: {false, false, true, true, false, false},
		crm.KindThrottled: {false, false, true, true, true, true},
	} {
		requests := 0
		s := api.Search{MaxValues: 2, ByTransactionID: func(
			_ context.Context, _ string, values []string,
		) ([]crm.Record, bool, error) {
			requests++
			if slices.Contains(values, "c") {
				return nil, false, crm.Errorf(kind, "find contact", "no")
			}
			return []crm.Record{{ID: values[0], TransactionID: values[0]}}, false, nil
		}}
		var failed []bool
		for _, found := range s.Find(t.Context(), lookupsFor("a", "b", "c", "d", "e", "f")) {
			failed = append(failed, found.Err != nil)
			require.True(t, found.Err == nil || len(found.Records) == 0)
		}
		require.Equal(t, want, failed)
		require.LessOrEqual(t, requests, 3)
	}
}

// TestSearchFailsInHalves: what was found before an error in the other half stands.
func TestSearchFailsInHalves(t *testing.T) {
	var asked []string
	s := api.Search{ByTransactionID: func(_ context.Context, _ string, values []string) ([]crm.Record, bool, error) {
		asked = append(asked, strings.Join(values, ""))
		switch {
		case len(values) > 2:
			return []crm.Record{{ID: "1", TransactionID: values[0]}}, true, nil
		case slices.Contains(values, "c"):
			return nil, false, crm.Errorf(crm.KindThrottled, "find contact", "slow down")
		default:
			return []crm.Record{{ID: "1", TransactionID: "a"}, {ID: "2", TransactionID: "a"}}, false, nil
		}
	}}
	found := s.Find(t.Context(), lookupsFor("a", "b", "c", "d", "e", "f", "g", "h"))
	require.Equal(t, []string{"abcdefgh", "abcd", "ab", "cd"}, asked)
	require.Len(t, found[0].Records, 2)
	require.NoError(t, found[1].Err)
	for _, f := range found[2:] {
		require.Equal(t, crm.KindThrottled, crm.Classify(f.Err).Kind)
	}
}

func TestSearchOfWhatCannotBeSearched(t *testing.T) {
	found := api.Search{}.Find(t.Context(), []crm.Lookup{
		{Object: "contact", TransactionID: "T1"}, {Object: "contact", Phone: call.ParseNumber("0912345678", "VN")}, {},
	})
	require.Equal(t, make([]crm.Found, 3), found)
	require.Empty(t, api.Search{}.Find(t.Context(), nil))
}

func TestSearchWithSpellingsOfItsOwn(t *testing.T) {
	s := api.Search{
		Region: "VN", Spellings: func(n call.Number) []string { return []string{"%" + n.National} },
		ByPhone: func(_ context.Context, _ string, values []string) ([]crm.Record, bool, error) {
			require.Equal(t, []string{"%0912345678"}, values)
			return []crm.Record{{ID: "1", Phones: []string{"(+84) 912-345-678"}}}, false, nil
		},
	}
	found := s.Find(t.Context(), []crm.Lookup{{Object: "contact", Phone: call.ParseNumber("+84912345678", "VN")}})
	require.Len(t, found[0].Records, 1)
}
