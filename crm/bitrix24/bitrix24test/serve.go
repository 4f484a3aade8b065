package bitrix24test

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// maxBody is how large a request may be.
const maxBody = 4 << 20

// caller is who calls a method.
type caller struct {
	// app: an application with a token, in contrast to a webhook.
	app bool
}

// result is what a method answers. next and total are 0 where it is no list.
type result struct {
	value       any
	next, total int
}

// ServeHTTP answers one request.
func (c *CRM) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/oauth/token/" {
		c.serveToken(w, r)
		return
	}
	var params object
	var batch struct {
		Cmd commands `json:"cmd"`
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil || r.Method != http.MethodPost || json.Unmarshal(body, &params) != nil {
		c.reply(w, http.StatusBadRequest, object{"error": "invalid_request", "error_description": "no JSON by POST"})
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	who, method, refused := c.authorize(r, params)
	if method == "batch" && json.Unmarshal(body, &batch) != nil {
		refused = fail(http.StatusBadRequest, "invalid_request", "cmd is no object of texts")
	}
	c.requests[c.operation(method, batch.Cmd)]++
	if refused == nil {
		refused = c.limit()
	}
	if refused != nil {
		c.refuse(w, refused)
		return
	}
	delete(params, "auth")
	if method == "batch" {
		halt := text(params["halt"])
		done := c.batch(who, halt == "1" || halt == "true", batch.Cmd)
		c.reply(w, http.StatusOK, object{"result": done, "time": c.timing(method)})
		return
	}
	answer, refused := c.call(who, method, params)
	if refused != nil {
		c.refuse(w, refused)
		return
	}
	said := object{"result": answer.value, "time": c.timing(method)}
	if answer.next > 0 {
		said["next"] = answer.next
	}
	if answer.total > 0 {
		said["total"] = answer.total
	}
	c.reply(w, http.StatusOK, said)
}

// authorize tells who calls which method. The caller holds the lock.
func (c *CRM) authorize(r *http.Request, params object) (who caller, method string, refused *failure) {
	parts := strings.Split(strings.Trim(strings.TrimSuffix(r.URL.Path, ".json"), "/"), "/")
	switch {
	case parts[0] != "rest":
		return caller{}, "", fail(http.StatusNotFound, "ERROR_METHOD_NOT_FOUND", "Method not found!")
	case len(parts) == 4:
		if parts[1] != WebhookUser || parts[2] != WebhookCode {
			return caller{}, parts[3], fail(http.StatusUnauthorized, "INVALID_CREDENTIALS", "Invalid request credentials")
		}
		return caller{}, parts[3], nil
	case len(parts) != 2:
		return caller{}, "", fail(http.StatusNotFound, "ERROR_METHOD_NOT_FOUND", "Method not found!")
	}
	token := text(params["auth"])
	until, known := c.oauth.access[token]
	switch {
	case token == "":
		return caller{}, parts[1], fail(http.StatusUnauthorized, "NO_AUTH_FOUND", "Wrong authorization data")
	case !known:
		return caller{}, parts[1], fail(http.StatusUnauthorized, "invalid_token", "Unable to get application by token")
	case !c.o.Now().Before(until):
		return caller{}, parts[1], fail(http.StatusUnauthorized, "expired_token", "The access token provided has expired.")
	}
	return caller{app: true}, parts[1], nil
}

// limit is the leaky bucket: each request fills it by one, time empties it.
func (c *CRM) limit() *failure {
	if c.o.PerSecond == 0 {
		return nil
	}
	now := c.o.Now()
	if !c.counted.IsZero() {
		c.bucket = max(0, c.bucket-now.Sub(c.counted).Seconds()*c.o.PerSecond)
	}
	c.counted = now
	if c.bucket >= c.o.Burst {
		return fail(http.StatusServiceUnavailable, "QUERY_LIMIT_EXCEEDED", "Too many requests")
	}
	c.bucket++
	return nil
}

// call runs one method.
func (c *CRM) call(who caller, name string, params object) (result, *failure) {
	name = strings.ToLower(name)
	c.commands[name]++
	m, known := c.methods[name]
	if !known {
		return result{}, fail(http.StatusNotFound, "ERROR_METHOD_NOT_FOUND", "Method not found!")
	}
	if m.scope != "" && !slices.Contains(c.o.Scopes, m.scope) {
		return result{}, fail(http.StatusUnauthorized, "insufficient_scope",
			"The request requires higher privileges than provided by the access token")
	}
	if m.app && !who.app {
		return result{}, fail(http.StatusForbidden, "WRONG_AUTH_TYPE",
			"Current authorization type is denied for this method")
	}
	if c.o.Now().Before(c.blocked[name]) {
		return result{}, fail(http.StatusTooManyRequests, "OPERATION_TIME_LIMIT",
			"Method is blocked due to operation time limit.")
	}
	return m.run(c, params)
}

// timing is the part "time" of an answer.
func (c *CRM) timing(method string) object {
	now := c.o.Now()
	reset := now.Add(10 * time.Minute)
	if until := c.blocked[strings.ToLower(method)]; now.Before(until) {
		reset = until
	}
	return object{
		"start": now.Unix(), "finish": float64(now.UnixMilli()) / 1000, "duration": 0.05, "processing": 0,
		"date_start": now.Format(time.RFC3339), "date_finish": now.Format(time.RFC3339),
		"operating_reset_at": reset.Unix(), "operating": 0.1,
	}
}

func (c *CRM) refuse(w http.ResponseWriter, f *failure) {
	body := object{"error": f.code, "error_description": f.words}
	if f.code == "OPERATION_TIME_LIMIT" {
		var until time.Time
		for _, t := range c.blocked {
			until = t
		}
		body["time"] = object{"operating_reset_at": until.Unix()}
	}
	c.reply(w, f.status, body)
}

func (c *CRM) reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client may be gone
}

// operation says what a request is for. A batch is what the weightiest of its commands is.
func (c *CRM) operation(method string, batch commands) string {
	called := []string{strings.ToLower(method)}
	if method == "batch" {
		called = nil
		for _, command := range batch {
			name, _, _ := strings.Cut(command.text, "?")
			called = append(called, strings.ToLower(name))
		}
	}
	for _, kind := range []string{"write", "setup", "find_log", "find_user", "find", "describe"} {
		if slices.ContainsFunc(called, func(name string) bool { return c.methods[name].kind == kind }) {
			return kind
		}
	}
	return "other"
}
