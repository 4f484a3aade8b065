package hubspot_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/configs/secret"
	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/crm/crmtest"
	"github.com/crmsyncd/crmsyncd/crm/hubspot"
	"github.com/crmsyncd/crmsyncd/crm/hubspot/hubspottest"
)

func TestFindByEveryFormOfANumber(t *testing.T) {
	for _, stored := range []string{
		"+84912345678", "0912345678", "84912345678", "0912 345 678", "+84 912 345 678", "(+84) 912-345-678",
	} {
		for _, property := range []string{"phone", "mobilephone"} {
			b := newBench(t, hubspottest.Options{})
			id := b.crm.AddRecord("contact", "", "")
			b.crm.Set("contact", id, map[string]string{property: stored})
			found := b.adapter.Find(t.Context(), []crm.Lookup{{
				Object: "contact", Phone: call.ParseNumber("0912345678", "VN"),
			}})[0]
			require.NoError(t, found.Err)
			require.Len(t, found.Records, 1, "%s in %s", stored, property)
			require.Equal(t, id, found.Records[0].ID)
			require.Equal(t, "7", found.Records[0].Owner)
		}
	}
}

// TestFindManyNumbers: the question is never longer than HubSpot reads, and every number gets its record.
func TestFindManyNumbers(t *testing.T) {
	b := newBench(t, hubspottest.Options{})
	var lookups []crm.Lookup
	var ids []string
	for i := range 100 {
		number := fmt.Sprintf("+849123%05d", i)
		ids = append(ids, b.crm.AddRecord("contact", "", number))
		lookups = append(lookups, crm.Lookup{Object: "contact", Phone: call.ParseNumber(number, "VN")})
	}
	for i, found := range b.adapter.Find(t.Context(), lookups) {
		require.NoError(t, found.Err)
		require.Len(t, found.Records, 1)
		require.Equal(t, ids[i], found.Records[0].ID)
	}
	require.LessOrEqual(t, b.server.Requests(), 12)
}

func TestTransactionIDsAreTextsOfAnyKind(t *testing.T) {
	b := newBench(t, hubspottest.Options{})
	var lookups []crm.Lookup
	for _, id := range []string{
		"TRANSID_1111", `quote " and \`, "Mã giao dịch", strings.Repeat("x", 255), "<&>", "ABC", "İstanbul",
	} {
		b.crm.AddRecord("contact", id, "")
		lookups = append(lookups, crm.Lookup{Object: "contact", TransactionID: id})
	}
	b.crm.AddRecord("contact", "abc", "") // not the same as ABC, whatever HubSpot thinks
	for i, found := range b.adapter.Find(t.Context(), lookups) {
		require.NoError(t, found.Err)
		require.Len(t, found.Records, 1, lookups[i].TransactionID)
		require.Equal(t, lookups[i].TransactionID, found.Records[0].TransactionID)
	}
}

func TestCampaignWithMoreRecordsThanAPage(t *testing.T) {
	b := newBench(t, hubspottest.Options{})
	for range 201 {
		b.crm.AddRecord("contact", "CAMPAIGN", "")
	}
	id := b.crm.AddRecord("contact", "ONE", "")
	found := b.adapter.Find(t.Context(), []crm.Lookup{
		{Object: "contact", TransactionID: "CAMPAIGN"}, {Object: "contact", TransactionID: "ONE"},
	})
	require.True(t, found[0].Truncated)
	require.False(t, found[1].Truncated)
	require.Len(t, found[1].Records, 1)
	require.Equal(t, id, found[1].Records[0].ID)
}

func TestEndlessTransactionID(t *testing.T) {
	b := newBench(t, hubspottest.Options{})
	found := b.adapter.Find(t.Context(), []crm.Lookup{{Object: "contact", TransactionID: strings.Repeat("x", 5000)}})[0]
	require.NoError(t, found.Err)
	require.True(t, found.Truncated, "what cannot be asked for is not known to be missing")
	require.Empty(t, b.took())
}

func TestSearchLagHidesFreshRecords(t *testing.T) {
	b := newBench(t, hubspottest.Options{SearchLag: time.Hour})
	b.crm.AddRecord("contact", "T-1", "")
	lookup := []crm.Lookup{{Object: "contact", TransactionID: "T-1"}}
	require.Empty(t, b.adapter.Find(t.Context(), lookup)[0].Records)
	b.crm.Settle()
	require.Len(t, b.adapter.Find(t.Context(), lookup)[0].Records, 1)
}

func TestUnknownObject(t *testing.T) {
	b := newBench(t, hubspottest.Options{})
	found := b.adapter.Find(t.Context(), []crm.Lookup{{Object: "ghost", TransactionID: "T-1"}})[0]
	requireKind(t, crm.KindInvalid, found.Err)
}

func TestFindLogsOfMany(t *testing.T) {
	b := newBench(t, hubspottest.Options{})
	var calls []call.Call
	var want []crm.LogFound
	for i := range 250 {
		c := answered(fmt.Sprintf("20260302ABC-%020d", i))
		calls = append(calls, c)
		want = append(want, crm.LogFound{})
		if i%2 == 0 {
			want[i].LogID = b.write(t, crm.Write{Call: c}).LogID
		}
	}
	b.took()
	require.Equal(t, want, b.adapter.FindLogs(t.Context(), calls))
	require.LessOrEqual(t, len(b.took()), 4)
}

func TestFindUsers(t *testing.T) {
	b := newBench(t, hubspottest.Options{}, func(c *hubspot.Config, _ *api.Options) { c.EmailDomain = "example.com" })
	an, binh := b.crm.AddUser("An.Nguyen@example.com"), b.crm.AddUser("binh@elsewhere.vn")
	b.crm.Archive(b.crm.AddUser("gone@example.com"))
	require.Equal(t, []crm.UserFound{{UserID: an}, {UserID: binh}, {}, {}, {}, {}},
		b.adapter.FindUsers(t.Context(), []string{" an.nguyen ", "binh@elsewhere.vn", "nobody", "101", "gone", ""}))
	require.Len(t, b.took(), 4, "an extension is no e-mail address")

	plain := newBench(t, hubspottest.Options{})
	require.Equal(t, []crm.UserFound{{}}, plain.adapter.FindUsers(t.Context(), []string{"an.nguyen"}))
	require.Empty(t, plain.took())

	b.server.Inject(crmtest.Say(hubspottest.Throttled(time.Second)))
	found := b.adapter.FindUsers(t.Context(), []string{"an.nguyen", "binh@elsewhere.vn"})
	requireKind(t, crm.KindThrottled, found[0].Err)
	requireKind(t, crm.KindThrottled, found[1].Err)
}

func TestCreateContacts(t *testing.T) {
	b := newBench(t, hubspottest.Options{})
	hidden := answered("C-2")
	hidden.TransactionID, hidden.Customer = "", call.ParseNumber("0987654321", "VN")
	founds := b.adapter.CreateContacts(t.Context(), []call.Call{answered("C-1"), hidden})
	require.Len(t, b.took(), 1)
	require.Len(t, founds, 2)
	for i, number := range []string{"+84912345678", "+84987654321"} {
		require.NoError(t, founds[i].Err)
		record := founds[i].Records[0]
		require.Equal(t, []string{number}, record.Phones)
		values := b.crm.Values("contact", record.ID)
		require.Equal(t, number, values["phone"])
		require.Equal(t, number, values["lastname"])
	}
	require.Empty(t, b.crm.Values("contact", founds[0].Records[0].ID)["transaction_id"])

	b.server.Inject(crmtest.Lose())
	requireKind(t, crm.KindInDoubt, b.adapter.CreateContacts(t.Context(), []call.Call{hidden})[0].Err)
	b.server.Inject(nil)

	deals := newBench(t, hubspottest.Options{}, func(c *hubspot.Config, _ *api.Options) {
		c.Objects, c.Create = []hubspot.Object{{Name: "deal"}}, "deal"
	})
	requireKind(t, crm.KindInvalid, deals.adapter.CreateContacts(t.Context(), []call.Call{hidden})[0].Err)
	require.Empty(t, deals.took())
}

// TestRefreshByTheClock: a token that is about to end is exchanged before it is refused.
func TestRefreshByTheClock(t *testing.T) {
	now := start
	tick := func() time.Time { return now }
	b := newBench(t, hubspottest.Options{Now: tick}, func(c *hubspot.Config, o *api.Options) {
		o.Now, c.Token = tick, secret.String{}
		c.OAuth = hubspot.OAuth{
			ClientID: hubspottest.ClientID, ClientSecret: secret.New(hubspottest.ClientSecret),
			RefreshToken: secret.New(hubspottest.RefreshToken),
		}
	})
	w := crm.Write{Call: answered("C-1")}
	for range 10 {
		b.write(t, w)
		now = now.Add(10 * time.Minute)
	}
	counts := b.crm.Requests()
	require.Equal(t, 10, counts["write"])
	require.GreaterOrEqual(t, counts["token"], 3)
	require.LessOrEqual(t, counts["token"], 5)
	require.Len(t, b.took(), 10+counts["token"], "no request was refused for its token")
}
