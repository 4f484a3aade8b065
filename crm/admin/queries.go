package admin

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/outbox"
)

// Queries show the entries of an outbox as calls. They are safe for concurrent use.
type Queries struct {
	store  Store
	decode func(body []byte) (call.Event, error)
	region string
}

// NewQueries returns queries over store. decode reads one stored body, region is where numbers without a country code
// belong to.
func NewQueries(store Store, decode func(body []byte) (call.Event, error), region string) *Queries {
	return &Queries{store: store, decode: decode, region: region}
}

// Numbers says how the customer's number is shown.
type Numbers uint8

// The ways to show a customer's number.
const (
	// Masked hides all but the last two digits.
	Masked Numbers = iota
	// Full hides nothing.
	Full
)

// Call is an entry of the outbox, seen as the call it is about.
type Call struct {
	ID string `json:"call_id"`
	// State is the state of the entry: pending, in_flight, delivered or parked.
	State string `json:"state"`
	// Reason is one word on why it is parked or waits, Error a sentence.
	Reason string `json:"reason,omitempty"`
	Error  string `json:"error,omitempty"`
	// Attempts is how many deliveries have failed; Interrupted: one began and never ended, its effect is in doubt.
	Attempts    int  `json:"attempts"`
	Interrupted bool `json:"interrupted,omitempty"`
	// Created is when the first event arrived, Since when the call came to its state, Due when it is delivered next.
	Created time.Time `json:"created,omitzero"`
	Since   time.Time `json:"since,omitzero"`
	Due     time.Time `json:"due,omitzero"`
	// Call is what the events say together; nil when none of them can be read.
	Call *Summary `json:"call"`
	// Events is how many events are stored, Unreadable how many of them cannot be decoded.
	Events     int `json:"events"`
	Unreadable int `json:"unreadable,omitempty"`
	// Receipt is what the delivery left, where it is JSON; ReceiptBytes is it where it is not. Only in the view of one
	// call.
	Receipt      json.RawMessage `json:"receipt,omitempty"`
	ReceiptBytes []byte          `json:"receipt_bytes,omitempty"`
	// Messages are the events as they came, numbers and recordings in full. Only in the view of one call.
	Messages []Message `json:"messages,omitempty"`
}

// Message is an event as it came.
type Message struct {
	// Seq counts the events of a call from 1 in the order of their arrival.
	Seq uint64    `json:"seq"`
	At  time.Time `json:"at"`
	// Body is base64 in JSON.
	Body []byte `json:"body"`
}

// Summary is what the events of a call say together. The address of the recording is left out: it is a secret.
type Summary struct {
	TransactionID string    `json:"transaction_id,omitempty"`
	Direction     string    `json:"direction,omitempty"`
	State         string    `json:"state"`
	Result        string    `json:"result,omitempty"`
	Status        string    `json:"status,omitempty"`
	Customer      string    `json:"customer,omitempty"`
	Hotline       string    `json:"hotline,omitempty"`
	Extension     string    `json:"extension,omitempty"`
	Agent         string    `json:"agent,omitempty"`
	Start         time.Time `json:"start,omitzero"`
	Answer        time.Time `json:"answer,omitzero"`
	End           time.Time `json:"end,omitzero"`
	HangupBy      string    `json:"hangup_by,omitempty"`
	// TotalSeconds, HoldSeconds and TalkSeconds are nil where the call centre did not say.
	TotalSeconds *int64 `json:"total_seconds,omitempty"`
	HoldSeconds  *int64 `json:"hold_seconds,omitempty"`
	TalkSeconds  *int64 `json:"talk_seconds,omitempty"`
	Recording    bool   `json:"recording"`
	ObjectID     string `json:"object_id,omitempty"`
}

// Calls is one page of calls.
type Calls struct {
	Calls []Call
	// Next is the cursor of the next page, empty on the last.
	Next string
}

// Calls returns a page of calls, the longest-standing first. Every call of the page is read in full, so keep the limit
// of the filter small. A page may be short or empty and still have a next one. A call whose record is damaged is shown
// without its events, and with that as its error.
func (q *Queries) Calls(ctx context.Context, f outbox.Filter, numbers Numbers) (Calls, error) {
	page, err := q.store.List(ctx, f)
	if err != nil {
		return Calls{}, err
	}
	calls := Calls{Calls: make([]Call, 0, len(page.Entries)), Next: page.Next}
	for _, listed := range page.Entries {
		entry, err := q.store.Get(ctx, listed.Key)
		if errors.Is(err, outbox.ErrNotFound) {
			continue // it was removed meanwhile
		}
		if errors.Is(err, outbox.ErrCorrupt) {
			entry, err = listed, nil // one damaged record must not hide the others
			entry.Error = outbox.ErrCorrupt.Error()
		}
		if err != nil {
			return Calls{}, err
		}
		calls.Calls = append(calls.Calls, q.view(entry, numbers))
	}
	return calls, nil
}

// Call returns one call with its receipt and its events as they came; outbox.ErrNotFound.
func (q *Queries) Call(ctx context.Context, id string, numbers Numbers) (Call, error) {
	entry, err := q.store.Get(ctx, id)
	if err != nil {
		return Call{}, err
	}
	view := q.view(entry, numbers)
	for _, m := range entry.Messages {
		view.Messages = append(view.Messages, Message{Seq: m.Seq, At: m.At.UTC(), Body: m.Body})
	}
	if json.Valid(entry.Receipt) {
		view.Receipt = entry.Receipt
	} else {
		view.ReceiptBytes = entry.Receipt
	}
	return view, nil
}

// view turns an entry into the call it is about.
func (q *Queries) view(e outbox.Entry, numbers Numbers) Call {
	view := Call{
		ID: e.Key, State: e.State.String(), Reason: e.Reason, Error: e.Error, Attempts: e.Attempts,
		Interrupted: e.Interrupted, Created: e.Created.UTC(), Since: e.Since.UTC(), Events: len(e.Messages),
	}
	if e.State == outbox.Pending {
		view.Due = e.Due.UTC()
	}
	events := make([]call.Event, 0, len(e.Messages))
	for _, message := range e.Messages {
		event, err := q.decode(message.Body)
		if err != nil {
			view.Unreadable++
			continue
		}
		events = append(events, event)
	}
	if merged := call.Merge(q.region, events...); merged != (call.Call{}) {
		view.Call = summarize(merged, numbers)
	}
	return view
}

// summarize leaves out of a call what is not for every eye.
func summarize(c call.Call, numbers Numbers) *Summary {
	customer := c.Customer.Masked()
	if numbers == Full {
		customer = c.Customer.String()
	}
	return &Summary{
		TransactionID: c.TransactionID, Direction: string(c.Direction), State: string(c.State),
		Result: string(c.Result), Status: c.Status, Customer: customer, Hotline: c.Hotline, Extension: c.Extension,
		Agent: c.Agent, Start: c.Start.UTC(), Answer: c.Answer.UTC(), End: c.End.UTC(), HangupBy: c.HangupBy,
		TotalSeconds: known(c.Total), HoldSeconds: known(c.Hold), TalkSeconds: known(c.Talk),
		Recording: c.RecordingURL != "", ObjectID: c.ObjectID,
	}
}

// known returns the number of seconds, nil where it was not said.
func known(s call.Seconds) *int64 {
	if !s.Known {
		return nil
	}
	return &s.N
}
