package api

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

const (
	maxMessage = 300
	hidden     = "***"
	// minSecret is how long a text must be to be a secret: hiding shorter ones would only garble the message.
	minSecret = 4
)

var (
	addressLike = regexp.MustCompile(`(?i)\b[a-z][a-z0-9+.-]*://[^\s"'<>]+`)
	// A CRM may echo a number in any layout: with all kinds of spaces and dashes, in full-width digits.
	numberLike = regexp.MustCompile(`\p{Nd}(?:[\s\p{Zs}\p{Pd}\p{Cf}_.,()/\\]{0,3}\p{Nd}){6,}`)
)

// hide replaces secrets in text, also where they are escaped for a URL or for JSON; the longest first, for one may be
// part of another.
func hide(text string, secrets []string) string {
	secrets = slices.Clone(secrets)
	slices.SortFunc(secrets, func(a, b string) int { return len(b) - len(a) })
	var pairs []string
	for _, s := range secrets {
		if len(s) < minSecret {
			continue
		}
		for _, form := range []string{s, url.QueryEscape(s), url.PathEscape(s), strings.ReplaceAll(s, "/", `\/`)} {
			pairs = append(pairs, form, hidden)
		}
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// Mask returns a text of the CRM as it may stand in a log: valid UTF-8 on one line, cut to 300 characters, without the
// secrets, without addresses, and with all but the last two digits of what looks like a telephone number hidden.
func Mask(text string, secrets ...string) string {
	text = hide(strings.ToValidUTF8(text, "\uFFFD"), secrets)
	text = addressLike.ReplaceAllString(text, "(address)")
	text = numberLike.ReplaceAllStringFunc(text, func(s string) string {
		r := []rune(s)
		return strings.Repeat("*", len(r)-2) + string(r[len(r)-2:])
	})
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > maxMessage {
		text = string(runes[:maxMessage-1]) + "…"
	}
	return text
}
