package salesforce_test

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
	"github.com/crmsyncd/crmsyncd/crm/salesforce"
	"github.com/crmsyncd/crmsyncd/crm/salesforce/salesforcetest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// exchange is a request as the org gets it.
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
			all = append(all, exchange{Method: r.Method, Path: r.URL.Path, Query: r.URL.Query().Get("q"), Body: body})
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
	recording := "https://media.example.com:1777/IPCCMedia/MP3Export.do?url=a.mp3&source=ipcc"
	missed := ended("call-2")
	missed.Direction, missed.Result, missed.Status = call.Outbound, call.ResultMissed, "missed"
	missed.Answer, missed.Talk, missed.Agent, missed.Extension = time.Time{}, call.Seconds{}, "", ""
	missed.Start = time.Date(2026, 2, 28, 17, 30, 0, 0, time.UTC) // the first of March in Vietnam
	missed.End, missed.Total = missed.Start.Add(20*time.Second), call.KnownSeconds(20)
	running := ended("call-3")
	running.State, running.End, running.HangupBy, running.Total, running.Talk = call.Answered, time.Time{}, "",
		call.Seconds{}, call.Seconds{}
	late := ended("call-1")
	late.RecordingURL = recording
	ownFields := func(cfg *salesforce.Config) {
		cfg.Tasks.RecordingField, cfg.Tasks.StartField = salesforcetest.Recording, salesforcetest.CallStart
		cfg.Text.Fields = map[string]string{"CallDisposition": "{{.Result}}"}
	}
	keeping := func(cfg *salesforce.Config) { cfg.Tasks.KeepDescription = true }
	for name, test := range map[string]struct {
		call   call.Call
		object string
		update bool
		change func(*salesforce.Config)
	}{
		"answered_inbound":  {call: ended("call-1"), object: "Contact"},
		"missed_outbound":   {call: missed, object: "Opportunity"},
		"running":           {call: running, object: "Lead"},
		"update":            {call: ended("call-1"), object: "Contact", update: true},
		"late_recording":    {call: late, object: "Contact", update: true},
		"recording_field":   {call: late, object: "Contact", update: true, change: ownFields},
		"kept_description":  {call: late, update: true, change: keeping},
		"insert_unlinked":   {call: ended("call-1"), change: inserting},
		"vietnamese_answer": {call: ended("call-1"), change: func(c *salesforce.Config) { c.Text.Language = "vi" }},
	} {
		t.Run(name, func(t *testing.T) {
			change := func(cfg *salesforce.Config) {
				if test.change != nil {
					test.change(cfg)
				}
			}
			b := newBench(t, salesforcetest.Options{}, change)
			w := crm.Write{Call: test.call, Owner: b.org.AddUser("an.nguyen@acme.com")}
			if test.object != "" {
				w.Record = &crm.Record{Object: test.object, ID: b.org.AddRecord(test.object, "T-1001", "+84912345678")}
			}
			if test.update {
				w.LogID = b.Write(t.Context(), []crm.Write{{Call: ended("call-1")}})[0].LogID
			}
			golden(t, name, b.recorded(t, func() {
				written := b.Write(t.Context(), []crm.Write{w})
				require.NoError(t, written[0].Err)
			}))
		})
	}
}

func TestGoldenLookUps(t *testing.T) {
	b := newBench(t, salesforcetest.Options{})
	golden(t, "look_ups", b.recorded(t, func() {
		for _, lookups := range [][]crm.Lookup{
			{
				{Object: "Contact", TransactionID: "T-1"},
				{Object: "Contact", TransactionID: `O'Brien \ "x"` + "\n"},
				{Object: "Contact", TransactionID: "T-1"},
			},
			{{Object: "Lead", Phone: call.ParseNumber("0912 345 678", "VN")}},
		} {
			for _, found := range b.Find(t.Context(), lookups) {
				require.NoError(t, found.Err)
			}
		}
		require.NoError(t, b.FindLogs(t.Context(), []call.Call{{ID: "c-1"}, {ID: "c-2"}})[1].Err)
		require.NoError(t, b.FindUsers(t.Context(), []string{"an@acme.com", "101"})[1].Err)
	}))
}

func TestGoldenContacts(t *testing.T) {
	for object, record := range map[string]func(*salesforce.Config){
		"Lead":    func(*salesforce.Config) {},
		"Contact": func(cfg *salesforce.Config) { cfg.NewContact.Object = "Contact" },
	} {
		b := newBench(t, salesforcetest.Options{}, record)
		golden(t, "create_"+object, b.recorded(t, func() {
			found := b.CreateContacts(t.Context(), []call.Call{ended("c1"), ended("c2")})
			require.Len(t, found, 2)
			for _, f := range found {
				require.NoError(t, f.Err)
				require.Equal(t, object, f.Records[0].Object)
				require.Equal(t, "+84912345678", b.org.Value(f.Records[0].ID, "Phone"))
			}
		}))
	}
}
