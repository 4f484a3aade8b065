// Package secret holds strings that must not be seen: keys, tokens, passwords.
//
// # The model
//
// A String keeps its text behind a pointer in an unexported field. Every way of printing or encoding it (all verbs of
// fmt, JSON, YAML, slog) yields "[set]" or "[unset]". Reveal is the one way out, so a search for it lists everybody who
// sees a secret.
//
// # Traps
//
// A defined string type with a String method is not enough: fmt and slog cannot call the methods of a value that sits
// in an unexported field, and then print the text itself. Here they come upon a pointer and print an address.
//
// Two Strings compare by == as pointers, not by their text. Compare revealed texts, in constant time where the other
// one comes from outside.
package secret

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// What a String prints instead of its text.
const (
	set   = "[set]"
	unset = "[unset]"
)

// String is a text that never prints. Its zero value is unset. It is immutable but for UnmarshalText, and so safe for
// concurrent use; copies share the text.
type String struct {
	text *string
}

// New returns a String that keeps text. An empty text is as good as none: the result is unset.
func New(text string) String {
	if text == "" {
		return String{}
	}
	return String{text: &text}
}

// Reveal returns the text, empty when unset. Hand it to the one call that needs it and keep it nowhere.
func (s String) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsSet tells whether there is a text.
func (s String) IsSet() bool { return s.text != nil }

// String returns "[set]" or "[unset]".
func (s String) String() string {
	if s.IsSet() {
		return set
	}
	return unset
}

// GoString returns "[set]" or "[unset]".
func (s String) GoString() string { return s.String() }

// Format prints "[set]" or "[unset]" for every verb, flag, width and precision.
func (s String) Format(f fmt.State, _ rune) {
	// A fmt.State has nobody to report an error of its writer to; fmt itself drops it as well.
	_, _ = io.WriteString(f, s.String())
}

// MarshalText returns "[set]" or "[unset]", which encoding/json and YAML encoders use as well. It never fails.
func (s String) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText keeps text; an empty one unsets the String. The placeholders that MarshalText writes are refused, so
// that a printed configuration is not mistaken for one with secrets in it.
func (s *String) UnmarshalText(text []byte) error {
	if t := string(text); t == set || t == unset {
		return errors.New("is the placeholder of a secret, not a secret")
	}
	*s = New(string(text))
	return nil
}

// LogValue returns "[set]" or "[unset]" for slog.
func (s String) LogValue() slog.Value { return slog.StringValue(s.String()) }
