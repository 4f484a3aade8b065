package outbox

import (
	"context"
	"io"
	"time"
)

// State is where an entry stands. The zero value is not a state; in a Filter it means any.
type State uint8

// The states of an entry.
const (
	Pending   State = iota + 1 // waits for its due time
	InFlight                   // claimed by a worker of this process
	Delivered                  // done, kept for the retention
	Parked                     // set aside with a reason, waits for an operator or a new message
)

// States lists all states in their order, for metrics and help texts.
var States = []State{Pending, InFlight, Delivered, Parked}

// String returns the state as it stands in metrics and the admin API.
func (s State) String() string {
	switch s {
	case Pending:
		return "pending"
	case InFlight:
		return "in_flight"
	case Delivered:
		return "delivered"
	case Parked:
		return "parked"
	default:
		return "any"
	}
}

// Message is what a producer appends.
type Message struct {
	// Key names the entry, 1 to MaxKeyBytes bytes.
	Key string
	// Body is opaque, at most MaxBodyBytes. The store copies it.
	Body []byte
	// Identity decides what a repeat is: two messages of a key with equal identities are the same. Empty: the body.
	Identity []byte
	// Terms are opaque strings by which List finds the entry, each 1 to MaxTermBytes bytes, MaxTerms at most. An entry is
	// found by the first 64 different ones of its messages.
	Terms []string
	// Delay is how long the entry may wait for more messages before it is due. 0: due at once.
	Delay time.Duration
}

// Bounds of what a store takes. They keep one entry from growing until it cannot be delivered any more.
const (
	MaxKeyBytes      = 255
	MaxBodyBytes     = 1 << 20
	MaxTermBytes     = 128
	MaxTerms         = 8
	MaxReceiptBytes  = 64 << 10
	MaxEntryMessages = 1000
	MaxEntryBytes    = 8 << 20
)

// Appended says what became of a message that was appended.
type Appended struct {
	// Duplicate: an equal message was there, nothing changed.
	Duplicate bool
}

// StoredMessage is a message as the store gives it back.
type StoredMessage struct {
	// Seq counts the messages of an entry from 1 in the order of their arrival.
	Seq uint64
	// At is when the message was appended, UTC.
	At   time.Time
	Body []byte
}

// Entry is all that is stored under one key. It is a copy: the caller may keep and change it.
type Entry struct {
	Key   string
	State State
	// Messages are in the order of their arrival. List leaves them out.
	Messages []StoredMessage
	// Receipt is what the deliverer left there, nil at first.
	Receipt []byte
	// Attempts is how many deliveries have failed since the entry was new, delivered, replayed, or revived by a message.
	Attempts int
	// Starts is how many deliveries have begun without being settled, this one included while it is in flight.
	Starts int
	// Interrupted says that an earlier delivery began and was never settled: its effect is in doubt.
	Interrupted bool
	// Created is when the first message arrived; Since is when the entry came to its state (for Pending and InFlight:
	// when the oldest message arrived that is not delivered yet). UTC.
	Created, Since time.Time
	// Due is when a pending entry may be claimed.
	Due time.Time
	// Reason says in one word why an entry is parked or waits, Error in a sentence. Both are shown to operators.
	Reason, Error string
}

// The reasons for which a store itself parks an entry.
const (
	// ReasonCrashed: its delivery began as often as a store allows, and the process died each time.
	ReasonCrashed = "crashed"
	// ReasonDamaged: one of its messages does not match its checksum.
	ReasonDamaged = "damaged"
)

// Verdict is what shall become of a claimed entry.
type Verdict uint8

// The verdicts.
const (
	// Deliver: done. New messages that came meanwhile make the entry pending again.
	VerdictDelivered Verdict = iota + 1
	// Retry: failed, an attempt is spent, due again at Due.
	VerdictRetry
	// Postpone: not tried to the end, no attempt is spent, due again at Due.
	VerdictPostpone
	// Park: set aside with Reason and Error.
	VerdictPark
	// Release: never begun. The entry is as it was before the claim: due when it was, in doubt if it was.
	VerdictRelease
)

// Settlement tells the store what became of one claimed entry.
type Settlement struct {
	Key     string
	Verdict Verdict
	// Due is when a retried or postponed entry is due again. Zero: at once.
	Due time.Time
	// Receipt replaces the stored one unless it is nil.
	Receipt []byte
	// Reason and Error are kept with a retried, postponed or parked entry.
	Reason, Error string
}

// Checkpoint makes a receipt durable while its key is in flight.
type Checkpoint struct {
	Key     string
	Receipt []byte
}

// Appender takes messages in. Safe for concurrent use.
type Appender interface {
	// Append makes all messages durable in one transaction, or none. ErrFull, ErrBusy, ErrClosed, ErrFailed: not
	// stored, try again later or not at all; ErrInvalid: a bound of Message was broken.
	Append(ctx context.Context, msgs ...Message) ([]Appended, error)
}

// Queue is what a relay needs. Safe for concurrent use.
type Queue interface {
	// Claim returns up to limit entries that are due, the oldest due first, and puts them in flight. Without a due entry
	// it returns none and the time at which the next one will be (zero: none is waiting).
	Claim(ctx context.Context, limit int) (entries []Entry, next time.Time, err error)
	// ClaimNewest is Claim from the other end: the newest due first. Without a due entry it returns none.
	ClaimNewest(ctx context.Context, limit int) (entries []Entry, err error)
	// Changed returns a channel that is closed when something may have become due earlier than Claim said. Take it
	// before Claim.
	Changed() <-chan struct{}
	// Settle ends the claims of all the named entries in one transaction, or in smaller ones on a disk that has no room
	// for one. ErrNotClaimed for a key that is not in flight; the others are settled all the same. An UnsettledError says
	// which are not, for want of room: only they may be settled again, the others may be in flight anew.
	Settle(ctx context.Context, settlements ...Settlement) error
	// Checkpoint stores receipts of entries in flight in one transaction.
	Checkpoint(ctx context.Context, checkpoints ...Checkpoint) error
}

// Filter chooses entries. Its zero value chooses all.
type Filter struct {
	State  State
	Reason string
	// Term chooses the entries of which a message carried it.
	Term string
	// From (inclusive) and To (exclusive) bound Since.
	From, To time.Time
	// After continues a listing: the cursor of the page before.
	After string
	// Limit is how many entries a page has at most; 0: 100.
	Limit int
}

// Page is one page of a listing, the longest-standing entry first; by term the entry that was made first.
type Page struct {
	Entries []Entry
	// Next is the cursor of the next page, empty on the last.
	Next string
}

// Inspector shows what is stored. Safe for concurrent use.
type Inspector interface {
	// Get returns one entry with its messages; ErrNotFound.
	Get(ctx context.Context, key string) (Entry, error)
	// List returns a page of entries without their messages. A page may be short or empty and still have a next one:
	// the work per page is bounded as well.
	List(ctx context.Context, f Filter) (Page, error)
	// Stats costs the same whatever is stored.
	Stats() Stats
}

// Stats are figures about a store. Counters count since the store was made, so that they add up across restarts:
// Entries = the sum of States + Discarded + Purged + SetAside.
type Stats struct {
	// States is how many entries are in each state.
	States map[State]int64
	// ParkedBy is how many entries are parked for each reason.
	ParkedBy map[string]int64
	// Entries, Messages and Duplicates count what was appended.
	Entries, Messages, Duplicates uint64
	// Discarded and Purged count entries that were removed.
	Discarded, Purged uint64
	// Damaged counts records that did not match their checksum when they were read; SetAside counts the entries among
	// them, which are in no state any more and stay in the file for Check to name.
	Damaged, SetAside uint64
	// OldestSince is the Since of the oldest entry of a state; a state without entries is missing.
	OldestSince map[State]time.Time
	// OldestDue is the earliest due time of a pending entry that is not in flight, zero without one.
	OldestDue time.Time
	// Rejected is how many bodies the quarantine holds, RejectedBytes how large they are together; Evicted counts those
	// that gave way to newer ones.
	Rejected, RejectedBytes int64
	Evicted                 uint64
	// FileBytes is the size of the file, UsedBytes the part of it in use, LimitBytes the most that may be used.
	FileBytes, UsedBytes, LimitBytes int64
}

// Operator changes what is stored, by hand. Safe for concurrent use.
type Operator interface {
	// Replay makes a parked or delivered entry pending and due now, its attempts forgotten. ErrNotFound, ErrClaimed.
	Replay(ctx context.Context, key string) error
	// Discard removes an entry for good. ErrNotFound, ErrClaimed.
	Discard(ctx context.Context, key string) error
	// Purge removes up to limit entries that were delivered before the given time, in one small transaction, and
	// reports how many. Fewer than limit: there are no more.
	Purge(ctx context.Context, before time.Time, limit int) (int, error)
}

// Rejected is a body that was refused and is kept for a human to look at.
type Rejected struct {
	// ID names it; the store chooses it.
	ID uint64
	// At is when it first came, UTC; LastAt when it last came.
	At, LastAt time.Time
	// Count is how often it came.
	Count int
	// Reason is one word, Error a sentence, ContentType as received and cut to 128 bytes.
	Reason, Error, ContentType string
	Body                       []byte
	// Truncated: only the first part of the body was kept.
	Truncated bool
}

// Quarantine keeps refused bodies, bounded in number and bytes: the oldest gives way. Safe for concurrent use.
type Quarantine interface {
	// Quarantine makes a refused body durable. Equal bodies are kept once and counted.
	Quarantine(ctx context.Context, r Rejected) error
	// Quarantined lists up to limit bodies with an ID above after, in the order of their arrival.
	Quarantined(ctx context.Context, after uint64, limit int) ([]Rejected, error)
}

// Keeper looks after the file. Safe for concurrent use.
type Keeper interface {
	// Backup writes a consistent copy of the whole store.
	Backup(ctx context.Context, w io.Writer) (int64, error)
	// Check verifies every record and every index against each other and calls report for each fault found.
	Check(ctx context.Context, report func(fault string)) error
}

// Store is all that an outbox offers. Users take the part they need.
type Store interface {
	Appender
	Queue
	Inspector
	Operator
	Quarantine
	Keeper
	io.Closer
}
