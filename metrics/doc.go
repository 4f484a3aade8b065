// Package metrics turns what the daemon does into Prometheus metrics.
//
// # The model
//
// A Set holds every collector. Its parts (Receiver, Relay, Syncer, CRM, Store) are observers: the packages that do the
// work declare what they want to tell as small interfaces, and the parts have these methods. Neither side imports the
// other; the command joins them. What is stored is not counted along the way but read from the outbox at the moment of
// a scrape (WatchOutbox), so that a gauge cannot drift from the truth; reading must cost the same whatever is stored.
//
// # Labels
//
// Every label has a closed set of values, written down in vocabulary.go. A value from outside the set is counted as
// "other", so no sender and no CRM can add a series. All series are there from the start, at zero: a rate is right from
// the first event, and an alert on a series that has never been seen cannot be silent by accident.
//
// # Traps
//
// Points in time are exported as Unix timestamps, not as ages: an age freezes when the process hangs. 0 means that
// there is none (no entry in that state, a key that was never used, no pause), so a query must leave it out:
//
//	time() - (crmsyncd_outbox_oldest_timestamp_seconds{state="pending"} > 0)
//
// Negative durations come from clocks that disagree and are observed as 0.
package metrics
