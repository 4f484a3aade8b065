package api_test

import (
	"errors"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
)

func TestChunks(t *testing.T) {
	require.Empty(t, api.Chunks([]int(nil), 3, 0, nil))
	require.Equal(t, [][]int{{1, 2, 3}}, api.Chunks([]int{1, 2, 3}, 0, 0, nil))
	require.Equal(t, [][]int{{1, 2, 3}}, api.Chunks([]int{1, 2, 3}, 0, 2, nil), "without sizes only the count matters")
	size := func(n int) int { return n }
	require.Equal(t, [][]int{{9}, {1, 3}, {4}, {2, 2}}, api.Chunks([]int{9, 1, 3, 4, 2, 2}, 0, 4, size))
	rapid.Check(t, func(t *rapid.T) {
		items := rapid.SliceOf(rapid.IntRange(0, 12)).Draw(t, "items")
		maxItems, maxSize := rapid.IntRange(0, 5).Draw(t, "max items"), rapid.IntRange(0, 20).Draw(t, "max size")
		chunks := api.Chunks(items, maxItems, maxSize, size)
		require.True(t, slices.Equal(items, slices.Concat(chunks...)), "in order, none lost")
		sum := func(chunk []int) (total int) {
			for _, n := range chunk {
				total += n
			}
			return total
		}
		for i, chunk := range chunks {
			require.NotEmpty(t, chunk)
			require.True(t, maxItems == 0 || len(chunk) <= maxItems)
			require.True(t, maxSize == 0 || sum(chunk) <= maxSize || len(chunk) == 1)
			if i > 0 { // as few as can be: nothing that begins a chunk would fit into the one before
				before := chunks[i-1]
				full := maxItems > 0 && len(before) == maxItems || maxSize > 0 && sum(before)+chunk[0] > maxSize
				require.True(t, full, "%v", chunks)
			}
		}
	})
}

func TestEach(t *testing.T) {
	stop := crm.Errorf(crm.KindThrottled, "x", "slow down")
	bad := crm.Errorf(crm.KindInvalid, "x", "bad")
	rapid.Check(t, func(t *rapid.T) {
		n, concurrency := rapid.IntRange(0, 40).Draw(t, "n"), rapid.IntRange(-1, 6).Draw(t, "concurrency")
		results := rapid.SliceOfN(rapid.SampledFrom([]error{nil, nil, nil, bad, stop}), n, n).Draw(t, "results")
		var running, most atomic.Int32
		begun := make([]bool, n)
		errs := api.Each(n, concurrency, func(i int) error {
			for now := running.Add(1); ; {
				if m := most.Load(); now <= m || most.CompareAndSwap(m, now) {
					break
				}
			}
			defer running.Add(-1)
			begun[i] = true
			return results[i]
		})
		require.Len(t, errs, n)
		require.LessOrEqual(t, int(most.Load()), max(concurrency, 1))
		first := slices.Index(results, error(stop))
		for i, err := range errs {
			want := results[i]
			if !begun[i] {
				want = stop
			}
			require.Equal(t, want, err)
			require.True(t, begun[i] || first >= 0, "%d was left out", i)
			if concurrency <= 1 && first >= 0 {
				require.Equal(t, i <= first, begun[i], "%d", i)
			}
		}
	})
}

func TestEachStopsForWhatConcernsAll(t *testing.T) {
	for _, kind := range crm.Kinds {
		begun := 0
		errs := api.Each(3, 1, func(int) error {
			begun++
			return crm.Errorf(kind, "x", "no")
		})
		want := 3
		if slices.Contains([]crm.Kind{crm.KindThrottled, crm.KindQuota, crm.KindUnauthorized}, kind) {
			want = 1
		}
		require.Equal(t, want, begun, kind)
		require.Equal(t, kind, crm.Classify(errs[2]).Kind)
	}
}

// TestSplit: an API that takes all or none refuses a part while a bad item is in it.
func TestSplit(t *testing.T) {
	invalid := crm.Errorf(crm.KindInvalid, "x", "bad")
	rapid.Check(t, func(t *rapid.T) {
		items := rapid.SliceOf(rapid.SampledFrom([]string{"good", "good", "good", "bad"})).Draw(t, "items")
		requests, taken := 0, 0
		errs := api.Split(items, func(part []string) error {
			requests++
			if slices.Contains(part, "bad") {
				return invalid
			}
			taken += len(part)
			return nil
		})
		require.Len(t, errs, len(items))
		bad, depth := 0, 1
		for n := len(items); n > 1; n = (n + 1) / 2 {
			depth++
		}
		for i, item := range items {
			if item == "bad" {
				bad++
				require.ErrorIs(t, errs[i], invalid)
				continue
			}
			require.NoError(t, errs[i])
		}
		require.Equal(t, len(items)-bad, taken, "each good one is taken once")
		require.LessOrEqual(t, requests, max(1, 2*bad*depth))
	})
}

func TestSplitStops(t *testing.T) {
	for kind, want := range map[crm.Kind]int{crm.KindThrottled: 2, crm.KindTransient: 3} {
		requests := 0
		errs := api.Split([]int{1, 2, 3, 4}, func(part []int) error {
			requests++
			if len(part) == 4 {
				return crm.Errorf(crm.KindInvalid, "x", "bad")
			}
			return crm.Errorf(kind, "x", "later")
		})
		require.Equal(t, want, requests)
		for _, err := range errs {
			require.Equal(t, kind, crm.Classify(err).Kind)
		}
	}
	require.Empty(t, api.Split(nil, func([]int) error { return errors.New("not called") }))
}

func TestProgress(t *testing.T) {
	require.Nil(t, api.Progress{}.Bytes())
	for _, unreadable := range []string{"", "null", "[1]", `{"a":1}`, "\x00"} {
		p := api.ReadProgress([]byte(unreadable))
		require.NotNil(t, p)
		require.Empty(t, p, unreadable)
	}
	rapid.Check(t, func(t *rapid.T) {
		p := api.Progress(rapid.MapOf(rapid.String(), rapid.String()).Draw(t, "progress"))
		require.Equal(t, p, api.ReadProgress(p.Bytes()))
	})
}
