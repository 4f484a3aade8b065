package zohotest_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm/zoho/zohotest"
)

// client speaks to an account as any program would.
type client struct {
	account *zohotest.CRM
	token   string
}

func newClient(t *testing.T, o zohotest.Options) *client {
	t.Helper()
	c := &client{account: zohotest.New(o)}
	form := url.Values{
		"grant_type": {"refresh_token"}, "client_id": {zohotest.ClientID}, "client_secret": {zohotest.ClientSecret},
		"refresh_token": {zohotest.RefreshToken},
	}
	w := httptest.NewRecorder()
	c.account.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/oauth/v2/token", strings.NewReader(form.Encode())))
	var given map[string]any
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &given))
	c.token, _ = given["access_token"].(string)
	require.NotEmpty(t, c.token)
	return c
}

// send returns the status and the body of an answer.
func (c *client) send(t *testing.T, method, path string, body any) (int, string) {
	t.Helper()
	encoded, err := json.Marshal(body)
	require.NoError(t, err)
	r := httptest.NewRequest(method, "/crm/v8"+path, bytes.NewReader(encoded))
	r.Header.Set("Authorization", "Zoho-oauthtoken "+c.token)
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	c.account.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// anyCall returns a call that Zoho takes, with changes.
func anyCall(changes map[string]any) map[string]any {
	values := map[string]any{
		"Call_Type": "Inbound", "Call_Start_Time": "2026-03-01T17:00:00+07:00", "Call_Duration": "01:30", "Subject": "A call",
	}
	for name, value := range changes {
		if values[name] = value; value == nil {
			delete(values, name)
		}
	}
	return values
}

func TestStrictCalls(t *testing.T) {
	c := newClient(t, zohotest.Options{})
	lead := c.account.AddRecord("Leads", "", "")
	reference := func(id string) map[string]any { return map[string]any{"id": id} }
	for name, test := range map[string]struct {
		changes map[string]any
		want    string
	}{
		"no type":       {map[string]any{"Call_Type": nil}, "MANDATORY_NOT_FOUND"},
		"no duration":   {map[string]any{"Call_Duration": nil}, "MANDATORY_NOT_FOUND"},
		"odd type":      {map[string]any{"Call_Type": "inbound"}, "INVALID_DATA"},
		"no offset":     {map[string]any{"Call_Start_Time": "2026-03-01 17:00:00"}, "INVALID_DATA"},
		"number":        {map[string]any{"Call_Duration": 90}, "expected_data_type"},
		"seconds":       {map[string]any{"Call_Duration": "90"}, "INVALID_DATA"},
		"long subject":  {map[string]any{"Subject": strings.Repeat("ệ", 256)}, "maximum_length"},
		"owner":         {map[string]any{"Owner": reference("1")}, "$.data[0].Owner.id"},
		"owner's form":  {map[string]any{"Owner": "1"}, "expected_data_type"},
		"lead as who":   {map[string]any{"Who_Id": reference(lead)}, "$.data[0].Who_Id.id"},
		"what alone":    {map[string]any{"What_Id": reference(lead)}, "DEPENDENT_FIELD_MISSING"},
		"wrong module":  {map[string]any{"What_Id": reference(lead), "$se_module": "Deals"}, "$.data[0].What_Id"},
		"unknown field": {map[string]any{"Nothing": "x"}, "SUCCESS"},
		"lead":          {map[string]any{"What_Id": reference(lead), "$se_module": "Leads"}, "SUCCESS"},
	} {
		t.Run(name, func(t *testing.T) {
			_, body := c.send(t, http.MethodPost, "/Calls", map[string]any{"data": []any{anyCall(test.changes)}})
			require.Contains(t, body, test.want)
		})
	}
	require.Len(t, c.account.Logs(), 2)
	require.Equal(t, 14, c.account.Workflows(), "without an empty trigger workflows run")
}

func TestStrictRequests(t *testing.T) {
	c := newClient(t, zohotest.Options{Credits: 100})
	in := "Transaction_ID in ('" + strings.Join(make([]string, 51), "','") + "x')"
	coql := func(query string) (int, string) {
		return c.send(t, http.MethodPost, "/coql", map[string]string{"select_query": query})
	}
	for query, want := range map[string]string{
		"select id from Contacts where " + in + " order by id asc limit 0, 1":                             "SYNTAX_ERROR",
		"select id from Contacts where Phone in ('a') or Mobile in ('a') order by id asc limit 0, 1":      "SYNTAX_ERROR",
		"select id from Contacts where Phone in ('it's') order by id asc limit 0, 1":                      "SYNTAX_ERROR",
		"select id from Contacts order by id asc limit 0, 1":                                              "SYNTAX_ERROR",
		"select Nothing from Contacts where Phone in ('a') order by id asc limit 0, 1":                    "INVALID_QUERY",
		"select id from Contacts where Description in ('a') order by id asc limit 0, 1":                   "INVALID_QUERY",
		"select id from Nothing where Phone in ('a') order by id asc limit 0, 1":                          "INVALID_MODULE",
		"select id from Contacts where Phone in ('a') order by id asc limit 0, 2001":                      "INVALID_QUERY",
		"select id from Contacts where (Phone in ('a') or Mobile in ('a')) order by id asc limit 0, 2000": "",
		"select id, Owner from Contacts where Transaction_ID in ('it\\'s') order by id asc limit 0, 200":  "",
		"select id from Calls where Call_Duration_in_seconds > 0 order by id asc limit 0, 200":            "",
		"select id, Phone from Contacts where Phone in ('a', '+84912345678') order by id asc limit 0,1":   "",
	} {
		status, body := coql(query)
		require.Contains(t, body, want, query)
		require.Equal(t, want == "", status == http.StatusNoContent, query)
	}
	calls := make([]any, 101)
	for i := range calls {
		calls[i] = anyCall(nil)
	}
	_, body := c.send(t, http.MethodPost, "/Calls", map[string]any{"data": calls})
	require.Contains(t, body, "LIMIT_EXCEEDED")
	_, body = c.send(t, http.MethodPost, "/Calls/upsert", map[string]any{
		"data": calls[:1], "duplicate_check_fields": []string{"Subject"},
	})
	require.Contains(t, body, "duplicate_check_fields")
	status, body := c.send(t, http.MethodPost, "/Calls", map[string]any{"data": []any{anyCall(nil), map[string]any{}}})
	require.Equal(t, http.StatusMultiStatus, status, body)
	c.token = "another"
	status, _ = c.send(t, http.MethodGet, "/users?type=ActiveUsers&page=1&per_page=200", nil)
	require.Equal(t, http.StatusUnauthorized, status)
}

// TestRollingDay: credits come back a day after they were used, and tokens last an hour.
func TestRollingDay(t *testing.T) {
	now := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	c := newClient(t, zohotest.Options{Credits: 1, Now: func() time.Time { return now }})
	users := "/users?type=ActiveUsers&page=1&per_page=200"
	status, _ := c.send(t, http.MethodGet, users, nil)
	require.Equal(t, http.StatusOK, status)
	status, _ = c.send(t, http.MethodGet, users, nil)
	require.Equal(t, http.StatusTooManyRequests, status)
	now = now.Add(24 * time.Hour)
	status, body := c.send(t, http.MethodGet, users, nil)
	require.Equal(t, http.StatusUnauthorized, status, "the token ended")
	require.Contains(t, body, "INVALID_TOKEN")
}
