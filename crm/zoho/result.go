package zoho

import (
	"cmp"
	"encoding/json"
	"regexp"
	"slices"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
)

// result is what became of one record, or of a whole request.
type result struct {
	Code    string  `json:"code"`
	Message string  `json:"message"`
	Details details `json:"details"`
}

// details of a result. Which are there depends on the code.
type details struct {
	ID         string `json:"id"`
	APIName    string `json:"api_name"`
	JSONPath   string `json:"json_path"`
	Column     string `json:"column_name"`
	RetryAfter int64  `json:"retry_after"`
	Duplicate  struct {
		ID string `json:"id"`
	} `json:"duplicate_record"`
	Errors []result `json:"errors"`
}

// UnmarshalJSON reads details. What has another form, such as a list, is as good as none: the code says enough.
func (d *details) UnmarshalJSON(encoded []byte) error {
	type plain details
	var read plain
	if json.Unmarshal(encoded, &read) == nil {
		*d = details(read)
	}
	return nil
}

// problemOf returns the error of a whole request: an object, or a list of which the first is it. Empty: there is none.
func problemOf(body []byte) result {
	var answer struct {
		result

		Data   []result `json:"data"`
		Fields []result `json:"fields"`
	}
	if json.Unmarshal(body, &answer) != nil {
		return result{}
	}
	for _, item := range slices.Concat([]result{answer.result}, answer.Data, answer.Fields) {
		if item.Code != "" && item.Code != "SUCCESS" {
			return item
		}
	}
	return result{}
}

// words returns the code and what Zoho says, with the field that it is about.
func (r result) words() string {
	words := r.Code + ": " + r.Message
	if field := cmp.Or(r.field(), r.Details.Column); field != "" {
		words += " (" + field + ")"
	}
	if r.Code == "OAUTH_SCOPE_MISMATCH" {
		words += ": make a refresh token that has all scopes which the README of the adapter lists"
	}
	return words
}

// exhausted reports whether the credits are used up. The same code tells of too many records in one list.
func (r result) exhausted() bool { return r.Code == "LIMIT_EXCEEDED" && r.Details.APIName == "" }

// setup reports whether an error is one of the account or the configuration, the same for every call: nothing is gained
// by refusing calls one by one.
func (r result) setup() bool {
	return slices.Contains([]string{
		"OAUTH_SCOPE_MISMATCH", "INVALID_MODULE", "AUTHORIZATION_FAILED", "INVALID_URL_PATTERN", "INVALID_REQUEST_METHOD",
		"FEATURE_NOT_SUPPORTED", "NOT_SUPPORTED",
	}, r.Code) || r.Code == "INVALID_QUERY" && r.Details.Column != "" ||
		r.Code == "INVALID_DATA" && r.Details.APIName == "duplicate_check_fields"
}

// place finds the field in a path such as $.data[3].Who_Id.id.
var place = regexp.MustCompile(`^\$\.data\[\d+\]\.([^.\[]+)`)

// field returns the field that an error is about, empty where it is about none.
func (r result) field() string {
	if match := place.FindStringSubmatch(r.Details.JSONPath); match != nil {
		return match[1]
	}
	return r.Details.APIName
}

// recordID is the form of Zoho's ids.
var recordID = regexp.MustCompile(`^\d{1,30}$`)

// first returns the error that counts where there are several: the one that tells of a twin, else the first.
func (r result) first(key string) result {
	if r.Code != "MULTIPLE_OR_MULTI_ERRORS" || len(r.Details.Errors) == 0 {
		return r
	}
	isTwin := func(e result) bool { return e.Code == "DUPLICATE_DATA" && e.field() == key }
	return r.Details.Errors[max(slices.IndexFunc(r.Details.Errors, isTwin), 0)]
}

// outcome returns the id of a record that was written, or that is there already, and the error as Zoho words it. key is
// the field that identifies the record.
func (r result) outcome(sent api.Request, key string, mask func(string, ...string) string) (id string, err error) {
	if r.Code == "SUCCESS" && recordID.MatchString(r.Details.ID) {
		return r.Details.ID, nil
	}
	if r.Code == "SUCCESS" || r.Code == "" {
		return "", crm.Errorf(doubt(sent.Effect), sent.Title, "the result has neither an id nor an error")
	}
	e := crm.Errorf(crm.KindInvalid, sent.Title, "%s", mask(r.words()))
	switch r.Code {
	case "DUPLICATE_DATA":
		if id = cmp.Or(r.Details.ID, r.Details.Duplicate.ID); r.field() == key && recordID.MatchString(id) {
			e.Kind = crm.KindExists
			return id, e
		}
	case "INTERNAL_ERROR", "INTERNAL_SERVER_ERROR":
		e.Kind = doubt(sent.Effect)
	case "DEPENDENT_SERVICE_ERROR", "RECORD_LOCKED", "ALREADY_MODIFIED":
		e.Kind = crm.KindTransient
	case "NO_PERMISSION":
		e.Kind = crm.KindForbidden
	case "TOO_MANY_REQUESTS":
		e.Kind = crm.KindThrottled
	}
	switch {
	case r.setup():
		e.Kind = crm.KindUnauthorized
	case r.exhausted():
		e.Kind = crm.KindQuota
	}
	return "", e
}

// gone reports whether what an update or a link names is not there.
func (r result) gone(update, linked bool) bool {
	field := r.field()
	link := field == "Who_Id" || field == "What_Id" || field == "$se_module"
	return r.Code == "INVALID_DATA" && (linked && link || update && (field == "id" || field == "" && r.Details.ID != ""))
}
