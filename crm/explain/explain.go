// Package explain tells what a crm.Syncer would do with one entry of the outbox: how the call is understood, when it is
// written, how it finds its record and its owner, and which requests are sent.
//
// # The model
//
// Nothing is worked out a second time: a real Syncer delivers the entry, through a real adapter that was made with an
// api.DryRun, so that its writes are recorded in place of being sent. Between the two stands a recorder that keeps each
// question of the Syncer with the adapter's answer. What is explained is what happens.
//
// A call may have to wait, for its end, its recording or its record. Then the clock of the Syncer, and nothing else, is
// put forward to the end of that wait and the entry is delivered again: each delivery is a Step, and it says at which
// time. Look-ups of a later step see the CRM of today.
//
// # Traps
//
// A dry run has no ids: a request that needs the id of what an earlier one would have made shows the adapter's
// stand-in. Offline nothing is asked either, so the first look-up is taken to find one record, which is marked as
// assumed. The memory of a running daemon is not seen; it holds answers of the CRM for two minutes.
//
// Numbers are masked and addresses of recordings taken out of everything, unless Options.ShowNumbers is set. Texts may
// hold anything that came in from outside: who prints them to a terminal has to take control characters out.
package explain

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/outbox"
)

// Options are what an explanation needs.
type Options struct {
	// Syncer is how the daemon delivers. Its Adapter must have been made with DryRun; its clock, its memory and its
	// Observer are replaced.
	Syncer crm.Options
	// DryRun is the one that the adapter was made with. If it is Offline, look-ups are answered by assumptions.
	DryRun *api.DryRun
	// Location is the zone of the times; nil: UTC.
	Location *time.Location
	// ShowNumbers leaves telephone numbers and the addresses of recordings as they are.
	ShowNumbers bool
	// Now is the time at which the first step takes place; zero: now.
	Now time.Time
}

// Explanation is what would become of an entry.
type Explanation struct {
	CallID string  `json:"call_id"`
	Events []Event `json:"events"`
	// Call is what the events say together; nil when none of them is about a call.
	Call *Call `json:"call"`
	// Steps are the deliveries, the first one now. Each but the last ends with a wait.
	Steps []Step `json:"steps"`
	// Agent is how the owner was found, as far as the last step came.
	Agent Agent `json:"agent"`
}

// Step is one delivery of the entry.
type Step struct {
	// At is when it takes place, After how many seconds after the first step.
	At    time.Time `json:"at"`
	After float64   `json:"after_seconds"`
	// Lookups are what was asked to find the record, Matched what followed from the answers.
	Lookups []Lookup `json:"lookups"`
	Matched Matched  `json:"matched"`
	// Users are what was asked to find the owner, Logs to find the log of a write in doubt.
	Users   []User  `json:"users"`
	Logs    []Log   `json:"logs"`
	Writes  []Write `json:"writes"`
	Outcome Outcome `json:"outcome"`
	// Requests are what would be sent, in order.
	Requests []Request `json:"requests"`
}

// Outcome is how a delivery ends.
type Outcome struct {
	// Kind is done, wait, failed or refused; Reason one word, Error a sentence.
	Kind   string    `json:"kind"`
	Reason string    `json:"reason,omitempty"`
	Error  string    `json:"error,omitempty"`
	Until  time.Time `json:"until,omitzero"`
	// Rest is set when the CRM makes all deliveries rest, and why.
	Rest string `json:"rest,omitempty"`
}

// Request is a request that would be sent.
type Request struct {
	Operation string `json:"operation"`
	Title     string `json:"title"`
	Method    string `json:"method"`
	URL       string `json:"url"`
	// Body is JSON where the body is, else a text.
	Body any `json:"body,omitempty"`
}

// Answered reports whether the CRM answered all that the explanation asked it. If not, the last step tells why.
func (e *Explanation) Answered() bool {
	last := e.Steps[len(e.Steps)-1].Outcome
	return last.Rest == "" && last.Kind != outbox.Failed.String()
}

// maxSteps bounds the deliveries of one explanation: a call waits for its end, its recording, its record, a doubt.
const maxSteps = 6

// Explain delivers an entry as often as it takes to come to an end, without changing anything in the CRM. The error says
// that the options do not fit together.
func Explain(ctx context.Context, entry outbox.Entry, o Options) (*Explanation, error) {
	if o.DryRun == nil {
		return nil, errors.New("explain: the adapter has to be made with a dry run")
	}
	if o.Location == nil {
		o.Location = time.UTC
	}
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	x, err := newExplainer(entry, o)
	if err != nil {
		return nil, err
	}
	explanation := &Explanation{CallID: entry.Key, Events: x.events(), Call: x.call()}
	for range maxSteps {
		step, report := x.step(ctx)
		explanation.Steps = append(explanation.Steps, step)
		if !x.forward(report) {
			break
		}
	}
	explanation.Agent = x.agent(explanation.Steps[len(explanation.Steps)-1])
	return explanation, nil
}

// explainer is one run of Explain.
type explainer struct {
	Options

	entry    outbox.Entry
	decoded  []decoded
	merged   call.Call
	mask     *masker
	recorder *recorder
	syncer   *crm.Syncer
	clock    time.Time
	// written is how many of the recorded requests belong to earlier steps.
	written int
}

// decoded is a message of the entry.
type decoded struct {
	outbox.StoredMessage

	event call.Event
	err   error
}

func newExplainer(entry outbox.Entry, o Options) (*explainer, error) {
	x := &explainer{Options: o, entry: entry, recorder: &recorder{Adapter: o.Syncer.Adapter, offline: o.DryRun.Offline}}
	var events []call.Event
	for _, m := range entry.Messages {
		event, err := o.Syncer.Decode(m.Body)
		x.decoded = append(x.decoded, decoded{m, event, err})
		if err == nil {
			events = append(events, event)
		}
	}
	x.merged = call.Merge(o.Syncer.Region, events...)
	x.mask = newMasker(o.ShowNumbers, x.merged, events)

	if _, err := crm.NewSyncer(o.Syncer); err != nil { // what the adapter itself lacks, the recorder would hide
		return nil, err
	}
	// The CRM may be told to hold back for a while after a start: this is not one.
	x.clock = o.Now.Add(-o.Syncer.Adapter.Traits().SearchLag - time.Hour)
	o.Syncer.Adapter, o.Syncer.Observer = x.recorder, x.recorder
	o.Syncer.Now = func() time.Time { return x.clock }
	o.Syncer.Memory = crm.MemoryOptions{Records: 1, Misses: 1} // each step is to ask by itself
	var err error
	if x.syncer, err = crm.NewSyncer(o.Syncer); err != nil {
		return nil, err
	}
	x.clock = o.Now
	return x, nil
}

// step delivers the entry once.
func (x *explainer) step(ctx context.Context) (Step, outbox.Report) {
	x.recorder.reset()
	keep := func(_ context.Context, checkpoints ...outbox.Checkpoint) error {
		for _, c := range checkpoints {
			x.entry.Receipt = c.Receipt
		}
		return nil
	}
	report := x.syncer.Deliver(ctx, []outbox.Entry{x.entry}, keep)
	outcome := report.Outcomes[0]
	if outcome.Receipt != nil {
		x.entry.Receipt = outcome.Receipt
	}
	x.entry.Interrupted = false // the first delivery after the interruption is told of it
	step := Step{
		At: x.clock.In(x.Location), After: x.clock.Sub(x.Now).Seconds(), Lookups: x.lookups(), Users: x.users(),
		Logs: x.logs(), Writes: x.writes(), Requests: x.requests(),
		Outcome: Outcome{
			Kind: outcome.Kind.String(), Reason: outcome.Reason, Error: x.mask.text(outcome.Error), Rest: report.Pause.Reason,
		},
	}
	if !outcome.Until.IsZero() {
		step.Outcome.Until = outcome.Until.In(x.Location)
	}
	step.Matched = x.matched(step)
	return step, report
}

// forward puts the clock to the end of the wait that a step ended with, and reports whether there is one. A record is
// looked for again and again: what counts is the last time.
func (x *explainer) forward(report outbox.Report) bool {
	outcome := report.Outcomes[0]
	if outcome.Kind != outbox.Wait || report.Pause.Reason != "" || !outcome.Until.After(x.clock) {
		return false
	}
	next := outcome.Until
	if last := x.entry.Since.Add(x.Syncer.Match.Wait); outcome.Reason == "unmatched" && last.After(next) {
		next = last
	}
	x.clock = next
	return true
}

// requests returns what this step would have sent.
func (x *explainer) requests() []Request {
	recorded := x.DryRun.Requests()
	requests := []Request{}
	for _, r := range recorded[x.written:] {
		request := Request{Operation: r.Operation, Title: r.Title, Method: r.Method, URL: x.mask.text(r.URL)}
		if body := x.mask.text(r.Body); json.Valid([]byte(body)) {
			request.Body = json.RawMessage(body)
		} else if body != "" {
			request.Body = body
		}
		requests = append(requests, request)
	}
	x.written = len(recorded)
	return requests
}

// describeError returns the words of an error, empty for none.
func (x *explainer) describeError(err error) string {
	if err == nil {
		return ""
	}
	return x.mask.text(fmt.Sprint(err))
}
