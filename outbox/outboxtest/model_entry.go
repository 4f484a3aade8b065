package outboxtest

import (
	"slices"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/crmsyncd/crmsyncd/outbox"
)

// modelEntry is what the model knows about an entry. Where the contract leaves something open it takes over what the
// store shows.
type modelEntry struct {
	state            outbox.State
	messages         []outbox.StoredMessage
	identities       []string
	dues             []time.Time // of each message on its own
	terms            []string
	receipt          string
	attempts, starts int
	interrupted      bool
	created, since   time.Time
	due              time.Time
	reason           string
	errorText        string
	// dueBefore and interruptedBefore are as they were before the claim.
	dueBefore         time.Time
	interruptedBefore bool
	// claimed is how many messages the claim got, delivered how many the last delivery covered.
	claimed, delivered int
	// dueUnknown: due by now, the store knows since when. attemptsUnknown, reasonUnknown: the store may forget them.
	dueUnknown, attemptsUnknown, reasonUnknown bool
}

// add takes a message; false: it is a repeat.
func (e *modelEntry) add(msg outbox.Message, now time.Time) bool {
	identity := string(identity(msg))
	if slices.Contains(e.identities, identity) {
		return false
	}
	due := now.Add(msg.Delay)
	e.identities = append(e.identities, identity)
	e.dues = append(e.dues, due)
	e.messages = append(e.messages, outbox.StoredMessage{
		Seq: uint64(len(e.messages) + 1), At: now, Body: slices.Clone(msg.Body),
	})
	e.terms = append(e.terms, msg.Terms...)
	switch e.state {
	case outbox.Pending:
		if due.Before(e.due) {
			e.due = due
		}
	case outbox.Delivered:
		e.revive(due, now)
	case outbox.Parked:
		e.revive(due, e.messages[e.delivered].At)
		e.attemptsUnknown, e.reasonUnknown = true, true
	}
	return true
}

// revive makes a delivered or parked entry pending.
func (e *modelEntry) revive(due, since time.Time) {
	e.interrupted = e.interrupted || e.starts > 0
	e.state, e.due, e.since = outbox.Pending, due, since
	e.attempts, e.starts = 0, 0
}

func (e *modelEntry) start() {
	e.state, e.claimed = outbox.InFlight, len(e.messages)
	e.dueBefore, e.interruptedBefore = e.due, e.interrupted
	e.interrupted = e.interrupted || e.starts > 0
	e.starts++
}

func (e *modelEntry) release() {
	e.state, e.due, e.interrupted = outbox.Pending, e.dueBefore, e.interruptedBefore
	e.starts--
	for _, due := range e.dues[e.claimed:] {
		if due.Before(e.due) {
			e.due = due
		}
	}
}

func (e *modelEntry) settle(s outbox.Settlement, now time.Time) {
	e.starts, e.interrupted = 0, false
	if s.Receipt != nil {
		e.receipt = string(s.Receipt)
	}
	e.reason, e.errorText = s.Reason, s.Error
	arrived := slices.Clone(e.dues[e.claimed:])
	slices.SortFunc(arrived, time.Time.Compare)
	switch s.Verdict {
	case outbox.VerdictDelivered:
		e.attempts, e.delivered, e.reason, e.errorText = 0, e.claimed, "", ""
		e.state, e.since = outbox.Delivered, now
		if len(arrived) > 0 {
			e.revive(arrived[0], e.messages[e.claimed].At)
		}
	case outbox.VerdictPark:
		if len(arrived) == 0 {
			e.state, e.since = outbox.Parked, now
			return
		}
		e.state, e.due = outbox.Pending, arrived[0]
		e.since = e.messages[e.delivered].At
		e.attemptsUnknown, e.reasonUnknown = true, true
	default:
		if s.Verdict == outbox.VerdictRetry {
			e.attempts++
		}
		e.state, e.due = outbox.Pending, s.Due.UTC()
		if e.due.Before(now) {
			e.due, e.dueUnknown = now, true
		}
		if len(arrived) > 0 && arrived[0].Before(e.due) {
			e.due = arrived[0]
		}
	}
}

// view is the entry as Get should show it.
func (e *modelEntry) view(key string) outbox.Entry {
	v := outbox.Entry{
		Key: key, State: e.state, Messages: slices.Clone(e.messages), Attempts: e.attempts, Starts: e.starts,
		Interrupted: e.interrupted, Created: e.created, Since: e.since, Due: e.due, Reason: e.reason, Error: e.errorText,
	}
	if e.receipt != "" {
		v.Receipt = []byte(e.receipt)
	}
	return normal(v)
}

// adopt takes over from the store what the contract leaves to it.
func (e *modelEntry) adopt(rt *rapid.T, stored outbox.Entry, now time.Time) {
	if e.dueUnknown {
		require.False(rt, stored.Due.After(now), "%s is due", stored.Key)
		e.due = stored.Due
	}
	if e.attemptsUnknown {
		require.Contains(rt, []int{0, e.attempts}, stored.Attempts)
		e.attempts = stored.Attempts
	}
	if e.reasonUnknown {
		e.reason, e.errorText = stored.Reason, stored.Error
	}
	if e.state != outbox.Pending {
		e.due = stored.Due // it has a meaning for pending entries only
	}
	if e.state == outbox.Parked && e.reason == outbox.ReasonCrashed {
		e.starts = stored.Starts
	}
	e.dueUnknown, e.attemptsUnknown, e.reasonUnknown = false, false, false
}

// normal makes no difference between nil and empty, of which the contract says nothing.
func normal(e outbox.Entry) outbox.Entry {
	if len(e.Receipt) == 0 {
		e.Receipt = nil
	}
	e.Messages = slices.Clone(e.Messages)
	for i := range e.Messages {
		if len(e.Messages[i].Body) == 0 {
			e.Messages[i].Body = nil
		}
	}
	if len(e.Messages) == 0 {
		e.Messages = nil
	}
	return e
}

// drawMessage draws a message of few different ones, so that keys, bodies and identities meet.
func drawMessage(rt *rapid.T) outbox.Message {
	msg := outbox.Message{
		Key:   rapid.SampledFrom(modelKeys()).Draw(rt, "key"),
		Body:  []byte(rapid.SampledFrom([]string{"", "1", "2", "3", "4", "5"}).Draw(rt, "body")),
		Terms: rapid.SliceOfN(rapid.SampledFrom(modelTerms()), 0, 2).Draw(rt, "terms"),
		Delay: pause(rt, "delay"),
	}
	if rapid.Bool().Draw(rt, "identified") {
		msg.Identity = []byte("id " + rapid.SampledFrom([]string{"1", "2", "3"}).Draw(rt, "identity"))
	}
	return msg
}
