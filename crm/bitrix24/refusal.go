package bitrix24

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
)

// stops reports whether an error of a kind concerns the whole portal.
func stops(kind crm.Kind) bool {
	return kind == crm.KindThrottled || kind == crm.KindQuota || kind == crm.KindUnauthorized
}

// refuse reads the error of a command.
func (a *Adapter) refuse(of *answer, refused, timing json.RawMessage) {
	said := refusal{Time: timing}
	_ = json.Unmarshal(refused, &said) // what is no refusal stays without words
	of.code, of.words = said.code(), said.Words
	of.err = &crm.Error{Op: of.title, Message: api.Mask(strings.Trim(of.code+": "+of.words, ": "), a.secrets...)}
	of.err.Kind, of.err.RetryAfter = said.kind(0, of.effect, a.now())
	a.client.Rest(of.err)
}

// refusal is an error of the API.
type refusal struct {
	Code  any             `json:"error"`
	Words string          `json:"error_description"`
	Time  json.RawMessage `json:"time"`
}

// code returns the error code, which may be a number.
func (s refusal) code() string { return scalar(s.Code) }

// The rests that errors without a time ask for: the bucket loses two requests a second; run time is counted by the
// minute; an overload is ended by Bitrix24's support.
const (
	intensityRest = 2 * time.Second
	runTimeRest   = time.Minute
	overloadRest  = 30 * time.Minute
)

// kind says what an error means (documentation: _includes/system-errors and the pages of the methods). status is 0 for
// a command of a batch.
func (s refusal) kind(status int, effect api.Effect, now time.Time) (crm.Kind, time.Duration) {
	switch code := strings.ToUpper(s.code()); code {
	case "QUERY_LIMIT_EXCEEDED":
		return crm.KindThrottled, intensityRest
	case "OPERATION_TIME_LIMIT":
		return crm.KindThrottled, s.reset(now)
	case "OVERLOAD_LIMIT":
		return crm.KindQuota, overloadRest
	case "EXPIRED_TOKEN", "INVALID_TOKEN", "WRONG_TOKEN", "NO_AUTH_FOUND", "INVALID_CREDENTIALS", "USER_ACCESS_ERROR",
		"INSUFFICIENT_SCOPE", "WRONG_AUTH_TYPE", "PAYMENT_REQUIRED", "PORTAL_DELETED", "ERROR_METHOD_NOT_FOUND":
		return crm.KindUnauthorized, 0
	case "INTERNAL_SERVER_ERROR", "ERROR_UNEXPECTED_ANSWER":
		return unreadable("", effect).Kind, 0
	case "NOT_FOUND", "OWNER_NOT_FOUND":
		return crm.KindGone, 0
	case "ACCESS_DENIED":
		if status == http.StatusUnauthorized { // REST is not part of the plan
			return crm.KindUnauthorized, 0
		}
		return crm.KindForbidden, 0
	}
	switch {
	case strings.Contains(s.Words, "Access denied"):
		return crm.KindForbidden, 0
	case strings.Contains(s.Words, "Activity is not found"):
		return crm.KindGone, 0
	case strings.Contains(s.Words, "database error"):
		return unreadable("", effect).Kind, 0
	default:
		return crm.KindInvalid, 0
	}
}

// reset returns how long a method is blocked.
func (s refusal) reset(now time.Time) time.Duration {
	var timing struct {
		Reset json.Number `json:"operating_reset_at"`
	}
	if json.Unmarshal(s.Time, &timing) != nil {
		return runTimeRest
	}
	seconds, err := strconv.ParseFloat(timing.Reset.String(), 64)
	if wait := time.Unix(int64(seconds), 0).Sub(now); err == nil && wait > 0 {
		return wait
	}
	return runTimeRest
}

// judge reads an answer that is no batch's: an error has the same form whatever its status.
func (a *Adapter) judge(r api.Request, said api.Answer) *crm.Error {
	var s refusal
	if json.Unmarshal(said.Body, &s) != nil || s.Code == nil {
		return api.Judge(r, said)
	}
	e := &crm.Error{Message: s.code() + ": " + s.Words}
	e.Kind, e.RetryAfter = s.kind(said.Status, r.Effect, a.now())
	if e.Kind == crm.KindInvalid {
		if by := api.Judge(r, said); by != nil {
			e.Kind = by.Kind
		}
	}
	return e
}
