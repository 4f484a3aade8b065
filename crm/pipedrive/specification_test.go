package pipedrive_test

import (
	"bytes"
	"context"
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
	"github.com/crmsyncd/crmsyncd/crm/pipedrive/pipedrivetest"
)

// specification checks what goes to and fro against Pipedrive's own descriptions of its API.
type specification struct {
	v1, v2 routers.Router
	crm    http.Handler

	mu       sync.Mutex
	checked  map[string]bool
	mistakes []error
}

// loadSpecification reads a description in the folder pipedrive of the one that CRMSYNCD_SPECS names (published as
// developers.pipedrive.com/docs/api/v1/openapi.yaml and openapi-v2.yaml).
func loadSpecification(t *testing.T, name, root string) routers.Router {
	t.Helper()
	folder := os.Getenv("CRMSYNCD_SPECS")
	if folder == "" {
		t.Skip("no Pipedrive API description: set CRMSYNCD_SPECS to a folder that holds pipedrive/openapi-v1.yaml and -v2")
	}
	document, err := openapi3.NewLoader().LoadFromFile(filepath.Join(folder, "pipedrive", name))
	require.NoError(t, err)
	document.Servers = openapi3.Servers{{URL: root}}
	if logs := document.Paths.Value("/callLogs"); logs != nil {
		body := logs.Post.RequestBody.Value.Content["application/json"].Schema.Value
		body.AdditionalProperties = openapi3.AdditionalProperties{Has: new(false)}
		for _, field := range []string{"start_time", "end_time"} {
			// Said to be date-time, and described in words as what the pattern says.
			body.Properties[field].Value.Format = ""
			body.Properties[field].Value.Pattern = `^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}$`
		}
	}
	for _, path := range document.Paths.Map() {
		for _, operation := range path.Operations() {
			if ok := operation.Responses.Status(http.StatusOK); ok != nil {
				endlessCursor(ok.Value.Content["application/json"])
			}
		}
	}
	router, err := gorillamux.NewRouter(document)
	require.NoError(t, err)
	return router
}

// endlessCursor lets next_cursor be null, as its description says in words.
func endlessCursor(media *openapi3.MediaType) {
	if media == nil || media.Schema == nil {
		return
	}
	for _, part := range append(openapi3.SchemaRefs{media.Schema}, media.Schema.Value.AllOf...) {
		if additional := part.Value.Properties["additional_data"]; additional != nil {
			if cursor := additional.Value.Properties["next_cursor"]; cursor != nil {
				cursor.Value.Nullable = true
			}
		}
	}
}

func (s *specification) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	answer := httptest.NewRecorder()
	s.crm.ServeHTTP(answer, r)
	r.Body = io.NopCloser(bytes.NewReader(body))
	operation, err := s.check(r, answer)
	s.mu.Lock()
	s.checked[operation] = true
	if err != nil {
		s.mistakes = append(s.mistakes, errors.New(r.Method+" "+r.URL.Path+": "+err.Error()))
	}
	s.mu.Unlock()
	maps.Copy(w.Header(), answer.Header())
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}

// check returns the operation of a request, and what is wrong with it or its answer.
func (s *specification) check(r *http.Request, answer *httptest.ResponseRecorder) (operation string, err error) {
	router := s.v1
	if strings.HasPrefix(r.URL.Path, "/api/v2/") {
		router = s.v2
	}
	route, parameters, err := router.FindRoute(r)
	if err != nil {
		return "", err
	}
	input := &openapi3filter.RequestValidationInput{
		Request: r, PathParams: parameters, Route: route, Options: &openapi3filter.Options{
			MultiError: true, AuthenticationFunc: func(_ context.Context, a *openapi3filter.AuthenticationInput) error {
				if a.SecurityScheme.Type == "apiKey" && r.Header.Get(a.SecurityScheme.Name) == pipedrivetest.Token {
					return nil
				}
				return errors.New("the token is not where it belongs")
			},
		},
	}
	operation = route.Operation.OperationID
	for name := range r.URL.Query() {
		if route.Operation.Parameters.GetByInAndName("query", name) == nil {
			return operation, errors.New("nobody knows the parameter " + name)
		}
	}
	if err := openapi3filter.ValidateRequest(r.Context(), input); err != nil {
		return operation, err
	}
	return operation, openapi3filter.ValidateResponse(r.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: answer.Code, Header: answer.Header(),
		Body: io.NopCloser(bytes.NewReader(answer.Body.Bytes())), Options: input.Options,
	})
}

// TestSpecification loads the descriptions once: they are large.
func TestSpecification(t *testing.T) {
	v1, v2 := loadSpecification(t, "openapi-v1.yaml", "/v1"), loadSpecification(t, "openapi-v2.yaml", "/api/v2")
	openapi3filter.RegisterBodyDecoder("audio/mpeg", openapi3filter.FileBodyDecoder)
	checked := func(t *testing.T, handler http.Handler) (*specification, string) {
		t.Helper()
		s := &specification{v1: v1, v2: v2, crm: handler, checked: map[string]bool{}}
		server := httptest.NewServer(s)
		t.Cleanup(server.Close)
		return s, server.URL
	}
	t.Run("exchanges", func(t *testing.T) {
		fake := pipedrivetest.New(pipedrivetest.Options{})
		s, address := checked(t, fake)
		exchange(t, fake, address)
		require.Empty(t, s.mistakes)
		for _, operation := range []string{
			"addCallLog", "addCallLogAudioFile", "getUserCallLogs", "getActivities", "getActivity", "updateActivity",
			"searchItemByField", "searchPersons", "getPerson", "getDeal", "getLead", "getPersonFields", "getDealFields",
			"addPersonField", "addPerson", "getUsers", "getCurrentUser",
		} {
			require.Contains(t, s.checked, operation)
		}
	})
	whole := `{"to_phone_number":"1","outcome":"busy","start_time":"2026-03-01 02:30:00","end_time":"2026-03-01 02:30:00"}`
	for name, test := range map[string]struct{ body, answer string }{
		"fine":              {whole, `{"success": true}`},
		"request, required": {strings.Replace(whole, `"outcome":"busy",`, "", 1), `{"success": true}`},
		"request, time":     {strings.Replace(whole, "01 02", "01T02", 1), `{"success": true}`},
		"request, unknown":  {strings.Replace(whole, `{`, `{"direction":"in",`, 1), `{"success": true}`},
		"request, number":   {strings.Replace(whole, `{`, `{"duration":90,`, 1), `{"success": true}`},
		"answer, type":      {whole, `{"success": "yes"}`},
	} {
		t.Run(name, func(t *testing.T) {
			s, address := checked(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				_, _ = io.WriteString(w, test.answer)
			}))
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address+"/v1/callLogs",
				strings.NewReader(test.body))
			require.NoError(t, err)
			r.Header.Set("X-Api-Token", pipedrivetest.Token)
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
func exchange(t *testing.T, fake *pipedrivetest.CRM, address string) {
	t.Helper()
	m := newMedia(t)
	b := &bench{Adapter: newAdapter(t, address, objects, m.allowed(t)), crm: fake}
	for _, object := range []string{"person", "deal", "lead"} {
		for range 2 {
			fake.AddRecord(object, "T-1", "+84912345678")
		}
		found := b.find(t, object, "T-1")
		require.NoError(t, found.Err)
		require.Len(t, found.Records, 2)
		w := b.linked(endedCall("call-" + object))
		w.Record = &found.Records[0]
		w = b.write(t, w)
		w.Call.RecordingURL = m.recording()
		b.write(t, w)
		w.Call.RecordingURL, w.Progress = recordingURL, nil
		b.write(t, w)
	}
	require.NoError(t, b.Find(t.Context(), []crm.Lookup{{Object: "person", Phone: endedCall("").Customer}})[0].Err)
	require.NotEmpty(t, b.FindLogs(t.Context(), []call.Call{endedCall("call-deal")})[0].LogID)
	require.NoError(t, b.CreateContacts(t.Context(), []call.Call{endedCall("call-1")})[0].Err)
	require.NoError(t, b.Prepare(t.Context(), crm.Preparation{Name: "person.Another"}))
	require.Empty(t, problems(b.Check(t.Context())))
}
