package metrics

import (
	"math"
	"slices"
	"time"
)

// other is what a label value from outside its closed set becomes.
const other = "other"

// answers pairs the HTTP status codes of the receiver with the results they are given for.
var answers = []struct{ code, result string }{
	{"200", "stored"},
	{"200", "duplicate"},
	{"400", "malformed"},
	{"401", "unauthorized"},
	{"404", "not_found"},
	{"405", "method_not_allowed"},
	{"413", "too_large"},
	{"415", "unsupported_type"},
	{"503", "incomplete"},
	{"503", "overloaded"},
	{"503", "panic"},
	{"503", "stopping"},
	{"503", "unavailable"},
}

// The closed sets of the labels. Each is completed by "other".
var (
	callStatuses   = closed("started", "ringing", "answered", "missed", "hangup")
	callDirections = closed("inbound", "outbound", "unknown")
	keySlots       = closed("0", "1", "2", "3")

	deliveryOutcomes = closed("done", "failed", "wait", "refused", "mixed", "panic")
	settleOutcomes   = closed("done", "failed", "wait", "refused")
	pauseReasons     = closed("breaker", "throttle", "quota", "auth", "operator")
	breakerStates    = []string{"open", "closed"}
	reasons          = closed(
		// The kinds of answer of a CRM.
		"transient", "in_doubt", "throttled", "quota", "unauthorized", "forbidden", "invalid", "gone", "exists",
		// What else keeps a call from its CRM.
		"unmatched", "ambiguous", "undecodable", "receipt",
		// What the relay and the store find out by themselves.
		"gave_up", "panic", "no_outcome", "receipt_too_large", "crashed", "damaged",
	)

	matchMethods  = closed("transaction_id", "phone", "receipt", "none", "created")
	matchOutcomes = closed("one", "many", "none")
	syncKinds     = closed("first_visible", "complete")

	codeClasses = closed("2xx", "3xx", "4xx", "429", "5xx", "error")
	quotas      = closed("interval", "daily")

	outboxStates = closed("pending", "in_flight", "delivered", "parked")
)

// The buckets of the histograms, in seconds unless said otherwise.
var (
	// ackBuckets lie around the time in which a webhook should be answered, 250 ms.
	ackBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10}
	// requestBuckets reach the time after which a CRM is given up on.
	requestBuckets = []float64{.025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}
	// latencyBuckets go from 1 s to 6 h.
	latencyBuckets = []float64{1, 2.5, 5, 10, 30, 60, 150, 300, 900, 1800, 3600, 7200, 21600}
	// commitBuckets are around the time of one fsync.
	commitBuckets = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5}
	// attemptBuckets count attempts.
	attemptBuckets = []float64{1, 2, 3, 5, 8, 13}
	// batchBuckets count items of a batch.
	batchBuckets = []float64{1, 2, 5, 10, 25, 50, 100, 250, 500, 1000}
)

// closed returns the values completed by "other".
func closed(values ...string) []string { return append(values, other) }

// within returns value if it belongs to the closed set, else "other".
func within(set []string, value string) string {
	if slices.Contains(set, value) {
		return value
	}
	return other
}

// seconds returns d in seconds, 0 for a negative one.
func seconds(d time.Duration) float64 { return max(0, d.Seconds()) }

// timestamp returns t as Unix time in seconds, 0 for the zero time.
func timestamp(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1e3
}

// truth returns 1 for true and 0 for false.
func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// count returns n as a number that a gauge or histogram can take, never negative.
func count(n int) float64 { return math.Max(0, float64(n)) }
