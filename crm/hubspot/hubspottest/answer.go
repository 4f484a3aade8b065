package hubspottest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/crmsyncd/crmsyncd/crm/crmtest"
)

// correlationID stands in for the id by which HubSpot's support finds a request.
const correlationID = "aeb5f871-7f07-4993-9211-075dc63e7cbf"

// maxBody is how large a body may be.
const maxBody = 10 << 20

// failure is an error in HubSpot's form, of a whole request or of one input.
type failure struct {
	Status        string              `json:"status"`
	Message       string              `json:"message"`
	CorrelationID string              `json:"correlationId,omitempty"`
	Category      string              `json:"category,omitempty"`
	ErrorType     string              `json:"errorType,omitempty"`
	PolicyName    string              `json:"policyName,omitempty"`
	Context       map[string][]string `json:"context,omitempty"`
}

// reply sends JSON.
func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json;charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// refuse answers with an error.
func refuse(w http.ResponseWriter, status int, category, message string) {
	reply(w, status, failure{
		Status: "error", Message: message, CorrelationID: correlationID, Category: category,
	})
}

// invalid answers a request that cannot be understood.
func invalid(w http.ResponseWriter, format string, args ...any) {
	refuse(w, http.StatusBadRequest, categoryInvalid, fmt.Sprintf(format, args...))
}

// limited is the answer to a request beyond a limit. Its form is that of the page "Usage guidelines".
func limited(policy, word string) failure {
	return failure{
		Status: "error", Message: "You have reached your " + word + " limit.", ErrorType: "RATE_LIMIT",
		CorrelationID: correlationID, PolicyName: policy,
	}
}

// throttle answers a request beyond a limit and returns false.
func throttle(w http.ResponseWriter, policy, word string) bool {
	reply(w, http.StatusTooManyRequests, limited(policy, word))
	return false
}

// Throttled returns the answer to a request beyond a limit that rests for about wait. HubSpot names no time, it names
// the policy: one second, ten seconds, or the day.
func Throttled(wait time.Duration) crmtest.Answer {
	refusal := limited("DAILY", "daily")
	switch {
	case wait <= time.Second:
		refusal = limited("SECONDLY", "secondly")
	case wait <= 10*time.Second:
		refusal = limited("TEN_SECONDLY_ROLLING", "ten_secondly_rolling")
	}
	body, _ := json.Marshal(refusal) //nolint:errchkjson // texts alone, which cannot fail
	return crmtest.Answer{
		Status: http.StatusTooManyRequests, Header: http.Header{"Content-Type": {"application/json"}}, Body: string(body),
	}
}

// read decodes the body of a request, and answers one that is not as documented. It returns the length of the body in
// characters.
func read(w http.ResponseWriter, r *http.Request, into any) (characters int, ok bool) {
	if kind := r.Header.Get("Content-Type"); !strings.HasPrefix(kind, "application/json") {
		refuse(w, http.StatusUnsupportedMediaType, "", "HTTP 415 Unsupported Media Type")
		return 0, false
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		refuse(w, http.StatusRequestEntityTooLarge, categoryInvalid, "The request is too large")
		return 0, false
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		invalid(w, "Invalid input JSON on line 1, column %d: %v", decoder.InputOffset(), err)
		return 0, false
	}
	return len([]rune(string(body))), true
}

// stamp writes a time as HubSpot does.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
