package espocrmtest_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm/espocrm/espocrmtest"
)

// ask sends a request to a fake with its key and returns status, reason and body.
func ask(t *testing.T, c *espocrmtest.CRM, method, path, body string, header ...string) (status int, reason, answer string) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "/api/v1/"+path, strings.NewReader(body))
	r.Header.Set("X-Api-Key", espocrmtest.APIKey)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	c.ServeHTTP(w, r)
	text, err := io.ReadAll(w.Body)
	require.NoError(t, err)
	return w.Code, w.Header().Get("X-Status-Reason"), string(text)
}

const whole = `{"name":"x","dateStart":"2026-03-01 02:30:00","dateEnd":"2026-03-01 02:31:30","assignedUserId":"7"`

// TestAnswers holds the fake to what a real server answered.
func TestAnswers(t *testing.T) {
	for name, test := range map[string]struct {
		method, path, body string
		status             int
		reason             string
	}{
		"no such entity type":   {"GET", "Nonsense", "", 404, ""},
		"page too large":        {"GET", "Call?maxSize=201", "", 403, "Max size should not exceed 200"},
		"unknown attribute":     {"GET", "Call?where[0][type]=equals&where[0][attribute]=x&where[0][value]=1", "", 400, "'x'"},
		"unknown filter":        {"GET", "Call?where[0][type]=x", "", 400, "type 'x'"},
		"URL too long":          {"GET", "Call?select=" + strings.Repeat("x", 9000), "", 414, ""},
		"missing record":        {"GET", "Call/404", "", 404, ""},
		"missing record update": {"PATCH", "Call/404", "{}", 404, ""},
		"method":                {"DELETE", "Call", "", 405, ""},
		"broken JSON":           {"POST", "Call", `{"name":`, 500, ""},
		"wrong JSON type":       {"POST", "Call", `{"name":5}`, 500, ""},
		"empty body":            {"POST", "Call", "", 400, "type: required"},
		"no user":               {"POST", "Call", `{"name":"x","dateStart":"2026-03-01 02:30:00","dateEnd":"2026-03-01 02:30:00"}`, 400, "field: assignedUser, type: required"},
		"title too long":        {"POST", "Call", whole + `,"name":"` + strings.Repeat("ạ", 256) + `"}`, 400, "field: name, type: maxLength"},
		"unknown status":        {"POST", "Call", whole + `,"status":"Done"}`, 400, "field: status, type: valid"},
		"no time":               {"POST", "Call", whole + `,"dateEnd":"tomorrow"}`, 400, "field: dateEnd, type: valid"},
		"unknown user":          {"POST", "Call", whole + `,"assignedUserId":"8"}`, 403, "Assignment failure"},
		"unknown parent":        {"POST", "Call", whole + `,"parentType":"Lead","parentId":"1"}`, 403, "non-existing record"},
		"unknown contact":       {"POST", "Call", whole + `,"contactsIds":["1"]}`, 403, "non-existing record"},
		"unknown field dropped": {"POST", "Call", whole + `,"cNonsense":"1","uid":"1","id":"1"}`, 200, ""},
		"national number":       {"POST", "Contact", `{"lastName":"A","phoneNumber":"0912345678"}`, 400, "field: phoneNumber, type: valid"},
		"fields by an API user": {"POST", "Admin/fieldManager/Call", `{"name":"x","type":"varchar"}`, 403, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c := espocrmtest.New(espocrmtest.Options{Users: map[string]string{"7": "an.nguyen"}})
			status, reason, body := ask(t, c, test.method, test.path, test.body)
			require.Equal(t, test.status, status, "%s %s", reason, body)
			require.Contains(t, reason, test.reason)
			require.NotContains(t, body, "cNonsense")
		})
	}
}

func TestCreateAnswersTheDefaultDuration(t *testing.T) {
	c := espocrmtest.New(espocrmtest.Options{Users: map[string]string{"7": "an.nguyen"}})
	_, _, body := ask(t, c, "POST", "Call", whole+"}")
	var made struct {
		ID       string
		Duration int
	}
	require.NoError(t, json.Unmarshal([]byte(body), &made))
	require.Equal(t, 300, made.Duration)
	_, _, body = ask(t, c, "GET", "Call/"+made.ID, "")
	require.NoError(t, json.Unmarshal([]byte(body), &made))
	require.Equal(t, 90, made.Duration)
}

func TestDuplicates(t *testing.T) {
	c := espocrmtest.New(espocrmtest.Options{})
	id := c.AddRecord("Lead", "", "+84912345678")
	lead := `{"lastName":"B","phoneNumber":"+84912345678"}`
	status, reason, body := ask(t, c, "POST", "Lead", lead)
	require.Equal(t, 409, status)
	require.Equal(t, "duplicate", reason)
	require.Contains(t, body, id)
	status, _, _ = ask(t, c, "POST", "Lead", lead, "X-Skip-Duplicate-Check", "true")
	require.Equal(t, 200, status)
}

func TestFailedLogins(t *testing.T) {
	now := time.Now()
	c := espocrmtest.New(espocrmtest.Options{Now: func() time.Time { return now }})
	for range 11 {
		status, _, body := ask(t, c, "GET", "Call", "", "X-Api-Key", "wrong")
		require.Equal(t, 401, status)
		require.Empty(t, body)
	}
	status, reason, _ := ask(t, c, "GET", "Call", "")
	require.Equal(t, 403, status)
	require.Equal(t, "Max failed login attempts exceeded.", reason)
	now = now.Add(time.Minute)
	status, _, _ = ask(t, c, "GET", "Call", "")
	require.Equal(t, 200, status)
}

func TestTotals(t *testing.T) {
	c := espocrmtest.New(espocrmtest.Options{})
	for range 3 {
		c.AddRecord("Contact", "T-1", "")
	}
	for query, want := range map[string]string{"maxSize=2": `"total":3`, "maxSize=2&x=1": `"total":-1`, "x=1": `"total":-2`} {
		header := []string{"X-No-Total", "false"}
		if strings.Contains(query, "x=1") {
			header[1] = "true"
		}
		_, _, body := ask(t, c, "GET", "Contact?"+query, "", header...)
		require.Contains(t, body, want)
	}
}

func TestAdministratorMakesFields(t *testing.T) {
	c := espocrmtest.New(espocrmtest.Options{Bare: true})
	makeField := func() int {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/api/v1/Admin/fieldManager/Call",
			strings.NewReader(`{"name":"providerCallId","type":"varchar","maxLength":100}`))
		r.SetBasicAuth(espocrmtest.AdminName, espocrmtest.AdminPassword)
		w := httptest.NewRecorder()
		c.ServeHTTP(w, r)
		return w.Code
	}
	require.Equal(t, 200, makeField())
	require.Equal(t, 409, makeField())
	_, _, body := ask(t, c, "GET", "Metadata?key=entityDefs.Call.fields.cProviderCallId", "")
	require.JSONEq(t, `{"type":"varchar","maxLength":100,"isCustom":true}`, body)
}

func TestThrottledNamesTheTime(t *testing.T) {
	a := espocrmtest.Throttled(1500 * time.Millisecond)
	require.Equal(t, 503, a.Status)
	require.Equal(t, "2", a.Header.Get("Retry-After"))
}
