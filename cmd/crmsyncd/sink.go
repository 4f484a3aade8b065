package main

import (
	"context"
	"errors"
	"time"

	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/outbox"
	"github.com/crmsyncd/crmsyncd/receiver"
)

// store is the part of an outbox that takes in what the receiver got.
type store interface {
	outbox.Appender
	outbox.Quarantine
}

// sink makes webhooks durable: it is where the words of the receiver become those of the outbox.
type sink struct {
	store store
	// hold is how long the first event of a call waits for the next ones.
	hold time.Duration
}

// Accept appends an event under its call.
func (s sink) Accept(ctx context.Context, e receiver.Accepted) (duplicate bool, err error) {
	appended, err := s.store.Append(ctx, outbox.Message{
		Key: e.Event.CallID, Body: e.Body, Identity: e.Identity, Terms: terms(e.Event), Delay: s.hold,
	})
	switch {
	case errors.Is(err, outbox.ErrEntryFull):
		return false, s.keepAside(ctx, e, err)
	case err != nil:
		return false, unavailable(err)
	}
	return appended[0].Duplicate, nil
}

// keepAside quarantines an event of a call that has more events than a call can have. The sender is told that it was
// taken: it was, and sending it again would not help.
func (s sink) keepAside(ctx context.Context, e receiver.Accepted, why error) error {
	return s.Quarantine(ctx, receiver.Refused{
		Reason: "too_many_events", Problem: "call " + e.Event.CallID + ": " + why.Error(), ContentType: "application/json",
		Body: e.Body,
	})
}

// Quarantine keeps a body that was refused.
func (s sink) Quarantine(ctx context.Context, r receiver.Refused) error {
	err := s.store.Quarantine(ctx, outbox.Rejected{
		Reason: r.Reason, Error: r.Problem, ContentType: r.ContentType, Body: r.Body, Truncated: r.Truncated,
	})
	if err != nil {
		return unavailable(err)
	}
	return nil
}

// terms returns what a call can be found by: transactionID, customer's number, agent. A term that is too long is cut:
// whoever searches cuts it as well.
func terms(e call.Event) []string {
	list := make([]string, 0, 3)
	add := func(prefix, value string) {
		if value != "" {
			term := prefix + value
			list = append(list, term[:min(len(term), outbox.MaxTermBytes)])
		}
	}
	add("transaction:", e.TransactionID)
	add("phone:", call.SearchDigits(e.CustomerNumber))
	add("agent:", e.Agent)
	return list
}

// unavailable tells the sender when to come again.
func unavailable(err error) error {
	u := receiver.Unavailable{Code: "unavailable", RetryAfter: 10 * time.Second, Err: err}
	switch {
	case errors.Is(err, outbox.ErrFull):
		u.Code, u.RetryAfter = "outbox_full", time.Minute
	case errors.Is(err, outbox.ErrBusy):
		u.Code, u.RetryAfter = "overloaded", time.Second
	case errors.Is(err, outbox.ErrClosed):
		u.Code, u.RetryAfter = "stopping", 5*time.Second
	}
	return u
}
