package main

import (
	"bufio"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// printout prints lines for people. What could move the cursor of a terminal or begin another line is replaced: calls
// and records come from outside.
type printout struct{ w *bufio.Writer }

// line prints one line.
func (p printout) line(format string, args ...any) {
	text := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, strings.ToValidUTF8(fmt.Sprintf(format, args...), "\uFFFD"))
	_, _ = p.w.WriteString(strings.TrimRight(text, " ") + "\n") // Flush returns its error
}

// heading prints an empty line and a line.
func (p printout) heading(format string, args ...any) {
	p.line("")
	p.line(format, args...)
}

// quoted is a text that came in from outside, on one line.
func quoted(text string) string { return strconv.Quote(text) }

// stamp returns a time with its zone, empty where it is not known.
func stamp(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.Format("2006-01-02 15:04:05 -07:00")
}
