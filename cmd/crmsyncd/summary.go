package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/crmsyncd/crmsyncd/crm/sandbox"
	"github.com/crmsyncd/crmsyncd/outbox"
	"github.com/crmsyncd/crmsyncd/receiver/alohub/traffic"
)

// summary is what became of the demo's day. It adds up:
// Sent = Accepted + Duplicate + Refused and Calls = Delivered + Parked + Pending.
type summary struct {
	tally
	latency

	Calls     int64 `json:"calls"`
	Delivered int64 `json:"delivered"`
	Parked    int64 `json:"parked"`
	Pending   int64 `json:"pending"`
	// ParkedBy counts the parked calls by their reason.
	ParkedBy map[string]int64 `json:"parked_by"`
	// The rest is counted in the CRM: its call logs, and of those the linked, answered, missed and recorded ones.
	CallLogs   int     `json:"call_logs"`
	Linked     int     `json:"linked"`
	Answered   int     `json:"answered"`
	Missed     int     `json:"missed"`
	Recordings int     `json:"recordings"`
	Seconds    float64 `json:"seconds"`
	// Wrong names each thing that is not as it was sent; an empty list is what a user may expect.
	Wrong []string `json:"wrong"`
}

// sum counts, and holds the CRM against the truth of the traffic.
func (d *demo) sum(t tally, truths []traffic.Truth, took time.Duration) summary {
	stats := d.daemon.store.Stats()
	s := summary{
		tally: t, latency: newLatency(t), Calls: int64(len(truths)),
		Delivered: stats.States[outbox.Delivered], Parked: stats.States[outbox.Parked],
		Pending:  stats.States[outbox.Pending] + stats.States[outbox.InFlight],
		ParkedBy: stats.ParkedBy, Seconds: took.Seconds(), Wrong: []string{},
	}
	wrong := func(format string, args ...any) { s.Wrong = append(s.Wrong, fmt.Sprintf(format, args...)) }
	if t.Sent != t.Accepted+t.Duplicate+t.Refused {
		wrong("%d events were sent, but %d answers counted", t.Sent, t.Accepted+t.Duplicate+t.Refused)
	}
	if t.Refused > 0 {
		wrong("%d events were refused, the last one: %v", t.Refused, t.lastError)
	}
	if s.Calls != s.Delivered+s.Parked+s.Pending {
		wrong("%d calls were made, but the outbox has %d", s.Calls, s.Delivered+s.Parked+s.Pending)
	}
	logs := map[string]sandbox.Call{}
	for _, log := range d.crm.Calls() {
		if _, twice := logs[log.CallID]; twice {
			wrong("call %s is in the CRM twice", log.CallID)
		}
		logs[log.CallID] = log
	}
	s.CallLogs = len(logs)
	if int64(s.CallLogs) != s.Delivered {
		wrong("%d calls were delivered, but the CRM has %d", s.Delivered, s.CallLogs)
	}
	contacts := map[string]sandbox.Contact{}
	for _, c := range d.crm.Contacts() {
		contacts[c.ID] = c
	}
	people := traffic.NewContacts(demoSeed, demoContacts)
	for _, truth := range truths {
		log, there := logs[truth.CallID]
		if !there {
			if truth.Known {
				wrong("call %s of a known customer is not in the CRM", truth.CallID)
			}
			continue
		}
		s.count(log)
		if truth.Known && contacts[log.ContactID].TransactionID != people[truth.Contact].TransactionID {
			wrong("call %s is on the wrong customer", truth.CallID)
		}
		for _, difference := range differences(log, truth) {
			wrong("call %s: %s", truth.CallID, difference)
		}
	}
	return s
}

// count counts a call log.
func (s *summary) count(log sandbox.Call) {
	if log.ContactID != "" {
		s.Linked++
	}
	if log.RecordingURL != "" {
		s.Recordings++
	}
	switch log.Result {
	case "answered":
		s.Answered++
	case "missed":
		s.Missed++
	}
}

// differences says what a call log and the truth do not agree on.
func differences(log sandbox.Call, truth traffic.Truth) []string {
	var list []string
	differ := func(what string, is, want any) {
		if is != want {
			list = append(list, fmt.Sprintf("its %s is %v, not %v", what, is, want))
		}
	}
	differ("result", log.Result, string(truth.Result))
	differ("direction", log.Direction, string(truth.Direction))
	differ("agent", log.Agent, truth.Agent)
	differ("recording is there", log.RecordingURL != "", truth.RecordingURL != "")
	if truth.Agent != "" {
		differ("owner is there", log.Owner != "", true)
	}
	if log.TotalSeconds != nil {
		differ("duration", time.Duration(*log.TotalSeconds)*time.Second, truth.Total)
	} else {
		differ("duration is there", false, true)
	}
	return list
}

// print shows the summary; one that does not add up is an error.
func (d *demo) print(s summary) error {
	if d.output == outputJSON {
		if err := json.NewEncoder(d.out).Encode(s); err != nil {
			return err
		}
	} else if err := d.table(s); err != nil {
		return err
	}
	if len(s.Wrong) > 0 {
		return fmt.Errorf("the day does not add up: %s", strings.Join(s.Wrong, "; "))
	}
	return nil
}

// table shows the summary to people.
func (d *demo) table(s summary) error {
	reasons := slices.Sorted(maps.Keys(s.ParkedBy))
	for i, reason := range reasons {
		reasons[i] = fmt.Sprintf("%d %s", s.ParkedBy[reason], reason)
	}
	parked := ""
	if len(reasons) > 0 {
		parked = " (" + strings.Join(reasons, ", ") + ")"
	}
	t := tabwriter.NewWriter(d.out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "events sent\t%d\t= %d accepted + %d duplicate + %d refused\n", s.Sent, s.Accepted, s.Duplicate, s.Refused)
	fmt.Fprintf(t, "calls\t%d\t= %d delivered + %d parked%s + %d pending\n", s.Calls, s.Delivered, s.Parked, parked, s.Pending)
	fmt.Fprintf(t, "call logs in the CRM\t%d\t%d on a customer, %d answered, %d missed, %d with a recording\n", s.CallLogs,
		s.Linked, s.Answered, s.Missed, s.Recordings)
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(d.out, "acknowledged in %s; the day took %.0f s\n", s.latency, s.Seconds)
	return err
}
