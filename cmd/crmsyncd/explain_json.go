package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"

	"github.com/crmsyncd/crmsyncd/crm/explain"
)

// printExplanationJSON prints everything as one JSON object.
func (p *program) printExplanationJSON(l located, x *explain.Explanation) error {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	source := map[string]string{"place": l.place, "name": l.name}
	err := encoder.Encode(struct {
		Source map[string]string `json:"source"`
		State  string            `json:"state"`
		Due    time.Time         `json:"due,omitzero"`
		*explain.Explanation
	}{source, l.entry.State.String(), l.entry.Due, x})
	if err != nil {
		return err
	}
	_, err = io.WriteString(p.out, escapeUnprintable(b.String()))
	return err
}

// escapeUnprintable writes what a terminal might obey as escapes of JSON. Outside of its strings JSON has none.
func escapeUnprintable(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '\n' || unicode.IsPrint(r):
			b.WriteRune(r)
		case r > 0xFFFF:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}
