package suitecrm_test

import (
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/crm/crmtest"
	"github.com/crmsyncd/crmsyncd/crm/suitecrm"
	"github.com/crmsyncd/crmsyncd/crm/suitecrm/suitecrmtest"
)

// loseThe lets the answer to the first request with a method get lost.
func loseThe(count *atomic.Int32, method string) crmtest.Fault {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == method && count.Add(1) == 1 {
			crmtest.Lose()(w, r, next)
			return
		}
		next.ServeHTTP(w, r)
	}
}

func TestFindByEveryPhoneFieldAndSpelling(t *testing.T) {
	for field, stored := range map[string]string{
		"phone_mobile": "0912345678", "phone_work": "+84912345678", "phone_home": "84912345678",
	} {
		b := newBench(t, suitecrmtest.Options{})
		id := b.crm.AddRecord("Leads", "", "")
		b.crm.AddRecord("Leads", "", "0987654321")
		b.crm.Edit("Leads", id, map[string]any{field: stored})
		found := b.Find(t.Context(), []crm.Lookup{{Object: "Leads", Phone: endedCall("").Customer}})[0]
		require.NoError(t, found.Err)
		require.Len(t, found.Records, 1)
		require.Equal(t, id, found.Records[0].ID)
	}
}

// TestFindReadsWhatWasEscaped: SuiteCRM returns texts as they stand in HTML.
func TestFindReadsWhatWasEscaped(t *testing.T) {
	b := newBench(t, suitecrmtest.Options{})
	const transactionID = `T&1 <'"> ä`
	id := b.crm.AddRecord("Contacts", transactionID, "")
	b.crm.AddRecord("Contacts", "t&1 <'\"> Ä", "") // the same to MySQL
	found := b.Find(t.Context(), []crm.Lookup{{Object: "Contacts", TransactionID: transactionID}})[0]
	require.NoError(t, found.Err)
	require.Len(t, found.Records, 1)
	require.Equal(t, id, found.Records[0].ID)
}

func TestFindTooMany(t *testing.T) {
	b := newBench(t, suitecrmtest.Options{})
	for range 51 {
		b.crm.AddRecord("Contacts", "campaign", "")
	}
	found := b.Find(t.Context(), []crm.Lookup{{Object: "Contacts", TransactionID: "campaign"}})[0]
	require.NoError(t, found.Err)
	require.True(t, found.Truncated)
}

func TestFindPassesOverDeletedRecords(t *testing.T) {
	b := newBench(t, suitecrmtest.Options{})
	b.crm.Delete("Contacts", b.crm.AddRecord("Contacts", "T-1", "0912345678"))
	for _, found := range b.Find(t.Context(), []crm.Lookup{
		{Object: "Contacts", TransactionID: "T-1"}, {Object: "Contacts", Phone: endedCall("").Customer},
	}) {
		require.Equal(t, crm.Found{}, found)
	}
}

func TestObjectsWithoutAFieldAreNotAskedForIt(t *testing.T) {
	b := newBench(t, suitecrmtest.Options{}, func(cfg *suitecrm.Config, _ *api.Options) {
		cfg.Objects = []suitecrm.Object{
			{Name: "Opportunities", TransactionID: "transaction_id_c"},
			{Name: "Accounts", Phones: []string{"phone_office"}},
		}
	})
	opportunity, account := b.crm.AddRecord("Opportunities", "T-1", ""), b.crm.AddRecord("Accounts", "T-1", "0912345678")
	phone := endedCall("").Customer
	found := b.Find(t.Context(), []crm.Lookup{
		{Object: "Opportunities", TransactionID: "T-1"},
		{Object: "Opportunities", Phone: phone},
		{Object: "Accounts", TransactionID: "T-1"},
		{Object: "Accounts", Phone: phone},
	})
	require.Equal(t, opportunity, found[0].Records[0].ID)
	require.Empty(t, found[1].Records)
	require.Empty(t, found[2].Records)
	require.Equal(t, account, found[3].Records[0].ID)
	require.Equal(t, []string{"Opportunities", "Accounts"}, b.Traits().Objects)
}

func TestUsers(t *testing.T) {
	b := newBench(t, suitecrmtest.Options{})
	id := b.crm.AddUser("an.nguyen")
	left := b.crm.AddUser("binh.le")
	b.crm.Edit("Users", left, map[string]any{"status": "Inactive"})
	b.crm.AddUser("twin")
	b.crm.AddUser("TWIN")
	found := b.FindUsers(t.Context(), []string{" An.Nguyen ", "binh.le", "twin", ""})
	require.Equal(t, []crm.UserFound{{UserID: id}, {}}, found[:2])
	kind(t, crm.KindInvalid, found[2].Err)
	require.Empty(t, found[2].UserID)
	require.Equal(t, crm.UserFound{}, found[3])
}

func TestCreateContacts(t *testing.T) {
	b := newBench(t, suitecrmtest.Options{})
	first, second := endedCall("call-1"), endedCall("call-2")
	create := func(c call.Call) crm.Found { return b.CreateContacts(t.Context(), []call.Call{c})[0] }

	made := create(first)
	require.NoError(t, made.Err)
	require.Equal(t, "+84912345678", b.crm.Values("Contacts", made.Records[0].ID)["phone_mobile"])
	require.Equal(t, made.Records[0].ID, create(first).Records[0].ID, "a create whose answer got lost")
	require.Equal(t, made.Records[0].ID, create(second).Records[0].ID, "two calls of one caller make one record")

	b.crm.Delete("Contacts", made.Records[0].ID)
	other := create(second)
	require.NoError(t, other.Err)
	require.NotEqual(t, made.Records[0].ID, other.Records[0].ID)
	require.Equal(t, other.Records[0].ID, create(second).Records[0].ID)

	hidden := endedCall("call-3")
	hidden.Customer = call.Number{}
	kind(t, crm.KindInvalid, create(hidden).Err)
}
