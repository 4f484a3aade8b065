package salesforcetest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm/salesforce/salesforcetest"
)

// client speaks to an org over a real socket.
type client struct {
	*testing.T
	org   *salesforcetest.CRM
	base  string
	token string
}

func newClient(t *testing.T, o salesforcetest.Options) *client {
	t.Helper()
	org := salesforcetest.New(o)
	server := httptest.NewServer(org)
	t.Cleanup(server.Close)
	c := &client{T: t, org: org, base: server.URL}
	status, body := c.send(http.MethodPost, "/services/oauth2/token", url.Values{
		"grant_type": {"client_credentials"}, "client_id": {salesforcetest.ClientID},
		"client_secret": {salesforcetest.ClientSecret},
	})
	require.Equal(t, http.StatusOK, status)
	var answer map[string]string
	require.NoError(t, json.Unmarshal(body, &answer))
	require.Equal(t, server.URL, answer["instance_url"])
	require.NotContains(t, answer, "expires_in")
	c.token = answer["access_token"]
	return c
}

// send sends a body (a form, or anything as JSON) and returns the answer.
func (c *client) send(method, path string, body any) (status int, answer []byte) {
	c.Helper()
	var reader io.Reader
	contentType := "application/json"
	switch body := body.(type) {
	case nil:
	case url.Values:
		reader, contentType = strings.NewReader(body.Encode()), "application/x-www-form-urlencoded"
	default:
		text, err := json.Marshal(body)
		require.NoError(c, err)
		reader = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(context.Background(), method, c.base+path, reader)
	require.NoError(c, err)
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("Authorization", "Bearer "+c.token)
	response, err := http.DefaultClient.Do(r)
	require.NoError(c, err)
	defer func() { require.NoError(c, response.Body.Close()) }()
	answer, err = io.ReadAll(response.Body)
	require.NoError(c, err)
	return response.StatusCode, answer
}

// query sends SOQL.
func (c *client) query(soql string) (status int, answer string) {
	c.Helper()
	status, body := c.send(http.MethodGet, "/services/data/v62.0/query?q="+url.QueryEscape(soql), nil)
	return status, string(body)
}

// save sends records and returns the status and, for each, its error code ("" for success).
func (c *client) save(method, path string, records ...map[string]any) (status int, codes []string, answer string) {
	c.Helper()
	status, body := c.send(method, "/services/data/v62.0/composite/sobjects"+path,
		map[string]any{"allOrNone": false, "records": records})
	var results []struct {
		Success   bool   `json:"success"`
		ErrorCode string `json:"errorCode"`
		Errors    []struct {
			StatusCode string `json:"statusCode"`
		} `json:"errors"`
	}
	require.NoError(c, json.Unmarshal(body, &results))
	for _, r := range results {
		code := r.ErrorCode
		if len(r.Errors) > 0 {
			code = r.Errors[0].StatusCode
		}
		require.Equal(c, code == "", r.Success)
		codes = append(codes, code)
	}
	return status, codes, string(body)
}

// task returns a record of a Task.
func task(values map[string]any) map[string]any {
	record := map[string]any{"attributes": map[string]any{"type": "Task"}}
	maps.Copy(record, values)
	return record
}

func TestToken(t *testing.T) {
	c := newClient(t, salesforcetest.Options{})
	for name, form := range map[string]url.Values{
		"invalid_client_id":      {"grant_type": {"client_credentials"}, "client_id": {"x"}},
		"invalid_client":         {"grant_type": {"client_credentials"}, "client_id": {salesforcetest.ClientID}},
		"unsupported_grant_type": {"grant_type": {"password"}},
	} {
		status, body := c.send(http.MethodPost, "/services/oauth2/token", form)
		require.Equal(t, http.StatusBadRequest, status)
		require.Contains(t, string(body), `"error":"`+name+`"`)
	}
	c.org.EndSessions()
	status, body := c.query("SELECT Id FROM Contact")
	require.Equal(t, http.StatusUnauthorized, status)
	require.JSONEq(t, `[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]`, body)
	require.Equal(t, 4, c.org.Requests()["token"])
}

func TestQuery(t *testing.T) {
	c := newClient(t, salesforcetest.Options{})
	id := c.org.AddRecord("Contact", `it's \ "it"`, "0912345678")
	c.org.Delete(c.org.AddRecord("Contact", `it's \ "it"`, ""))
	for soql, hits := range map[string]int{
		`SELECT Id, Phone FROM Contact WHERE Transaction_Id__c IN ('x', 'IT\'S \\ "it"')`:          1,
		`select id from contact where transaction_id__c = 'it\'s \\ \"it\"' order by createddate`:  1,
		`SELECT Id FROM Contact WHERE (Phone IN ('0912345678') OR MobilePhone = 'x') AND Id != ''`: -1,
		`SELECT Id FROM Contact WHERE Phone = '0912345678' AND (LastName = 'x' OR LastName = 'y')`: 0,
		`SELECT Id FROM Contact WHERE Id = '` + id + `' LIMIT 1`:                                   1,
		`SELECT Id FROM Contact WHERE MobilePhone = null ORDER BY CreatedDate DESC`:                1,
		`SELECT Id FROM Lead WHERE IsConverted = false`:                                            0,
	} {
		status, body := c.query(soql)
		if hits < 0 {
			require.Equal(t, http.StatusBadRequest, status)
			require.Contains(t, body, "MALFORMED_QUERY")
			continue
		}
		require.Equal(t, http.StatusOK, status, body)
		require.Contains(t, body, fmt.Sprintf(`"totalSize":%d`, hits), soql)
	}
	_, body := c.query("SELECT Id, Phone, MobilePhone FROM Contact")
	require.JSONEq(t, `{"totalSize":1,"done":true,"records":[{"attributes":{"type":"Contact","url":`+
		`"/services/data/v62.0/sobjects/Contact/`+id+`"},"Id":"`+id+`","Phone":"0912345678","MobilePhone":null}]}`, body)
}

func TestQueriesThatAreRefused(t *testing.T) {
	c := newClient(t, salesforcetest.Options{})
	for soql, code := range map[string]string{
		"":                             "MALFORMED_QUERY",
		"SELECT Id":                    "MALFORMED_QUERY",
		"SELECT Id FROM Contact WHERE": "MALFORMED_QUERY",
		"SELECT Id FROM Contact WHERE Phone = 'a":             "MALFORMED_QUERY",
		"SELECT Id FROM Contact WHERE Phone = 'a\nb'":         "MALFORMED_QUERY",
		`SELECT Id FROM Contact WHERE Phone = 'a\z'`:          "MALFORMED_QUERY",
		`SELECT Id FROM Contact WHERE Phone = 'a\`:            "MALFORMED_QUERY",
		"SELECT Id FROM Contact WHERE Phone IN ()":            "MALFORMED_QUERY",
		"SELECT Id FROM Contact; DROP":                        "MALFORMED_QUERY",
		"SELECT Id FROM Contact x":                            "MALFORMED_QUERY",
		"SELECT Id FROM Contact WHERE A='1' AND B='1' OR C=1": "MALFORMED_QUERY",
		"SELECT Nothing__c FROM Contact":                      "INVALID_FIELD",
		"SELECT Id FROM Contact ORDER BY Nothing__c":          "INVALID_FIELD",
		"SELECT Id FROM Contact WHERE (Nothing__c = '1')":     "INVALID_FIELD",
		"SELECT Id FROM Task WHERE Description = '1'":         "INVALID_FIELD",
		"SELECT Id FROM User WHERE IsActive = 'true'":         "INVALID_FIELD",
		"SELECT Id FROM Contact WHERE Phone = 0912345678":     "INVALID_FIELD",
		"SELECT Id FROM Contact WHERE OwnerId = 'x'":          "INVALID_QUERY_FILTER_OPERATOR",
		"SELECT Id FROM Deal__c":                              "INVALID_TYPE",
	} {
		status, body := c.query(soql)
		require.Equal(t, http.StatusBadRequest, status, soql)
		require.Contains(t, body, `"errorCode":"`+code+`"`, soql)
	}
	for soql, status := range map[string]int{
		"SELECT Id FROM Contact WHERE Phone = '" + strings.Repeat("1", 17_000) + "'": http.StatusRequestURITooLong,
		"SELECT Id FROM Contact WHERE Phone = '" + strings.Repeat("1", 16_200) + "'": http.StatusRequestHeaderFieldsTooLarge,
	} {
		got, _ := c.query(soql)
		require.Equal(t, status, got)
	}
}

func TestPages(t *testing.T) {
	c := newClient(t, salesforcetest.Options{PageSize: 2})
	for range 5 {
		c.org.AddRecord("Lead", "", "1")
	}
	var seen int
	path := "/services/data/v62.0/query?q=" + url.QueryEscape("SELECT Id FROM Lead")
	for path != "" {
		status, body := c.send(http.MethodGet, path, nil)
		require.Equal(t, http.StatusOK, status)
		var page struct {
			TotalSize      int    `json:"totalSize"`
			Done           bool   `json:"done"`
			NextRecordsURL string `json:"nextRecordsUrl"`
			Records        []any  `json:"records"`
		}
		require.NoError(t, json.Unmarshal(body, &page))
		require.Equal(t, 5, page.TotalSize)
		require.Equal(t, page.Done, page.NextRecordsURL == "")
		seen += len(page.Records)
		path = page.NextRecordsURL
	}
	require.Equal(t, 5, seen)
	status, _ := c.send(http.MethodGet, "/services/data/v62.0/query/0r8x", nil)
	require.Equal(t, http.StatusBadRequest, status)
}

func TestSearchLag(t *testing.T) {
	now := time.Now()
	c := newClient(t, salesforcetest.Options{SearchLag: time.Second, Now: func() time.Time { return now }})
	c.org.AddRecord("Contact", "T", "")
	_, body := c.query("SELECT Id FROM Contact")
	require.Contains(t, body, `"totalSize":0`)
	now = now.Add(time.Second)
	_, body = c.query("SELECT Id FROM Contact")
	require.Contains(t, body, `"totalSize":1`)
}

func TestDailyLimit(t *testing.T) {
	c := newClient(t, salesforcetest.Options{DailyLimit: 1})
	status, _ := c.query("SELECT Id FROM Contact")
	require.Equal(t, http.StatusOK, status)
	status, body := c.query("SELECT Id FROM Contact")
	require.Equal(t, http.StatusForbidden, status)
	require.Contains(t, body, "REQUEST_LIMIT_EXCEEDED")
}

func TestUsers(t *testing.T) {
	c := newClient(t, salesforcetest.Options{})
	id := c.org.AddUser("an@acme.com")
	require.Equal(t, id, c.org.AddUser("AN@acme.com"))
	require.Len(t, id, 18)
	require.Panics(t, func() { c.org.AddRecord("Nothing", "", "") })
}
