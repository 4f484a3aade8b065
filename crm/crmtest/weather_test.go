package crmtest_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm/crmtest"
)

// write sends one call to a server and returns the status of the answer, 0 without one.
func write(t *testing.T, server *crmtest.Server) int {
	t.Helper()
	body := strings.NewReader(`[{"CallID":"c"}]`)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/write", body)
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+canary)
	response, err := server.Client().Do(r)
	if err != nil {
		return 0
	}
	_, err = io.Copy(io.Discard, response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	return response.StatusCode
}

func TestWeather(t *testing.T) {
	weather := crmtest.Weather{
		Seed: 7, Lose: 0.2, Fail: 0.2, Throttle: 0.2, Throttled: crmtest.Answer{Status: 429}, MaxLatency: time.Millisecond,
	}
	var before []int
	for range 2 {
		fake := newPlainCRM()
		server := crmtest.NewServer(t, fake)
		server.Endure(weather)
		var statuses []int
		seen := map[int]int{}
		for range 100 {
			statuses = append(statuses, write(t, server))
			seen[statuses[len(statuses)-1]]++
		}
		counts := server.Counts()
		require.Equal(t, map[int]int{
			0: counts.Lost, http.StatusBadGateway: counts.Failed, 429: counts.Throttled,
			200: 100 - counts.Lost - counts.Failed - counts.Throttled,
		}, seen)
		for _, count := range seen {
			require.Greater(t, count, 5)
		}
		require.Len(t, fake.Logs(), seen[0]+seen[200], "only what got lost took effect without an answer")
		if before != nil {
			require.Equal(t, before, statuses, "the seed makes it repeatable")
		}
		before = statuses

		server.Endure(crmtest.Weather{})
		require.Zero(t, server.Counts())
		require.Equal(t, 200, write(t, server))
	}
}

func TestEarlyRequestsAreCounted(t *testing.T) {
	for name, test := range map[string]struct {
		named, grace time.Duration
		early        int
	}{
		"before the named time": {time.Hour, time.Nanosecond, 4},
		"under way":             {time.Hour, time.Hour - 1, 0},
		"after it":              {time.Nanosecond, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			server := crmtest.NewServer(t, newPlainCRM())
			require.Zero(t, server.Counts())
			server.Endure(crmtest.Weather{
				Throttle: 1, Throttled: crmtest.Answer{Status: 503}, Named: test.named, Grace: test.grace,
			})
			for range 5 {
				require.Equal(t, 503, write(t, server))
			}
			require.Equal(t, crmtest.Counts{Throttled: 5, Early: test.early}, server.Counts())
		})
	}
}

func TestExemptRequestsFareWell(t *testing.T) {
	server := crmtest.NewServer(t, newPlainCRM())
	server.Endure(crmtest.Weather{
		Fail: 1, Exempt: func(r *http.Request) bool { return r.URL.Path == "/write" },
	})
	require.Equal(t, 200, write(t, server))
	require.Zero(t, server.Counts())
}
