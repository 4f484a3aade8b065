package call

import (
	"slices"
	"time"
)

// State says how far a call has got.
type State string

// The states of a call, in their order.
const (
	Started  State = "started"
	Answered State = "answered"
	Ended    State = "ended"
)

// Result says what became of a call.
type Result string

// The results of a call. An ended call that nobody answered is missed; a call that still runs has no result yet.
const (
	ResultNone     Result = ""
	ResultAnswered Result = "answered"
	ResultMissed   Result = "missed"
)

// Call is what all events of one call say together. It is derived: the events are the truth. Fields mean what they
// mean in Event.
type Call struct {
	ID            string
	TransactionID string
	Direction     Direction
	State         State
	Result        Result
	// Status is the call centre's own word, for a reader who wants to know; State and Result are what to decide by.
	Status   string
	Customer Number
	Hotline  string
	// Extension and Agent are those of the last agent who had the call.
	Extension          string
	Agent              string
	Start, Answer, End time.Time
	HangupBy           string
	// Total is the whole call with ringing, Hold the time on hold, Talk the time from answer to end (derived).
	Total, Hold, Talk Seconds
	RecordingURL      string
	ObjectID          string
}

// Merge folds the events of one call, given in the order of their arrival, into the call they describe. Events that are
// not about a call (IsCall) and exact repeats are passed over; region is the region in which numbers without a country
// code are read ("VN"). The result for no events is the zero Call.
func Merge(region string, events ...Event) Call {
	distinct := make([]Event, 0, len(events))
	for _, e := range events {
		if e.IsCall() && !slices.Contains(distinct, e) {
			distinct = append(distinct, e)
		}
	}
	if len(distinct) == 0 {
		return Call{}
	}
	slices.SortStableFunc(distinct, func(a, b Event) int { return a.progress() - b.progress() })
	all := distinct[0]
	for _, e := range distinct[1:] {
		all = overlay(all, e)
	}
	c := all.call(region)
	c.State, c.Result = outcome(distinct)
	return c
}

// outcome says how far the call got and what became of it, by all events together: what one of them saw has happened,
// whatever words the others use. An end event with a status of its own does not make an answered call a missed one.
func outcome(events []Event) (State, Result) {
	ended := slices.ContainsFunc(events, Event.Ended)
	answered := slices.ContainsFunc(events, Event.Answered)
	missed := slices.ContainsFunc(events, Event.Missed)
	state, result := Started, ResultNone
	switch {
	case ended:
		state = Ended
	case answered:
		state = Answered
	}
	switch {
	case answered:
		result = ResultAnswered
	case ended || missed:
		result = ResultMissed
	}
	return state, result
}

// overlay returns what both events say, where they differ what later says.
func overlay(earlier, later Event) Event {
	return Event{
		CallID:         filled(later.CallID, earlier.CallID),
		Type:           filled(later.Type, earlier.Type),
		TransactionID:  filled(later.TransactionID, earlier.TransactionID),
		Direction:      filled(later.Direction, earlier.Direction),
		Status:         filled(later.Status, earlier.Status),
		CustomerNumber: filled(later.CustomerNumber, earlier.CustomerNumber),
		Extension:      filled(later.Extension, earlier.Extension),
		Agent:          filled(later.Agent, earlier.Agent),
		Hotline:        filled(later.Hotline, earlier.Hotline),
		Start:          filled(later.Start, earlier.Start),
		Answer:         filled(later.Answer, earlier.Answer),
		End:            filled(later.End, earlier.End),
		HangupBy:       filled(later.HangupBy, earlier.HangupBy),
		Total:          filled(later.Total, earlier.Total),
		Hold:           filled(later.Hold, earlier.Hold),
		RecordingURL:   filled(later.RecordingURL, earlier.RecordingURL),
		ObjectID:       filled(later.ObjectID, earlier.ObjectID),
	}
}

// filled returns a, or b where a is absent.
func filled[T comparable](a, b T) T {
	var absent T
	if a != absent {
		return a
	}
	return b
}

// call turns what the events say together into a call; State and Result are left to outcome.
func (e Event) call(region string) Call {
	c := Call{
		ID: e.CallID, TransactionID: e.TransactionID, Direction: e.Direction, Status: e.Status,
		Customer: ParseNumber(e.CustomerNumber, region), Hotline: e.Hotline, Extension: e.Extension, Agent: e.Agent,
		Start: e.Start, Answer: e.Answer, End: e.End, HangupBy: e.HangupBy, Total: e.Total, Hold: e.Hold,
		RecordingURL: e.RecordingURL, ObjectID: e.ObjectID,
	}
	if !c.Answer.IsZero() && !c.End.IsZero() && !c.End.Before(c.Answer) {
		c.Talk = KnownSeconds(int64(c.End.Sub(c.Answer) / time.Second))
	}
	return c
}
