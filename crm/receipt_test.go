package crm_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/outbox"
)

func TestGoneRecordIsMatchedAnew(t *testing.T) {
	b := newWriteBench(t)
	e := entry(t, answered("c1", "T1", phoneA))
	o := b.one(t, e)
	require.Equal(t, "1", b.crm.logs[0].record.ID)

	// The contact was merged into another one: the CRM refuses the update.
	b.crm.records = []crm.Record{{Object: "contact", ID: "2", TransactionID: "T1"}}
	b.crm.onWrite = failing(b, crm.Errorf(crm.KindGone, "update call log", "no such contact"), false)
	e = after(entry(t, answered("c1", "T1", phoneA), ended("c1", "T1", phoneA)), o)
	o = b.one(t, e)
	require.Equal(t, outbox.Failed, o.Kind)
	require.Equal(t, "gone", o.Reason)
	require.Equal(t, 5, o.Attempts, "it cannot go round for ever")
	b.crm.onWrite = nil
	o = b.one(t, after(e, o))
	require.Equal(t, outbox.Done, o.Kind)
	require.Len(t, b.crm.logs, 1, "the log itself was there: it was looked up, not written twice")
	require.Equal(t, "2", b.crm.logs[0].record.ID)
}

func TestGoneLogIsWrittenAnew(t *testing.T) {
	for _, upsert := range []bool{false, true} {
		b := newWriteBench(t, func(f *fakeCRM, _ *crm.Options) { f.traits.Upsert = upsert })
		e := entry(t, ended("c1", "T1", phoneA))
		o := b.one(t, e)
		b.crm.logs = nil // somebody deleted it
		o = b.one(t, after(e, o))
		require.Equal(t, "gone", o.Reason)
		require.Equal(t, outbox.Done, b.one(t, after(e, o)).Kind)
		require.Len(t, b.crm.logs, 1)
	}
}

func TestGoneCreatedRecordIsCreatedAnew(t *testing.T) {
	b := newBench(t, creating)
	e := entry(t, ended("c1", "", phoneA))
	o := b.one(t, e)
	require.Equal(t, outbox.Done, o.Kind)
	b.crm.records, b.crm.logs = nil, nil
	o = b.one(t, after(e, o))
	require.Equal(t, "gone", o.Reason)
	require.Equal(t, outbox.Done, b.one(t, after(e, o)).Kind)
	require.Len(t, b.crm.creations, 2, "what this process remembers of it is forgotten")
}

func TestProgressIsKept(t *testing.T) {
	b := newWriteBench(t)
	var got []crm.Write
	results := []crm.Written{
		{Progress: []byte("registered"), Err: crm.Errorf(crm.KindTransient, "finish call", "502")},
		{LogID: "log-1", Err: crm.Errorf(crm.KindTransient, "link call", "502")},
		{LogID: "log-1", Progress: []byte("linked")},
		{},
	}
	b.crm.onWrite = func(writes []crm.Write) []crm.Written {
		got = append(got, writes...)
		return results[len(got)-1 : len(got)]
	}
	e := entry(t, ended("c1", "T1", phoneA))
	for range results {
		e = after(e, b.one(t, e))
	}
	require.Equal(t, [][]byte{nil, []byte("registered"), []byte("registered"), []byte("linked")},
		[][]byte{got[0].Progress, got[1].Progress, got[2].Progress, got[3].Progress})
	require.Equal(t, []string{"", "", "log-1", "log-1"}, []string{got[0].LogID, got[1].LogID, got[2].LogID, got[3].LogID})
}

func TestWriteWithoutAnIDIsLookedUpNextTime(t *testing.T) {
	b := newWriteBench(t)
	b.crm.onWrite = func(writes []crm.Write) []crm.Written {
		b.crm.store(writes)
		return make([]crm.Written, len(writes))
	}
	e := entry(t, ended("c1", "T1", phoneA))
	o := b.one(t, e)
	require.Equal(t, outbox.Done, o.Kind)
	b.crm.onWrite = nil
	require.Equal(t, outbox.Done, b.one(t, after(e, o)).Kind)
	require.Len(t, b.crm.logs, 1)
}

func TestReceiptThatCannotBeRead(t *testing.T) {
	for name, receipt := range map[string]string{
		"garbage":          "\x00\x01",
		"half":             `{"v":1,"log":"lo`,
		"another version":  `{"v":2,"log":"log-9"}`,
		"no version":       `{}`,
		"another shape":    `[1]`,
		"an unknown field": `{"v":1,"crm":"fake","doubt":true,"colour":"red"}`,
	} {
		t.Run(name, func(t *testing.T) {
			b := newWriteBench(t)
			b.crm.store([]crm.Write{{Call: call.Call{ID: "c1"}}})
			e := entry(t, ended("c1", "T1", phoneA))
			e.Receipt = []byte(receipt)
			o := b.one(t, e)
			require.Equal(t, outbox.Done, o.Kind)
			require.Len(t, b.crm.logSearches, 1, "it counts as doubt")
			require.Len(t, b.crm.logs, 1)
			require.JSONEq(t, `{"v":1,"crm":"fake","log":"log-1","record":{"object":"contact","id":"1"},
				"by":"transaction_id","transaction_id":"T1","visible":true}`, string(o.Receipt))
		})
	}
}

func TestReceiptOfAnotherCRMIsOfNoUse(t *testing.T) {
	b := newWriteBench(t)
	e := entry(t, ended("c1", "T1", phoneA))
	e.Receipt = []byte(`{"v":1,"crm":"other","log":"log-77","record":{"object":"contact","id":"9"},"by":"phone"}`)
	require.Equal(t, outbox.Done, b.one(t, e).Kind)
	require.Len(t, b.crm.logs, 1)
	require.Equal(t, "1", b.crm.logs[0].record.ID)
}

func TestReceiptWithADecisionThatIsNone(t *testing.T) {
	b := newWriteBench(t)
	e := entry(t, ended("c1", "T1", phoneA))
	e.Receipt = []byte(`{"v":1,"crm":"fake","by":"phone","transaction_id":"T1"}`)
	require.Equal(t, outbox.Done, b.one(t, e).Kind)
	require.Equal(t, "1", b.crm.logs[0].record.ID)
}

func TestReceiptThatGrewTooLarge(t *testing.T) {
	b := newWriteBench(t)
	b.crm.onWrite = func(writes []crm.Write) []crm.Written {
		b.crm.store(writes)
		return []crm.Written{{LogID: strings.Repeat("x", outbox.MaxReceiptBytes)}}
	}
	e := entry(t, ended("c1", "T1", phoneA))
	o := b.one(t, e)
	require.Equal(t, outbox.Refused, o.Kind)
	require.Equal(t, "receipt", o.Reason)
	require.LessOrEqual(t, len(o.Receipt), outbox.MaxReceiptBytes)
	b.crm.onWrite = nil
	require.Equal(t, outbox.Done, b.one(t, after(e, o)).Kind, "replayed, once the adapter is mended")
	require.Len(t, b.crm.logs, 1)
}
