// Package outboxtest is the suite that every outbox.Store must pass, and a store in memory to test against.
//
// Run holds a store to each sentence of the contract in package outbox, one subtest per promise. Model compares it with
// a simple map over random operations and crashes. Stress lets many goroutines at it and then counts. A store's own
// test needs no more than
//
//	func TestStore(t *testing.T) {
//		outboxtest.Run(t, harness)
//	}
//
// and the same for Model and Stress; the Harness says how to open it. Memory is the reference: it passes all three,
// starts no goroutine and writes no file, so that the tests of a relay or of a receiver can use it in place of a
// real store, also inside a testing/synctest bubble.
//
// # What the suite decides
//
// The contract leaves some points to the store; the suite fixes them, so that all stores behave alike:
//
//   - A retried or postponed entry whose Due is zero or past is due now.
//   - A message to a pending entry makes it due at the earlier of both times, never later.
//   - A message that arrives in flight makes the entry due at the message's own due time after a delivery or a parking,
//     and at the earlier of that and Settlement.Due after a retry or a postponement.
//   - Since of a pending entry is the arrival of its oldest message that no settled delivery has covered. For a replayed
//     entry it is the time of the replay, for a delivered or parked one the time of the settle.
//   - Starts is forgotten at each settle but a release. An entry that Claim has parked as crashed stays in doubt:
//     after a replay or a new message it is claimed as Interrupted, and has MaxStarts again.
//   - A listing by term may follow the order in which the entries were made instead of their Since.
//   - Of entries that are due at the same time, the one that was made first comes first.
//
// # Traps
//
// A crash is modelled as Close followed by Open on the same directory, so Close must not settle what is in flight.
// What only a kill or a loss of power can show is not tested here: a store with a file has to test that itself.
// Subtests run in parallel: Harness.Open is called from several goroutines.
package outboxtest
