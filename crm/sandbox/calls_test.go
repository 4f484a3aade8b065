package sandbox_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm/sandbox"
)

const fullCall = `{"call_id":"1763.1","contact_id":"ct_000001","transaction_id":"TX-1","direction":"inbound",` +
	`"status":"ended","result":"answered","agent":"lan.tran","owner":"us_000001","phone":"0912345678",` +
	`"started_at":"2026-11-22T14:00:00+07:00","answered_at":"2026-11-22T14:00:08+07:00",` +
	`"ended_at":"2026-11-22T14:02:08+07:00","total_seconds":128,"talk_seconds":120,"hold_seconds":0,` +
	`"hotline":"19006868","extension":"101","hangup_by":"customer","recording_url":"https://example.com/a.mp3",` +
	`"title":"Call","note":"Gọi lại","campaign":"Tết","score":0.25}`

func TestCalls(t *testing.T) {
	c := start(t, sandbox.Options{Now: newClock().read})
	_, err := c.AddContact(sandbox.Contact{Name: "Ánh"})
	require.NoError(t, err)
	r := c.want(t, 201, "POST", callsPath, fullCall)
	require.Equal(t, "/api/v1/calls/cl_000001", r.header.Get("Location"))
	want := object{
		"id": "cl_000001", "call_id": "1763.1", "contact_id": "ct_000001", "transaction_id": "TX-1", "direction": "inbound",
		"status": "ended", "result": "answered", "agent": "lan.tran", "owner": "us_000001", "phone": "0912345678",
		"started_at": "2026-11-22T07:00:00Z", "answered_at": "2026-11-22T07:00:08Z", "ended_at": "2026-11-22T07:02:08Z",
		"total_seconds": 128.0, "talk_seconds": 120.0, "hold_seconds": 0.0, "hotline": "19006868", "extension": "101",
		"hangup_by": "customer", "recording_url": "https://example.com/a.mp3", "title": "Call", "note": "Gọi lại",
		"custom": object{"campaign": "Tết", "score": 0.25}, "revision": 1.0,
		"created_at": "2026-11-22T07:30:00Z", "updated_at": "2026-11-22T07:30:00Z",
	}
	require.Equal(t, want, r.data(t))
	require.Equal(t, want, c.want(t, 200, "GET", callsPath+"/cl_000001", "").data(t))

	same := c.want(t, 200, "PATCH", callsPath+"/cl_000001", fullCall).data(t)
	require.Equal(t, want, same, "a write that changes nothing leaves the log as it was")

	want["note"], want["revision"], want["contact_id"] = "", 2.0, nil
	delete(want, "answered_at")
	delete(want, "talk_seconds")
	changed := c.want(t, 200, "PATCH", callsPath+"/cl_000001",
		`{"note":null,"answered_at":null,"talk_seconds":null,"contact_id":null,"id":"cl_7","revision":9}`).data(t)
	require.Equal(t, want, changed)
	require.Empty(t, c.want(t, 200, "GET", callsPath+"?contact_id=ct_000001", "").ids(t))
	require.Equal(t, 1, c.Stats().Unlinked)
}

func TestCallFilters(t *testing.T) {
	c := start(t, sandbox.Options{})
	for range 2 {
		_, err := c.AddContact(sandbox.Contact{})
		require.NoError(t, err)
	}
	for i, contact := range []string{`"ct_000001"`, `"ct_000002"`, `"ct_000001"`, `null`, `""`} {
		c.want(t, 201, "POST", callsPath, fmt.Sprintf(`{"call_id":"c%d","contact_id":%s}`, i+1, contact))
	}
	for query, want := range map[string][]string{
		"":                                {"cl_000001", "cl_000002", "cl_000003", "cl_000004", "cl_000005"},
		"call_id=c2":                      {"cl_000002"},
		"call_id=c9":                      {},
		"contact_id=ct_000001":            {"cl_000001", "cl_000003"},
		"contact_id=ct_000009":            {},
		"contact_id=ct_000001&call_id=c3": {"cl_000003"},
		"contact_id=ct_000001&call_id=c2": {},
	} {
		require.Equal(t, want, c.want(t, 200, "GET", callsPath+"?"+query, "").ids(t), query)
	}
	c.want(t, 200, "PATCH", callsPath+"/cl_000003", `{"contact_id":"ct_000002"}`)
	require.Equal(t, []string{"cl_000002", "cl_000003"},
		c.want(t, 200, "GET", callsPath+"?contact_id=ct_000002", "").ids(t))
}

func TestInvalidCalls(t *testing.T) {
	c := start(t, sandbox.Options{})
	c.want(t, 201, "POST", callsPath, `{"call_id":"there"}`)
	for name, test := range map[string]struct{ field, body string }{
		"missing call id":      {"call_id", `{}`},
		"empty call id":        {"call_id", `{"call_id":""}`},
		"call id is a number":  {"call_id", `{"call_id":17}`},
		"long call id":         {"call_id", `{"call_id":"` + strings.Repeat("x", 257) + `"}`},
		"unknown contact":      {"contact_id", `{"call_id":"x","contact_id":"ct_000001"}`},
		"malformed contact":    {"contact_id", `{"call_id":"x","contact_id":"ct_1"}`},
		"contact is a number":  {"contact_id", `{"call_id":"x","contact_id":1}`},
		"bad direction":        {"direction", `{"call_id":"x","direction":"sideways"}`},
		"negative seconds":     {"total_seconds", `{"call_id":"x","total_seconds":-1}`},
		"seconds are text":     {"talk_seconds", `{"call_id":"x","talk_seconds":"12"}`},
		"seconds are a float":  {"hold_seconds", `{"call_id":"x","hold_seconds":1.5}`},
		"seconds beyond sense": {"total_seconds", `{"call_id":"x","total_seconds":1763795000}`},
		"time without a zone":  {"started_at", `{"call_id":"x","started_at":"2026-11-22 14:00:00"}`},
		"time is a number":     {"ended_at", `{"call_id":"x","ended_at":1763795000}`},
		"agent is an object":   {"agent", `{"call_id":"x","agent":{"name":"lan"}}`},
		"note is a list":       {"note", `{"call_id":"x","note":["a"]}`},
		"long note":            {"note", `{"call_id":"x","note":"` + strings.Repeat("x", 16<<10+1) + `"}`},
		"nested custom field":  {"deep", `{"call_id":"x","deep":{"a":1}}`},
		"nameless field":       {"", `{"call_id":"x","":1}`},
		"long custom field":    {"wide", `{"call_id":"x","wide":"` + strings.Repeat("x", 2<<10+1) + `"}`},
	} {
		t.Run(name, func(t *testing.T) {
			r := c.want(t, 422, "POST", callsPath, test.body)
			require.Equal(t, "invalid", r.code(t))
			fields := r.json["error"].(object)["fields"].(object)
			require.Len(t, fields, 1)
			require.NotEmpty(t, fields[test.field])
		})
	}
	var many strings.Builder
	for i := range 65 {
		fmt.Fprintf(&many, `,"f%d":1`, i)
	}
	require.Contains(t, c.want(t, 422, "POST", callsPath, `{"call_id":"x"`+many.String()+`}`).text, "64 fields")
	two := c.want(t, 422, "POST", callsPath, `{"call_id":1,"direction":2}`)
	require.Len(t, two.json["error"].(object)["fields"], 2, "everything that is wrong is said at once")
	require.Contains(t, c.want(t, 422, "PATCH", callsPath+"/cl_000001", `{"call_id":"other"}`).text, "cannot be changed")
	c.want(t, 422, "PATCH", callsPath+"/cl_000001", `{"contact_id":"ct_000001"}`)
	require.Len(t, c.Calls(), 1)
	require.Equal(t, 1, c.Calls()[0].Revision, "a refused write leaves no trace")
}

func TestDuplicateCall(t *testing.T) {
	c := start(t, sandbox.Options{})
	c.want(t, 201, "POST", callsPath, `{"call_id":"1","note":"first"}`)
	r := c.want(t, 409, "POST", callsPath, `{"call_id":"1","note":"second"}`)
	require.Equal(t, "duplicate", r.code(t))
	require.Equal(t, "cl_000001", r.data(t)["id"])
	require.Equal(t, "first", r.data(t)["note"])
	require.Equal(t, 1, c.Stats().Twins)
}

// A call id is created once, whoever else tries at the same moment.
func TestConcurrentCreatesMakeOneLog(t *testing.T) {
	c := start(t, sandbox.Options{})
	const writers = 64
	statuses := make(chan int, writers)
	var together, done sync.WaitGroup
	together.Add(1)
	for range writers {
		done.Go(func() {
			together.Wait()
			r, err := c.try(t, "POST", callsPath, `{"call_id":"the same"}`)
			if err == nil && r.data(t)["id"] == "cl_000001" {
				statuses <- r.status
			}
		})
	}
	together.Done()
	done.Wait()
	close(statuses)
	counts := map[int]int{}
	for status := range statuses {
		counts[status]++
	}
	require.Equal(t, map[int]int{201: 1, 409: writers - 1}, counts)
	require.Len(t, c.Calls(), 1)
	require.Equal(t, writers-1, c.Stats().Twins)
	require.Equal(t, map[string]int{"POST /api/v1/calls": writers}, c.Requests())
}
