package call_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm/call"
)

// eventsOf reads events from any bytes, four bytes each: enough to contradict each other in every way.
func eventsOf(data []byte) []call.Event {
	pick := func(b byte, words ...string) string { return words[int(b)%len(words)] }
	at := func(b byte) time.Time {
		if b%3 == 0 {
			return time.Time{}
		}
		return began.Add(time.Duration(b) * time.Second)
	}
	var events []call.Event
	for chunk := range slices.Chunk(data, 4) {
		if len(chunk) < 4 {
			break
		}
		a, b, c, d := chunk[0], chunk[1], chunk[2], chunk[3]
		events = append(events, call.Event{
			CallID: "c", Type: pick(a, "", "call", "call", "sms"),
			Status:         pick(a>>2, "", "ringing", "answered", "missed"),
			CustomerNumber: pick(a>>4, "", "0912345678", "888", "01201234567"), Agent: pick(a>>6, "", "a", "b", "c"),
			Answer: at(b), End: at(c), HangupBy: pick(d, "", "agent"), RecordingURL: pick(d>>1, "", "a.mp3", "b.mp3"),
			Total: call.Seconds{N: int64(d >> 4), Known: d&8 != 0},
		})
	}
	return events
}

func FuzzMerge(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0x15, 0, 0, 0, 0x59, 5, 0, 0, 0x59, 5, 200, 0xff})
	f.Fuzz(func(t *testing.T, data []byte) {
		events := eventsOf(data[:min(len(data), 256)])
		merged := call.Merge("VN", events...)
		require.Equal(t, merged, call.Merge("VN", slices.Concat(events, events)...), "repeats change nothing")
		for heard := range events {
			requireForward(t, call.Merge("VN", events[:heard]...), merged)
		}
	})
}

var e164 = regexp.MustCompile(`^\+[1-9][0-9]{3,16}$`)

func FuzzParseNumber(f *testing.F) {
	for _, raw := range []string{"0912345678", "+84 (0)120 1234567", "0016502530000", "anonymous", "1900 1234"} {
		f.Add(raw, "VN")
	}
	f.Add("(650) 253-0000", "US")
	f.Add("0912345678", "")
	f.Fuzz(func(t *testing.T, raw, region string) {
		n := call.ParseNumber(raw, region)
		require.Equal(t, strings.TrimSpace(raw), n.Raw)
		require.Equal(t, n.E164 == "", n.National == "", "both forms or none")
		require.Equal(t, n.Raw == "", n.IsZero())
		require.Equal(t, !n.IsZero(), n.Same(n))
		if utf8.ValidString(raw) {
			require.Equal(t, utf8.RuneCountInString(n.Raw), utf8.RuneCountInString(n.Masked()))
			require.GreaterOrEqual(t, strings.Count(n.Masked(), "*"), utf8.RuneCountInString(n.Raw)-2)
		}
		spellings := n.Spellings()
		sorted := slices.Sorted(slices.Values(spellings))
		require.Len(t, slices.Compact(sorted), len(spellings), "no spelling twice")
		if n.E164 == "" {
			return
		}
		require.Regexp(t, e164, n.E164)
		require.Equal(t, n.E164, call.ParseNumber(n.E164, region).E164, "its own form is read as the same number")
		if region == "VN" && strings.HasPrefix(n.E164, "+84") {
			for _, spelling := range spellings {
				require.True(t, n.Same(call.ParseNumber(spelling, region)), "spelling %q", spelling)
			}
		}
	})
}
