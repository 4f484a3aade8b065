package alohub

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/crmsyncd/crmsyncd/crm/call"
)

// Bounds of what a field may hold. A longer text is cut, a longer link is no link any more and is left out.
const (
	maxCallIDBytes    = 255
	maxTextBytes      = 1024
	maxRecordingBytes = 4096
)

// firstYear is the first year that is taken for a date. Earlier ones are how programs write "no date".
const firstYear = 2000

// longestCall is the longest duration in seconds that is believed: one year.
const longestCall = 366 * 24 * 60 * 60

// scalar returns the text of a value as written in the JSON: what a string says, the digits of a number, and "" for
// null, booleans, nested values and a value that is not there. A boolean names nothing in any field, and false in
// particular is how some languages write "none".
func scalar(value string) string {
	if value == "" {
		return ""
	}
	switch value[0] {
	case '"':
		return unquote(value)
	case 'n', 't', 'f', '{', '[':
		return ""
	default:
		return value
	}
}

// clean returns s without control characters and surrounding space.
func clean(s string) string {
	if hasControl(s) {
		s = strings.Map(func(r rune) rune {
			if unicode.IsControl(r) {
				return -1
			}
			return r
		}, s)
	}
	return strings.TrimSpace(s)
}

// hasControl reports whether UTF-8 text has a control character: below U+0020, U+007F, or U+0080 to U+009F.
func hasControl(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ' || c == 0x7f:
			return true
		case c == 0xc2 && s[i+1] < 0xa0:
			return true
		}
	}
	return false
}

// short returns the text of a value, cleaned and cut to maxTextBytes between two characters.
func short(value string) string {
	s := clean(scalar(value))
	if len(s) <= maxTextBytes {
		return s
	}
	end := maxTextBytes
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return strings.TrimSpace(s[:end])
}

// callID returns the identity of the call. It is never cut or cleaned: two calls must not become one.
func callID(value string) (string, error) {
	id := strings.TrimSpace(scalar(value))
	switch {
	case id == "":
		return "", &DecodeError{CodeNoCallID, "call_id is missing or empty: it must be a string or a number"}
	case len(id) > maxCallIDBytes:
		return "", &DecodeError{CodeBadCallID, fmt.Sprintf("call_id has %d bytes, %d are allowed", len(id), maxCallIDBytes)}
	case hasControl(id) || strings.ContainsRune(id, utf8.RuneError):
		return "", &DecodeError{CodeBadCallID, "call_id contains control or replacement characters"}
	}
	return id, nil
}

// direction reads the words of the webhook, without case, and the numbers of Alohub's reports.
func direction(s string) call.Direction {
	switch strings.ToLower(s) {
	case "inbound", "0":
		return call.Inbound
	case "outbound", "1":
		return call.Outbound
	default:
		return call.DirectionUnknown
	}
}

// time reads a date in the decoder's location, with a blank or a T in the middle, or one with its own offset, which
// is then moved there: events are compared, so all their times must carry one location. The zero time is "not said".
func (d *Decoder) time(s string) time.Time {
	const date, clock = "2006-01-02", "15:04:05"
	if len(s) < len(date)+1+len(clock) {
		return time.Time{}
	}
	layout, zone := date+" "+clock, s[len(date)+1+len(clock):]
	if s[len(date)] == 'T' {
		layout = date + "T" + clock
	}
	if strings.ContainsAny(zone, "Z+-") {
		layout += "Z07:00"
	}
	t, err := time.ParseInLocation(layout, s, d.location)
	if err != nil || t.Year() < firstYear {
		return time.Time{}
	}
	return t.In(d.location)
}

// seconds reads "300", "300.7" (a part of a second is dropped) and "00:05:00".
func seconds(s string) call.Seconds {
	if h, rest, clock := strings.Cut(s, ":"); clock {
		m, sec, _ := strings.Cut(rest, ":")
		hours, okH := whole(h)
		minutes, okM := whole(m)
		n, okS := whole(sec)
		if !okH || !okM || !okS || minutes > 59 || n > 59 {
			return call.Seconds{}
		}
		return believed(hours*3600 + minutes*60 + n)
	}
	s, fraction, _ := strings.Cut(s, ".")
	n, ok := whole(s)
	if _, digits := whole("0" + fraction); !ok || !digits {
		return call.Seconds{}
	}
	return believed(n)
}

// whole reads a number of decimal digits alone, without a sign, up to longestCall.
func whole(s string) (int64, bool) {
	if strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil && n <= longestCall
}

// believed returns n seconds unless no call lasts that long.
func believed(n int64) call.Seconds {
	if n > longestCall {
		return call.Seconds{}
	}
	return call.KnownSeconds(n)
}

// recording returns the address of a recording: an http or https URL as received, a bare file name as the address
// that the call centre's own client makes of it, and "" for any other scheme or what is not an address.
func (d *Decoder) recording(s string) string {
	s = clean(s)
	if s == "" || len(s) > maxRecordingBytes {
		return ""
	}
	switch scheme := schemeOf(s); {
	case strings.EqualFold(scheme, "http") || strings.EqualFold(scheme, "https"):
		if u, err := url.Parse(s); err != nil || u.Hostname() == "" {
			return ""
		}
		return s
	case scheme != "" || d.recordingBase == "":
		return ""
	}
	return d.recordingBase + "/IPCCMedia/MP3Export.do?url=" + url.QueryEscape(s) + "&source=ipcc"
}

// schemeOf returns what stands before a colon where a browser would take it for a scheme, "" if there is none.
func schemeOf(s string) string {
	scheme, _, found := strings.Cut(s, ":")
	if !found || strings.ContainsAny(scheme, "/?#") {
		return ""
	}
	return scheme
}
