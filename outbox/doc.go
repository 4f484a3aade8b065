// Package outbox says what is durable and when. It knows keys and bytes, not calls.
//
// # The model
//
// A producer appends messages, each under a key. All messages under one key form an Entry, the unit of delivery: several
// messages of a key become one delivery, in order, and never two deliveries of one key at a time. A Relay claims the
// entries that are due, hands them to a Deliverer and settles what became of each.
//
//	             Append                Claim
//	(no entry) ─────────▶ Pending ──────────────▶ InFlight
//	                      ▲  ▲  ▲                  │ │ │
//	    Append of a new   │  │  └── retry at T ────┘ │ │
//	    message, Replay   │  │      postpone till T   │ │
//	                      │  └─────────┐              │ │
//	                  Delivered ◀──────┼──────────────┘ │
//	                                Parked ◀────────────┘
//
// A message that arrives while its key is in flight makes the entry pending again at the settle, whatever the outcome.
// A parked entry is never lost and never retried by itself. A delivered entry is kept until it is purged.
//
// # Guarantees
//
// A nil error of Append, Checkpoint and Settle means that the change survives a kill and a loss of power. Delivery is at
// least once: a process that dies between a delivery and its settle delivers again, and the entry says so (Interrupted),
// so that the deliverer can look before it repeats. Claims live in memory: after a restart nothing waits for a lease to
// run out. The start of a delivery is counted before it begins, so an entry that kills the process is parked in the end.
// From its third start on the Relay delivers it alone, so that none is parked for having been in flight beside it.
//
// # Traps
//
// An exact repeat (same key, same identity) changes nothing, also on a delivered or parked entry, for as long as the
// entry is kept. A retry lives in the stored due time, never in a sleeping goroutine. Receipts are opaque and must stay
// small: they are rewritten with each settle.
package outbox
