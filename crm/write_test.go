package crm_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/outbox"
)

// newWriteBench returns a bench on which every call finds its record.
func newWriteBench(t *testing.T, changes ...func(*fakeCRM, *crm.Options)) *bench {
	t.Helper()
	return newBench(t, append(changes, func(f *fakeCRM, _ *crm.Options) { f.contact("1", "T1", phoneA) })...)
}

// failing returns writes that all fail with an error; effect: they are carried out all the same.
func failing(b *bench, err error, effect bool) func([]crm.Write) []crm.Written {
	return func(writes []crm.Write) []crm.Written {
		if effect {
			b.crm.store(writes)
		}
		written := make([]crm.Written, len(writes))
		for i := range written {
			written[i].Err = err
		}
		return written
	}
}

func TestDoubtIsLookedInto(t *testing.T) {
	transient := &crm.Error{Kind: crm.KindTransient, Op: "create call log", Status: 502}
	for name, test := range map[string]struct {
		err      error
		effect   bool
		searched int
	}{
		"in doubt, written":       {crm.Errorf(crm.KindInDoubt, "create call log", "connection cut"), true, 1},
		"in doubt, not written":   {crm.Errorf(crm.KindInDoubt, "create call log", "connection cut"), false, 1},
		"unclassified, written":   {errors.New("broken pipe"), true, 1},
		"transient, not written":  {transient, false, 0},
		"wrapped, not classified": {fmt.Errorf("send: %w", errors.New("EOF")), true, 1},
		"wrapped, classified":     {fmt.Errorf("send: %w", transient), false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			b := newWriteBench(t)
			b.crm.onWrite = failing(b, test.err, test.effect)
			e := entry(t, ended("c1", "T1", phoneA))
			o := b.one(t, e)
			require.Equal(t, outbox.Failed, o.Kind)
			require.Zero(t, o.Attempts)
			b.crm.onWrite = nil
			b.now = start.Add(10 * time.Second)
			o = b.one(t, after(e, o))
			require.Equal(t, outbox.Done, o.Kind)
			require.Len(t, b.crm.logSearches, test.searched)
			require.Len(t, b.crm.logs, 1)

			require.Equal(t, outbox.Done, b.one(t, after(e, o)).Kind)
			require.Len(t, b.crm.logSearches, test.searched, "the doubt is over")
		})
	}
}

func TestDoubtfulWriteRests(t *testing.T) {
	b := newWriteBench(t)
	b.crm.onWrite = failing(b, crm.Errorf(crm.KindInDoubt, "create call log", "cut"), true)
	require.Equal(t, start.Add(10*time.Second), b.one(t, entry(t, ended("c1", "T1", phoneA))).Until)
}

func TestInterruptedDeliveryIsLookedInto(t *testing.T) {
	b := newWriteBench(t)
	b.crm.store([]crm.Write{{Call: call.Call{ID: "c1"}}}) // by the process that died
	e := entry(t, ended("c1", "T1", phoneA))
	e.Interrupted = true
	require.Equal(t, outbox.Done, b.one(t, e).Kind)
	require.Len(t, b.crm.logs, 1)
	require.Equal(t, "1", b.crm.logs[0].record.ID)
}

// TestInterruptedDeliveryMayStillBeUnderWay: the process dies, and what it sent takes effect only after the next one
// has looked.
func TestInterruptedDeliveryMayStillBeUnderWay(t *testing.T) {
	b := newWriteBench(t)
	e := entry(t, ended("c1", "T1", phoneA))
	e.Interrupted = true
	o := b.one(t, e)
	require.Equal(t, "in_doubt", o.Reason)
	require.Equal(t, start.Add(10*time.Second), o.Until)
	require.Empty(t, b.crm.writes)
	b.crm.store([]crm.Write{{Call: call.Call{ID: "c1"}}})
	b.now, e.Interrupted = o.Until, false
	require.Equal(t, outbox.Done, b.one(t, after(e, o)).Kind)
	require.Len(t, b.crm.logs, 1)
}

func TestInterruptionOutlivesAnotherFailure(t *testing.T) {
	for name, breakIt := range map[string]func(*bench){
		"while matching": func(b *bench) {
			b.crm.onFind = func([]crm.Lookup) []crm.Found { return []crm.Found{{Err: errors.New("refused")}} }
		},
		"while looking": func(b *bench) {
			b.crm.onFindLogs = func([]call.Call) []crm.LogFound { return []crm.LogFound{{Err: errors.New("refused")}} }
		},
		"while it waits": func(b *bench) { b.crm.records = nil },
	} {
		t.Run(name, func(t *testing.T) {
			b := newWriteBench(t)
			b.crm.store([]crm.Write{{Call: call.Call{ID: "c1"}}})
			records := b.crm.records
			breakIt(b)
			e := entry(t, ended("c1", "T1", phoneA))
			e.Interrupted = true
			o := b.one(t, e)
			require.NotEqual(t, outbox.Done, o.Kind)
			require.Empty(t, b.crm.writes)
			b.crm.onFind, b.crm.onFindLogs, b.crm.records = nil, nil, records
			e.Interrupted = false // the store has settled it since
			b.now = start.Add(time.Minute)
			require.Equal(t, outbox.Done, b.one(t, after(e, o)).Kind)
			require.Len(t, b.crm.logs, 1)
		})
	}
}

func TestUpsertNeedsNoLookUp(t *testing.T) {
	b := newWriteBench(t, func(f *fakeCRM, _ *crm.Options) { f.traits.Upsert = true })
	b.crm.onWrite = failing(b, crm.Errorf(crm.KindInDoubt, "upsert call log", "cut"), true)
	e := entry(t, ended("c1", "T1", phoneA))
	e.Interrupted = true
	o := b.one(t, e)
	require.Equal(t, "in_doubt", o.Reason)
	b.crm.onWrite = nil
	require.Equal(t, outbox.Done, b.one(t, after(e, o)).Kind)
	require.Empty(t, b.crm.logSearches)
	require.Len(t, b.crm.logs, 1)
}

func TestLogThatExistsIsUpdatedAtOnce(t *testing.T) {
	b := newWriteBench(t)
	b.crm.store([]crm.Write{{Call: call.Call{ID: "c1"}}, {Call: call.Call{ID: "c2"}}})
	b.crm.onWrite = func(writes []crm.Write) []crm.Written {
		written := b.crm.store(nil)
		for _, w := range writes {
			var result crm.Written
			switch {
			case w.LogID != "" || w.Call.ID == "c3":
				result = b.crm.store([]crm.Write{w})[0]
			case w.Call.ID == "c1": // this CRM says which
				result = crm.Written{LogID: "log-1", Err: crm.Errorf(crm.KindExists, "create call log", "duplicate")}
			default: // this one does not
				result = crm.Written{Err: crm.Errorf(crm.KindExists, "create call log", "duplicate")}
			}
			written = append(written, result)
		}
		return written
	}
	report := b.deliver(t,
		entry(t, ended("c1", "T1", phoneA)), entry(t, ended("c2", "T1", phoneA)), entry(t, ended("c3", "T1", phoneA)))
	for _, o := range report.Outcomes {
		require.Equal(t, outbox.Done, o.Kind, "%+v", o)
	}
	require.Len(t, b.crm.logs, 3)
	require.Len(t, b.crm.writes, 2)
	require.Len(t, b.crm.writes[1], 2, "only those that exist are written again")
	require.Len(t, b.crm.logSearches, 1)
	require.Len(t, b.crm.logSearches[0], 1)
	for _, log := range b.crm.logs {
		require.Equal(t, call.Ended, log.call.State)
	}
}

func TestLogThatExistsButIsNotFound(t *testing.T) {
	b := newWriteBench(t)
	exists := crm.Errorf(crm.KindExists, "create call log", "duplicate")
	b.crm.onWrite = failing(b, exists, false)
	o := b.one(t, entry(t, ended("c1", "T1", phoneA)))
	require.Equal(t, outbox.Refused, o.Kind)
	require.Equal(t, "exists", o.Reason)

	b.crm.onFindLogs = func([]call.Call) []crm.LogFound {
		return []crm.LogFound{{Err: &crm.Error{Kind: crm.KindThrottled, Op: "find call log", Status: 429}}}
	}
	o = b.one(t, entry(t, ended("c1", "T1", phoneA)))
	require.Equal(t, outbox.Wait, o.Kind)
	require.Len(t, b.crm.writes, 2)

	// It says "exists" to the update as well: no endless loop.
	b.crm.onFindLogs = nil
	b.crm.onWrite = func([]crm.Write) []crm.Written { return []crm.Written{{LogID: "log-9", Err: exists}} }
	o = b.one(t, entry(t, ended("c1", "T1", phoneA)))
	require.Equal(t, outbox.Failed, o.Kind)
	require.Equal(t, 5, o.Attempts)
	require.Len(t, b.crm.writes, 4)
}

func TestExistingLogWaitsWhenTheBatchIsThrottled(t *testing.T) {
	b := newWriteBench(t)
	b.crm.onWrite = func([]crm.Write) []crm.Written {
		return []crm.Written{
			{LogID: "log-7", Err: crm.Errorf(crm.KindExists, "create call log", "duplicate")},
			{Err: crm.Errorf(crm.KindThrottled, "create call log", "slow down")},
		}
	}
	report := b.deliver(t, entry(t, ended("c1", "T1", phoneA)), entry(t, ended("c2", "T1", phoneA)))
	require.Len(t, b.crm.writes, 1)
	require.Equal(t, outbox.Wait, report.Outcomes[0].Kind)
	require.Contains(t, string(report.Outcomes[0].Receipt), "log-7")
}
