package crm

import (
	"context"
	"time"

	"github.com/crmsyncd/crmsyncd/crm/call"
)

// Adapter is what every CRM must offer. Its methods are called from several goroutines, take any number of items and
// return exactly one result for each, in the same order. They return soon after ctx ends.
type Adapter interface {
	Traits() Traits
	// Find looks records up. A record that does not carry the value it was looked up by is left out. Nothing found is
	// no error. When one value has more hits than the CRM returns at once, the result says Truncated.
	Find(ctx context.Context, lookups []Lookup) []Found
	// Write creates (LogID empty) or updates call logs, linked to their record and owned by their agent.
	Write(ctx context.Context, writes []Write) []Written
}

// Traits say what a CRM, as configured, is able to do.
type Traits struct {
	// Name is the type of the adapter, a metric label.
	Name string
	// Objects are the kinds of record that calls may belong to, in the order in which they are searched ("contact",
	// "lead"). Never empty, unless the CRM matches by itself.
	Objects []string
	// MatchesItself: the CRM finds the record on its own, nothing is looked up.
	MatchesItself bool
	// Upsert: Write with an empty LogID finds the log of the same call id by itself, so writing twice is harmless.
	Upsert bool
	// ByPhone: Find can look up by phone number.
	ByPhone bool
	// Immutable: a call log cannot be changed once it is written, so it is written when the call is complete.
	Immutable bool
	// WriteWhen is how far a call must have got before the CRM can take it: WriteEnded where nothing but a recording can
	// be added to a log later. Empty: WriteLive. Calls are written then, or later if Options.Write says so.
	WriteWhen WriteWhen
	// SearchLag bounds how long after a write the CRM's search may not show it yet, and so how long a write in doubt
	// rests before it is looked up. 0: a few seconds.
	SearchLag time.Duration
	// WriteBatch and FindBatch are how many items one request carries; 1 where the API knows no batches.
	WriteBatch, FindBatch int
}

// LogFinder is offered by adapters without an upsert key: it finds the call logs of calls whose write is in doubt.
type LogFinder interface {
	// FindLogs returns for each call the id of its log, empty when there is none.
	FindLogs(ctx context.Context, calls []call.Call) []LogFound
}

// UserFinder is offered by adapters that can look up the CRM's user for an agent.
type UserFinder interface {
	// FindUsers returns for each agent name the id of the CRM's user, empty when there is none.
	FindUsers(ctx context.Context, agents []string) []UserFound
}

// ContactCreator is offered by adapters that can create a record for an unknown caller.
type ContactCreator interface {
	// CreateContacts creates one record for each call and returns it.
	CreateContacts(ctx context.Context, calls []call.Call) []Found
}

// Checker is offered by adapters that can say what is missing for them to work.
type Checker interface {
	// Check reaches the CRM without changing anything and returns what it found, good and bad.
	Check(ctx context.Context) []Finding
}

// Finding is one line of a check.
type Finding struct {
	// Subject is what was checked ("credentials", "find contact by transaction id").
	Subject string
	// Err is nil when it is fine. Its text says what to do.
	Err error
	// Detail is a word on what was seen.
	Detail string
}

// Preparer is offered by adapters that can make what a CRM lacks for their configuration: fields, keys, permissions.
type Preparer interface {
	// Plan reaches the CRM without changing anything and returns what the configuration needs there, in the order in
	// which it is to be made, what is there already included.
	Plan(ctx context.Context) ([]Preparation, error)
	// Prepare makes one preparation that is neither Done nor Manual. Repeating it is harmless.
	Prepare(ctx context.Context, p Preparation) error
}

// Preparation is one thing that a CRM must have.
type Preparation struct {
	// Name identifies it among those of a plan ("contact.transaction_id"), Title says what it is in a line.
	Name, Title string
	// Done: it is there.
	Done bool
	// Manual is what a person must do, where the CRM's API cannot; empty: Prepare does it.
	Manual string
}

// Lookup asks for the records of one object that carry one value: a transactionID or, where that is empty, a number.
type Lookup struct {
	// Object is one of Traits.Objects.
	Object        string
	TransactionID string
	Phone         call.Number
}

// Record is a record of the CRM that a call may belong to.
type Record struct {
	Object string `json:"object"`
	ID     string `json:"id"`
	// Owner is the id of the user who owns the record; may be empty.
	Owner string `json:"owner,omitempty"`
	// TransactionID and Phones are what the record carries, as far as the look-up showed it.
	TransactionID string   `json:"-"`
	Phones        []string `json:"-"`
}

// Found is the result of one look-up.
type Found struct {
	Records []Record
	// Truncated: there are more hits than were returned.
	Truncated bool
	Err       error
}

// LogFound is the result of looking for one call log.
type LogFound struct {
	LogID string
	Err   error
}

// UserFound is the result of looking for one agent.
type UserFound struct {
	UserID string
	Err    error
}

// Write is one call log to write.
type Write struct {
	Call call.Call
	// Record is what the call belongs to; nil for an unlinked call.
	Record *Record
	// Owner is the CRM's user id of the agent; empty: the CRM's own default.
	Owner string
	// LogID names the log to update; empty: create it.
	LogID string
	// Progress is what an earlier Write of this call left, nil at first. Adapters that need several requests for a call
	// log keep there which of them are done.
	Progress []byte
}

// Written is the result of one write.
type Written struct {
	// LogID is the id of the call log. With an error of kind KindExists it is the id of the log that is there already.
	LogID string
	// Progress is kept for the next Write of this call, also when Err is set; nil leaves it as it was.
	Progress []byte
	Err      error
}
