package crm_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/call"
)

// Whatever goes wrong on the way: one log per call, with all that is known of it, on the right record, with the right
// owner, and never two of them in between.
func TestPropertyOneLogPerCall(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(t)
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			switch rapid.IntRange(0, 4).Draw(t, "step") {
			case 0, 1:
				m.append()
			case 2, 3:
				m.fault = rapid.SampledFrom(faults).Draw(t, "fault")
				m.deliver(false)
			default:
				steps := []time.Duration{time.Second, 10 * time.Second, time.Minute, time.Hour}
				m.now = m.now.Add(rapid.SampledFrom(steps).Draw(t, "time passes"))
			}
			for id := range m.entries {
				m.logOf(id)
			}
		}
		m.settleDown()
		for id, h := range m.entries {
			m.check(id, h)
		}
	})
}

// settleDown mends the CRM, lets an operator replay what is parked, and delivers until nothing is left.
func (m *model) settleDown() {
	m.fault = "none"
	for _, h := range m.entries {
		h.pending, h.parked, h.Attempts = h.pending || h.parked, false, 0
	}
	for range 8 {
		m.now = m.now.Add(24 * time.Hour)
		m.deliver(true)
	}
}

// check requires that a call stands in the CRM as it should.
func (m *model) check(id string, h *held) {
	require.False(m.t, h.pending, "%s is still pending", id)
	unknown := customers[h.customer].record == ""
	if h.parked {
		require.True(m.t, unknown, "%s is parked", id)
		require.Empty(m.t, m.logOf(id))
		return
	}
	at := slices.IndexFunc(m.crm.logs, func(l fakeLog) bool { return l.call.ID == id })
	require.GreaterOrEqual(m.t, at, 0, "%s has no log", id)
	log := m.crm.logs[at]
	require.Equal(m.t, call.Merge("VN", h.events...), log.call)
	require.Equal(m.t, map[string]string{"a": "ua", "b": "ub"}[log.call.Agent], log.owner)
	require.NotNil(m.t, log.record)
	if !unknown {
		require.Equal(m.t, customers[h.customer].record, log.record.ID)
		return
	}
	created := m.crm.found(crm.Lookup{Object: "contact", Phone: log.call.Customer}).Records
	require.Len(m.t, created, 1, "one record for the unknown caller")
	require.Equal(m.t, created[0].ID, log.record.ID)
}
