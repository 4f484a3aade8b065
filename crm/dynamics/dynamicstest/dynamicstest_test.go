package dynamicstest_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm/dynamics/dynamicstest"
)

const (
	row       = "11111111-2222-4333-8444-555555555555"
	tokenPath = "/" + dynamicstest.Tenant + "/oauth2/v2.0/token"
)

// client speaks to a fake as a program would.
type client struct {
	*testing.T

	crm     *dynamicstest.CRM
	address string
	token   string
}

func newClient(t *testing.T) *client {
	t.Helper()
	c := &client{T: t, crm: dynamicstest.New(dynamicstest.Options{})}
	server := httptest.NewServer(c.crm)
	t.Cleanup(server.Close)
	c.address = server.URL
	form := url.Values{
		"grant_type": {"client_credentials"}, "client_id": {dynamicstest.ClientID},
		"client_secret": {dynamicstest.ClientSecret}, "scope": {c.address + "/.default"},
	}
	_, body := c.send(http.MethodPost, tokenPath, "application/x-www-form-urlencoded", form.Encode())
	var answer struct {
		Token string `json:"access_token"`
	}
	require.NoError(t, json.Unmarshal([]byte(body), &answer))
	c.token = answer.Token
	return c
}

// send sends a request and returns the status and the body.
func (c *client) send(method, path, contentType, body string) (int, string) {
	c.Helper()
	r, err := http.NewRequestWithContext(c.Context(), method, c.address+path, strings.NewReader(body))
	require.NoError(c, err)
	for name, value := range map[string]string{
		"Content-Type": contentType, "Authorization": "Bearer " + c.token, "Accept": "application/json",
		"OData-Version": "4.0", "Prefer": "odata.continue-on-error",
	} {
		r.Header.Set(name, value)
	}
	answer, err := http.DefaultClient.Do(r)
	require.NoError(c, err)
	defer func() { require.NoError(c, answer.Body.Close()) }()
	text, err := io.ReadAll(answer.Body)
	require.NoError(c, err)
	return answer.StatusCode, string(text)
}

// patch sends one PATCH in a batch and returns the answer.
func (c *client) patch(path, header, body string) string {
	c.Helper()
	status, text := c.batch("PATCH /api/data/v9.2" + path + " HTTP/1.1\r\nContent-Type: application/json\r\n" + header +
		"\r\n" + body)
	require.Equal(c, http.StatusOK, status)
	return text
}

// batch sends a batch of one operation.
func (c *client) batch(operation string) (int, string) {
	c.Helper()
	return c.send(http.MethodPost, "/api/data/v9.2/$batch", "multipart/mixed; boundary=b",
		"--b\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"+operation+"\r\n--b--\r\n")
}

func TestWritesThatAreRefused(t *testing.T) {
	c := newClient(t)
	calls := "/phonecalls(" + row + ")"
	for _, test := range []struct{ path, header, body, want string }{
		{calls, "If-Match: *\r\n", `{}`, "phonecall With Id = " + row + " Does Not Exist"},
		{calls, "", `{"statecode":1,"statuscode":2}`, "not a valid status code for a new phonecall"},
		{calls, "", `{"nothing":1}`, "The property 'nothing' does not exist on type"},
		{calls, "", `{"createdon":"2026-03-01T10:00:00Z"}`, "The property 'createdon' does not exist on type"},
		{calls, "", `{"actualstart":"01/03/2026"}`, "Cannot convert the literal"},
		{calls, "", `{"actualdurationminutes":1.5}`, "Cannot convert the literal"},
		{calls, "", `{"actualdurationminutes":"2"}`, "Cannot convert the literal"},
		{calls, "", `{"actualdurationminutes":-1}`, "outside the valid range"},
		{calls, "", `{"directioncode":"true"}`, "Cannot convert the literal"},
		{calls, "", `{"subject":"` + strings.Repeat("x", 201) + `"}`, "exceeded the maximum allowed length of '200'"},
		{calls, "", `{"regardingobjectid_contact_phonecall@odata.bind":"/contacts(` + row + `)"}`, "contact With Id"},
		{calls, "", `{"regardingobjectid_contact_phonecall@odata.bind":"/leads(` + row + `)"}`, "must name a row of contact"},
		{calls, "", `{"regardingobjectid_x_phonecall@odata.bind":"/xs(` + row + `)"}`, "An undeclared property"},
		{calls, "", `{"ownerid@odata.bind":"/systemusers(` + row + `)"}`, "systemuser With Id"},
		{calls, "", `{"phonecall_activity_parties":[{"participationtypemask":9}]}`, "is 1 or 2"},
		{calls, "", `{`, "unexpected token"},
		{"/things(" + row + ")", "", `{}`, "Resource not found for the segment"},
		{"/phonecalls(1)", "", `{}`, "Resource not found for the segment"},
	} {
		require.Contains(t, c.patch(test.path, test.header, test.body), test.want)
		require.Empty(t, c.crm.Logs())
	}
}

func TestCompletedCalls(t *testing.T) {
	c := newClient(t)
	calls := "/phonecalls(" + row + ")"
	for _, step := range []struct{ header, body, want string }{
		{"", `{"subject":"one"}`, "204 No Content"},
		{"", `{"subject":"two"}`, "204 No Content"},
		{"If-None-Match: *\r\n", `{"subject":"three"}`, "412 Precondition Failed"},
		{"If-Match: *\r\n", `{"statecode":1,"statuscode":3}`, "is not a valid status code for state code"},
		{"If-Match: *\r\n", `{"statecode":1,"statuscode":2}`, "204 No Content"},
		{"", `{"subject":"four"}`, "Cannot update Closed or Cancelled Activity"},
		{"If-Match: *\r\n", `{"statecode":0,"statuscode":1,"subject":"four"}`, "Cannot update Closed"},
		{"If-Match: *\r\n", `{"statecode":0,"statuscode":1}`, "204 No Content"},
		{"If-Match: *\r\n", `{"subject":"five"}`, "204 No Content"},
	} {
		require.Contains(t, c.patch(calls, step.header, step.body), step.want, step.body)
	}
	require.Equal(t, "five", c.crm.Logs()[0].Title)
	require.NotEmpty(t, c.crm.Value(row, "actualend"), "completing sets it")
}

func TestBatchesThatAreRefused(t *testing.T) {
	c := newClient(t)
	binary := "Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n"
	patch := "\r\nPATCH /api/data/v9.2/phonecalls(" + row + ") HTTP/1.1\r\nContent-Type: application/json\r\n\r\n{}\r\n"
	set := func(parts ...string) string {
		return "--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n" + strings.Join(parts, "--c\r\n") +
			"--c--\r\n--b--\r\n"
	}
	part := binary + patch
	mixed, first := "multipart/mixed; boundary=b", binary+"Content-ID: 1\r\n"+patch
	for _, test := range []struct{ kind, body, want string }{
		{"application/json", "{}", "no multipart/mixed"},
		{mixed, strings.ReplaceAll("--b\r\n"+part+"--b--\r\n", "\r\n", "\n"), "CRLF"},
		{mixed, "--b\r\n" + part, "malformed"},
		{mixed, "--b\r\nContent-Type: application/http\r\n" + patch + "--b--\r\n", "no binary"},
		{mixed, set(part), "needs a Content-ID"},
		{mixed, set(first, first), "of its own"},
		{
			mixed, "--b\r\n" + strings.Repeat(part+"--b\r\n", 1000) + part + "--b--\r\n",
			"more than 1000",
		},
	} {
		status, text := c.send(http.MethodPost, "/api/data/v9.2/$batch", test.kind, test.body)
		require.Equal(t, http.StatusBadRequest, status)
		require.Contains(t, text, test.want)
	}
	status, text := c.batch("GET /api/data/v9.2/contacts HTTP/1.1\r\n\r\n")
	require.Equal(t, http.StatusBadRequest, status)
	require.Contains(t, text, "PATCH")
	require.Empty(t, c.crm.Logs())
}

func TestQueries(t *testing.T) {
	c := newClient(t)
	c.crm.AddRecord("contact", "O'Brien", "+84912345678")
	in := "Microsoft.Dynamics.CRM.In(PropertyName=%s,PropertyValues=['+84912345678'])"
	for _, test := range []struct{ selected, filter, want string }{
		{"contactid,new_x", "", "Could not find a property named 'new_x'"},
		{"contactid", fmt.Sprintf(in, "'new_x'"), "entity doesn't contain attribute"},
		{"contactid", fmt.Sprintf(in, "@p"), "alias '@p' has no value"},
		{"contactid", "new_transactionid eq 'O'Brien'", "Syntax error"},
		{"contactid", "(statecode eq 0", "unterminated"},
		{"telephone1", "new_transactionid eq 'o''brien' and statecode eq 0", "+84912345678"},
		{"telephone1", fmt.Sprintf(in, "'telephone1'"), "+84912345678"},
	} {
		query := "$select=" + test.selected + "&$filter=" + strings.ReplaceAll(test.filter, " ", "%20")
		_, text := c.send(http.MethodGet, "/api/data/v9.2/contacts?"+query, "", "")
		require.Contains(t, text, test.want)
	}
	status, _ := c.send(http.MethodGet, "/api/data/v9.2/contacts?$select="+strings.Repeat("x", 33_000), "", "")
	require.Equal(t, http.StatusRequestURITooLong, status)
	c.token = "another"
	status, _ = c.send(http.MethodGet, "/api/data/v9.2/contacts?$select=contactid", "", "")
	require.Equal(t, http.StatusUnauthorized, status)
	status, text := c.send(http.MethodPost, tokenPath, "application/x-www-form-urlencoded", url.Values{
		"grant_type": {"client_credentials"}, "client_id": {dynamicstest.ClientID},
		"client_secret": {dynamicstest.ClientSecret}, "scope": {"https://graph.microsoft.com/.default"},
	}.Encode())
	require.Equal(t, http.StatusBadRequest, status)
	require.Contains(t, text, "invalid_scope")
}
