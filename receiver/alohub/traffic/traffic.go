package traffic

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/crmsyncd/crmsyncd/crm/call"
)

// Kind is what an event tells.
type Kind string

// The kinds of events. A resend has the body of an earlier event of its call.
const (
	KindStarted   Kind = "started"
	KindAnswered  Kind = "answered"
	KindEnded     Kind = "ended"
	KindMissed    Kind = "missed"
	KindRecording Kind = "recording"
	KindResend    Kind = "resend"
)

// Event is one webhook.
type Event struct {
	// At is when it is to be sent, counted from the beginning of the schedule.
	At     time.Duration
	CallID string
	Kind   Kind
	// Final: with this event all has been said of the call; what still comes are resends.
	Final bool
	Body  []byte
}

// Truth is what must come out of the events of one call.
type Truth struct {
	CallID string
	// TransactionID is empty for calls that carry none.
	TransactionID string
	// Phone is the customer's number as it stands in the events.
	Phone string
	// Agent is the account of the agent, empty for a missed inbound call: nobody took it.
	Agent     string
	Direction call.Direction
	Result    call.Result
	// Total is the length of the call with ringing, Talk that of the conversation.
	Total, Talk time.Duration
	// RecordingURL is empty for calls without a recording.
	RecordingURL string
	// Known: the customer is one of the contacts, by transaction id or by number.
	Known bool
	// Contact is the index of the customer in Options.Contacts, -1 if not known.
	Contact int
}

// Options are the settings of a Generator.
type Options struct {
	// Seed decides on all that is drawn.
	Seed uint64
	// Start is the time at which the first call may begin.
	Start time.Time
	// Location is where the times within the bodies are. Nil: +07:00, Vietnam.
	Location *time.Location
	// Contacts are the customers whom the CRM knows. Empty: 40 of NewContacts with the same seed.
	Contacts []Contact
	// Agents are the people of the call centre. Empty: 8 of NewAgents with the same seed.
	Agents []Agent
	// Hotline is the number that customers call. Empty: "19001234".
	Hotline string
	// RecordingBase is scheme and host of the recordings' addresses. Empty: "https://media.example:1777".
	RecordingBase string
}

// Generator makes traffic. It holds no state between calls of its methods and is safe for concurrent use.
type Generator struct {
	seed          uint64
	start         time.Time
	contacts      []Contact
	agents        []Agent
	hotline       string
	recordingBase string
}

// New returns a generator. Contacts without a transaction id or a number, or with one that another contact has too,
// are an error: there would be no truth to tell.
func New(o Options) (*Generator, error) {
	g := &Generator{
		seed: o.Seed, start: o.Start, contacts: slices.Clone(o.Contacts), agents: slices.Clone(o.Agents),
		hotline: o.Hotline, recordingBase: strings.TrimRight(o.RecordingBase, "/"),
	}
	if o.Start.IsZero() {
		return nil, errors.New("make traffic: the start is missing")
	}
	if o.Location == nil {
		o.Location = time.FixedZone("+07", 7*60*60)
	}
	g.start = o.Start.In(o.Location).Truncate(time.Second)
	if len(g.contacts) == 0 {
		g.contacts = NewContacts(o.Seed, 40)
	}
	if len(g.agents) == 0 {
		g.agents = NewAgents(o.Seed, 8)
	}
	if g.hotline == "" {
		g.hotline = "19001234"
	}
	if g.recordingBase == "" {
		g.recordingBase = "https://media.example:1777"
	}
	if err := distinct(g.contacts); err != nil {
		return nil, fmt.Errorf("make traffic: %w", err)
	}
	return g, nil
}

// distinct returns an error unless each contact has a transaction id and a number of its own.
func distinct(contacts []Contact) error {
	seen := make(map[string]int)
	for i, c := range contacts {
		if c.TransactionID == "" || c.Phone == "" {
			return fmt.Errorf("contact %d has no transaction id or no number", i)
		}
		for _, value := range []string{"id " + c.TransactionID, "phone " + subscriber(c.Phone)} {
			if other, twice := seen[value]; twice {
				return fmt.Errorf("contacts %d and %d share a transaction id or a number", other, i)
			}
			seen[value] = i
		}
	}
	return nil
}

// source draws calls one after the other.
type source struct {
	*Generator
	random *rand.Rand
	cards  []card
	number int
	// taken are the numbers that no stranger may have.
	taken map[string]bool
}

func (g *Generator) source() *source {
	s := &source{Generator: g, random: newRandom(g.seed, 3), taken: make(map[string]bool)}
	s.number = s.random.IntN(callNumbers)
	s.forgetStrangers()
	return s
}

// forgetStrangers leaves only the contacts' numbers taken.
func (s *source) forgetStrangers() {
	clear(s.taken)
	for _, c := range s.contacts {
		s.taken[subscriber(c.Phone)] = true
	}
}

// draw returns the next card; the deck is shuffled anew when it is used up.
func (s *source) draw() card {
	if len(s.cards) == 0 {
		s.cards = deck()
		s.random.Shuffle(len(s.cards), func(i, j int) { s.cards[i], s.cards[j] = s.cards[j], s.cards[i] })
	}
	c := s.cards[0]
	s.cards = s.cards[1:]
	return c
}
