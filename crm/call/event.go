package call

import "time"

// Direction says who rang whom, seen from the call centre.
type Direction string

// The directions. Unknown is what an absent or unheard-of direction becomes.
const (
	DirectionUnknown Direction = ""
	Inbound          Direction = "inbound"
	Outbound         Direction = "outbound"
)

// Seconds is a whole number of seconds that may be absent: the zero value is "not said", which differs from 0 s.
type Seconds struct {
	N     int64
	Known bool
}

// KnownSeconds returns n seconds as a present value.
func KnownSeconds(n int64) Seconds { return Seconds{N: n, Known: true} }

// Duration returns the seconds as a duration, 0 when absent.
func (s Seconds) Duration() time.Duration { return time.Duration(s.N) * time.Second }

// Event is what one webhook says of a call. The zero value of a field means that the webhook did not say it. Events are
// comparable: two events that say the same are equal, provided that their times carry the same location.
type Event struct {
	// CallID is the identity of the call, opaque, never empty in a decoded event.
	CallID string
	// Type is the kind of event, lower case, "call" for calls. An empty type is a call as well.
	Type string
	// TransactionID correlates the call with records of the CRM; one to many, often empty.
	TransactionID string
	Direction     Direction
	// Status is the call centre's word for the state of the call, lower case, from an open set.
	Status string
	// CustomerNumber is the customer's number as received, whatever the direction.
	CustomerNumber string
	// Extension is the agent's extension as received.
	Extension string
	// Agent is the account name of the agent.
	Agent string
	// Hotline is the number of the call centre that was called or shown, as received.
	Hotline string
	// Start, Answer and End are when the call began, was answered and ended.
	Start, Answer, End time.Time
	// HangupBy says who ended the call: customer, agent, system or a word not known yet, lower case.
	HangupBy string
	// Total is the length of the whole call with ringing; Hold the part of it spent on hold.
	Total, Hold Seconds
	// RecordingURL is the address of the recording as received; it is a secret of the customer.
	RecordingURL string
	// ObjectID is the related object as received; the call centre does not explain it.
	ObjectID string
}

// IsCall reports whether the event is about a call at all: the type is "call" or was not said.
func (e Event) IsCall() bool { return e.Type == "" || e.Type == "call" }

// Ended reports whether the event saw the end of the call: its end time is there or, where the end time is missing or
// unreadable, who hung up or a total length is. The status does not tell: a running and an ended call may share it.
func (e Event) Ended() bool { return !e.End.IsZero() || e.HangupBy != "" || e.Total.N > 0 }

// Answered reports whether the event saw the call answered.
func (e Event) Answered() bool { return !e.Answer.IsZero() || e.Status == "answered" }

// Missed reports whether the event calls the call missed. That is further than a start and less than an answer: a call
// that one agent missed may be answered by the next.
func (e Event) Missed() bool { return e.Status == "missed" }

// progress orders events by how far the call had got.
func (e Event) progress() int {
	switch {
	case e.Ended():
		return 3
	case e.Answered():
		return 2
	case e.Missed():
		return 1
	default:
		return 0
	}
}
