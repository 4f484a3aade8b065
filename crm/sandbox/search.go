package sandbox

import (
	"cmp"
	"slices"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// searchWords is what a search looks through, prepared once for each state of a contact.
type searchWords struct{ folded, number string }

func wordsOf(c Contact) searchWords {
	return searchWords{
		folded: fold(c.Name) + "\n" + fold(c.Phone) + "\n" + fold(c.TransactionID),
		number: national(c.Phone),
	}
}

// contains reports whether the contact answers to a search, given folded and as the digits of a number.
func (w searchWords) contains(folded, number string) bool {
	return strings.Contains(w.folded, folded) || number != "" && strings.Contains(w.number, number)
}

// fold strips case and accents, so that a search for "nguyen" finds "Nguyễn" and "duc" finds "Đức".
func fold(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.Is(unicode.Mn, r):
			return -1
		case r == 'đ' || r == 'Đ':
			return 'd'
		}
		return unicode.ToLower(r)
	}, norm.NFD.String(s))
}

// contactSummary is a contact with what the list shows of its calls.
type contactSummary struct {
	contact *Contact
	// latest is the start of the newest call, zero without calls.
	latest time.Time
	calls  int
}

// search returns the contacts that a text matches by name, number or transaction id, the latest called first, then the
// newest. The empty text matches all.
func (s *store) search(query string) []contactSummary {
	folded, number := fold(strings.TrimSpace(query)), ""
	if strings.Trim(folded, "+0123456789 .-()") == "" {
		number = national(query)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	var matches []contactSummary
	for _, entry := range s.contacts {
		if entry.words.contains(folded, number) {
			matches = append(matches, contactSummary{
				contact: entry.contact, latest: entry.latest, calls: len(s.byContact[entry.contact.ID]),
			})
		}
	}
	slices.SortFunc(matches, func(a, b contactSummary) int {
		return cmp.Or(b.latest.Compare(a.latest), b.contact.CreatedAt.Compare(a.contact.CreatedAt),
			cmp.Compare(b.contact.ID, a.contact.ID))
	})
	return matches
}
