package rest

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/expr-lang/expr"

	"github.com/crmsyncd/crmsyncd/crm/api"
)

// operation is a compiled Operation.
type operation struct {
	// name is the label in metrics, title what errors call it.
	name, title string
	effect      api.Effect
	method      string
	path        *template
	query       []parameter
	headers     []parameter
	body        node
	form        bool
	omitEmpty   bool

	records, truncated, id *expression
	rules                  []rule
	readBack               *readBack
}

// parameter is a key of a query or header with its values.
type parameter struct {
	key    string
	values []*template
}

// rule is a compiled Answer.
type rule struct {
	when, id, message, retryAfter *expression
	then                          string
}

// readBack is a compiled ReadBack.
type readBack struct {
	*operation
	expect *expression
}

// place says what an operation is for: where it stands, its names and effect, and what its expressions see.
type place struct {
	path, name, title string
	effect            api.Effect
	env               any
	// writes says that it makes or changes a call log, so that the answer names it and a read back makes sense.
	writes bool
}

// operation compiles o; nil is no operation.
func (c *compiler) operation(p place, o *Operation, global []rule) *operation {
	if o == nil {
		return nil
	}
	op := &operation{
		name: p.name, title: p.title, effect: p.effect, method: o.Method, form: o.Encoding == "form",
		omitEmpty: o.OmitEmpty,
		path:      c.pathTemplate(p.path+".path", o.Path, p.env),
		query:     c.query(p.path+".query", o.Query, p.env),
		headers:   c.headers(p.path+".headers", o.Headers, p.env),
		records:   c.expression(p.path+".records", o.Records, answerEnv{}),
		truncated: c.expression(p.path+".truncated", o.Truncated, answerEnv{}, expr.AsBool()),
		id:        c.expression(p.path+".id", o.ID, answerEnv{}),
		rules:     slices.Concat(c.rules(p.path+".answers", o.Answers), global),
	}
	if op.method == "" {
		op.method = http.MethodPost
		if p.effect == api.Reads {
			op.method = http.MethodGet
		}
	}
	if o.Body != nil {
		op.body = c.tree(p.path+".body", o.Body, p.env, o.OmitEmpty)
	}
	c.misplaced(p, o)
	if o.ReadBack != nil {
		op.readBack = c.readBack(p, o.ReadBack, global)
	}
	return op
}

// misplaced reports keys that are missing or mean nothing for what the operation is for.
func (c *compiler) misplaced(p place, o *Operation) {
	none := func(key, value string) {
		if value != "" {
			c.mistake(p.path+"."+key, value, "has no meaning here")
		}
	}
	if p.effect != api.Reads {
		none("records", o.Records)
		none("truncated", o.Truncated)
	}
	switch {
	case p.effect == api.Creates && strings.TrimSpace(o.ID) == "":
		c.mistake(p.path+".id", "", "is missing: say where the answer has the id, as in body.id")
	case p.effect == api.Reads:
		none("id", o.ID)
	}
	if o.ReadBack != nil && !p.writes {
		c.mistake(p.path+".read_back", "", "has no meaning here")
	}
	if p.effect == api.Creates && o.Method == http.MethodGet {
		c.mistake(p.path+".method", o.Method, "must not make anything: a connection that breaks may repeat a GET by itself")
	}
	if o.Body != nil && o.Method == http.MethodGet {
		c.mistake(p.path+".body", "", "a GET has no body")
	}
	if _, isTree := o.Body.(map[string]any); o.Encoding == "form" && o.Body != nil && !isTree {
		c.mistake(p.path+".body", "", "must be a mapping to be sent as a form")
	}
}

func (c *compiler) readBack(p place, r *ReadBack, global []rule) *readBack {
	path := p.path + ".read_back"
	reading := place{path: path, name: "read_back", title: "read call log back", env: writeEnv{}}
	return &readBack{
		operation: c.operation(reading, &Operation{Path: r.Path, Query: r.Query, Headers: r.Headers}, global),
		expect:    c.expression(path+".expect", r.Expect, readBackEnv{}, expr.AsBool()),
	}
}

// pathTemplate compiles a path. What follows a ? would not be escaped, so it has its own key.
func (c *compiler) pathTemplate(path, text string, env any) *template {
	t := c.template(path, text, env)
	for _, p := range t.parts {
		if strings.ContainsAny(p.literal, "?# \t\r\n") || strings.Contains(p.literal, "://") {
			c.mistake(path, text, "must be a path below base_url: the query belongs in query, blanks and # are %%20 and %%23")
			break
		}
	}
	return t
}

func (c *compiler) query(path string, query map[string]any, env any) []parameter {
	var all []parameter
	for _, key := range slices.Sorted(maps.Keys(query)) {
		p := parameter{key: key}
		values, isList := query[key].([]any)
		if !isList {
			values = []any{query[key]}
		}
		for i, v := range values {
			at := path + "." + key
			if isList {
				at += "[" + strconv.Itoa(i) + "]"
			}
			text, ok := textOf(v)
			if !ok {
				c.mistake(at, fmt.Sprintf("%T", v), "must be a text, a number or a list of them")
				continue
			}
			p.values = append(p.values, c.template(at, text, env))
		}
		all = append(all, p)
	}
	return all
}

func (c *compiler) headers(path string, headers map[string]string, env any) []parameter {
	var all []parameter
	for _, key := range slices.Sorted(maps.Keys(headers)) {
		if !isHeaderName(key) {
			c.mistake(path+"."+key, key, "is no name of a header")
		}
		all = append(all, parameter{key: key, values: []*template{c.template(path+"."+key, headers[key], env)}})
	}
	return all
}

// isHeaderName reports whether s is a token of RFC 9110.
func isHeaderName(s string) bool {
	for _, r := range s {
		if r <= ' ' || r > '~' || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r) {
			return false
		}
	}
	return s != ""
}

func (c *compiler) rules(path string, answers []Answer) []rule {
	rules := make([]rule, 0, len(answers))
	for i, a := range answers {
		at := path + "[" + strconv.Itoa(i) + "]"
		if _, known := kinds[a.Then]; !known && a.Then != "" {
			c.mistake(at+".then", a.Then, "must be one of %s", strings.Join(slices.Sorted(maps.Keys(kinds)), ", "))
		}
		rules = append(rules, rule{
			then:       a.Then,
			when:       c.expression(at+".when", a.When, answerEnv{}, expr.AsBool()),
			id:         c.expression(at+".id", a.ID, answerEnv{}),
			message:    c.expression(at+".message", a.Message, answerEnv{}),
			retryAfter: c.expression(at+".retry_after", a.RetryAfter, answerEnv{}),
		})
	}
	return rules
}
