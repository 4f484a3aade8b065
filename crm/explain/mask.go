package explain

import (
	"cmp"
	"html"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/crmsyncd/crmsyncd/crm/call"
)

// masker hides the customer's number and the recordings of a call in texts that hold them in any form: in a sentence, a
// JSON or form body, an address.
type masker struct {
	show       bool
	numbers    []*regexp.Regexp
	recordings *strings.Replacer
}

// minMasked is how many digits a number must have to be looked for in texts: hiding fewer would only garble them.
const minMasked = 7

// shownDigits is how many digits of a number are shown.
const shownDigits = 2

// newMasker returns a masker for all that the events of a call say.
func newMasker(show bool, merged call.Call, events []call.Event) *masker {
	m := &masker{show: show}
	var recordings, numbers []string
	add := func(list []string, value string) []string {
		if value == "" || slices.Contains(list, value) {
			return list
		}
		return append(list, value)
	}
	spellings := merged.Customer.Spellings()
	for _, e := range events {
		recordings = add(recordings, e.RecordingURL)
		spellings = append(spellings, e.CustomerNumber)
	}
	for _, spelling := range spellings {
		if digits := call.SearchDigits(spelling); len(digits) >= minMasked {
			numbers = add(numbers, digits)
		}
	}
	for _, digits := range numbers {
		// Between the digits a text may have what people and forms put there, before them the code of the country.
		between := `[\s\p{Z}\p{Pd}.()/+]{0,3}`
		m.numbers = append(m.numbers, regexp.MustCompile(`\d{0,4}`+strings.Join(strings.Split(digits, ""), between)))
	}
	m.recordings = recordingReplacer(recordings)
	return m
}

// recordingReplacer hides addresses in all forms in which they are written, the longest first: one may be the beginning
// of another.
func recordingReplacer(addresses []string) *strings.Replacer {
	const hidden = "(recording)"
	var forms []string
	for _, address := range addresses {
		written := []string{address}
		if u, err := url.Parse(address); err == nil {
			written = append(written, u.String())
		}
		for _, w := range written {
			forms = append(forms, w, url.QueryEscape(w), url.PathEscape(w), html.EscapeString(w),
				strings.ReplaceAll(w, "/", `\/`), strings.ReplaceAll(html.EscapeString(w), "/", `\/`),
				url.QueryEscape(html.EscapeString(w)))
		}
	}
	slices.SortFunc(forms, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	var pairs []string
	for _, form := range forms {
		pairs = append(pairs, form, hidden)
	}
	return strings.NewReplacer(pairs...)
}

// text returns a text without what is to be hidden.
func (m *masker) text(s string) string {
	if m.show || s == "" {
		return s
	}
	s = m.recordings.Replace(s)
	for _, number := range m.numbers {
		s = number.ReplaceAllStringFunc(s, maskDigits)
	}
	return s
}

// maskDigits hides all but the last digits.
func maskDigits(s string) string {
	r := []rune(s)
	shown := 0
	for i := len(r) - 1; i >= 0; i-- {
		if r[i] < '0' || r[i] > '9' {
			continue
		}
		if shown++; shown > shownDigits {
			r[i] = '*'
		}
	}
	return string(r)
}

// number returns a number as it is shown.
func (m *masker) number(n call.Number) string {
	if m.show {
		return n.String()
	}
	return n.Masked()
}
