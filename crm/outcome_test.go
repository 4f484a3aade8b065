package crm_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/outbox"
)

func TestOutcomeOfEachKind(t *testing.T) {
	in := func(d time.Duration) time.Time { return start.Add(d) }
	for _, test := range []struct {
		kind       crm.Kind
		retryAfter time.Duration
		outcome    outbox.OutcomeKind
		reason     string
		attempts   int
		until      time.Time
		pause      string
	}{
		{kind: crm.KindTransient, outcome: outbox.Failed, reason: "transient"},
		{kind: crm.KindTransient, retryAfter: time.Minute, outcome: outbox.Failed, reason: "transient"},
		{kind: crm.KindInDoubt, outcome: outbox.Failed, reason: "in_doubt", until: in(10 * time.Second)},
		{kind: crm.KindThrottled, outcome: outbox.Wait, reason: "throttle", pause: outbox.PauseThrottle},
		{
			kind: crm.KindThrottled, retryAfter: 30 * time.Second, outcome: outbox.Wait, reason: "throttle",
			until: in(30 * time.Second), pause: outbox.PauseThrottle,
		},
		{
			kind: crm.KindThrottled, retryAfter: 48 * time.Hour, outcome: outbox.Wait, reason: "throttle",
			until: in(time.Hour), pause: outbox.PauseThrottle,
		},
		{kind: crm.KindQuota, outcome: outbox.Wait, reason: "quota", pause: outbox.PauseQuota},
		{
			kind: crm.KindQuota, retryAfter: 20 * time.Hour, outcome: outbox.Wait, reason: "quota",
			until: in(20 * time.Hour), pause: outbox.PauseQuota,
		},
		{
			kind: crm.KindQuota, retryAfter: 48 * time.Hour, outcome: outbox.Wait, reason: "quota",
			until: in(25 * time.Hour), pause: outbox.PauseQuota,
		},
		{kind: crm.KindUnauthorized, outcome: outbox.Wait, reason: "auth", pause: outbox.PauseAuth},
		{kind: crm.KindForbidden, outcome: outbox.Failed, reason: "forbidden", attempts: 5},
		{kind: crm.KindInvalid, outcome: outbox.Refused, reason: "invalid"},
		{kind: crm.KindGone, outcome: outbox.Failed, reason: "gone", attempts: 5},
		{kind: crm.Kind(99), outcome: outbox.Failed, reason: "unknown"},
	} {
		t.Run(fmt.Sprintf("%s after %s", test.kind, test.retryAfter), func(t *testing.T) {
			b := newWriteBench(t)
			answer := &crm.Error{
				Kind: test.kind, Op: "create call log", Status: 400, RetryAfter: test.retryAfter, Message: "the CRM's own word",
			}
			b.crm.onWrite = failing(b, answer, false)
			report := b.deliver(t, entry(t, ended("c1", "T1", phoneA)))
			o := report.Outcomes[0]
			require.Equal(t, test.outcome, o.Kind)
			require.Equal(t, test.reason, o.Reason)
			require.Equal(t, test.attempts, o.Attempts)
			require.Equal(t, test.until, o.Until)
			require.Equal(t, answer.Error(), o.Error)
			require.Contains(t, o.Error, "the CRM's own word")
			require.False(t, o.Untouched)
			require.Equal(t, test.pause, report.Pause.Reason)
			if test.pause != "" {
				require.Equal(t, test.until, report.Pause.Until)
				require.Equal(t, answer.Error(), report.Pause.Error)
			}
		})
	}
}

func TestEveryKindHasAnOutcome(t *testing.T) {
	for _, kind := range crm.Kinds {
		b := newWriteBench(t)
		b.crm.onWrite = failing(b, crm.Errorf(kind, "create call log", "no"), false)
		o := b.one(t, entry(t, ended("c1", "T1", phoneA)))
		require.NotEqual(t, outbox.Done, o.Kind, kind)
		require.NotEmpty(t, o.Reason, kind)
	}
}

func TestOutcomesOfABatchAreTheirOwn(t *testing.T) {
	b := newWriteBench(t)
	b.crm.onWrite = func(writes []crm.Write) []crm.Written {
		written := b.crm.store(writes[:1])
		return append(written,
			crm.Written{Err: crm.Errorf(crm.KindInvalid, "create call log", "bad subject")},
			crm.Written{Err: crm.Errorf(crm.KindTransient, "create call log", "502")},
			crm.Written{Err: errors.New("no classification")})
	}
	kinds := make([]outbox.OutcomeKind, 0, 4)
	var entries []outbox.Entry
	for i := range 4 {
		entries = append(entries, entry(t, ended(fmt.Sprint(i), "T1", phoneA)))
	}
	for _, o := range b.deliver(t, entries...).Outcomes {
		kinds = append(kinds, o.Kind)
	}
	require.Equal(t, []outbox.OutcomeKind{outbox.Done, outbox.Refused, outbox.Failed, outbox.Failed}, kinds)
}

func TestTheMostSeriousRestCounts(t *testing.T) {
	rest := func(kind crm.Kind, after time.Duration) crm.Written {
		return crm.Written{Err: &crm.Error{Kind: kind, Op: "create call log", RetryAfter: after}}
	}
	for name, test := range map[string]struct {
		written []crm.Written
		reason  string
		until   time.Time
	}{
		"auth over quota": {
			[]crm.Written{
				rest(crm.KindQuota, time.Hour), rest(crm.KindUnauthorized, 0), rest(crm.KindThrottled, time.Minute),
			},
			outbox.PauseAuth,
			time.Time{},
		},
		"quota over throttle": {
			[]crm.Written{rest(crm.KindThrottled, time.Hour), rest(crm.KindQuota, time.Minute)},
			outbox.PauseQuota, start.Add(time.Minute),
		},
		"the longer of two": {
			[]crm.Written{
				rest(crm.KindThrottled, time.Minute), rest(crm.KindThrottled, 2*time.Minute), rest(crm.KindThrottled, 0),
			},
			outbox.PauseThrottle, start.Add(2 * time.Minute),
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newWriteBench(t)
			b.crm.onWrite = func([]crm.Write) []crm.Written { return test.written }
			var entries []outbox.Entry
			for i := range test.written {
				entries = append(entries, entry(t, ended(fmt.Sprint(i), "T1", phoneA)))
			}
			pause := b.deliver(t, entries...).Pause
			require.Equal(t, test.reason, pause.Reason)
			require.Equal(t, test.until, pause.Until)
		})
	}
}

func TestErrorTellsWhatWasTried(t *testing.T) {
	cause := errors.New("connection refused")
	err := &crm.Error{Kind: crm.KindTransient, Op: "find contact", Err: cause}
	require.EqualError(t, err, "find contact: connection refused (transient)")
	require.ErrorIs(t, err, cause)
	answered := &crm.Error{Kind: crm.KindInvalid, Op: "create call log", Status: 422, Message: "subject is missing"}
	require.EqualError(t, answered, "create call log: HTTP 422: subject is missing (invalid)")
	require.Same(t, answered, crm.Classify(fmt.Errorf("batch: %w", answered)))
	require.Equal(t, crm.KindTransient, crm.Classify(cause).Kind)
	seen := map[string]bool{}
	for _, kind := range crm.Kinds {
		require.False(t, seen[kind.String()], kind)
		seen[kind.String()] = true
	}
}
