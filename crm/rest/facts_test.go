package rest_test

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/crm/rest"
)

// These are what single servers do that others do not.

// serve returns an adapter for a vendor's fake.
func serve(t *testing.T, name string, f http.Handler) *rest.Adapter {
	t.Helper()
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	return vendorAdapter(t, name, server.URL)
}

func lookUp(t *testing.T, a *rest.Adapter, l crm.Lookup) crm.Found {
	t.Helper()
	found := a.Find(t.Context(), []crm.Lookup{l})
	require.Len(t, found, 1)
	return found[0]
}

func write(t *testing.T, a *rest.Adapter, w crm.Write) crm.Written {
	t.Helper()
	written := a.Write(t.Context(), []crm.Write{w})
	require.Len(t, written, 1)
	return written[0]
}

func TestRedmineFilterThatIsDroppedMatchesNobody(t *testing.T) {
	f := newRedmine()
	f.AddRecord("lead", "T-1", "+84912345678")
	f.AddRecord("lead", "T-2", "+84987654321")
	f.add(calls, row{callID: "somebody else's"})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		query.Del("cf_3")
		query.Del("cf_4")
		query.Del("cf_5")
		r.URL.RawQuery = query.Encode()
		f.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	a := vendorAdapter(t, "redmine", server.URL)

	require.Equal(t, crm.Found{}, lookUp(t, a, crm.Lookup{Object: "lead", TransactionID: "T-9"}))
	require.Equal(t, crm.Found{}, lookUp(t, a, crm.Lookup{Object: "lead", Phone: call.ParseNumber("0933333333", "VN")}))
	found := lookUp(t, a, crm.Lookup{Object: "lead", TransactionID: "T-2"})
	require.Len(t, found.Records, 1, "the one that carries it is still found")
	require.Equal(t, []crm.LogFound{{}}, a.FindLogs(t.Context(), []call.Call{endedCall()}))

	failing := 0
	for _, finding := range a.Check(t.Context()) {
		if finding.Err != nil {
			failing++
			require.ErrorContains(t, finding.Err, "ignores the filter")
		}
	}
	require.Equal(t, 3, failing)
}

func TestLongIDsKeepAllDigits(t *testing.T) {
	f := newCorteza()
	a := serve(t, "corteza", f)
	lead := f.AddRecord("lead", "T-1", "")
	require.Equal(t, "412345678901234001", lead)
	require.Equal(t, lead, lookUp(t, a, crm.Lookup{Object: "lead", TransactionID: "T-1"}).Records[0].ID)
	require.Equal(t, "412345678901234003", write(t, a, crm.Write{Call: endedCall()}).LogID)

	f = newNocoDB() // the same, sent as JSON numbers
	f.lastID = 912345678901234566
	a = serve(t, "nocodb", f)
	id := write(t, a, crm.Write{Call: endedCall()}).LogID
	require.Equal(t, "912345678901234567", id)
	require.NoError(t, write(t, a, crm.Write{Call: endedCall(), LogID: id}).Err)
	require.Len(t, f.Logs(), 1)
}

func TestCortezaDuplicateNamesTheLog(t *testing.T) {
	f := newCorteza()
	a := serve(t, "corteza", f)
	id := write(t, a, crm.Write{Call: endedCall()}).LogID
	again := write(t, a, crm.Write{Call: endedCall()})
	require.Equal(t, crm.KindExists, crm.Classify(again.Err).Kind)
	require.Equal(t, id, again.LogID)
}

func TestCortezaTokenIsRenewedWhenItIsRefused(t *testing.T) {
	f := newCorteza()
	a := serve(t, "corteza", f)
	require.NoError(t, write(t, a, crm.Write{Call: endedCall()}).Err)
	f.add("tokens", row{}) // from now on the first token is not valid any more
	require.NoError(t, lookUp(t, a, crm.Lookup{Object: "lead", TransactionID: "T-1"}).Err)
	require.Len(t, f.find("tokens", "", ""), 3, "one fetched first, one that replaced it, one renewed")
}

func TestDirectusDuplicateIsFoundByItsCallID(t *testing.T) {
	f := newDirectus()
	a := serve(t, "directus", f)
	id := write(t, a, crm.Write{Call: endedCall()}).LogID
	again := write(t, a, crm.Write{Call: endedCall()})
	require.Equal(t, crm.KindExists, crm.Classify(again.Err).Kind)
	require.Empty(t, again.LogID, "the answer does not say which")
	require.Equal(t, id, a.FindLogs(t.Context(), []call.Call{endedCall()})[0].LogID)
}

func TestRTValueDroppedInSilence(t *testing.T) {
	f := newRT()
	a := serve(t, "rt", f)
	c := endedCall()
	c.ID = "dropped-1"
	written := write(t, a, crm.Write{Call: c})
	require.Equal(t, crm.KindInvalid, crm.Classify(written.Err).Kind)
	require.ErrorContains(t, written.Err, "did not keep")
	require.Equal(t, f.Logs()[0].ID, written.LogID, "the log is there, and must not be made again")
}

func TestEspoCRMUserAndContact(t *testing.T) {
	f := newEspoCRM()
	a := serve(t, "espocrm", f)
	f.add(users, row{name: "an.nguyen"})
	user := f.find(users, name, "an.nguyen")[0]["id"]
	require.Equal(t, []crm.UserFound{{UserID: user}, {}, {}}, a.FindUsers(t.Context(), []string{"an.nguyen", "binh", " "}))
	f.add(users, row{name: "an.nguyen"})
	require.Equal(t, crm.KindInvalid, crm.Classify(a.FindUsers(t.Context(), []string{"an.nguyen"})[0].Err).Kind)

	c := endedCall()
	made := a.CreateContacts(t.Context(), []call.Call{c})
	require.NoError(t, made[0].Err)
	require.Len(t, made[0].Records, 1)
	require.Equal(t, f.find(leads, phone, c.Customer.E164)[0]["id"], made[0].Records[0].ID)
	require.Equal(t, "lead", made[0].Records[0].Object)

	again := a.CreateContacts(t.Context(), []call.Call{c}) // 409 with the existing ones
	require.NoError(t, again[0].Err)
	require.Len(t, again[0].Records, 1)
	require.Equal(t, made[0].Records[0].ID, again[0].Records[0].ID)
	require.Len(t, f.find(leads, "", ""), 1)
}

func TestEspoCRMWordsStandInAHeader(t *testing.T) {
	f := newEspoCRM()
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	cfg := readConfig(t, "testdata/espocrm.yaml")
	cfg.BaseURL = moved(t, cfg.BaseURL, server.URL)
	cfg.Calls.Create.Body.(map[string]any)["assignedUserId"] = "${owner}"
	written := write(t, newAdapter(t, cfg), crm.Write{Call: endedCall()})
	require.Equal(t, crm.KindInvalid, crm.Classify(written.Err).Kind)
	require.ErrorContains(t, written.Err, "field: assignedUser, type: required")
}

func TestCheckOfWhatIsFine(t *testing.T) {
	forEachVendor(t, func(t *testing.T, v vendor, f *fake) {
		t.Helper()
		var writes atomic.Int32
		a := serve(t, v.name, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodGet && r.URL.Path != "/auth/oauth2/token" {
				writes.Add(1)
			}
			f.ServeHTTP(w, r)
		}))
		f.AddRecord("lead", "T-1", "+84912345678")
		findings := a.Check(t.Context())
		require.Equal(t, crm.Finding{Subject: "credentials", Detail: "taken"}, findings[0])
		require.GreaterOrEqual(t, len(findings), 4)
		for _, finding := range findings {
			require.NoError(t, finding.Err)
			require.NotEmpty(t, finding.Detail)
		}
		require.Zero(t, writes.Load())
	})
}

func TestCheckOfWrongCredentials(t *testing.T) {
	f := newNocoDB()
	f.value = "another"
	findings := serve(t, "nocodb", f).Check(t.Context())
	require.Equal(t, "credentials", findings[0].Subject)
	require.Equal(t, crm.KindUnauthorized, crm.Classify(findings[0].Err).Kind)
}
