package zohotest

import (
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/crmsyncd/crmsyncd/crm/crmtest"
)

// fault is an error of a whole request.
type fault struct {
	status int
	body   map[string]any
}

// failure returns an error in Zoho's form.
func failure(code, message string, details map[string]any) map[string]any {
	if details == nil {
		details = map[string]any{}
	}
	return map[string]any{"code": code, "message": message, "status": "error", "details": details}
}

// success returns the result of one item that was done.
func success(message string, details map[string]any) map[string]any {
	return map[string]any{"code": "SUCCESS", "message": message, "status": "success", "details": details}
}

// bad returns a fault with status 400.
func bad(code, message string, details map[string]any) *fault {
	return &fault{status: http.StatusBadRequest, body: failure(code, message, details)}
}

// Refusal returns an answer in the form of an error of a whole request.
func Refusal(status int, code, message string, details map[string]any) crmtest.Answer {
	return answer(status, failure(code, message, details))
}

// Item returns the answer to a request with one record, which is refused.
func Item(code, message string, details map[string]any) crmtest.Answer {
	return answer(http.StatusBadRequest, map[string]any{"data": []any{failure(code, message, details)}})
}

func answer(status int, body any) crmtest.Answer {
	encoded, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	return crmtest.Answer{
		Status: status, Header: http.Header{"Content-Type": {"application/json;charset=UTF-8"}}, Body: string(encoded),
	}
}

// ServeHTTP answers a request as the API does.
func (c *CRM) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer c.underWay.Add(-1)
	crowded := c.underWay.Add(1) > int64(c.options.Concurrency)
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client is gone
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.URL.Path == "/oauth/v2/token" {
		c.requests["token"]++
		c.giveToken(w, r, body)
		return
	}
	c.requests[operation(r, body)]++
	f := c.admit(r, crowded)
	if left := c.options.Credits - len(c.spent); left <= c.options.Credits/2 {
		w.Header().Set("X-API-CREDITS-REMAINING", strconv.Itoa(left))
	}
	var reply any
	status := http.StatusOK
	if f == nil {
		reply, status, f = c.route(r, body)
	}
	switch {
	case f != nil:
		send(w, f.status, f.body)
	case reply == nil:
		w.WriteHeader(http.StatusNoContent)
	default:
		send(w, status, reply)
	}
}

func send(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// admit looks at the limits and the token. The caller holds the lock.
func (c *CRM) admit(r *http.Request, crowded bool) *fault {
	now := c.options.Now()
	c.spent = slices.DeleteFunc(c.spent, func(at time.Time) bool { return now.Sub(at) >= 24*time.Hour })
	given := r.Header.Get("Authorization")
	switch {
	case crowded || len(c.spent) >= c.options.Credits:
		return &fault{http.StatusTooManyRequests, failure("TOO_MANY_REQUESTS", "too many requests", nil)}
	case c.token == "" || given != "Zoho-oauthtoken "+c.token || !now.Before(c.expires):
		return &fault{http.StatusUnauthorized, failure("INVALID_TOKEN", "invalid oauth token", nil)}
	case slices.ContainsFunc(c.options.NoScopes, func(part string) bool { return strings.Contains(r.URL.Path, part) }):
		return &fault{http.StatusUnauthorized, failure("OAUTH_SCOPE_MISMATCH", "Unauthorized", nil)}
	}
	c.spent = append(c.spent, now)
	return nil
}

// route serves a path. A nil answer is one without content. The caller holds the lock.
func (c *CRM) route(r *http.Request, body []byte) (any, int, *fault) {
	path, versioned := strings.CutPrefix(r.URL.Path, "/crm/v8/")
	missing := &fault{http.StatusNotFound, failure("INVALID_URL_PATTERN", "Please check if the URL is a correct one", nil)}
	if !versioned {
		return nil, 0, missing
	}
	if len(body) > 0 && !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		return nil, 0, bad("INVALID_REQUEST", "unsupported media type", nil)
	}
	module, upsert := strings.CutSuffix(path, "/upsert")
	writes := c.fields[module] != nil
	switch {
	case r.Method == http.MethodPost && path == "coql":
		rows, f := c.query(body)
		return rows, http.StatusOK, f
	case r.Method == http.MethodGet && path == "users":
		users, f := c.listUsers(r.URL.Query())
		return users, http.StatusOK, f
	case r.Method == http.MethodGet && path == "settings/fields":
		fields, f := c.describe(r)
		return fields, http.StatusOK, f
	case r.Method == http.MethodPost && path == "settings/fields":
		made, f := c.createFields(r, body)
		return made, http.StatusCreated, f
	case r.Method == http.MethodPost && writes, r.Method == http.MethodPut && writes && !upsert:
		return c.write(module, body, upsert, r.Method == http.MethodPut)
	default:
		return nil, 0, missing
	}
}

// listUsers serves a page of users. The caller holds the lock.
func (c *CRM) listUsers(query url.Values) (any, *fault) {
	page, pageErr := strconv.Atoi(query.Get("page"))
	size, sizeErr := strconv.Atoi(query.Get("per_page"))
	if query.Get("type") != "ActiveUsers" || pageErr != nil || sizeErr != nil || page < 1 || size < 1 || size > 200 {
		return nil, bad("INVALID_DATA", "invalid parameter", map[string]any{"param_name": "type"})
	}
	begin := min((page-1)*size, len(c.users))
	end := min(begin+size, len(c.users))
	if begin == end {
		return nil, nil
	}
	var users []any
	for _, u := range c.users[begin:end] {
		users = append(users, map[string]any{"id": u.id, "email": u.email, "full_name": "A User", "status": "active"})
	}
	return map[string]any{"users": users, "info": map[string]any{
		"per_page": size, "count": len(users), "page": page, "more_records": end < len(c.users),
	}}, nil
}

// operation names a request for Requests.
func operation(r *http.Request, body []byte) string {
	switch path := r.URL.Path; {
	case strings.HasSuffix(path, "/coql") && strings.Contains(string(body), " from Calls "):
		return "find_log"
	case strings.HasSuffix(path, "/coql"):
		return "find"
	case strings.HasSuffix(path, "/users"):
		return "find_user"
	case strings.HasSuffix(path, "/settings/fields") && r.Method == http.MethodGet:
		return "describe"
	case strings.HasSuffix(path, "/settings/fields"):
		return "setup"
	case strings.Contains(path, "/Calls"):
		return "write"
	case strings.Contains(path, "/Leads"), strings.Contains(path, "/Contacts"):
		return "create_contact"
	default:
		return "other"
	}
}

// giveToken serves the accounts host. Refusals are answered 200, as Zoho does. The caller holds the lock.
func (c *CRM) giveToken(w http.ResponseWriter, r *http.Request, body []byte) {
	form, err := url.ParseQuery(string(body))
	switch {
	case err != nil || r.Method != http.MethodPost || form.Get("grant_type") != "refresh_token":
		send(w, http.StatusOK, map[string]string{"error": "invalid_request"})
	case form.Get("client_id") != ClientID || form.Get("client_secret") != ClientSecret:
		send(w, http.StatusOK, map[string]string{"error": "invalid_client"})
	case form.Get("refresh_token") != RefreshToken:
		send(w, http.StatusOK, map[string]string{"error": "invalid_code"})
	default:
		c.token, c.expires = "1000."+rand.Text(), c.options.Now().Add(time.Hour)
		given := map[string]any{"access_token": c.token, "token_type": "Bearer", "expires_in": 3600}
		if c.options.APIDomain != "" {
			given["api_domain"] = c.options.APIDomain
		}
		send(w, http.StatusOK, given)
	}
}
