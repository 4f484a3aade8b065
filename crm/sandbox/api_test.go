package sandbox_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm/sandbox"
)

const (
	contactsPath = "/api/v1/contacts"
	callsPath    = "/api/v1/calls"
	usersPath    = "/api/v1/users"
)

func TestErrors(t *testing.T) {
	c := start(t, sandbox.Options{})
	for name, test := range map[string]struct {
		method, path, body string
		status             int
		code               string
	}{
		"no such contact":    {"GET", contactsPath + "/ct_000001", "", 404, "not_found"},
		"no such call":       {"GET", callsPath + "/cl_000001", "", 404, "not_found"},
		"change no call":     {"PATCH", callsPath + "/cl_000001", `{}`, 404, "not_found"},
		"change no contact":  {"PATCH", contactsPath + "/ct_000001", `{}`, 404, "not_found"},
		"no such user":       {"GET", usersPath + "/7", "", 404, "not_found"},
		"no such revisions":  {"GET", callsPath + "/cl_000001/revisions", "", 404, "not_found"},
		"no such route":      {"GET", "/api/v2/calls", "", 404, "not_found"},
		"faults are off":     {"GET", "/api/v1/faults", "", 404, "not_found"},
		"method of a list":   {"DELETE", callsPath, "", 405, "method_not_allowed"},
		"method of a record": {"PUT", callsPath + "/cl_000001", `{}`, 405, "method_not_allowed"},
		"empty body":         {"POST", contactsPath, " ", 400, "bad_json"},
		"broken JSON":        {"POST", callsPath, `{"call_id":`, 400, "bad_json"},
		"two values":         {"POST", callsPath, `{} {}`, 400, "bad_json"},
		"a list":             {"POST", callsPath, `[]`, 400, "bad_json"},
		"null":               {"POST", callsPath, `null`, 400, "bad_json"},
		"not UTF-8":          {"POST", callsPath, "{\"call_id\":\"\xff\"}", 400, "bad_json"},
		"too large":          {"POST", callsPath, `{"note":"` + strings.Repeat("x", 1<<20) + `"}`, 413, "too_large"},
		"unknown filter":     {"GET", callsPath + "?phone=1", "", 422, "invalid"},
		"empty filter":       {"GET", contactsPath + "?transaction_id=", "", 422, "invalid"},
		"repeated filter":    {"GET", contactsPath + "?phone=1&phone=2", "", 422, "invalid"},
		"page zero":          {"GET", contactsPath + "?page=0", "", 422, "invalid"},
		"page beyond reason": {"GET", contactsPath + "?page=2147483648", "", 422, "invalid"},
		"limit too high":     {"GET", contactsPath + "?limit=201", "", 422, "invalid"},
		"limit is no number": {"GET", contactsPath + "?limit=all", "", 422, "invalid"},
		"query unreadable":   {"GET", contactsPath + "?phone=%zz", "", 400, "bad_query"},
	} {
		t.Run(name, func(t *testing.T) {
			r := c.want(t, test.status, test.method, test.path, test.body)
			require.Equal(t, test.code, r.code(t))
			require.Equal(t, "application/json; charset=utf-8", r.header.Get("Content-Type"))
			if test.status == http.StatusMethodNotAllowed {
				require.Contains(t, r.header.Get("Allow"), "GET")
			}
		})
	}
}

func TestContentType(t *testing.T) {
	c := start(t, sandbox.Options{})
	for media, want := range map[string]int{
		"application/json":                  201,
		"application/json; charset=utf-8":   201,
		"application/merge-patch+json":      201,
		"":                                  415,
		"text/plain":                        415,
		"application/x-www-form-urlencoded": 415,
		";":                                 415,
	} {
		request, err := http.NewRequestWithContext(t.Context(), "POST", c.base+contactsPath, strings.NewReader(`{}`))
		require.NoError(t, err)
		request.Header["Content-Type"] = []string{media}
		r, err := c.send(t, request)
		require.NoError(t, err)
		require.Equal(t, want, r.status, media)
	}
}

func TestAPIKey(t *testing.T) {
	c := start(t, sandbox.Options{APIKey: "s3cret", Faults: true})
	c.want(t, 201, "POST", contactsPath, `{}`)
	for _, header := range []string{"", "s3cret", "Bearer", "Bearer ", "Bearer s3cre", "Bearer s3crets", "Basic s3cret"} {
		for _, path := range []string{contactsPath, "/api/v1/stats", "/api/v1/faults", "/api/nothing"} {
			request, err := http.NewRequestWithContext(t.Context(), "GET", c.base+path, nil)
			require.NoError(t, err)
			request.Header.Set("Authorization", header)
			r, err := c.send(t, request)
			require.NoError(t, err)
			require.Equal(t, 401, r.status, header)
			require.Equal(t, "unauthorized", r.code(t))
			require.Equal(t, "Bearer", r.header.Get("WWW-Authenticate"))
			require.NotContains(t, r.text, "s3cret")
		}
	}
}

func TestFull(t *testing.T) {
	c := start(t, sandbox.Options{MaxRecords: 3})
	c.want(t, 201, "POST", contactsPath, `{}`)
	c.want(t, 201, "POST", usersPath, `{}`)
	c.want(t, 201, "POST", callsPath, `{"call_id":"1"}`)
	for _, path := range []string{contactsPath, usersPath, callsPath} {
		require.Equal(t, "full", c.want(t, 507, "POST", path, `{"call_id":"2"}`).code(t))
	}
	_, err := c.AddContact(sandbox.Contact{})
	require.ErrorIs(t, err, sandbox.ErrFull)
	_, err = c.AddUser(sandbox.User{})
	require.ErrorIs(t, err, sandbox.ErrFull)
	c.want(t, 409, "POST", callsPath, `{"call_id":"1"}`)
	c.want(t, 200, "PATCH", callsPath+"/cl_000001", `{"note":"a full sandbox still takes changes"}`)
	require.Len(t, c.Contacts(), 1)
}
