package rest

import (
	"fmt"
	"strings"
)

// node is a part of a body that yields a value.
type node interface {
	eval(env any) (any, error)
}

// constant is a leaf without expressions.
type constant struct{ v any }

func (c constant) eval(any) (any, error) { return c.v, nil }

// template is a text with expressions in it: literals and expressions by turns.
type template struct {
	path  string
	parts []part
}

// part is a literal or, where x is set, an expression.
type part struct {
	literal string
	x       *expression
}

// eval returns the value of the only expression with its type, or the text.
func (t *template) eval(env any) (any, error) {
	if len(t.parts) == 1 && t.parts[0].x != nil {
		return t.parts[0].x.eval(env)
	}
	return t.text(env, func(s string) (string, error) { return s, nil })
}

// text returns the text with every value passed through escape.
func (t *template) text(env any, escape func(string) (string, error)) (string, error) {
	var b strings.Builder
	for _, p := range t.parts {
		b.WriteString(p.literal)
		if p.x == nil {
			continue
		}
		v, err := p.x.eval(env)
		if err != nil {
			return "", err
		}
		text, ok := textOf(v)
		if !ok {
			return "", fmt.Errorf("%s: %T cannot be part of a text", t.path, v)
		}
		if text, err = escape(text); err != nil {
			return "", fmt.Errorf("%s: %w", t.path, err)
		}
		b.WriteString(text)
	}
	return b.String(), nil
}

// list and dictionary are the inner nodes of a body.
type (
	list       []node
	dictionary struct {
		keys      []string
		nodes     map[string]node
		omitEmpty bool
	}
)

func (l list) eval(env any) (any, error) {
	values := make([]any, 0, len(l))
	for _, n := range l {
		v, err := n.eval(env)
		if err != nil {
			return nil, err
		}
		if !isOmitted(v) {
			values = append(values, v)
		}
	}
	return values, nil
}

func (d dictionary) eval(env any) (any, error) {
	values := make(map[string]any, len(d.keys))
	for _, key := range d.keys {
		v, err := d.nodes[key].eval(env)
		if err != nil {
			return nil, err
		}
		_, isTemplate := d.nodes[key].(*template)
		if drop := isTemplate && (isOmitted(v) || d.omitEmpty && isEmpty(v)); !drop {
			values[key] = v
		}
	}
	return values, nil
}

func isOmitted(v any) bool {
	_, ok := v.(omitted)
	return ok
}
