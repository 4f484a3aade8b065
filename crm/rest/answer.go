package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
)

// success is the word of a rule that is no error, and what stands for it among the kinds.
const success crm.Kind = 0xff

// kinds are the words of a rule and the kind of error each stands for.
var kinds = map[string]crm.Kind{
	"success": success, "not_found": crm.KindGone, "gone": crm.KindGone, "exists": crm.KindExists,
	"throttled": crm.KindThrottled, "quota": crm.KindQuota, "unauthorized": crm.KindUnauthorized,
	"forbidden": crm.KindForbidden, "invalid": crm.KindInvalid, "transient": crm.KindTransient,
	"in_doubt": crm.KindInDoubt,
}

// answer is what a CRM answered, as expressions see it.
type answer struct {
	answerEnv
	// isJSON says that Body is the decoded body. A body that is empty, a page or cut off is not.
	isJSON bool
	// cut says that the body went beyond the bound; Text has its beginning.
	cut bool
}

func readAnswer(got api.Answer) answer {
	a := answer{answerEnv: answerEnv{Status: got.Status, Headers: map[string]string{}}, cut: got.Cut}
	for key, values := range got.Header {
		a.Headers[strings.ToLower(key)] = strings.ToValidUTF8(strings.Join(values, ", "), "\uFFFD")
	}
	a.Text = strings.ToValidUTF8(string(got.Body), "\uFFFD")
	if !a.cut {
		a.Body, a.isJSON = decode(got.Body)
	}
	return a
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

// reply is an answer and what was read from it besides.
type reply struct {
	answer

	// id is that of the call log that is there already.
	id string
	// notFound says that a look-up was told so by a word or a status, not by an empty list.
	notFound bool
}

// judge takes an answer for what the rules of the operation, those for all operations and at last the built-in ones
// say. Nothing found is no error of a look-up.
func (a *Adapter) judge(op *operation, answered api.Answer) (reply, *crm.Error) {
	got := reply{answer: readAnswer(answered)}
	e := a.byRules(op, &got)
	if e == nil {
		e = api.Judge(api.Request{Effect: op.effect}, answered)
	}
	if e == nil || e.Kind == success {
		return got, nil
	}
	if e.Kind == crm.KindGone && op.effect == api.Reads {
		got.notFound = true
		return got, nil
	}
	if e.Message == "" {
		e.Message = a.plan.message.text(got.answerEnv)
	}
	return got, e
}

// byRules returns what the first rule says that holds, nil where none does.
func (a *Adapter) byRules(op *operation, got *reply) *crm.Error {
	for _, r := range op.rules {
		if holds, _ := r.when.value(got.answerEnv).(bool); !holds {
			continue
		}
		got.id = r.id.text(got.answerEnv)
		e := &crm.Error{Kind: kinds[r.then], Message: r.message.text(got.answerEnv)}
		if r.retryAfter != nil {
			e.RetryAfter = api.RetryAfter(r.retryAfter.text(got.answerEnv), a.now())
		}
		return e
	}
	return nil
}
