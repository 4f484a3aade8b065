package dynamics_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/crm/dynamics"
	"github.com/crmsyncd/crmsyncd/crm/dynamics/dynamicstest"
)

func TestFindAnything(t *testing.T) {
	b := newBench(t, dynamicstest.Options{})
	rapid.Check(t, func(rt *rapid.T) {
		id := rapid.StringMatching(`[a-zA-Z0-9'"&+%#?/\\ ,\]\[@=đ]{1,30}`).Draw(rt, "id")
		if strings.TrimSpace(id) == "" {
			return
		}
		record := b.crm.AddRecord("contact", strings.TrimSpace(id), "")
		found := b.Find(t.Context(), []crm.Lookup{{Object: "contact", TransactionID: id}})[0]
		require.NoError(rt, found.Err)
		var ids []string
		for _, r := range found.Records {
			ids = append(ids, r.ID)
		}
		require.Contains(rt, ids, record)
		b.crm.Delete(record)
	})
}

// TestFindManyInShortURLs: as many values in a request as query_size allows.
func TestFindManyInShortURLs(t *testing.T) {
	b := newBench(t, dynamicstest.Options{}, func(cfg *dynamics.Config) { cfg.QuerySize, cfg.Concurrency = 1000, 2 })
	b.server.Inject(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if len(r.URL.RequestURI()) > 1400 {
			w.WriteHeader(http.StatusRequestURITooLong)
			return
		}
		next.ServeHTTP(w, r)
	})
	var lookups []crm.Lookup
	for i := range 200 {
		lookups = append(lookups, crm.Lookup{Object: "contact", TransactionID: fmt.Sprintf("T-%036d", i)})
		b.crm.AddRecord("contact", lookups[i].TransactionID, "")
	}
	for _, found := range b.Find(t.Context(), lookups) {
		require.NoError(t, found.Err)
		require.Len(t, found.Records, 1)
	}
	require.LessOrEqual(t, b.crm.Requests()["find"], 11)
}

// TestFurtherPages: the link to a further page is not followed; what it would have held is asked for in halves.
func TestFurtherPages(t *testing.T) {
	b := newBench(t, dynamicstest.Options{PageSize: 3})
	var lookups []crm.Lookup
	for i := range 10 {
		lookups = append(lookups, crm.Lookup{Object: "contact", TransactionID: fmt.Sprintf("T-%02d", i)})
		b.crm.AddRecord("contact", lookups[i].TransactionID, "")
	}
	for range 4 {
		b.crm.AddRecord("contact", "T-05", "")
	}
	for i, found := range b.Find(t.Context(), lookups) {
		require.NoError(t, found.Err)
		require.Equal(t, i == 5, found.Truncated)
		require.Len(t, found.Records, map[bool]int{false: 1, true: 3}[i == 5])
	}
}

func TestFindOnlyWhatIsOpen(t *testing.T) {
	b := newBench(t, dynamicstest.Options{})
	merged, kept := b.crm.AddRecord("contact", "", "+84912345678"), b.crm.AddRecord("contact", "", "0912345678")
	b.crm.Set(merged, "statecode", int64(1))
	b.crm.AddRecord("contact", "t-1001", "")
	found := b.Find(t.Context(), []crm.Lookup{
		{Object: "contact", Phone: call.ParseNumber("0912345678", "VN")},
		{Object: "contact", TransactionID: "T-1001"},
		{Object: "account", TransactionID: "T-1001"},
	})
	require.Len(t, found[0].Records, 1)
	require.Equal(t, kept, found[0].Records[0].ID)
	require.Empty(t, found[1].Records, "Dataverse compares without case, we do not")
	require.Equal(t, crm.Found{}, found[2], "not configured")
}

func TestFindUsers(t *testing.T) {
	b := newBench(t, dynamicstest.Options{}, func(cfg *dynamics.Config) { cfg.AgentDomain = "acme.com" })
	user := func(mail, login string, disabled bool) string {
		return b.crm.Add("systemuser", map[string]any{
			"internalemailaddress": mail, "domainname": login, "isdisabled": disabled,
		})
	}
	an, binh := user("an@acme.com", "an.nguyen@acme.com", false), user("b@acme.com", "binh@acme.com", false)
	user("left@acme.com", "left@acme.com", true)
	user("twin@acme.com", "t1@acme.com", false)
	user("twin@acme.com", "t2@acme.com", false)
	found := b.FindUsers(t.Context(), []string{"an", "AN.nguyen@acme.com", "binh", "left", "twin", "nobody"})
	require.Equal(t, []crm.UserFound{{UserID: an}, {UserID: an}, {UserID: binh}, {}}, found[:4])
	require.ErrorContains(t, found[4].Err, "several enabled users have the internalemailaddress of the agent")
	require.Equal(t, crm.UserFound{}, found[5])
	require.Equal(t, 2, b.crm.Requests()["find_user"])
}

func TestCreateContacts(t *testing.T) {
	b := newBench(t, dynamicstest.Options{})
	other := ended("c2")
	other.Customer = call.ParseNumber("0987654321", "VN")
	first := b.CreateContacts(t.Context(), []call.Call{ended("c1"), other})
	require.NoError(t, first[0].Err)
	id := first[0].Records[0].ID
	b.crm.Set(id, "lastname", "Nguyễn")
	require.Equal(t, first, b.CreateContacts(t.Context(), []call.Call{ended("c3"), other}))
	require.Equal(t, "Nguyễn", b.crm.Value(id, "lastname"), "a repeat changes nothing")
	require.NoError(t, b.one(t, crm.Write{Call: ended("c1"), Record: &first[0].Records[0]}).Err)

	b.server.Close()
	require.Equal(t, "transient", kindOf(b.CreateContacts(t.Context(), []call.Call{ended("c4")})[0].Err))
}
