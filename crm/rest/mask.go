package rest

import (
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

const maxMessage = 300

var (
	addressLike = regexp.MustCompile(`(?i)\b[a-z][a-z0-9+.-]*://[^\s"'<>]+`)
	// A CRM may echo a number in any layout: with all kinds of spaces and dashes, in full-width digits.
	numberLike = regexp.MustCompile(`\p{Nd}(?:[\s\p{Zs}\p{Pd}\p{Cf}_.,()/\\]{0,3}\p{Nd}){6,}`)
)

// masker hides in texts of the CRM what must not reach a log or page: secrets, addresses and what looks like a
// telephone number.
type masker struct {
	secrets *strings.Replacer
}

// newMasker returns a masker that knows secrets. Those of less than four characters are no secrets, and hiding them
// would only garble the text.
func newMasker(secrets []string) masker {
	slices.SortFunc(secrets, func(a, b string) int { return len(b) - len(a) })
	var pairs []string
	for _, s := range secrets {
		if len(s) >= 4 {
			pairs = append(pairs, s, "***")
			if escaped := url.QueryEscape(s); escaped != s {
				pairs = append(pairs, escaped, "***")
			}
			if escaped := strings.ReplaceAll(s, "/", `\/`); escaped != s {
				pairs = append(pairs, escaped, "***")
			}
		}
	}
	return masker{secrets: strings.NewReplacer(pairs...)}
}

// mask returns text as valid UTF-8 on one line, cut to 300 characters, without what must not be seen.
func (m masker) mask(text string) string {
	text = m.secrets.Replace(strings.ToValidUTF8(text, "\uFFFD"))
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

// quoted returns a value of the configuration as it stands in an error: on one line and not too long.
func quoted(s string) string {
	if runes := []rune(s); len(runes) > maxQuoted {
		s = string(runes[:maxQuoted]) + "…"
	}
	return strconv.Quote(s)
}

const maxQuoted = 120
