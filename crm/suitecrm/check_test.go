package suitecrm_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/configs/secret"
	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/crmtest"
	"github.com/crmsyncd/crmsyncd/crm/suitecrm"
	"github.com/crmsyncd/crmsyncd/crm/suitecrm/suitecrmtest"
)

// bad returns the findings that are not fine, by subject.
func bad(findings []crm.Finding) map[string]string {
	problems := map[string]string{}
	for _, f := range findings {
		if f.Err != nil {
			problems[f.Subject] = f.Err.Error()
		}
	}
	return problems
}

func TestCheckOfAServerThatIsReady(t *testing.T) {
	b := newBench(t, suitecrmtest.Options{})
	findings := b.Check(t.Context())
	require.Empty(t, bad(findings))
	require.Greater(t, len(findings), 20)
	require.Zero(t, b.crm.Requests()["write"])
}

func TestCheck(t *testing.T) {
	nothing := func(*suitecrm.Config, *api.Options) {}
	for name, test := range map[string]struct {
		options suitecrmtest.Options
		adapter func(*suitecrm.Config, *api.Options)
		define  func(*suitecrmtest.CRM)
		bad     map[string]string
	}{
		"wrong secret": {
			adapter: func(cfg *suitecrm.Config, _ *api.Options) { cfg.ClientSecret = secret.New("another") },
			bad:     map[string]string{"credentials": "client_id and client_secret"},
		},
		"wrong password": {
			options: suitecrmtest.Options{PasswordGrant: true},
			adapter: func(cfg *suitecrm.Config, _ *api.Options) { cfg.Username, cfg.Password = "crmsyncd", secret.New("x") },
			bad:     map[string]string{"credentials": "or username and password"},
		},
		"a SuiteCRM 7": {
			options: suitecrmtest.Options{Version7: true},
			bad:     map[string]string{"credentials": "set legacy to it"},
		},
		"a SuiteCRM 8 taken for a 7": {
			adapter: func(cfg *suitecrm.Config, _ *api.Options) { cfg.Legacy = false },
			bad:     map[string]string{"credentials": "the API answers at true"},
		},
		"no fields": {
			options: suitecrmtest.Options{Bare: true},
			bad: map[string]string{
				"field Calls.call_id_c": "named call_id (", "field Calls.recording_url_c": "type url named recording_url",
				"field Calls.duration_seconds_c":  "type int",
				"field Contacts.transaction_id_c": "Studio > Contacts", "field Leads.transaction_id_c": "64 characters",
				"find Contacts by transaction id": "400", "find Leads by transaction id": "400",
			},
		},
		"fields that do not fit": {
			define: func(c *suitecrmtest.CRM) {
				c.Define("Calls", "recording_url_c", "varchar", 150)
				c.Define("Calls", "call_id_c", "int", 11)
			},
			bad: map[string]string{
				"field Calls.recording_url_c": "from 150 to 255", "field Calls.call_id_c": "of type int",
			},
		},
		"no rights": {
			options: suitecrmtest.Options{Denied: map[string][]string{"Calls": {"edit"}, "Leads": {"list"}}},
			bad: map[string]string{
				"right to edit Calls": "Role Management", "right to list Leads": "Role Management",
			},
		},
		"before 7.11.13": {
			options: suitecrmtest.Options{OrLetsAllThrough: true},
			bad:     map[string]string{"find Contacts by phone": "7.11.13", "find Leads by phone": "7.11.13"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			fake := suitecrmtest.New(test.options)
			fake.AddRecord("Contacts", "T-1", "0912345678")
			fake.AddRecord("Leads", "T-1", "0912345678")
			if test.define != nil {
				test.define(fake)
			}
			if test.adapter == nil {
				test.adapter = nothing
			}
			got := bad(newAdapter(t, crmtest.NewServer(t, fake).URL, test.adapter).Check(t.Context()))
			require.Len(t, got, len(test.bad), "%v", got)
			for subject, words := range test.bad {
				require.Contains(t, got[subject], words, subject)
			}
		})
	}
}

func TestSuiteCRM7(t *testing.T) {
	b := newBench(t, suitecrmtest.Options{Version7: true}, func(cfg *suitecrm.Config, _ *api.Options) {
		cfg.Legacy = false
	})
	require.Empty(t, bad(b.Check(t.Context())))
	b.write(t, crm.Write{Call: endedCall("call-1")})
}

func TestPlan(t *testing.T) {
	b := newBench(t, suitecrmtest.Options{Bare: true})
	plan, err := b.Plan(t.Context())
	require.NoError(t, err)
	var manual []string
	for _, p := range plan {
		require.Equal(t, p.Done, p.Manual == "")
		if !p.Done {
			manual = append(manual, p.Name)
			kind(t, crm.KindInvalid, b.Prepare(t.Context(), p))
		}
	}
	require.ElementsMatch(t, []string{
		"Calls.call_id_c", "Calls.recording_url_c", "Calls.duration_seconds_c", "Contacts.transaction_id_c",
		"Leads.transaction_id_c",
	}, manual)

	b.server.Inject(crmtest.Drop())
	_, err = b.Plan(t.Context())
	kind(t, crm.KindTransient, err)
}
