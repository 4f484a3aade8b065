package crm_test

import (
	"context"
	"fmt"
	"slices"
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
	// unsettled: the store failed to settle its last delivery.
	pending, parked, unsettled bool
	due                        time.Time
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
	// lag is how long the CRM's search does not show what was made, madeAt when that was, by id.
	lag    time.Duration
	madeAt map[string]time.Time
	cancel context.CancelFunc
}

// crash is what a fake process dies of.
type crash struct{}

// The ways in which a delivery may go wrong. Those in capitals take effect in the CRM all the same.
var faults = []string{
	"none", "none", "find transient", "find throttled", "users transient", "logs transient",
	"create transient", "create IN DOUBT", "write transient", "write in doubt", "write IN DOUBT", "write throttled",
	"write unauthorized", "write forbidden", "write gone", "write STOPPED", "write PANIC", "write CRASH", "create CRASH",
	"checkpoint", "settle LOST",
}

func newModel(t *rapid.T) *model {
	m := &model{t: t, entries: map[string]*held{}, madeAt: map[string]time.Time{}}
	m.lag = rapid.SampledFrom([]time.Duration{0, 15 * time.Second, 90 * time.Second}).Draw(t, "search lag")
	policy := rapid.SampledFrom([]crm.Policy{crm.PolicyPark, crm.PolicyCreate}).Draw(t, "policy")
	m.bench = newBench(t, func(f *fakeCRM, o *crm.Options) {
		o.Match.Unmatched = policy
		o.Write = rapid.SampledFrom([]crm.WriteWhen{crm.WriteLive, crm.WriteEnded, crm.WriteComplete}).Draw(t, "write")
		f.traits.Upsert, f.traits.SearchLag = rapid.Bool().Draw(t, "upsert"), m.lag
		o.Memory.Records = rapid.SampledFrom([]time.Duration{1, 0, 24 * time.Hour}).Draw(t, "records are remembered")
		o.Memory.Written = 1_000 * time.Hour // a settle may be lost for as long as the test lasts
		f.users = map[string]string{"a": "ua", "b": "ub"}
		for _, c := range customers[:4] {
			f.contact(c.record, c.transaction, c.phone)
		}
	})
	unique := rapid.Bool().Draw(t, "unique call ids")
	m.crm.onFind = func(lookups []crm.Lookup) []crm.Found {
		founds := make([]crm.Found, len(lookups))
		for i, l := range lookups {
			found := m.crm.found(l)
			found.Records = slices.DeleteFunc(found.Records, func(r crm.Record) bool { return m.hidden(r.ID) })
			if founds[i] = found; m.hit("find") {
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
			if id := m.logOf(c.ID); !m.hidden(id) {
				founds[i].LogID = id
			}
			if m.hit("logs") {
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

// hidden reports whether the CRM's search does not show a record or log yet.
func (m *model) hidden(id string) bool {
	made, known := m.madeAt[id]
	return known && m.now.Before(made.Add(m.lag))
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
		m.madeAt[id] = m.now
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
	written := m.crm.store([]crm.Write{w})[0]
	if _, known := m.madeAt[written.LogID]; !known {
		m.madeAt[written.LogID] = m.now
	}
	return written
}

func (m *model) exists() error { return crm.Errorf(crm.KindExists, "create call log", "duplicate") }
