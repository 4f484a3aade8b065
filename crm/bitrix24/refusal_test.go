package bitrix24_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/bitrix24/bitrix24test"
	"github.com/crmsyncd/crmsyncd/crm/crmtest"
)

// TestARefusedRequestGivesNoCallUp: what is wrong with a request of several calls is not known to be any one's fault.
func TestARefusedRequestGivesNoCallUp(t *testing.T) {
	p := newPortal(t, bitrix24test.Options{})
	server := crmtest.NewServer(t, p.CRM)
	a := newAdapter(t, webhookConfig(server.URL), nil)
	writes := []crm.Write{p.onContact(answered("call-1")), p.onContact(answered("call-2"))}
	for code, alone := range map[string]crm.Kind{"ERROR_ARGUMENT": crm.KindInvalid, "NOT_FOUND": crm.KindGone} {
		server.Inject(crmtest.Say(crmtest.Answer{Status: 400, Body: `{"error":"` + code + `","error_description":"no"}`}))
		for _, w := range a.Write(t.Context(), writes) {
			kind(t, crm.KindForbidden, w.Err)
		}
		kind(t, alone, a.Write(t.Context(), writes[:1])[0].Err)
	}
	server.Inject(nil)
	write(t, a, writes...)
}

// TestAnItemBeginsARest: a command that is refused for its run time is said so in a 200.
func TestAnItemBeginsARest(t *testing.T) {
	p := newPortal(t, bitrix24test.Options{})
	server := crmtest.NewServer(t, p.CRM)
	a := newAdapter(t, webhookConfig(server.URL), nil)
	p.Block("crm.activity.add", time.Now().Add(3*time.Minute))
	w := p.onContact(answered("call-1"))
	kind(t, crm.KindThrottled, a.Write(t.Context(), []crm.Write{w})[0].Err)
	before := server.Requests()
	require.Positive(t, kind(t, crm.KindThrottled, a.Write(t.Context(), []crm.Write{w})[0].Err).RetryAfter)
	require.Equal(t, before, server.Requests())
}

// TestTheFormerRecordIsLeftLater: a binding that could not be taken away is taken away by the next write.
func TestTheFormerRecordIsLeftLater(t *testing.T) {
	p := newPortal(t, bitrix24test.Options{})
	w := p.onContact(answered("call-1"))
	w = next(w, write(t, p.app(t), w)[0])
	deal := p.AddRecord("deal", "T-1001", "")
	w.Record = &crm.Record{Object: "deal", ID: deal}
	p.Block("crm.activity.binding.delete", time.Now().Add(time.Minute))
	failed := p.app(t).Write(t.Context(), []crm.Write{w})[0]
	kind(t, crm.KindThrottled, failed.Err)
	require.Len(t, p.Bindings(p.Logs()[0].ID), 2)
	p.Block("crm.activity.binding.delete", time.Time{})
	write(t, p.app(t), next(w, failed))
	require.Equal(t, []string{"deal:" + deal}, p.Bindings(p.Logs()[0].ID))
}
