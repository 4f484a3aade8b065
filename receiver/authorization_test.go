package receiver_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/receiver"
)

func TestKeys(t *testing.T) {
	cases := map[string]struct {
		values []string
		slot   int // -1: refused
	}{
		"first key":            {[]string{key}, 0},
		"second key":           {[]string{oldKey}, 1},
		"none":                 {nil, -1},
		"empty":                {[]string{""}, -1},
		"shorter":              {[]string{key[:len(key)-1]}, -1},
		"longer":               {[]string{key + "x"}, -1},
		"last byte":            {[]string{key[:len(key)-1] + "K"}, -1},
		"other case":           {[]string{strings.ToUpper(key)}, -1},
		"with a scheme":        {[]string{"Bearer " + key}, -1},
		"without its scheme":   {[]string{strings.TrimPrefix(oldKey, "Bearer ")}, -1},
		"scheme in other case": {[]string{"bearer " + strings.TrimPrefix(oldKey, "Bearer ")}, -1},
		"both in one":          {[]string{key + "," + oldKey}, -1},
		"twice":                {[]string{key, key}, -1},
		"right one second":     {[]string{"x", key}, -1},
		"very long":            {[]string{strings.Repeat("k", 8000)}, -1},
		"space around":         {[]string{" " + key + " "}, 0}, // HTTP takes the space away
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			e := serve(t, nil)
			r := e.request(t, strings.NewReader(event))
			r.Header["Authorization"] = c.values
			answer := e.do(t, r)
			accepted, refused := e.sink.all()
			require.Empty(t, refused)
			require.NotContains(t, e.logs.String(), "k3y")
			if c.slot < 0 {
				require.Equal(t, http.StatusUnauthorized, answer.status)
				require.Equal(t, "unauthorized", answer.code(t))
				require.Empty(t, accepted)
				require.Empty(t, e.observer.slots)
				require.Contains(t, e.logs.String(), `"msg":"missing or wrong key"`)
				return
			}
			require.Equal(t, http.StatusOK, answer.status)
			require.Len(t, accepted, 1)
			require.Equal(t, []int{c.slot}, e.observer.slots)
		})
	}
}

// TestWarningsAreLimited holds that a flood of wrong keys cannot fill the log, and that what was left out is counted.
func TestWarningsAreLimited(t *testing.T) {
	clock := time.Date(2024, 1, 13, 15, 0, 0, 0, time.UTC)
	e := serve(t, func(o *receiver.Options) { o.Now = func() time.Time { return clock } })
	send := func() {
		w := httptest.NewRecorder()
		e.server.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodPost, path, http.NoBody))
		require.Equal(t, http.StatusUnauthorized, w.Code)
	}
	for range 100 {
		send()
	}
	require.Equal(t, 5, strings.Count(e.logs.String(), "missing or wrong key"))
	clock = clock.Add(10 * time.Second)
	send()
	require.Equal(t, 6, strings.Count(e.logs.String(), "missing or wrong key"))
	require.Contains(t, e.logs.String(), `"remote":"192.0.2.1","left_out":95`)
}
