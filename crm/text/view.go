package text

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/crmsyncd/crmsyncd/crm/call"
)

// View is what a template sees of a call. Strings are empty where the call does not say it.
type View struct {
	// CallID is the identity of the call, TransactionID what links it to records of the CRM.
	CallID, TransactionID string
	// Inbound and Outbound tell the direction; neither is set when the call centre did not say.
	Inbound, Outbound bool
	// Direction is the direction in words: "Cuộc gọi đến", "Inbound call".
	Direction string
	// Answered and Missed tell what became of the call, neither is set while it rings. Running: it has not ended.
	Answered, Missed, Running bool
	// Result is that in words: "Đã nghe máy", "Missed".
	Result string
	// Status is the call centre's own word for it.
	Status string
	// Customer is the customer's number as it is dialled here, or the words for a hidden one. CustomerE164 is its
	// international form, empty for hidden and internal numbers.
	Customer, CustomerE164 string
	// Hotline is the call centre's number.
	Hotline string
	// Agent is the account name of the agent, Extension the agent's telephone.
	Agent, Extension string
	// Start, Answer and End are date and time in words; StartTime, AnswerTime and EndTime the same for the function date.
	Start, Answer, End             string
	StartTime, AnswerTime, EndTime time.Time
	// Total is the length of the whole call with ringing, Talk that of the conversation, Hold the part of it on hold:
	// mm:ss, or h:mm:ss from an hour on. The numbers of seconds are 0 where the length is not known.
	Total, Talk, Hold                      string
	TotalSeconds, TalkSeconds, HoldSeconds int64
	// HangupBy says who ended the call in words.
	HangupBy string
	// RecordingURL is the address of the recording.
	RecordingURL string
}

// view returns a call as templates see it.
func (t *Text) view(c call.Call) View {
	v := View{
		CallID: clean(c.ID), TransactionID: clean(c.TransactionID), Status: clean(c.Status),
		Inbound: c.Direction == call.Inbound, Outbound: c.Direction == call.Outbound,
		Answered: c.Result == call.ResultAnswered, Missed: c.Result == call.ResultMissed,
		Running: c.State != call.Ended, Direction: t.words.direction[c.Direction], Result: t.words.result(c),
		Customer: t.customer(c.Customer), CustomerE164: clean(c.Customer.E164),
		Hotline: clean(c.Hotline), Agent: clean(c.Agent), Extension: clean(c.Extension),
		Start: t.moment(c.Start), Answer: t.moment(c.Answer), End: t.moment(c.End),
		StartTime: t.local(c.Start), AnswerTime: t.local(c.Answer), EndTime: t.local(c.End),
		Total: length(c.Total), Talk: length(c.Talk), Hold: length(c.Hold),
		TotalSeconds: c.Total.N, TalkSeconds: c.Talk.N, HoldSeconds: c.Hold.N,
		HangupBy: clean(c.HangupBy), RecordingURL: clean(c.RecordingURL),
	}
	if words, known := t.words.hangupBy[strings.ToLower(v.HangupBy)]; known {
		v.HangupBy = words
	}
	return v
}

// customer returns a number as a person here would dial it. One that came with a country code keeps it.
func (t *Text) customer(n call.Number) string {
	raw := clean(n.Raw)
	switch {
	case raw == "":
		return t.words.hidden
	case n.E164 == "":
		return raw
	case strings.HasPrefix(raw, "+") || strings.HasPrefix(raw, "00"):
		return clean(n.E164)
	default:
		return clean(n.National)
	}
}

// local returns a time in the call centre's zone; one that is not known stays so.
func (t *Text) local(at time.Time) time.Time {
	if at.IsZero() {
		return time.Time{}
	}
	return at.In(t.location)
}

// moment returns a time in words.
func (t *Text) moment(at time.Time) string { return date(t.words.layout, t.local(at)) }

// date formats a time, and makes nothing of one that is not known.
func date(layout string, at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.Format(layout)
}

// length returns seconds as mm:ss, h:mm:ss from an hour on; empty when they are not known.
func length(s call.Seconds) string {
	switch n := s.N; {
	case !s.Known || n < 0:
		return ""
	case n < 3600:
		return fmt.Sprintf("%02d:%02d", n/60, n%60)
	default:
		return fmt.Sprintf("%d:%02d:%02d", n/3600, n/60%60, n%60)
	}
}

// clean returns a value in one line of valid text: what would break the line or turn the direction of reading is gone.
func clean(value string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp):
			return ' '
		case unicode.Is(unicode.Bidi_Control, r):
			return -1
		default:
			return r
		}
	}, strings.ToValidUTF8(value, "\uFFFD")))
}
