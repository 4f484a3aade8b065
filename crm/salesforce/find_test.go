package salesforce_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/crm/crmtest"
	"github.com/crmsyncd/crmsyncd/crm/salesforce"
	"github.com/crmsyncd/crmsyncd/crm/salesforce/salesforcetest"
)

func TestUsers(t *testing.T) {
	b := newBench(t, salesforcetest.Options{}, func(cfg *salesforce.Config) { cfg.AgentDomain = "acme.com" })
	an, gone := b.org.AddUser("an.nguyen@acme.com"), b.org.AddUser("gone@acme.com")
	b.org.Set(gone, "IsActive", false)
	agents := []string{"AN.Nguyen", "an.nguyen@acme.com", "gone", "nobody", `o'"x\`}
	require.Equal(t, []crm.UserFound{{UserID: an}, {UserID: an}, {}, {}, {}}, b.FindUsers(t.Context(), agents))
	require.Equal(t, 1, b.org.Requests()["find_user"])

	b = newBench(t, salesforcetest.Options{}, func(cfg *salesforce.Config) { cfg.AgentField = "Email" })
	for _, name := range []string{"one", "two"} {
		b.org.Add("User", map[string]any{"Username": name, "Email": "team@acme.com", "IsActive": true})
	}
	found := b.FindUsers(t.Context(), []string{"team@acme.com", "nobody@acme.com"})
	require.Equal(t, "invalid", kindOf(found[0].Err))
	require.Equal(t, crm.UserFound{}, found[1])
}

func TestFindingSeveralLogsTakesTheOldest(t *testing.T) {
	b := newBench(t, salesforcetest.Options{}, inserting)
	first := b.Write(t.Context(), many(1))[0].LogID
	b.Write(t.Context(), many(1))
	b.Write(t.Context(), []crm.Write{{Call: ended("CALL-0000")}})
	found := b.FindLogs(t.Context(), []call.Call{ended("call-0000"), ended("call-0001")})
	require.Equal(t, []crm.LogFound{{LogID: first}, {}}, found)
}

// TestManyHits: what does not fit a page is asked for again, and only a value with more hits is cut off.
func TestManyHits(t *testing.T) {
	b := newBench(t, salesforcetest.Options{PageSize: 3})
	for range 4 {
		b.org.AddRecord("Contact", "campaign", "+84912345678")
	}
	one := b.org.AddRecord("Contact", "T-1", "+84987654321")
	found := b.Find(t.Context(), []crm.Lookup{
		{Object: "Contact", TransactionID: "campaign"},
		{Object: "Contact", TransactionID: "T-1"},
		{Object: "Contact", TransactionID: "t-1"},
		{Object: "Nothing", TransactionID: "T-1"},
	})
	require.True(t, found[0].Truncated)
	require.Len(t, found[1].Records, 1)
	require.Equal(t, one, found[1].Records[0].ID)
	require.Equal(t, crm.Found{}, found[2], "upper and lower case are not the same")
	require.Empty(t, found[3].Records)
}

// TestLongQueries: many and long values are cut into queries that the server takes.
func TestLongQueries(t *testing.T) {
	b := newBench(t, salesforcetest.Options{})
	var lookups []crm.Lookup
	for i := range 60 {
		id := strings.Repeat("Ệ'\\", 30+i)
		b.org.AddRecord("Contact", id, "")
		lookups = append(lookups, crm.Lookup{Object: "Contact", TransactionID: id},
			crm.Lookup{Object: "Lead", Phone: call.ParseNumber("09123456"+string(rune('0'+i/10))+string(rune('0'+i%10)), "VN")})
	}
	for i, found := range b.Find(t.Context(), lookups) {
		require.NoError(t, found.Err)
		require.Len(t, found.Records, 1-i%2)
	}
}

func TestCreatingContactsFails(t *testing.T) {
	b := newBench(t, salesforcetest.Options{}, func(cfg *salesforce.Config) { cfg.NewContact.Company = "" })
	found := b.CreateContacts(t.Context(), []call.Call{ended("c1")})[0]
	require.Equal(t, "invalid", kindOf(found.Err))
	require.ErrorContains(t, found.Err, "REQUIRED_FIELD_MISSING: Required fields are missing: [Company]")
	require.Empty(t, found.Records)
	b.server.Inject(crmtest.Lose())
	require.Equal(t, "in_doubt", kindOf(b.CreateContacts(t.Context(), []call.Call{ended("c1")})[0].Err))
}
