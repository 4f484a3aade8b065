package sandbox

import (
	"fmt"
	"hash/fnv"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
)

// Outcomes of a call as the pages show them; they are also the names of CSS classes.
const (
	outcomeAnswered = "answered"
	outcomeMissed   = "missed"
	outcomeRunning  = "running"
)

// outcome says what became of a call. A result or a status that names one decides; else the times do.
func outcome(c Call) string {
	for _, word := range []string{c.Result, c.Status} {
		switch strings.NewReplacer("_", "", "-", "", " ", "").Replace(strings.ToLower(word)) {
		case "missed", "noanswer", "busy", "failed", "cancelled", "canceled", "rejected", "voicemail":
			return outcomeMissed
		case "completed", "ended":
			if c.AnsweredAt.IsZero() && !positive(c.TalkSeconds) {
				return outcomeMissed
			}
			return outcomeAnswered
		}
	}
	switch {
	case c.EndedAt.IsZero() && c.HangupBy == "" && c.TotalSeconds == nil:
		return outcomeRunning
	case strings.EqualFold(c.Result, outcomeAnswered), !c.AnsweredAt.IsZero(), positive(c.TalkSeconds):
		return outcomeAnswered
	}
	return outcomeMissed
}

func positive(n *int64) bool { return n != nil && *n > 0 }

// callView is a call as the timeline shows it. Empty fields are left out there.
type callView struct {
	ID, CallID             string
	Direction, Icon        string
	Outcome, Word          string
	Clock, Stamp           string
	Talk, Ringing, Hold    string
	Agent, Owner, Hotline  string
	Extension, HungUp      string
	Title, Note, Phone     string
	Recording, BadLocation string
	Custom                 []pair
}

// pair is a name and its value.
type pair struct{ Name, Value string }

// day is the calls of one day, the newest first.
type day struct {
	Label, Date string
	Calls       []callView
}

// days groups calls, the newest first, by the day on which they began.
func (s *Server) days(calls []*Call) []day {
	var grouped []day
	for _, c := range calls {
		at := when(*c).In(s.options.Location)
		if date := at.Format(time.DateOnly); len(grouped) == 0 || grouped[len(grouped)-1].Date != date {
			grouped = append(grouped, day{Label: s.dayLabel(at), Date: date})
		}
		last := &grouped[len(grouped)-1]
		last.Calls = append(last.Calls, s.callView(*c))
	}
	return grouped
}

// dayLabel names the day of a time: Today, Yesterday, or its date.
func (s *Server) dayLabel(at time.Time) string {
	now := s.options.Now().In(s.options.Location)
	switch at.Format(time.DateOnly) {
	case now.Format(time.DateOnly):
		return "Today"
	case now.AddDate(0, 0, -1).Format(time.DateOnly):
		return "Yesterday"
	}
	return at.Format("Monday, 2 January 2006")
}

func (s *Server) callView(c Call) callView {
	at := when(c).In(s.options.Location)
	v := callView{
		ID: c.ID, CallID: c.CallID, Direction: "Call", Icon: "unknown", Outcome: outcome(c),
		Clock: at.Format("15:04:05"), Stamp: at.Format(time.RFC3339),
		Talk: spell(c.TalkSeconds), Hold: spell(c.HoldSeconds), Ringing: spell(ringing(c)),
		Agent: c.Agent, Owner: s.userName(c.Owner), Hotline: c.Hotline, Extension: c.Extension, HungUp: c.HangupBy,
		Title: c.Title, Note: c.Note, Phone: c.Phone,
	}
	if v.Outcome == outcomeMissed {
		v.Talk = ""
	}
	if v.Agent == "" {
		v.Agent, v.Owner = v.Owner, ""
	}
	switch c.Direction {
	case inbound:
		v.Direction, v.Icon = "Inbound call", inbound
	case outbound:
		v.Direction, v.Icon = "Outbound call", outbound
	}
	switch {
	case v.Outcome == outcomeAnswered:
		v.Word = "Answered"
	case v.Outcome == outcomeMissed:
		v.Word = "Missed"
	case c.AnsweredAt.IsZero():
		v.Word = "Ringing"
	default:
		v.Word = "In progress"
	}
	if isWebAddress(c.RecordingURL) {
		v.Recording = c.RecordingURL
	} else {
		v.BadLocation = c.RecordingURL
	}
	for name, value := range c.Custom {
		v.Custom = append(v.Custom, pair{name, fmt.Sprint(value)})
	}
	slices.SortFunc(v.Custom, func(a, b pair) int { return strings.Compare(a.Name, b.Name) })
	return v
}

// userName returns the name of a user, or the id where there is none.
func (s *Server) userName(id string) string {
	if u, found := s.store.user(id); found && u.Name != "" {
		return u.Name
	}
	return id
}

// ringing is how long a call rang: until it was answered, else until it ended; nil when nobody can say.
func ringing(c Call) *int64 {
	var n int64
	switch {
	case !c.StartedAt.IsZero() && !c.AnsweredAt.IsZero():
		n = int64(c.AnsweredAt.Sub(c.StartedAt) / time.Second)
	case c.TotalSeconds != nil && c.TalkSeconds != nil:
		n = *c.TotalSeconds - *c.TalkSeconds
	case c.TotalSeconds != nil && outcome(c) == outcomeMissed:
		n = *c.TotalSeconds
	default:
		return nil
	}
	if n < 0 {
		return nil
	}
	return &n
}

// spell writes seconds for a reader: "45 s", "2 min 5 s", "1 h 2 min"; empty for nil.
func spell(n *int64) string {
	switch {
	case n == nil:
		return ""
	case *n < 60:
		return fmt.Sprintf("%d s", *n)
	case *n < 3600 && *n%60 == 0:
		return fmt.Sprintf("%d min", *n/60)
	case *n < 3600:
		return fmt.Sprintf("%d min %d s", *n/60, *n%60)
	}
	return fmt.Sprintf("%d h %d min", *n/3600, *n%3600/60)
}

// isWebAddress reports whether a recording's address may be offered to a browser.
func isWebAddress(address string) bool {
	u, err := url.Parse(address)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

// ago says how long before now a time was, for a list.
func ago(at, now time.Time) string {
	d := now.Sub(at)
	switch {
	case d < time.Minute && d > -time.Minute:
		return "just now"
	case d < 0:
		return at.Format("2 Jan 2006, 15:04")
	case d < time.Hour:
		return fmt.Sprintf("%d min ago", int(d.Minutes()))
	case at.Format(time.DateOnly) == now.Format(time.DateOnly):
		return "today, " + at.Format("15:04")
	case at.Format(time.DateOnly) == now.AddDate(0, 0, -1).Format(time.DateOnly):
		return "yesterday, " + at.Format("15:04")
	}
	return at.Format("2 Jan 2006, 15:04")
}

// initials are the first letters of the first and the last word of a name; tone is its colour, one of eight.
func initials(name string) string {
	words := strings.FieldsFunc(name, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsMark(r) })
	if len(words) == 0 {
		return "#"
	}
	letters := string([]rune(words[0])[:1])
	if last := words[len(words)-1]; len(words) > 1 {
		letters += string([]rune(last)[:1])
	}
	return strings.ToUpper(letters)
}

func tone(id string) string {
	h := fnv.New32a()
	h.Write([]byte(id))
	return fmt.Sprintf("tone-%d", h.Sum32()%8)
}
