package api_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
)

func TestNothingIsSentBeforeTheNamedTime(t *testing.T) {
	now := newClock()
	var well atomic.Bool
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if well.Load() {
			say(200, "{}")(w, r)
			return
		}
		say(429, `{"message":"ten per second"}`, "Retry-After", "7")(w, r)
	})
	c := newClient(t, api.ClientConfig{BaseURL: s.URL}, api.Options{Now: now.Now})
	_, err := c.Do(t.Context(), reading)
	require.EqualError(t, err, "find contact: HTTP 429: ten per second (throttled)")
	well.Store(true)
	for _, left := range []int{7, 5, 3} {
		e := failure(t, func() error { _, err := c.Do(t.Context(), creating); return err }())
		require.Equal(t, crm.KindThrottled, e.Kind)
		require.Equal(t, left, int(e.RetryAfter.Seconds()))
		require.EqualError(t, e, "create call log: not sent, the CRM asked to wait: ten per second (throttled)")
		now.move(2*time.Second + 333*time.Millisecond)
	}
	require.Len(t, s.requests(), 1)
	now.move(time.Second)
	_, err = c.Do(t.Context(), creating)
	require.NoError(t, err)
}

func TestQuotaRestsAsWell(t *testing.T) {
	now := newClock()
	s := serve(t, say(403, `[{"errorCode":"REQUEST_LIMIT_EXCEEDED"}]`))
	c := newClient(t, api.ClientConfig{BaseURL: s.URL, Judge: func(api.Request, api.Answer) *crm.Error {
		return &crm.Error{Kind: crm.KindQuota, RetryAfter: 100 * time.Hour}
	}}, api.Options{Now: now.Now})
	_, err := c.Do(t.Context(), reading)
	require.Equal(t, 24*time.Hour, failure(t, err).RetryAfter, "nobody makes us wait for ever")
	now.move(23 * time.Hour)
	_, err = c.Do(t.Context(), reading)
	require.Equal(t, crm.KindQuota, failure(t, err).Kind)
	require.Equal(t, time.Hour, failure(t, err).RetryAfter)
	require.Len(t, s.requests(), 1)
}

// TestRestForAnItem: an item of a batch says in a 200 that the CRM wants to be left alone.
func TestRestForAnItem(t *testing.T) {
	now := newClock()
	s := serve(t, say(200, "{}"))
	c := newClient(t, api.ClientConfig{BaseURL: s.URL}, api.Options{Now: now.Now})
	for _, none := range []error{
		nil, errors.New("another"), &crm.Error{Kind: crm.KindThrottled}, &crm.Error{Kind: crm.KindInvalid, RetryAfter: time.Hour},
	} {
		c.Rest(none)
		_, err := c.Do(t.Context(), reading)
		require.NoError(t, err)
	}
	c.Rest(fmt.Errorf("write: %w", &crm.Error{Kind: crm.KindQuota, RetryAfter: time.Minute, Message: "all spent"}))
	_, err := c.Do(t.Context(), reading)
	require.EqualError(t, err, "find contact: not sent, the CRM asked to wait: all spent (quota)")
	require.Len(t, s.requests(), 4)
	now.move(time.Minute)
	_, err = c.Do(t.Context(), reading)
	require.NoError(t, err)
}

// TestOthersDoNotRest: only what the CRM said with throttled or quota stops the others.
func TestOthersDoNotRest(t *testing.T) {
	for _, answer := range []http.HandlerFunc{
		say(429, ""), say(403, "", "Retry-After", "7"), say(500, "", "Retry-After", "7"), say(429, "", "Retry-After", "0"),
	} {
		s := serve(t, answer)
		c := newClient(t, api.ClientConfig{BaseURL: s.URL}, api.Options{})
		for range 2 {
			_, err := c.Do(t.Context(), reading)
			require.Error(t, err)
		}
		require.Len(t, s.requests(), 2)
	}
}

// TestARequestUnderPreparationLooksAgain: the CRM asks to wait while another request gets its token and its place in
// the bucket. That one must not be sent either.
func TestARequestUnderPreparationLooksAgain(t *testing.T) {
	s := serve(t, say(429, "", "Retry-After", "7"))
	preparing, goOn := make(chan struct{}), make(chan struct{})
	var first atomic.Bool
	c := newClient(t, api.ClientConfig{
		BaseURL: s.URL, Budgets: map[string]api.Budget{"read": {PerSecond: 1000, Burst: 1}},
		Credentials: credentials(func(context.Context, string) (api.Access, error) {
			if first.CompareAndSwap(false, true) {
				close(preparing)
				<-goOn
			}
			return api.Access{}, nil
		}),
	}, api.Options{})
	result := make(chan error, 1)
	go func() {
		_, err := c.Do(t.Context(), reading)
		result <- err
	}()
	<-preparing
	_, err := c.Do(t.Context(), reading)
	require.Equal(t, 429, failure(t, err).Status)
	close(goOn)
	require.Equal(t, 7*time.Second, failure(t, <-result).RetryAfter)
	require.Len(t, s.requests(), 1)
}

// TestAShorterRestDoesNotEndALonger: answers to requests under way come in any order.
func TestAShorterRestDoesNotEndALonger(t *testing.T) {
	came, goOn := make(chan struct{}), make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == creating.Path {
			say(429, "", "Retry-After", "60")(w, r)
			return
		}
		close(came)
		<-goOn
		say(429, "", "Retry-After", "5")(w, r)
	})
	c := newClient(t, api.ClientConfig{BaseURL: s.URL}, api.Options{Now: newClock().Now})
	result := make(chan error, 1)
	go func() {
		_, err := c.Do(t.Context(), reading)
		result <- err
	}()
	<-came
	_, err := c.Do(t.Context(), creating)
	require.Equal(t, time.Minute, failure(t, err).RetryAfter)
	close(goOn)
	require.Equal(t, 5*time.Second, failure(t, <-result).RetryAfter, "that is what the CRM said")
	_, err = c.Do(t.Context(), reading)
	require.Equal(t, time.Minute, failure(t, err).RetryAfter)
}

func TestLevels(t *testing.T) {
	now := newClock()
	seen := newObserved()
	s := serve(t, say(200, "{}", "X-Left", "0"))
	c := newClient(t, api.ClientConfig{BaseURL: s.URL, Levels: func(a api.Answer) []api.Level {
		if a.Header.Get("X-Left") != "0" {
			return nil
		}
		return []api.Level{
			{Quota: "interval", Budget: "read", Limit: 190, Reset: 10 * time.Second},
			{Quota: "daily", Left: 99, Limit: 100, Reset: time.Hour},
		}
	}}, api.Options{Now: now.Now, Observer: seen})
	_, err := c.Do(t.Context(), reading)
	require.NoError(t, err)
	require.Equal(t, map[string][2]int64{"interval": {0, 190}, "daily": {99, 100}}, seen.quotas)
	_, err = c.Do(t.Context(), reading)
	require.EqualError(t, err,
		"find contact: not sent, the CRM asked to wait: nothing is left of the quota interval (throttled)")
	require.Equal(t, 10*time.Second, failure(t, err).RetryAfter)
	_, err = c.Do(t.Context(), creating)
	require.NoError(t, err, "that is another budget")
	now.move(10 * time.Second)
	_, err = c.Do(t.Context(), reading)
	require.NoError(t, err)
}

func TestBudgetsAreApart(t *testing.T) {
	s := serve(t, say(200, "{}"))
	c := newClient(t, api.ClientConfig{BaseURL: s.URL, Budgets: map[string]api.Budget{
		"read": {PerSecond: 0.001}, "write": {},
	}}, api.Options{})
	_, err := c.Do(t.Context(), reading)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err = c.Do(ctx, reading)
	require.EqualError(t, err, "find contact: the rate leaves no time to send it (throttled)")
	require.InDelta(t, 1000, failure(t, err).RetryAfter.Seconds(), 100, "until there is room again")
	var workers sync.WaitGroup
	for range 8 {
		workers.Go(func() {
			_, err := c.Do(t.Context(), creating)
			require.NoError(t, err)
		})
	}
	workers.Wait()
	stopped, stop := context.WithCancel(t.Context())
	stop()
	_, err = c.Do(stopped, reading)
	require.ErrorIs(t, err, context.Canceled)
	require.Len(t, s.requests(), 9)
}

func TestObserver(t *testing.T) {
	seen := newObserved()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			panic(http.ErrAbortHandler)
		}
		say(404, "{}")(w, r)
	})
	c := newClient(t, api.ClientConfig{BaseURL: s.URL}, api.Options{Observer: seen})
	for _, r := range []api.Request{reading, creating} {
		_, err := c.Do(t.Context(), r)
		require.Error(t, err)
	}
	require.Equal(t, map[string]int{"find 4xx": 1, "create_log error": 1}, seen.requests)
}
