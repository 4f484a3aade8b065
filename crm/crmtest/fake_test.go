package crmtest_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/crmsyncd/crmsyncd/crm/crmtest"
)

// plainCRM is a CRM with an API as plain as can be: each request carries a list and is answered with a list. It has no
// upsert key, and its search may lag.
type plainCRM struct {
	mu       sync.Mutex
	lastID   int
	records  []plainRecord
	users    map[string]string
	logs     []crmtest.Log
	refused  map[string]string
	requests map[string]int
	// shown is how many logs the search shows; negative: all.
	shown int
}

// plainRecord is a record on the wire.
type plainRecord struct{ ID, Object, TransactionID, Phone string }

// plainSearch asks for records of an object, or of all kinds for calls and users, by one of their fields.
type plainSearch struct {
	Object, Field string
	Values        []string
}

// plainResult is what became of one item of a list.
type plainResult struct {
	ID, Error string
	Gone      bool
}

func newPlainCRM() *plainCRM {
	return &plainCRM{users: map[string]string{}, refused: map[string]string{}, requests: map[string]int{}, shown: -1}
}

func (p *plainCRM) id() string {
	p.lastID++
	return fmt.Sprint(p.lastID)
}

func (p *plainCRM) AddRecord(object, transactionID, phone string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	id := p.id()
	p.records = append(p.records, plainRecord{id, object, transactionID, phone})
	return id
}

func (p *plainCRM) AddUser(login string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.users[login] == "" {
		p.users[login] = p.id()
	}
	return p.users[login]
}

func (p *plainCRM) Refuse(callID, words string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refused[callID] = words
}

func (p *plainCRM) Requests() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.requests)
}

func (p *plainCRM) Logs() []crmtest.Log {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.logs)
}

func (p *plainCRM) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer "+canary {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	operation := r.URL.Path[1:]
	p.requests[operation]++
	var search plainSearch
	var writes []crmtest.Log
	var answer any
	switch operation {
	case "find", "find_log", "find_user":
		if json.NewDecoder(r.Body).Decode(&search) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		answer = p.search(operation, search)
	case "create_contact":
		var contacts []plainRecord
		if json.NewDecoder(r.Body).Decode(&contacts) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		answer = p.create(contacts)
	case "write":
		if json.NewDecoder(r.Body).Decode(&writes) != nil || len(writes) > plainBatch {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		answer = p.write(writes)
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer)
}

// create adds records and returns a result for each.
func (p *plainCRM) create(contacts []plainRecord) []plainResult {
	results := make([]plainResult, len(contacts))
	for i, contact := range contacts {
		contact.ID = p.id()
		p.records, results[i].ID = append(p.records, contact), contact.ID
	}
	return results
}

// search returns records, or one result for each call or user.
func (p *plainCRM) search(operation string, s plainSearch) any {
	if operation == "find" {
		found := []plainRecord{}
		for _, r := range p.records {
			value := map[string]string{"transaction_id": r.TransactionID, "phone": r.Phone}[s.Field]
			if r.Object == s.Object && slices.Contains(s.Values, value) {
				found = append(found, r)
			}
		}
		return found
	}
	results := make([]plainResult, len(s.Values))
	for i, value := range s.Values {
		results[i].ID = p.users[value]
		for j, log := range p.logs {
			if operation == "find_log" && log.CallID == value && (p.shown < 0 || j < p.shown) {
				results[i].ID = log.ID
			}
		}
	}
	return results
}

// write creates or changes logs; times and lengths are in the unit of crmtest.Log.
func (p *plainCRM) write(writes []crmtest.Log) []plainResult {
	results := make([]plainResult, len(writes))
	for i, log := range writes {
		at := slices.IndexFunc(p.logs, func(l crmtest.Log) bool { return l.ID == log.ID })
		switch {
		case p.refused[log.CallID] != "":
			results[i].Error = p.refused[log.CallID]
		case log.ID != "" && at < 0:
			results[i].Gone = true
		case log.ID != "":
			p.logs[at] = log
			results[i].ID = log.ID
		default:
			log.ID = p.id()
			log.Start = log.Start.UTC()
			p.logs = append(p.logs, log)
			results[i].ID = log.ID
		}
	}
	return results
}

// lagging returns a CRM of which the search shows no logs before catchUp is called.
func lagging() (fake *plainCRM, catchUp func()) {
	fake = newPlainCRM()
	fake.shown = 0
	return fake, func() {
		fake.mu.Lock()
		defer fake.mu.Unlock()
		fake.shown = -1
	}
}

// plainBatch is how many calls a request takes, and plainLag how long the search may lag.
const (
	plainBatch = 20
	plainLag   = 30 * time.Second
)
