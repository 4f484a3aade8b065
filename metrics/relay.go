package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Relay observes the delivery of entries.
type Relay struct {
	deliveries       *prometheus.CounterVec
	deliveryDuration prometheus.Histogram
	deliveryEntries  prometheus.Histogram
	settled          *prometheus.CounterVec
	settleDelay      *prometheus.HistogramVec
	attempts         *prometheus.HistogramVec
	retries          *prometheus.CounterVec
	deadLetters      *prometheus.CounterVec
	slots, busy      prometheus.Gauge
	paused           *prometheus.GaugeVec
	pausedUntil      *prometheus.GaugeVec
	breaker          *prometheus.GaugeVec
}

func newRelay(f factory) *Relay {
	r := &Relay{
		deliveries: f.counterVec("deliveries_total", "Deliveries of a batch of calls, by what became of it.", "outcome"),
		deliveryDuration: f.histogram("delivery_duration_seconds",
			"Time that the delivery of a batch took.", requestBuckets),
		deliveryEntries: f.histogram("delivery_entries", "Calls in a delivered batch.", batchBuckets),
		settled:         f.counterVec("settled_total", "Calls settled after a delivery, by outcome.", "outcome"),
		settleDelay: f.histogramVec("outbox_settle_delay_seconds",
			"Time from the arrival of a call's oldest undelivered event to its settlement.", latencyBuckets, "outcome"),
		attempts: f.histogramVec("crm_attempts", "Attempts spent on a call when it was settled.", attemptBuckets,
			"outcome"),
		retries: f.counterVec("crm_retries_total", "Calls that will be tried again, by reason.", "reason"),
		deadLetters: f.counterVec("dead_letters_total", "Calls that were parked for an operator, by reason.",
			"reason"),
		slots:  f.gauge("worker_slots", "Workers that deliver."),
		busy:   f.gauge("worker_slots_busy", "Workers that are delivering."),
		paused: f.gaugeVec("worker_paused", "1 while delivery rests for this reason, else 0.", "by"),
		pausedUntil: f.gaugeVec("worker_paused_until_timestamp_seconds",
			"When delivery goes on; 0: it does not rest for this reason.", "by"),
		breaker: f.gaugeVec("crm_breaker_state", "1 for the state of the circuit breaker, else 0.", "state"),
	}
	startCounters(r.deliveries, deliveryOutcomes)
	startCounters(r.settled, settleOutcomes)
	startHistograms(r.settleDelay, settleOutcomes)
	startHistograms(r.attempts, settleOutcomes)
	startCounters(r.retries, reasons)
	startCounters(r.deadLetters, reasons)
	startGauges(r.paused, pauseReasons)
	startGauges(r.pausedUntil, pauseReasons)
	startGauges(r.breaker, breakerStates)
	r.setBreaker(false)
	return r
}

// Delivered counts one delivery of a batch: what all its entries came to ("mixed" where they differ, "panic" where the
// deliverer did), how many there were and how long it took.
func (r *Relay) Delivered(outcome string, entries int, took time.Duration) {
	r.deliveries.WithLabelValues(within(deliveryOutcomes, outcome)).Inc()
	r.deliveryEntries.Observe(count(entries))
	r.deliveryDuration.Observe(seconds(took))
}

// Settled counts one entry that was settled: its outcome (done, failed: to be tried again, wait: not tried to the end,
// refused: parked), the reason of all but the first, the time since its oldest undelivered message arrived, and the
// attempts spent.
func (r *Relay) Settled(outcome, reason string, sinceAppend time.Duration, attempts int) {
	outcome = within(settleOutcomes, outcome)
	r.settled.WithLabelValues(outcome).Inc()
	r.settleDelay.WithLabelValues(outcome).Observe(seconds(sinceAppend))
	r.attempts.WithLabelValues(outcome).Observe(count(attempts))
	switch outcome {
	case "failed":
		r.retries.WithLabelValues(within(reasons, reason)).Inc()
	case "refused":
		r.deadLetters.WithLabelValues(within(reasons, reason)).Inc()
	}
}

// Parked counts an entry that the store itself set aside, before any delivery, and why.
func (r *Relay) Parked(reason string) { r.deadLetters.WithLabelValues(within(reasons, reason)).Inc() }

// Paused notes that delivery rests for a reason, and until when. A zero until: the rest for this reason has ended.
func (r *Relay) Paused(reason string, until time.Time) {
	paused := !until.IsZero()
	by := within(pauseReasons, reason)
	r.paused.WithLabelValues(by).Set(truth(paused))
	r.pausedUntil.WithLabelValues(by).Set(timestamp(until))
	if by == "breaker" {
		r.setBreaker(paused)
	}
}

// setBreaker shows the state of the circuit breaker.
func (r *Relay) setBreaker(open bool) {
	r.breaker.WithLabelValues("open").Set(truth(open))
	r.breaker.WithLabelValues("closed").Set(truth(!open))
}

// Working notes how many workers there are and how many of them are delivering.
func (r *Relay) Working(slots, busy int) {
	r.slots.Set(count(slots))
	r.busy.Set(count(busy))
}
