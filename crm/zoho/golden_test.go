package zoho_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/crm/zoho"
	"github.com/crmsyncd/crmsyncd/crm/zoho/zohotest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// recordingURL is the address of a recording as the call centre gives it.
const recordingURL = "https://media.example.com:1777/IPCCMedia/MP3Export.do?url=a.mp3&source=ipcc"

// exchange is a request as the account gets it.
type exchange struct {
	Method string          `json:"method"`
	Path   string          `json:"path"`
	Query  string          `json:"query,omitempty"`
	Body   json.RawMessage `json:"body,omitempty"`
}

// recorded returns the requests that come while do runs, those for tokens left out.
func (b *bench) recorded(t *testing.T, do func()) []exchange {
	t.Helper()
	var all []exchange
	b.server.Inject(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		if !forToken(r) {
			all = append(all, exchange{Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, Body: body})
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(w, r)
	})
	do()
	b.server.Inject(nil)
	return all
}

// golden compares requests with testdata/NAME.json.
func golden(t *testing.T, name string, got []exchange) {
	t.Helper()
	for i := range got {
		if len(got[i].Body) == 0 {
			got[i].Body = nil
		}
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	require.NoError(t, encoder.Encode(got))
	file := filepath.Join("testdata", name+".json")
	if *update {
		require.NoError(t, os.WriteFile(file, text.Bytes(), 0o600))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.JSONEq(t, string(want), text.String())
}

func TestGoldenWrites(t *testing.T) {
	missedInbound := missed("call-1")
	missedInbound.Direction = call.Inbound
	late := ended("call-1")
	late.RecordingURL = recordingURL
	long := ended("call-1")
	long.Talk = call.KnownSeconds(3_700)
	hours := func(cfg *zoho.Config) { cfg.Calls.Duration = "hh:mm" }
	own := func(cfg *zoho.Config) {
		cfg.Calls.Recording, cfg.Calls.NoAnswer = "", ""
		cfg.Text.Fields = map[string]string{"Caller_ID": "{{.Customer}}", "Call_Purpose": "{{with .HangupBy}}{{.}}{{end}}"}
	}
	for name, test := range map[string]struct {
		call   call.Call
		module string
		after  *call.Call
		change func(*zoho.Config)
	}{
		"answered_inbound": {call: ended("call-1"), module: "Contacts"},
		"missed_outbound":  {call: missed("call-1"), module: "Leads"},
		"missed_inbound":   {call: missedInbound, module: "Deals"},
		"late_recording":   {call: ended("call-1"), module: "Contacts", after: &late},
		"own_fields":       {call: missed("call-1"), module: "Contacts", change: own},
		"hours_minutes":    {call: long, change: hours},
		"minutes":          {call: long},
		"insert_unlinked":  {call: late, change: inserting},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, zohotest.Options{HoursMinutes: name == "hours_minutes"}, func(cfg *zoho.Config) {
				if test.change != nil {
					test.change(cfg)
				}
			})
			w := crm.Write{Call: test.call, Owner: b.account.AddUser("an.nguyen@acme.com")}
			if test.module != "" {
				w.Record = &crm.Record{Object: test.module, ID: b.account.AddRecord(test.module, "T-1001", "+84912345678")}
			}
			if test.after != nil {
				written := b.write(t, w)
				require.NoError(t, written.Err)
				w.Call, w.LogID, w.Progress = *test.after, written.LogID, written.Progress
			}
			golden(t, name, b.recorded(t, func() { require.NoError(t, b.write(t, w).Err) }))
			require.Zero(t, b.account.Workflows())
		})
	}
}

func TestGoldenLookUps(t *testing.T) {
	b := newBench(t, zohotest.Options{})
	golden(t, "look_ups", b.recorded(t, func() {
		for _, lookups := range [][]crm.Lookup{
			{
				{Object: "Contacts", TransactionID: "T-1"},
				{Object: "Contacts", TransactionID: "T-2"},
				{Object: "Contacts", TransactionID: "T-1"},
			},
			{{Object: "Contacts", TransactionID: `O'Brien \ "x"`}},
			{{Object: "Leads", Phone: call.ParseNumber("0912 345 678", "VN")}},
		} {
			for _, found := range b.Find(t.Context(), lookups) {
				require.NoError(t, found.Err)
			}
		}
		require.NoError(t, b.FindLogs(t.Context(), []call.Call{{ID: "c-1"}, {ID: "c-2"}})[1].Err)
		require.NoError(t, b.FindUsers(t.Context(), []string{"an.nguyen"})[0].Err)
	}))
}

func TestGoldenContacts(t *testing.T) {
	for _, module := range []string{"Leads", "Contacts"} {
		b := newBench(t, zohotest.Options{}, func(cfg *zoho.Config) { cfg.NewContact.Object = module })
		golden(t, "create_"+module, b.recorded(t, func() {
			found := b.CreateContacts(t.Context(), []call.Call{ended("c1"), ended("c2")})
			require.Len(t, found, 2)
			for _, f := range found {
				require.NoError(t, f.Err)
				require.Equal(t, module, f.Records[0].Object)
				require.Equal(t, "+84912345678", b.account.Value(f.Records[0].ID, "Phone"))
			}
		}))
	}
}

// TestStartThatIsNotKnown: Zoho takes no call without a start.
func TestStartThatIsNotKnown(t *testing.T) {
	now := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	b := newBench(t, zohotest.Options{Now: func() time.Time { return now }})
	c := ended("call-1")
	c.Start = time.Time{}
	require.NoError(t, b.write(t, crm.Write{Call: c}).Err)
	require.Equal(t, c.Answer, b.account.Logs()[0].Start.UTC())
	c.ID, c.Answer, c.End = "call-2", time.Time{}, time.Time{}
	require.NoError(t, b.write(t, crm.Write{Call: c}).Err)
	require.Equal(t, now, b.account.Logs()[1].Start.UTC())
}
