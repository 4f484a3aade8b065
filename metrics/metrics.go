package metrics

import (
	"net/http"
	"runtime"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// namespace begins the name of every metric of ours.
const namespace = "crmsyncd"

// maxScrapes is how many scrapes are answered at once; the others get a 503.
const maxScrapes = 8

// Set holds all metrics of the daemon. It is safe for concurrent use, and so are its parts.
type Set struct {
	reg      prometheus.Registerer
	build    *prometheus.GaugeVec
	receiver *Receiver
	relay    *Relay
	syncer   *Syncer
	requests *requestMetrics
	store    *Store
}

// New registers all metrics with reg, those of the Go runtime and of the process included. It panics when reg holds
// any of them already: there is one Set to a registry.
func New(reg prometheus.Registerer) *Set {
	f := factory{reg}
	s := &Set{
		reg:      reg,
		build:    f.gaugeVec("build_info", "What is running: always 1.", "version", "commit", "go_version"),
		receiver: newReceiver(f),
		relay:    newRelay(f),
		syncer:   newSyncer(f),
		requests: newRequestMetrics(f),
		store:    newStore(f),
	}
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return s
}

// Receiver returns what observes the webhooks.
func (s *Set) Receiver() *Receiver { return s.receiver }

// Relay returns what observes deliveries.
func (s *Set) Relay() *Relay { return s.relay }

// Syncer returns what observes the matching of calls with records of the CRM.
func (s *Set) Syncer() *Syncer { return s.syncer }

// CRM returns what observes the requests to a CRM whose adapter knows the given operations; any other operation is
// counted as "other". The series of these operations are there from this call on.
func (s *Set) CRM(operations ...string) *CRM { return newCRM(s.requests, operations) }

// Store returns what observes the commits of the store.
func (s *Set) Store() *Store { return s.store }

// Build says which version of the program runs and which commit it was built from. Call it once, at the start.
func (s *Set) Build(version, commit string) {
	s.build.WithLabelValues(version, commit, runtime.Version()).Set(1)
}

// WatchReady exports whether events can be taken. ready is called at each scrape, nil means yes; it must be quick. It
// panics when called twice.
func (s *Set) WatchReady(ready func() error) {
	s.reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: namespace, Name: "ready", Help: "1 if events can be made durable, else 0.",
	}, func() float64 { return truth(ready() == nil) }))
}

// Handler serves what g gathers, in the text format or as OpenMetrics, whichever the scraper prefers. A metric that
// cannot be gathered does not hide the others: it is counted in promhttp_metric_handler_errors_total.
func (s *Set) Handler(g prometheus.Gatherer) http.Handler {
	return promhttp.HandlerFor(g, promhttp.HandlerOpts{
		ErrorHandling:       promhttp.ContinueOnError,
		Registry:            s.reg,
		EnableOpenMetrics:   true,
		MaxRequestsInFlight: maxScrapes,
	})
}

// factory makes metrics and registers them.
type factory struct {
	reg prometheus.Registerer
}

func (f factory) counterVec(name, help string, labels ...string) *prometheus.CounterVec {
	vec := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
	f.reg.MustRegister(vec)
	return vec
}

func (f factory) counter(name, help string) prometheus.Counter {
	counter := prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help})
	f.reg.MustRegister(counter)
	return counter
}

func (f factory) gaugeVec(name, help string, labels ...string) *prometheus.GaugeVec {
	vec := prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, labels)
	f.reg.MustRegister(vec)
	return vec
}

func (f factory) gauge(name, help string) prometheus.Gauge {
	gauge := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help})
	f.reg.MustRegister(gauge)
	return gauge
}

func (f factory) histogramVec(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	vec := prometheus.NewHistogramVec(histogramOpts(name, help, buckets), labels)
	f.reg.MustRegister(vec)
	return vec
}

func (f factory) histogram(name, help string, buckets []float64) prometheus.Histogram {
	histogram := prometheus.NewHistogram(histogramOpts(name, help, buckets))
	f.reg.MustRegister(histogram)
	return histogram
}

// histogramOpts asks for classic buckets and native ones. The native ones are bounded: 160 buckets, and a histogram
// that outgrew them starts anew at most once an hour.
func histogramOpts(name, help string, buckets []float64) prometheus.HistogramOpts {
	return prometheus.HistogramOpts{
		Namespace: namespace, Name: name, Help: help, Buckets: buckets,
		NativeHistogramBucketFactor:     1.1,
		NativeHistogramMaxBucketNumber:  160,
		NativeHistogramMinResetDuration: time.Hour,
	}
}

// each calls create with every combination of values of the label sets.
func each(create func(values ...string), sets ...[]string) {
	combinations := [][]string{nil}
	for _, set := range sets {
		var longer [][]string
		for _, head := range combinations {
			for _, value := range set {
				longer = append(longer, append(slices.Clip(head), value))
			}
		}
		combinations = longer
	}
	for _, values := range combinations {
		create(values...)
	}
}

// startCounters makes the series of a counter for every combination of the closed sets.
func startCounters(vec *prometheus.CounterVec, sets ...[]string) {
	each(func(values ...string) { vec.WithLabelValues(values...) }, sets...)
}

// startGauges makes the series of a gauge for every combination of the closed sets.
func startGauges(vec *prometheus.GaugeVec, sets ...[]string) {
	each(func(values ...string) { vec.WithLabelValues(values...) }, sets...)
}

// startHistograms makes the series of a histogram for every combination of the closed sets.
func startHistograms(vec *prometheus.HistogramVec, sets ...[]string) {
	each(func(values ...string) { vec.WithLabelValues(values...) }, sets...)
}
