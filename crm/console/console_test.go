package console_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/configs/secret"
	"github.com/crmsyncd/crmsyncd/crm/admin"
	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/crm/console"
	"github.com/crmsyncd/crmsyncd/outbox"
)

func TestSentences(t *testing.T) {
	until := start.Add(10 * time.Minute)
	rests := func(reason string) func(f *fixture) {
		return func(f *fixture) {
			f.target.pause = outbox.Pause{Reason: reason, Until: until, Error: "HTTP 4xx: said so"}
		}
	}
	for name, test := range map[string]struct {
		arrange func(f *fixture)
		level   string
		want    []string
	}{
		"all is well": {func(*fixture) {}, "Good", []string{
			"Yes. Every event is on the disk before it is acknowledged.", "Yes. Nothing waits.", "Not at all.", "No.",
			"No call is parked.", "None is kept.", "as of 10:00:00 ICT",
		}},
		"events cannot be stored": {
			func(f *fixture) { f.ready = errors.New("outbox is full") }, "Problem",
			[]string{"No. The call centre is told to send its events again later. outbox is full"},
		},
		"the outbox is nearly full": {
			func(f *fixture) {
				f.store.change = func(s *outbox.Stats) { s.UsedBytes, s.LimitBytes = 85<<20, 100<<20 }
			}, "Attention", []string{"Yes, but the outbox is 85 % full.", "85 MiB of 100 MiB"},
		},
		"credentials are refused": {rests(outbox.PauseAuth), "Problem", []string{
			"The CRM refuses our credentials: give a new token. Next try at 10:10:00.", "HTTP 4xx: said so",
			"Yes: the CRM wants new credentials.",
		}},
		"the breaker is open": {rests(outbox.PauseBreaker), "Problem", []string{"The CRM failed several times in a row."}},
		"the CRM throttles": {rests(outbox.PauseThrottle), "Attention", []string{
			"Not now. The CRM asked us to wait until 10:10:00.",
		}},
		"the quota is spent":    {rests(outbox.PauseQuota), "Problem", []string{"Our quota of requests"}},
		"somebody paused it":    {rests(outbox.PauseOperator), "Attention", []string{"Somebody paused delivery."}},
		"a reason nobody knows": {rests("moon"), "Problem", []string{"Delivery rests (moon) until 10:10:00."}},
		"nothing delivers":      {func(f *fixture) { f.options.Target = nil }, "Attention", []string{"It does not deliver."}},
		"calls wait in a pause": {
			func(f *fixture) {
				f.append("a")
				f.clock = start.Add(18 * time.Minute)
				rests(outbox.PauseAuth)(f)
			}, "Problem", []string{"Calls have waited since 10:00:00.", "came 18 min ago"},
		},
		"calls are due":          {waits(30 * time.Second), "Good", []string{"when they are due", "came 30 s ago"}},
		"calls are overdue":      {waits(2 * time.Minute), "Attention", []string{"Slowly. Calls have been due for 2 min."}},
		"calls are long overdue": {waits(26 * time.Hour), "Problem", []string{"Hardly.", "1 d 2 h"}},
		"calls are due later": {
			func(f *fixture) {
				f.append("a")
				f.settle(outbox.Settlement{
					Verdict: outbox.VerdictRetry, Due: start.Add(3 * time.Hour), Reason: "transient",
				})
				f.clock = start.Add(61 * time.Minute)
			}, "Attention", []string{
				"came 1 h 1 min ago. The next delivery is due in 1 h 59 min.", "1 The CRM failed. They are tried again.",
			},
		},
		"calls are parked and webhooks refused": {
			func(f *fixture) {
				f.park("unmatched", "no such record", "a")
				reject(f, "not_json", 2)
			}, "Attention", []string{
				"Yes: 1 call is parked, and 2 webhooks were refused.", "2 not_json",
				"1 unmatched No record of the CRM belongs to them.", "no such record",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			test.arrange(f)
			text := f.text()
			require.True(t, strings.HasPrefix(text, test.level+" · crmsyncd"), text)
			for _, want := range test.want {
				require.Contains(t, text, want)
			}
		})
	}
}

// waits lets a call be due for a while.
func waits(d time.Duration) func(f *fixture) {
	return func(f *fixture) {
		f.append("a")
		f.clock = start.Add(d)
	}
}

// reject puts different bodies into quarantine.
func reject(f *fixture, reason string, n int) {
	for i := range n {
		require.NoError(f.t, f.store.Quarantine(f.t.Context(), outbox.Rejected{
			Reason: reason, Body: fmt.Appendf(nil, "%s %d", reason, i),
		}))
	}
}

func TestParkedCallsAreShownByReason(t *testing.T) {
	f := newFixture(t)
	for i := range 30 {
		f.park("invalid", "subject is required", fmt.Sprintf("call-%02d", i))
	}
	f.park("fancy", "odd", "other")
	text := f.text()
	require.Contains(t, text, "30 invalid The CRM does not take them as they are.")
	require.Contains(t, text, "call-00 inbound ********78 lan 10:00:00 0 subject is required")
	require.Contains(t, text, "call-09")
	require.NotContains(t, text, "call-10")
	require.Contains(t, text, "and 20 more")
	require.Contains(t, text, "1 fancy They were set aside with the reason “fancy”.")
	require.NotContains(t, f.page(), number)
	require.NotContains(t, f.page(), number[1:])
}

func TestWhatAPageReadsIsBounded(t *testing.T) {
	f := newFixture(t)
	for i := range 400 {
		f.park(fmt.Sprintf("reason-%02d", i%40), "odd", fmt.Sprint(i))
	}
	for i := range 100 {
		f.append(fmt.Sprintf("waiting-%d", i))
	}
	reject(f, "not_json", 80)
	text := f.text()
	require.LessOrEqual(t, f.store.gets, 20)
	require.Contains(t, text, "400 calls are parked, and 80 webhooks were refused")
	require.Contains(t, text, "Of the calls that have waited longest: 50 Waiting for their delivery.")
	require.Contains(t, text, "The oldest of them: 50 not_json")
	require.Contains(t, text, "10 reason-39")
}

func TestHostileValuesAreEscaped(t *testing.T) {
	const hostile = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>&\u202e\u200b\x1b[31m{{.}}"
	f := newFixture(t)
	f.appendEvent(hostile, call.Event{
		CallID: hostile, CustomerNumber: hostile, Agent: hostile, Direction: hostile, Status: "answered",
	})
	f.settle(outbox.Settlement{
		Verdict: outbox.VerdictPark, Reason: "<i>\"&\u202e", Error: hostile + strings.Repeat("x", 10_000) + "END",
	})
	for i := range 30 {
		f.appendEvent(fmt.Sprint(i), call.Event{CallID: hostile, Agent: hostile})
	}
	f.settle(outbox.Settlement{Verdict: outbox.VerdictPark, Reason: "<i>\"&\u202e", Error: hostile})
	f.append("waiting")
	f.settle(outbox.Settlement{Verdict: outbox.VerdictRetry, Due: f.clock.Add(time.Hour), Reason: hostile[:60]})
	reject(f, hostile[:60], 1)
	f.target.pause = outbox.Pause{Reason: hostile, Until: start, Error: hostile}
	f.ready = errors.New(hostile)
	page := f.page()
	for _, raw := range []string{"<script", "<img src=x", "<i>", "\u202e", "\u200b", "\x1b", "END"} {
		require.NotContains(t, page, raw)
	}
	require.Contains(t, page, "&lt;script&gt;")
	require.Contains(t, page, "{{.}}", "it is a text, not a template")
	for _, link := range regexp.MustCompile(`href="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		require.Regexp(t, `^/[-a-z0-9./?_=&;%]*$`, strings.ToLower(link[1]))
	}
}

func TestThePageNeedsNothingThatItsPolicyForbids(t *testing.T) {
	f := newFixture(t)
	f.park("invalid", "odd", "a")
	_, header, page := f.request(http.MethodGet, "/")
	require.Equal(t, "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; "+
		"frame-ancestors 'none'", header.Get("Content-Security-Policy"))
	require.Equal(t, "text/html; charset=utf-8", header.Get("Content-Type"))
	require.Equal(t, "no-store", header.Get("Cache-Control"))
	require.Equal(t, "nosniff", header.Get("X-Content-Type-Options"))
	require.NotRegexp(t, `(?i)<(script|style|iframe|object|form|base)\b|\sstyle=|\son[a-z]+=|https?://|javascript:`, page)
	require.Contains(t, page, `<meta http-equiv="refresh" content="5">`)
	require.Contains(t, page, `href="/metrics"`)
	require.Contains(t, page, `href="/readyz"`)
	for _, asset := range regexp.MustCompile(`(?:href|src)="(/assets/[^"]*)"`).FindAllStringSubmatch(page, -1) {
		code, _, _ := f.request(http.MethodGet, asset[1])
		require.Equal(t, http.StatusOK, code, asset[1])
	}
}

func TestPaths(t *testing.T) {
	f := newFixture(t)
	for path, want := range map[string]string{
		"/assets/console.css": "text/css; charset=utf-8", "/assets/icon.svg": "image/svg+xml",
	} {
		code, header, body := f.request(http.MethodGet, path)
		require.Equal(t, http.StatusOK, code, path)
		require.Equal(t, want, header.Get("Content-Type"))
		require.NotEmpty(t, body)
	}
	for _, path := range []string{"/assets/", "/assets/overview.html", "/templates/overview.html", "/nothing"} {
		code, _, _ := f.request(http.MethodGet, path)
		require.Equal(t, http.StatusNotFound, code, path)
	}
	code, _, _ := f.request(http.MethodPost, "/")
	require.Equal(t, http.StatusMethodNotAllowed, code)
}

func TestAStoreThatCannotBeReadIsNamed(t *testing.T) {
	f := newFixture(t)
	f.park("invalid", "odd", "a")
	reject(f, "not_json", 1)
	f.store.err = outbox.ErrClosed
	text := f.text()
	for _, what := range []string{"the calls that wait", "the calls parked as invalid", "the refused webhooks"} {
		require.Contains(t, text, "The outbox could not be read: "+what)
	}
	require.Contains(t, text, "1 invalid", "the figures are there all the same")
}

func TestTimesOfOtherDaysCarryTheirDate(t *testing.T) {
	f := newFixture(t)
	f.park("invalid", "odd", "a")
	f.clock = start.AddDate(0, 0, 3)
	require.Contains(t, f.text(), "2026-03-02 10:00")
}

func TestBehindTheAdminListener(t *testing.T) {
	f := newFixture(t)
	server := httptest.NewServer(admin.New(admin.Options{
		Store: f.store, Decode: decode, Region: "VN", Token: secret.New("hush"), Console: console.New(f.options),
	}))
	defer server.Close()
	for password, want := range map[string]int{"hush": http.StatusOK, "": http.StatusUnauthorized} {
		for _, path := range []string{"/", "/assets/console.css"} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+path, nil)
			require.NoError(t, err)
			req.SetBasicAuth("operator", password)
			resp, err := server.Client().Do(req)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			require.Equal(t, want, resp.StatusCode)
			require.Len(t, resp.Header.Values("Content-Security-Policy"), 1)
		}
	}
}
