package bitrix24_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/bitrix24/bitrix24test"
	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/crm/crmtest"
)

func TestActivities(t *testing.T) {
	p := newPortal(t, bitrix24test.Options{})
	a := p.webhook(t)
	require.Empty(t, a.Traits().WriteWhen, "a running call may be written")
	running := answered("call-1")
	running.State, running.End, running.Talk = call.Answered, time.Time{}, call.Seconds{}
	w := p.onContact(running)
	w = next(w, write(t, a, w)[0])
	require.Zero(t, p.Logs()[0].Seconds)

	w.Call = answered("call-1")
	write(t, a, w)
	log := p.Logs()[0]
	require.Equal(t, int64(300), log.Seconds)
	require.Empty(t, log.RecordingURL)
	w.Call = recorded(w.Call)
	w = next(w, write(t, a, w)[0])
	logs := p.Logs()
	require.Len(t, logs, 1)
	require.Equal(t, w.Call.RecordingURL, logs[0].RecordingURL, "as a link in the description")
	require.Equal(t, w.Record.ID, logs[0].RecordID)
	require.Equal(t, w.Owner, logs[0].Owner)
	require.Equal(t, "inbound", logs[0].Direction)
	require.True(t, logs[0].Start.Equal(w.Call.Start))
	require.NotEmpty(t, logs[0].Title)
	require.Equal(t, map[string]int{"write": 3}, p.Requests())
	require.Zero(t, p.Commands()["crm.activity.binding.add"])
}

func TestFiftyActivitiesInARequest(t *testing.T) {
	p := newPortal(t, bitrix24test.Options{})
	a := p.webhook(t)
	p.Refuse("call-xxx", "The field SUBJECT is not defined or empty.")
	var writes []crm.Write
	id := "call-"
	for range 100 {
		writes = append(writes, p.onContact(missed(id)))
		id += "x"
	}
	for i, w := range a.Write(t.Context(), writes) {
		if i == 3 {
			require.Contains(t, kind(t, crm.KindInvalid, w.Err).Message, "SUBJECT")
			continue
		}
		require.NoError(t, w.Err)
	}
	require.Len(t, p.Logs(), 99)
	require.Equal(t, 2, p.Requests()["write"])
}

func TestActivitiesInDoubt(t *testing.T) {
	p := newPortal(t, bitrix24test.Options{})
	server := crmtest.NewServer(t, p.CRM)
	a := newAdapter(t, webhookConfig(server.URL), nil)
	w := p.onContact(answered("call-1"))
	server.Inject(crmtest.Lose())
	kind(t, crm.KindInDoubt, a.Write(t.Context(), []crm.Write{w})[0].Err)
	server.Inject(nil)
	found := a.FindLogs(t.Context(), []call.Call{w.Call, answered("call-2")})
	require.Equal(t, p.Logs()[0].ID, found[0].LogID)
	require.Equal(t, crm.LogFound{}, found[1])
	w.LogID = found[0].LogID
	write(t, a, w)
	require.Len(t, p.Logs(), 1)

	w.LogID = "987654"
	kind(t, crm.KindGone, a.Write(t.Context(), []crm.Write{w})[0].Err)
}

func TestAnActivityNeedsARecord(t *testing.T) {
	p := newPortal(t, bitrix24test.Options{})
	w := p.onContact(answered("call-1"))
	w.Record = nil
	written := p.webhook(t).Write(t.Context(), []crm.Write{w, p.onContact(answered("call-2"))})
	require.Contains(t, kind(t, crm.KindInvalid, written[0].Err).Message, "without one")
	require.NoError(t, written[1].Err)
}

func TestAnActivityFollowsItsRecord(t *testing.T) {
	p := newPortal(t, bitrix24test.Options{})
	a := p.webhook(t)
	w := p.onContact(answered("call-1"))
	w = next(w, write(t, a, w)[0])
	deal := p.AddRecord("deal", "T-1001", "")
	w.Record = &crm.Record{Object: "deal", ID: deal}
	write(t, a, w)
	require.Equal(t, deal, p.Logs()[0].RecordID)
	require.Equal(t, []string{"deal:" + deal}, p.Bindings(p.Logs()[0].ID), "not on the former record any more")
}

// TestAWebhookHasNoTelephony: the fake refuses as the documentation says.
func TestAWebhookHasNoTelephony(t *testing.T) {
	p := newPortal(t, bitrix24test.Options{})
	cfg := webhookConfig(p.server.URL)
	cfg.Mode = "telephony"
	written := newAdapter(t, cfg, nil).Write(t.Context(), []crm.Write{p.onContact(answered("call-1"))})
	kind(t, crm.KindUnauthorized, written[0].Err)
}

func TestTheCodeOfAWebhookIsNotShown(t *testing.T) {
	page := "<html>no /rest/1/" + bitrix24test.WebhookCode + "/batch here</html>"
	said := bitrix24test.Says(http.StatusBadRequest, "ERROR_CORE", "bad: "+bitrix24test.WebhookCode)
	for _, answer := range []crmtest.Answer{
		said, {Status: http.StatusNotFound, Body: page}, {Status: http.StatusOK, Body: page},
	} {
		p := newPortal(t, bitrix24test.Options{})
		server := crmtest.NewServer(t, p.CRM)
		a := newAdapter(t, webhookConfig(server.URL), nil)
		server.Inject(crmtest.Say(answer))
		err := a.Find(t.Context(), []crm.Lookup{{Object: "contact", TransactionID: "T"}})[0].Err
		require.Error(t, err)
		require.NotContains(t, err.Error(), bitrix24test.WebhookCode)
		require.NotContains(t, err.Error(), "/rest/")
		server.Close()
		err = a.Find(t.Context(), []crm.Lookup{{Object: "contact", TransactionID: "T"}})[0].Err
		require.Error(t, err)
		require.NotContains(t, err.Error(), bitrix24test.WebhookCode)
	}
}

// TestADryRunChangesNothing: look-ups are sent, writes are recorded.
func TestADryRunChangesNothing(t *testing.T) {
	for _, mode := range []string{"telephony", "activity"} {
		p := newPortal(t, bitrix24test.Options{})
		dry := &api.DryRun{}
		cfg := webhookConfig(p.server.URL)
		cfg.Mode = mode
		a := newDryAdapter(t, cfg, dry)
		w := p.onContact(recorded(answered("call-1")))
		require.Len(t, a.Find(t.Context(), []crm.Lookup{{Object: "contact", TransactionID: "T-1001"}})[0].Records, 1)
		w = next(w, write(t, a, w)[0])
		write(t, a, w)
		require.Empty(t, p.Logs())
		require.NotEmpty(t, dry.Requests())
		for _, r := range dry.Requests() {
			require.NotContains(t, r.URL+r.Body, bitrix24test.WebhookCode)
		}
	}
}
