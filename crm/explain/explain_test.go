package explain_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/crm/explain"
	"github.com/crmsyncd/crmsyncd/outbox"
)

var now = time.Date(2026, 3, 2, 3, 0, 0, 0, time.UTC)

// fake is an adapter that answers what it is told to.
type fake struct {
	traits  crm.Traits
	find    func(l crm.Lookup) crm.Found
	users   map[string]crm.UserFound
	log     string
	written crm.Written
	writes  []crm.Write
}

func (f *fake) Traits() crm.Traits { return f.traits }

func (f *fake) Find(_ context.Context, lookups []crm.Lookup) []crm.Found {
	founds := make([]crm.Found, len(lookups))
	for i, l := range lookups {
		if f.find != nil {
			founds[i] = f.find(l)
		}
	}
	return founds
}

func (f *fake) FindUsers(_ context.Context, agents []string) []crm.UserFound {
	founds := make([]crm.UserFound, len(agents))
	for i, name := range agents {
		founds[i] = f.users[name]
	}
	return founds
}

func (f *fake) FindLogs(_ context.Context, calls []call.Call) []crm.LogFound {
	founds := make([]crm.LogFound, len(calls))
	for i := range calls {
		founds[i].LogID = f.log
	}
	return founds
}

func (f *fake) Write(_ context.Context, writes []crm.Write) []crm.Written {
	f.writes = append(f.writes, writes...)
	written := make([]crm.Written, len(writes))
	for i := range writes {
		written[i] = f.written
	}
	return written
}

func decode(body []byte) (e call.Event, err error) {
	if err := json.Unmarshal(body, &e); err != nil {
		return e, errors.New("it is not JSON")
	}
	return e, nil
}

// ended is an answered call that ended, of a customer with a transaction id.
func ended() call.Event {
	return call.Event{
		CallID: "c-1", TransactionID: "T-1", Direction: call.Inbound, Status: "answered", CustomerNumber: "0912345678",
		Extension: "101", Agent: "lan", Start: now, Answer: now.Add(5 * time.Second), End: now.Add(65 * time.Second),
	}
}

func entry(t require.TestingT, events ...call.Event) outbox.Entry {
	e := outbox.Entry{Key: "c-1", State: outbox.Pending, Created: now, Since: now, Due: now}
	for i, event := range events {
		body, err := json.Marshal(event)
		require.NoError(t, err)
		e.Messages = append(e.Messages, outbox.StoredMessage{Seq: uint64(i + 1), At: now, Body: body})
	}
	return e
}

func options(f *fake) explain.Options {
	if f.traits.Name == "" {
		f.traits = crm.Traits{Name: "fake", Objects: []string{"contact", "lead"}, ByPhone: true, WriteBatch: 1, FindBatch: 1}
	}
	return explain.Options{
		Syncer: crm.Options{
			Adapter: f, Decode: decode, Region: "VN", Match: crm.MatchOptions{Wait: 15 * time.Minute, Phone: true},
			EndWait: 6 * time.Hour, RecordingWait: 10 * time.Minute,
		},
		DryRun: &api.DryRun{}, Now: now, Location: time.FixedZone("+07", 7*60*60),
	}
}

func record(object, id string, phones ...string) crm.Record {
	return crm.Record{Object: object, ID: id, Owner: "o-" + id, TransactionID: "T-1", Phones: phones}
}

// matching is a way to a record, or to none, and what is to be said about it.
type matching struct {
	find            func(crm.Lookup) crm.Found
	change          func(*explain.Options)
	steps, lookups  int
	kind, why, id   string
	method, outcome string
}

// matchings returns all of them by name.
func matchings() map[string]matching {
	byTransaction := func(records ...crm.Record) func(crm.Lookup) crm.Found {
		return func(l crm.Lookup) crm.Found {
			if l.TransactionID == "" || l.Object != "contact" {
				return crm.Found{}
			}
			return crm.Found{Records: records}
		}
	}
	return map[string]matching{
		"one": {
			find: byTransaction(record("contact", "1")), steps: 1, lookups: 1, kind: "done", id: "1",
			method: "transaction_id", outcome: "one", why: "the only contact with the transaction id",
		},
		"several, one with the number": {
			find:  byTransaction(record("contact", "1", "0389912345"), record("contact", "2", "+84 912 345 678")),
			steps: 1, lookups: 1, kind: "done", id: "2", method: "transaction_id", outcome: "one",
			why: "of several contacts with the transaction id the only one that carries the customer's number",
		},
		"several that fit": {
			find:  byTransaction(record("contact", "1", "0912345678"), record("contact", "2", "0912345678")),
			steps: 1, lookups: 1, kind: "refused", method: "transaction_id", outcome: "many",
			why: "several records fit and nothing tells which is meant, so none is taken",
		},
		"by number": {
			find: func(l crm.Lookup) crm.Found {
				if l.Object == "lead" && l.TransactionID == "" {
					return crm.Found{Records: []crm.Record{record("lead", "7", "0912345678")}}
				}
				return crm.Found{}
			},
			steps: 1, lookups: 4, kind: "done", id: "7", method: "phone", outcome: "one",
			why: "the only lead with the customer's number",
		},
		"none": {
			steps: 2, lookups: 4, kind: "refused", method: "none", outcome: "none",
			why: "no record was found (match.unmatched: park)",
		},
		"none, unlinked": {
			change: func(o *explain.Options) { o.Syncer.Match.Unmatched = crm.PolicyUnlinked },
			steps:  2, lookups: 4, kind: "done", method: "none", outcome: "none",
			why: "no record was found, so the log belongs to none (match.unmatched: unlinked)",
		},
		"the CRM is ill": {
			find: func(crm.Lookup) crm.Found {
				return crm.Found{Err: crm.Errorf(crm.KindTransient, "find contact", "no answer")}
			},
			steps: 1, lookups: 1, kind: "failed", why: "nothing is decided yet",
		},
	}
}

// TestMatching holds what is said about the way to the record.
func TestMatching(t *testing.T) {
	for name, c := range matchings() {
		t.Run(name, func(t *testing.T) {
			f := &fake{find: c.find, written: crm.Written{LogID: "log"}}
			o := options(f)
			if c.change != nil {
				c.change(&o)
			}
			x, err := explain.Explain(t.Context(), entry(t, ended()), o)
			require.NoError(t, err)
			require.Len(t, x.Steps, c.steps)
			last := x.Steps[len(x.Steps)-1]
			require.Equal(t, c.kind, last.Outcome.Kind, last.Outcome.Error)
			require.Len(t, last.Lookups, c.lookups)
			require.Equal(t, c.why, last.Matched.Why)
			require.Equal(t, c.method, last.Matched.Method)
			require.Equal(t, c.outcome, last.Matched.Outcome)
			if c.id != "" {
				require.Equal(t, c.id, last.Matched.Record.ID)
				require.Equal(t, c.id, f.writes[0].Record.ID)
			} else {
				require.Nil(t, last.Matched.Record)
			}
			require.Equal(t, c.kind != "failed", x.Answered())
		})
	}
}

// TestWaits holds that every wait is told with its end, and what follows it.
func TestWaits(t *testing.T) {
	running := ended()
	running.End = time.Time{}
	f := &fake{find: func(crm.Lookup) crm.Found { return crm.Found{} }, written: crm.Written{LogID: "log"}}
	o := options(f)
	o.Syncer.Write = crm.WriteComplete
	x, err := explain.Explain(t.Context(), entry(t, running), o)
	require.NoError(t, err)
	require.Len(t, x.Steps, 2, "after six hours nobody waits for a record any more")
	require.Equal(t, "running", x.Steps[0].Outcome.Reason)
	require.Empty(t, x.Steps[0].Lookups)
	require.Equal(t, "2026-03-02T16:00:00+07:00", x.Steps[0].Outcome.Until.Format(time.RFC3339))
	require.Equal(t, x.Steps[0].Outcome.Until, x.Steps[1].At)
	require.InDelta(t, 6*3600, x.Steps[1].After, 0)
	require.Equal(t, "refused", x.Steps[1].Outcome.Kind)

	x, err = explain.Explain(t.Context(), entry(t, ended()), o)
	require.NoError(t, err)
	var reasons []string
	for _, step := range x.Steps {
		reasons = append(reasons, fmt.Sprint(step.At.Sub(now), " ", step.Outcome.Kind, " ", step.Outcome.Reason))
	}
	require.Equal(t, []string{"0s wait recording", "10m0s wait unmatched", "15m0s refused unmatched"}, reasons)
}

// TestInDoubt holds that a stored call of which a log may be there is looked up, and that its log is then updated.
func TestInDoubt(t *testing.T) {
	f := &fake{
		find: func(crm.Lookup) crm.Found { return crm.Found{Records: []crm.Record{record("contact", "1")}} }, log: "log-9",
		written: crm.Written{LogID: "log-9"},
	}
	e := entry(t, ended())
	e.Interrupted = true
	x, err := explain.Explain(t.Context(), e, options(f))
	require.NoError(t, err)
	require.Equal(t, []explain.Log{{LogID: "log-9"}}, x.Steps[0].Logs)
	require.Equal(t, "log-9", x.Steps[0].Writes[0].LogID)
	require.Equal(t, "done", x.Steps[0].Outcome.Kind)
}

// TestRests holds that what makes all deliveries rest is told and not waited for.
func TestRests(t *testing.T) {
	f := &fake{find: func(crm.Lookup) crm.Found {
		return crm.Found{Err: &crm.Error{Kind: crm.KindThrottled, Op: "find contact", RetryAfter: time.Minute}}
	}}
	x, err := explain.Explain(t.Context(), entry(t, ended()), options(f))
	require.NoError(t, err)
	require.Len(t, x.Steps, 1)
	require.Equal(t, outbox.PauseThrottle, x.Steps[0].Outcome.Rest)
	require.False(t, x.Answered())
	require.Empty(t, f.writes)
}

// TestAgents holds where the owner is said to come from.
func TestAgents(t *testing.T) {
	for name, c := range map[string]struct {
		agents        crm.AgentOptions
		users         map[string]crm.UserFound
		agent         string
		source, owner string
	}{
		"map":     {agents: crm.AgentOptions{Map: map[string]string{"LAN ": "5"}, Default: "9"}, source: "map", owner: "5"},
		"crm":     {users: map[string]crm.UserFound{"lan": {UserID: "6"}}, source: "crm", owner: "6"},
		"default": {agents: crm.AgentOptions{Default: "9"}, source: "default", owner: "9"},
		"none":    {source: "none"},
	} {
		t.Run(name, func(t *testing.T) {
			f := &fake{
				find:  func(crm.Lookup) crm.Found { return crm.Found{Records: []crm.Record{record("contact", "1")}} },
				users: c.users, written: crm.Written{LogID: "log"},
			}
			o := options(f)
			o.Syncer.Agents = c.agents
			x, err := explain.Explain(t.Context(), entry(t, ended()), o)
			require.NoError(t, err)
			require.Equal(t, []string{"lan", "101"}, x.Agent.Names)
			require.Equal(t, c.source, x.Agent.Source)
			require.Equal(t, c.owner, x.Agent.Owner)
			require.Equal(t, c.owner, f.writes[0].Owner)
		})
	}
}

// TestUndecodable holds that an event that was taken in and cannot be read is named.
func TestUndecodable(t *testing.T) {
	e := entry(t, ended())
	e.Messages = append(e.Messages, outbox.StoredMessage{Seq: 2, At: now, Body: []byte("{")})
	x, err := explain.Explain(t.Context(), e, options(&fake{}))
	require.NoError(t, err)
	require.Equal(t, "it is not JSON", x.Events[1].Error)
	require.Equal(t, "undecodable", x.Steps[0].Outcome.Reason)
	require.True(t, x.Answered())
}

// TestOptionsThatDoNotFit holds that what the daemon refuses at its start is refused here, too.
func TestOptionsThatDoNotFit(t *testing.T) {
	o := options(&fake{})
	o.Syncer.Match.Unmatched = crm.PolicyCreate
	_, err := explain.Explain(t.Context(), entry(t, ended()), o)
	require.ErrorContains(t, err, "fake cannot create a record for an unmatched call")
	o.DryRun = nil
	_, err = explain.Explain(t.Context(), entry(t, ended()), o)
	require.EqualError(t, err, "explain: the adapter has to be made with a dry run")
}
