package console

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/dustin/go-humanize"

	"github.com/crmsyncd/crmsyncd/outbox"
)

// stateWord returns a state as a reader sees it.
func stateWord(s outbox.State) string {
	switch s {
	case outbox.Pending:
		return "Waiting"
	case outbox.InFlight:
		return "Being delivered"
	case outbox.Delivered:
		return "Delivered"
	default:
		return "Parked"
	}
}

// waitSentences say why calls wait, by reason.
var waitSentences = map[string]string{
	"":             "Waiting for their delivery.",
	"transient":    "The CRM failed. They are tried again.",
	"in_doubt":     "The CRM's answer was lost. It is asked whether it has them, then they are tried again.",
	"throttled":    "The CRM asked us to wait.",
	"throttle":     "The CRM asked us to wait.",
	"quota":        "Our quota of requests to the CRM is spent.",
	"unauthorized": "The CRM refuses our credentials: give a new token.",
	"auth":         "The CRM refuses our credentials: give a new token.",
	"breaker":      "The CRM failed several times in a row. All deliveries rest.",
	"forbidden":    "The CRM denied the request. They are tried again.",
	"gone":         "Their record was deleted or merged. They are matched again.",
	"unmatched":    "No record of the CRM belongs to them yet. It is looked for again.",
	"running":      "The call has not ended yet.",
	"recording":    "The recording has not come yet.",
	"stopped":      "Their delivery was cut short when the process stopped.",
	"panic":        "The delivery crashed. They are tried again; please report it.",
}

// parkedSentences say why calls are parked and what to do, by reason.
var parkedSentences = map[string]string{
	"invalid":     "The CRM does not take them as they are. Correct what it names, then replay them.",
	"forbidden":   "The CRM denies us these calls. Check the rights of our user there, then replay them.",
	"unmatched":   "No record of the CRM belongs to them. Create or correct the record, then replay them.",
	"ambiguous":   "Several records of the CRM fit. Make clear which one is meant, then replay them.",
	"gone":        "Their record was deleted or merged in the CRM. Replay them to look again.",
	"exists":      "The CRM says that it has them already, but not where. Look them up there.",
	"undecodable": "Their events cannot be read. Look at one of them.",
	"receipt":     "The notes on their delivery grew too large. Please report it.",
	"gave_up":     "The CRM failed for too long. Replay them when it is well again.",
	"panic":       "The delivery crashed on them. Please report it.",
	"no_outcome":  "The delivery said nothing about them. Please report it.",
	"crashed":     "The process died several times while it delivered them. Please report it.",
	"damaged":     "Their record in the outbox is damaged. Check the outbox.",
}

// waitSentence says why calls wait.
func waitSentence(reason string) string {
	if sentence, ok := waitSentences[reason]; ok {
		return sentence
	}
	return "They wait with the reason “" + reason + "”."
}

// parkedSentence says why calls are parked and what to do.
func parkedSentence(reason string) string {
	if sentence, ok := parkedSentences[reason]; ok {
		return sentence
	}
	return "They were set aside with the reason “" + reason + "”."
}

// longest is how many characters of a text from outside are shown.
const longest = 400

// printable cuts a text from outside and makes visible what would not be seen in it: control characters, invalid bytes,
// and the invisible ones that turn the direction of writing or hide in a word.
func printable(text string) string {
	var b strings.Builder
	n := 0
	for _, r := range text {
		if n == longest {
			b.WriteRune('…')
			break
		}
		switch {
		case r == '\n' || r == '\t':
			r = ' '
		case !unicode.IsPrint(r):
			r = unicode.ReplacementChar
		}
		b.WriteRune(r)
		n++
	}
	return b.String()
}

// clock returns a time of day, with the date when it is not of today.
func (c *console) clock(t time.Time) string {
	if t.IsZero() {
		return "an unknown time"
	}
	local, now := t.In(c.Location), c.Now().In(c.Location)
	if local.Format(time.DateOnly) == now.Format(time.DateOnly) {
		return local.Format("15:04:05")
	}
	return local.Format("2006-01-02 15:04")
}

// zone returns the name of the time zone in which times are shown.
func (c *console) zone(t time.Time) string { return t.In(c.Location).Format("MST") }

// instant returns a time for machines.
func instant(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// span returns a duration in at most two units.
func span(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", max(0, int(d.Seconds())))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 24*time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	default:
		return fmt.Sprintf("%d d %d h", int(d.Hours())/24, int(d.Hours())%24)
	}
}

// number returns a count with separators between its thousands.
func number(n int64) string { return humanize.Comma(n) }

// size returns a number of bytes in a fitting unit.
func size(bytes int64) string { return humanize.IBytes(uint64(max(0, bytes))) }

// plural returns one of two forms.
func plural(n int64, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
