package zohotest

import (
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Limits of COQL (page "Query API - Limitations").
const (
	maxIn       = 50
	maxCriteria = 25
	maxRows     = 2_000
)

// statement is a query that was read.
type statement struct {
	fields []string
	module string
	where  func(*record) bool
	offset int
	limit  int
}

// parser reads a query token by token.
type parser struct {
	tokens  []string
	columns []string
	count   int
	c       *CRM
}

// tokenForm is what tokens look like: a quoted text, a word or number, a sign.
var tokenForm = regexp.MustCompile(`'(?:[^'\\]|\\.)*'|[A-Za-z0-9_$.]+|[(),=<>]`)

func (p *parser) next() string {
	if len(p.tokens) == 0 {
		return ""
	}
	token := p.tokens[0]
	p.tokens = p.tokens[1:]
	return token
}

// expect takes words that must come now.
func (p *parser) expect(words ...string) bool {
	for _, word := range words {
		if !strings.EqualFold(p.next(), word) {
			return false
		}
	}
	return true
}

// escaped is a character of a quoted text behind a backslash.
var escaped = regexp.MustCompile(`\\(.)`)

// literal reads a quoted text.
func literal(token string) (string, bool) {
	if len(token) < 2 || token[0] != '\'' {
		return "", false
	}
	return escaped.ReplaceAllString(token[1:len(token)-1], "$1"), true
}

// condition reads one criterion, or two in brackets. nil: it cannot be read.
func (p *parser) condition() func(*record) bool {
	first := p.next()
	if first == "(" {
		left := p.condition()
		join := strings.ToLower(p.next())
		right := p.condition()
		if left == nil || right == nil || p.next() != ")" || join != "or" && join != "and" {
			return nil
		}
		if join == "or" {
			return func(r *record) bool { return left(r) || right(r) }
		}
		return func(r *record) bool { return left(r) && right(r) }
	}
	p.count++
	p.columns = append(p.columns, first)
	switch operator := strings.ToLower(p.next()); operator {
	case ">":
		bound, err := strconv.ParseInt(p.next(), 10, 64)
		if err != nil {
			return nil
		}
		return func(r *record) bool {
			return first == "Call_Duration_in_seconds" && p.c.seconds(r.text("Call_Duration")) > bound
		}
	case "in":
		return p.in(first)
	default:
		return nil
	}
}

// in reads a list of texts. They are compared without case.
func (p *parser) in(column string) func(*record) bool {
	if p.next() != "(" {
		return nil
	}
	var values []string
	for {
		value, ok := literal(p.next())
		if !ok {
			return nil
		}
		values = append(values, value)
		switch p.next() {
		case ",":
		case ")":
			if len(values) > maxIn {
				return nil
			}
			return func(r *record) bool {
				return slices.ContainsFunc(values, func(v string) bool { return v != "" && strings.EqualFold(v, r.text(column)) })
			}
		default:
			return nil
		}
	}
}

// parse reads a query. The caller holds the lock.
func (c *CRM) parse(text string) (statement, *fault) {
	var s statement
	syntax := bad("SYNTAX_ERROR", "error occurred while parsing the query", map[string]any{"near": ""})
	p := &parser{c: c, tokens: tokenForm.FindAllString(text, -1)}
	if rest := strings.TrimSpace(tokenForm.ReplaceAllString(text, "")); rest != "" || !p.expect("select") {
		return s, syntax
	}
	for {
		s.fields = append(s.fields, p.next())
		if sign := p.next(); strings.EqualFold(sign, "from") {
			break
		} else if sign != "," {
			return s, syntax
		}
	}
	s.module = p.next()
	if !p.expect("where") {
		return s, bad("SYNTAX_ERROR", "missing clause", map[string]any{"clause": "where"})
	}
	if s.where = p.condition(); s.where == nil || p.count > maxCriteria {
		return s, syntax
	}
	if !p.expect("order", "by", "id", "asc", "limit") {
		return s, syntax
	}
	var errs [2]error
	s.offset, errs[0] = strconv.Atoi(p.next())
	if !p.expect(",") {
		return s, syntax
	}
	s.limit, errs[1] = strconv.Atoi(p.next())
	if errs[0] != nil || errs[1] != nil || s.limit < 1 || s.limit > maxRows || len(p.tokens) > 0 {
		return s, bad("INVALID_QUERY", "invalid limit", map[string]any{"limit": maxRows})
	}
	fields, found := c.fields[s.module]
	if !found {
		return s, bad("INVALID_MODULE", "the module name given seems to be invalid", nil)
	}
	for _, name := range slices.Concat(s.fields, p.columns) {
		if f := fields[name]; name != "id" && f == nil {
			return s, bad("INVALID_QUERY", "column given seems to be invalid", map[string]any{"column_name": name})
		}
	}
	for _, name := range p.columns {
		if fields[name] != nil && fields[name].DataType == "textarea" {
			return s, bad("INVALID_QUERY", "unsupported column", map[string]any{"column_name": name})
		}
	}
	return s, nil
}

// query serves COQL. Nothing found is no answer at all. The caller holds the lock.
func (c *CRM) query(body []byte) (any, *fault) {
	var request struct {
		Query string `json:"select_query"`
	}
	if err := json.Unmarshal(body, &request); err != nil || request.Query == "" {
		return nil, bad("MANDATORY_NOT_FOUND", "required field not found", map[string]any{"api_name": "select_query"})
	}
	s, f := c.parse(request.Query)
	if f != nil {
		return nil, f
	}
	var found []*record
	until := c.options.Now().Add(-c.options.SearchLag)
	for _, r := range c.ofModule[s.module] {
		if !r.deleted && !r.created.After(until) && s.where(r) {
			found = append(found, r)
		}
	}
	found = found[min(s.offset, len(found)):]
	more := len(found) > s.limit
	found = found[:min(s.limit, len(found))]
	if len(found) == 0 {
		return nil, nil
	}
	rows := make([]map[string]any, len(found))
	for i, r := range found {
		rows[i] = map[string]any{"id": r.id}
		for _, name := range s.fields {
			switch name {
			case "id":
			case "Call_Duration_in_seconds":
				rows[i][name] = c.seconds(r.text("Call_Duration"))
			default:
				rows[i][name] = r.values[name]
			}
		}
	}
	return map[string]any{"data": rows, "info": map[string]any{"count": len(rows), "more_records": more}}, nil
}
