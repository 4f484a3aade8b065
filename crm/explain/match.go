package explain

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/call"
)

// Lookup is one question for records and its answer.
type Lookup struct {
	// Object is the kind of record; By is transaction_id, phone or, where a record is made, created; Value what was asked.
	Object string `json:"object,omitempty"`
	By     string `json:"by"`
	Value  string `json:"value"`
	// Found is what the CRM returned; Truncated: it has more. Assumed: nothing was asked.
	Found     []Record `json:"found"`
	Truncated bool     `json:"truncated"`
	Assumed   bool     `json:"assumed"`
	Error     string   `json:"error,omitempty"`
}

// Record is a record of the CRM.
type Record struct {
	Object string `json:"object"`
	ID     string `json:"id"`
	Owner  string `json:"owner,omitempty"`
	// Phones are the numbers that it was returned with, SameNumber: the customer's is one of them.
	Phones     []string `json:"phones"`
	SameNumber bool     `json:"same_number"`
}

// Matched is what was decided on the record.
type Matched struct {
	// Method is transaction_id, phone, receipt, created, none or, where nothing is decided yet, empty. Outcome is one, many
	// or none.
	Method  string  `json:"method"`
	Outcome string  `json:"outcome"`
	Record  *Record `json:"record"`
	// Why is a sentence.
	Why string `json:"why"`
}

// User is one question for the user of an agent and its answer.
type User struct {
	Agent   string `json:"agent"`
	UserID  string `json:"user_id"`
	Assumed bool   `json:"assumed"`
	Error   string `json:"error,omitempty"`
}

// Log is one question for the log of a call that may be there already, and its answer.
type Log struct {
	LogID   string `json:"log_id"`
	Assumed bool   `json:"assumed"`
	Error   string `json:"error,omitempty"`
}

// Write is what the adapter was asked to write.
type Write struct {
	// LogID is the log to update, empty for a new one.
	LogID  string  `json:"log_id"`
	Record *Record `json:"record"`
	Owner  string  `json:"owner"`
	Error  string  `json:"error,omitempty"`
}

// Agent is how the owner of the call log was found.
type Agent struct {
	// Names are those by which the call tells its agent, the best first.
	Names []string `json:"names"`
	Owner string   `json:"owner"`
	// Source is map, crm, default, none or, where it was not looked for, empty.
	Source string `json:"source"`
	Why    string `json:"why"`
}

func (x *explainer) lookups() []Lookup {
	lookups := []Lookup{}
	for _, f := range x.recorder.found {
		l := Lookup{
			Object: f.lookup.Object, By: "phone", Value: x.mask.number(call.Number{Raw: f.lookup.Phone.Raw}),
			Truncated: f.found.Truncated, Assumed: f.assumed, Error: x.describeError(f.found.Err), Found: []Record{},
		}
		if f.lookup.TransactionID != "" {
			l.By, l.Value = "transaction_id", x.mask.text(f.lookup.TransactionID)
		}
		if f.made {
			l.By = "created"
		}
		for _, r := range f.found.Records {
			l.Found = append(l.Found, *x.record(&r))
		}
		lookups = append(lookups, l)
	}
	return lookups
}

// record returns a record as it is shown, nil for none.
func (x *explainer) record(r *crm.Record) *Record {
	if r == nil {
		return nil
	}
	view := &Record{Object: r.Object, ID: x.mask.text(r.ID), Owner: x.mask.text(r.Owner), Phones: []string{}}
	for _, phone := range r.Phones {
		view.Phones = append(view.Phones, x.mask.number(call.Number{Raw: phone}))
		number := call.ParseNumber(phone, x.Syncer.Region)
		view.SameNumber = view.SameNumber || x.merged.Customer.Same(number)
	}
	return view
}

func (x *explainer) users() []User {
	users := []User{}
	for _, u := range x.recorder.users {
		users = append(users, User{
			Agent: x.mask.text(u.agent), UserID: x.mask.text(u.found.UserID), Assumed: u.assumed,
			Error: x.describeError(u.found.Err),
		})
	}
	return users
}

func (x *explainer) logs() []Log {
	logs := []Log{}
	for _, l := range x.recorder.logs {
		logs = append(logs, Log{LogID: x.mask.text(l.found.LogID), Assumed: l.assumed, Error: x.describeError(l.found.Err)})
	}
	return logs
}

func (x *explainer) writes() []Write {
	writes := []Write{}
	for _, w := range x.recorder.written {
		writes = append(writes, Write{
			LogID: x.mask.text(w.write.LogID), Record: x.record(w.write.Record), Owner: x.mask.text(w.write.Owner),
			Error: x.describeError(w.written.Err),
		})
	}
	return writes
}

// matched says what the Syncer decided, and why by what it was told. The record is the one in the receipt it left.
func (x *explainer) matched(step Step) Matched {
	m := Matched{Method: x.recorder.method, Outcome: x.recorder.outcome}
	var receipt struct{ Record *crm.Record }
	if m.Outcome == "one" && json.Unmarshal(x.entry.Receipt, &receipt) == nil {
		m.Record = x.record(receipt.Record)
	}
	switch {
	case x.Syncer.Adapter.Traits().MatchesItself:
		m.Why = "the CRM finds the record by itself"
	case m.Method == "receipt" && m.Outcome == "one":
		m.Why = "it was decided by an earlier delivery"
	case m.Method == "receipt":
		m.Why = "an earlier delivery decided that it has none"
	case m.Method == "created":
		m.Why = "no record was found, so one is made (match.unmatched: create)"
	case m.Outcome == "one":
		m.Why = chosen(step.Lookups, m)
	case m.Outcome == "many":
		m.Why = "several records fit and nothing tells which is meant, so none is taken"
	case m.Outcome == "none" && step.Outcome.Reason == "unmatched":
		m.Why = "no record was found (match.unmatched: park)"
	case m.Outcome == "none":
		m.Why = "no record was found, so the log belongs to none (match.unmatched: unlinked)"
	case len(step.Lookups) > 0:
		m.Why = "nothing is decided yet"
	default:
		m.Why = "nothing was looked up"
	}
	return m
}

// chosen says why one record was taken, by the last look-up that decided.
func chosen(lookups []Lookup, m Matched) string {
	names := map[string]string{"transaction_id": "transaction id", "phone": "customer's number"}
	for _, l := range lookups {
		if l.By != m.Method || m.Record == nil || l.Object != m.Record.Object {
			continue
		}
		only := fmt.Sprintf("the only %s with the %s", m.Record.Object, names[m.Method])
		switch {
		case l.Assumed:
			return "assumed: nothing was asked"
		case len(l.Found) == 1 && !l.Truncated:
			return only
		default:
			return fmt.Sprintf("of several %ss with the %s the only one that carries the customer's number",
				strings.ToLower(m.Record.Object), names[m.Method])
		}
	}
	return "the only record that fits"
}

// agent says where the owner of the write came from. Where several sources name the same user, the first that is asked
// counts.
func (x *explainer) agent(last Step) Agent {
	a := Agent{Names: []string{}}
	for _, name := range []string{x.merged.Agent, x.merged.Extension} {
		if name = strings.TrimSpace(name); name != "" {
			a.Names = append(a.Names, x.mask.text(name))
		}
	}
	if len(last.Writes) == 0 {
		a.Why = "not looked for: the call is not written"
		return a
	}
	a.Owner = last.Writes[0].Owner
	found := slices.IndexFunc(last.Users, func(u User) bool { return u.UserID != "" && u.UserID == a.Owner })
	switch {
	case found >= 0 && last.Users[found].Assumed:
		a.Source, a.Why = "crm", "assumed: nothing was asked"
	case found >= 0:
		a.Source, a.Why = "crm", fmt.Sprintf("the CRM knows %q", last.Users[found].Agent)
	case x.mapped(a.Owner):
		a.Source, a.Why = "map", "agents.map names the user"
	case a.Owner != "" && a.Owner == x.Syncer.Agents.Default:
		a.Source, a.Why = "default", "neither agents.map nor the CRM knows the agent: agents.default"
	case len(a.Names) == 0:
		a.Source, a.Why = "none", "the call names no agent"
	default:
		a.Source, a.Why = "none", "neither agents.map nor the CRM knows the agent, and there is no agents.default"
	}
	return a
}

// mapped reports whether the configuration names this user for the agent.
func (x *explainer) mapped(owner string) bool {
	for name, user := range x.Syncer.Agents.Map {
		for _, called := range []string{x.merged.Agent, x.merged.Extension} {
			if user == owner && strings.EqualFold(strings.TrimSpace(name), strings.TrimSpace(called)) {
				return true
			}
		}
	}
	return false
}
