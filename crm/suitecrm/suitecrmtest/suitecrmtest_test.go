package suitecrmtest_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm/suitecrm/suitecrmtest"
)

const (
	client = "&client_id=" + suitecrmtest.ClientID + "&client_secret=" + suitecrmtest.ClientSecret
	user   = "&username=" + suitecrmtest.Username + "&password=" + suitecrmtest.Password
	form   = "application/x-www-form-urlencoded"
)

// ask sends a request and returns the answer.
func ask(t *testing.T, c *suitecrmtest.CRM, method, path, contentType, body string, header ...string) (int, string) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	c.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// TestTokens holds the fake to the page "JSON API" and to RFC 6749.
func TestTokens(t *testing.T) {
	json := `{"grant_type":"client_credentials","client_id":"` + suitecrmtest.ClientID + `","client_secret":"` +
		suitecrmtest.ClientSecret + `"}`
	for name, test := range map[string]struct {
		password          bool
		contentType, body string
		status            int
		says              string
	}{
		"JSON":             {false, "application/vnd.api+json", json, http.StatusOK, `"expires_in":3600`},
		"form":             {false, form, "grant_type=client_credentials" + client, http.StatusOK, `"token_type":"Bearer"`},
		"password":         {true, form, "grant_type=password" + client + user, http.StatusOK, `"refresh_token"`},
		"wrong password":   {true, form, "grant_type=password" + client + user + "x", http.StatusUnauthorized, "credentials"},
		"another grant":    {true, form, "grant_type=client_credentials" + client, http.StatusUnauthorized, "invalid_client"},
		"wrong secret":     {false, form, "grant_type=client_credentials" + client + "x", http.StatusUnauthorized, "client"},
		"unknown grant":    {false, form, "grant_type=implicit" + client, http.StatusBadRequest, "unsupported_grant_type"},
		"no refresh token": {true, form, "grant_type=refresh_token" + client, http.StatusUnauthorized, "refresh token"},
	} {
		t.Run(name, func(t *testing.T) {
			c := suitecrmtest.New(suitecrmtest.Options{PasswordGrant: test.password})
			status, body := ask(t, c, http.MethodPost, "/legacy/Api/access_token", test.contentType, test.body)
			require.Equal(t, test.status, status, body)
			require.Contains(t, body, test.says)
		})
	}
}

func TestPathsAndTokens(t *testing.T) {
	for _, version7 := range []bool{false, true} {
		c := suitecrmtest.New(suitecrmtest.Options{Version7: version7})
		for path, is7 := range map[string]bool{"/legacy/Api/V8/module/Calls": false, "/Api/V8/module/Calls": true} {
			status, body := ask(t, c, http.MethodGet, path, "", "")
			if is7 == version7 {
				require.Equal(t, http.StatusUnauthorized, status)
				require.Contains(t, body, "access_denied")
				continue
			}
			require.Equal(t, http.StatusNotFound, status)
			require.Contains(t, body, "<html>")
		}
	}
}

// TestWhatIsRefused holds the fake to the words of the sources.
func TestWhatIsRefused(t *testing.T) {
	c := suitecrmtest.New(suitecrmtest.Options{})
	_, issued := ask(t, c, http.MethodPost, "/legacy/Api/access_token", form, "grant_type=client_credentials"+client)
	_, token, _ := strings.Cut(issued, `"access_token":"`)
	token, _, _ = strings.Cut(token, `"`)
	const id = "38582337-2a40-5296-bdf2-b3e4c7f81546"
	call := func(id, attributes string) string {
		return `{"data":{"type":"Calls","id":"` + id + `","attributes":{` + attributes + `}}}`
	}
	for _, test := range []struct {
		method, path, body string
		status             int
		says               string
	}{
		{"POST", "", call("7", ""), 400, `"7\" is invalid`},
		{"POST", "", call(id, `"nonsense":1`), 400, "Property nonsense in Call module is invalid"},
		{"PATCH", "", call(id, `"name":"x"`), 400, "Calls module with id " + id + " is not found"},
		{"POST", "", call(id, `"name":"`+strings.Repeat("ậ", 51)+`"`), 500, "Database failure"},
		{"POST", "", call(id, `"name":"`+strings.Repeat("ậ", 50)+`"`), 201, id},
		{"POST", "", call(id, `"name":"x"`), 400, "Bean Calls with id " + id + " is already exist"},
		{"POST", "", strings.Replace(call(id, ""), "Calls", "Faxes", 1), 400, "Module Faxes does not exist"},
		{"GET", "/Calls?filter[nonsense][eq]=1&page[size]=1&page[number]=1", "", 400, "Filter field nonsense in Call"},
		{"GET", "/Calls?filter[name][in]=1&page[size]=1&page[number]=1", "", 400, "Filter operator in is invalid"},
		{"GET", "/Calls?filter[name]=1&page[size]=1&page[number]=1", "", 400, "must be an array"},
		{"GET", "/Calls?fields[Calls]=nonsense&page[size]=1&page[number]=1", "", 400, "is not found: nonsense"},
		{"GET", "/Calls?page[size]=0&page[number]=1", "", 400, "page"},
		{"GET", "/Calls?filter[name][eq]=y&page[size]=1&page[number]=1", "", 200, `"data":[]`},
	} {
		status, body := ask(t, c, test.method, "/legacy/Api/V8/module"+test.path, "application/vnd.api+json", test.body,
			"Authorization", "Bearer "+token)
		require.Equal(t, test.status, status, "%s %s: %s", test.method, test.path, body)
		require.Contains(t, body, test.says)
	}
}
