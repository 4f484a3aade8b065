package zoho_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/crm/crmtest"
	"github.com/crmsyncd/crmsyncd/crm/zoho"
	"github.com/crmsyncd/crmsyncd/crm/zoho/zohotest"
)

func TestUsers(t *testing.T) {
	b := newBench(t, zohotest.Options{})
	for i := range 250 {
		b.account.AddUser(fmt.Sprintf("agent%d@acme.com", i))
	}
	an := b.account.AddUser("An.Nguyen@acme.com")
	agents := []string{"an.nguyen", "AN.NGUYEN@ACME.COM", "nobody", ""}
	require.Equal(t, []crm.UserFound{{UserID: an}, {UserID: an}, {}, {}}, b.FindUsers(t.Context(), agents))
	require.Equal(t, 2, b.account.Requests()["find_user"], "one for each page")
	require.Empty(t, b.FindUsers(t.Context(), nil))

	b.server.Inject(crmtest.Say(crmtest.Answer{Status: http.StatusOK, Body: `{"users":null}`}))
	require.Equal(t, "transient", kindOf(b.FindUsers(t.Context(), agents)[0].Err))
}

// TestManyHits: what does not fit a page is asked for again, and only a value with more hits is cut off.
func TestManyHits(t *testing.T) {
	b := newBench(t, zohotest.Options{})
	for range 201 {
		b.account.AddRecord("Contacts", "campaign", "+84912345678")
	}
	one := b.account.AddRecord("Contacts", "T-1", "")
	found := b.Find(t.Context(), []crm.Lookup{
		{Object: "Contacts", TransactionID: "campaign"},
		{Object: "Contacts", TransactionID: "T-1"},
		{Object: "Contacts", TransactionID: "t-1"},
		{Object: "Nothing", TransactionID: "T-1"},
	})
	require.True(t, found[0].Truncated)
	require.Len(t, found[1].Records, 1)
	require.Equal(t, one, found[1].Records[0].ID)
	require.Empty(t, found[2].Records, "upper and lower case are not the same")
	require.Empty(t, found[3].Records)
}

// TestMobile: all configured fields for numbers are searched.
func TestMobile(t *testing.T) {
	b := newBench(t, zohotest.Options{}, func(cfg *zoho.Config) {
		cfg.Objects[0].Phones = []string{"Phone", "Mobile", "Owner_Phone"}
	})
	c := call.ParseNumber("0912345678", "VN")
	found := b.Find(t.Context(), []crm.Lookup{{Object: "Contacts", Phone: c}})
	require.Equal(t, "unauthorized", kindOf(found[0].Err), "a field that is not there pauses the target, it parks no call")

	b = newBench(t, zohotest.Options{})
	id := b.account.Add("Contacts", map[string]any{"Last_Name": "An", "Mobile": "84912345678"})
	found = b.Find(t.Context(), []crm.Lookup{{Object: "Contacts", Phone: c}})
	require.NoError(t, found[0].Err)
	require.Equal(t, id, found[0].Records[0].ID)
	require.Equal(t, []string{"84912345678"}, found[0].Records[0].Phones)
}

// TestOddValuesAreAskedAlone: what Zoho might not take in a query harms no other call.
func TestOddValuesAreAskedAlone(t *testing.T) {
	b := newBench(t, zohotest.Options{})
	odd := b.account.AddRecord("Contacts", `it's (50%) \ "x"`, "")
	found := b.Find(t.Context(), []crm.Lookup{
		{Object: "Contacts", TransactionID: "T-1"},
		{Object: "Contacts", TransactionID: `it's (50%) \ "x"`},
		{Object: "Contacts", TransactionID: "T-2"},
	})
	require.Equal(t, odd, found[1].Records[0].ID)
	require.Equal(t, 3, b.account.Requests()["find"])
}

// TestValuesStayValues: whatever a value is, a query finds the record that carries it and no other.
func TestValuesStayValues(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		id := rapid.StringMatching(`[ -~À-ỹ]{0,12}[!-~]`).Draw(r, "id")
		b := newBench(t, zohotest.Options{})
		want := b.account.AddRecord("Contacts", id, "")
		b.account.AddRecord("Contacts", id+"'", "")
		found := b.Find(t.Context(), []crm.Lookup{{Object: "Contacts", TransactionID: id}})
		require.NoError(r, found[0].Err)
		for _, record := range found[0].Records {
			require.Equal(r, want, record.ID)
		}
	})
}

func TestFindingSeveralLogsTakesTheOldest(t *testing.T) {
	b := newBench(t, zohotest.Options{NoUnique: true}, inserting)
	first := b.write(t, many(1)[0])
	require.NoError(t, b.write(t, many(1)[0]).Err)
	found := b.FindLogs(t.Context(), []call.Call{ended("call-0000"), ended("call-0001")})
	require.Equal(t, []crm.LogFound{{LogID: first.LogID}, {}}, found)
}

// TestTokens: one that ended is renewed, one that is refused too, and a scope that is missing costs no token.
func TestTokens(t *testing.T) {
	now := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	b := newBench(t, zohotest.Options{Now: func() time.Time { return now }, NoScopes: []string{"/coql"}})
	require.NoError(t, b.write(t, many(1)[0]).Err)
	b.account.EndSession()
	require.NoError(t, b.write(t, many(1)[0]).Err)
	require.Equal(t, 2, b.account.Requests()["token"])
	now = now.Add(2 * time.Hour)
	require.NoError(t, b.write(t, many(1)[0]).Err)
	require.Equal(t, 3, b.account.Requests()["token"])

	err := b.FindLogs(t.Context(), []call.Call{ended("a")})[0].Err
	require.Equal(t, "unauthorized", kindOf(err))
	require.ErrorContains(t, err, "make a refresh token that has all scopes")
	require.Equal(t, 3, b.account.Requests()["token"], "Zoho gives ten in ten minutes, and each has the same scopes")
}

func TestCreatingContactsFails(t *testing.T) {
	b := newBench(t, zohotest.Options{})
	b.server.Inject(crmtest.Say(zohotest.Item("MANDATORY_NOT_FOUND", "required field not found",
		map[string]any{"api_name": "City", "json_path": "$.data[0].City"})))
	found := b.CreateContacts(t.Context(), []call.Call{ended("c1")})[0]
	require.Equal(t, "unauthorized", kindOf(found.Err), "without a token: %v", found.Err)
	b.server.Inject(nil)
	require.NoError(t, b.write(t, many(1)[0]).Err)
	b.server.Inject(crmtest.Say(zohotest.Item("MANDATORY_NOT_FOUND", "required field not found",
		map[string]any{"api_name": "City", "json_path": "$.data[0].City"})))
	found = b.CreateContacts(t.Context(), []call.Call{ended("c1")})[0]
	require.Equal(t, "invalid", kindOf(found.Err))
	require.ErrorContains(t, found.Err, "MANDATORY_NOT_FOUND: required field not found (City)")
	require.Empty(t, found.Records)
	b.server.Inject(crmtest.Lose())
	require.Equal(t, "in_doubt", kindOf(b.CreateContacts(t.Context(), []call.Call{ended("c1")})[0].Err))
}
