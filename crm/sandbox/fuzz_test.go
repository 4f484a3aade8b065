package sandbox_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/crmsyncd/crmsyncd/crm/sandbox"
)

// Whatever is written, the answer is one of those that are documented, and what was taken can be shown.
func FuzzWrite(f *testing.F) {
	f.Add(fullCall)
	f.Add(`{"call_id":"1","contact_id":null,"x":1e400}`)
	f.Add(`{"call_id":"1","recording_url":"javascript:alert(1)"}`)
	f.Fuzz(func(t *testing.T, body string) {
		s := sandbox.New(sandbox.Options{})
		if _, err := s.AddContact(sandbox.Contact{}); err != nil {
			t.Fatal(err)
		}
		for _, request := range []struct {
			method, path string
			allowed      []int
		}{
			{"POST", callsPath, []int{201, 400, 413, 422}},
			{"PATCH", callsPath + "/cl_000001", []int{200, 400, 404, 413, 422}},
			{"GET", callsPath + "/cl_000001/revisions", []int{200, 404}},
			{"POST", contactsPath, []int{201, 400, 413, 422}},
		} {
			recorder := serve(t.Context(), s, request.method, request.path, body)
			if !slices.Contains(request.allowed, recorder.Code) || !json.Valid(recorder.Body.Bytes()) {
				t.Fatalf("%s %s: %d %s", request.method, request.path, recorder.Code, recorder.Body)
			}
		}
		for _, path := range []string{"/", "/contacts/ct_000001", "/contacts/ct_000002", "/unlinked"} {
			recorder := serve(t.Context(), s, "GET", path, "")
			page := strings.ToLower(recorder.Body.String())
			if recorder.Code >= http.StatusInternalServerError || strings.Contains(page, "<script") ||
				strings.Contains(page, `="javascript:`) || strings.Contains(page, "zgotmplz") {
				t.Fatalf("%s: %d %s", path, recorder.Code, page)
			}
		}
	})
}

// Whatever is asked for, no query brings the server down, and a filter never answers with records that do not match.
func FuzzQuery(f *testing.F) {
	f.Add("transaction_id=TX-1&page=1&limit=2")
	f.Add("phone=%2B84912345678")
	f.Add("q=%ff&page=-1&live=1")
	f.Fuzz(func(t *testing.T, query string) {
		s := sandbox.New(sandbox.Options{})
		if _, err := s.AddContact(sandbox.Contact{Name: "Ánh", Phone: "0912345678", TransactionID: "TX-1"}); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{contactsPath, callsPath, usersPath, "/", "/contacts/ct_000001", "/unlinked"} {
			request := httptest.NewRequestWithContext(t.Context(), "GET", path, nil)
			request.URL.RawQuery = query
			recorder := httptest.NewRecorder()
			s.ServeHTTP(recorder, request)
			if !slices.Contains([]int{200, 400, 422}, recorder.Code) {
				t.Fatalf("%s?%s: %d %s", path, query, recorder.Code, recorder.Body)
			}
			asked := request.URL.Query()
			if id := asked.Get("transaction_id"); path == contactsPath && id != "" && id != "TX-1" &&
				strings.Contains(recorder.Body.String(), "ct_000001") {
				t.Fatalf("%s answered %s", query, recorder.Body)
			}
		}
	})
}
