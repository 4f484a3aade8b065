package crmtest

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/call"
)

// try does a step and returns its error.
func (s *setup) try(ctx context.Context, t *testing.T, step Step) error {
	t.Helper()
	w := crm.Write{Call: s.call(), Owner: s.owner()}
	switch step {
	case Find:
		found := s.adapter.Find(ctx, []crm.Lookup{{Object: s.object(t), TransactionID: "T-1001"}})
		require.Len(t, found, 1)
		require.Empty(t, found[0].Records)
		return found[0].Err
	case Update:
		w.LogID = s.missingLog()
	}
	return s.write(ctx, t, w).Err
}

// steps are those that the adapter can be asked for.
func (s *setup) steps() []Step {
	traits := s.adapter.Traits()
	steps := []Step{Create}
	if len(traits.Objects) > 0 {
		steps = append(steps, Find)
	}
	if !traits.Immutable {
		steps = append(steps, Update)
	}
	return steps
}

func testRefusals(t *testing.T, s *setup) {
	t.Helper()
	for _, r := range s.Refusals {
		t.Run(r.Name, func(t *testing.T) {
			s := s.another(t) // one that was throttled sends nothing for a while
			s.server.Inject(Say(r.Answer))
			err := s.try(t.Context(), t, r.Step)
			s.kind(t, r.Kind, err)
			require.Equal(t, r.RetryAfter, crm.Classify(err).RetryAfter)
		})
	}
}

func testRetryAfter(t *testing.T, s *setup) {
	t.Helper()
	for _, step := range s.steps() {
		throttle := Answer{Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"7"}}}
		for _, test := range []struct {
			named string
			wait  time.Duration
		}{
			{"7", 7 * time.Second},
			{time.Now().Add(time.Hour).UTC().Format(http.TimeFormat), time.Hour},
		} {
			throttle.Header.Set("Retry-After", test.named)
			s := s.another(t)
			s.server.Inject(Say(throttle))
			err := s.try(t.Context(), t, step)
			s.kind(t, crm.KindThrottled, err)
			require.InDelta(t, test.wait.Seconds(), crm.Classify(err).RetryAfter.Seconds(), test.wait.Seconds()/6)
		}
	}
}

func testStopsWhenThrottled(t *testing.T, s *setup) {
	t.Helper()
	s.server.Inject(Say(Answer{Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"3600"}}}))
	writes := make([]crm.Write, 60*s.adapter.Traits().WriteBatch)
	for i := range writes {
		writes[i] = crm.Write{Call: s.call()}
	}
	for _, w := range s.adapter.Write(t.Context(), writes) {
		s.kind(t, crm.KindThrottled, w.Err)
		require.Positive(t, crm.Classify(w.Err).RetryAfter)
		require.LessOrEqual(t, crm.Classify(w.Err).RetryAfter, time.Hour)
	}
	require.Less(t, s.server.Requests(), 60, "it goes on although the CRM asked to wait")
}

func testRedirect(t *testing.T, s *setup) {
	t.Helper()
	var followed atomic.Int32
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed.Add(1) }))
	t.Cleanup(elsewhere.Close)
	for _, status := range []int{http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect} {
		s.server.Inject(Say(Answer{Status: status, Header: http.Header{"Location": {elsewhere.URL}}}))
		for _, step := range s.steps() {
			err := s.try(t.Context(), t, step)
			require.Error(t, err)
			s.clean(t, err)
		}
	}
	require.Zero(t, followed.Load(), "credentials must not go elsewhere")
}

func testBrokenFind(t *testing.T, s *setup) {
	t.Helper()
	object := s.object(t)
	s.crm.AddRecord(object, "T-1001", phone)
	page := "<html><body>Bad gateway for " + phone + " at " + recordingURL + "</body></html>"
	for name, fault := range map[string]Fault{
		"dropped": Drop(), "cut": Cut(), "endless": Flood(),
		"page":        Say(Answer{Status: http.StatusOK, Body: page}),
		"empty":       Say(Answer{Status: http.StatusOK}),
		"half JSON":   Say(Answer{Status: http.StatusOK, Body: `{"list": [{"id": 1}, `}),
		"bad gateway": Say(Answer{Status: http.StatusBadGateway, Body: page}),
		"no text":     Say(Answer{Status: http.StatusInternalServerError, Body: "\xff\xfe\x00\x01"}),
	} {
		t.Run(name, func(t *testing.T) {
			s.server.Inject(fault)
			s.kind(t, crm.KindTransient, s.try(t.Context(), t, Find))
		})
	}
	s.server.Inject(nil)
	require.Len(t, s.find(t, crm.Lookup{Object: object, TransactionID: "T-1001"}).Records, 1, "it must recover")
}

// testLostCreate: the CRM made the log and nobody heard of it.
func testLostCreate(t *testing.T, s *setup) {
	t.Helper()
	upsert := s.adapter.Traits().Upsert
	lost := Lose()
	page := func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		next.ServeHTTP(httptest.NewRecorder(), r)
		Say(Answer{Status: http.StatusOK, Body: "<html>welcome back</html>"})(w, r, next)
	}
	for name, fault := range map[string]Fault{"lost": lost, "cut": Cut(), "page": page} {
		t.Run(name, func(t *testing.T) {
			s.server.Inject(fault)
			w := s.linked(t)
			before := len(s.crm.Logs())
			err := s.write(t.Context(), t, w).Err
			s.server.Inject(nil)
			if upsert {
				require.Error(t, err)
				s.created(t, w)
			} else {
				s.kind(t, crm.KindInDoubt, err)
				found := s.adapter.(crm.LogFinder).FindLogs(t.Context(), []call.Call{w.Call})
				require.Len(t, found, 1)
				require.NoError(t, found[0].Err)
				require.Equal(t, s.crm.Logs()[before].ID, found[0].LogID)
			}
			require.Len(t, s.crm.Logs(), before+1)
		})
	}
}

func testCancel(t *testing.T, s *setup) {
	t.Helper()
	for _, step := range s.steps() {
		t.Run(string(step), func(t *testing.T) {
			came := make(chan struct{}, 1)
			s.server.Inject(Hang(came))
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			go func() {
				select {
				case <-came:
				case <-t.Context().Done():
				}
				cancel()
			}()
			want := crm.KindTransient
			if step == Create && !s.adapter.Traits().Upsert {
				want = crm.KindInDoubt
			}
			err := s.try(ctx, t, step)
			s.kind(t, want, err)
			require.ErrorIs(t, err, context.Canceled)
		})
	}
}

func testUnreachable(t *testing.T, s *setup) {
	t.Helper()
	s.server.Close()
	for _, step := range s.steps() {
		s.kind(t, crm.KindTransient, s.try(t.Context(), t, step)) // nothing was sent, so nothing is in doubt
	}
}
