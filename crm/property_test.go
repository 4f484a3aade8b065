package crm_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/outbox"
)

// The customers of the model: two of one campaign, one with a transactionID of its own, one known by phone only, and
// one whom nobody knows.
var customers = []struct{ transaction, phone, record string }{
	{"CAMPAIGN", "0912345670", "r0"},
	{"CAMPAIGN", "0912345671", "r1"},
	{"T2", "0912345672", "r2"},
	{"", "0912345673", "r3"},
	{"", "0912345674", ""},
}

// held is an entry of the model's outbox with all that the store keeps of it.
type held struct {
	outbox.Entry
	pending, parked bool
	// delivered: how many messages were there at the last delivery that was done.
	delivered int
	customer  int
	events    []call.Event
}

// model is an outbox in memory around a Syncer and a CRM that errs.
type model struct {
	*bench
	t       *rapid.T
	entries map[string]*held
	// crashed: the process is dead, nothing becomes durable any more.
	crashed bool
	fault   string
	cancel  context.CancelFunc
}

// crash is what a fake process dies of.
type crash struct{}

// The ways in which a delivery may go wrong. Those in capitals take effect in the CRM all the same.
var faults = []string{
	"none", "none", "find transient", "find throttled", "users transient", "logs transient",
	"create transient", "create IN DOUBT", "write transient", "write in doubt", "write IN DOUBT", "write throttled",
	"write unauthorized", "write forbidden", "write gone", "write STOPPED", "write PANIC", "write CRASH", "create CRASH",
	"checkpoint",
}

func newModel(t *rapid.T) *model {
	m := &model{t: t, entries: map[string]*held{}}
	policy := rapid.SampledFrom([]crm.Policy{crm.PolicyPark, crm.PolicyCreate}).Draw(t, "policy")
	m.bench = newBench(t, func(f *fakeCRM, o *crm.Options) {
		o.Match.Unmatched = policy
		o.Write = rapid.SampledFrom([]crm.WriteWhen{crm.WriteLive, crm.WriteEnded, crm.WriteComplete}).Draw(t, "write")
		f.traits.Upsert = rapid.Bool().Draw(t, "upsert")
		f.users = map[string]string{"a": "ua", "b": "ub"}
		for _, c := range customers[:4] {
			f.contact(c.record, c.transaction, c.phone)
		}
	})
	unique := rapid.Bool().Draw(t, "unique call ids")
	m.crm.onFind = func(lookups []crm.Lookup) []crm.Found {
		founds := make([]crm.Found, len(lookups))
		for i, l := range lookups {
			if founds[i] = m.crm.found(l); m.hit("find") {
				founds[i] = crm.Found{Err: m.err()}
			}
		}
		return founds
	}
	m.crm.onFindUsers = func(agents []string) []crm.UserFound {
		founds := make([]crm.UserFound, len(agents))
		for i, name := range agents {
			if founds[i].UserID = m.crm.users[name]; m.hit("users") {
				founds[i] = crm.UserFound{Err: m.err()}
			}
		}
		return founds
	}
	m.crm.onFindLogs = func(calls []call.Call) []crm.LogFound {
		founds := make([]crm.LogFound, len(calls))
		for i, c := range calls {
			if founds[i].LogID = m.logOf(c.ID); m.hit("logs") {
				founds[i] = crm.LogFound{Err: m.err()}
			}
		}
		return founds
	}
	m.crm.onCreate = m.create
	m.crm.onWrite = func(writes []crm.Write) []crm.Written {
		written := make([]crm.Written, len(writes))
		for i, w := range writes {
			written[i] = m.write(w, unique)
		}
		return written
	}
	return m
}

// hit draws whether the fault of this delivery strikes now.
func (m *model) hit(step string) bool {
	return len(m.fault) > len(step) && m.fault[:len(step)] == step && rapid.Bool().Draw(m.t, "hit")
}

// err is the answer of the CRM under the fault.
func (m *model) err() error {
	kinds := map[string]crm.Kind{
		"find throttled": crm.KindThrottled, "create IN DOUBT": crm.KindInDoubt, "write in doubt": crm.KindInDoubt,
		"write IN DOUBT": crm.KindInDoubt, "write throttled": crm.KindThrottled, "write unauthorized": crm.KindUnauthorized,
		"write forbidden": crm.KindForbidden, "write gone": crm.KindGone,
	}
	return crm.Errorf(kinds[m.fault], "model", "%s", m.fault)
}

// logOf returns the id of the log of a call, and requires that there is one at most.
func (m *model) logOf(callID string) string {
	var ids []string
	for _, l := range m.crm.logs {
		if l.call.ID == callID {
			ids = append(ids, l.id)
		}
	}
	require.LessOrEqual(m.t, len(ids), 1, "two logs of call %s", callID)
	return append(ids, "")[0]
}

// create creates one record per call, under the fault.
func (m *model) create(calls []call.Call) []crm.Found {
	founds := make([]crm.Found, len(calls))
	for i, c := range calls {
		struck := m.hit("create")
		if struck && m.fault == "create transient" {
			founds[i].Err = m.err()
			continue
		}
		id := fmt.Sprintf("new-%d", len(m.crm.records))
		m.crm.contact(id, c.TransactionID, c.Customer.E164)
		founds[i].Records = []crm.Record{{Object: "contact", ID: id}}
		if struck && m.fault == "create CRASH" {
			m.crashed = true
			panic(crash{})
		}
		if struck {
			founds[i] = crm.Found{Err: m.err()}
		}
	}
	return founds
}

// write does one write, under the fault.
func (m *model) write(w crm.Write, unique bool) crm.Written {
	if !m.hit("write") {
		return m.store(w, unique)
	}
	switch m.fault {
	case "write IN DOUBT":
		m.store(w, unique)
	case "write STOPPED":
		m.store(w, unique)
		m.cancel()
		return crm.Written{Err: context.Canceled}
	case "write PANIC":
		m.store(w, unique)
		panic("adapter bug")
	case "write CRASH":
		m.store(w, unique)
		m.crashed = true
		panic(crash{})
	}
	return crm.Written{Err: m.err()}
}

// store does one write. A CRM in which call ids are unique refuses the second log of a call.
func (m *model) store(w crm.Write, unique bool) crm.Written {
	if existing := m.logOf(w.Call.ID); unique && !m.crm.traits.Upsert && w.LogID == "" && existing != "" {
		if rapid.Bool().Draw(m.t, "says which") {
			return crm.Written{LogID: existing, Err: m.exists()}
		}
		return crm.Written{Err: m.exists()}
	}
	return m.crm.store([]crm.Write{w})[0]
}

func (m *model) exists() error { return crm.Errorf(crm.KindExists, "create call log", "duplicate") }

// append adds one event of a call, in any order, again or for the first time.
func (m *model) append() {
	number := rapid.IntRange(0, 9).Draw(m.t, "call")
	customer := number % len(customers)
	id := fmt.Sprintf("c%d", number)
	steps := []func(id, transaction, phone string) call.Event{answered, ended, recorded}
	event := rapid.SampledFrom(steps).Draw(m.t, "event")(id, customers[customer].transaction, customers[customer].phone)
	event.Agent = []string{"a", "b"}[number%2]
	if event.TransactionID != "" && rapid.Bool().Draw(m.t, "no transaction id") {
		event.TransactionID = ""
	}
	h := m.entries[id]
	if h == nil {
		h = &held{Entry: outbox.Entry{Key: id, Created: m.now}, customer: customer}
		m.entries[id] = h
	}
	if slices.Contains(h.events, event) {
		return // The store knows an exact repeat.
	}
	body, err := json.Marshal(event)
	require.NoError(m.t, err)
	if len(h.Messages) == h.delivered {
		h.Since = m.now
	}
	h.events = append(h.events, event)
	h.Messages = append(h.Messages, outbox.StoredMessage{Seq: uint64(len(h.events)), At: m.now, Body: body})
	h.pending, h.parked = true, false
}

// deliver delivers some of the pending entries, or all of them, and settles them as the relay does.
func (m *model) deliver(all bool) {
	var batch []outbox.Entry
	for _, key := range slices.Sorted(maps.Keys(m.entries)) {
		if h := m.entries[key]; h.pending && (all || rapid.Bool().Draw(m.t, "delivered")) {
			batch = append(batch, h.Entry)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	m.cancel, m.crashed = cancel, false
	report, fault := m.run(ctx, batch)
	switch fault {
	case nil:
	case crash{}:
		for _, e := range batch {
			m.entries[e.Key].Interrupted = true
		}
		return
	default: // The relay settles a panic as a failure of every entry.
		for _, e := range batch {
			m.entries[e.Key].Interrupted = false
		}
		return
	}
	for _, o := range report.Outcomes {
		h := m.entries[o.Key]
		h.Interrupted = false
		if o.Receipt != nil {
			h.Receipt = o.Receipt
		}
		switch o.Kind {
		case outbox.Done:
			h.pending, h.delivered, h.Attempts = false, len(h.Messages), 0
		case outbox.Refused:
			h.pending, h.parked = false, true
		case outbox.Failed:
			if h.Attempts++; o.Attempts > 0 && h.Attempts >= o.Attempts {
				h.pending, h.parked = false, true
			}
		}
	}
}

// run calls the Syncer and returns what it panicked with.
func (m *model) run(ctx context.Context, batch []outbox.Entry) (report outbox.Report, fault any) {
	defer func() { fault = recover() }()
	return m.syncer.Deliver(ctx, batch, func(_ context.Context, checkpoints ...outbox.Checkpoint) error {
		if m.crashed || m.fault == "checkpoint" {
			return outbox.ErrFailed
		}
		for _, c := range checkpoints {
			m.entries[c.Key].Receipt = c.Receipt
		}
		return nil
	}), nil
}

// Whatever goes wrong on the way: one log per call, with all that is known of it, on the right record, with the right
// owner, and never two of them in between.
func TestPropertyOneLogPerCall(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(t)
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			switch rapid.IntRange(0, 4).Draw(t, "step") {
			case 0, 1:
				m.append()
			case 2, 3:
				m.fault = rapid.SampledFrom(faults).Draw(t, "fault")
				m.deliver(false)
			default:
				m.now = m.now.Add(rapid.SampledFrom([]time.Duration{time.Second, time.Minute, time.Hour}).Draw(t, "time passes"))
			}
			for id := range m.entries {
				m.logOf(id)
			}
		}
		m.settleDown()
		for id, h := range m.entries {
			m.check(id, h)
		}
	})
}

// settleDown mends the CRM, lets an operator replay what is parked, and delivers until nothing is left.
func (m *model) settleDown() {
	m.fault = "none"
	for _, h := range m.entries {
		h.pending, h.parked, h.Attempts = h.pending || h.parked, false, 0
	}
	for range 5 {
		m.now = m.now.Add(24 * time.Hour)
		m.deliver(true)
	}
}

// check requires that a call stands in the CRM as it should.
func (m *model) check(id string, h *held) {
	require.False(m.t, h.pending, "%s is still pending", id)
	unknown := customers[h.customer].record == ""
	if h.parked {
		require.True(m.t, unknown, "%s is parked", id)
		require.Empty(m.t, m.logOf(id))
		return
	}
	at := slices.IndexFunc(m.crm.logs, func(l fakeLog) bool { return l.call.ID == id })
	require.GreaterOrEqual(m.t, at, 0, "%s has no log", id)
	log := m.crm.logs[at]
	require.Equal(m.t, call.Merge("VN", h.events...), log.call)
	require.Equal(m.t, map[string]string{"a": "ua", "b": "ub"}[log.call.Agent], log.owner)
	require.NotNil(m.t, log.record)
	if !unknown {
		require.Equal(m.t, customers[h.customer].record, log.record.ID)
		return
	}
	created := m.crm.found(crm.Lookup{Object: "contact", Phone: log.call.Customer}).Records
	require.Len(m.t, created, 1, "one record for the unknown caller")
	require.Equal(m.t, created[0].ID, log.record.ID)
}
