package odoo_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/configs/secret"
	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/crm/crmtest"
	"github.com/crmsyncd/crmsyncd/crm/odoo"
	"github.com/crmsyncd/crmsyncd/crm/odoo/odootest"
)

func TestVersions(t *testing.T) {
	for name, test := range map[string]struct {
		version, api string
		want         map[string]int // requests besides the look-up itself
	}{
		"19":            {"19.0", "auto", map[string]int{"version": 1}},
		"online":        {"saas~19.2", "auto", map[string]int{"version": 1}},
		"18":            {"18.0", "auto", map[string]int{"version": 1, "token": 1}},
		"14":            {"14.0", "auto", map[string]int{"version": 1, "token": 1}},
		"19 as told":    {"19.0", "json2", map[string]int{}},
		"19 by JSONRPC": {"19.0", "jsonrpc", map[string]int{"token": 1}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, odootest.Options{Version: test.version}, func(cfg *odoo.Config) { cfg.API = test.api })
			id := b.crm.AddRecord("res.partner", "T-1", "")
			for range 3 {
				found := b.Find(t.Context(), []crm.Lookup{{Object: "res.partner", TransactionID: "T-1"}})[0]
				require.NoError(t, found.Err)
				require.Equal(t, id, found.Records[0].ID)
			}
			test.want["find"], test.want["describe"] = 3, 1
			require.Equal(t, test.want, b.crm.Requests())
		})
	}
}

func TestOldServerNeedsLogin(t *testing.T) {
	b := newBench(t, odootest.Options{Version: "17.0"}, func(cfg *odoo.Config) { cfg.Login = "" })
	written := b.Write(t.Context(), many(1))[0]
	require.Equal(t, "unauthorized", kindOf(written.Err))
	require.ErrorContains(t, written.Err, "set login")
}

func TestCredentials(t *testing.T) {
	for name, test := range map[string]struct {
		version string
		change  func(*odoo.Config)
		words   string
	}{
		"key":            {"19.0", func(cfg *odoo.Config) { cfg.Token = secret.New("an-old-key") }, "three months"},
		"key, old":       {"16.0", func(cfg *odoo.Config) { cfg.Token = secret.New("an-old-key") }, "three months"},
		"database":       {"19.0", func(cfg *odoo.Config) { cfg.Database = "other" }, "database"},
		"database, old":  {"16.0", func(cfg *odoo.Config) { cfg.Database = "other" }, "does not exist"},
		"model":          {"19.0", func(cfg *odoo.Config) { cfg.Calls.Model = "x_other" }, "does not exist"},
		"model, old":     {"16.0", func(cfg *odoo.Config) { cfg.Calls.Model = "x_other" }, "doesn't exist"},
		"newer than old": {"16.0", func(cfg *odoo.Config) { cfg.API = "json2" }, "does not know the path"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, odootest.Options{Version: test.version}, test.change)
			written := b.Write(t.Context(), many(1))[0]
			require.Equal(t, "unauthorized", kindOf(written.Err), "%v", written.Err)
			require.ErrorContains(t, written.Err, test.words)
			require.NotContains(t, written.Err.Error(), "an-old-key")
		})
	}
}

// TestUpgrade: a server that was upgraded, or moved back, is asked again how to speak to it.
func TestUpgrade(t *testing.T) {
	b := newBench(t, odootest.Options{Version: "19.0"})
	require.NoError(t, b.Write(t.Context(), many(1))[0].Err)
	old := odootest.New(odootest.Options{Version: "17.0"})
	b.server.Inject(crmtest.Fault(toward(old)))
	require.Equal(t, "unauthorized", kindOf(b.Write(t.Context(), many(1))[0].Err))
	require.NoError(t, b.Write(t.Context(), many(1))[0].Err)
	require.Len(t, old.Logs(), 1)
}

// TestPhones: numbers are found as Odoo writes them, and fields that a version lacks are not asked for.
func TestPhones(t *testing.T) {
	for _, version := range []string{"19.0", "17.0"} {
		b := newBench(t, odootest.Options{Version: version})
		ids := map[string]bool{}
		for _, phone := range []string{"+84 912 345 678", "0912 345 678", "0912345678", "84912345678", "+84912345678"} {
			ids[b.crm.AddRecord("res.partner", "", phone)] = true
		}
		if version == "17.0" {
			ids[b.crm.Add("res.partner", map[string]any{"phone": "028 3822 1234", "mobile": "0912.345.678"})] = true
		}
		b.crm.AddRecord("res.partner", "", "0912345679")
		found := b.Find(t.Context(), []crm.Lookup{{Object: "res.partner", Phone: call.ParseNumber("0912345678", "VN")}})[0]
		require.NoError(t, found.Err)
		require.Len(t, found.Records, len(ids))
		for _, r := range found.Records {
			require.True(t, ids[r.ID])
		}
	}
}

func TestConfiguredPhones(t *testing.T) {
	b := newBench(t, odootest.Options{}, func(cfg *odoo.Config) { cfg.Objects[0].Phones = []string{"phone"} })
	id := b.crm.AddRecord("res.partner", "", "0912345678")
	b.crm.AddRecord("res.partner", "", "0912.345.678")
	found := b.Find(t.Context(), []crm.Lookup{{Object: "res.partner", Phone: call.ParseNumber("0912345678", "VN")}})[0]
	require.NoError(t, found.Err)
	require.Len(t, found.Records, 1)
	require.Equal(t, id, found.Records[0].ID)
	require.Zero(t, b.crm.Requests()["describe"])
}

func TestOwnersAndArchived(t *testing.T) {
	b := newBench(t, odootest.Options{})
	id, lost := b.crm.AddRecord("crm.lead", "T-1", ""), b.crm.AddRecord("crm.lead", "T-1", "")
	b.crm.Set("crm.lead", id, "user_id", int64(12))
	b.crm.Set("crm.lead", lost, "active", false)
	found := b.Find(t.Context(), []crm.Lookup{{Object: "crm.lead", TransactionID: "T-1"}})[0]
	require.NoError(t, found.Err)
	require.Len(t, found.Records, 1)
	require.Equal(t, "12", found.Records[0].Owner)
}

func TestUsers(t *testing.T) {
	b := newBench(t, odootest.Options{})
	an := b.crm.AddUser("an.nguyen@acme.vn")
	binh := b.crm.AddUser("binh")
	b.crm.Set("res.users", binh, "email", "Binh.Tran@acme.vn")
	first, second := b.crm.AddUser("c1"), b.crm.AddUser("c2")
	b.crm.Set("res.users", first, "email", "chi@acme.vn")
	b.crm.Set("res.users", second, "email", "chi@acme.vn")
	gone, portal := b.crm.AddUser("gone"), b.crm.AddUser("portal")
	b.crm.Set("res.users", gone, "active", false)
	b.crm.Set("res.users", portal, "share", true)
	d := b.crm.AddUser("d@acme.vn")
	b.crm.Set("res.users", b.crm.AddUser("other"), "email", "d@acme.vn")
	users := b.FindUsers(t.Context(), []string{
		"An.Nguyen@acme.vn", "Binh.Tran@acme.vn", "chi@acme.vn", "gone", "portal", "nobody", " c1 ", "d@acme.vn",
	})
	require.Equal(t, "invalid", kindOf(users[2].Err))
	users[2].Err = nil
	require.Equal(t, []crm.UserFound{
		{UserID: an}, {UserID: binh}, {}, {}, {}, {}, {UserID: first}, {UserID: d},
	}, users, "a login goes before an e-mail")
	require.Equal(t, 1, b.crm.Requests()["find_user"])
}

func TestContacts(t *testing.T) {
	for _, version := range []string{"19.0", "16.0"} {
		b := newBench(t, odootest.Options{Version: version})
		calls := []call.Call{ended("a"), ended("b"), ended("c")}
		calls[1].Customer = call.ParseNumber("0987654321", "VN")
		calls[2].Customer = call.Number{Raw: "1800"}
		b.crm.Refuse("+84987654321", "This number is blocked")
		found := b.CreateContacts(t.Context(), calls)
		require.Equal(t, "invalid", kindOf(found[1].Err))
		for i, number := range map[int]string{0: "+84912345678", 2: "1800"} {
			require.NoError(t, found[i].Err)
			require.Equal(t, "res.partner", found[i].Records[0].Object)
			require.Equal(t, number, b.crm.Value("res.partner", found[i].Records[0].ID, "phone"))
			require.Equal(t, number, b.crm.Value("res.partner", found[i].Records[0].ID, "name"))
		}
		b.server.Inject(crmtest.Lose())
		require.Equal(t, "in_doubt", kindOf(b.CreateContacts(t.Context(), calls[:1])[0].Err))
	}
}

// TestFieldsAreReadAgain: what an administrator adds counts without a restart.
func TestFieldsAreReadAgain(t *testing.T) {
	now := time.Now()
	fake := odootest.New(odootest.Options{Bare: true})
	server := crmtest.NewServer(t, fake)
	a := newAdapter(t, configuration(server.URL), func(o *api.Options) { o.Now = func() time.Time { return now } })
	admin := newAdapter(t, configuration(server.URL))
	require.NoError(t, a.Write(t.Context(), many(1))[0].Err)
	require.NoError(t, admin.Prepare(t.Context(), crm.Preparation{Name: "crm.phonecall.x_recording_url"}))
	now = now.Add(11 * time.Minute)
	writes := many(1)
	writes[0].Call.RecordingURL = "https://media.example.com/a.mp3"
	written := a.Write(t.Context(), writes)[0]
	require.NoError(t, written.Err)
	require.Equal(t, writes[0].Call.RecordingURL, fake.Value("crm.phonecall", written.LogID, "x_recording_url"))
}
