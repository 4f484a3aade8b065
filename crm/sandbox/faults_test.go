package sandbox_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm/sandbox"
)

const createRoute = "POST /api/v1/calls"

// always hits every request, next only the one that comes.
var (
	always = sandbox.Trigger{Ratio: 1}
	next   = sandbox.Trigger{Next: 1}
)

func TestFaults(t *testing.T) {
	for name, test := range map[string]struct {
		faults sandbox.Faults
		// status is that of the answer, 0 for none.
		status int
		code   string
		retry  string
		// effect is whether the call log is there afterwards.
		effect bool
	}{
		"none":         {faults: sandbox.Faults{}, status: 201, effect: true},
		"down":         {faults: sandbox.Faults{Down: next}},
		"lost_answer":  {faults: sandbox.Faults{LostAnswer: next}, effect: true},
		"unauthorized": {faults: sandbox.Faults{Unauthorized: next}, status: 401, code: "unauthorized"},
		"throttle": {
			faults: sandbox.Faults{Throttle: sandbox.Throttle{Trigger: next, RetryAfter: 1500 * time.Millisecond}},
			status: 429, code: "throttled", retry: "2",
		},
		"throttle without a word on when": {
			faults: sandbox.Faults{Throttle: sandbox.Throttle{Trigger: next}}, status: 429, code: "throttled",
		},
		"failure": {
			faults: sandbox.Faults{Failure: sandbox.Failure{Trigger: next, Status: 503}}, status: 503, code: "unavailable",
		},
		"failure after the effect": {
			faults: sandbox.Faults{Failure: sandbox.Failure{Trigger: next, Status: 500, Applied: true}},
			status: 500, code: "unavailable", effect: true,
		},
		"down wins": {faults: sandbox.Faults{Down: next, Unauthorized: next, LostAnswer: next}},
		"a refused request has no answer to lose": {
			faults: sandbox.Faults{Unauthorized: next, LostAnswer: next}, status: 401, code: "unauthorized",
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := start(t, sandbox.Options{Faults: true})
			require.NoError(t, c.SetFaults(test.faults))
			r, err := c.try(t, "POST", callsPath, `{"call_id":"1"}`)
			outcome := "cut"
			if test.status == 0 {
				require.Error(t, err)
			} else {
				require.NoError(t, err)
				require.Equal(t, test.status, r.status)
				require.Equal(t, test.retry, r.header.Get("Retry-After"))
				outcome = fmt.Sprint(test.status)
			}
			if test.code != "" {
				require.Equal(t, test.code, r.code(t))
			}
			require.Equal(t, map[string]map[string]int{createRoute: {outcome: 1}}, c.Stats().Requests)
			require.Equal(t, test.effect, len(c.Calls()) == 1)
			require.NoError(t, c.SetFaults(sandbox.Faults{}))
			c.want(t, map[bool]int{true: 409, false: 201}[test.effect], "POST", callsPath, `{"call_id":"1"}`)
		})
	}
}

// Answers wait, their effect does not.
func TestLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sandbox.New(sandbox.Options{Faults: true})
		require.NoError(t, s.SetFaults(sandbox.Faults{
			Latency: sandbox.Latency{Trigger: always, Min: 10 * time.Second, Max: 20 * time.Second},
		}))
		begin := time.Now()
		answered := make(chan *httptest.ResponseRecorder)
		go func() { answered <- serve(t.Context(), s, "POST", callsPath, `{"call_id":"1"}`) }()
		synctest.Wait()
		require.Len(t, s.Calls(), 1)
		require.Empty(t, s.Stats().Requests)
		require.Equal(t, 201, (<-answered).Code)
		took := time.Since(begin)
		require.GreaterOrEqual(t, took, 10*time.Second)
		require.LessOrEqual(t, took, 20*time.Second)
	})
}

// A client that leaves during the delay frees the server.
func TestLatencyEndsWithTheClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sandbox.New(sandbox.Options{Faults: true})
		require.NoError(t, s.SetFaults(sandbox.Faults{
			Latency: sandbox.Latency{Trigger: always, Min: time.Minute, Max: time.Minute},
		}))
		begin := time.Now()
		ctx, leave := context.WithTimeout(t.Context(), time.Second)
		defer leave()
		require.PanicsWithError(t, http.ErrAbortHandler.Error(), func() {
			serve(ctx, s, "POST", callsPath, `{"call_id":"1"}`)
		})
		require.Equal(t, time.Second, time.Since(begin))
		require.Len(t, s.Calls(), 1)
		require.Equal(t, 1, s.Stats().Requests[createRoute]["cut"])
	})
}

func TestIndexLag(t *testing.T) {
	clock := newClock()
	c := start(t, sandbox.Options{Faults: true, Now: clock.read})
	require.NoError(t, c.SetFaults(sandbox.Faults{IndexLag: 3 * time.Second}))
	c.want(t, 201, "POST", contactsPath, `{"transaction_id":"TX","phone":"0912345678"}`)
	c.want(t, 201, "POST", callsPath, `{"call_id":"1","contact_id":"ct_000001"}`)
	lists := []string{
		contactsPath, contactsPath + "?transaction_id=TX", contactsPath + "?phone=0912345678",
		callsPath, callsPath + "?call_id=1", callsPath + "?contact_id=ct_000001",
	}
	clock.advance(3*time.Second - 1)
	for _, list := range lists {
		require.Empty(t, c.want(t, 200, "GET", list, "").ids(t), list)
	}
	c.want(t, 200, "GET", callsPath+"/cl_000001", "")
	c.want(t, 200, "GET", contactsPath+"/ct_000001", "")
	c.want(t, 409, "POST", callsPath, `{"call_id":"1"}`)
	require.Len(t, c.Calls(), 1, "the test sees what is there")
	clock.advance(1)
	for _, list := range lists {
		require.Len(t, c.want(t, 200, "GET", list, "").ids(t), 1, list)
	}
}

// The next requests are hit first, then the ratio counts; a route spares the others.
func TestTriggers(t *testing.T) {
	c := start(t, sandbox.Options{Faults: true})
	require.NoError(t, c.SetFaults(sandbox.Faults{Unauthorized: sandbox.Trigger{Next: 2, Route: createRoute}}))
	c.want(t, 200, "GET", callsPath, "")
	c.want(t, 401, "POST", callsPath, `{"call_id":"1"}`)
	c.want(t, 201, "POST", contactsPath, `{}`)
	c.want(t, 401, "POST", callsPath, `{"call_id":"1"}`)
	c.want(t, 201, "POST", callsPath, `{"call_id":"1"}`)
	require.Equal(t, 2, c.Stats().Faults["unauthorized"])
	require.NoError(t, c.SetFaults(sandbox.Faults{Unauthorized: always}))
	c.want(t, 401, "GET", callsPath, "")
	c.want(t, 200, "GET", "/api/v1/stats", "")
	c.want(t, 200, "GET", "/", "")
	require.NoError(t, c.SetFaults(sandbox.Faults{}))
	c.want(t, 200, "GET", callsPath, "")
}

// Equal seeds fail equally, other seeds otherwise, and about as often as the ratio says.
func TestSeed(t *testing.T) {
	const requests = 1000
	run := func(seed uint64) (outcomes string, failed int) {
		s := sandbox.New(sandbox.Options{Faults: true, Seed: seed})
		require.NoError(t, s.SetFaults(sandbox.Faults{Failure: sandbox.Failure{Trigger: sandbox.Trigger{Ratio: 0.3}}}))
		var b strings.Builder
		for range requests {
			code := serve(t.Context(), s, "GET", callsPath, "").Code
			fmt.Fprint(&b, code, " ")
			if code != http.StatusOK {
				failed++
			}
		}
		return b.String(), failed
	}
	first, failed := run(1)
	again, _ := run(1)
	other, _ := run(2)
	require.Equal(t, first, again)
	require.NotEqual(t, first, other)
	require.InDelta(t, 0.3*requests, failed, 0.1*requests)
	require.Contains(t, first, "500")
	require.Contains(t, first, "503")
}

func TestFaultsOverHTTP(t *testing.T) {
	c := start(t, sandbox.Options{Faults: true})
	set := sandbox.Faults{
		Down:         sandbox.Trigger{Ratio: 0.5, Next: 3, Route: "GET /api/v1/calls/{id}"},
		Unauthorized: sandbox.Trigger{Ratio: 0.1},
		Throttle:     sandbox.Throttle{Trigger: sandbox.Trigger{Next: 1, Route: createRoute}, RetryAfter: 2 * time.Second},
		Failure:      sandbox.Failure{Trigger: sandbox.Trigger{Ratio: 0.2}, Status: 503, Applied: true},
		Latency:      sandbox.Latency{Trigger: always, Min: time.Millisecond, Max: time.Minute},
		LostAnswer:   sandbox.Trigger{Next: 7}, IndexLag: 1500 * time.Millisecond,
	}
	text, err := json.Marshal(set)
	require.NoError(t, err)
	posted := c.want(t, 200, "POST", "/api/v1/faults", string(text))
	shown, err := json.Marshal(posted.data(t))
	require.NoError(t, err)
	require.JSONEq(t, string(text), string(shown))
	require.JSONEq(t, posted.text, c.want(t, 200, "GET", "/api/v1/faults", "").text)

	c.want(t, 200, "POST", "/api/v1/faults", `{"throttle":{"next":1,"retry_after":"90s"}}`)
	require.Equal(t, "90", c.want(t, 429, "GET", contactsPath, "").header.Get("Retry-After"))
	require.InDelta(t, 0, c.want(t, 200, "GET", "/api/v1/faults", "").data(t)["throttle"].(object)["next"], 0)
	for body, status := range map[string]int{
		`{"down":{"ratio":2}}`:                     422,
		`{"down":{"route":"POST /api/v1/faults"}}`: 422,
		`{"downn":{}}`:                             400,
		`{"latency":{"min":"soon"}}`:               400,
		`{"index_lag":5}`:                          400,
		`null`:                                     400,
		`{} {}`:                                    400,
		`{`:                                        400,
	} {
		c.want(t, status, "POST", "/api/v1/faults", body)
	}
	c.want(t, 405, "DELETE", "/api/v1/faults", "")
}

func TestSetFaultsRefuses(t *testing.T) {
	require.ErrorIs(t, sandbox.New(sandbox.Options{}).SetFaults(sandbox.Faults{Down: always}), sandbox.ErrNoFaults)
	s := sandbox.New(sandbox.Options{Faults: true})
	for want, faults := range map[string]sandbox.Faults{
		"down.ratio":          {Down: sandbox.Trigger{Ratio: -0.1}},
		"unauthorized.ratio":  {Unauthorized: sandbox.Trigger{Ratio: 1.1}},
		"lost_answer.ratio":   {LostAnswer: sandbox.Trigger{Ratio: math.NaN()}},
		"down.next":           {Down: sandbox.Trigger{Next: -1}},
		"failure.next":        {Failure: sandbox.Failure{Trigger: sandbox.Trigger{Next: 1_000_001}}},
		"latency.route":       {Latency: sandbox.Latency{Trigger: sandbox.Trigger{Route: "GET /"}}},
		"failure.status":      {Failure: sandbox.Failure{Status: 418}},
		"throttle.retry":      {Throttle: sandbox.Throttle{RetryAfter: -1}},
		"latency is 2s to 1s": {Latency: sandbox.Latency{Min: 2 * time.Second, Max: time.Second}},
		"latency is 0s to 1m": {Latency: sandbox.Latency{Max: time.Minute + 1}},
		"index_lag":           {IndexLag: 25 * time.Hour},
	} {
		require.ErrorContains(t, s.SetFaults(faults), want)
	}
	err := s.SetFaults(sandbox.Faults{Down: sandbox.Trigger{Ratio: 2}, IndexLag: -1})
	require.ErrorContains(t, err, "down.ratio")
	require.ErrorContains(t, err, "index_lag", "everything that is wrong is said at once")
	var several interface{ Unwrap() []error }
	require.ErrorAs(t, err, &several)
	require.Equal(t, 200, serve(t.Context(), s, "GET", callsPath, "").Code, "refused faults change nothing")
}

// serve has a sandbox answer one request without a connection.
func serve(ctx context.Context, s *sandbox.Server, method, path, body string) *httptest.ResponseRecorder {
	request := httptest.NewRequestWithContext(ctx, method, path, strings.NewReader(body))
	request.Header.Set("Content-Type", "application/json")
	recorder := httptest.NewRecorder()
	s.ServeHTTP(recorder, request)
	return recorder
}
