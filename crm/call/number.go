package call

import (
	"slices"
	"strconv"
	"strings"

	"github.com/nyaruka/phonenumbers"
)

// Number is a telephone number: as received and, where libphonenumber finds it valid, normalised.
type Number struct {
	// Raw is the number as received, without surrounding space.
	Raw string
	// E164 is "+84912345678"; empty for extensions, hotlines without an international form, hidden and invalid numbers.
	E164 string
	// National is the number without separators as dialled within the country, "0912345678"; empty where E164 is.
	National string
}

// ParseNumber reads raw as a number of region (ISO 3166, "VN") unless it carries a country code. What is not a valid
// number is kept raw: extensions, short codes, hidden callers. In region VN a mobile number in its form from before
// 2018 becomes the number that it is today.
func ParseNumber(raw, region string) Number {
	n := Number{Raw: strings.TrimSpace(raw)}
	if len(n.Raw) < 7 || len(n.Raw) > 40 {
		return n
	}
	for _, form := range []string{n.Raw, internationalForm(n.Raw, region), renumberedForm(n.Raw, region)} {
		if form == "" {
			continue
		}
		parsed, err := phonenumbers.Parse(form, region)
		if err != nil || !phonenumbers.IsValidNumber(parsed) {
			continue
		}
		parsed.Extension = nil // Of a switchboard; in a national form its digits would make another number.
		e164 := phonenumbers.Format(parsed, phonenumbers.E164)
		if kind := phonenumbers.GetNumberType(parsed); kind == phonenumbers.TOLL_FREE || kind == phonenumbers.PREMIUM_RATE {
			return n // 1800 and 1900 numbers have no international form: they stay as they are.
		}
		n.E164 = e164
		n.National = digits(phonenumbers.Format(parsed, phonenumbers.NATIONAL))
		return n
	}
	return n
}

// internationalForm turns the forms that a call centre writes without a plus, 84912345678 and 0084912345678, into one
// that the library reads as international. Digits that begin neither with 00 nor with the region's own country code
// stay as they are: taking them for a foreign number would be a guess at somebody's expense.
func internationalForm(raw, region string) string {
	d := digits(raw)
	if rest, found := strings.CutPrefix(d, "00"); found {
		return "+" + rest
	}
	if code := phonenumbers.GetCountryCodeForRegion(region); code != 0 && strings.HasPrefix(d, strconv.Itoa(code)) {
		return "+" + d
	}
	return raw
}

// IsZero reports whether there is no number at all.
func (n Number) IsZero() bool { return n.Raw == "" }

// String returns the E.164 form where there is one, else the number as received. It is for the CRM, never for a log.
func (n Number) String() string {
	if n.E164 != "" {
		return n.E164
	}
	return n.Raw
}

// Masked returns the number with all but its last two digits hidden, for logs and errors.
func (n Number) Masked() string {
	r := []rune(n.Raw)
	if len(r) <= 2 {
		return strings.Repeat("*", len(r))
	}
	return strings.Repeat("*", len(r)-2) + string(r[len(r)-2:])
}

// Same reports whether both are the same subscriber's number: equal in E.164 or, where one of them has no such form,
// equal as received. The absent number is the same as none.
func (n Number) Same(other Number) bool {
	switch {
	case n.IsZero() || other.IsZero():
		return false
	case n.E164 != "" && other.E164 != "":
		return n.E164 == other.E164
	default:
		return n.Raw == other.Raw
	}
}

// Spellings returns the forms in which a CRM may hold the number, the likeliest first and without repeats:
// +84912345678, 0912345678, 84912345678, as received, and for a Vietnamese mobile number the national form that it had
// before 2018, if it had one.
func (n Number) Spellings() []string {
	if n.IsZero() {
		return nil
	}
	if n.E164 == "" {
		return []string{n.Raw}
	}
	var forms []string
	for _, form := range []string{n.E164, n.National, strings.TrimPrefix(n.E164, "+"), n.Raw, formerForm(n.E164)} {
		if form != "" && !slices.Contains(forms, form) {
			forms = append(forms, form)
		}
	}
	return forms
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

// searchDigits is how many digits of a number SearchDigits keeps: those that all spellings of a Vietnamese number share.
const searchDigits = 9

// SearchDigits returns the last nine digits of a number as received: the same for 0912345678, +84 912 345 678 and
// 84912345678, and cheap. It is for finding calls by number, where a chance hit is no harm; Same decides who is who.
func SearchDigits(raw string) string {
	d := digits(raw)
	return d[max(0, len(d)-searchDigits):]
}
