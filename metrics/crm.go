package metrics

import (
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// requestMetrics are the metrics that all observers of requests share.
type requestMetrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	// What the CRM said of its quotas; both are 0 for one that it does not have.
	quotaLeft, quotaLimit *prometheus.GaugeVec
}

func newRequestMetrics(f factory) *requestMetrics {
	return &requestMetrics{
		requests: f.counterVec("crm_requests_total", "Requests to the CRM, by class of answer.", "operation",
			"code_class"),
		duration: f.histogramVec("crm_request_duration_seconds",
			"Time from a request to the CRM to its answer or failure.", requestBuckets, "operation"),
		quotaLeft:  f.gaugeVec("crm_quota_left", "Requests left of a quota, as the CRM last said.", "quota"),
		quotaLimit: f.gaugeVec("crm_quota_limit", "Size of a quota, as the CRM last said; 0: it said nothing.", "quota"),
	}
}

// CRM observes the requests to a CRM.
type CRM struct {
	metrics    *requestMetrics
	operations []string
}

func newCRM(m *requestMetrics, operations []string) *CRM {
	c := &CRM{metrics: m, operations: closed(slices.Clone(operations)...)}
	startCounters(m.requests, c.operations, codeClasses)
	startHistograms(m.duration, c.operations)
	startGauges(m.quotaLeft, quotas)
	startGauges(m.quotaLimit, quotas)
	return c
}

// Requested counts one request: the operation it belonged to, the class of the answer (2xx, 3xx, 4xx, 429, 5xx, or
// error where none came) and how long it took.
func (c *CRM) Requested(operation, class string, took time.Duration) {
	operation = within(c.operations, operation)
	c.metrics.requests.WithLabelValues(operation, within(codeClasses, class)).Inc()
	c.metrics.duration.WithLabelValues(operation).Observe(seconds(took))
}

// Quota notes what the CRM said of a quota, interval or daily: how many requests are left and how large it is.
func (c *CRM) Quota(quota string, left, limit int64) {
	quota = within(quotas, quota)
	c.metrics.quotaLeft.WithLabelValues(quota).Set(float64(max(left, 0)))
	c.metrics.quotaLimit.WithLabelValues(quota).Set(float64(max(limit, 0)))
}
