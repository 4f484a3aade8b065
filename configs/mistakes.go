package configs

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Mistake is one thing that is wrong with a configuration.
type Mistake struct {
	// Source is the name of the file, "environment NAME", or "configuration" for what is given nowhere.
	Source string
	// Line is the line of the file, counted from 1; 0 without one.
	Line int
	// Path is the key ("delivery.retry.max", "crm.objects[0].name"), empty for a fault of the file as a whole.
	Path string
	// Value is what was given, empty where nothing was, where it is a section, or where it is or might be a secret.
	Value string
	// Problem says what is wrong and what would be right.
	Problem string
}

// String returns the mistake on one line: source:line: path: "value": problem.
func (m Mistake) String() string {
	var b strings.Builder
	b.WriteString(printable(m.Source))
	if m.Line > 0 {
		b.WriteString(":" + strconv.Itoa(m.Line))
	}
	if m.Path != "" {
		b.WriteString(": " + printable(m.Path))
	}
	if m.Value != "" {
		b.WriteString(": " + strconv.Quote(shorten(m.Value)))
	}
	b.WriteString(": " + m.Problem)
	return b.String()
}

// Mistakes are all mistakes of a configuration: those of the file in the order of its lines, then those of the
// environment, then what is missing. Of a file that is wrong in hundreds of places, only the first hundred or so are
// told.
type Mistakes []Mistake

// Error lists the mistakes, one per line.
func (m Mistakes) Error() string {
	lines := make([]string, len(m))
	for i, mistake := range m {
		lines[i] = mistake.String()
	}
	return strings.Join(lines, "\n")
}

// maxMistakes is how many mistakes are looked for. A file with more is not a configuration with mistakes in it.
const maxMistakes = 100

// sorted orders mistakes as Mistakes promises.
func sorted(m Mistakes) Mistakes {
	rank := func(m Mistake) int {
		switch {
		case m.Line > 0:
			return 0
		case strings.HasPrefix(m.Source, environment):
			return 1
		default:
			return 2
		}
	}
	slices.SortStableFunc(m, func(a, b Mistake) int {
		return cmp.Or(
			cmp.Compare(rank(a), rank(b)), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Source, b.Source),
			cmp.Compare(a.Path, b.Path), cmp.Compare(a.Problem, b.Problem),
		)
	})
	return m
}

// longest is how many characters of an operator's own text a mistake repeats.
const longest = 80

// shorten cuts text to what a line can bear.
func shorten(text string) string {
	if utf8.RuneCountInString(text) <= longest {
		return text
	}
	return string([]rune(text)[:longest]) + "…"
}

// printable returns text as it is unless it would break or forge a line.
func printable(text string) string {
	text = shorten(text)
	if quoted := strconv.Quote(text); quoted != `"`+text+`"` {
		return quoted
	}
	return text
}
