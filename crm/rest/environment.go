package rest

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/expr-lang/expr"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/call"
)

// The environments are what expressions see. Each place of a configuration has its own, so that a name that means
// nothing there is found when the configuration is read.

// lookupEnv is seen by the look-ups of records: the object, and the value it is looked up by under two names.
type lookupEnv struct {
	Object        string `expr:"object"`
	Value         string `expr:"value"`
	TransactionID string `expr:"transaction_id"`
	Phone         string `expr:"phone"`
}

// userEnv is seen by the look-up of users.
type userEnv struct {
	Agent string `expr:"agent"`
}

// callEnv is seen by the look-up of call logs and by the creation of contacts.
type callEnv struct {
	Call callView `expr:"call"`
}

// writeEnv is seen by the writes of call logs.
type writeEnv struct {
	Call   callView   `expr:"call"`
	Record recordView `expr:"record"`
	Owner  string     `expr:"owner"`
	LogID  string     `expr:"log_id"`
}

// answerEnv is seen by everything that reads an answer.
type answerEnv struct {
	Status  int               `expr:"status"`
	Headers map[string]string `expr:"headers"`
	Body    any               `expr:"body"`
	Text    string            `expr:"text"`
}

// readBackEnv is seen by the expectation of a read back.
type readBackEnv struct {
	Call    callView          `expr:"call"`
	Record  recordView        `expr:"record"`
	Owner   string            `expr:"owner"`
	LogID   string            `expr:"log_id"`
	Status  int               `expr:"status"`
	Headers map[string]string `expr:"headers"`
	Body    any               `expr:"body"`
	Text    string            `expr:"text"`
}

// itemEnv is seen by expressions over one record found.
type itemEnv struct {
	Item any `expr:"item"`
}

// callView is a call.Call for expressions: what is not known of times and durations is null.
type callView struct {
	ID            string     `expr:"id"`
	TransactionID string     `expr:"transaction_id"`
	Direction     string     `expr:"direction"`
	State         string     `expr:"state"`
	Result        string     `expr:"result"`
	Status        string     `expr:"status"`
	Customer      numberView `expr:"customer"`
	Hotline       string     `expr:"hotline"`
	Extension     string     `expr:"extension"`
	Agent         string     `expr:"agent"`
	Start         *time.Time `expr:"start"`
	Answer        *time.Time `expr:"answer"`
	End           *time.Time `expr:"end"`
	HangupBy      string     `expr:"hangup_by"`
	Total         *int       `expr:"total"`
	Hold          *int       `expr:"hold"`
	Talk          *int       `expr:"talk"`
	RecordingURL  string     `expr:"recording_url"`
	ObjectID      string     `expr:"object_id"`
}

type numberView struct {
	Raw      string `expr:"raw"`
	E164     string `expr:"e164"`
	National string `expr:"national"`
}

// recordView is the record a call belongs to; its fields are empty for an unlinked call.
type recordView struct {
	Object string `expr:"object"`
	ID     string `expr:"id"`
	Owner  string `expr:"owner"`
}

func viewCall(c call.Call) callView {
	return callView{
		ID: c.ID, TransactionID: c.TransactionID, Direction: string(c.Direction), State: string(c.State),
		Result: string(c.Result), Status: c.Status,
		Customer: numberView{Raw: c.Customer.Raw, E164: c.Customer.E164, National: c.Customer.National},
		Hotline:  c.Hotline, Extension: c.Extension, Agent: c.Agent, Start: viewTime(c.Start), Answer: viewTime(c.Answer),
		End: viewTime(c.End), HangupBy: c.HangupBy, Total: viewSeconds(c.Total), Hold: viewSeconds(c.Hold),
		Talk: viewSeconds(c.Talk), RecordingURL: c.RecordingURL, ObjectID: c.ObjectID,
	}
}

func viewTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func viewSeconds(s call.Seconds) *int {
	if !s.Known {
		return nil
	}
	n := int(s.N)
	return &n
}

func viewWrite(w crm.Write) writeEnv {
	env := writeEnv{Call: viewCall(w.Call), Owner: w.Owner, LogID: w.LogID}
	if w.Record != nil {
		env.Record = recordView{Object: w.Record.Object, ID: w.Record.ID, Owner: w.Record.Owner}
	}
	return env
}

// omitted is what omit() gives: the key or element that holds it is left out.
type omitted struct{}

// functions are what expressions may call besides the built-in functions of the language.
func functions(zone *time.Location) []expr.Option {
	instant := func(name string, convert func(time.Time) any) expr.Option {
		return expr.Function(name, func(args ...any) (any, error) {
			t, err := timeOf(args[0])
			if t == nil || err != nil {
				return nil, err
			}
			return convert(*t), nil
		}, new(func(any) any))
	}
	layout := func(name string, zone *time.Location) expr.Option {
		return expr.Function(name, func(args ...any) (any, error) {
			t, err := timeOf(args[0])
			if t == nil || err != nil {
				return nil, err
			}
			return t.In(zone).Format(args[1].(string)), nil
		}, new(func(any, string) any))
	}
	text := func(name string, convert func(string) string) expr.Option {
		return expr.Function(name, func(args ...any) (any, error) { return convert(args[0].(string)), nil },
			new(func(string) string))
	}
	return []expr.Option{
		layout("utc", time.UTC), layout("local", zone),
		instant("iso", func(t time.Time) any { return t.UTC().Format(time.RFC3339) }),
		instant("unix", func(t time.Time) any { return int(t.Unix()) }),
		instant("unix_ms", func(t time.Time) any { return int(t.UnixMilli()) }),
		text("uuid5", api.UUID5), text("last_segment", lastSegment),
		text("quote", func(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }),
		text("escape", strings.NewReplacer(`\`, `\\`, `'`, `\'`, `"`, `\"`).Replace),
		expr.Function("default", func(args ...any) (any, error) {
			if isEmpty(args[0]) {
				return args[1], nil
			}
			return args[0], nil
		}, new(func(any, any) any)),
		expr.Function("omit", func(args ...any) (any, error) {
			if len(args) == 0 || isEmpty(args[0]) {
				return omitted{}, nil
			}
			return args[0], nil
		}, new(func() any), new(func(any) any)),
	}
}

// timeOf returns the time that v is, nil for null.
func timeOf(v any) (*time.Time, error) {
	switch t := v.(type) {
	case nil:
		return nil, nil
	case *time.Time:
		return t, nil
	case time.Time:
		return &t, nil
	default:
		return nil, fmt.Errorf("a time is wanted, not %T", v)
	}
}

// isEmpty reports whether v is null or an empty text.
func isEmpty(v any) bool {
	if v == nil || v == "" || v == (omitted{}) {
		return true
	}
	r := reflect.ValueOf(v)
	return r.Kind() == reflect.Pointer && r.IsNil()
}

// textOf returns v as the text of an id, a path segment or a part of a longer text; ok is false where v is neither a
// text, a number nor a truth value. Null and what is omitted are the empty text.
func textOf(v any) (text string, ok bool) {
	switch v := v.(type) {
	case nil, omitted:
		return "", true
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	case time.Time:
		return v.UTC().Format(time.RFC3339), true
	}
	r := reflect.ValueOf(v)
	switch {
	case r.Kind() == reflect.Pointer && r.IsNil():
		return "", true
	case r.Kind() == reflect.Pointer:
		return textOf(r.Elem().Interface())
	case r.CanInt():
		return strconv.FormatInt(r.Int(), 10), true
	case r.CanUint():
		return strconv.FormatUint(r.Uint(), 10), true
	case r.Kind() == reflect.String:
		return r.String(), true
	default:
		return "", false
	}
}

// textsOf returns the texts in v, one or a list, without the empty ones.
func textsOf(v any) []string {
	if list, ok := v.([]any); ok {
		var all []string
		for _, element := range list {
			all = append(all, textsOf(element)...)
		}
		return all
	}
	if text, ok := textOf(v); ok && strings.TrimSpace(text) != "" {
		return []string{strings.TrimSpace(text)}
	}
	return nil
}

// lastSegment returns what follows the last slash of a path or URL, without query and fragment.
func lastSegment(s string) string {
	s, _, _ = strings.Cut(s, "#")
	s, _, _ = strings.Cut(s, "?")
	s = strings.TrimRight(s, "/")
	return s[strings.LastIndexByte(s, '/')+1:]
}
