package bitrix24

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/url"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/call"
)

// moment writes a time as Bitrix24 reads it, in the zone of the call centre; empty where it is not known.
func (a *Adapter) moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(a.location).Format(time.RFC3339)
}

// statusCode says what became of a call (documentation: telephony.externalCall.finish, STATUS_CODE): 200 answered, 304
// missed, 603 declined by the customer, 603-S cancelled by the agent, OTHER for one of which the end is not known.
func statusCode(c call.Call) string {
	switch {
	case c.Result == call.ResultAnswered:
		return "200"
	case c.State != call.Ended:
		return "OTHER"
	case c.Direction == call.Outbound && c.HangupBy == "customer":
		return "603"
	case c.Direction == call.Outbound && c.HangupBy == "agent":
		return "603-S"
	default:
		return "304"
	}
}

// fileName returns a name for the recording of a call: without one Bitrix24 takes it from the path of the address,
// which need not end in what it accepts (documentation: wav and mp3 only).
func fileName(c call.Call) string {
	extension := ".mp3"
	if u, err := url.Parse(c.RecordingURL); err == nil && strings.EqualFold(path.Ext(u.Path), ".wav") {
		extension = ".wav"
	}
	const longest = 100
	name := notInNames.ReplaceAllString(c.ID, "_")
	return name[:min(len(name), longest)] + extension
}

// digest returns what is kept of an address that is nobody's business.
func digest(address string) string {
	sum := sha256.Sum256([]byte(address))
	return hex.EncodeToString(sum[:8])
}

// binding names a record in the progress, empty for none.
func binding(r *crm.Record) string {
	if r == nil {
		return ""
	}
	return r.Object + ":" + r.ID
}

// bindingOf are the parameters that bind an activity to a record.
func bindingOf(r *crm.Record, activity string) url.Values {
	return url.Values{"activityId": {activity}, "entityTypeId": {entityTypes()[r.Object]}, "entityId": {r.ID}}
}

var (
	notDigits   = regexp.MustCompile(`\D`)
	notInNames  = regexp.MustCompile(`[^A-Za-z0-9._-]`)
	replaceable = regexp.MustCompile(`\$(result|error|total|next|time)\[`)
)

// harmless returns a text from outside as a parameter may hold it: Bitrix24 would replace $result[…] in it.
func harmless(text string) string { return replaceable.ReplaceAllString(text, "$$ ${1}[") }

// reference stands for a part of the result of an earlier command.
func reference(key string, fields ...string) string {
	return "$result[" + key + "][" + strings.Join(fields, "][") + "]"
}

// given returns parameters from names and values, texts from outside, without those that are empty.
func given(pairs ...string) url.Values {
	params := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			params.Set(pairs[i], harmless(pairs[i+1]))
		}
	}
	return params
}

// merge returns the parameters of both.
func merge(params, further url.Values) url.Values {
	all := maps.Clone(params)
	maps.Copy(all, further)
	return all
}

// scalar returns a text or a number as text, empty for anything else.
func scalar(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	default:
		return ""
	}
}

// identifier returns an id, empty for none and for 0.
func identifier(v any) string {
	if id := scalar(v); id != "0" {
		return id
	}
	return ""
}
