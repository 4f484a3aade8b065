package crmtest

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm"
)

// throttled makes the CRM ask for a rest, and an adapter hear it.
func (s *setup) throttled(t *testing.T, seconds string) {
	t.Helper()
	s.server.Inject(Say(Answer{Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {seconds}}}))
	s.kind(t, crm.KindThrottled, s.try(t.Context(), t, Create))
	s.server.Inject(nil)
}

// testHold: until the time that the CRM named, an adapter sends nothing at all.
func testHold(t *testing.T, s *setup) {
	t.Helper()
	s.throttled(t, "3600")
	before := s.server.Requests()
	for range 3 {
		for _, step := range s.steps() {
			err := s.try(t.Context(), t, step)
			s.kind(t, crm.KindThrottled, err)
			require.Positive(t, crm.Classify(err).RetryAfter)
			require.LessOrEqual(t, crm.Classify(err).RetryAfter, time.Hour)
		}
	}
	require.Equal(t, before, s.server.Requests(), "it sends although the CRM asked to wait")
	require.Empty(t, s.crm.Logs())
}

// testHoldEnds: after the time that the CRM named an adapter goes on by itself, and no earlier.
func testHoldEnds(t *testing.T, s *setup) {
	t.Helper()
	s.throttled(t, "1")
	w := s.linked(t)
	came := s.server.came()
	told := came[len(came)-1] // when the request came that was answered so: the rest begins later
	require.Eventually(t, func() bool { return s.write(t.Context(), t, w).Err == nil }, time.Minute, 10*time.Millisecond)
	require.Greater(t, s.server.Requests(), len(came))
	require.GreaterOrEqual(t, s.server.came()[len(came)].Sub(told), time.Second)
	require.Len(t, s.crm.Logs(), 1)
}
