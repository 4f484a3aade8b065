package crm_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/outbox"
)

// creating returns the change to a bench that creates records at once.
func creating(_ *fakeCRM, o *crm.Options) {
	o.Match.Unmatched, o.Match.Wait = crm.PolicyCreate, 0
}

func TestUnmatchedCallIsLookedUpAgain(t *testing.T) {
	b := newBench(t)
	e := entry(t, ended("c1", "T1", phoneA))
	for _, test := range []struct{ age, next time.Duration }{
		{0, 5 * time.Second},
		{5 * time.Second, 5 * time.Second},
		{20 * time.Second, 20 * time.Second},
		{45 * time.Second, 45 * time.Second},
		{10 * time.Minute, time.Minute},
		{15*time.Minute - 10*time.Second, 10 * time.Second},
		{-time.Hour, 5 * time.Second}, // the clock was set back
	} {
		b.now = start.Add(test.age)
		o := b.one(t, e)
		require.Equal(t, outbox.Wait, o.Kind)
		require.Equal(t, "unmatched", o.Reason)
		require.Equal(t, b.now.Add(test.next), o.Until, "age %s", test.age)
		require.False(t, o.Untouched, "the CRM answered")
	}
	require.Empty(t, b.observer.matched, "nothing is decided yet")
	b.crm.contact("1", "T1")
	b.now = b.now.Add(5 * time.Second)
	require.Equal(t, outbox.Done, b.one(t, e).Kind)
}

func TestUnmatchedPolicies(t *testing.T) {
	for name, test := range map[string]struct {
		policy  crm.Policy
		event   call.Event
		reason  string
		record  string
		matched string
	}{
		"park":                 {crm.PolicyPark, ended("c1", "T1", phoneA), "unmatched", "", "none none"},
		"park by default":      {"", ended("c1", "", phoneA), "unmatched", "", "none none"},
		"unlinked":             {crm.PolicyUnlinked, ended("c1", "T1", phoneA), "", "", "none none"},
		"create":               {crm.PolicyCreate, ended("c1", "T1", phoneA), "", "new-1", "created one"},
		"create for a hidden":  {crm.PolicyCreate, ended("c1", "T1", "anonymous"), "unmatched", "", "none none"},
		"create for extension": {crm.PolicyCreate, ended("c1", "T1", "888"), "unmatched", "", "none none"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, func(_ *fakeCRM, o *crm.Options) { o.Match.Unmatched = test.policy })
			e := entry(t, test.event)
			require.Equal(t, outbox.Wait, b.one(t, e).Kind, "every policy waits first")
			b.now = start.Add(15 * time.Minute)
			o := b.one(t, e)
			require.Equal(t, []string{test.matched}, b.observer.matched)
			require.Equal(t, test.reason, o.Reason)
			if test.reason != "" {
				require.Equal(t, outbox.Refused, o.Kind)
				require.Empty(t, b.crm.logs)
				return
			}
			require.Equal(t, outbox.Done, o.Kind)
			if test.record == "" {
				require.Nil(t, b.crm.logs[0].record)
				return
			}
			require.Equal(t, test.record, b.crm.logs[0].record.ID)
		})
	}
}

func TestUnmatchedCallWithNothingToLookUpDoesNotWait(t *testing.T) {
	for name, change := range map[string]func(*fakeCRM, *crm.Options){
		"hidden caller":         func(*fakeCRM, *crm.Options) {},
		"no matching by phone":  func(_ *fakeCRM, o *crm.Options) { o.Match.Phone = false },
		"CRM without phones":    func(f *fakeCRM, _ *crm.Options) { f.traits.ByPhone = false },
		"no wait is configured": func(_ *fakeCRM, o *crm.Options) { o.Match.Wait = 0 },
	} {
		t.Run(name, func(t *testing.T) {
			number := phoneA
			if name == "hidden caller" {
				number = "anonymous"
			}
			b := newBench(t, change)
			require.Equal(t, outbox.Refused, b.one(t, entry(t, ended("c1", "", number))).Kind)
		})
	}
}

func TestCreatedRecordIsDurableBeforeTheWrite(t *testing.T) {
	b := newBench(t, creating)
	b.crm.onWrite = func(writes []crm.Write) []crm.Written {
		require.Len(t, b.checkpoints, 2)
		return b.crm.store(writes)
	}
	b.deliver(t, entry(t, ended("c1", "", phoneA)), entry(t, ended("c2", "", phoneB)))
	require.Len(t, b.crm.creations, 1, "one request for both")
	require.Contains(t, string(b.checkpoints[0].Receipt), `"new-1"`)

	// The process dies right after the checkpoint. The next one knows the record, even if the search does not show it.
	next := newBench(t, creating)
	e := entry(t, ended("c1", "", phoneA))
	e.Receipt, e.Interrupted = b.checkpoints[0].Receipt, true
	o := next.one(t, e)
	require.Equal(t, "in_doubt", o.Reason)
	e, next.now = after(e, o), o.Until
	e.Interrupted = false // settled since
	require.Equal(t, outbox.Done, next.one(t, e).Kind)
	require.Empty(t, next.crm.creations)
	require.Equal(t, "new-1", next.crm.logs[0].record.ID)
}

func TestCreatedRecordThatCannotBeKept(t *testing.T) {
	b := newBench(t, creating)
	b.checkpointErr = outbox.ErrFailed
	e := entry(t, ended("c1", "", phoneA))
	o := b.one(t, e)
	require.Equal(t, outbox.Failed, o.Kind)
	require.Contains(t, o.Error, "keep the created record")
	require.Contains(t, string(o.Receipt), `"new-1"`)
	require.Empty(t, b.crm.writes)
	require.Equal(t, outbox.Done, b.one(t, after(e, o)).Kind)
	require.Len(t, b.crm.creations, 1)
}

func TestOneRecordPerUnknownCaller(t *testing.T) {
	b := newBench(t, creating)
	// The search index lags: what was created is not found by anybody.
	b.crm.onFind = func(lookups []crm.Lookup) []crm.Found { return make([]crm.Found, len(lookups)) }
	b.deliver(t, entry(t, ended("c1", "", phoneA)), entry(t, ended("c2", "", "+84"+phoneA[1:])),
		entry(t, ended("c3", "", phoneB)))
	require.Len(t, b.crm.creations[0], 2)
	require.Equal(t, b.crm.logs[0].record.ID, b.crm.logs[1].record.ID)
	require.NotEqual(t, b.crm.logs[0].record.ID, b.crm.logs[2].record.ID)

	b.now = start.Add(5 * time.Minute)
	b.deliver(t, entry(t, ended("c4", "", phoneA)))
	require.Equal(t, b.crm.logs[0].record.ID, b.crm.logs[3].record.ID, "remembered for a while")
	b.now = start.Add(time.Hour)
	b.deliver(t, entry(t, ended("c5", "", phoneA)))
	require.Len(t, b.crm.creations, 2, "but not for ever: the index has had its time")
}

func TestOneRecordPerUnknownCallerInConcurrentBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, creating)
		release := make(chan struct{})
		b.crm.onCreate = func([]call.Call) []crm.Found {
			<-release
			return []crm.Found{{Records: []crm.Record{{Object: "contact", ID: "1"}}}}
		}
		fake := lockFree{b.crm}
		syncer, err := crm.NewSyncer(crm.Options{
			Adapter: fake, Region: "VN", Now: func() time.Time { return start },
			Decode: func(body []byte) (call.Event, error) { return ended(string(body), "", phoneA), nil },
			Match:  crm.MatchOptions{Phone: true, Unmatched: crm.PolicyCreate},
		})
		require.NoError(t, err)
		outcomes := make([]outbox.Outcome, 2)
		deliver := func(i int) {
			e := outbox.Entry{Key: fmt.Sprint(i), Messages: []outbox.StoredMessage{{Body: fmt.Append(nil, i)}}}
			outcomes[i] = syncer.Deliver(t.Context(), []outbox.Entry{e}, b.checkpoint).Outcomes[0]
		}
		var wg sync.WaitGroup
		wg.Go(func() { deliver(0) })
		synctest.Wait()
		deliver(1)
		require.Equal(t, outbox.Wait, outcomes[1].Kind)
		require.Equal(t, start.Add(5*time.Second), outcomes[1].Until)
		close(release)
		wg.Wait()
		require.Equal(t, outbox.Done, outcomes[0].Kind)
		deliver(1)
		require.Equal(t, outbox.Done, outcomes[1].Kind)
		require.Len(t, b.crm.creations, 1)
	})
}

// lockFree lets a second delivery pass while the first one creates its record.
type lockFree struct{ *fakeCRM }

func (l lockFree) CreateContacts(_ context.Context, calls []call.Call) []crm.Found {
	l.mu.Lock()
	l.creations = append(l.creations, calls)
	l.mu.Unlock()
	return l.onCreate(calls)
}

func TestFailedCreation(t *testing.T) {
	refusal := func(kind crm.Kind) crm.Found { return crm.Found{Err: crm.Errorf(kind, "create contact", "no")} }
	for name, test := range map[string]struct {
		found  crm.Found
		kind   outbox.OutcomeKind
		reason string
		until  time.Duration
	}{
		"in doubt":     {refusal(crm.KindInDoubt), outbox.Failed, "in_doubt", time.Minute},
		"transient":    {refusal(crm.KindTransient), outbox.Failed, "transient", 0},
		"unclassified": {crm.Found{Err: fmt.Errorf("oops")}, outbox.Failed, "transient", time.Minute},
		"invalid":      {refusal(crm.KindInvalid), outbox.Refused, "invalid", 0},
		"throttled":    {refusal(crm.KindThrottled), outbox.Wait, outbox.PauseThrottle, 0},
		"no record":    {crm.Found{}, outbox.Failed, "in_doubt", time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, creating)
			b.crm.onCreate = func([]call.Call) []crm.Found { return []crm.Found{test.found} }
			e := entry(t, ended("c1", "", phoneA))
			o := b.one(t, e)
			require.Equal(t, test.kind, o.Kind)
			require.Equal(t, test.reason, o.Reason)
			if test.until > 0 {
				require.Equal(t, start.Add(test.until), o.Until, "the index gets its time")
			}
			require.Empty(t, b.crm.writes)
			b.crm.onCreate = nil
			if test.until > 0 {
				another := entry(t, ended("c2", "", phoneA))
				require.Equal(t, outbox.Wait, b.one(t, another).Kind, "nor does another call of the caller create one")
			}
			b.now = start.Add(test.until)
			require.Equal(t, outbox.Done, b.one(t, after(e, o)).Kind)
		})
	}
}

func TestCreationAfterAnInterruptionWaitsForTheIndex(t *testing.T) {
	b := newBench(t, creating)
	e := entry(t, ended("c1", "", phoneA))
	e.Interrupted = true
	o := b.one(t, e)
	require.Equal(t, outbox.Wait, o.Kind)
	require.Equal(t, start.Add(time.Minute), o.Until)
	e, b.now = after(e, o), o.Until
	e.Interrupted = false // settled since
	require.Equal(t, outbox.Done, b.one(t, e).Kind)
	require.Len(t, b.crm.logSearches, 1, "the interrupted delivery may have written as well")
}

func TestPanicWhileCreatingLetsOthersCreateLater(t *testing.T) {
	b := newBench(t, creating)
	b.crm.onCreate = func([]call.Call) []crm.Found { panic("adapter bug") }
	e := entry(t, ended("c1", "", phoneA))
	require.PanicsWithValue(t, "adapter bug", func() { b.deliver(t, e) })
	b.crm.onCreate = nil
	require.Equal(t, outbox.Wait, b.one(t, e).Kind, "nobody knows whether there is one now")
	b.now = start.Add(time.Minute)
	require.Equal(t, outbox.Done, b.one(t, e).Kind)
}
