package salesforcetest

import (
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/crmsyncd/crmsyncd/crm/crmtest"
)

// maxURI bounds the URI, and the URI together with all headers, in bytes.
const maxURI = 16_384

// fault is an error of a whole request, as Salesforce words it.
type fault struct {
	status  int
	Message string `json:"message"`
	Code    string `json:"errorCode"`
}

// Error tells the code and the message.
func (f *fault) Error() string { return f.Code + ": " + f.Message }

// badRequest returns a fault with status 400.
func badRequest(code, format string, args ...any) *fault {
	return &fault{status: http.StatusBadRequest, Code: code, Message: fmt.Sprintf(format, args...)}
}

// notFound is the fault of a path that leads nowhere.
func notFound() *fault {
	return &fault{status: http.StatusNotFound, Code: "NOT_FOUND", Message: "The requested resource does not exist"}
}

// Throttled returns the answer of an org with too many long requests under way. Salesforce names no time to wait: wait
// goes into Retry-After, as the proxies in front of it say it.
func Throttled(wait time.Duration) crmtest.Answer {
	a := Refusal(http.StatusForbidden, "REQUEST_LIMIT_EXCEEDED", "ConcurrentPerOrgLongTxn Limit exceeded.")
	a.Header.Set("Retry-After", fmt.Sprint(int64(wait/time.Second)))
	return a
}

// Refusal returns an answer in the form of Salesforce's errors.
func Refusal(status int, code, message string) crmtest.Answer {
	body, err := json.Marshal([]fault{{Code: code, Message: message}})
	if err != nil {
		panic(err)
	}
	return crmtest.Answer{
		Status: status, Header: http.Header{"Content-Type": {"application/json;charset=UTF-8"}}, Body: string(body),
	}
}

// apiPath takes the path of an API request apart.
var apiPath = regexp.MustCompile(`^/services/data/v([0-9]{2,3})\.0/(.+)$`)

// ServeHTTP answers a request as the API does.
func (c *CRM) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if tooLong(w, r) {
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client is gone
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.URL.Path == "/services/oauth2/token" {
		c.token(w, r, body)
		return
	}
	answer, status, f := c.answer(r, body)
	w.Header().Set("Sforce-Limit-Info", fmt.Sprintf("api-usage=%d/%d", c.used, c.options.DailyLimit))
	if f != nil {
		reply(w, f.status, []*fault{f})
		return
	}
	reply(w, status, answer)
}

// answer serves what needs a session. The caller holds the lock.
func (c *CRM) answer(r *http.Request, body []byte) (answer any, status int, f *fault) {
	c.requests[operation(r, body)]++
	given := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if c.session == "" || subtle.ConstantTimeCompare([]byte(given), []byte(c.session)) != 1 {
		return nil, 0, &fault{
			status: http.StatusUnauthorized, Code: "INVALID_SESSION_ID", Message: "Session expired or invalid",
		}
	}
	if c.used >= c.options.DailyLimit {
		return nil, 0, &fault{
			status: http.StatusForbidden, Code: "REQUEST_LIMIT_EXCEEDED", Message: "TotalRequests Limit exceeded.",
		}
	}
	c.used++
	part := apiPath.FindStringSubmatch(r.URL.Path)
	if part == nil {
		return nil, 0, notFound()
	}
	if len(body) > 0 && !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		return nil, 0, &fault{
			status: http.StatusUnsupportedMediaType, Code: "UNSUPPORTED_MEDIA_TYPE", Message: "Content-Type not supported",
		}
	}
	return c.route(r, part[1], strings.Split(part[2], "/"), body)
}

// route serves a path below that of the version. The caller holds the lock.
func (c *CRM) route(r *http.Request, version string, path []string, body []byte) (any, int, *fault) {
	at := func(method string, parts ...string) bool {
		if r.Method != method || len(path) != len(parts) {
			return false
		}
		for i, part := range parts {
			if part != "*" && path[i] != part {
				return false
			}
		}
		return true
	}
	switch {
	case at("GET", "query"):
		return c.query(r, version)
	case at("GET", "query", "*"):
		return c.next(version, path[1])
	case at("GET", "sobjects", "*", "describe"):
		o := c.objects[strings.ToLower(path[1])]
		if o == nil {
			return nil, 0, notFound()
		}
		return o.describe(), http.StatusOK, nil
	case at("POST", "composite", "sobjects"):
		return c.collection(body, "", "")
	case at("PATCH", "composite", "sobjects"):
		return c.collection(body, "", "Id")
	case at("PATCH", "composite", "sobjects", "*", "*"):
		return c.collection(body, path[2], path[3])
	case at("GET", "tooling", "query"):
		return c.queryTooling(r)
	case at("POST", "tooling", "sobjects", "CustomField"):
		return c.createField(body)
	default:
		return nil, 0, notFound()
	}
}

// operation names a request for Requests.
func operation(r *http.Request, body []byte) string {
	q := r.URL.Query().Get("q")
	switch {
	case strings.Contains(r.URL.Path, "/tooling/"):
		return "setup"
	case strings.HasSuffix(r.URL.Path, "/describe"):
		return "describe"
	case strings.Contains(r.URL.Path, "/composite/sobjects"):
		if !strings.Contains(string(body), `"Task"`) {
			return "create_contact"
		}
		return "write"
	case strings.Contains(q, " FROM Task "):
		return "find_log"
	case strings.Contains(q, " FROM User "):
		return "find_user"
	case strings.Contains(r.URL.Path, "/query"):
		return "find"
	default:
		return "other"
	}
}

// tooLong refuses what does not fit the web server's limits.
func tooLong(w http.ResponseWriter, r *http.Request) bool {
	if len(r.RequestURI) > maxURI {
		http.Error(w, "URI Too Long", http.StatusRequestURITooLong)
		return true
	}
	size := len(r.RequestURI)
	for key, values := range r.Header {
		for _, value := range values {
			size += len(key) + len(value) + len(": \r\n")
		}
	}
	if size > maxURI {
		http.Error(w, "Request Header Fields Too Large", http.StatusRequestHeaderFieldsTooLarge)
		return true
	}
	return false
}

// token serves the client credentials flow. The caller holds the lock.
func (c *CRM) token(w http.ResponseWriter, r *http.Request, body []byte) {
	c.requests["token"]++
	refuse := func(code, words string) {
		reply(w, http.StatusBadRequest, map[string]string{"error": code, "error_description": words})
	}
	form, err := parseForm(r, body)
	id, clientSecret := client(r, form)
	switch {
	case err != nil || r.Method != http.MethodPost:
		refuse("invalid_request", "must use HTTP POST with form parameters")
	case form.Get("grant_type") != "client_credentials":
		refuse("unsupported_grant_type", "grant type not supported")
	case id != ClientID:
		refuse("invalid_client_id", "client identifier invalid")
	case clientSecret != ClientSecret:
		refuse("invalid_client", "invalid client credentials")
	default:
		if c.session == "" { // every session of one user and app is the same one until it ends
			c.session = newSession()
		}
		instance := c.options.InstanceURL
		if instance == "" {
			instance = "http://" + r.Host
		}
		reply(w, http.StatusOK, map[string]string{
			"access_token": c.session, "signature": "c2FsZXNmb3JjZXRlc3Q=", "scope": "api", "instance_url": instance,
			"id": instance + "/id/00D5g0000000001EAA/0055g000000000AAA", "token_type": "Bearer",
			"issued_at": fmt.Sprint(c.options.Now().UnixMilli()),
		})
	}
}

// client returns the client's id and secret: from the header of basic authentication, where they are escaped as in a
// form, or from the form.
func client(r *http.Request, form url.Values) (id, clientSecret string) {
	id, clientSecret, basic := r.BasicAuth()
	if !basic {
		return form.Get("client_id"), form.Get("client_secret")
	}
	for _, text := range []*string{&id, &clientSecret} {
		if plain, err := url.QueryUnescape(*text); err == nil {
			*text = plain
		}
	}
	return id, clientSecret
}

// reply writes an answer as JSON.
func reply(w http.ResponseWriter, status int, answer any) {
	body, err := json.Marshal(answer)
	if err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
