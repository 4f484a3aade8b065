package crm_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/call"
)

// fakeCRM is a CRM in memory: records, users and call logs. Each func field, when set, answers instead of it.
type fakeCRM struct {
	traits  crm.Traits
	records []crm.Record
	users   map[string]string
	logs    []fakeLog
	lastID  int
	// pageSize is how many hits a look-up returns; 0: all.
	pageSize int

	onFind      func([]crm.Lookup) []crm.Found
	onWrite     func([]crm.Write) []crm.Written
	onFindLogs  func([]call.Call) []crm.LogFound
	onFindUsers func([]string) []crm.UserFound
	onCreate    func([]call.Call) []crm.Found

	mu                     sync.Mutex
	finds                  [][]crm.Lookup
	writes                 [][]crm.Write
	logSearches, creations [][]call.Call
	userSearches           [][]string
}

// fakeLog is a call log of the fake CRM.
type fakeLog struct {
	id, owner string
	call      call.Call
	record    *crm.Record
}

func newFakeCRM() *fakeCRM {
	return &fakeCRM{
		traits: crm.Traits{Name: "fake", Objects: []string{"contact", "lead"}, ByPhone: true},
		users:  map[string]string{},
	}
}

func (f *fakeCRM) Traits() crm.Traits { return f.traits }

func (f *fakeCRM) Find(_ context.Context, lookups []crm.Lookup) []crm.Found {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.finds = append(f.finds, lookups)
	if f.onFind != nil {
		return f.onFind(lookups)
	}
	founds := make([]crm.Found, len(lookups))
	for i, l := range lookups {
		founds[i] = f.found(l)
	}
	return founds
}

// found looks one value up.
func (f *fakeCRM) found(l crm.Lookup) crm.Found {
	var found crm.Found
	for _, r := range f.records {
		carries := slices.ContainsFunc(r.Phones, func(p string) bool { return slices.Contains(l.Phone.Spellings(), p) })
		if l.TransactionID != "" {
			carries = r.TransactionID == l.TransactionID
		}
		if r.Object == l.Object && carries {
			found.Records = append(found.Records, r)
		}
	}
	if f.pageSize > 0 && len(found.Records) > f.pageSize {
		found.Records, found.Truncated = found.Records[:f.pageSize], true
	}
	return found
}

func (f *fakeCRM) Write(_ context.Context, writes []crm.Write) []crm.Written {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.writes = append(f.writes, writes)
	if f.onWrite != nil {
		return f.onWrite(writes)
	}
	return f.store(writes)
}

// store does what the writes say.
func (f *fakeCRM) store(writes []crm.Write) []crm.Written {
	written := make([]crm.Written, len(writes))
	for i, w := range writes {
		at := -1
		if w.LogID != "" || f.traits.Upsert {
			at = slices.IndexFunc(f.logs, func(l fakeLog) bool {
				return l.id == w.LogID || w.LogID == "" && l.call.ID == w.Call.ID
			})
		}
		switch {
		case at >= 0:
		case w.LogID != "":
			written[i].Err = crm.Errorf(crm.KindGone, "update call log", "no such log")
			continue
		default:
			f.lastID++
			f.logs = append(f.logs, fakeLog{id: fmt.Sprintf("log-%d", f.lastID)})
			at = len(f.logs) - 1
		}
		f.logs[at] = fakeLog{id: f.logs[at].id, owner: w.Owner, call: w.Call, record: w.Record}
		written[i].LogID = f.logs[at].id
	}
	return written
}

func (f *fakeCRM) FindLogs(_ context.Context, calls []call.Call) []crm.LogFound {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.logSearches = append(f.logSearches, calls)
	if f.onFindLogs != nil {
		return f.onFindLogs(calls)
	}
	founds := make([]crm.LogFound, len(calls))
	for i, c := range calls {
		for _, l := range f.logs {
			if l.call.ID == c.ID {
				founds[i].LogID = l.id
			}
		}
	}
	return founds
}

func (f *fakeCRM) FindUsers(_ context.Context, agents []string) []crm.UserFound {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.userSearches = append(f.userSearches, agents)
	if f.onFindUsers != nil {
		return f.onFindUsers(agents)
	}
	founds := make([]crm.UserFound, len(agents))
	for i, name := range agents {
		founds[i].UserID = f.users[name]
	}
	return founds
}

func (f *fakeCRM) CreateContacts(_ context.Context, calls []call.Call) []crm.Found {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.creations = append(f.creations, calls)
	if f.onCreate != nil {
		return f.onCreate(calls)
	}
	founds := make([]crm.Found, len(calls))
	for i, c := range calls {
		f.lastID++
		r := crm.Record{
			Object: "contact", ID: fmt.Sprintf("new-%d", f.lastID), TransactionID: c.TransactionID,
			Phones: []string{c.Customer.String()},
		}
		f.records = append(f.records, r)
		founds[i].Records = []crm.Record{r}
	}
	return founds
}

// contact adds a contact.
func (f *fakeCRM) contact(id, transactionID string, phones ...string) {
	f.records = append(f.records, crm.Record{Object: "contact", ID: id, TransactionID: transactionID, Phones: phones})
}

// lead adds a lead.
func (f *fakeCRM) lead(id, transactionID string, phones ...string) {
	f.records = append(f.records, crm.Record{Object: "lead", ID: id, TransactionID: transactionID, Phones: phones})
}

// fakeObserver writes down what it is told.
type fakeObserver struct {
	mu       sync.Mutex
	matched  []string
	synced   []string
	unmapped int
}

func (o *fakeObserver) Matched(method, outcome string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.matched = append(o.matched, method+" "+outcome)
}

func (o *fakeObserver) Synced(kind string, sinceEvent time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.synced = append(o.synced, fmt.Sprintf("%s after %s", kind, sinceEvent))
}

func (o *fakeObserver) AgentUnmapped() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.unmapped++
}
