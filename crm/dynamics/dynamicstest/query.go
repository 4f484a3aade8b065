package dynamicstest

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// condition says whether a row is wanted.
type condition func(*row) bool

// find serves a query of a table. The caller holds the lock.
func (c *CRM) find(r *http.Request, t *table) (any, *fault) {
	query, err := url.ParseQuery(strings.ReplaceAll(r.URL.RawQuery, "+", "%2B")) // a + is a plus
	if err != nil {
		return nil, refuse(400, "0x80060888", "The query cannot be read.")
	}
	selected := strings.Split(query.Get("$select"), ",")
	for _, name := range selected {
		if t.columns[name] == nil {
			return nil, refuse(400, "0x80060888", "Could not find a property named '%s' on type 'Microsoft.Dynamics.CRM.%s'.",
				name, t.name)
		}
	}
	p := &parser{table: t, query: query, rest: query.Get("$filter")}
	wanted := p.or()
	if p.fault == nil && p.rest != "" {
		p.fail("0x80060888", "Syntax error in the filter at '%s'.", p.rest)
	}
	if p.fault != nil {
		return nil, p.fault
	}
	size := c.options.PageSize
	if _, err := fmt.Sscanf(r.Header.Get("Prefer"), "odata.maxpagesize=%d", &size); err == nil {
		size = min(size, c.options.PageSize)
	}
	answer := map[string]any{"@odata.context": "https://" + r.Host + apiRoot + "/$metadata#" + t.set}
	value := []map[string]any{}
	for _, id := range c.order {
		found := c.rows[id]
		if found == nil || found.table != t.name || !wanted(found) {
			continue
		}
		if len(value) == size {
			answer["@odata.nextLink"] = "https://" + r.Host + r.URL.RequestURI() + "&$skiptoken=2"
			break
		}
		shown := map[string]any{"@odata.etag": `W/"1"`}
		for _, name := range selected {
			shown[name] = found.values[name]
		}
		value = append(value, shown)
	}
	answer["value"] = value
	return answer, nil
}

// parser reads a $filter: In, eq, and, or, brackets.
type parser struct {
	table *table
	query url.Values
	rest  string
	fault *fault
}

// The words of a filter.
var (
	inFunction = regexp.MustCompile(
		`^Microsoft\.Dynamics\.CRM\.In\(PropertyName=(@\w+|'[^']*'),PropertyValues=(@\w+|\[.*?\])\)`)
	equals  = regexp.MustCompile(`^(\w+) eq (true|false|\d+|'(?:[^']|'')*')`)
	literal = regexp.MustCompile(`^'((?:[^']|'')*)'`)
)

func (p *parser) fail(code, format string, args ...any) {
	if p.fault == nil {
		p.fault = refuse(400, code, format, args...)
	}
	p.rest = ""
}

// eat takes a word from the beginning of what is left.
func (p *parser) eat(word string) bool {
	rest, ok := strings.CutPrefix(p.rest, word)
	if ok {
		p.rest = rest
	}
	return ok
}

func (p *parser) or() condition {
	one := p.and()
	for p.eat(" or ") {
		left, right := one, p.and()
		one = func(r *row) bool { return left(r) || right(r) }
	}
	return one
}

func (p *parser) and() condition {
	one := p.factor()
	for p.eat(" and ") {
		left, right := one, p.factor()
		one = func(r *row) bool { return left(r) && right(r) }
	}
	return one
}

func (p *parser) factor() condition {
	never := func(*row) bool { return false }
	if p.eat("(") {
		inner := p.or()
		if !p.eat(")") {
			p.fail("0x80060888", "There is an unterminated bracket in the filter.")
		}
		return inner
	}
	if in := inFunction.FindStringSubmatch(p.rest); in != nil {
		p.eat(in[0])
		return p.in(p.alias(in[1]), p.alias(in[2]))
	}
	eq := equals.FindStringSubmatch(p.rest)
	if eq == nil {
		p.fail("0x80060888", "Syntax error in the filter at '%s'.", p.rest)
		return never
	}
	p.eat(eq[0])
	if p.table.columns[eq[1]] == nil {
		p.fail("0x80060888", "Could not find a property named '%s' on type 'Microsoft.Dynamics.CRM.%s'.", eq[1], p.table.name)
	}
	want := eq[2]
	if text := literal.FindStringSubmatch(want); text != nil {
		want = strings.ReplaceAll(text[1], "''", "'")
	}
	return func(r *row) bool {
		return r.values[eq[1]] != nil && strings.EqualFold(fmt.Sprint(r.values[eq[1]]), want)
	}
}

// alias returns the value of a parameter alias; what is none is returned as it is.
func (p *parser) alias(text string) string {
	if !strings.HasPrefix(text, "@") {
		return text
	}
	if !p.query.Has(text) {
		p.fail("0x80060888", "The parameter alias '%s' has no value.", text)
	}
	return p.query.Get(text)
}

// in reads the function In of a column and a list of texts.
func (p *parser) in(name, list string) condition {
	column, err := strconv.Unquote(`"` + strings.Trim(name, "'") + `"`)
	if err != nil || p.table.columns[column] == nil {
		p.fail("0x80041103", "'%s' entity doesn't contain attribute with Name = '%s' and NameMapping = 'Logical'.",
			p.table.name, column)
	}
	values := map[string]bool{} // in lower case
	list = strings.TrimPrefix(list, "[")
	for list != "]" && p.fault == nil {
		text := literal.FindStringSubmatch(list)
		if text == nil {
			p.fail("0x80060888", "Invalid JSON. An unexpected value was found in a list of values.")
			break
		}
		values[strings.ToLower(strings.ReplaceAll(text[1], "''", "'"))] = true
		list = strings.TrimPrefix(strings.TrimPrefix(list, text[0]), ",")
	}
	return func(r *row) bool {
		return r.text(column) != "" && values[strings.ToLower(r.text(column))]
	}
}
