package traffic

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"strconv"
	"time"

	"github.com/crmsyncd/crmsyncd/crm/call"
)

// callNumbers is how many calls of one second get ids of their own.
const callNumbers = 1_000_000

// maxTaken is how many numbers of strangers are remembered at most, so that a stream does not grow without end.
const maxTaken = 100_000

// made is a call with its events; At of the events is counted from the start of the call, in time of the call.
type made struct {
	truth  Truth
	events []Event
}

// webhook is the body of an event, in the order of Alohub's documents.
type webhook struct {
	CallID            string `json:"call_id"`
	CallStatus        string `json:"call_status"`
	Direction         string `json:"direction"`
	CallerNumber      string `json:"caller_number"`
	DestinationNumber string `json:"destination_number"`
	StartTime         string `json:"starttime"`
	AnswerTime        string `json:"answertime"`
	EndTime           string `json:"endtime"`
	HangupBy          string `json:"hangup_by"`
	Hotline           string `json:"hotline"`
	TotalDuration     string `json:"total_duration"`
	HoldingDuration   string `json:"holding_duration"`
	RecordingURL      string `json:"recording_url"`
	ObjectID          int    `json:"objectId"`
	TransactionID     string `json:"transactionID"`
	UserName          string `json:"userName"`
	EventType         string `json:"eventType"`

	start time.Time
}

// body returns the event as it is sent: without the escapes for HTML, which Alohub's samples do not have.
func (w webhook) body() []byte {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(w) // strings and an integer into memory cannot fail
	return bytes.TrimSpace(text.Bytes())
}

// call makes up the next call, which starts at the time given.
func (s *source) call(start time.Time) made {
	c := s.draw()
	start = start.Truncate(time.Second)
	w, truth := s.parties(c, start)
	ring := time.Duration(3+s.random.IntN(23)) * time.Second
	if !c.answered {
		return s.missed(c, w, truth, ring+10*time.Second)
	}
	return s.answered(c, w, truth, ring)
}

// parties decides who talks to whom, and returns what all events of the call say.
func (s *source) parties(c card, start time.Time) (webhook, Truth) {
	truth := Truth{CallID: s.callID(start), Direction: c.direction, Known: c.customer != byNothing, Contact: -1}
	if truth.Known {
		truth.Contact = s.random.IntN(len(s.contacts))
		truth.Phone = s.contacts[truth.Contact].Phone
	} else {
		truth.Phone = s.stranger()
	}
	switch {
	case c.customer == byTransaction:
		truth.TransactionID = s.contacts[truth.Contact].TransactionID
	case c.dialled:
		truth.TransactionID = "UNKNOWN_" + truth.CallID
	}
	w := webhook{
		CallID: truth.CallID, Direction: string(c.direction), CallerNumber: truth.Phone, StartTime: clock(start),
		ObjectID: 1, TransactionID: truth.TransactionID, EventType: "call", start: start,
	}
	if c.direction == call.Inbound {
		w.Hotline = s.hotline
	}
	if c.direction == call.Outbound || c.answered {
		agent := s.agents[s.random.IntN(len(s.agents))]
		truth.Agent, w.UserName, w.DestinationNumber = agent.UserName, agent.UserName, agent.Extension
	}
	return w, truth
}

// callID returns an id of Alohub's shape: the time of the start and a number.
func (s *source) callID(start time.Time) string {
	s.number = (s.number + 1) % callNumbers
	return fmt.Sprintf("%s%06d", start.Format("20060102150405"), s.number)
}

// stranger returns a number of nobody in the CRM.
func (s *source) stranger() string {
	if len(s.taken) > maxTaken {
		s.forgetStrangers()
	}
	return freshPhone(s.random, s.taken)
}

// missed makes the events of a call that rang for a time and was not answered.
func (s *source) missed(c card, w webhook, truth Truth, ring time.Duration) made {
	truth.Result, truth.Total = call.ResultMissed, ring
	m := made{truth: truth}
	if c.announced {
		m.add(w, KindStarted, "ringing", time.Second)
	}
	w.finish(ring, 0, []string{"customer", "system"}[s.random.IntN(2)])
	m.add(w, KindMissed, "missed", ring+time.Second)
	return s.resend(m, c.resent)
}

// answered makes the events of a call that rang for a time and was answered.
func (s *source) answered(c card, w webhook, truth Truth, ring time.Duration) made {
	talk := s.talk(c.length)
	truth.Result, truth.Talk, truth.Total = call.ResultAnswered, talk, ring+talk
	if c.recording != noRecording {
		truth.RecordingURL = s.recordingBase + "/IPCCMedia/MP3Export.do?url=" +
			url.QueryEscape(truth.CallID[:8]+"/"+truth.CallID+".mp3") + "&source=ipcc"
	}
	m := made{truth: truth}
	if c.announced {
		m.add(w, KindStarted, "ringing", time.Second)
	}
	w.AnswerTime = w.after(ring)
	end := truth.Total + time.Second
	if c.picked {
		at := ring + time.Second
		if c.swapped {
			at = end + 3*time.Second
		}
		m.add(w, KindAnswered, "answered", at)
	}
	hold := time.Duration(0)
	if s.random.IntN(5) == 0 {
		hold = talk / 10
	}
	w.finish(truth.Total, hold, []string{"customer", "agent"}[s.random.IntN(2)])
	if c.recording == withEnd {
		w.RecordingURL = truth.RecordingURL
	}
	m.add(w, KindEnded, "answered", end)
	if c.recording == afterEnd {
		w.RecordingURL = truth.RecordingURL
		m.add(w, KindRecording, "answered", end+time.Duration(20+s.random.IntN(70))*time.Second)
	}
	return s.resend(m, c.resent)
}

// talk returns how long a conversation takes: around two minutes with a long tail, or clearly less or more.
func (s *source) talk(l length) time.Duration {
	switch l {
	case short:
		return time.Duration(2+s.random.IntN(12)) * time.Second
	case long:
		return time.Duration(900+s.random.IntN(1500)) * time.Second
	default:
		seconds := 120 * math.Exp(0.6*s.random.NormFloat64())
		return time.Duration(min(max(seconds, 15), 890)) * time.Second
	}
}

// add adds an event that is sent at the time given.
func (m *made) add(w webhook, kind Kind, status string, at time.Duration) {
	w.CallStatus = status
	m.events = append(m.events, Event{At: at, CallID: w.CallID, Kind: kind, Body: w.body()})
}

// resend marks the final event and repeats the first n events, as a sender does that has missed an answer.
func (s *source) resend(m made, n int) made {
	final := 0
	for i, e := range m.events {
		if e.At >= m.events[final].At {
			final = i
		}
	}
	m.events[final].Final = true
	for _, e := range m.events[:min(n, len(m.events))] {
		e.At += time.Duration(2+s.random.IntN(30)) * time.Second
		e.Kind, e.Final = KindResend, false
		m.events = append(m.events, e)
	}
	return m
}

// finish fills in what the end of a call tells.
func (w *webhook) finish(total, hold time.Duration, by string) {
	w.EndTime = w.after(total)
	w.HangupBy = by
	w.TotalDuration = strconv.Itoa(int(total / time.Second))
	w.HoldingDuration = strconv.Itoa(int(hold / time.Second))
}

// after returns the time of the call's start plus d, as it stands in a body.
func (w *webhook) after(d time.Duration) string { return clock(w.start.Add(d)) }

// clock returns t as it stands in a body: local time without a zone.
func clock(t time.Time) string { return t.Format(time.DateTime) }
