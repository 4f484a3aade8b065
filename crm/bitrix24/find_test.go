package bitrix24_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/bitrix24"
	"github.com/crmsyncd/crmsyncd/crm/bitrix24/bitrix24test"
	"github.com/crmsyncd/crmsyncd/crm/call"
)

// find asks for one transaction id in every object, in their order, as the Syncer does.
func find(t *testing.T, a *bitrix24.Adapter, l crm.Lookup) []crm.Found {
	t.Helper()
	var founds []crm.Found
	for _, object := range a.Traits().Objects {
		l.Object = object
		f := a.Find(t.Context(), []crm.Lookup{l})[0]
		require.NoError(t, f.Err)
		founds = append(founds, f)
	}
	return founds
}

// TestObjectsAreAskedTogether: one request for all objects, by either key.
func TestObjectsAreAskedTogether(t *testing.T) {
	p := newPortal(t, bitrix24test.Options{})
	deal := p.AddRecord("deal", "T-1", "")
	lead := p.AddRecord("lead", "T-2", "0912345678")
	a := p.webhook(t)
	founds := find(t, a, crm.Lookup{TransactionID: "T-1"})
	require.Empty(t, founds[0].Records)
	require.Empty(t, founds[1].Records)
	require.Equal(t, []crm.Record{{Object: "deal", ID: deal, Owner: "1", TransactionID: "T-1"}}, founds[2].Records)
	require.Equal(t, 1, p.Requests()["find"])

	founds = find(t, a, crm.Lookup{Phone: call.ParseNumber("+84912345678", "VN")})
	want := []crm.Record{{Object: "lead", ID: lead, Owner: "1", Phones: []string{"0912345678"}}}
	require.Equal(t, want, founds[1].Records)
	require.Empty(t, founds[2].Records, "deals have no numbers")
	require.Equal(t, 3, p.Requests()["find"], "who has it, and then their numbers")
}

// TestWhatWasSeenIsForgotten: a record that was made since is found.
func TestWhatWasSeenIsForgotten(t *testing.T) {
	p := newPortal(t, bitrix24test.Options{})
	now := time.Now()
	a := newAdapter(t, webhookConfig(p.server.URL), func() time.Time { return now })
	find(t, a, crm.Lookup{TransactionID: "T-1"})
	p.AddRecord("contact", "T-1", "")
	p.AddRecord("deal", "T-1", "")
	require.Len(t, a.Find(t.Context(), []crm.Lookup{{Object: "contact", TransactionID: "T-1"}})[0].Records, 1)
	now = now.Add(time.Minute)
	require.Len(t, a.Find(t.Context(), []crm.Lookup{{Object: "deal", TransactionID: "T-1"}})[0].Records, 1)
}

// TestTheLatestAnswerCounts: a record that was made after a first look is not hidden by that.
func TestTheLatestAnswerCounts(t *testing.T) {
	p := newPortal(t, bitrix24test.Options{})
	a := p.webhook(t)
	require.Empty(t, find(t, a, crm.Lookup{TransactionID: "T-1"})[2].Records)
	p.AddRecord("deal", "T-1", "")
	require.Len(t, find(t, a, crm.Lookup{TransactionID: "T-1"})[2].Records, 1)
	require.Equal(t, 2, p.Requests()["find"])
}

// TestACampaign: more records than a page carry one transaction id, which must not hide those of others.
func TestACampaign(t *testing.T) {
	p := newPortal(t, bitrix24test.Options{})
	for range 60 {
		p.AddRecord("contact", "campaign", "")
	}
	alone := p.AddRecord("contact", "T-1", "")
	founds := p.webhook(t).Find(t.Context(), []crm.Lookup{
		{Object: "contact", TransactionID: "campaign"},
		{Object: "contact", TransactionID: "T-1"},
		{Object: "contact", TransactionID: "t-1"},
	})
	require.True(t, founds[0].Truncated)
	require.Len(t, founds[1].Records, 1)
	require.Equal(t, alone, founds[1].Records[0].ID)
	require.Empty(t, founds[2].Records, "the database knows no case, transaction ids do")
}

// TestANumberOfMany: findbycomm returns 20 records at most.
func TestANumberOfMany(t *testing.T) {
	p := newPortal(t, bitrix24test.Options{})
	for range 25 {
		p.AddRecord("contact", "", "+84912345678")
	}
	alone := p.AddRecord("contact", "", "+84987654321")
	founds := p.webhook(t).Find(t.Context(), []crm.Lookup{
		{Object: "contact", Phone: call.ParseNumber("0912345678", "VN")},
		{Object: "contact", Phone: call.ParseNumber("0987654321", "VN")},
	})
	require.True(t, founds[0].Truncated)
	require.Len(t, founds[1].Records, 1)
	require.Equal(t, alone, founds[1].Records[0].ID)
}

func TestAnUnknownField(t *testing.T) {
	p := newPortal(t, bitrix24test.Options{NoField: true})
	err := p.webhook(t).Find(t.Context(), []crm.Lookup{{Object: "contact", TransactionID: "T-1"}})[0].Err
	require.Contains(t, kind(t, crm.KindInvalid, err).Message, "not allowed in filter")
}

func TestUsers(t *testing.T) {
	p := newPortal(t, bitrix24test.Options{})
	mail, extension, gone := p.AddUser("an.nguyen@example.com"), p.AddUser("101"), p.AddUser("102")
	p.Dismiss(gone)
	require.Equal(t, []crm.UserFound{{UserID: mail}, {UserID: extension}, {}, {}, {}},
		p.webhook(t).FindUsers(t.Context(), []string{"An.Nguyen@example.com", "101", "102", "an.nguyen", ""}))
	require.Equal(t, 1, p.Requests()["find_user"])

	p = newPortal(t, bitrix24test.Options{Scopes: []string{"crm"}})
	kind(t, crm.KindUnauthorized, p.webhook(t).FindUsers(t.Context(), []string{"101"})[0].Err)
}
