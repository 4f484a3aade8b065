package text_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/crm/text"
)

var update = flag.Bool("update", false, "write the golden files anew")

// indochina is the call centre's zone.
var indochina = time.FixedZone("ICT", 7*60*60)

// recording is the address of a recording, with all that HTML must escape.
const recording = `https://media.example:1777/IPCCMedia/MP3Export.do?url=20260301.mp3&source=ipcc`

// sample returns a call in a state: answered, missed or running.
func sample(direction call.Direction, state string, recorded bool) call.Call {
	start := time.Date(2026, 3, 1, 17, 30, 5, 0, time.UTC) // already the next day in the call centre's zone
	c := call.Call{
		ID: "20260302003005-NSOJCGOO-49278", TransactionID: "TRANSID_1111", Direction: direction, State: call.Ended,
		Result: call.ResultAnswered, Status: "answered", Customer: call.ParseNumber("0912345678", "VN"),
		Hotline: "19001000", Extension: "101", Agent: "an.nguyen", Start: start,
	}
	switch state {
	case "answered":
		c.Answer, c.End, c.HangupBy = start.Add(5*time.Second), start.Add(95*time.Second), "customer"
		c.Total, c.Hold, c.Talk = call.KnownSeconds(95), call.KnownSeconds(12), call.KnownSeconds(90)
	case "missed":
		c.Result, c.Status, c.End = call.ResultMissed, "missed", start.Add(20*time.Second)
		c.Total, c.Hold, c.HangupBy = call.KnownSeconds(20), call.KnownSeconds(0), "system"
	case "running":
		c.State, c.Answer = call.Answered, start.Add(5*time.Second)
	}
	if recorded {
		c.RecordingURL = recording
	}
	return c
}

func newText(t *testing.T, cfg text.Config) *text.Text {
	t.Helper()
	texts, err := text.New(cfg, indochina)
	require.NoError(t, err)
	return texts
}

func TestGolden(t *testing.T) {
	for _, language := range []string{"vi", "en"} {
		texts := newText(t, text.Config{Language: language})
		for _, direction := range []call.Direction{call.Inbound, call.Outbound} {
			for _, state := range []string{"answered", "missed", "running"} {
				var got strings.Builder
				for _, recorded := range []bool{false, true} {
					c := sample(direction, state, recorded)
					fmt.Fprintf(&got, "--- recorded: %t\n%s\n\n%s\n\n%s\n\n", recorded, texts.Title(c, 0), texts.Body(c, 0),
						texts.HTML(c, 0))
				}
				name := strings.Join([]string{language, string(direction), state}, "_")
				t.Run(name, func(t *testing.T) { golden(t, name, got.String()) })
			}
		}
	}
}

// golden compares a text with the one in its file.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", "golden", name+".txt")
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}
