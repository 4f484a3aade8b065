package text

import (
	"fmt"
	"reflect"
	"strings"
	gotemplate "text/template"
	"text/template/parse"
	"time"

	"github.com/crmsyncd/crmsyncd/crm/call"
)

// Bounds of templates, in bytes.
const (
	maxTemplate = 16 << 10
	maxOutput   = 256 << 10
)

// errLong says that an output reached its bound.
var errLong = fmt.Errorf("makes more than %d bytes", maxOutput)

// template is a template that was tried.
type template struct{ parsed *gotemplate.Template }

// compile parses a template and tries it on calls of all sorts. Errors begin with the key.
func (t *Text) compile(key, source string) (*template, error) {
	if len(source) > maxTemplate {
		return nil, fmt.Errorf("%s: has %d bytes, at most %d are allowed", key, len(source), maxTemplate)
	}
	parsed, err := gotemplate.New(key).Funcs(functions()).Parse(source)
	if err != nil {
		return nil, explained(key, err)
	}
	if len(parsed.Templates()) > 1 {
		return nil, fmt.Errorf("%s: define and block are not allowed, there is one template only", key)
	}
	if parsed.Tree != nil {
		if word := forbidden(parsed.Root); word != "" {
			return nil, fmt.Errorf("%s: %s is not allowed", key, word)
		}
	}
	compiled := &template{parsed: parsed}
	for _, sample := range samples() {
		if _, err := compiled.render(t.view(sample)); err != nil {
			return nil, explained(key, err)
		}
	}
	return compiled, nil
}

// explained returns what is wrong with a template in words for who wrote it.
func explained(key string, err error) error {
	text := strings.TrimPrefix(err.Error(), "template: "+key+":")
	if strings.Contains(text, "can't evaluate field") {
		text += ": the fields are " + strings.Join(fieldNames(), ", ")
	}
	return fmt.Errorf("%s: %s", key, text)
}

// fieldNames returns the names of all fields of a View.
func fieldNames() []string {
	var names []string
	for field := range reflect.TypeFor[View]().Fields() {
		names = append(names, field.Name)
	}
	return names
}

// forbidden returns the first action that a template must not have: what repeats, and what calls other templates.
func forbidden(node parse.Node) string {
	var lists []*parse.ListNode
	switch n := node.(type) {
	case *parse.RangeNode:
		return "range"
	case *parse.TemplateNode:
		return "template"
	case *parse.IfNode:
		lists = append(lists, n.List, n.ElseList)
	case *parse.WithNode:
		lists = append(lists, n.List, n.ElseList)
	case *parse.ListNode:
		lists = append(lists, n)
	}
	for _, list := range lists {
		if list == nil {
			continue
		}
		for _, child := range list.Nodes {
			if word := forbidden(child); word != "" {
				return word
			}
		}
	}
	return ""
}

// functions returns date, and those functions of text/template that make text longer, bounded: assigned to a variable
// again and again, their results could double each time.
func functions() gotemplate.FuncMap {
	bounded := func(function func(...any) string) func(...any) (string, error) {
		return func(args ...any) (string, error) {
			text := function(args...)
			if len(text) > maxOutput {
				return "", errLong
			}
			return text, nil
		}
	}
	format := func(args ...any) string { return fmt.Sprintf(fmt.Sprint(args[0]), args[1:]...) }
	return gotemplate.FuncMap{
		"date":  date,
		"print": bounded(fmt.Sprint), "println": bounded(fmt.Sprintln),
		"printf": func(layout string, args ...any) (string, error) {
			return bounded(format)(append([]any{layout}, args...)...)
		},
		"html": bounded(gotemplate.HTMLEscaper), "js": bounded(gotemplate.JSEscaper),
		"urlquery": bounded(gotemplate.URLQueryEscaper),
	}
}

// render executes the template. An output that is too long is an error.
func (t *template) render(view View) (string, error) {
	var out bounded
	if err := t.parsed.Execute(&out, view); err != nil {
		return "", err
	}
	return out.text.String(), nil
}

// bounded is a writer that takes maxOutput bytes.
type bounded struct{ text strings.Builder }

func (b *bounded) Write(p []byte) (int, error) {
	if b.text.Len()+len(p) > maxOutput {
		return 0, errLong
	}
	return b.text.Write(p)
}

// samples returns calls of all sorts: each direction, each state, each result, with all that a call may say and with
// nothing of it.
func samples() []call.Call {
	start := time.Date(2026, 3, 1, 9, 30, 0, 0, time.UTC)
	var all []call.Call
	for _, direction := range []call.Direction{call.DirectionUnknown, call.Inbound, call.Outbound} {
		for _, state := range []call.State{call.Started, call.Answered, call.Ended} {
			for _, result := range []call.Result{call.ResultNone, call.ResultAnswered, call.ResultMissed} {
				all = append(all, call.Call{ID: "1", Direction: direction, State: state, Result: result}, call.Call{
					ID: "20260301163000-SAMPLE", TransactionID: "SAMPLE", Direction: direction, State: state, Result: result,
					Status: "answered", Hotline: "19001000", Extension: "101", Agent: "an.nguyen", HangupBy: "customer",
					Customer: call.Number{Raw: "0912345678", E164: "+84912345678", National: "0912345678"},
					Start:    start, Answer: start.Add(10 * time.Second), End: start.Add(100 * time.Second),
					Total: call.KnownSeconds(100), Hold: call.KnownSeconds(5), Talk: call.KnownSeconds(90),
					RecordingURL: "https://recordings.example.com/sample.mp3",
				})
			}
		}
	}
	return all
}
