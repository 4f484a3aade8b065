package text_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/crm/text"
)

// Whatever template New takes, it renders within its bounds on whatever a call says.
func FuzzTitle(f *testing.F) {
	f.Add("{{.Direction}} {{.Customer}}{{with .Talk}} ({{.}}){{end}}", "an.nguyen", "0912345678", recording, 20)
	f.Add("{{printf .Agent}}", "%999999999d", "", "", 0)
	f.Add("{{$x := .Agent}}{{$x = js $x}}{{$x = html $x}}{{slice $x 0 1}}", `\\\`, "e\u0301", "&", 1)
	f.Add("{{date .Agent .StartTime}}", "2006", "x", "http://a/", 5)
	f.Add("{{range 1000000000}}{{end}}", "", "", "", 1)
	f.Fuzz(func(t *testing.T, template, agent, number, address string, limit int) {
		texts, err := text.New(text.Config{
			Language: "en", Title: template, Body: template + "\n{{.RecordingURL}}",
			Fields: map[string]string{"field": template},
		}, indochina)
		if err != nil {
			require.Regexp(t, `^(title|body|fields\.field): `, err.Error())
			return
		}
		c := sample(call.Outbound, "answered", false)
		c.Agent, c.Customer.Raw, c.RecordingURL = agent, number, address
		limit = max(limit%500, 0)
		title, body, marked := texts.Title(c, limit), texts.Body(c, limit), texts.HTML(c, limit)
		require.NotContains(t, title, "\n")
		if utf8.ValidString(template) {
			require.True(t, utf8.ValidString(title+body+marked))
		}
		for _, shown := range []string{title, body, marked} {
			require.LessOrEqual(t, len(shown), 4<<20)
			if limit > 0 {
				require.LessOrEqual(t, size(shown), limit)
			}
		}
		markup := strings.NewReplacer("<br>", "", `<a href="`, "", `">`, "", "</a>", "").Replace(marked)
		require.NotContains(t, markup, "<")
		require.Len(t, texts.Fields(c), 1)
	})
}
