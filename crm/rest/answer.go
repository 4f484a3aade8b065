package rest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/crmsyncd/crmsyncd/crm"
)

// The words of a rule that are no error, or not the same one for every operation.
const (
	thenSuccess  = "success"
	thenNotFound = "not_found"
)

// kinds are the words of a rule and the kind of error each stands for.
var kinds = map[string]crm.Kind{
	thenSuccess: 0, thenNotFound: crm.KindGone, "gone": crm.KindGone, "exists": crm.KindExists,
	"throttled": crm.KindThrottled, "quota": crm.KindQuota, "unauthorized": crm.KindUnauthorized,
	"forbidden": crm.KindForbidden, "invalid": crm.KindInvalid, "transient": crm.KindTransient,
	"in_doubt": crm.KindInDoubt,
}

// alias are words that mean the same as another.
var alias = map[string]string{"gone": thenNotFound}

// maxWait bounds what a CRM may ask us to wait.
const maxWait = 24 * time.Hour

// answer is what a CRM answered, as expressions see it.
type answer struct {
	answerEnv
	// isJSON says that Body is the decoded body. A body that is empty, a page or cut off is not.
	isJSON bool
	// tooLarge says that the body went beyond the bound; Text has its beginning.
	tooLarge bool
}

// readAnswer reads a response with at most limit bytes of body. Its error is that of the connection.
func readAnswer(response *http.Response, limit int64) (answer, error) {
	a := answer{answerEnv: answerEnv{Status: response.StatusCode, Headers: map[string]string{}}}
	for key, values := range response.Header {
		a.Headers[strings.ToLower(key)] = strings.ToValidUTF8(strings.Join(values, ", "), "\uFFFD")
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, limit+1))
	if int64(len(body)) > limit {
		a.tooLarge, body = true, body[:limit]
	}
	a.Text = strings.ToValidUTF8(string(body), "\uFFFD")
	if !a.tooLarge && err == nil {
		a.Body, a.isJSON = decode(body)
	}
	return a, err
}

// decode reads one JSON value and nothing after it.
func decode(body []byte) (v any, ok bool) {
	d := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(body, []byte("\ufeff"))))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return nil, false
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, false
	}
	return exact(v), true
}

// exact turns the numbers in v into whole numbers where they are some, so that an id of 18 digits keeps all of them. A
// number too large for that stays text.
func exact(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := strconv.Atoi(v.String()); err == nil {
			return n
		}
		if f, err := v.Float64(); err == nil && strings.ContainsAny(v.String(), ".eE") {
			return f
		}
		return v.String()
	case []any:
		for i := range v {
			v[i] = exact(v[i])
		}
	case map[string]any:
		for key := range v {
			v[key] = exact(v[key])
		}
	}
	return v
}

// verdict is what an answer was taken for.
type verdict struct {
	// then is a word of kinds.
	then       string
	id         string
	message    string
	retryAfter time.Duration
}

// judge takes an answer for what the rules of the operation, those for all operations and at last the built-in ones
// say.
func (a *Adapter) judge(op *operation, got answer) verdict {
	for _, r := range op.rules {
		if holds, _ := r.when.value(got.answerEnv).(bool); !holds {
			continue
		}
		v := verdict{then: cmp.Or(alias[r.then], r.then), id: r.id.text(got.answerEnv), message: r.message.text(got.answerEnv)}
		if r.retryAfter != nil {
			v.retryAfter = a.wait(r.retryAfter.text(got.answerEnv))
		}
		return a.complete(v, got)
	}
	return a.complete(verdict{then: builtIn(op, got)}, got)
}

// complete fills in what the rule did not say.
func (a *Adapter) complete(v verdict, got answer) verdict {
	if v.retryAfter == 0 {
		v.retryAfter = a.wait(got.Headers["retry-after"])
	}
	if v.then == thenSuccess {
		return v
	}
	if v.message == "" {
		v.message = a.plan.message.text(got.answerEnv)
	}
	if v.message == "" {
		v.message = ownWords(got.Body, 0)
	}
	if v.message == "" && strings.HasPrefix(strings.TrimSpace(got.Text), "<") {
		v.message = "the answer is a page, not data"
	}
	if got.Status >= 300 && got.Status < 400 {
		v.message = "the CRM redirects elsewhere, which is not followed: is base_url its final address? " + v.message
	}
	return v
}

// builtIn says what an answer is where no rule does.
func builtIn(op *operation, got answer) string {
	switch status := got.Status; {
	case status >= 200 && status < 300:
		return thenSuccess
	case status == http.StatusNotFound && op.effect == lookup && !got.isJSON && strings.TrimSpace(got.Text) != "":
		return "transient" // a page saying so comes from a server that does not know the path, not from the CRM
	case status == http.StatusNotFound, status == http.StatusGone:
		return thenNotFound
	case status == http.StatusConflict && op.effect == create:
		return "exists"
	case status == http.StatusConflict && op.effect == update:
		return "transient" // somebody else changes it at this moment
	case status == http.StatusUnauthorized:
		return "unauthorized"
	case status == http.StatusForbidden:
		return "forbidden"
	case status == http.StatusTooManyRequests:
		return "throttled"
	case status == http.StatusServiceUnavailable && got.Headers["retry-after"] != "":
		return "throttled"
	case status == http.StatusRequestTimeout, status == http.StatusTooEarly, status < 400:
		return "transient"
	case status == http.StatusServiceUnavailable, status == http.StatusNotImplemented:
		return "transient"
	case status >= 500 && op.effect == create:
		return "in_doubt" // it may have failed behind the commit, or in a proxy in front of it
	case status >= 500:
		return "transient"
	default:
		return "invalid"
	}
}

// wait reads what stands in a header Retry-After: seconds or a date (RFC 9110). What cannot be read is 0.
func (a *Adapter) wait(text string) time.Duration { return parseRetryAfter(text, a.now()) }

func parseRetryAfter(text string, now time.Time) time.Duration {
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

// fail turns a verdict that is no success into an error.
func (a *Adapter) fail(op *operation, got answer, v verdict) error {
	return &crm.Error{
		Kind: kinds[v.then], Op: op.title, Status: got.Status, RetryAfter: v.retryAfter, Message: a.mask(v.message),
	}
}
