package bitrix24_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/bitrix24/bitrix24test"
	"github.com/crmsyncd/crmsyncd/crm/call"
)

var rewrite = flag.Bool("update", false, "rewrite the golden files")

// callIDs differ from run to run.
var callIDs = regexp.MustCompile(`externalCall\.[0-9a-f]+\.\d+`)

// TestRequests holds what is sent in either mode: look-ups by transaction id, by number, of an agent and of a log, an
// answered inbound call, a missed outbound call of a deal, and what comes later of a call.
func TestRequests(t *testing.T) {
	for _, mode := range []string{"telephony", "activity"} {
		t.Run(mode, func(t *testing.T) {
			p := newPortal(t, bitrix24test.Options{})
			bodies := p.record(t)
			a := p.webhook(t)
			if mode == "telephony" {
				a = p.app(t)
			}
			c := answered("call-1")
			c.TransactionID = "T&1=ä'x"
			w := p.onContact(c)
			deal := crm.Record{Object: "deal", ID: p.AddRecord("deal", "T-2", "")}

			a.Find(t.Context(), []crm.Lookup{{Object: "contact", TransactionID: c.TransactionID}})
			a.Find(t.Context(), []crm.Lookup{{Object: "contact", Phone: c.Customer}})
			a.FindUsers(t.Context(), []string{"an.nguyen@example.com", "101"})
			written := write(t, a, w, crm.Write{Call: missed("call-2"), Record: &deal, Owner: "1"})
			w = next(w, written[0])
			w.Call = recorded(w.Call)
			w = next(w, write(t, a, w)[0])
			w.Progress = nil // as after a look-up
			write(t, a, w)
			a.FindLogs(t.Context(), []call.Call{c})

			golden(t, filepath.Join("testdata", "golden", mode+".txt"), readable(t, *bodies))
		})
	}
}

// readable writes requests one command a line, still encoded, without what changes from run to run.
func readable(t *testing.T, bodies []string) string {
	t.Helper()
	var b strings.Builder
	for _, body := range bodies {
		var sent struct {
			Auth string
			Halt int
			Cmd  map[string]string
		}
		require.NoError(t, json.Unmarshal([]byte(body), &sent))
		require.Zero(t, sent.Halt)
		if sent.Auth != "" {
			body = strings.ReplaceAll(body, sent.Auth, "TOKEN")
		}
		body = strings.NewReplacer(`{"`, "{\n  \"", `","`, "\",\n  \"", `"}`, "\"\n}").Replace(body)
		b.WriteString(callIDs.ReplaceAllString(body, "CALL_ID") + "\n\n")
	}
	return b.String()
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *rewrite {
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o750))
		require.NoError(t, os.WriteFile(file, []byte(got), 0o600))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), got, "run the test with -update if this is meant")
}
