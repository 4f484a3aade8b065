package console

import (
	"fmt"
	"strings"
	"time"

	"github.com/crmsyncd/crmsyncd/outbox"
)

// What counts as late or full.
const (
	overdueAttention = time.Minute
	overdueProblem   = 10 * time.Minute
	ageAttention     = time.Hour
	ageProblem       = 6 * time.Hour
	fullAttention    = 80
)

// intake answers whether events can be taken.
func (c *console) intake(o *overview) answer {
	a := answer{
		Question: "Can we take events?", Level: good,
		Sentence: "Yes. Every event is on the disk before it is acknowledged.",
	}
	if err := c.Ready(); err != nil {
		a.Level, a.Detail = problem, err.Error()
		a.Sentence = "No. The call centre is told to send its events again later."
	} else if o.UsedPercent >= fullAttention {
		a.Level = attention
		a.Sentence = fmt.Sprintf("Yes, but the outbox is %d %% full. At 100 %% new events are refused.", o.UsedPercent)
	}
	return a
}

// delivery answers whether calls reach the CRM.
func (c *console) delivery(o *overview) answer {
	a := answer{Question: "Do they reach the CRM?", Level: good}
	if c.Target == nil {
		a.Level, a.Sentence = attention, "This process only takes events in. It does not deliver."
		return a
	}
	if pause := c.Target.Paused(); pause.Reason != "" {
		return c.rest(a, o, pause)
	}
	overdue := o.overdue()
	switch {
	case overdue >= overdueProblem:
		a.Level = problem
		a.Sentence = fmt.Sprintf("Hardly. Calls have been due for %s and are not delivered.", span(overdue))
	case overdue >= overdueAttention:
		a.Level = attention
		a.Sentence = fmt.Sprintf("Slowly. Calls have been due for %s.", span(overdue))
	case o.Stats.States[outbox.Pending]+o.Stats.States[outbox.InFlight] == 0:
		a.Sentence = "Yes. Nothing waits."
	default:
		a.Sentence = "Yes. Calls are delivered when they are due."
	}
	return a
}

// rest answers why nothing is delivered now.
func (c *console) rest(a answer, o *overview, pause outbox.Pause) answer {
	a.Level, a.Detail = problem, pause.Error
	at := c.clock(pause.Until)
	switch pause.Reason {
	case outbox.PauseAuth:
		a.Sentence = "No. The CRM refuses our credentials: give a new token. Next try at " + at + "."
	case outbox.PauseBreaker:
		a.Sentence = "No. The CRM failed several times in a row. Next try at " + at + "."
	case outbox.PauseThrottle:
		a.Level, a.Sentence = attention, "Not now. The CRM asked us to wait until "+at+"."
	case outbox.PauseQuota:
		a.Sentence = "No. Our quota of requests to the CRM is spent. Next try at " + at + "."
	case outbox.PauseOperator:
		a.Level, a.Sentence = attention, "No. Somebody paused delivery. It goes on when it is resumed."
	default:
		a.Sentence = fmt.Sprintf("No. Delivery rests (%s) until %s.", printable(pause.Reason), at)
	}
	if oldest := o.oldest(); !oldest.IsZero() {
		a.Sentence += " Calls have waited since " + c.clock(oldest) + "."
	}
	return a
}

// lateness answers how late the latest call is.
func (c *console) lateness(o *overview) answer {
	a := answer{Question: "How late are they?", Level: good}
	oldest := o.oldest()
	if oldest.IsZero() {
		a.Sentence = "Not at all. Every call is delivered or parked."
		return a
	}
	age := o.Now.Sub(oldest)
	a.Sentence = fmt.Sprintf("The call that waits longest came %s ago.", span(age))
	if due := o.Stats.OldestDue; due.After(o.Now) {
		a.Sentence += fmt.Sprintf(" The next delivery is due in %s.", span(due.Sub(o.Now)))
	}
	switch overdue := o.overdue(); {
	case overdue >= overdueProblem || age >= ageProblem:
		a.Level = problem
	case overdue >= overdueAttention || age >= ageAttention:
		a.Level = attention
	}
	return a
}

// toDo answers whether a person must act.
func (c *console) toDo(o *overview) answer {
	a := answer{Question: "Does anything need a person?", Level: good, Sentence: "No."}
	var matters []string
	if c.Target != nil && c.Target.Paused().Reason == outbox.PauseAuth {
		a.Level = problem
		matters = append(matters, "the CRM wants new credentials")
	}
	if n := o.Stats.States[outbox.Parked]; n > 0 {
		matters = append(matters, number(n)+plural(n, " call is parked", " calls are parked"))
	}
	if n := o.Stats.Rejected; n > 0 {
		matters = append(matters, number(n)+plural(n, " webhook was refused", " webhooks were refused"))
	}
	if len(matters) > 0 {
		if a.Level == good {
			a.Level = attention
		}
		a.Sentence = "Yes: " + strings.Join(matters, ", and ") + "."
	}
	return a
}

// overdue returns how long a call has been due without being delivered.
func (o *overview) overdue() time.Duration {
	if o.Stats.OldestDue.IsZero() {
		return 0
	}
	return max(0, o.Now.Sub(o.Stats.OldestDue))
}

// oldest returns since when the call has waited that has waited longest; zero: none waits.
func (o *overview) oldest() time.Time {
	pending, inFlight := o.Stats.OldestSince[outbox.Pending], o.Stats.OldestSince[outbox.InFlight]
	if pending.IsZero() || !inFlight.IsZero() && inFlight.Before(pending) {
		return inFlight
	}
	return pending
}
