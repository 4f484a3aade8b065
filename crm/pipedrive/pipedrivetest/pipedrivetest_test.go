package pipedrivetest_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm/pipedrive/pipedrivetest"
)

// ask sends a request to a fake and returns its answer.
func ask(t *testing.T, fake http.Handler, method, path, contentType, body string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	r.Header.Set("X-Api-Token", pipedrivetest.Token)
	r.Header.Set("Content-Type", contentType)
	answer := httptest.NewRecorder()
	fake.ServeHTTP(answer, r)
	return answer
}

// TestCallLogsAreValidated: what the real API refuses is refused.
func TestCallLogsAreValidated(t *testing.T) {
	const whole = `{"to_phone_number":"1","outcome":"busy","start_time":"2026-03-01 02:30:00",` +
		`"end_time":"2026-03-01 02:30:00"}`
	with := func(fields string) string { return strings.Replace(whole, "{", "{"+fields+",", 1) }
	for name, test := range map[string]struct {
		body   string
		status int
	}{
		"fine":            {whole, 200},
		"no JSON":         {"x", 400},
		"no outcome":      {strings.Replace(whole, `"outcome":"busy",`, "", 1), 400},
		"unknown outcome": {strings.Replace(whole, "busy", "missed", 1), 400},
		"time with a T":   {strings.Replace(whole, "01 02", "01T02", 1), 400},
		"duration":        {with(`"duration":90`), 400},
		"unknown field":   {with(`"direction":"inbound"`), 400},
		"id as a text":    {with(`"person_id":"7"`), 400},
		"no UUID":         {with(`"lead_id":"7"`), 400},
		"no such person":  {with(`"person_id":7`), 404},
		"no such user":    {with(`"user_id":7`), 403},
		"deal and lead":   {with(`"deal_id":7,"lead_id":"adf21080-0e10-11eb-879b-05d71fb426ec"`), 400},
	} {
		t.Run(name, func(t *testing.T) {
			fake := pipedrivetest.New(pipedrivetest.Options{Regular: true})
			answer := ask(t, fake, http.MethodPost, "/v1/callLogs", "application/json", test.body)
			require.Equal(t, test.status, answer.Code, answer.Body)
			isFine := test.status == http.StatusOK
			require.Equal(t, isFine, len(fake.Logs()) == 1)
			require.Contains(t, answer.Body.String(), fmt.Sprintf(`"success":%t`, isFine))
		})
	}
}

// TestRecordingIsTakenOnce: a file, once, whole, and nothing else.
func TestRecordingIsTakenOnce(t *testing.T) {
	const form = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.mp3\"\r\n" +
		"Content-Type: audio/mpeg\r\n\r\nthe sound\r\n--b--\r\n"
	fake := pipedrivetest.New(pipedrivetest.Options{})
	made := ask(t, fake, http.MethodPost, "/v1/callLogs", "application/json",
		`{"to_phone_number":"1","outcome":"busy","start_time":"2026-03-01 02:30:00","end_time":"2026-03-01 02:30:00"}`)
	_, id, _ := strings.Cut(made.Body.String(), `"id":"`)
	id, _, _ = strings.Cut(id, `"`)
	path := "/v1/callLogs/" + id + "/recordings"
	for _, test := range []struct {
		path, body string
		status     int
	}{
		{"/v1/callLogs/none/recordings", form, 404},
		{path, strings.TrimSuffix(form, "\r\n--b--\r\n"), 400},
		{path, strings.Replace(form, `"file"`, `"audio"`, 1), 400},
		{path, strings.Replace(form, "audio/mpeg", "text/html", 1), 400},
		{path, form, 200},
		{path, form, 409},
	} {
		answer := ask(t, fake, http.MethodPost, test.path, "multipart/form-data; boundary=b", test.body)
		require.Equal(t, test.status, answer.Code, "%s %s", test.body, answer.Body)
	}
	content, mediaType := fake.Recording(fake.Logs()[0].ID)
	require.Equal(t, "the sound audio/mpeg", string(content)+" "+mediaType)
}

func TestTokenBelongsIntoTheHeader(t *testing.T) {
	fake := pipedrivetest.New(pipedrivetest.Options{})
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/users/me?api_token="+pipedrivetest.Token,
		http.NoBody)
	answer := httptest.NewRecorder()
	fake.ServeHTTP(answer, r)
	require.Equal(t, http.StatusUnauthorized, answer.Code)
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.Contains(t, string(body), `"error":"unauthorized access"`)
}
