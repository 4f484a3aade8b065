package hubspot_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/crmtest"
	"github.com/crmsyncd/crmsyncd/crm/hubspot"
	"github.com/crmsyncd/crmsyncd/crm/hubspot/hubspottest"
)

// TestEveryCallArrivesOnce: whatever is bad among the calls, and whichever answers get lost, the good ones stand in
// HubSpot once, with their record, and each result is that of its own call.
func TestEveryCallArrivesOnce(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		all := rapid.Bool().Draw(rt, "all or nothing")
		b := newBench(t, hubspottest.Options{AllOrNothing: all}, func(c *hubspot.Config, _ *api.Options) {
			c.Objects = []hubspot.Object{{Name: "contact"}, {Name: "deal"}}
			c.UniqueProperty = rapid.Bool().Draw(rt, "unique")
		})
		defer b.server.Close()
		writes := make([]crm.Write, rapid.IntRange(1, 130).Draw(rt, "calls"))
		kinds := make([]crm.Kind, len(writes))
		for i := range writes {
			writes[i] = b.some(rt, i, &kinds[i])
		}
		lost := b.adapter.Traits().Upsert && rapid.Bool().Draw(rt, "lost")
		if lost {
			b.server.Inject(crmtest.Lose())
			for _, w := range b.adapter.Write(t.Context(), writes) {
				requireKind(rt, crm.KindTransient, w.Err)
			}
			b.server.Inject(nil)
		}
		for range 2 {
			for i, w := range b.adapter.Write(t.Context(), writes) {
				writes[i] = again(writes[i], w)
				if kinds[i] != crm.KindTransient {
					requireKind(rt, kinds[i], w.Err)
				} else {
					require.NoError(rt, w.Err)
				}
			}
			b.arrived(rt, writes, kinds)
			for i := range writes {
				if kinds[i] != crm.KindGone {
					writes[i].Call.RecordingURL = "https://media.example.com/" + writes[i].Call.ID
					continue
				}
				kinds[i] = crm.KindTransient // As the Syncer does: matched again, and nothing is known of a log.
				writes[i] = crm.Write{Call: writes[i].Call, Owner: "7", Record: b.contact(writes[i].Call).Record}
			}
			if !b.adapter.Traits().Upsert {
				return // Without a key a log that is forgotten is looked up before it is written again.
			}
		}
	})
}

// some returns a write and the kind of error it is to end with, transient for none.
func (b *bench) some(rt *rapid.T, i int, kind *crm.Kind) crm.Write {
	w := b.contact(answered(fmt.Sprintf("C-%d", i)))
	switch rapid.IntRange(0, 20).Draw(rt, "sort") {
	case 0:
		*kind = crm.KindInvalid
		b.crm.Refuse(w.Call.ID, "no")
	case 1:
		*kind = crm.KindGone
		b.crm.Delete("contact", w.Record.ID)
	case 2:
		w.Record = nil
	case 3, 4:
		w.Record = &crm.Record{Object: "deal", ID: b.crm.AddRecord("deal", "", "")}
	}
	return w
}

// arrived asserts what stands in HubSpot.
func (b *bench) arrived(rt *rapid.T, writes []crm.Write, kinds []crm.Kind) {
	logs := map[string]crmtest.Log{}
	for _, log := range b.crm.Logs() {
		require.NotContains(rt, logs, log.CallID, "twice")
		logs[log.CallID] = log
	}
	for i, w := range writes {
		log, there := logs[w.Call.ID]
		switch kinds[i] {
		case crm.KindTransient:
			require.True(rt, there)
			require.Equal(rt, w.LogID, log.ID)
			require.Equal(rt, w.Call.RecordingURL, log.RecordingURL)
			want := ""
			if w.Record != nil {
				want = w.Record.ID
			}
			require.Equal(rt, want, log.RecordID)
		case crm.KindInvalid:
			require.False(rt, there)
		}
	}
}
