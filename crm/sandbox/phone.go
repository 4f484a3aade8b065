package sandbox

import "strings"

// Vietnam's country code, and the lengths of numbers that begin with it: nine digits follow, or ten for a landline.
const (
	countryCode  = "84"
	shortestFull = 11
	longestFull  = 12
)

// national returns the digits of a phone number in the form dialled within Vietnam, so that +84912345678,
// 0084912345678, 84912345678 and 0912 345 678 are equal. Numbers of other countries lose their plus or 00, short
// numbers stay as they are, and what holds no digit becomes empty.
func national(phone string) string {
	phone = strings.TrimSpace(phone)
	d := digits(phone)
	international := strings.HasPrefix(phone, "+")
	if rest, found := strings.CutPrefix(d, "00"); found {
		d, international = rest, true
	}
	rest, found := strings.CutPrefix(d, countryCode)
	if found && (international || len(d) >= shortestFull && len(d) <= longestFull) {
		return "0" + strings.TrimPrefix(rest, "0")
	}
	return d
}

// digits returns the decimal digits of s.
func digits(s string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, s)
}
