package metrics

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Receiver observes the webhooks.
type Receiver struct {
	requests    *prometheus.CounterVec
	ackDuration prometheus.Histogram
	keyLastUsed *prometheus.GaugeVec
	events      *prometheus.CounterVec
}

func newReceiver(f factory) *Receiver {
	r := &Receiver{
		requests: f.counterVec("webhook_requests_total", "Webhook requests answered.", "code", "result"),
		ackDuration: f.histogram("webhook_ack_duration_seconds",
			"Time from a webhook request to its answer.", ackBuckets),
		keyLastUsed: f.gaugeVec("webhook_key_last_used_timestamp_seconds",
			"When an authorization key was last used, by its place in the configuration; 0: not since the start.", "slot"),
		events: f.counterVec("events_total", "Call events that were made durable.", "status", "direction"),
	}
	for _, answer := range answers {
		r.requests.WithLabelValues(answer.code, answer.result)
		r.requests.WithLabelValues(answer.code, other)
	}
	r.requests.WithLabelValues(other, other)
	startGauges(r.keyLastUsed, keySlots)
	startCounters(r.events, callStatuses, callDirections)
	return r
}

// Answered counts one answer of the webhook endpoint: its HTTP status, what the request came to in one word
// ("stored", "duplicate", "malformed", …) and how long it took.
func (r *Receiver) Answered(code int, result string, took time.Duration) {
	r.requests.WithLabelValues(answerLabels(strconv.Itoa(code), result)...).Inc()
	r.ackDuration.Observe(seconds(took))
}

// answerLabels returns the labels of an answer: both for a pair that is known, the code alone for a code that is.
func answerLabels(code, result string) []string {
	known := false
	for _, answer := range answers {
		if answer.code != code {
			continue
		}
		if answer.result == result {
			return []string{code, result}
		}
		known = true
	}
	if known {
		return []string{code, other}
	}
	return []string{other, other}
}

// Received counts a call event that was made durable, by the call centre's own status, lower case, and by direction,
// where an empty one is "unknown".
func (r *Receiver) Received(status, direction string) {
	if direction == "" {
		direction = "unknown"
	}
	r.events.WithLabelValues(within(callStatuses, status), within(callDirections, direction)).Inc()
}

// KeyUsed notes that the authorization key at this place of the configuration, from 0, was used just now.
func (r *Receiver) KeyUsed(slot int) {
	r.keyLastUsed.WithLabelValues(within(keySlots, strconv.Itoa(slot))).Set(timestamp(time.Now()))
}
