package crm_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/outbox"
)

// asked returns how many look-ups the CRM got.
func (b *bench) asked() int {
	count := 0
	for _, lookups := range b.crm.finds {
		count += len(lookups)
	}
	return count
}

func TestLostReceiptMakesNoTwin(t *testing.T) {
	b := newWriteBench(t)
	b.crm.onFindLogs = func(calls []call.Call) []crm.LogFound { return make([]crm.LogFound, len(calls)) } // it lags
	e := entry(t, answered("c1", "T1", phoneA))
	require.Equal(t, outbox.Done, b.one(t, e).Kind)
	e = entry(t, answered("c1", "T1", phoneA), ended("c1", "T1", phoneA)) // nothing of that was stored
	e.Interrupted = true
	o := b.one(t, e)
	require.Equal(t, outbox.Done, o.Kind)
	require.Len(t, b.crm.logs, 1)
	require.Equal(t, call.Ended, b.crm.logs[0].call.State)
	require.Contains(t, string(o.Receipt), `"log-1"`, "what was lost is stored now")
	require.Equal(t, 1, b.asked(), "nor is the record looked up again")

	b.now = start.Add(time.Hour)
	require.Equal(t, outbox.Done, b.one(t, after(e, o)).Kind)
	require.Len(t, b.crm.logs, 1, "later the receipt tells")
}

func TestProgressOfALostReceiptIsKept(t *testing.T) {
	b := newWriteBench(t)
	var got []crm.Write
	b.crm.onWrite = func(writes []crm.Write) []crm.Written {
		got = append(got, writes...)
		return []crm.Written{{LogID: "log-1", Progress: []byte("half"), Err: crm.Errorf(crm.KindTransient, "link", "502")}}
	}
	e := entry(t, ended("c1", "T1", phoneA))
	b.one(t, e)
	b.one(t, e)
	require.Equal(t, "log-1", got[1].LogID)
	require.Equal(t, "half", string(got[1].Progress), "else the second half would be taken for done")
}

func TestMemoryIsNotOlderThanTheReceipt(t *testing.T) {
	b := newWriteBench(t)
	e := entry(t, ended("c1", "T1", phoneA))
	o := b.one(t, e)
	b.crm.logs = nil
	e = after(e, o)
	o = b.one(t, e) // gone
	require.Equal(t, "gone", o.Reason)
	e = after(e, o)
	o = b.one(t, e)
	require.Equal(t, outbox.Done, o.Kind)
	require.Equal(t, "log-2", b.crm.logs[0].id)
	require.Equal(t, outbox.Done, b.one(t, e).Kind, "settle failed: the receipt still says that there is none")
	require.Len(t, b.crm.logs, 1)
}

func TestManyCallsOfACustomerCostOneLookUp(t *testing.T) {
	b := newBench(t, func(f *fakeCRM, _ *crm.Options) { f.contact("1", "T1", phoneA); f.contact("2", "", phoneB) })
	for i := range 5 {
		b.now = start.Add(time.Duration(i) * 20 * time.Second)
		require.Equal(t, outbox.Done, b.one(t, entry(t, ended(fmt.Sprint("a", i), "T1", phoneA))).Kind)
	}
	require.Equal(t, 1, b.asked())
	for i := range 5 {
		require.Equal(t, outbox.Done, b.one(t, entry(t, ended(fmt.Sprint("b", i), "", "+84"+phoneB[1:]))).Kind)
	}
	require.Equal(t, 2, b.asked())
	b.now = start.Add(2 * time.Minute)
	require.Equal(t, outbox.Done, b.one(t, entry(t, ended("a9", "T1", phoneA))).Kind)
	require.Equal(t, 3, b.asked(), "for two minutes")
}

// A campaign grows while its calls come in: what was found for one customer is nothing for another.
func TestRememberedRecordIsNotTakenForAnotherCustomer(t *testing.T) {
	b := newBench(t, func(f *fakeCRM, _ *crm.Options) { f.contact("1", "CAMPAIGN") })
	require.Equal(t, outbox.Done, b.one(t, entry(t, ended("c1", "CAMPAIGN", phoneA))).Kind)
	b.crm.records[0].Phones = []string{phoneA}
	b.crm.contact("2", "CAMPAIGN", phoneB)
	require.Equal(t, outbox.Done, b.one(t, entry(t, ended("c2", "CAMPAIGN", phoneB))).Kind)
	require.Equal(t, "2", b.crm.logs[1].record.ID)

	// Now both are remembered with their numbers, and the number tells.
	before := b.asked()
	require.Equal(t, outbox.Done, b.one(t, entry(t, ended("c3", "CAMPAIGN", phoneA))).Kind)
	require.Equal(t, "1", b.crm.logs[2].record.ID)
	require.Equal(t, before, b.asked())

	// A hidden caller of the campaign fits both.
	require.Equal(t, "ambiguous", b.one(t, entry(t, ended("c4", "CAMPAIGN", ""))).Reason)
	require.Greater(t, b.asked(), before, "nothing is refused by memory")
}

func TestCrowdIsRememberedAndNarrowedByNumber(t *testing.T) {
	b := newBench(t, func(f *fakeCRM, _ *crm.Options) {
		f.pageSize = 3
		for i := range 20 {
			f.contact(fmt.Sprint(i), "CAMPAIGN", fmt.Sprintf("09123400%02d", i))
		}
	})
	for i := range 20 {
		e := entry(t, ended(fmt.Sprint("c", i), "CAMPAIGN", fmt.Sprintf("09123400%02d", i)))
		require.Equal(t, outbox.Done, b.one(t, e).Kind)
		require.Equal(t, fmt.Sprint(i), b.crm.logs[i].record.ID)
	}
	require.Equal(t, 21, b.asked(), "the campaign once, each number once")
}

func TestRecordThatIsGoneIsLookedUpAtOnce(t *testing.T) {
	b := newWriteBench(t)
	require.Equal(t, outbox.Done, b.one(t, entry(t, ended("c1", "T1", phoneA))).Kind)
	b.crm.records = []crm.Record{{Object: "contact", ID: "2", TransactionID: "T1"}} // merged
	b.crm.onWrite = failing(b, crm.Errorf(crm.KindGone, "create call log", "no such contact"), false)
	e := entry(t, ended("c2", "T1", phoneA))
	o := b.one(t, e)
	require.Equal(t, "gone", o.Reason)
	require.Equal(t, 1, b.asked(), "it was remembered")
	b.crm.onWrite = nil
	require.Equal(t, outbox.Done, b.one(t, after(e, o)).Kind)
	require.Equal(t, "2", b.crm.logs[1].record.ID)
}

func TestMissIsRememberedForCallsThatWait(t *testing.T) {
	b := newBench(t)
	for i := range 10 {
		o := b.one(t, entry(t, ended(fmt.Sprint("c", i), "T1", phoneA)))
		require.Equal(t, "unmatched", o.Reason)
		require.Equal(t, i > 0, o.Untouched)
	}
	require.Equal(t, 4, b.asked(), "two objects by transactionID, two by number, once")
	b.now = start.Add(2 * time.Second)
	b.crm.contact("1", "T1")
	require.Equal(t, outbox.Done, b.one(t, entry(t, ended("c1", "T1", phoneA))).Kind)
}

func TestMissDecidesNothing(t *testing.T) {
	b := newBench(t, func(_ *fakeCRM, o *crm.Options) { o.Match.Wait = time.Second })
	b.now = start.Add(500 * time.Millisecond)
	require.Equal(t, outbox.Wait, b.one(t, entry(t, ended("c1", "T1", phoneA))).Kind)
	b.crm.contact("1", "T1")
	b.now = start.Add(time.Second) // its last chance
	require.Equal(t, outbox.Done, b.one(t, entry(t, ended("c2", "T1", phoneA))).Kind, "it was asked for again")
}

func TestMissDoesNotKeepAnEarlierDecision(t *testing.T) {
	b := newBench(t, func(f *fakeCRM, _ *crm.Options) { f.contact("1", "", phoneA) })
	o := b.one(t, entry(t, answered("c1", "", phoneA)))
	require.Equal(t, outbox.Done, o.Kind)
	b.one(t, entry(t, ended("c2", "T1", phoneB))) // T1 leads nowhere yet
	b.crm.contact("2", "T1", phoneA)
	e := after(entry(t, answered("c1", "", phoneA), ended("c1", "T1", phoneA)), o)
	require.Equal(t, outbox.Done, b.one(t, e).Kind)
	require.Equal(t, "2", b.crm.logs[0].record.ID)
}

func TestFailedLookUpIsAskedAgain(t *testing.T) {
	b := newBench(t, func(f *fakeCRM, _ *crm.Options) { f.contact("1", "T1") })
	b.crm.onFind = func([]crm.Lookup) []crm.Found {
		return []crm.Found{{Err: crm.Errorf(crm.KindTransient, "find", "502")}}
	}
	e := entry(t, ended("c1", "T1", phoneA))
	require.Equal(t, outbox.Failed, b.one(t, e).Kind)
	b.crm.onFind = nil
	require.Equal(t, outbox.Done, b.one(t, e).Kind)
}
