package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/outbox"
	"github.com/crmsyncd/crmsyncd/receiver/alohub/traffic"
)

// TestOneBadCallOfAHundred: of a hundred calls that are delivered together the CRM refuses one, in the vendor's form
// for bad data. That one is parked with the CRM's own words, and the others arrive. It does too, when it is replayed
// once the CRM takes it.
func TestOneBadCallOfAHundred(t *testing.T) {
	const size, bad = 100, "hundred-00041"
	const words = "the outcome of this call is not one of those that are allowed"
	for _, v := range vendorCRMs() {
		t.Run(v.name, func(t *testing.T) {
			customers := traffic.NewContacts(demoSeed, size)
			o := newOffice(t, v, nil, 0, customers)
			o.crm.Refuse(bad, words)
			p := newPipeline(t, o.configuration, nil, "CRMSYNCD_DELIVERY__BATCH=100")
			p.takeTogether(wholeCalls("hundred", customers, size)...)
			p.start()
			states := p.drained(time.Minute)
			require.Equal(t, int64(size-1), states[outbox.Delivered])
			require.Equal(t, int64(1), states[outbox.Parked])
			require.Equal(t, size, p.watch.largestBatch(), "all of them were delivered together")

			parked, err := p.store.Get(t.Context(), bad)
			require.NoError(t, err)
			require.Equal(t, outbox.Parked, parked.State)
			require.Equal(t, "invalid", parked.Reason)
			require.Contains(t, parked.Error, words)
			logs := o.byCall(t)
			require.NotContains(t, logs, bad)
			require.Len(t, logs, size-1)
			o.crm.Refuse(bad, "")
			require.NoError(t, p.store.Replay(t.Context(), bad))
			require.Equal(t, int64(size), p.drained(time.Minute)[outbox.Delivered])
			require.Len(t, o.byCall(t), size)
		})
	}
}
