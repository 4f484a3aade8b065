package crm_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/outbox"
)

// lagging returns the change to a bench of which the search lags by half a minute.
func lagging(f *fakeCRM, _ *crm.Options) { f.traits.SearchLag = 30 * time.Second }

// blind hides all call logs from the search of a bench.
func blind(b *bench) {
	b.crm.onFindLogs = func(calls []call.Call) []crm.LogFound { return make([]crm.LogFound, len(calls)) }
}

func TestDoubtWaitsForTheSearch(t *testing.T) {
	b := newWriteBench(t, lagging)
	blind(b)
	b.crm.onWrite = failing(b, crm.Errorf(crm.KindInDoubt, "create call log", "cut"), true)
	e := entry(t, answered("c1", "T1", phoneA))
	o := b.one(t, e)
	require.Equal(t, start.Add(30*time.Second), o.Until)
	b.crm.onWrite = nil

	// A new message makes the call due before that.
	b.now = start.Add(10 * time.Second)
	e = after(entry(t, answered("c1", "T1", phoneA), ended("c1", "T1", phoneA)), o)
	o = b.one(t, e)
	require.Equal(t, outbox.Wait, o.Kind)
	require.Equal(t, "in_doubt", o.Reason)
	require.Equal(t, start.Add(30*time.Second), o.Until)
	require.Len(t, b.crm.logs, 1)

	b.now = start.Add(30 * time.Second)
	b.crm.onFindLogs = nil
	require.Equal(t, outbox.Done, b.one(t, after(e, o)).Kind)
	require.Len(t, b.crm.logs, 1)
}

func TestDoubtEndsWithTheLag(t *testing.T) {
	b := newWriteBench(t, lagging)
	b.crm.onWrite = failing(b, crm.Errorf(crm.KindInDoubt, "create call log", "cut"), false)
	e := entry(t, ended("c1", "T1", phoneA))
	o := b.one(t, e)
	b.crm.onWrite = nil
	b.now = start.Add(30 * time.Second)
	require.Equal(t, outbox.Done, b.one(t, after(e, o)).Kind, "it was not written: now it is")
	require.Len(t, b.crm.logs, 1)
}

func TestInterruptionWaitsForTheSearch(t *testing.T) {
	b := newWriteBench(t, lagging)
	b.crm.store([]crm.Write{{Call: call.Call{ID: "c1"}}}) // by the process that died
	blind(b)
	e := entry(t, ended("c1", "T1", phoneA))
	e.Interrupted = true
	o := b.one(t, e)
	require.Equal(t, "in_doubt", o.Reason)
	require.Equal(t, start.Add(30*time.Second), o.Until)
	b.now, e.Interrupted = o.Until, false
	b.crm.onFindLogs = nil
	require.Equal(t, outbox.Done, b.one(t, after(e, o)).Kind)
	require.Len(t, b.crm.logs, 1)
}

func TestNoRecordIsCreatedBeforeTheSearchShowsThoseOfTheProcessBefore(t *testing.T) {
	b := newBench(t, creating, lagging)
	e := entry(t, ended("c1", "", phoneA))
	o := b.one(t, e)
	require.Equal(t, "unmatched", o.Reason)
	require.Equal(t, start.Add(30*time.Second), o.Until)
	b.now = o.Until
	require.Equal(t, outbox.Done, b.one(t, e).Kind)
	require.Len(t, b.crm.creations, 1)
}

func TestLogThatExistsMayBeFoundLater(t *testing.T) {
	b := newWriteBench(t, lagging)
	b.crm.store([]crm.Write{{Call: call.Call{ID: "c1"}}})
	blind(b)
	b.crm.onWrite = failing(b, crm.Errorf(crm.KindExists, "create call log", "duplicate"), false)
	e := entry(t, ended("c1", "T1", phoneA))
	o := b.one(t, e)
	require.Equal(t, outbox.Failed, o.Kind)
	require.Equal(t, "exists", o.Reason)
	require.Equal(t, start.Add(30*time.Second), o.Until)
	require.Equal(t, 5, o.Attempts)
	b.now, b.crm.onFindLogs, b.crm.onWrite = o.Until, nil, nil
	require.Equal(t, outbox.Done, b.one(t, after(e, o)).Kind)
	require.Len(t, b.crm.logs, 1)
}

func TestCallsAreWrittenWhenTheCRMCanTakeThem(t *testing.T) {
	over := ended("c1", "T1", phoneA)
	ended, complete := []string{"running", "", ""}, []string{"running", "recording", ""}
	for name, test := range map[string]struct {
		traits   crm.Traits
		write    crm.WriteWhen
		waitsFor []string // the reasons for which an answered, an ended and a recorded call wait
	}{
		"live":                        {crm.Traits{}, crm.WriteLive, []string{"", "", ""}},
		"ended by the CRM":            {crm.Traits{WriteWhen: crm.WriteEnded}, crm.WriteLive, ended},
		"ended by default":            {crm.Traits{WriteWhen: crm.WriteEnded}, "", ended},
		"complete by the CRM":         {crm.Traits{WriteWhen: crm.WriteComplete}, crm.WriteEnded, complete},
		"complete by the operator":    {crm.Traits{WriteWhen: crm.WriteEnded}, crm.WriteComplete, complete},
		"immutable":                   {crm.Traits{Immutable: true}, crm.WriteLive, complete},
		"immutable, whatever it says": {crm.Traits{Immutable: true, WriteWhen: crm.WriteLive}, "", complete},
	} {
		t.Run(name, func(t *testing.T) {
			b := newWriteBench(t, func(f *fakeCRM, o *crm.Options) {
				f.traits.WriteWhen, f.traits.Immutable, o.Write = test.traits.WriteWhen, test.traits.Immutable, test.write
			})
			for i, event := range []call.Event{
				answered("c0", "T1", phoneA), over, recorded("c2", "T1", phoneA),
			} {
				o := b.one(t, entry(t, event))
				require.Equal(t, test.waitsFor[i], o.Reason)
				require.Equal(t, test.waitsFor[i] == "", o.Kind == outbox.Done)
			}
		})
	}
}
