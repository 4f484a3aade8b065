package alohub_test

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/receiver/alohub"
)

var update = flag.Bool("update", false, "write the golden files anew")

const recordingBase = "https://media.example.vn:1777"

func newDecoder(tb testing.TB, o alohub.Options) *alohub.Decoder {
	tb.Helper()
	d, err := alohub.New(o)
	require.NoError(tb, err)
	return d
}

// TestDecodeGolden compares each testdata/*.json with the event, or the refusal, in the golden file beside it.
func TestDecodeGolden(t *testing.T) {
	decoder := newDecoder(t, alohub.Options{RecordingBase: recordingBase + "/"})
	files, err := filepath.Glob("testdata/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		t.Run(name, func(t *testing.T) {
			body, err := os.ReadFile(file)
			require.NoError(t, err)
			var result any
			event, err := decoder.Decode(body)
			result = event
			require.Equal(t, strings.HasPrefix(name, "refused_"), err != nil, "refused: %v", err)
			if err != nil {
				require.Equal(t, call.Event{}, event)
				var refusal *alohub.DecodeError
				require.ErrorAs(t, err, &refusal)
				result = refusal
			}
			got, err := json.MarshalIndent(result, "", "  ")
			require.NoError(t, err)
			golden := strings.TrimSuffix(file, ".json") + ".golden"
			if *update {
				require.NoError(t, os.WriteFile(golden, append(got, '\n'), 0o600))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			require.Equal(t, string(want), string(got)+"\n")
		})
	}
}

// TestDecodeMerge holds that the two documented samples, in either order, become one ended call.
func TestDecodeMerge(t *testing.T) {
	decoder := newDecoder(t, alohub.Options{})
	var events []call.Event
	for _, name := range []string{"answered", "ended"} {
		body, err := os.ReadFile(filepath.Join("testdata", name+".json"))
		require.NoError(t, err)
		event, err := decoder.Decode(body)
		require.NoError(t, err)
		events = append(events, event)
	}
	merged := call.Merge("VN", events[0], events[1])
	require.Equal(t, merged, call.Merge("VN", events[1], events[0], events[1]))
	require.Equal(t, call.Ended, merged.State)
	require.Equal(t, call.ResultAnswered, merged.Result)
	require.Equal(t, call.KnownSeconds(295), merged.Talk)
	require.Equal(t, "+84389912345", merged.Customer.E164)
}

func TestDecodeTimes(t *testing.T) {
	vietnam := time.FixedZone("+07", 7*60*60)
	at := time.Date(2024, 1, 13, 15, 0, 30, 0, vietnam)
	cases := map[string]time.Time{
		"2024-01-13 15:00:30":           at,
		" 2024-01-13 15:00:30 ":         at,
		"2024-01-13T15:00:30":           at,
		"2024-01-13T15:00:30+07:00":     at,
		"2024-01-13 15:00:30+07:00":     at,
		"2024-01-13T08:00:30Z":          at,
		"2024-01-13T03:00:30.000-05:00": at,
		"2024-01-13 15:00:30.5":         at.Add(500 * time.Millisecond),
		"2000-01-01 00:00:00":           time.Date(2000, 1, 1, 0, 0, 0, 0, vietnam),
		"1999-12-31 23:59:59":           {},
		"0000-00-00 00:00:00":           {},
		"0001-01-01T00:00:00Z":          {},
		"2024-13-01 00:00:00":           {},
		"2024-01-13":                    {},
		"15:00:30":                      {},
		"2024-01-13 15:00:30 ICT":       {},
		"2024-01-13_15:00:30":           {},
		"1705132830":                    {},
		"never":                         {},
	}
	decoder := newDecoder(t, alohub.Options{Location: vietnam})
	for text, want := range cases {
		t.Run(text, func(t *testing.T) {
			event := decodeField(t, decoder, "endtime", text)
			require.Equal(t, want, event.End)
			require.Equal(t, !want.IsZero(), event.Ended())
		})
	}
}

// TestDecodeLocation holds that times without a zone are read in the configured location.
func TestDecodeLocation(t *testing.T) {
	event := decodeField(t, newDecoder(t, alohub.Options{Location: time.UTC}), "starttime", "2024-01-13 15:00:30")
	require.Equal(t, time.Date(2024, 1, 13, 15, 0, 30, 0, time.UTC), event.Start)
}

func TestDecodeDurations(t *testing.T) {
	absent := call.Seconds{}
	cases := map[string]call.Seconds{
		`"300"`: call.KnownSeconds(300), `300`: call.KnownSeconds(300), `"300.0"`: call.KnownSeconds(300),
		`300.9`: call.KnownSeconds(300), `"300."`: call.KnownSeconds(300), `"00:05:00"`: call.KnownSeconds(300),
		`"100:00:01"`: call.KnownSeconds(360001), `0`: call.KnownSeconds(0), `"0"`: call.KnownSeconds(0),
		`" 7 "`: call.KnownSeconds(7), `"007"`: call.KnownSeconds(7), `31622400`: call.KnownSeconds(31622400),
		`31622401`: absent, `"-5"`: absent, `-5`: absent, `"+5"`: absent, `3e2`: absent, `"3e2"`: absent, `"0x10"`: absent,
		`"NaN"`: absent, `""`: absent, `"."`: absent, `".5"`: absent, `"1.5.2"`: absent, `"05:00"`: absent, `":"`: absent,
		`"00:60:00"`: absent, `"00:00:60"`: absent, `"1:2:3:4"`: absent, `"-1:00:00"`: absent, `"8785:00:00"`: absent,
		`99999999999999999999`: absent, `"9223372036854775807:00:00"`: absent, `"5124095576030431:00:16"`: absent,
		`null`: absent, `true`: absent, `[300]`: absent, `"300s"`: absent, `"٣٠٠"`: absent,
	}
	decoder := newDecoder(t, alohub.Options{})
	for value, want := range cases {
		t.Run(value, func(t *testing.T) {
			body := `{"call_id":"1","total_duration":` + value + `,"holding_duration":` + value + `}`
			event, err := decoder.Decode([]byte(body))
			require.NoError(t, err)
			require.Equal(t, want, event.Total)
			require.Equal(t, want, event.Hold)
		})
	}
}

func TestDecodeRecording(t *testing.T) {
	const full = "https://media.example.vn:1777/IPCCMedia/MP3Export.do?url=a%2Fb.mp3&source=ipcc"
	long := "https://media.example.vn/" + strings.Repeat("a", 4096)
	cases := map[string]struct{ bare, based string }{
		full:                        {full, full},
		" " + full + "\x00\n":       {full, full},
		"HTTP://media.example.vn/a": {"HTTP://media.example.vn/a", "HTTP://media.example.vn/a"},
		"a.mp3":                     {"", recordingBase + "/IPCCMedia/MP3Export.do?url=a.mp3&source=ipcc"},
		"/2024/a b&c=d?e#f.mp3": {
			"", recordingBase + "/IPCCMedia/MP3Export.do?url=%2F2024%2Fa+b%26c%3Dd%3Fe%23f.mp3&source=ipcc",
		},
		"//evil.example/a.mp3": {
			"", recordingBase + "/IPCCMedia/MP3Export.do?url=%2F%2Fevil.example%2Fa.mp3&source=ipcc",
		},
		"2024/15:00:30.mp3": {
			"", recordingBase + "/IPCCMedia/MP3Export.do?url=2024%2F15%3A00%3A30.mp3&source=ipcc",
		},
		"javascript:alert(1)":         {},
		"java\nscript:alert(1)":       {},
		" \x01javascript:alert(1)":    {},
		"JaVaScRiPt:alert(1)":         {},
		"data:text/html,<script>":     {},
		"file:///etc/passwd":          {},
		"ftp://media.example.vn/a":    {},
		"http:":                       {},
		"http:///a.mp3":               {},
		"https:a.mp3":                 {},
		"https://":                    {},
		"https://:1777/a.mp3":         {},
		"https://media.example.vn:x/": {},
		long:                          {},
		"":                            {},
	}
	bare := newDecoder(t, alohub.Options{})
	based := newDecoder(t, alohub.Options{RecordingBase: recordingBase})
	for text, want := range cases {
		t.Run(text, func(t *testing.T) {
			require.Equal(t, want.bare, decodeField(t, bare, "recording_url", text).RecordingURL)
			require.Equal(t, want.based, decodeField(t, based, "recording_url", text).RecordingURL)
		})
	}
}

func TestDecodeBounds(t *testing.T) {
	decoder := newDecoder(t, alohub.Options{})
	for _, text := range []string{strings.Repeat("a", 2000), strings.Repeat("ễ", 700), strings.Repeat("😀", 300) + "x"} {
		got := decodeField(t, decoder, "userName", text).Agent
		require.LessOrEqual(t, len(got), 1024)
		require.Greater(t, len(got), 1020)
		require.True(t, strings.HasPrefix(text, got), "cut within a character")
	}
	id := strings.Repeat("9", 255)
	event, err := decoder.Decode([]byte(`{"call_id":" ` + id + `\t"}`))
	require.NoError(t, err)
	require.Equal(t, id, event.CallID)
}

// TestDecodeNesting holds the bound that encoding/json sets, also where the depth would make a naive walk quadratic.
func TestDecodeNesting(t *testing.T) {
	decoder := newDecoder(t, alohub.Options{})
	nested := func(depth int, open, end string) []byte {
		return []byte(`{"x":` + strings.Repeat(open, depth) + "1" + strings.Repeat(end, depth) + `,"call_id":"1"}`)
	}
	for _, shape := range [][2]string{{"[", "]"}, {`{"a":`, "}"}, {`{"b":1,"a":`, "}"}} {
		body := nested(9999, shape[0], shape[1])
		event, err := decoder.Decode(body)
		require.NoError(t, err)
		require.Equal(t, "1", event.CallID)
		require.Len(t, decoder.Identity(body), 32)

		_, err = decoder.Decode(nested(10000, shape[0], shape[1]))
		var refusal *alohub.DecodeError
		require.ErrorAs(t, err, &refusal)
		require.Equal(t, alohub.CodeNotJSON, refusal.Code())
	}
}

// TestDecodeErrorSaysNothingOfTheBody holds that a refusal can be logged and answered as it is.
func TestDecodeErrorSaysNothingOfTheBody(t *testing.T) {
	decoder := newDecoder(t, alohub.Options{})
	for _, body := range []string{
		`{"caller_number":"0389912345",}`, `0389912345x`, `["0389912345"]`, `{"call_id":"\u0000 0389912345"}`,
		`{"call_id":"` + strings.Repeat("0389912345", 30) + `"}`, "{\"caller_number\":\"0389912345\xff\"}",
		`{"caller_number":"0389912345`, `{"caller_number":"0389912345"}`,
	} {
		_, err := decoder.Decode([]byte(body))
		require.Error(t, err)
		require.NotContains(t, err.Error(), "0389912345")
	}
}

// TestDecodeCopies holds that an event outlives the buffer it was read from.
func TestDecodeCopies(t *testing.T) {
	body := []byte(`{"call_id":"20240113150030123456","userName":"adminxxx"}`)
	event, err := newDecoder(t, alohub.Options{}).Decode(body)
	require.NoError(t, err)
	clear(body)
	require.Equal(t, call.Event{CallID: "20240113150030123456", Agent: "adminxxx"}, event)
}

func TestNewRefusesRecordingBase(t *testing.T) {
	for _, base := range []string{
		"media.example.vn", "ftp://media.example.vn", "https://", "https://user:pa55@media.example.vn",
		"https://media.example.vn?a=b", "https://media.example.vn#f", "https://media.example.vn:x", "\x00", "/",
	} {
		_, err := alohub.New(alohub.Options{RecordingBase: base})
		require.ErrorContains(t, err, "recording base", base)
		require.NotContains(t, err.Error(), "pa55")
	}
}

func TestName(t *testing.T) {
	require.Equal(t, "alohub", newDecoder(t, alohub.Options{}).Name())
}

// decodeField decodes a body with one field besides call_id.
func decodeField(t *testing.T, d *alohub.Decoder, field, text string) call.Event {
	t.Helper()
	body, err := json.Marshal(map[string]string{"call_id": "1", field: text})
	require.NoError(t, err)
	event, err := d.Decode(body)
	require.NoError(t, err)
	return event
}

func BenchmarkDecode(b *testing.B) {
	decoder := newDecoder(b, alohub.Options{})
	body, err := os.ReadFile("testdata/ended.json")
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		_, err := decoder.Decode(body)
		if err != nil || len(decoder.Identity(body)) == 0 {
			b.Fatal(errors.Join(errors.New("no event"), err))
		}
	}
}
