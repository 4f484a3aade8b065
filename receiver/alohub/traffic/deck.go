package traffic

import "github.com/crmsyncd/crmsyncd/crm/call"

// knownBy says how the CRM can know the customer of a call.
type knownBy int

const (
	byTransaction knownBy = iota // by the transaction id of a contact
	byPhone                      // by the number of a contact, without a transaction id
	byNothing                    // a stranger
)

// recorded says how a recording is announced.
type recorded int

const (
	noRecording recorded = iota
	withEnd              // in the event at the end
	afterEnd             // in an event of its own, later
)

// card is one case of the deck: what happens, but not to whom, when and for how long.
type card struct {
	direction call.Direction
	answered  bool
	customer  knownBy
	recording recorded
	// announced: there is an event when the call starts; picked: there is one when it is answered.
	announced, picked bool
	// swapped: the event of the answer arrives after the one of the end.
	swapped bool
	// resent is how many of the call's events arrive twice, the first ones first.
	resent int
	// dialled: a stranger's call carries a transaction id that the CRM does not know.
	dialled bool
	length  length
}

// length is the kind of conversation.
type length int

const (
	usual length = iota
	short
	long
)

// deck returns the cases in the proportions of a call centre that calls its customers more than it is called.
func deck() []card {
	const in, out = call.Inbound, call.Outbound
	return []card{
		{direction: out, answered: true, picked: true, recording: withEnd},
		{direction: out, answered: true, picked: true, recording: withEnd, announced: true},
		{direction: out, answered: true, picked: true, recording: withEnd, length: short},
		{direction: out, answered: true, picked: true, recording: withEnd, length: long},
		{direction: out, answered: true, picked: true, recording: withEnd, resent: 2},
		{direction: out, answered: true, picked: true, recording: withEnd, swapped: true},
		{direction: out, answered: true, picked: true, recording: afterEnd},
		{direction: out, answered: true, picked: true, recording: afterEnd, announced: true, swapped: true, resent: 3},
		{direction: out, answered: true, recording: withEnd},
		{direction: out, answered: true, picked: true, length: short},
		{direction: out, answered: true, picked: true, recording: withEnd, customer: byNothing, dialled: true},
		{direction: out},
		{direction: out, announced: true, resent: 1},
		{direction: out, customer: byNothing, dialled: true},
		{direction: in, answered: true, picked: true, recording: withEnd, customer: byPhone, announced: true},
		{direction: in, answered: true, picked: true, recording: afterEnd, customer: byPhone, length: long},
		{direction: in, answered: true, recording: withEnd, customer: byPhone, resent: 1},
		{direction: in, answered: true, picked: true, recording: withEnd, customer: byNothing},
		{direction: in, customer: byPhone},
		{direction: in, customer: byNothing, announced: true},
	}
}
