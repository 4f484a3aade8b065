package hubspot_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/crm/hubspot"
	"github.com/crmsyncd/crmsyncd/crm/hubspot/hubspottest"

	"github.com/crmsyncd/crmsyncd/crm/api"
)

// english makes texts that a reader of the tests understands.
func english(c *hubspot.Config, _ *api.Options) { c.Text.Language = "en" }

// creating turns to an account without unique properties on calls.
func creating(c *hubspot.Config, _ *api.Options) { c.UniqueProperty = false }

// golden compares requests with testdata/golden/NAME.txt, and writes it where UPDATE_GOLDEN is set.
func golden(t *testing.T, name string, requests []request) {
	t.Helper()
	var text strings.Builder
	for _, r := range requests {
		fmt.Fprintf(&text, "%s %s\n%s\n\n", r.method, r.path, r.body)
	}
	file := filepath.Join("testdata", "golden", name+".txt")
	if os.Getenv("UPDATE_GOLDEN") != "" {
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(text.String()), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), text.String())
}

func TestGoldenRequests(t *testing.T) {
	b := newBench(t, hubspottest.Options{}, english)
	inbound := b.contact(answered("C-1"))
	written := b.write(t, inbound)
	golden(t, "answered_inbound", b.took())

	inbound = again(inbound, written)
	inbound.Call.RecordingURL = "https://media.example.com:1777/C-1.mp3?source=ipcc"
	b.write(t, inbound)
	golden(t, "late_recording", b.took())

	b.write(t, b.contact(missed("C-2")))
	golden(t, "missed_outbound", b.took())

	running := answered("C-3")
	running.State, running.End = call.Answered, time.Time{}
	running.Talk, running.Total = call.Seconds{}, call.Seconds{}
	running.HangupBy = ""
	live := b.contact(running)
	written = b.write(t, live)
	b.took()
	live = again(live, written)
	live.Call = answered("C-3")
	b.write(t, live)
	golden(t, "update", b.took())

	creator := newBench(t, hubspottest.Options{NoUniqueCalls: true}, english, creating)
	creator.write(t, creator.contact(answered("C-1")))
	golden(t, "create", creator.took())
}

func TestWhatStandsInHubSpot(t *testing.T) {
	b := newBench(t, hubspottest.Options{}, english)
	agent := b.crm.AddUser("an.nguyen@example.com")
	w := b.contact(answered("C-1"))
	w.Owner = agent
	b.write(t, w)
	log := b.crm.Logs()[0]
	require.Equal(t, "C-1", log.CallID)
	require.Equal(t, w.Record.ID, log.RecordID)
	require.Equal(t, agent, log.Owner)
	require.Equal(t, "inbound", log.Direction)
	require.Equal(t, "answered", log.Result)
	require.Equal(t, start, log.Start)
	require.EqualValues(t, 90, log.Seconds)
	require.Contains(t, log.Text, "C-1")

	b.write(t, b.contact(missed("C-2")))
	log = b.crm.Logs()[1]
	require.Equal(t, "outbound", log.Direction)
	require.Equal(t, "missed", log.Result)
	require.Zero(t, log.Seconds)
}

func TestUpdateKeepsWhatPeopleChanged(t *testing.T) {
	b := newBench(t, hubspottest.Options{})
	w := b.contact(answered("C-1"))
	written := b.write(t, w)
	boss := b.crm.AddUser("boss@example.com")
	theirs := map[string]string{
		"hs_call_body": "Khách hẹn gọi lại", "hs_call_disposition": "17b47fee-58de-441e-a44c-c6300d46f273",
		"hubspot_owner_id": boss,
	}
	b.crm.Set("call", written.LogID, theirs)
	w = again(w, written)
	w.Call.RecordingURL = "https://media.example.com/C-1.mp3"
	b.write(t, w)
	values := b.crm.Values("call", written.LogID)
	require.Equal(t, "https://media.example.com/C-1.mp3", values["hs_call_recording_url"])
	for name, value := range theirs {
		require.Equal(t, value, values[name], name)
	}
}

func TestNothingToUpdateIsNotSent(t *testing.T) {
	b := newBench(t, hubspottest.Options{})
	w := b.contact(answered("C-1"))
	written := b.write(t, w)
	require.Len(t, b.took(), 2)
	require.Equal(t, written, b.write(t, again(w, written)))
	require.Empty(t, b.took())
}

func TestFieldThatBecameEmptyIsCleared(t *testing.T) {
	b := newBench(t, hubspottest.Options{}, func(c *hubspot.Config, _ *api.Options) {
		c.Text.Fields = map[string]string{"hangup": "{{.HangupBy}}"}
	})
	b.crm.Define("calls", "hangup", false)
	w := b.contact(answered("C-1"))
	written := b.write(t, w)
	require.NotEmpty(t, b.crm.Values("call", written.LogID)["hangup"])
	w = again(w, written)
	w.Call.HangupBy = ""
	b.write(t, w)
	require.Empty(t, b.crm.Values("call", written.LogID)["hangup"])
}

func TestRecordingWithoutHTTPSStandsInTheBody(t *testing.T) {
	for _, address := range []string{"http://10.0.0.5:1777/C-1.mp3", "C-1.mp3"} {
		b := newBench(t, hubspottest.Options{})
		w := b.contact(answered("C-1"))
		w.Call.RecordingURL = address
		b.write(t, w)
		log := b.crm.Logs()[0]
		require.Empty(t, log.RecordingURL)
		require.Contains(t, log.Text, address)
	}
}

func TestPlainBody(t *testing.T) {
	b := newBench(t, hubspottest.Options{}, func(c *hubspot.Config, _ *api.Options) { c.PlainBody = true })
	written := b.write(t, b.contact(answered("C-1")))
	body := b.crm.Values("call", written.LogID)["hs_call_body"]
	require.NotContains(t, body, "<br>")
	require.Contains(t, body, "\n")
}

func TestCallWithoutAnyTime(t *testing.T) {
	b := newBench(t, hubspottest.Options{}, func(_ *hubspot.Config, o *api.Options) { o.Now = clock(start) })
	c := answered("C-1")
	c.Start, c.Answer, c.End = time.Time{}, time.Time{}, time.Time{}
	b.write(t, b.contact(c))
	require.Equal(t, start, b.crm.Logs()[0].Start)
}

func TestLinkFollowsTheRecord(t *testing.T) {
	for name, change := range map[string]func(*hubspot.Config, *api.Options){"upsert": english, "create": creating} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, hubspottest.Options{}, change, func(c *hubspot.Config, _ *api.Options) {
				c.Objects = []hubspot.Object{{Name: "contact"}, {Name: "deal"}}
			})
			w := b.contact(answered("C-1"))
			written := b.write(t, w)
			require.Equal(t, []string{"contact/" + w.Record.ID}, b.crm.Links(written.LogID))
			b.took()

			w = again(w, written)
			w.Record = &crm.Record{Object: "deal", ID: b.crm.AddRecord("deal", "TXN-C-1", "")}
			written = b.write(t, w)
			require.Equal(t, []string{"deal/" + w.Record.ID}, b.crm.Links(written.LogID))
			b.took()
			b.write(t, again(w, written))
			require.Empty(t, b.took(), "the link is made")
		})
	}
}

func TestLinkThatFailsIsMadeByTheNextWrite(t *testing.T) {
	b := newBench(t, hubspottest.Options{})
	w := b.contact(answered("C-1"))
	record := w.Record
	w.Record = &crm.Record{Object: "contact", ID: "999999"}
	written := b.adapter.Write(t.Context(), []crm.Write{w})[0]
	requireKind(t, crm.KindGone, written.Err)
	require.NotEmpty(t, written.LogID, "the log is there")
	require.NotEmpty(t, written.Progress)

	b.took()
	w = again(w, written)
	w.Record = record
	b.write(t, w)
	seen := b.took()
	require.Len(t, seen, 1, "only the step that is missing")
	require.Contains(t, seen[0].path, "/associations/")
	require.Equal(t, record.ID, b.crm.Logs()[0].RecordID)
}

func TestCreateForARecordThatIsGone(t *testing.T) {
	for _, all := range []bool{false, true} {
		b := newBench(t, hubspottest.Options{AllOrNothing: all}, creating)
		writes := []crm.Write{b.contact(answered("C-1")), b.contact(answered("C-2")), b.contact(answered("C-3"))}
		b.crm.Delete("contact", writes[1].Record.ID)
		written := b.adapter.Write(t.Context(), writes)
		require.NoError(t, written[0].Err)
		requireKind(t, crm.KindGone, written[1].Err)
		require.NoError(t, written[2].Err)
		require.Len(t, b.crm.Logs(), 2)
	}
}
