package espocrmtest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// How often an address may fail to log in, and for how long it is refused then (configuration parameters
// authMaxFailedAttemptNumber and authFailedAttemptsPeriod).
const (
	maxFailures    = 10
	failuresPeriod = time.Minute
)

// authenticate returns 200 for a request that may go on. The caller holds the lock.
func (c *CRM) authenticate(r *http.Request) (status int, reason string) {
	now := c.options.Now()
	for len(c.failures) > 0 && now.Sub(c.failures[0]) >= failuresPeriod {
		c.failures = c.failures[1:]
	}
	switch {
	case len(c.failures) > maxFailures:
		return http.StatusForbidden, "Max failed login attempts exceeded."
	case c.isAdmin(r) || c.isAPIUser(r):
		return http.StatusOK, ""
	}
	c.failures = append(c.failures, now)
	return http.StatusUnauthorized, ""
}

// isAdmin reports whether the request comes from the administrator.
func (c *CRM) isAdmin(r *http.Request) bool {
	if sent := r.Header.Get("Espo-Authorization"); sent != "" {
		return sent == base64.StdEncoding.EncodeToString([]byte(AdminName+":"+AdminPassword))
	}
	name, password, basic := r.BasicAuth()
	return basic && name == AdminName && password == AdminPassword
}

// isAPIUser reports whether the request carries the API user's credentials.
func (c *CRM) isAPIUser(r *http.Request) bool {
	if c.options.SecretKey == "" {
		return r.Header.Get("X-Api-Key") == c.options.APIKey
	}
	sent, err := base64.StdEncoding.DecodeString(r.Header.Get("X-Hmac-Authorization"))
	key, hash, found := strings.Cut(string(sent), ":")
	if err != nil || !found || key != c.options.APIKey {
		return false
	}
	mac := hmac.New(sha256.New, []byte(c.options.SecretKey))
	mac.Write([]byte(r.Method + " " + strings.TrimPrefix(r.URL.EscapedPath(), "/api/v1")))
	want := mac.Sum(nil)
	return hash == string(want) || hash == hex.EncodeToString(want)
}

// may reports whether the role of the API user allows an action on all records. The administrator may do anything.
func (c *CRM) may(r *http.Request, entity, action string) bool {
	return c.isAdmin(r) || c.level(entity, action) == "all"
}

// level is what the role of the API user allows.
func (c *CRM) level(entity, action string) string {
	if level, said := c.options.Rights[entity][action]; said {
		return level
	}
	if entity == "User" && action != "read" {
		return "no"
	}
	return "all"
}

// refuse answers with an error as EspoCRM does: the words in a header, the body empty.
func refuse(w http.ResponseWriter, status int, reason string) {
	w.Header().Set("Content-Type", "text/html; charset=UTF-8")
	if reason != "" {
		w.Header().Set("X-Status-Reason", reason)
	}
	w.WriteHeader(status)
}

// seconds returns a duration as it stands in Retry-After: whole seconds, rounded up.
func seconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}
