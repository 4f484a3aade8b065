package explain

import (
	"fmt"
	"time"

	"github.com/crmsyncd/crmsyncd/crm/call"
)

// Event is one message of the entry.
type Event struct {
	Seq uint64    `json:"seq"`
	At  time.Time `json:"at"`
	// Type is the kind of event; only those of a call are written. Error: it cannot be read.
	Type   string `json:"type,omitempty"`
	IsCall bool   `json:"is_call"`
	Status string `json:"status,omitempty"`
	// Answered, Missed and Ended are what the event saw of the call.
	Answered bool   `json:"answered"`
	Missed   bool   `json:"missed"`
	Ended    bool   `json:"ended"`
	Error    string `json:"error,omitempty"`
}

// Call is what the events say together. Times are in Options.Location, zero where they are not known.
type Call struct {
	ID            string `json:"call_id"`
	TransactionID string `json:"transaction_id"`
	Direction     string `json:"direction"`
	// State and Result are what the call is decided by, StateWhy and ResultWhy say from what they were read.
	State     string `json:"state"`
	StateWhy  string `json:"state_why"`
	Result    string `json:"result"`
	ResultWhy string `json:"result_why"`
	Status    string `json:"status"`
	// Customer is the number as received, CustomerE164 its international form, empty where it has none.
	Customer     string    `json:"customer"`
	CustomerE164 string    `json:"customer_e164"`
	Hotline      string    `json:"hotline"`
	Extension    string    `json:"extension"`
	Agent        string    `json:"agent"`
	Start        time.Time `json:"start,omitzero"`
	Answer       time.Time `json:"answer,omitzero"`
	End          time.Time `json:"end,omitzero"`
	HangupBy     string    `json:"hangup_by"`
	// TotalSeconds, HoldSeconds and TalkSeconds are nil where the call centre did not say.
	TotalSeconds *int64 `json:"total_seconds"`
	HoldSeconds  *int64 `json:"hold_seconds"`
	TalkSeconds  *int64 `json:"talk_seconds"`
	Recording    string `json:"recording"`
	ObjectID     string `json:"object_id"`
}

// events returns the messages of the entry.
func (x *explainer) events() []Event {
	events := []Event{}
	for _, d := range x.decoded {
		e := Event{Seq: d.Seq, At: d.At.In(x.Location), Error: x.describeError(d.err)}
		if d.err == nil {
			e.Type, e.IsCall, e.Status = d.event.Type, d.event.IsCall(), x.mask.text(d.event.Status)
			e.Answered, e.Missed, e.Ended = d.event.Answered(), d.event.Missed(), d.event.Ended()
		}
		events = append(events, e)
	}
	return events
}

// call returns the merged call, nil where no event is about one.
func (x *explainer) call() *Call {
	c := x.merged
	if c == (call.Call{}) {
		return nil
	}
	text := x.mask.text
	view := &Call{
		ID: c.ID, TransactionID: text(c.TransactionID), Direction: string(c.Direction), State: string(c.State),
		Result: string(c.Result), Status: text(c.Status), Customer: x.mask.number(call.Number{Raw: c.Customer.Raw}),
		Hotline: text(c.Hotline), Extension: text(c.Extension), Agent: text(c.Agent), HangupBy: text(c.HangupBy),
		TotalSeconds: known(c.Total), HoldSeconds: known(c.Hold), TalkSeconds: known(c.Talk),
		Recording: text(c.RecordingURL), ObjectID: text(c.ObjectID),
	}
	if c.Customer.E164 != "" {
		view.CustomerE164 = x.mask.number(call.Number{Raw: c.Customer.E164})
	}
	for of, at := range map[*time.Time]time.Time{&view.Start: c.Start, &view.Answer: c.Answer, &view.End: c.End} {
		if !at.IsZero() {
			*of = at.In(x.Location)
		}
	}
	view.StateWhy, view.ResultWhy = x.why()
	return view
}

// known returns a number of seconds, nil where it was not said.
func known(s call.Seconds) *int64 {
	if !s.Known {
		return nil
	}
	return &s.N
}

// why says from what state and result were read.
func (x *explainer) why() (state, result string) {
	first := func(saw func(call.Event) bool, what func(call.Event) string) string {
		for _, d := range x.decoded {
			if d.err == nil && d.event.IsCall() && saw(d.event) {
				return fmt.Sprintf("event %d %s", d.Seq, what(d.event))
			}
		}
		return ""
	}
	answered := first(call.Event.Answered, answeredBy)
	switch x.merged.State {
	case call.Ended:
		state = first(call.Event.Ended, endedBy)
	case call.Answered:
		state = answered + ", none has the end"
	default:
		state = "no event has an answer or the end"
	}
	switch x.merged.Result {
	case call.ResultAnswered:
		result = answered
	case call.ResultMissed:
		if result = first(call.Event.Missed, func(call.Event) string { return "calls it missed" }); result == "" {
			result = "it has ended and no event has an answer"
		}
	default:
		result = "none yet, the call still runs"
	}
	return state, result
}

// endedBy says by what an event is known to have seen the end.
func endedBy(e call.Event) string {
	switch {
	case !e.End.IsZero():
		return "has the time of the end"
	case e.HangupBy != "":
		return "says who hung up"
	default:
		return "has a total length"
	}
}

// answeredBy says by what an event is known to have seen the answer.
func answeredBy(e call.Event) string {
	if !e.Answer.IsZero() {
		return "has the time of the answer"
	}
	return "has the status answered"
}
