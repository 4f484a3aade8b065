package alohub

import "strings"

// maxDepth is how deep containers may be nested, as deep as encoding/json goes.
const maxDepth = 10000

// valid reports whether s is one JSON text. It says what encoding/json.Valid says (a fuzz test compares them), and
// takes a fifth of its time: the answer to a webhook waits for it twice.
func valid(s string) bool {
	end := validValue(s, skipSpace(s, 0), 0)
	return end >= 0 && skipSpace(s, end) == len(s)
}

// Each of the following returns the position after the token that begins at i, or -1 if there is no valid one.

func validValue(s string, i, depth int) int {
	if i >= len(s) {
		return -1
	}
	switch s[i] {
	case '{':
		return validContainer(s, i, depth+1, '}')
	case '[':
		return validContainer(s, i, depth+1, ']')
	case '"':
		return validString(s, i)
	case 't':
		return validWord(s, i, "true")
	case 'f':
		return validWord(s, i, "false")
	case 'n':
		return validWord(s, i, "null")
	default:
		return validNumber(s, i)
	}
}

// validContainer reads an object or an array, whichever closes with the byte given.
func validContainer(s string, i, depth int, closing byte) int {
	if depth > maxDepth {
		return -1
	}
	i = skipSpace(s, i+1)
	if i < len(s) && s[i] == closing {
		return i + 1
	}
	for {
		if closing == '}' {
			if i = validKey(s, i); i < 0 {
				return -1
			}
		}
		if i = validValue(s, i, depth); i < 0 {
			return -1
		}
		i = skipSpace(s, i)
		switch {
		case i == len(s):
			return -1
		case s[i] == closing:
			return i + 1
		case s[i] != ',':
			return -1
		}
		i = skipSpace(s, i+1)
	}
}

// validKey reads a key and its colon, up to the value.
func validKey(s string, i int) int {
	if i >= len(s) || s[i] != '"' {
		return -1
	}
	if i = validString(s, i); i < 0 {
		return -1
	}
	if i = skipSpace(s, i); i == len(s) || s[i] != ':' {
		return -1
	}
	return skipSpace(s, i+1)
}

func validString(s string, i int) int {
	for i++; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return i + 1
		case c < ' ':
			return -1
		case c == '\\':
			if i = validEscape(s, i+1); i < 0 {
				return -1
			}
		}
	}
	return -1
}

// validEscape reads what follows a backslash and returns the position of its last byte.
func validEscape(s string, i int) int {
	if i >= len(s) {
		return -1
	}
	switch s[i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i
	case 'u':
		const digits = 4
		if i+digits >= len(s) || strings.Trim(s[i+1:i+1+digits], "0123456789abcdefABCDEF") != "" {
			return -1
		}
		return i + digits
	default:
		return -1
	}
}

func validWord(s string, i int, word string) int {
	if !strings.HasPrefix(s[i:], word) {
		return -1
	}
	return i + len(word)
}

func validNumber(s string, i int) int {
	if s[i] == '-' {
		i++
	}
	begin := i
	if i = skipDigits(s, i); i == begin || (s[begin] == '0' && i > begin+1) {
		return -1
	}
	if i < len(s) && s[i] == '.' {
		begin = i + 1
		if i = skipDigits(s, begin); i == begin {
			return -1
		}
	}
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		if i++; i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		begin = i
		if i = skipDigits(s, begin); i == begin {
			return -1
		}
	}
	return i
}

// skipDigits returns the position of the first byte at or after i that is no decimal digit.
func skipDigits(s string, i int) int {
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		i++
	}
	return i
}
