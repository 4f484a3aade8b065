package main

import (
	"bufio"
	"fmt"
	"strings"
	"time"

	"github.com/crmsyncd/crmsyncd/crm/explain"
	"github.com/crmsyncd/crmsyncd/outbox"
)

func (p *program) printExplanation(e explanation, l located, x *explain.Explanation) error {
	out := printout{bufio.NewWriter(p.out)}
	out.line("call %s, from %s", quoted(x.CallID), quoted(l.name))
	for _, event := range x.Events {
		out.line("  event %d %s", event.Seq, eventWords(event, l.place != fromFile))
	}
	out.understood(x.Call, e.location)
	out.when(e, l, x)
	for _, step := range x.Steps {
		out.match(step, len(x.Steps) > 1, x.Steps[0].At)
	}
	out.heading("agent")
	last := x.Steps[len(x.Steps)-1]
	for _, u := range last.Users {
		out.line("  %s in the CRM: %s", quoted(u.Agent), userWords(u))
	}
	switch {
	case x.Agent.Owner != "":
		out.line("  the log is given to user %s: %s", quoted(x.Agent.Owner), x.Agent.Why)
	case x.Agent.Source != "":
		out.line("  the log is given to nobody: %s", x.Agent.Why)
	default:
		out.line("  %s", x.Agent.Why)
	}
	out.requests(last)
	return out.w.Flush()
}

// eventWords says what an event saw.
func eventWords(e explain.Event, stored bool) string {
	arrived := ""
	if stored {
		arrived = " arrived " + stamp(e.At)
	}
	var saw []string
	for _, s := range []struct {
		is   bool
		word string
	}{{e.Answered, "answered"}, {e.Missed, "missed"}, {e.Ended, "ended"}} {
		if s.is {
			saw = append(saw, s.word)
		}
	}
	switch {
	case e.Error != "":
		return strings.TrimSpace(arrived + " cannot be read: " + e.Error)
	case !e.IsCall:
		return strings.TrimSpace(arrived + " is of type " + quoted(e.Type) + ", not about a call")
	case len(saw) == 0:
		saw = []string{"neither an answer nor the end"}
	}
	if e.Status != "" {
		arrived += " status " + quoted(e.Status) + ","
	}
	return strings.TrimSpace(arrived + " saw " + strings.Join(saw, ", "))
}

func userWords(u explain.User) string {
	switch {
	case u.Error != "":
		return u.Error
	case u.Assumed:
		return "user " + quoted(u.UserID) + ", assumed: nothing was asked"
	case u.UserID == "":
		return "no user"
	default:
		return "user " + quoted(u.UserID)
	}
}

// field prints a field that was said.
func (p printout) field(name, value string) {
	if value != "" {
		p.line("  %-15s %s", name, value)
	}
}

// said is a text that came in from outside, empty where nothing was said.
func said(text string) string {
	if text == "" {
		return ""
	}
	return quoted(text)
}

// seconds is a length, empty where it was not said.
func seconds(n *int64) string {
	if n == nil {
		return ""
	}
	return fmt.Sprintf("%d s", *n)
}

// understood prints the merged call, every field that was said.
func (p printout) understood(c *explain.Call, location *time.Location) {
	if c == nil {
		p.heading("understood")
		p.line("  nothing: no event that can be read is about a call")
		return
	}
	p.heading("understood (times in %s)", location)
	p.field("state", c.State+": "+c.StateWhy)
	p.field("result", strings.TrimPrefix(c.Result+": "+c.ResultWhy, ": "))
	p.field("direction", c.Direction)
	p.field("status", said(c.Status))
	p.field("transaction id", said(c.TransactionID))
	p.field("customer", said(c.Customer))
	p.field("international", said(c.CustomerE164))
	p.field("agent", said(c.Agent))
	p.field("extension", said(c.Extension))
	p.field("hotline", said(c.Hotline))
	p.field("start", stamp(c.Start))
	p.field("answer", stamp(c.Answer))
	p.field("end", stamp(c.End))
	p.field("hung up by", said(c.HangupBy))
	p.field("total", seconds(c.TotalSeconds))
	p.field("talk", seconds(c.TalkSeconds))
	p.field("hold", seconds(c.HoldSeconds))
	p.field("recording", said(c.Recording))
	p.field("object id", said(c.ObjectID))
}

// when prints what happens at which time.
func (p printout) when(e explanation, l located, x *explain.Explanation) {
	p.heading("when")
	switch entry := l.entry; {
	case l.place == fromFile:
		p.line("  it is held for %s after it arrived, for further events of the call (delivery.hold)", e.cfg.Delivery.Hold)
	case entry.State == outbox.Parked:
		p.line("  it is parked (%s) since %s: %s", entry.Reason, stamp(entry.Since.In(e.location)), entry.Error)
		p.line("  nothing is sent until another event comes or it is replayed; a replay now would do this:")
	case entry.State == outbox.Delivered:
		p.line("  it is delivered since %s; a replay now would do this:", stamp(entry.Since.In(e.location)))
	default:
		p.line("  it is %s since %s, attempts: %d, due %s", strings.ReplaceAll(entry.State.String(), "_", " "),
			stamp(entry.Since.In(e.location)), entry.Attempts, stamp(entry.Due.In(e.location)))
		if entry.Error != "" {
			p.line("  last time: %s (%s)", entry.Error, entry.Reason)
		}
	}
	for i, step := range x.Steps {
		label := "then"
		if i > 0 {
			label = fmt.Sprintf("%s later, if nothing changes", elapsed(step.At.Sub(x.Steps[0].At)))
		}
		p.line("  %s: %s", label, outcomeWords(step))
	}
	if c := x.Call; c != nil && x.Steps[len(x.Steps)-1].Outcome.Kind == outbox.Done.String() {
		p.line("  delivery.write is %s; events that come later are written into the same log", e.cfg.Delivery.Write)
	}
}

// elapsed returns a duration for people.
func elapsed(d time.Duration) string { return d.Round(time.Second).String() }

// outcomeWords says how a delivery ends.
func outcomeWords(step explain.Step) string {
	o := step.Outcome
	switch {
	case o.Rest != "":
		return fmt.Sprintf("all deliveries rest (%s): %s", o.Rest, o.Error)
	case o.Kind == outbox.Done.String() && o.Reason == "ignored":
		return "it is kept and not written: it is not about a call"
	case o.Kind == outbox.Done.String():
		return "it is written"
	case o.Kind == outbox.Wait.String():
		return fmt.Sprintf("it waits (%s) for %s: %s", o.Reason, elapsed(o.Until.Sub(step.At)), o.Error)
	case o.Kind == outbox.Refused.String():
		return fmt.Sprintf("it is parked (%s): %s", o.Reason, o.Error)
	default:
		return fmt.Sprintf("it fails and is tried again (%s): %s", o.Reason, o.Error)
	}
}

// match prints what was asked to find the record, and what was decided.
func (p printout) match(step explain.Step, several bool, began time.Time) {
	after := ""
	if several {
		after = " " + elapsed(step.At.Sub(began)) + " later"
	}
	p.heading("customer%s", strings.ReplaceAll(after, " 0s later", " at first"))
	for _, l := range step.Lookups {
		p.line("  %s", lookupWords(l))
		for _, r := range l.Found {
			p.line("    %s", recordWords(r))
		}
	}
	for _, l := range step.Logs {
		switch {
		case l.Error != "":
			p.line("  call log that may be there already: %s", l.Error)
		case l.Assumed:
			p.line("  call log that may be there already: not asked, none is assumed")
		case l.LogID == "":
			p.line("  call log that may be there already: none")
		default:
			p.line("  call log that may be there already: %s", quoted(l.LogID))
		}
	}
	if r := step.Matched.Record; r != nil {
		p.line("  taken: %s %s, %s", r.Object, quoted(r.ID), step.Matched.Why)
	} else {
		p.line("  %s", step.Matched.Why)
	}
}

func lookupWords(l explain.Lookup) string {
	by := strings.ReplaceAll(l.By, "_", " ")
	text := fmt.Sprintf("%s by %s %s: ", l.Object, by, quoted(l.Value))
	if l.By == "created" {
		text = fmt.Sprintf("new record for %s: ", quoted(l.Value))
	}
	switch {
	case l.Error != "":
		return text + l.Error
	case l.Assumed:
		return text + "not asked, one is assumed"
	case l.By == "created":
		return text + "its id is not known before it is made"
	case l.Truncated:
		return text + fmt.Sprintf("%d found and more", len(l.Found))
	default:
		return text + fmt.Sprintf("%d found", len(l.Found))
	}
}

func recordWords(r explain.Record) string {
	text := r.Object + " " + quoted(r.ID)
	if r.Owner != "" {
		text += ", owner " + quoted(r.Owner)
	}
	if len(r.Phones) > 0 {
		phones := make([]string, len(r.Phones))
		for i, phone := range r.Phones {
			phones[i] = quoted(phone)
		}
		text += ", numbers " + strings.Join(phones, " ")
	}
	if r.SameNumber {
		text += ", the customer's is one of them"
	}
	return text
}
