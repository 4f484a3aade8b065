package text_test

import (
	"html"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/crm/text"
)

// size is a text's length as the strictest CRMs count.
func size(s string) int { return len(utf16.Encode([]rune(s))) }

func TestTitlesOfOddCalls(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*call.Call)
		vi, en string
	}{
		"it rings": {
			func(c *call.Call) { c.State, c.Result, c.Answer = call.Started, call.ResultNone, time.Time{} },
			"Cuộc gọi đến từ 0912345678 (đang đổ chuông)", "Inbound call from 0912345678 (ringing)",
		},
		"missed by one agent, not over": {
			func(c *call.Call) { c.State, c.Result = call.Started, call.ResultMissed },
			"Cuộc gọi nhỡ từ 0912345678", "Missed call from 0912345678",
		},
		"hidden number": {
			func(c *call.Call) { c.Customer = call.Number{} },
			"Cuộc gọi đến từ số ẩn (01:30)", "Inbound call from hidden number (01:30)",
		},
		"extension": {
			func(c *call.Call) { c.Customer = call.ParseNumber("888", "VN") },
			"Cuộc gọi đến từ 888 (01:30)", "Inbound call from 888 (01:30)",
		},
		"number from abroad": {
			func(c *call.Call) { c.Customer = call.ParseNumber("+1 650 253 0000", "VN") },
			"Cuộc gọi đến từ +16502530000 (01:30)", "Inbound call from +16502530000 (01:30)",
		},
		"direction not said": {
			func(c *call.Call) { c.Direction = call.DirectionUnknown },
			"Cuộc gọi với 0912345678 (01:30)", "Call with 0912345678 (01:30)",
		},
		"length not known": {
			func(c *call.Call) { c.Talk = call.Seconds{} },
			"Cuộc gọi đến từ 0912345678", "Inbound call from 0912345678",
		},
		"hours": {
			func(c *call.Call) { c.Talk = call.KnownSeconds(2*3600 + 3*60 + 4) },
			"Cuộc gọi đến từ 0912345678 (2:03:04)", "Inbound call from 0912345678 (2:03:04)",
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := sample(call.Inbound, "answered", true)
			test.change(&c)
			require.Equal(t, test.vi, newText(t, text.Default()).Title(c, 0))
			require.Equal(t, test.en, newText(t, text.Config{Language: "en"}).Title(c, 0))
		})
	}
}

func TestTheZeroCallHasATextToo(t *testing.T) {
	texts := newText(t, text.Config{Language: "en"})
	require.Equal(t, "Call with hidden number (ringing)", texts.Title(call.Call{}, 0))
	require.Equal(t, "Call: Ringing\nCustomer: hidden number\nCall ID:", texts.Body(call.Call{}, 0))
}

func TestNoLocationIsUTC(t *testing.T) {
	texts, err := text.New(text.Config{Language: "en"}, nil)
	require.NoError(t, err)
	require.Contains(t, texts.Body(sample(call.Inbound, "answered", false), 0), "Started: 1 Mar 2026 17:30:05\n")
}

func TestOwnTemplates(t *testing.T) {
	texts := newText(t, text.Config{
		Language: "en",
		Title:    "[{{.CallID}}]\n {{.Result}} {{date `15:04 02/01` .StartTime}}",
		Body:     "{{with .Talk}}talked {{.}} = {{$.TalkSeconds}} s{{end}}\n\n  by {{.HangupBy}}  \n",
		Fields: map[string]string{
			"hs_hold": "{{.Hold}}", "hs_missed": "{{if .Missed}}yes{{end}}",
			"hs_end": "{{date `15:04:05` .EndTime}}", "hs_number": "{{.CustomerE164}}", "hs_none": "",
		},
	})
	c := sample(call.Inbound, "answered", true)
	require.Equal(t, "[20260302003005-NSOJCGOO-49278] Answered 00:30 02/03", texts.Title(c, 0), "a title is one line")
	require.Equal(t, "talked 01:30 = 90 s\nby Customer", texts.Body(c, 0), "blank lines are dropped")
	require.Equal(t, map[string]string{
		"hs_hold": "00:12", "hs_missed": "", "hs_end": "00:31:40", "hs_number": "+84912345678", "hs_none": "",
	}, texts.Fields(c))
	require.Equal(t, map[string]string{
		"hs_hold": "", "hs_missed": "yes", "hs_end": "", "hs_number": "", "hs_none": "",
	}, texts.Fields(call.Call{Result: call.ResultMissed}), "an update clears what is not true any more")
}

func TestNewNamesTheKeyAndWhatIsWrong(t *testing.T) {
	for name, test := range map[string]struct {
		cfg   text.Config
		texts []string
	}{
		"language": {text.Config{Language: "fr"}, []string{`language: is "fr", it must be one of en, vi`}},
		"syntax":   {text.Config{Title: "{{.CallID"}, []string{"title: 1: ", "unclosed action"}},
		"unknown field": {
			text.Config{Body: "{{.Phone}}"}, []string{"body: ", "Phone", "the fields are CallID, TransactionID"},
		},
		"unknown function": {text.Config{Body: "{{env `HOME`}}"}, []string{`body: 1: function "env" not defined`}},
		"in a branch": {
			text.Config{Fields: map[string]string{"x__c": "{{if .Missed}}{{if .Outbound}}{{.Phone}}{{end}}{{end}}"}},
			[]string{"fields.x__c: ", "Phone"},
		},
		"only on full calls": {text.Config{Title: "{{slice .Hotline 0 9}}"}, []string{"title: ", "slice"}},
		"range": {
			text.Config{Title: "{{if .Missed}}x{{else}}{{range 9}}x{{end}}{{end}}"}, []string{"title: range is not"},
		},
		"template": {
			text.Config{Body: "{{with .Agent}}{{template `body` .}}{{end}}"}, []string{"body: template is not"},
		},
		"define":        {text.Config{Body: "{{define `x`}}y{{end}}"}, []string{"body: define and block are not"}},
		"long template": {text.Config{Body: strings.Repeat("x", 20<<10)}, []string{"body: has 20480 bytes"}},
		"long output": {
			text.Config{Title: "{{$x := .CallID}}" + strings.Repeat("{{$x = printf `%s%s` $x $x}}", 30)},
			[]string{"title: ", "more than 262144 bytes"},
		},
		"long padding": {text.Config{Title: "{{printf `%999999d` 1}}"}, []string{"title: ", "more than 262144 bytes"}},
		"all at once": {
			text.Config{Title: "{{.A}}", Body: "{{.B}}", Fields: map[string]string{"c": "{{.C}}", "d": "{{.CallID}}"}},
			[]string{"title: ", "body: ", "fields.c: "},
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := text.New(test.cfg, indochina)
			for _, want := range test.texts {
				require.ErrorContains(t, err, want)
			}
			require.NotContains(t, err.Error(), "fields.d")
		})
	}
}

// A template that fails on a call that no sample is like gives way to the built-in one.
func TestTemplateThatFailsOnACall(t *testing.T) {
	failing := "{{if eq .Agent `ghost`}}{{slice .Agent 9}}{{else}}fine{{end}}"
	texts := newText(t, text.Config{
		Language: "en", Title: failing, Body: failing, Fields: map[string]string{"f": failing, "g": "{{.CallID}}"},
	})
	c := sample(call.Inbound, "missed", false)
	require.Equal(t, "fine", texts.Title(c, 0))
	c.Agent = "ghost"
	require.Equal(t, "Missed call from 0912345678", texts.Title(c, 0))
	require.Contains(t, texts.Body(c, 0), "Agent: ghost")
	require.Equal(t, map[string]string{"f": "", "g": c.ID}, texts.Fields(c))
}

func TestCut(t *testing.T) {
	const name = "Nguyễn Thị Hồng Ánh" // composed letters
	decomposed := "e\u0302\u0301"      // ế in three runes
	family := "👩‍👩‍👧"
	for test, want := range map[struct {
		title string
		limit int
	}]string{
		{name, 0}: name, {name, 19}: name, {name, 20}: name, {name, 18}: "Nguyễn Thị Hồng Á…",
		{name, 11}: "Nguyễn Thị…", {name, 12}: "Nguyễn Thị…", {name, 1}: "…", {name, -5}: name,
		{decomposed + "n", 4}: decomposed + "n", {decomposed + "nn", 4}: decomposed + "…", {decomposed + "n", 3}: "…",
		{family + "a", 8}: "…", {family + "a", 9}: family + "a", {"a" + family, 8}: "a…", {"😀😀", 3}: "😀…",
	} {
		texts := newText(t, text.Config{Title: "{{.Agent}}"})
		require.Equal(t, want, texts.Title(call.Call{Agent: test.title}, test.limit), "%q to %d", test.title, test.limit)
	}
}

func TestCutOfABodyKeepsTheLinkWhole(t *testing.T) {
	texts := newText(t, text.Config{Language: "en"})
	c := sample(call.Inbound, "answered", true)
	bodies := map[string]string{"plain": texts.Body(c, 0), "html": texts.HTML(c, 0)}
	link := `<a href="` + html.EscapeString(recording) + `">` + html.EscapeString(recording) + `</a>`
	for limit := 1; limit < size(bodies["html"]); limit++ {
		plain, marked := texts.Body(c, limit), texts.HTML(c, limit)
		require.LessOrEqual(t, size(plain), limit)
		require.LessOrEqual(t, size(marked), limit)
		require.Equal(t, strings.Contains(plain, "https"), strings.Contains(plain, recording), plain)
		require.NotContains(t, strings.ReplaceAll(marked, link, ""), "https")
		require.NotContains(t, strings.ReplaceAll(strings.ReplaceAll(marked, link, ""), "<br>", ""), "<")
		require.True(t, strings.HasSuffix(marked, "…"))
		require.True(t, strings.HasPrefix(bodies["plain"], strings.TrimSuffix(plain, "…")))
	}
	require.Equal(t, bodies["html"], texts.HTML(c, size(bodies["html"])))
}

func TestHostileValues(t *testing.T) {
	c := sample(call.Inbound, "answered", false)
	c.Agent = "x\nRecording: http://evil.example\r\n<script>alert(1)</script>\u202Egnp\u2066 \u2028y\x00\xff"
	c.Customer = call.Number{Raw: `"><img src=x onerror=alert(1)>`}
	c.Hotline, c.HangupBy, c.Extension = "<b>&amp;", "'\"", "{{.CallID}}"
	for address, linked := range map[string]bool{
		`javascript:alert(1)`: false, `data:text/html,<script>`: false, `//evil.example/x`: false, `20260301.mp3`: false,
		`https://media.example/a"onmouseover="alert(1)`: true, "http://media.example/\n<script>": false, recording: true,
		`https://`: false, "HTTPS://media.example/a": true, "&": false, "<": false,
	} {
		c.RecordingURL = address
		texts := newText(t, text.Config{Language: "en"})
		require.Len(t, strings.Split(texts.Body(c, 0), "\n"), 11, "no value makes a line of its own")
		require.NotContains(t, texts.Title(c, 0), "\n")
		marked := texts.HTML(c, 0)
		require.Equal(t, linked, strings.Contains(marked, "<a href="), address)
		stripped := regexp.MustCompile(`<a href="https?://[^"<>\s]*">([^<>]*)</a>|<br>`).ReplaceAllString(
			strings.ReplaceAll(marked, "HTTPS:", "https:"), "$1")
		require.NotRegexp(t, `[<>"']`, stripped, "nothing but our own markup")
		require.NotRegexp(t, "[\u202A-\u202E\u2066-\u2069\x00]", marked)
		require.Contains(t, marked, "{{.CallID}}", "values are no templates")
	}
}

func TestUnknownWordsAreShownAsTheyAre(t *testing.T) {
	c := sample(call.Inbound, "answered", false)
	c.HangupBy = "carrier"
	require.Contains(t, newText(t, text.Default()).Body(c, 0), "Kết thúc bởi: carrier")
	c.HangupBy = "AGENT"
	require.Contains(t, newText(t, text.Default()).Body(c, 0), "Kết thúc bởi: Nhân viên")
}
