package espocrm_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/crm/crmtest"
	"github.com/crmsyncd/crmsyncd/crm/espocrm"
	"github.com/crmsyncd/crmsyncd/crm/espocrm/espocrmtest"
)

func TestFindByANumberThatListsDoNotShow(t *testing.T) {
	b := newBench(t)
	id := b.crm.AddRecord("Contact", "", "+84987654321")
	b.crm.AddNumber("Contact", id, "+84912345678")
	b.crm.AddRecord("Contact", "", "+84933333333")
	found := b.Find(t.Context(), []crm.Lookup{{Object: "Contact", Phone: call.ParseNumber("0912345678", "VN")}})[0]
	require.NoError(t, found.Err)
	require.Len(t, found.Records, 1)
	require.Equal(t, id, found.Records[0].ID)
	require.Equal(t, map[string]int{"find": 1, "read": 1}, b.crm.Requests(), "one record is read whole")
}

func TestRecordThatGoesWhileItsNumbersAreRead(t *testing.T) {
	for name, test := range map[string]struct {
		fault crmtest.Fault
		kind  crm.Kind
		fails bool
	}{
		"gone":   {fault: crmtest.Say(crmtest.Answer{Status: 404})},
		"broken": {crmtest.Drop(), crm.KindTransient, true},
		"busy":   {crmtest.Say(espocrmtest.Throttled(time.Second)), crm.KindThrottled, true},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			id := b.crm.AddRecord("Contact", "", "+84987654321")
			b.crm.AddNumber("Contact", id, "+84912345678")
			b.server.Inject(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				if strings.HasSuffix(r.URL.Path, id) {
					test.fault(w, r, next)
					return
				}
				next.ServeHTTP(w, r)
			})
			found := b.Find(t.Context(), []crm.Lookup{{Object: "Contact", Phone: call.ParseNumber("0912345678", "VN")}})[0]
			require.Empty(t, found.Records)
			if test.fails {
				kind(t, test.kind, found.Err)
				return
			}
			require.NoError(t, found.Err)
		})
	}
}

func TestNumbersOfOldInstallations(t *testing.T) {
	fake := newCRM(func(o *espocrmtest.Options) { o.LocalNumbers = true })
	a := newAdapter(t, crmtest.NewServer(t, fake).URL)
	id := fake.AddRecord("Lead", "", "0912345678")
	found := a.Find(t.Context(), []crm.Lookup{{Object: "Lead", Phone: call.ParseNumber("+84912345678", "VN")}})[0]
	require.NoError(t, found.Err)
	require.Len(t, found.Records, 1)
	require.Equal(t, id, found.Records[0].ID)
}

// TestManyRecordsOfOneTransaction: the first page is full, so the values are asked for in halves.
func TestManyRecordsOfOneTransaction(t *testing.T) {
	b := newBench(t)
	for range 250 {
		b.crm.AddRecord("Contact", "campaign", "")
	}
	id := b.crm.AddRecord("Contact", "T-1", "")
	found := b.Find(t.Context(), []crm.Lookup{
		{Object: "Contact", TransactionID: "campaign"}, {Object: "Contact", TransactionID: "T-1"},
	})
	require.NoError(t, found[0].Err)
	require.True(t, found[0].Truncated)
	require.False(t, found[1].Truncated)
	require.Len(t, found[1].Records, 1)
	require.Equal(t, id, found[1].Records[0].ID)
}

func TestLongValuesFitIntoURLs(t *testing.T) {
	b := newBench(t)
	var lookups []crm.Lookup
	for i := range 300 {
		id := fmt.Sprintf("chiến-dịch-%03d-%s", i, strings.Repeat("ạ", 20))
		b.crm.AddRecord("Contact", id, "")
		lookups = append(lookups, crm.Lookup{Object: "Contact", TransactionID: id})
	}
	for _, found := range b.Find(t.Context(), lookups) {
		require.NoError(t, found.Err)
		require.Len(t, found.Records, 1)
	}
}

func TestObjectWithoutNumbers(t *testing.T) {
	b := newBench(t, func(cfg *espocrm.Config, _ *api.Options) {
		cfg.Objects = []espocrm.Object{{Name: "Opportunity", TransactionID: "cTransactionId"}}
	})
	require.False(t, b.Traits().ByPhone)
	b.crm.AddRecord("Opportunity", "T-1", "")
	found := b.Find(t.Context(), []crm.Lookup{
		{Object: "Opportunity", TransactionID: "T-1"}, {Object: "Opportunity", Phone: call.ParseNumber("0912345678", "VN")},
	})
	require.Len(t, found[0].Records, 1)
	require.Equal(t, crm.Found{}, found[1])
}

func TestFindUsers(t *testing.T) {
	b := newBench(t)
	mail := b.crm.AddUser("binh.le@example.com")
	b.crm.Edit("User", fallbackID, map[string]any{"isActive": false})
	b.crm.Edit("User", b.crm.AddUser("twin"), map[string]any{"emailAddress": "twin@example.com"})
	b.crm.Edit("User", b.crm.AddUser("other"), map[string]any{"emailAddress": "twin@example.com"})
	names := []string{"AN.NGUYEN", "Binh.Le@example.com", "reception", "nobody", "twin@example.com"}
	found := b.FindUsers(t.Context(), names)
	require.Len(t, found, len(names))
	require.Equal(t, []crm.UserFound{{UserID: agentID}, {UserID: mail}, {}, {}}, found[:4])
	require.Empty(t, found[4].UserID)
	kind(t, crm.KindInvalid, found[4].Err)
	require.Equal(t, 1, b.server.Requests())
}

func TestFindUsersFails(t *testing.T) {
	b := newBench(t)
	b.server.Inject(crmtest.Say(crmtest.Answer{Status: 403}))
	for _, found := range b.FindUsers(t.Context(), []string{"an.nguyen", "nobody"}) {
		kind(t, crm.KindForbidden, found.Err)
		require.Empty(t, found.UserID)
	}
}

// TestLaggingReplica: what a lagging database does not show yet is not there; the log of a create in doubt is found
// once it does, and no twin is made.
func TestLaggingReplica(t *testing.T) {
	now := time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC)
	fake := newCRM(func(o *espocrmtest.Options) {
		o.Now, o.SearchLag = func() time.Time { return now }, 3*time.Second
	})
	server := crmtest.NewServer(t, fake)
	a := newAdapter(t, server.URL)
	server.Inject(crmtest.Lose())
	w := crm.Write{Call: endedCall("call-1"), Owner: agentID}
	written := a.Write(t.Context(), []crm.Write{w})[0]
	kind(t, crm.KindInDoubt, written.Err)
	server.Inject(nil)
	require.Equal(t, []crm.LogFound{{}}, a.FindLogs(t.Context(), []call.Call{w.Call}))
	now = now.Add(3 * time.Second)
	found := a.FindLogs(t.Context(), []call.Call{w.Call})
	require.Equal(t, fake.Logs()[0].ID, found[0].LogID)
	w.LogID, w.Progress = found[0].LogID, written.Progress
	require.NoError(t, a.Write(t.Context(), []crm.Write{w})[0].Err)
	require.Len(t, fake.Logs(), 1)
}

func TestTheOldestOfSeveralLogsCounts(t *testing.T) {
	b := newBench(t)
	first := b.write(t, crm.Write{Call: endedCall("call-1"), Owner: agentID})
	b.write(t, crm.Write{Call: endedCall("call-1"), Owner: agentID})
	require.Equal(t, []crm.LogFound{{LogID: first.LogID}}, b.FindLogs(t.Context(), []call.Call{endedCall("call-1")}))
}

func TestCreateContacts(t *testing.T) {
	for _, object := range []string{"Contact", "Lead", "Account"} {
		t.Run(object, func(t *testing.T) {
			b := newBench(t, func(cfg *espocrm.Config, _ *api.Options) {
				cfg.Objects = append(cfg.Objects, espocrm.Object{Name: "Account", Phones: []string{"phoneNumber"}})
				cfg.ContactObject = object
			})
			found := b.CreateContacts(t.Context(), []call.Call{endedCall("call-1")})[0]
			require.NoError(t, found.Err)
			require.Len(t, found.Records, 1)
			require.Equal(t, "+84912345678", b.crm.Values(object, found.Records[0].ID)["phoneNumber"])
			again := b.Find(t.Context(), []crm.Lookup{{Object: object, Phone: endedCall("").Customer}})[0]
			require.Equal(t, found.Records[0].ID, again.Records[0].ID)
		})
	}
}

func TestCreateContactThatIsThere(t *testing.T) {
	b := newBench(t)
	id := b.crm.AddRecord("Contact", "", "+84912345678")
	found := b.CreateContacts(t.Context(), []call.Call{endedCall("call-1")})[0]
	require.NoError(t, found.Err)
	require.Equal(t, id, found.Records[0].ID)

	b.crm.AddRecord("Contact", "", "+84912345678") // now there are two: none is guessed
	kind(t, crm.KindExists, b.CreateContacts(t.Context(), []call.Call{endedCall("call-1")})[0].Err)
}

func TestCreateContactOfTheSameName(t *testing.T) {
	b := newBench(t)
	b.crm.Edit("Contact", b.crm.AddRecord("Contact", "", "+84987654321"), map[string]any{"lastName": "+84912345678"})
	found := b.CreateContacts(t.Context(), []call.Call{endedCall("call-1")})[0]
	require.NoError(t, found.Err)
	require.Equal(t, "+84912345678", b.crm.Values("Contact", found.Records[0].ID)["phoneNumber"])
}

func TestCreateContactFails(t *testing.T) {
	hidden := endedCall("call-1")
	hidden.Customer = call.Number{}
	short := endedCall("call-2")
	short.Customer = call.ParseNumber("19001234", "VN")
	b := newBench(t)
	found := b.CreateContacts(t.Context(), []call.Call{hidden, short})
	kind(t, crm.KindInvalid, found[0].Err)
	require.Contains(t, classified(t, crm.KindInvalid, found[1].Err).Message, "phoneNumber")
	b.server.Inject(crmtest.Lose())
	kind(t, crm.KindInDoubt, b.CreateContacts(t.Context(), []call.Call{endedCall("call-3")})[0].Err)
}
