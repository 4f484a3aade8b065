package dynamicstest

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/crmsyncd/crmsyncd/crm/crmtest"
)

const (
	// apiRoot is that of all paths of the API.
	apiRoot = "/api/data/v9.2"
	// maxURL bounds the URL of a request, in bytes.
	maxURL = 32_768
	// window is the time in which requests are counted, tokenLife how long a token is good.
	window, tokenLife = 5 * time.Minute, 3599 * time.Second
	// me is the id of the application user.
	me = "00000000-0000-4000-8000-000000000001"
)

// fault is an error as Dataverse words it.
type fault struct {
	status        int
	code, message string
	wait          time.Duration
}

func refuse(status int, code, format string, args ...any) *fault {
	return &fault{status: status, code: code, message: fmt.Sprintf(format, args...)}
}

// said returns the JSON of a fault.
func (f *fault) said() any {
	return map[string]any{"error": map[string]string{"code": f.code, "message": f.message}}
}

func (f *fault) body() string {
	text, err := json.Marshal(f.said())
	if err != nil {
		panic(err)
	}
	return string(text)
}

func (f *fault) reply(w http.ResponseWriter) {
	if f.wait > 0 {
		w.Header().Set("Retry-After", fmt.Sprint(int64(f.wait/time.Second)))
	}
	w.Header().Set("Content-Type", "application/json; odata.metadata=minimal")
	w.WriteHeader(f.status)
	_ = json.NewEncoder(w).Encode(f.said()) // the client may be gone
}

// Refusal returns an answer in the form of Dataverse's errors.
func Refusal(status int, code, message string) crmtest.Answer {
	return crmtest.Answer{
		Status: status, Header: http.Header{"Content-Type": {"application/json; odata.metadata=minimal"}},
		Body: refuse(status, code, "%s", message).body(),
	}
}

// InBatch returns the answer to a batch of one call of which the change set was refused.
func InBatch(status int, code, message string) crmtest.Answer {
	return crmtest.Answer{
		Status: http.StatusOK, Header: http.Header{"Content-Type": {"multipart/mixed; boundary=batchresponse_b1"}},
		Body: fmt.Sprintf("--batchresponse_b1\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"+
			"HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nRetry-After: 11\r\n\r\n%s\r\n--batchresponse_b1--\r\n", status,
			http.StatusText(status), refuse(status, code, "%s", message).body()),
	}
}

// Throttled returns the answer of an environment that got too many requests.
func Throttled(wait time.Duration) crmtest.Answer {
	a := Refusal(http.StatusTooManyRequests, "0x80072322",
		"Number of requests exceeded the limit of 6000 over time window of 300 seconds.")
	a.Header.Set("Retry-After", fmt.Sprint(int64(wait/time.Second)))
	return a
}

// ServeHTTP answers a request as the API does, or as the token endpoint of Entra does.
func (c *CRM) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client is gone
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests[operationOf(r)]++
	if r.URL.Path == "/"+Tenant+"/oauth2/v2.0/token" {
		c.token(w, r, body)
		return
	}
	if f := c.admit(r); f != nil {
		if f.status == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", "Bearer authorization_uri=https://login.microsoftonline.com/"+Tenant)
			w.WriteHeader(f.status)
			return
		}
		f.reply(w)
		return
	}
	if r.Method == http.MethodPost && r.URL.Path == apiRoot+"/$batch" {
		c.batch(w, r, body)
		return
	}
	answer, f := c.answer(r, body)
	if f != nil {
		f.reply(w)
		return
	}
	w.Header().Set("Content-Type", "application/json; odata.metadata=minimal")
	_ = json.NewEncoder(w).Encode(answer) // the client may be gone
}

// operationOf tells what a request is for.
func operationOf(r *http.Request) string {
	path := strings.TrimPrefix(r.URL.Path, apiRoot+"/")
	switch {
	case strings.HasSuffix(path, "/token"):
		return "token"
	case path == "$batch":
		return "write"
	case strings.HasSuffix(path, "/Attributes"):
		return "setup"
	case path == "systemusers":
		return "find_user"
	case slices.Contains([]string{"contacts", "leads", "opportunities", "accounts"}, path):
		return "find"
	case strings.Contains(path, "EntityDefinitions"), path == "WhoAmI", strings.HasSuffix(path, "Privileges()"):
		return "describe"
	default:
		return "other"
	}
}

// admit refuses requests without a token, and those that are too many or too long.
func (c *CRM) admit(r *http.Request) *fault {
	now := c.options.Now()
	given := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if c.session == "" || subtle.ConstantTimeCompare([]byte(given), []byte(c.session)) != 1 || !now.Before(c.expires) {
		return refuse(http.StatusUnauthorized, "", "")
	}
	c.recent = slices.DeleteFunc(c.recent, func(at time.Time) bool { return now.Sub(at) >= window })
	if len(c.recent) >= c.options.Limit {
		f := refuse(429, "0x80072322", "Number of requests exceeded the limit of %d over time window of 300 seconds.",
			c.options.Limit)
		f.wait = max(window-now.Sub(c.recent[0]), time.Second)
		return f
	}
	c.recent = append(c.recent, now)
	if len(r.URL.RequestURI()) > maxURL {
		return refuse(414, "0x80060888", "The URL is too long.")
	}
	if r.Header.Get("OData-Version") != "4.0" || r.Header.Get("Accept") != "application/json" {
		return refuse(400, "0x80060888", "The headers OData-Version and Accept are required by this fake.")
	}
	return nil
}

// token serves the client credentials flow of Entra.
func (c *CRM) token(w http.ResponseWriter, r *http.Request, body []byte) {
	form, err := url.ParseQuery(string(body))
	id, password, basic := r.BasicAuth()
	if !basic {
		id, password = form.Get("client_id"), form.Get("client_secret")
	} else if plain, failure := url.QueryUnescape(password); failure == nil {
		password = plain
	}
	answer, status := map[string]any{}, http.StatusOK
	switch {
	case err != nil || form.Get("grant_type") != "client_credentials":
		answer["error"], status = "unsupported_grant_type", http.StatusBadRequest
	case id != ClientID || password != ClientSecret:
		answer["error"], status = "invalid_client", http.StatusUnauthorized
		answer["error_description"] = "AADSTS7000215: Invalid client secret provided."
	case form.Get("scope") != "http://"+r.Host+"/.default":
		answer["error"], status = "invalid_scope", http.StatusBadRequest
		answer["error_description"] = "AADSTS70011: The provided value for the input parameter 'scope' is not valid."
	default:
		c.session, c.expires = "eyJ0eXAi."+rand.Text(), c.options.Now().Add(tokenLife)
		answer = map[string]any{
			"token_type": "Bearer", "expires_in": int(tokenLife / time.Second), "access_token": c.session,
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer) // the client may be gone
}

// definition takes the path of a table's definition apart.
var definition = regexp.MustCompile(`^/EntityDefinitions\(LogicalName='([a-z_]+)'\)(/Attributes)?$`)

// answer serves what is no batch. The caller holds the lock.
func (c *CRM) answer(r *http.Request, body []byte) (any, *fault) {
	path := strings.TrimPrefix(r.URL.Path, apiRoot)
	named := definition.FindStringSubmatch(path)
	t := c.bySet(strings.TrimPrefix(path, "/"))
	switch {
	case path == "/WhoAmI":
		return map[string]any{"UserId": me, "BusinessUnitId": me, "OrganizationId": me}, nil
	case path == "/systemusers("+me+")/Microsoft.Dynamics.CRM.RetrieveUserPrivileges()":
		return c.privileges(), nil
	case path == "/organizations":
		return map[string]any{"value": []any{map[string]any{"languagecode": 1033}}}, nil
	case named != nil && c.tables[named[1]] == nil:
		return nil, refuse(404, "0x80060888", "Could not find an entity with name %s and NameMapping Logical.", named[1])
	case named != nil && named[2] != "" && r.Method == http.MethodPost:
		return c.define(c.tables[named[1]], body)
	case named != nil && r.Method == http.MethodGet:
		return c.tables[named[1]].described(), nil
	case t != nil && r.Method == http.MethodGet:
		return c.find(r, t)
	}
	return nil, refuse(404, "0x80060888", "Resource not found for the segment '%s'.", strings.TrimPrefix(path, "/"))
}
