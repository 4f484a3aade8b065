package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Syncer observes how calls find their record in the CRM.
type Syncer struct {
	matches        *prometheus.CounterVec
	latency        *prometheus.HistogramVec
	agentsUnmapped prometheus.Counter
}

func newSyncer(f factory) *Syncer {
	s := &Syncer{
		matches: f.counterVec("match_total",
			"Calls matched with a record of the CRM, by how and by how many records were found.", "method", "outcome"),
		latency: f.histogramVec("crm_delivery_latency_seconds",
			"Time from an event of a call to its acceptance by the CRM: the first, and the one that completes the call.",
			latencyBuckets, "kind"),
		agentsUnmapped: f.counter("agents_unmapped_total", "Calls whose agent is no known user of the CRM."),
	}
	startCounters(s.matches, matchMethods, matchOutcomes)
	startHistograms(s.latency, syncKinds)
	return s
}

// Matched counts one search for the record of a call: by what it was found (transaction_id, phone, receipt, created,
// none) and how many records there were (one, many, none).
func (s *Syncer) Matched(method, outcome string) {
	s.matches.WithLabelValues(within(matchMethods, method), within(matchOutcomes, outcome)).Inc()
}

// Synced notes how long after the event the CRM had accepted a call: kind first_visible or complete.
func (s *Syncer) Synced(kind string, sinceEvent time.Duration) {
	s.latency.WithLabelValues(within(syncKinds, kind)).Observe(seconds(sinceEvent))
}

// AgentUnmapped counts a call whose agent is no known user of the CRM.
func (s *Syncer) AgentUnmapped() { s.agentsUnmapped.Inc() }
