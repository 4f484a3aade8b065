package salesforcetest

import (
	"strings"
	"unicode"
)

// statement is a SOQL query that was read.
type statement struct {
	fields []string
	object string
	where  *condition
	order  string
	down   bool
	limit  int
}

// condition is a comparison (field is set) or a conjunction or disjunction of several.
type condition struct {
	field  string
	values []literal
	set    map[string]bool // the values, texts in lower case
	join   string          // AND or OR
	parts  []*condition
}

// literal is a value in a statement.
type literal struct {
	text   string
	quoted bool
}

// token is a word, a quoted text or a sign of a statement.
type token struct {
	text   string
	quoted bool
}

// is reports whether a token is a keyword or sign.
func (t token) is(word string) bool { return !t.quoted && strings.EqualFold(t.text, word) }

// escapes are the sequences that SOQL knows in a quoted text.
var escapes = map[byte]byte{'n': '\n', 'r': '\r', 't': '\t', 'b': '\b', 'f': '\f', '"': '"', '\'': '\'', '\\': '\\'}

// scan cuts a statement into tokens.
func scan(q string) ([]token, *fault) {
	var tokens []token
	for i := 0; i < len(q); {
		switch ch := q[i]; {
		case ch == ' ' || ch == '\n' || ch == '\t' || ch == '\r':
			i++
		case ch == '\'':
			text, next, f := quoted(q, i+1)
			if f != nil {
				return nil, f
			}
			tokens, i = append(tokens, token{text: text, quoted: true}), next
		case wordly(rune(ch)):
			end := i
			for end < len(q) && wordly(rune(q[end])) {
				end++
			}
			tokens, i = append(tokens, token{text: q[i:end]}), end
		case strings.IndexByte("(),=", ch) >= 0:
			tokens, i = append(tokens, token{text: string(ch)}), i+1
		default:
			return nil, malformed("line 1:%d no viable alternative at character '%c'", i, ch)
		}
	}
	return tokens, nil
}

// wordly reports whether r may stand in a name or number.
func wordly(r rune) bool {
	return r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_' || r == '.')
}

// quoted reads a text up to its closing quote and returns where it goes on.
func quoted(q string, at int) (text string, next int, f *fault) {
	var b strings.Builder
	for i := at; i < len(q); i++ {
		switch q[i] {
		case '\'':
			return b.String(), i + 1, nil
		case '\\':
			i++
			if i == len(q) {
				return "", 0, malformed("line 1:%d mismatched character '<EOF>'", i)
			}
			plain, known := escapes[q[i]]
			if !known {
				return "", 0, malformed("Invalid string literal. Illegal character sequence '\\%c' in string literal", q[i])
			}
			b.WriteByte(plain)
		case '\n', '\r':
			return "", 0, malformed("line 1:%d mismatched character '\\n' expecting '''", i)
		default:
			b.WriteByte(q[i])
		}
	}
	return "", 0, malformed("line 1:%d mismatched character '<EOF>' expecting '''", len(q))
}

func malformed(format string, args ...any) *fault {
	return badRequest("MALFORMED_QUERY", format, args...)
}

// parser reads tokens one after the other. The first fault stops it.
type parser struct {
	tokens []token
	fault  *fault
}

// peek returns the next token, an empty one at the end.
func (p *parser) peek() token {
	if len(p.tokens) == 0 || p.fault != nil {
		return token{}
	}
	return p.tokens[0]
}

// take returns the next token and goes on.
func (p *parser) take() token {
	t := p.peek()
	if t == (token{}) {
		p.fail("unexpected token: '<EOF>'")
		return t
	}
	p.tokens = p.tokens[1:]
	return t
}

// accept goes on if the next token is a word.
func (p *parser) accept(word string) bool {
	if !p.peek().is(word) {
		return false
	}
	p.tokens = p.tokens[1:]
	return true
}

// expect goes on if the next token is a word and fails if not.
func (p *parser) expect(word string) {
	if !p.accept(word) {
		p.fail("unexpected token: '" + p.peek().text + "'")
	}
}

// name takes a name.
func (p *parser) name() string {
	t := p.take()
	if t.quoted || t.text == "" || !wordly(rune(t.text[0])) {
		p.fail("unexpected token: '" + t.text + "'")
	}
	return t.text
}

func (p *parser) fail(words string) {
	if p.fault == nil {
		p.fault = malformed("%s", words)
	}
}

// parse reads a statement.
func parse(q string) (statement, *fault) {
	tokens, f := scan(q)
	if f != nil {
		return statement{}, f
	}
	p := &parser{tokens: tokens}
	var s statement
	p.expect("SELECT")
	s.fields = append(s.fields, p.name())
	for p.accept(",") {
		s.fields = append(s.fields, p.name())
	}
	p.expect("FROM")
	s.object = p.name()
	if p.accept("WHERE") {
		s.where = p.condition()
	}
	if p.accept("ORDER") {
		p.expect("BY")
		s.order = p.name()
		if s.down = p.accept("DESC"); !s.down {
			p.accept("ASC")
		}
	}
	if p.accept("LIMIT") {
		for _, digit := range p.name() {
			s.limit = s.limit*10 + int(digit-'0')
		}
	}
	if len(p.tokens) > 0 {
		p.fail("unexpected token: '" + p.peek().text + "'")
	}
	return s, p.fault
}

// condition reads comparisons joined by AND or by OR. Both without parentheses are a mistake.
func (p *parser) condition() *condition {
	c := &condition{parts: []*condition{p.comparison()}}
	for p.peek().is("AND") || p.peek().is("OR") {
		join := strings.ToUpper(p.take().text)
		if c.join != "" && c.join != join {
			p.fail("unexpected token: '" + join + "'")
		}
		c.join = join
		c.parts = append(c.parts, p.comparison())
	}
	return c
}

// comparison reads "field = value", "field IN (values)" or a condition in parentheses.
func (p *parser) comparison() *condition {
	if p.accept("(") {
		c := p.condition()
		p.expect(")")
		return c
	}
	c := &condition{field: p.name()}
	if p.accept("=") {
		return c.add(p.literal())
	}
	p.expect("IN")
	p.expect("(")
	c.add(p.literal())
	for p.accept(",") {
		c.add(p.literal())
	}
	p.expect(")")
	return c
}

// add adds a value that the field is compared with.
func (c *condition) add(value literal) *condition {
	if c.set == nil {
		c.set = make(map[string]bool)
	}
	c.values = append(c.values, value)
	c.set[strings.ToLower(value.text)] = true
	return c
}

func (p *parser) literal() literal {
	t := p.take()
	if !t.quoted && (t.text == "" || !wordly(rune(t.text[0]))) {
		p.fail("unexpected token: '" + t.text + "'")
	}
	return literal(t)
}
