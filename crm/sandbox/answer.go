package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// maxBody is the longest body that a request may have.
const maxBody = 1 << 20

// answer is what a request to the API came to. A zero status means that there is none yet.
type answer struct {
	status     int
	location   string
	retryAfter time.Duration
	body       any
}

// failure is the body of every error.
type failure struct {
	Error problem `json:"error"`
	// Data is the record that is there already, for a duplicate.
	Data any `json:"data,omitempty"`
}

// problem says what is wrong: a code for programs, a message for people, and what is wrong with which field.
type problem struct {
	Code    string            `json:"code"`
	Message string            `json:"message"`
	Fields  map[string]string `json:"fields,omitempty"`
}

// one is the body with one record, list that with a page of them.
type (
	one struct {
		Data any `json:"data"`
	}
	list struct {
		Data  any `json:"data"`
		Total int `json:"total"`
	}
)

func found(record any) answer { return answer{status: http.StatusOK, body: one{record}} }

func created(location string, record any) answer {
	return answer{status: http.StatusCreated, location: location, body: one{record}}
}

func fail(status int, code, format string, args ...any) answer {
	return answer{status: status, body: failure{Error: problem{Code: code, Message: fmt.Sprintf(format, args...)}}}
}

// invalid is the answer to a well-formed request whose fields are not right.
func invalid(fields map[string]string) answer {
	return answer{status: http.StatusUnprocessableEntity, body: failure{Error: problem{
		Code: "invalid", Message: "some fields are not valid", Fields: fields,
	}}}
}

func refusedKey() answer {
	return fail(http.StatusUnauthorized, "unauthorized", "send Authorization: Bearer with the API key")
}

// refused turns an error of the store into an answer.
func refused(err error) answer {
	switch {
	case errors.Is(err, ErrFull):
		return fail(http.StatusInsufficientStorage, "full", "%s: raise its limit of records", ErrFull)
	case errors.Is(err, errNotFound):
		return fail(http.StatusNotFound, "not_found", "there is no such record")
	case errors.Is(err, errUnknownContact):
		return invalid(map[string]string{"contact_id": "there is no such contact"})
	}
	if fields, ok := errors.AsType[fieldErrors](err); ok {
		return invalid(fields)
	}
	return fail(http.StatusInternalServerError, "internal", "the sandbox could not do that")
}

// fieldErrors says what is wrong with which field.
type fieldErrors map[string]string

// Error names the fields.
func (f fieldErrors) Error() string {
	names := make([]string, 0, len(f))
	for name := range f {
		names = append(names, name)
	}
	slices.Sort(names)
	return "fields not valid: " + strings.Join(names, ", ")
}

// write sends the answer.
func (a answer) write(w http.ResponseWriter) error {
	body, err := json.Marshal(a.body)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	if a.location != "" {
		h.Set("Location", a.location)
	}
	if a.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(a.retryAfter.Seconds()))))
	}
	if a.status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", "Bearer")
	}
	w.WriteHeader(a.status)
	if _, err := w.Write(append(body, '\n')); err != nil {
		return fmt.Errorf("send answer: %w", err)
	}
	return nil
}

// readBody returns the body of a write: JSON, in bounds, in UTF-8. A status other than 0 is the answer instead.
func readBody(r *http.Request) ([]byte, answer) {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/json" && !strings.HasSuffix(media, "+json") {
		return nil, fail(http.StatusUnsupportedMediaType, "unsupported_media_type", "send Content-Type: application/json")
	}
	body, err := io.ReadAll(r.Body)
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return nil, fail(http.StatusRequestEntityTooLarge, "too_large", "the body is longer than %d bytes", maxBody)
	}
	if err != nil || !utf8.Valid(body) {
		return nil, brokenJSON()
	}
	return body, answer{}
}

func brokenJSON() answer {
	return fail(http.StatusBadRequest, "bad_json", "the body must be one JSON object in UTF-8")
}

// readFields returns the fields of the JSON object that a write sent.
func readFields(r *http.Request) (map[string]json.RawMessage, answer) {
	body, bad := readBody(r)
	if bad.status != 0 {
		return nil, bad
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil || fields == nil {
		return nil, brokenJSON()
	}
	return fields, answer{}
}

// Pages of lists.
const (
	defaultLimit = 50
	maxLimit     = 200
)

// page is the part of a list that is asked for.
type page struct{ number, limit int }

// readQuery returns the filters of a list by name and the page. What is unknown, repeated or empty is refused.
func readQuery(r *http.Request, filters ...string) (map[string]string, page, answer) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, page{}, fail(http.StatusBadRequest, "bad_query", "the query of the address cannot be read")
	}
	problems := map[string]string{}
	given := map[string]string{}
	p := page{number: 1, limit: defaultLimit}
	for name, all := range values {
		switch {
		case len(all) != 1 || strings.TrimSpace(all[0]) == "":
			problems[clip(name, maxShort)] = "must have one value, and not an empty one"
		case name == "page":
			p.number = count(problems, name, all[0], math.MaxInt32)
		case name == "limit":
			p.limit = count(problems, name, all[0], maxLimit)
		case slices.Contains(filters, name):
			given[name] = all[0]
		default:
			problems[clip(name, maxShort)] = "is not a filter of this list"
		}
	}
	if len(problems) > 0 {
		return nil, page{}, invalid(problems)
	}
	return given, p, answer{}
}

// count reads a number from 1 to most, and notes in problems when it is none.
func count(problems map[string]string, name, value string, most int) int {
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 || n > most {
		problems[name] = fmt.Sprintf("must be a number from 1 to %d", most)
		return 1
	}
	return n
}

// cut returns the part of all that p asks for, never nil.
func cut[T any](all []T, p page) []T {
	from := min((p.number-1)*p.limit, len(all))
	return append([]T{}, all[from:min(from+p.limit, len(all))]...)
}

// listed is the answer with the page p of all.
func listed[T any](all []T, p page) answer {
	return answer{status: http.StatusOK, body: list{Data: cut(all, p), Total: len(all)}}
}
