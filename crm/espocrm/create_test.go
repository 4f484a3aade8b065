package espocrm_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/crmtest"
	"github.com/crmsyncd/crmsyncd/crm/espocrm"
	"github.com/crmsyncd/crmsyncd/crm/espocrm/espocrmtest"
)

// duplicates answers creates of calls as a server with a duplicate check of its own does.
func duplicates(body string) crmtest.Fault {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method != http.MethodPost || r.Header.Get("X-Skip-Duplicate-Check") == "true" {
			next.ServeHTTP(w, r)
			return
		}
		header := http.Header{"X-Status-Reason": {"duplicate"}}
		crmtest.Say(crmtest.Answer{Status: http.StatusConflict, Header: header, Body: body})(w, r, next)
	}
}

func TestDuplicateCheckOnCalls(t *testing.T) {
	t.Run("of this very call", func(t *testing.T) {
		b := newBench(t)
		b.server.Inject(duplicates(`[{"id":"other","cProviderCallId":"call-2"},{"id":"log1","cProviderCallId":"call-1"}]`))
		written := b.Write(t.Context(), []crm.Write{{Call: endedCall("call-1"), Owner: agentID}})[0]
		kind(t, crm.KindExists, written.Err)
		require.Equal(t, "log1", written.LogID)
		require.Empty(t, b.crm.Logs())
	})
	for name, body := range map[string]string{
		"of another call": `[{"id":"other","cProviderCallId":"call-2"}]`, "without a list": "", "of another form": `{"id":1}`,
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.server.Inject(duplicates(body))
			w := b.write(t, crm.Write{Call: endedCall("call-1"), Owner: agentID})
			require.Equal(t, w.LogID, b.crm.Logs()[0].ID)
		})
	}
}

func TestCreateWithoutAnIDIsInDoubt(t *testing.T) {
	for _, body := range []string{"", "true", "[]", `{"id":""}`, "<html></html>"} {
		b := newBench(t)
		b.server.Inject(crmtest.Say(crmtest.Answer{Status: 200, Body: body}))
		kind(t, crm.KindInDoubt, b.Write(t.Context(), []crm.Write{{Call: endedCall("call-1"), Owner: agentID}})[0].Err)
	}
}

func TestDryRunChangesNothing(t *testing.T) {
	dry := &api.DryRun{}
	b := newBench(t, func(_ *espocrm.Config, o *api.Options) { o.DryRun = dry })
	w := b.write(t, crm.Write{Call: endedCall("call-1"), Owner: agentID})
	require.Equal(t, "dry-run", w.LogID)
	require.Empty(t, b.crm.Logs())
	require.Len(t, dry.Requests(), 1)
	require.Equal(t, "create_log", dry.Requests()[0].Operation)
	require.NotContains(t, fmt.Sprint(dry.Requests()), espocrmtest.APIKey)
}
