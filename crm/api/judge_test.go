package api_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
)

// FuzzRetryAfter: a CRM cannot make us wait for ever, nor a negative time.
func FuzzRetryAfter(f *testing.F) {
	for _, seed := range []string{
		"7", "0", "-1", "1.5", "1e300", "NaN", "Inf", "0x10", "", " 30 ", "Sun, 01 Mar 2026 02:30:30 GMT", "soon",
		"Sunday, 01-Mar-26 02:30:00 GMT", "Fri, 01 Jan 9999 00:00:00 GMT", "99999999999999999999",
	} {
		f.Add(seed)
	}
	now := time.Date(2026, 3, 1, 2, 30, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		wait := api.RetryAfter(text, now)
		require.GreaterOrEqual(t, wait, time.Duration(0))
		require.LessOrEqual(t, wait, 24*time.Hour)
	})
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 3, 1, 2, 30, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"7": 7 * time.Second, " 30 ": 30 * time.Second, "1.5": 1500 * time.Millisecond, "0": 0, "-5": 0, "soon": 0, "": 0,
		"NaN": 0, "1e300": 24 * time.Hour, "Sun, 01 Mar 2026 02:30:30 GMT": 30 * time.Second,
		"Sun, 01 Mar 2026 02:29:00 GMT": 0, "Fri, 01 Jan 2027 00:00:00 GMT": 24 * time.Hour,
	} {
		require.Equal(t, want, api.RetryAfter(text, now), text)
	}
}

// TestJudge holds what a status is taken for, by what was asked. The table of crm/rest has all of them.
func TestJudge(t *testing.T) {
	require.Nil(t, api.Judge(api.Request{Effect: api.Creates}, api.Answer{Status: 204}))
	for _, test := range []struct {
		status                  int
		body, retryAfter        string
		reads, creates, changes crm.Kind
	}{
		{status: 404, body: "{}", reads: crm.KindGone, creates: crm.KindGone, changes: crm.KindGone},
		{status: 404, reads: crm.KindGone, creates: crm.KindGone, changes: crm.KindGone},
		{status: 404, body: "<html>", reads: crm.KindTransient, creates: crm.KindTransient, changes: crm.KindTransient},
		{status: 409, reads: crm.KindInvalid, creates: crm.KindExists, changes: crm.KindTransient},
		{status: 422, reads: crm.KindInvalid, creates: crm.KindInvalid, changes: crm.KindInvalid},
		{status: 500, reads: crm.KindTransient, creates: crm.KindInDoubt, changes: crm.KindTransient},
		{status: 503, reads: crm.KindTransient, creates: crm.KindTransient, changes: crm.KindTransient},
		{
			status: 503, retryAfter: "1", reads: crm.KindThrottled, creates: crm.KindThrottled, changes: crm.KindThrottled,
		},
	} {
		for effect, want := range map[api.Effect]crm.Kind{
			api.Reads: test.reads, api.Creates: test.creates, api.Changes: test.changes,
		} {
			e := api.Judge(api.Request{Effect: effect}, api.Answer{
				Status: test.status, Header: http.Header{"Retry-After": {test.retryAfter}}, Body: []byte(test.body),
			})
			require.Equal(t, want.String(), e.Kind.String(), "%d %v", test.status, effect)
		}
	}
}
