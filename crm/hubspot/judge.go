package hubspot

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
)

// statusMigrating is HubSpot's own status for an account that is being moved. It comes with Retry-After.
const statusMigrating = 477

// failure is an error of HubSpot, of a whole request or of one input.
type failure struct {
	Message     string          `json:"message"`
	Category    string          `json:"category"`
	SubCategory json.RawMessage `json:"subCategory"`
	Policy      string          `json:"policyName"`
	ID          word            `json:"id"`
	Context     struct {
		TraceID words `json:"objectWriteTraceId"`
		From    words `json:"fromObjectId"`
		IDs     words `json:"ids"`
		ID      words `json:"id"`
	} `json:"context"`
}

// of returns the error of one input. Its message has not passed the client, so it is masked here.
func (f failure) of(r api.Request, mask func(string, ...string) string) error {
	kind := crm.KindInvalid
	switch {
	case f.setup():
		kind = crm.KindUnauthorized
	case f.gone():
		kind = crm.KindGone
	case strings.HasPrefix(f.Category, "RATE_LIMIT"):
		kind = crm.KindThrottled
	case strings.HasPrefix(f.Category, "INTERNAL") && r.Effect == api.Creates:
		kind = crm.KindInDoubt
	case strings.HasPrefix(f.Category, "INTERNAL"):
		kind = crm.KindTransient
	}
	return crm.Errorf(kind, r.Title, "%s", mask(f.Message))
}

// gone tells whether the error is about something that is not there any more.
func (f failure) gone() bool {
	return strings.Contains(f.Category, "NOT_FOUND") || strings.Contains(string(f.SubCategory), "NOT_FOUND")
}

// setup tells whether the error is one of the account or the configuration, the same for every call: nothing is gained
// by refusing calls one by one.
func (f failure) setup() bool {
	return f.Category == "MISSING_SCOPES" || strings.Contains(f.Message, "PROPERTY_DOESNT_EXIST") ||
		strings.Contains(f.Message, "non-unique")
}

// judge reads an answer as HubSpot means it (pages "Error handling" and "Usage guidelines").
func judge(r api.Request, answer api.Answer) *crm.Error {
	e := api.Judge(r, answer)
	if e == nil {
		return nil
	}
	var f failure
	if json.Unmarshal(answer.Body, &f) != nil && answer.Status != http.StatusTooManyRequests {
		return e
	}
	switch {
	case answer.Status == http.StatusTooManyRequests:
		e.Kind, e.RetryAfter = f.rest()
		if answer.Header.Get("Retry-After") != "" {
			e.RetryAfter = 0 // The client reads the header.
		}
	case answer.Status == http.StatusLocked: // Somebody else writes to it: again in two seconds.
		e.Kind = crm.KindTransient
	case answer.Status == statusMigrating:
		e.Kind = crm.KindThrottled
	case f.setup():
		e.Kind, e.Message = crm.KindUnauthorized, f.Message+" (crmsyncd check says what is missing)"
	case answer.Status == http.StatusBadRequest && f.gone():
		e.Kind = crm.KindGone
	case r.Budget == budgetSearch && (e.Kind == crm.KindInvalid || e.Kind == crm.KindGone):
		e.Kind = crm.KindForbidden // What is wrong with a search is wrong with the configuration, not with a call.
	}
	return e
}

// rest says how long a limit rests. HubSpot names the policy, not the time; the day ends at midnight of the account's
// zone, which we do not know, so it is tried every hour.
func (f failure) rest() (crm.Kind, time.Duration) {
	switch f.Policy {
	case "DAILY":
		return crm.KindQuota, time.Hour
	case "SECONDLY":
		return crm.KindThrottled, time.Second
	default: // TEN_SECONDLY_ROLLING
		return crm.KindThrottled, 10 * time.Second
	}
}

// levels reads what is left of the limits. Answers to searches do not tell, those to OAuth tell nothing of the day.
func levels(answer api.Answer) []api.Level {
	const header = "X-HubSpot-RateLimit-"
	var found []api.Level
	number := func(name string) (int64, bool) {
		n, err := strconv.ParseInt(answer.Header.Get(header+name), 10, 64)
		return n, err == nil && n >= 0
	}
	left, told := number("Remaining")
	limit, bounded := number("Max")
	if told && bounded {
		interval, _ := number("Interval-Milliseconds")
		found = append(found, api.Level{
			Quota: "interval", Left: left, Limit: limit, Reset: time.Duration(interval) * time.Millisecond,
		})
	}
	left, told = number("Daily-Remaining")
	if limit, bounded = number("Daily"); told && bounded {
		found = append(found, api.Level{Quota: "daily", Left: left, Limit: limit})
	}
	return found
}
