package alohub

import (
	"encoding/json"
	"strings"
)

// The functions here walk text that valid has found to be JSON, and rely on it: there a value ends where its first
// byte says, so no token needs a second look.

// skipSpace returns the position of the first byte at or after i that is not white space, len(s) if there is none.
func skipSpace(s string, i int) int {
	for i < len(s) && (s[i] == ' ' || s[i] == '\n' || s[i] == '\r' || s[i] == '\t') {
		i++
	}
	return i
}

// skipString returns the position after the string that begins at i.
func skipString(s string, i int) int {
	for i++; s[i] != '"'; i++ {
		if s[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// skipLiteral returns the position after the number, boolean or null that begins at i.
func skipLiteral(s string, i int) int {
	for i < len(s) && strings.IndexByte(",]} \n\r\t", s[i]) < 0 {
		i++
	}
	return i
}

// skipValue returns the position after the value that begins at i.
func skipValue(s string, i int) int {
	switch s[i] {
	case '"':
		return skipString(s, i)
	case '{', '[':
	default:
		return skipLiteral(s, i)
	}
	for depth := 0; ; {
		switch s[i] {
		case '"':
			i = skipString(s, i)
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		if i++; depth == 0 {
			return i
		}
	}
}

// members calls visit with each member of the object that begins at i, in the order of the text, both parts as
// written.
func members(s string, i int, visit func(key, value string)) {
	for i = skipSpace(s, i+1); s[i] != '}'; i = skipSpace(s, i) {
		if s[i] == ',' {
			i = skipSpace(s, i+1)
		}
		keyEnd := skipString(s, i)
		value := skipSpace(s, skipSpace(s, keyEnd)+1)
		valueEnd := skipValue(s, value)
		visit(s[i:keyEnd], s[value:valueEnd])
		i = valueEnd
	}
}

// unquote returns what the string literal says. It allocates only for a literal with escapes.
func unquote(literal string) string {
	if strings.IndexByte(literal, '\\') < 0 {
		return literal[1 : len(literal)-1]
	}
	var text string
	if err := json.Unmarshal([]byte(literal), &text); err != nil {
		return "" // cannot be: the literal is part of valid text
	}
	return text
}
