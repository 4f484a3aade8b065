package espocrm_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/crm/espocrm/espocrmtest"
)

// specification checks what goes to and fro against EspoCRM's own description of its API.
type specification struct {
	document *openapi3.T
	router   routers.Router
	crm      http.Handler

	mu       sync.Mutex
	checked  int
	mistakes []error
}

// loadSpecification reads espocrm/spec.json in the folder that CRMSYNCD_SPECS names (from the repository
// espocrm/documentation, docs/api/spec.json; or what a server of 9.3 or later answers to GET /api/v1/OpenApi).
func loadSpecification(t *testing.T) *openapi3.T {
	t.Helper()
	folder := os.Getenv("CRMSYNCD_SPECS")
	if folder == "" {
		t.Skip("no EspoCRM API description: set CRMSYNCD_SPECS to a folder that holds espocrm/spec.json")
	}
	document, err := openapi3.NewLoader().LoadFromFile(filepath.Join(folder, "espocrm", "spec.json"))
	require.NoError(t, err)
	return document
}

func (s *specification) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	answer := httptest.NewRecorder()
	s.crm.ServeHTTP(answer, r)
	r.Body = io.NopCloser(bytes.NewReader(body))
	err := s.check(r, answer)
	s.mu.Lock()
	s.checked++
	if err != nil {
		s.mistakes = append(s.mistakes, errors.New(r.Method+" "+r.URL.Path+": "+err.Error()))
	}
	s.mu.Unlock()
	maps.Copy(w.Header(), answer.Header())
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}

// check returns what is wrong with a request or its answer.
func (s *specification) check(r *http.Request, answer *httptest.ResponseRecorder) error {
	route, parameters, err := s.router.FindRoute(r)
	if err != nil {
		return err
	}
	input := &openapi3filter.RequestValidationInput{
		Request: r, PathParams: parameters, Route: route, Options: &openapi3filter.Options{
			MultiError: true, AuthenticationFunc: func(_ context.Context, a *openapi3filter.AuthenticationInput) error {
				if r.Header.Get(a.SecurityScheme.Name) != espocrmtest.APIKey {
					return errors.New("the key is not where it belongs")
				}
				return nil
			},
		},
	}
	if err := openapi3filter.ValidateRequest(r.Context(), input); err != nil {
		return err
	}
	item := s.document.Components.Schemas["whereItem"].Value
	for _, where := range whereItems(r.URL.Query()) {
		if err := item.VisitJSON(where); err != nil {
			return err
		}
	}
	return openapi3filter.ValidateResponse(r.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: answer.Code, Header: answer.Header(),
		Body: io.NopCloser(bytes.NewReader(answer.Body.Bytes())), Options: input.Options,
	})
}

var innerItem = regexp.MustCompile(`^where\[0\]\[value\]\[(\d+)\]\[(type|attribute|value)\](\[\])?$`)

// whereItems returns the filter of a look-up as the description has it: under its older name, one that any number of
// others stand in.
func whereItems(query url.Values) []any {
	if !query.Has("where[0][type]") {
		return nil
	}
	inner := map[string]map[string]any{}
	for key, values := range query {
		parts := innerItem.FindStringSubmatch(key)
		if parts == nil {
			continue
		}
		if inner[parts[1]] == nil {
			inner[parts[1]] = map[string]any{}
		}
		inner[parts[1]][parts[2]] = values[0]
		if parts[3] != "" {
			list := make([]any, len(values))
			for i, value := range values {
				list[i] = value
			}
			inner[parts[1]][parts[2]] = list
		}
	}
	items := make([]any, 0, len(inner))
	for _, one := range inner {
		items = append(items, one)
	}
	return append(items, map[string]any{"type": query.Get("where[0][type]"), "value": items})
}

// TestSpecification loads the description once: it is large.
func TestSpecification(t *testing.T) {
	document := loadSpecification(t)
	document.Servers = openapi3.Servers{{URL: "/api/v1"}}
	for _, path := range document.Paths.Map() {
		for _, operation := range path.Operations() {
			operation.Parameters = slices.DeleteFunc(operation.Parameters, func(p *openapi3.ParameterRef) bool {
				return p.Value.Style == "deepObject" // arrays as PHP writes them, which the library cannot read
			})
		}
	}
	router, err := gorillamux.NewRouter(document)
	require.NoError(t, err)
	checked := func(t *testing.T, handler http.Handler) (*specification, string) {
		t.Helper()
		s := &specification{document: document, router: router, crm: handler}
		server := httptest.NewServer(s)
		t.Cleanup(server.Close)
		return s, server.URL
	}
	t.Run("exchanges", func(t *testing.T) {
		fake := newCRM()
		s, address := checked(t, fake)
		exchange(t, fake, address)
		require.Empty(t, s.mistakes)
		require.Greater(t, s.checked, 8)
	})
	whole := `{"name":"x","dateStart":"2026-03-01 02:30:00","dateEnd":"2026-03-01 02:30:00","assignedUserId":"7"}`
	for name, test := range map[string]struct{ body, answer string }{
		"fine":              {whole, `{"id": "1", "dateStart": "2026-03-01 02:30:00"}`},
		"request, required": {`{"name":"x"}`, `{"id": "1"}`},
		"request, time":     {strings.Replace(whole, "01 02", "01T02", 1), `{"id": "1"}`},
		"answer, type":      {whole, `{"id": 1}`},
	} {
		t.Run(name, func(t *testing.T) {
			s, address := checked(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				_, _ = io.WriteString(w, test.answer)
			}))
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address+"/api/v1/Call", strings.NewReader(test.body))
			require.NoError(t, err)
			r.Header.Set("X-Api-Key", espocrmtest.APIKey)
			r.Header.Set("Content-Type", "application/json")
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
			answer, err := client.Do(r)
			require.NoError(t, err)
			require.NoError(t, answer.Body.Close())
			require.Equal(t, name == "fine", len(s.mistakes) == 0, "%v", s.mistakes)
		})
	}
}

// exchange sends look-ups and writes of all kinds.
func exchange(t *testing.T, fake *espocrmtest.CRM, address string) {
	t.Helper()
	a := newAdapter(t, address)
	c := endedCall("call-1")
	lead := fake.AddRecord("Lead", "T-1", "+84987654321")
	fake.AddNumber("Lead", lead, "+84912345678")
	fake.AddUser("binh.le@example.com")
	for _, object := range []string{"Contact", "Lead"} {
		for _, found := range a.Find(t.Context(), []crm.Lookup{
			{Object: object, TransactionID: "T-1"}, {Object: object, Phone: c.Customer},
		}) {
			require.NoError(t, found.Err)
		}
	}
	require.NoError(t, a.FindUsers(t.Context(), []string{"an.nguyen", "binh.le@example.com"})[0].Err)
	require.NoError(t, a.CreateContacts(t.Context(), []call.Call{c})[0].Err)
	running, recorded := c, c
	running.State, recorded.RecordingURL = call.Answered, recordingURL
	w := crm.Write{Record: &crm.Record{Object: "Lead", ID: lead}, Owner: agentID}
	for _, w.Call = range []call.Call{running, c, recorded} {
		written := a.Write(t.Context(), []crm.Write{w})
		require.NoError(t, written[0].Err)
		w.LogID, w.Progress = written[0].LogID, written[0].Progress
	}
	require.Equal(t, w.LogID, a.FindLogs(t.Context(), []call.Call{c})[0].LogID)
}
