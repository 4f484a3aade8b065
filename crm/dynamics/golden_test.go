package dynamics_test

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/crm/dynamics"
	"github.com/crmsyncd/crmsyncd/crm/dynamics/dynamicstest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// boundary is what is new in every batch.
var boundary = regexp.MustCompile(`(batch|changeset)_[0-9a-f]{60}`)

// recorded returns the requests that come while do runs as text, those for tokens left out.
func (b *bench) recorded(t *testing.T, do func()) string {
	t.Helper()
	var text strings.Builder
	b.server.Inject(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		if !forToken(r) {
			target, _ := url.PathUnescape(r.URL.RequestURI())
			fmt.Fprintf(&text, "%s %s\n", r.Method, target)
			for _, name := range []string{"Content-Type", "OData-Version", "OData-MaxVersion", "Prefer"} {
				if value := r.Header.Get(name); value != "" {
					fmt.Fprintf(&text, "%s: %s\n", name, value)
				}
			}
			fmt.Fprintf(&text, "\n%s\n\n", bytes.ReplaceAll(body, []byte("\r\n"), []byte("\n")))
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(w, r)
	})
	do()
	b.server.Inject(nil)
	return boundary.ReplaceAllString(text.String(), "${1}_1")
}

// golden compares requests with testdata/NAME.http.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".http")
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(got), 0o600))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

func TestGoldenWrites(t *testing.T) {
	missed := ended("call-2")
	missed.Direction, missed.Result, missed.Status = call.Outbound, call.ResultMissed, "missed"
	missed.Answer, missed.Talk, missed.Agent, missed.Extension = time.Time{}, call.Seconds{}, "", ""
	missed.End, missed.Total = missed.Start.Add(20*time.Second), call.KnownSeconds(20)
	queue := func(cfg *dynamics.Config) {
		ownColumns(cfg)
		cfg.Text.Fields = map[string]string{"new_queue": "{{.Hotline}}"}
	}
	opportunity := func(cfg *dynamics.Config) {
		cfg.Objects = append(cfg.Objects, dynamics.Object{Name: "opportunity", TransactionID: "new_transactionid"})
		cfg.PhoneCalls.Parties = false
	}
	for name, test := range map[string]struct {
		before, call call.Call
		object       string
		change       func(*dynamics.Config)
	}{
		"answered_inbound": {call: ended("call-1"), object: "contact"},
		"missed_outbound":  {call: missed, object: "lead"},
		"running":          {call: running("call-1"), object: "contact"},
		"update":           {before: running("call-1"), call: ended("call-1"), object: "contact"},
		"late_recording":   {before: ended("call-1"), call: recorded("call-1"), object: "contact"},
		"own_columns":      {call: recorded("call-1"), object: "contact", change: queue},
		"opportunity":      {call: ended("call-1"), object: "opportunity", change: opportunity},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, dynamicstest.Options{}, func(cfg *dynamics.Config) {
				if test.change != nil {
					test.change(cfg)
				}
			})
			w := crm.Write{Owner: b.crm.AddUser("an.nguyen@acme.com")}
			w.Record = &crm.Record{Object: test.object, ID: b.crm.AddRecord(test.object, "T-1001", "+84912345678")}
			if test.before.ID != "" {
				w.Call = test.before
				before := b.one(t, w)
				require.NoError(t, before.Err)
				w.LogID, w.Progress = before.LogID, before.Progress
			}
			w.Call = test.call
			golden(t, name, b.recorded(t, func() { require.NoError(t, b.one(t, w).Err) }))
			require.Len(t, b.crm.Logs(), 1)
		})
	}
}

func TestGoldenLookUps(t *testing.T) {
	b := newBench(t, dynamicstest.Options{})
	golden(t, "look_ups", b.recorded(t, func() {
		for _, lookups := range [][]crm.Lookup{
			{
				{Object: "contact", TransactionID: "T-1"},
				{Object: "contact", TransactionID: "O'Brien & son+1 #%\""},
				{Object: "contact", TransactionID: "T-1"},
			},
			{{Object: "lead", Phone: call.ParseNumber("0912 345 678", "VN")}},
		} {
			for _, found := range b.Find(t.Context(), lookups) {
				require.NoError(t, found.Err)
			}
		}
		require.NoError(t, b.FindUsers(t.Context(), []string{"an@acme.com", "101"})[1].Err)
	}))
}

func TestGoldenContacts(t *testing.T) {
	for object, change := range map[string]func(*dynamics.Config){
		"lead":    func(*dynamics.Config) {},
		"contact": func(cfg *dynamics.Config) { cfg.ContactObject = "contact" },
	} {
		b := newBench(t, dynamicstest.Options{}, change)
		golden(t, "create_"+object, b.recorded(t, func() {
			found := b.CreateContacts(t.Context(), []call.Call{ended("c1")})
			require.NoError(t, found[0].Err)
			require.Equal(t, "+84912345678", b.crm.Value(found[0].Records[0].ID, "telephone1"))
		}))
	}
}
