package call

import "strings"

// In 2018 Vietnam gave its mobile numbers of eleven digits up: their prefix was exchanged for a shorter one, the last
// seven digits stayed. A CRM record that nobody touched since may still hold the old form, and nobody else ever gets
// such a number, so the two forms are one subscriber. Prefixes are written without the leading 0.
var vietnameseRenumbering = [...]struct{ old, now string }{
	{"120", "70"},
	{"121", "79"},
	{"122", "77"},
	{"126", "76"},
	{"128", "78"},
	{"123", "83"},
	{"124", "84"},
	{"125", "85"},
	{"127", "81"},
	{"129", "82"},
	{"162", "32"},
	{"163", "33"},
	{"164", "34"},
	{"165", "35"},
	{"166", "36"},
	{"167", "37"},
	{"168", "38"},
	{"169", "39"},
	{"186", "56"},
	{"188", "58"},
	{"199", "59"},
}

// unchangedDigits is how many digits at the end of a mobile number the renumbering left alone.
const unchangedDigits = 7

// renumberedForm turns the old form of a Vietnamese mobile number, in whatever spelling, into the E.164 form of today.
// It returns "" for everything else.
func renumberedForm(raw, region string) string {
	if region != "VN" {
		return ""
	}
	d, national := digits(raw), false
	for _, prefix := range []string{"0084", "84", "0"} {
		if rest, found := strings.CutPrefix(d, prefix); found {
			// +84 (0)120… is a spelling seen in address books.
			d, national = strings.TrimPrefix(rest, "0"), true
			break
		}
	}
	if !national {
		return ""
	}
	for _, prefix := range vietnameseRenumbering {
		if rest, found := strings.CutPrefix(d, prefix.old); found && len(rest) == unchangedDigits {
			return "+84" + prefix.now + rest
		}
	}
	return ""
}

// formerForm returns the national form that a Vietnamese mobile number of today had before 2018, "" where it had none.
func formerForm(e164 string) string {
	d, found := strings.CutPrefix(e164, "+84")
	if !found {
		return ""
	}
	for _, prefix := range vietnameseRenumbering {
		if rest, found := strings.CutPrefix(d, prefix.now); found && len(rest) == unchangedDigits {
			return "0" + prefix.old + rest
		}
	}
	return ""
}
