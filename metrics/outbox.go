package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// OutboxFigures are what a scrape wants to know of the outbox. A figure that is not known stays zero.
type OutboxFigures struct {
	// States is how many entries are in each state, ParkedBy how many are parked for each reason.
	States, ParkedBy map[string]int64
	// Entries, Messages and Duplicates count what was appended since the store was made; Discarded and Purged count
	// entries that were removed.
	Entries, Messages, Duplicates, Discarded, Purged uint64
	// Damaged counts records that did not match their checksum, SetAside the entries among them that are lost to delivery.
	Damaged, SetAside uint64
	// OldestTimestamp is since when the oldest entry of a state has been in it.
	OldestTimestamp map[string]time.Time
	// OldestDue is the earliest due time of an entry that waits.
	OldestDue time.Time
	// Quarantined is how many refused bodies are kept, QuarantinedBytes how large they are together, QuarantineEvicted
	// how many gave way to newer ones.
	Quarantined, QuarantinedBytes int64
	QuarantineEvicted             uint64
	// FileBytes is the size of the store's file, UsedBytes the part in use, FreeBytes the part that is not, LimitBytes
	// the most that may be in use, VolumeFreeBytes what is left on the volume.
	FileBytes, UsedBytes, FreeBytes, LimitBytes, VolumeFreeBytes int64
}

// Store observes the commits of the store.
type Store struct {
	commitDuration prometheus.Histogram
	batchSize      prometheus.Histogram
}

func newStore(f factory) *Store {
	return &Store{
		commitDuration: f.histogram("store_commit_duration_seconds",
			"Time that a transaction of the store took, its flush to the disk included.", commitBuckets),
		batchSize: f.histogram("store_batch_size", "Operations that shared one transaction.", batchBuckets),
	}
}

// Committed notes one transaction: how long it took and how many operations shared it.
func (s *Store) Committed(took time.Duration, operations int) {
	s.commitDuration.Observe(seconds(took))
	s.batchSize.Observe(count(operations))
}

// WatchOutbox exports what read returns, which is called once at each scrape, from several goroutines when scrapes
// overlap. It panics when called twice.
func (s *Set) WatchOutbox(read func() OutboxFigures) {
	s.reg.MustRegister(&outboxCollector{read: read, d: describeOutbox()})
}

// outboxCollector turns figures into metrics at the moment of a scrape.
type outboxCollector struct {
	read func() OutboxFigures
	d    outboxDescs
}

// outboxDescs describe the metrics of an outbox.
type outboxDescs struct {
	items, deadLetters, oldest, oldestDue                        *prometheus.Desc
	entries, messages, duplicates, discarded, purged, setAside   *prometheus.Desc
	quarantineItems, quarantineBytes, quarantineEvicted          *prometheus.Desc
	fileBytes, usedBytes, freeBytes, limitBytes, volumeFreeBytes *prometheus.Desc
	checksumFailures                                             *prometheus.Desc
}

func describeOutbox() outboxDescs {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, labels, nil)
	}
	return outboxDescs{
		items:       desc("outbox_items", "Calls in the outbox, by state.", "state"),
		deadLetters: desc("dead_letters", "Calls that are parked for an operator, by reason.", "reason"),
		oldest: desc("outbox_oldest_timestamp_seconds",
			"Since when the oldest call of a state has been in it; 0: there is none.", "state"),
		oldestDue: desc("outbox_oldest_due_timestamp_seconds",
			"Earliest due time of a call that waits for delivery; 0: none waits."),
		entries:    desc("outbox_entries_total", "Calls taken in since the store was made."),
		messages:   desc("outbox_appended_total", "Events appended since the store was made."),
		duplicates: desc("outbox_duplicates_total", "Exact repeats of events since the store was made."),
		discarded:  desc("outbox_discarded_total", "Calls discarded by hand since the store was made."),
		purged:     desc("outbox_purged_total", "Delivered calls purged by age since the store was made."),
		setAside: desc("outbox_set_aside_total",
			"Calls set aside because their own record is damaged; outbox check names them."),
		checksumFailures: desc("store_checksum_failures_total",
			"Records that did not match their checksum when they were read."),
		quarantineItems:   desc("quarantine_items", "Refused bodies that are kept."),
		quarantineBytes:   desc("quarantine_bytes", "Size of all refused bodies that are kept."),
		quarantineEvicted: desc("quarantine_evicted_total", "Refused bodies that gave way to newer ones."),
		fileBytes:         desc("store_file_bytes", "Size of the store's file."),
		usedBytes:         desc("store_in_use_bytes", "Part of the store's file that is in use."),
		freeBytes:         desc("store_free_bytes", "Part of the store's file that is free to be used again."),
		limitBytes:        desc("store_limit_bytes", "Bytes that may be in use before new events are refused."),
		volumeFreeBytes:   desc("store_volume_free_bytes", "Bytes left on the volume of the store's file."),
	}
}

// Describe sends the description of every metric.
func (c *outboxCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{
		c.d.items, c.d.deadLetters, c.d.oldest, c.d.oldestDue,
		c.d.entries, c.d.messages, c.d.duplicates, c.d.discarded, c.d.purged, c.d.setAside, c.d.checksumFailures,
		c.d.quarantineItems, c.d.quarantineBytes, c.d.quarantineEvicted,
		c.d.fileBytes, c.d.usedBytes, c.d.freeBytes, c.d.limitBytes, c.d.volumeFreeBytes,
	} {
		ch <- desc
	}
}

// Collect reads the figures and sends every metric.
func (c *outboxCollector) Collect(ch chan<- prometheus.Metric) {
	f := c.read()
	gauge := func(desc *prometheus.Desc, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	}
	counter := func(desc *prometheus.Desc, value uint64) {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(value))
	}
	for state, n := range gather(outboxStates, f.States) {
		gauge(c.d.items, float64(n), state)
	}
	for reason, n := range gather(reasons, f.ParkedBy) {
		gauge(c.d.deadLetters, float64(n), reason)
	}
	for state, at := range oldest(f.OldestTimestamp) {
		gauge(c.d.oldest, timestamp(at), state)
	}
	gauge(c.d.oldestDue, timestamp(f.OldestDue))
	counter(c.d.entries, f.Entries)
	counter(c.d.messages, f.Messages)
	counter(c.d.duplicates, f.Duplicates)
	counter(c.d.discarded, f.Discarded)
	counter(c.d.purged, f.Purged)
	counter(c.d.setAside, f.SetAside)
	counter(c.d.checksumFailures, f.Damaged)
	gauge(c.d.quarantineItems, float64(f.Quarantined))
	gauge(c.d.quarantineBytes, float64(f.QuarantinedBytes))
	counter(c.d.quarantineEvicted, f.QuarantineEvicted)
	gauge(c.d.fileBytes, float64(f.FileBytes))
	gauge(c.d.usedBytes, float64(f.UsedBytes))
	gauge(c.d.freeBytes, float64(f.FreeBytes))
	gauge(c.d.limitBytes, float64(f.LimitBytes))
	gauge(c.d.volumeFreeBytes, float64(f.VolumeFreeBytes))
}

// gather returns a number for every value of the closed set; what is outside of it adds up under "other".
func gather(set []string, numbers map[string]int64) map[string]int64 {
	gathered := make(map[string]int64, len(set))
	for _, value := range set {
		gathered[value] = 0
	}
	for value, n := range numbers {
		gathered[within(set, value)] += n
	}
	return gathered
}

// oldest returns a time for every state, zero where there is none; of unknown states the earliest counts as "other".
func oldest(times map[string]time.Time) map[string]time.Time {
	gathered := make(map[string]time.Time, len(outboxStates))
	for _, state := range outboxStates {
		gathered[state] = time.Time{}
	}
	for state, at := range times {
		state = within(outboxStates, state)
		if known := gathered[state]; !at.IsZero() && (known.IsZero() || at.Before(known)) {
			gathered[state] = at
		}
	}
	return gathered
}
