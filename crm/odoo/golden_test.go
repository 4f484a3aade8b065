package odoo_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/crm/odoo/odootest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// exchange is a request as Odoo gets it.
type exchange struct {
	Path     string          `json:"path"`
	Key      string          `json:"authorization,omitempty"`
	Database string          `json:"database,omitempty"`
	Body     json.RawMessage `json:"body"`
}

// peek reads a body and puts it back.
func peek(t *testing.T, r *http.Request) string {
	t.Helper()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Error(err)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return string(body)
}

// toward hands requests to another Odoo.
func toward(other http.Handler) func(http.ResponseWriter, *http.Request, http.Handler) {
	return func(w http.ResponseWriter, r *http.Request, _ http.Handler) { other.ServeHTTP(w, r) }
}

// golden compares the requests that come while do runs with testdata/NAME.json; those by which the adapter finds out
// about the server are left out.
func (b *bench) golden(t *testing.T, name string, do func()) {
	t.Helper()
	var all []exchange
	b.server.Inject(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if !aside(r) {
			all = append(all, exchange{
				r.URL.Path, r.Header.Get("Authorization"), r.Header.Get("X-Odoo-Database"), json.RawMessage(peek(t, r)),
			})
		}
		next.ServeHTTP(w, r)
	})
	do()
	b.server.Inject(nil)
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	require.NoError(t, encoder.Encode(all))
	file := filepath.Join("testdata", name+".json")
	if *update {
		require.NoError(t, os.WriteFile(file, text.Bytes(), 0o600))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.JSONEq(t, string(want), text.String())
}

func TestGoldenWrites(t *testing.T) {
	late := ended("call-1")
	late.RecordingURL = "https://media.example.com:1777/IPCCMedia/MP3Export.do?url=a.mp3&source=ipcc"
	own := odootest.Options{OwnModel: ownModel}
	for name, test := range map[string]struct {
		options odootest.Options
		call    call.Call
		object  string
		update  bool
	}{
		"answered_inbound":     {call: ended("call-1"), object: "res.partner"},
		"missed_outbound":      {call: missed("call-2"), object: "crm.lead"},
		"running":              {call: running()},
		"late_recording":       {call: late, object: "res.partner", update: true},
		"late_recording_bare":  {options: odootest.Options{Bare: true}, call: late, object: "res.partner", update: true},
		"own_answered_inbound": {options: own, call: ended("call-1"), object: "res.partner"},
		"own_missed_outbound":  {options: own, call: missed("call-2"), object: "crm.lead"},
		"rpc_answered_inbound": {options: odootest.Options{Version: "16.0"}, call: ended("call-1"), object: "res.partner"},
		"rpc_late_recording":   {options: odootest.Options{Version: "16.0"}, call: late, update: true},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, test.options)
			w := crm.Write{Call: test.call, Owner: b.crm.AddUser("an.nguyen@acme.vn")}
			if test.object != "" {
				w.Record = &crm.Record{Object: test.object, ID: b.crm.AddRecord(test.object, "T-1001", "+84912345678")}
			}
			if test.update {
				w.Call = ended("call-1")
				w = b.write(t, w)
				w.Call = test.call
			}
			b.golden(t, name, func() { b.write(t, w) })
		})
	}
}

func TestGoldenLookUps(t *testing.T) {
	for name, o := range map[string]odootest.Options{"look_ups": {}, "rpc_look_ups": {Version: "16.0"}} {
		b := newBench(t, o)
		b.golden(t, name, func() {
			for _, lookups := range [][]crm.Lookup{
				{{Object: "res.partner", TransactionID: "T-1"}, {Object: "res.partner", TransactionID: `O'Brien "x"`}},
				{{Object: "crm.lead", Phone: call.ParseNumber("0912 345 678", "VN")}},
			} {
				for _, found := range b.Find(t.Context(), lookups) {
					require.NoError(t, found.Err)
				}
			}
			require.NoError(t, b.FindUsers(t.Context(), []string{"An@acme.vn", "101"})[1].Err)
			require.NoError(t, b.CreateContacts(t.Context(), []call.Call{ended("c1")})[0].Err)
		})
	}
}

// TestGoldenFilesSayUTC: no file says a time in the call centre's zone.
func TestGoldenFilesSayUTC(t *testing.T) {
	files, err := filepath.Glob("testdata/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.NotContains(t, string(text), `"2026-03-01 17:00:00"`)
		if strings.Contains(file, "answered") {
			require.Contains(t, string(text), `"2026-03-01 10:00:00"`)
			require.Contains(t, string(text), `"tz": "UTC"`)
		}
	}
}
