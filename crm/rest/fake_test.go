package rest_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/crmsyncd/crmsyncd/crm/crmtest"
)

// The tables of a fake, and the columns of their rows.
const (
	leads = "leads"
	calls = "calls"
	users = "users"

	transactionID = "transaction_id"
	phone         = "phone"
	callID        = "call_id"
	record        = "record"
	owner         = "owner"
	recording     = "recording"
	name          = "name"
)

// row is a record of a fake; its id is under "id".
type row map[string]string

// fake is a CRM of rows. Its handler gives it a vendor's wire format.
type fake struct {
	mu     sync.Mutex
	lastID int64
	rows   map[string][]row
	mux    *http.ServeMux
	// key is the header that carries the credentials, with its right value; refuse answers a wrong one.
	key, value string
	refuse     http.HandlerFunc
}

func newFake(key, value string, refuse http.HandlerFunc) *fake {
	return &fake{lastID: 100, rows: map[string][]row{}, mux: http.NewServeMux(), key: key, value: value, refuse: refuse}
}

// ServeHTTP lets in who has the key.
func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if f.key != "" && r.Header.Get(f.key) != f.value {
		f.refuse(w, r)
		return
	}
	f.mux.ServeHTTP(w, r)
}

// AddRecord makes a lead, whatever the vendor calls it.
func (f *fake) AddRecord(_, transaction, number string) string {
	return f.add(leads, row{transactionID: transaction, phone: number, owner: "7"})["id"]
}

// Logs returns the calls.
func (f *fake) Logs() []crmtest.Log {
	f.mu.Lock()
	defer f.mu.Unlock()
	var logs []crmtest.Log
	for _, r := range f.rows[calls] {
		logs = append(logs, crmtest.Log{
			ID: r["id"], CallID: r[callID], RecordID: r[record], Owner: r[owner], RecordingURL: r[recording],
		})
	}
	return logs
}

func (f *fake) add(table string, r row) row {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lastID++
	r = maps.Clone(r)
	r["id"] = strconv.FormatInt(f.lastID, 10)
	f.rows[table] = append(f.rows[table], r)
	return maps.Clone(r)
}

// find returns the rows that have a value in a column, all for an empty column.
func (f *fake) find(table, column, value string) []row {
	f.mu.Lock()
	defer f.mu.Unlock()
	found := []row{}
	for _, r := range f.rows[table] {
		if column == "" || r[column] == value {
			found = append(found, maps.Clone(r))
		}
	}
	return found
}

// change lays values over a call; replace empties what they do not name.
func (f *fake) change(id string, values row, replace bool) (row, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.IndexFunc(f.rows[calls], func(r row) bool { return r["id"] == id })
	if i < 0 {
		return nil, false
	}
	if replace {
		f.rows[calls][i] = row{"id": id}
	}
	maps.Copy(f.rows[calls][i], values)
	return maps.Clone(f.rows[calls][i]), true
}

// object is a JSON object.
type object = map[string]any

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// blank answers with a status and nothing else.
func blank(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=UTF-8")
		w.WriteHeader(status)
	}
}

func answering(status int, v any) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { reply(w, status, v) }
}

// body decodes the body of a request. Numbers are kept as they were sent.
func body(r *http.Request) object {
	decoder := json.NewDecoder(r.Body)
	decoder.UseNumber()
	var v object
	if err := decoder.Decode(&v); err != nil {
		panic(http.ErrAbortHandler)
	}
	return v
}

// text returns a value of a body as text, empty for null.
func text(v any) string {
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

// mapped turns rows into what a vendor sends.
func mapped(rows []row, convert func(row) object) []object {
	list := make([]object, len(rows))
	for i, r := range rows {
		list[i] = convert(r)
	}
	return list
}

// canary is the secret in all configurations.
const canary = "canary-secret-value"

// vendor is one column of what servers answer.
type vendor struct {
	name     string
	fake     func() *fake
	refusals []crmtest.Refusal
}

func vendors() []vendor {
	return []vendor{
		{"espocrm", newEspoCRM, espoCRMRefusals()},
		{"dolibarr", newDolibarr, dolibarrRefusals()},
		{"corteza", newCorteza, cortezaRefusals()},
		{"redmine", newRedmine, redmineRefusals()},
		{"rt", newRT, rtRefusals()},
		{"directus", newDirectus, directusRefusals()},
		{"nocodb", newNocoDB, nocoDBRefusals()},
	}
}

// says returns a refusal.
func says(name string, step crmtest.Step, status int, body string) crmtest.Refusal {
	return crmtest.Refusal{Name: name, Step: step, Answer: crmtest.Answer{Status: status, Body: body}}
}

// forEachVendor runs a test with the fake of every vendor.
func forEachVendor(t *testing.T, test func(t *testing.T, v vendor, f *fake)) {
	t.Helper()
	for _, v := range vendors() {
		t.Run(v.name, func(t *testing.T) { test(t, v, v.fake()) })
	}
}
