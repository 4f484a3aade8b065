package suitecrm_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
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
	"github.com/crmsyncd/crmsyncd/crm/suitecrm"
	"github.com/crmsyncd/crmsyncd/crm/suitecrm/suitecrmtest"
)

// specification checks what goes to and fro against SuiteCRM's own description of its API, which says little: paths,
// methods, media types, parameters and the statuses of answers. The requests for tokens and metadata are not in it.
type specification struct {
	router routers.Router
	crm    http.Handler

	mu       sync.Mutex
	checked  map[string]int
	mistakes []error
}

// loadSpecification reads suitecrm/swagger.json in the folder that CRMSYNCD_SPECS names (from the repository
// salesagility/SuiteCRM, Api/docs/swagger/swagger.json; or what a server answers to GET Api/V8/meta/swagger.json).
func loadSpecification(t *testing.T) *specification {
	t.Helper()
	folder := os.Getenv("CRMSYNCD_SPECS")
	if folder == "" {
		t.Skip("no SuiteCRM API description: set CRMSYNCD_SPECS to a folder that holds suitecrm/swagger.json")
	}
	document, err := openapi3.NewLoader().LoadFromFile(filepath.Join(folder, "suitecrm", "swagger.json"))
	require.NoError(t, err)
	document.Servers = openapi3.Servers{{URL: "/legacy/Api/V8"}}
	router, err := gorillamux.NewRouter(document)
	require.NoError(t, err)
	return &specification{router: router, checked: map[string]int{}}
}

func (s *specification) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.Contains(r.URL.Path, "/V8/module") {
		s.crm.ServeHTTP(w, r)
		return
	}
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	answer := httptest.NewRecorder()
	s.crm.ServeHTTP(answer, r)
	r.Body = io.NopCloser(bytes.NewReader(body))
	err := s.check(r, body, answer)
	s.mu.Lock()
	s.checked[r.Method]++
	if err != nil {
		s.mistakes = append(s.mistakes, errors.New(r.Method+" "+r.URL.Path+": "+err.Error()))
	}
	s.mu.Unlock()
	maps.Copy(w.Header(), answer.Header())
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}

// check returns what is wrong with a request or its answer.
func (s *specification) check(r *http.Request, body []byte, answer *httptest.ResponseRecorder) error {
	route, parameters, err := s.router.FindRoute(r)
	if err != nil {
		return err
	}
	input := &openapi3filter.RequestValidationInput{
		Request: r, PathParams: parameters, Route: route, Options: &openapi3filter.Options{
			MultiError: true, IncludeResponseStatus: true,
			AuthenticationFunc: func(context.Context, *openapi3filter.AuthenticationInput) error {
				if !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ") {
					return errors.New("the token is not where it belongs")
				}
				return nil
			},
		},
	}
	if err := openapi3filter.ValidateRequest(r.Context(), input); err != nil {
		return err
	}
	if content := route.Operation.RequestBody; content != nil {
		if err := likeExample(content.Value.Content[r.Header.Get("Content-Type")], body); err != nil {
			return err
		}
	}
	return openapi3filter.ValidateResponse(r.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: answer.Code, Header: answer.Header(),
		Body: io.NopCloser(bytes.NewReader(answer.Body.Bytes())), Options: input.Options,
	})
}

// likeExample reports what the body of a write lacks of the description's example.
func likeExample(media *openapi3.MediaType, body []byte) error {
	if media == nil {
		return errors.New("not a described media type")
	}
	var sent struct{ Data map[string]any }
	if err := json.Unmarshal(body, &sent); err != nil {
		return err
	}
	example, _ := media.Schema.Value.Example.(map[string]any)
	described, _ := example["data"].(map[string]any)
	if len(described) == 0 {
		return errors.New("the description has no example")
	}
	for key := range described {
		if sent.Data[key] == nil {
			return errors.New("data." + key + " is missing")
		}
	}
	for key := range sent.Data {
		if described[key] == nil {
			return errors.New("data." + key + " is not described")
		}
	}
	return nil
}

func TestSpecification(t *testing.T) {
	s := loadSpecification(t)
	fake := suitecrmtest.New(suitecrmtest.Options{})
	s.crm = fake
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	a := newAdapter(t, server.URL)
	c := endedCall("call-1")
	lead := fake.AddRecord("Leads", "T-1", "0912345678")
	for _, object := range []string{"Contacts", "Leads"} {
		for _, found := range a.Find(t.Context(), []crm.Lookup{
			{Object: object, TransactionID: "T-1"}, {Object: object, Phone: c.Customer},
		}) {
			require.NoError(t, found.Err)
		}
	}
	require.NoError(t, a.FindUsers(t.Context(), []string{fake.AddUser("an.nguyen")})[0].Err)
	require.NoError(t, a.CreateContacts(t.Context(), []call.Call{c})[0].Err)
	running, recorded := c, c
	running.State, recorded.RecordingURL = call.Answered, recordingURL
	w := crm.Write{Record: &crm.Record{Object: "Leads", ID: lead}, Owner: fake.AddUser("binh.le")}
	for _, w.Call = range []call.Call{running, c, recorded} {
		written := a.Write(t.Context(), []crm.Write{w})
		require.NoError(t, written[0].Err)
		w.LogID, w.Progress = written[0].LogID, written[0].Progress
	}
	w.LogID = ""
	require.NoError(t, a.Write(t.Context(), []crm.Write{w})[0].Err)
	kind(t, crm.KindGone, a.Write(t.Context(), []crm.Write{{Call: c, LogID: suitecrm.LogID("another")}})[0].Err)
	require.Empty(t, s.mistakes)
	require.Greater(t, s.checked["GET"], 8)
	require.Greater(t, s.checked["POST"], 2)
	require.Greater(t, s.checked["PATCH"], 3)
}

// TestSpecificationFindsMistakes: the test above can fail.
func TestSpecificationFindsMistakes(t *testing.T) {
	s := loadSpecification(t)
	whole := `{"data":{"type":"Calls","id":"38582337-2a40-5296-bdf2-b3e4c7f81546","attributes":{"name":"x"}}}`
	for name, test := range map[string]struct {
		method, path, contentType, body string
		status                          int
		fine                            bool
	}{
		"fine":           {"POST", "/module", "application/vnd.api+json", whole, 201, true},
		"media type":     {"POST", "/module", "application/json", whole, 201, false},
		"method":         {"PUT", "/module", "application/vnd.api+json", whole, 200, false},
		"path":           {"POST", "/modules", "application/vnd.api+json", whole, 201, false},
		"body":           {"PATCH", "/module", "application/vnd.api+json", `{"data":{"type":"Calls"}}`, 200, false},
		"status":         {"PATCH", "/module", "application/vnd.api+json", whole, 422, false},
		"page":           {"GET", "/module/Calls?page[size]=many", "", "", 200, false},
		"look-up, fine":  {"GET", "/module/Calls?page[size]=5&filter[name][eq]=x", "", "", 200, true},
		"read, bad uuid": {"GET", "/module/Calls/7/8", "", "", 200, false},
	} {
		t.Run(name, func(t *testing.T) {
			body := strings.NewReader(test.body)
			r := httptest.NewRequestWithContext(t.Context(), test.method, "/legacy/Api/V8"+test.path, body)
			r.Header.Set("Authorization", "Bearer x")
			r.Header.Set("Content-Type", test.contentType)
			answer := httptest.NewRecorder()
			answer.WriteHeader(test.status)
			err := s.check(r, []byte(test.body), answer)
			require.Equal(t, test.fine, err == nil, "%v", err)
		})
	}
}
