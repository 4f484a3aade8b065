package rest

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/vm"
)

// expression is a compiled expression. Its methods are safe for concurrent use.
type expression struct {
	path    string
	program *vm.Program
}

// eval returns the value of x. The error tells where x stands; it may quote what the CRM or the call centre sent.
func (x *expression) eval(env any) (any, error) {
	v, err := expr.Run(x.program, env)
	if err != nil {
		if e, ok := errors.AsType[*file.Error](err); ok {
			err = errors.New(e.Message)
		}
		return nil, fmt.Errorf("%s: %w", x.path, err)
	}
	return v, nil
}

// value returns the value of x, null where there is no x or it cannot be evaluated.
func (x *expression) value(env any) any {
	if x == nil {
		return nil
	}
	v, err := x.eval(env)
	if err != nil {
		return nil
	}
	return v
}

// text returns the value of x as the text of an id or message, empty where it has none.
func (x *expression) text(env any) string {
	text, _ := textOf(x.value(env))
	return strings.TrimSpace(text)
}

// compiler compiles a configuration and collects its mistakes.
type compiler struct {
	functions []expr.Option
	mistakes  []error
}

func (c *compiler) mistake(path, value, format string, args ...any) {
	c.mistakes = append(c.mistakes, &ConfigError{Path: path, Value: value, Problem: fmt.Sprintf(format, args...)})
}

// expression compiles source for an environment like env; empty source is no expression.
func (c *compiler) expression(path, source string, env any, options ...expr.Option) *expression {
	if strings.TrimSpace(source) == "" {
		return nil
	}
	return c.part(path, source, source, 0, env, options...)
}

// part compiles source, which begins at a byte of text.
func (c *compiler) part(path, text, source string, begin int, env any, options ...expr.Option) *expression {
	options = append(slices.Clone(c.functions), options...)
	options = append(options, expr.Env(env), expr.Patch(tolerant{}))
	program, err := expr.Compile(source, options...)
	if err == nil {
		return &expression{path: path, program: program}
	}
	problem := err.Error()
	if e, ok := errors.AsType[*file.Error](err); ok {
		at := utf8.RuneCountInString(text[:begin]) + max(e.From, 0)
		line, column := position(text, at)
		problem = fmt.Sprintf("line %d, column %d: %s", line, column,
			noField.ReplaceAllString(firstLine(e.Message), "there is no ${1}"))
	}
	c.mistake(path, text, "%s", problem)
	return nil
}

// noField is how the compiler tells that a value has no such member, with the name of a type that means nothing to an
// operator.
var noField = regexp.MustCompile(`^type \S+ has no field (\S+)$`)

// position returns line and column, from 1, of a rune of text.
func position(text string, at int) (line, column int) {
	runes := []rune(text)
	before := string(runes[:min(at, len(runes))])
	lastLine := before[strings.LastIndexByte(before, '\n')+1:]
	return strings.Count(before, "\n") + 1, utf8.RuneCountInString(lastLine) + 1
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}

// tolerant makes every access to a member yield null where there is nothing to have members: body.error.code is null
// for an answer without an error.
type tolerant struct{}

// Visit is called for every node, the inner ones first.
func (tolerant) Visit(n *ast.Node) {
	if member, ok := (*n).(*ast.MemberNode); ok && !member.Optional {
		member.Optional = true
		ast.Patch(n, &ast.ChainNode{Node: member})
	}
}

// template compiles a text. "$${" stands for "${" itself.
func (c *compiler) template(path, text string, env any) *template {
	t := &template{path: path}
	for i := 0; i < len(text); {
		open := strings.Index(text[i:], "${")
		if open < 0 {
			return t.add(text[i:], nil)
		}
		open += i
		if open > i && text[open-1] == '$' {
			t.add(text[i:open-1]+"${", nil)
			i = open + 2
			continue
		}
		length := expressionLength(text[open+2:])
		if length < 0 {
			c.mistake(path, text, "the expression that begins at column %d has no closing }",
				utf8.RuneCountInString(text[:open])+1)
			return t
		}
		source := text[open+2 : open+2+length]
		if strings.TrimSpace(source) == "" {
			c.mistake(path, text, "the expression at column %d is empty", utf8.RuneCountInString(text[:open])+1)
			return t
		}
		t.add(text[i:open], nil)
		t.add("", c.part(path, text, source, open+2, env))
		i = open + 2 + length + 1
	}
	return t
}

func (t *template) add(literal string, x *expression) *template {
	if literal != "" || x != nil {
		t.parts = append(t.parts, part{literal: literal, x: x})
	}
	return t
}

// expressionLength returns how many bytes of s come before the brace that closes an expression, -1 where none does.
// Braces in texts and balanced ones are part of the expression.
func expressionLength(s string) int {
	depth, quote := 0, byte(0)
	for i := 0; i < len(s); i++ {
		switch ch := s[i]; {
		case quote != 0 && ch == '\\' && quote != '`':
			i++
		case quote != 0:
			if ch == quote {
				quote = 0
			}
		case ch == '\'' || ch == '"' || ch == '`':
			quote = ch
		case ch == '{':
			depth++
		case ch == '}' && depth == 0:
			return i
		case ch == '}':
			depth--
		}
	}
	return -1
}

// tree compiles a body.
func (c *compiler) tree(path string, v, env any, omitEmpty bool) node {
	switch v := v.(type) {
	case string:
		return c.template(path, v, env)
	case []any:
		nodes := make(list, len(v))
		for i, element := range v {
			nodes[i] = c.tree(path+"["+strconv.Itoa(i)+"]", element, env, omitEmpty)
		}
		return nodes
	case map[string]any:
		d := dictionary{keys: slices.Sorted(maps.Keys(v)), nodes: map[string]node{}, omitEmpty: omitEmpty}
		for _, key := range d.keys {
			d.nodes[key] = c.tree(path+"."+key, v[key], env, omitEmpty)
		}
		return d
	case map[any]any:
		named := make(map[string]any, len(v))
		for key, element := range v {
			named[fmt.Sprint(key)] = element
		}
		return c.tree(path, named, env, omitEmpty)
	default:
		return constant{v}
	}
}
