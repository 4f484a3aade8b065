package crm_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/outbox"
)

func TestMatchAgainByTransactionID(t *testing.T) {
	for name, test := range map[string]struct {
		records func(*fakeCRM)
		record  string
	}{
		"to another record":    {func(f *fakeCRM) { f.lead("2", "T1") }, "2"},
		"to nothing":           {func(*fakeCRM) {}, "1"},
		"to the same record":   {func(f *fakeCRM) { f.records[0].TransactionID = "T1" }, "1"},
		"one of two by phone":  {func(f *fakeCRM) { f.contact("2", "T1", phoneA); f.contact("3", "T1", phoneB) }, "2"},
		"two, the phone tells": {func(f *fakeCRM) { f.contact("2", "T1", phoneB); f.contact("3", "T1", phoneB) }, "1"},
		"two, nothing tells":   {func(f *fakeCRM) { f.contact("2", "T1", phoneA); f.contact("3", "T1", phoneA) }, "1"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, func(f *fakeCRM, _ *crm.Options) { f.contact("1", "", phoneA) })
			o := b.one(t, entry(t, answered("c1", "", phoneA)))
			require.Equal(t, "1", b.crm.logs[0].record.ID)
			test.records(b.crm)
			e := after(entry(t, answered("c1", "", phoneA), ended("c1", "T1", phoneA)), o)
			o = b.one(t, e)
			require.Equal(t, outbox.Done, o.Kind, "%+v", o)
			require.Len(t, b.crm.logs, 1)
			require.Equal(t, test.record, b.crm.logs[0].record.ID)

			b.crm.finds = nil
			require.Equal(t, outbox.Done, b.one(t, after(e, o)).Kind)
			require.Empty(t, b.crm.finds, "decided once more")
		})
	}
}

func TestMatchAgainForAnUnlinkedCall(t *testing.T) {
	b := newBench(t, func(_ *fakeCRM, o *crm.Options) {
		o.Match.Unmatched, o.Match.Wait = crm.PolicyUnlinked, 0
	})
	o := b.one(t, entry(t, answered("c1", "", phoneA)))
	require.Equal(t, outbox.Done, o.Kind)
	require.Nil(t, b.crm.logs[0].record)
	e := after(entry(t, answered("c1", "", phoneA), ended("c1", "", phoneA)), o)
	require.Equal(t, outbox.Done, b.one(t, e).Kind)
	require.Equal(t, []string{"none none", "receipt none"}, b.observer.matched)

	b.crm.contact("1", "T1")
	e = after(entry(t, answered("c1", "", phoneA), ended("c1", "T1", phoneA)), o)
	require.Equal(t, outbox.Done, b.one(t, e).Kind)
	require.Equal(t, "1", b.crm.logs[0].record.ID)
}

func TestMatchAgainWhenTheObjectIsNotSearchedAnyMore(t *testing.T) {
	b := newBench(t, func(f *fakeCRM, _ *crm.Options) { f.lead("1", "T1") })
	e := entry(t, ended("c1", "T1", phoneA))
	o := b.one(t, e)
	require.Equal(t, "lead", b.crm.logs[0].record.Object)
	later := newBench(t, func(f *fakeCRM, _ *crm.Options) {
		f.traits.Objects = []string{"contact"}
		f.contact("2", "T1")
		f.logs, f.lastID = b.crm.logs, 1
	})
	require.Equal(t, outbox.Done, later.one(t, after(e, o)).Kind)
	require.Len(t, later.crm.logs, 1, "the log is still known")
	require.Equal(t, "2", later.crm.logs[0].record.ID)
}

func TestFailedLookUpHoldsOnlyItsOwnCall(t *testing.T) {
	for step := range 4 {
		b := newBench(t, func(f *fakeCRM, _ *crm.Options) {
			f.pageSize = 1
			f.contact("1", "T1", phoneA)
			f.contact("2", "T1", phoneA)
			f.contact("3", "", phoneB)
		})
		calls := 0
		b.crm.onFind = func(lookups []crm.Lookup) []crm.Found {
			founds := make([]crm.Found, len(lookups))
			for i, l := range lookups {
				founds[i] = b.crm.found(l)
				if calls == step && i == 0 {
					founds[i] = crm.Found{Err: crm.Errorf(crm.KindTransient, "find", "HTTP 502")}
				}
			}
			calls++
			return founds
		}
		one, two := entry(t, ended("c1", "T1", phoneA)), entry(t, ended("c2", "", phoneB))
		report := b.deliver(t, one, two)
		failed := 0
		for _, o := range report.Outcomes {
			if o.Kind == outbox.Failed {
				require.Equal(t, "transient", o.Reason)
				require.Contains(t, o.Error, "HTTP 502")
				require.Zero(t, o.Until)
				failed++
			}
		}
		// The steps: contacts by transactionID, the crowd by phone, (leads by transactionID,) contacts by phone.
		require.Equal(t, []int{1, 1, 1, 0}[step], failed, "step %d", step)
	}
}

func TestMatchStopsWhenTheCRMAsksForARest(t *testing.T) {
	b := newBench(t, func(f *fakeCRM, _ *crm.Options) { f.contact("1", "T1"); f.contact("2", "", phoneB) })
	b.crm.onFind = func(lookups []crm.Lookup) []crm.Found {
		founds := make([]crm.Found, len(lookups))
		founds[0].Records = b.crm.records[:1]
		founds[1].Err = &crm.Error{Kind: crm.KindThrottled, Op: "find contact", Status: 429, RetryAfter: 7 * time.Second}
		return founds
	}
	report := b.deliver(t,
		entry(t, ended("c1", "T1", "")), entry(t, ended("c2", "T2", "")), entry(t, ended("c3", "", phoneB)))
	for _, o := range report.Outcomes {
		require.Equal(t, outbox.Wait, o.Kind)
		require.Equal(t, outbox.PauseThrottle, o.Reason)
		require.Equal(t, start.Add(7*time.Second), o.Until)
	}
	require.Len(t, b.crm.finds, 1)
	require.Empty(t, b.crm.writes)
	require.Equal(t, outbox.PauseThrottle, report.Pause.Reason)
	require.Equal(t, start.Add(7*time.Second), report.Pause.Until)
}
