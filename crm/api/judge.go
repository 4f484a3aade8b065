package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/crmsyncd/crmsyncd/crm"
)

// maxWait bounds what a CRM may ask us to wait.
const maxWait = 24 * time.Hour

// Judge reads an answer by its status alone, nil for a 2xx. 404 and 410 are gone, but a page that says 404 comes from a
// server that does not know the path, or stands before the CRM: that is transient, and nothing was done; 409 is exists for what Creates and somebody else's change
// for what Changes; 429, and 503 with Retry-After, are throttled; a 5xx is in doubt for what Creates, for it may have
// failed behind the commit.
func Judge(r Request, a Answer) *crm.Error {
	if a.Status >= 200 && a.Status < 300 {
		return nil
	}
	return &crm.Error{Kind: kindByStatus(r.Effect, a)}
}

func kindByStatus(effect Effect, a Answer) crm.Kind {
	switch a.Status {
	case http.StatusNotFound:
		if text := bytes.TrimSpace(a.Body); len(text) > 0 && !json.Valid(text) {
			return crm.KindTransient
		}
		return crm.KindGone
	case http.StatusGone:
		return crm.KindGone
	case http.StatusUnauthorized:
		return crm.KindUnauthorized
	case http.StatusForbidden:
		return crm.KindForbidden
	case http.StatusTooManyRequests:
		return crm.KindThrottled
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusNotImplemented:
		return crm.KindTransient
	case http.StatusServiceUnavailable:
		if a.Header.Get("Retry-After") != "" {
			return crm.KindThrottled
		}
		return crm.KindTransient
	case http.StatusConflict:
		return map[Effect]crm.Kind{
			Reads: crm.KindInvalid, Creates: crm.KindExists, Changes: crm.KindTransient,
		}[effect]
	}
	switch {
	case a.Status >= 500 && effect == Creates:
		return crm.KindInDoubt
	case a.Status < 400 || a.Status >= 500:
		return crm.KindTransient
	default:
		return crm.KindInvalid
	}
}

// RetryAfter reads what stands in a header Retry-After: seconds or a date (RFC 9110), at most a day. What cannot be read
// is 0.
func RetryAfter(text string, now time.Time) time.Duration {
	text = strings.TrimSpace(text)
	if seconds, err := strconv.ParseFloat(text, 64); err == nil {
		if !(seconds > 0) { // also what is not a number
			return 0
		}
		return time.Duration(min(seconds, maxWait.Seconds()) * float64(time.Second))
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(max(at.Sub(now), 0), maxWait)
	}
	return 0
}

// words returns the CRM's own words in an answer that is an error.
func words(a Answer) string {
	text := bytes.TrimSpace(bytes.TrimPrefix(a.Body, []byte("\ufeff")))
	var v any
	if json.Unmarshal(text, &v) == nil {
		return ownWords(v, 0)
	}
	if bytes.HasPrefix(text, []byte("<")) {
		return "the answer is a page, not data"
	}
	return ""
}

// ownWords finds the CRM's own words in the body of an error, where most APIs have them.
func ownWords(v any, depth int) string {
	const maxDepth, maxSentences = 4, 3
	if depth > maxDepth {
		return ""
	}
	switch v := v.(type) {
	case string:
		return v
	case []any:
		var sentences []string
		for _, element := range v[:min(len(v), maxSentences)] {
			if s := ownWords(element, depth+1); s != "" {
				sentences = append(sentences, s)
			}
		}
		return strings.Join(sentences, "; ")
	case map[string]any:
		for _, key := range []string{
			"message", "msg", "error_description", "detail", "details", "title", "error", "errors", "reason", "code",
		} {
			if s := ownWords(v[key], depth+1); s != "" {
				return s
			}
		}
	}
	return ""
}
