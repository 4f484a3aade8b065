package hubspot_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/configs/secret"
	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/hubspot"
	"github.com/crmsyncd/crmsyncd/crm/hubspot/hubspottest"
)

// problems returns the errors of a check by subject.
func problems(findings []crm.Finding) map[string]string {
	found := map[string]string{}
	for _, f := range findings {
		if f.Err != nil {
			found[f.Subject] = f.Err.Error()
		}
	}
	return found
}

func TestCheckOfAnAccountThatIsSetUp(t *testing.T) {
	b := newBench(t, hubspottest.Options{})
	before := b.crm.Logs()
	findings := b.adapter.Check(t.Context())
	require.Empty(t, problems(findings))
	require.Greater(t, len(findings), 8)
	for _, f := range findings {
		require.NotEmpty(t, f.Detail, f.Subject)
	}
	require.Equal(t, before, b.crm.Logs())
}

func TestCheckNamesWhatIsMissing(t *testing.T) {
	for name, test := range map[string]struct {
		options        hubspottest.Options
		change         func(*hubspot.Config)
		subject, words string
	}{
		"token": {
			change:  func(c *hubspot.Config) { c.Token = secret.New("wrong") },
			subject: "credentials and owners", words: "unauthorized",
		},
		"transaction id": {
			options: hubspottest.Options{Bare: true}, subject: "property transaction_id of contact", words: "crmsyncd setup",
		},
		"call id": {
			options: hubspottest.Options{Bare: true}, subject: "property alohub_call_id of call", words: "crmsyncd setup",
		},
		"call id that is not unique": {
			options: hubspottest.Options{NoUniqueCalls: true}, subject: "property alohub_call_id of call",
			words: "unique_property: false",
		},
		"phone": {
			change:  func(c *hubspot.Config) { c.Objects = []hubspot.Object{{Name: "contact", Phones: []string{"tel"}}} },
			subject: "property tel of contact", words: "objects: contact has no property tel",
		},
		"field of one's own": {
			change:  func(c *hubspot.Config) { c.Text.Fields = map[string]string{"mine": "x"} },
			subject: "property mine of call", words: "text.fields",
		},
		"type": {
			change:  func(c *hubspot.Config) { c.CallID, c.UniqueProperty = "hs_call_duration", false },
			subject: "property hs_call_duration of call", words: "has to be text",
		},
		"outcome": {
			change:  func(c *hubspot.Config) { c.Dispositions.Missed = "11111111-2222" },
			subject: "dispositions", words: "no call outcome 11111111-2222",
		},
		"right to read deals": {
			options: hubspottest.Options{Scopes: []string{"crm.objects.owners.read"}},
			change:  func(c *hubspot.Config) { c.Objects = []hubspot.Object{{Name: "deal"}} },
			subject: "find deal by transaction id", words: "scopes",
		},
		"right to write calls": {
			options: hubspottest.Options{Scopes: []string{"crm.objects.owners.read", "crm.objects.contacts.read"}},
			subject: "write calls", words: "scopes",
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, test.options, func(c *hubspot.Config, _ *api.Options) {
				if test.change != nil {
					test.change(c)
				}
			})
			found := problems(b.adapter.Check(t.Context()))
			require.Contains(t, found, test.subject)
			require.Contains(t, found[test.subject], test.words)
		})
	}
}

func TestPlanAndPrepare(t *testing.T) {
	b := newBench(t, hubspottest.Options{Bare: true}, func(c *hubspot.Config, _ *api.Options) {
		c.Objects = []hubspot.Object{{Name: "contact"}, {Name: "lead"}}
	})
	plan, err := b.adapter.Plan(t.Context())
	require.NoError(t, err)
	var names []string
	for _, p := range plan {
		names = append(names, p.Name)
		require.False(t, p.Done)
		require.Empty(t, p.Manual)
		require.NoError(t, b.adapter.Prepare(t.Context(), p))
		require.NoError(t, b.adapter.Prepare(t.Context(), p), "once more is harmless")
	}
	require.Equal(t, []string{"contact.transaction_id", "lead.transaction_id", "call.alohub_call_id"}, names)
	plan, err = b.adapter.Plan(t.Context())
	require.NoError(t, err)
	for _, p := range plan {
		require.True(t, p.Done, p.Name)
	}
	require.Empty(t, problems(b.adapter.Check(t.Context())))
	b.write(t, b.contact(answered("C-1")))
	require.Error(t, b.adapter.Prepare(t.Context(), crm.Preparation{Name: "contact.phone"}))
}

func TestAccountWithoutUniquePropertiesOnCalls(t *testing.T) {
	b := newBench(t, hubspottest.Options{Bare: true, NoUniqueCalls: true})
	plan, err := b.adapter.Plan(t.Context())
	require.NoError(t, err)
	err = b.adapter.Prepare(t.Context(), plan[len(plan)-1])
	require.ErrorContains(t, err, "set unique_property: false")

	b = newBench(t, hubspottest.Options{NoUniqueCalls: true})
	plan, err = b.adapter.Plan(t.Context())
	require.NoError(t, err)
	require.Contains(t, plan[len(plan)-1].Manual, "unique_property: false")

	// In operation nothing is parked and nothing is written twice: the target waits.
	requireKind(t, crm.KindUnauthorized, b.adapter.Write(t.Context(), b.hundred())[0].Err)
	require.Equal(t, map[string]int{"describe": len(plan), "write": 1}, b.crm.Requests(), "one request, not one a call")
	require.Empty(t, b.crm.Logs())
}

func TestConfigurationMistakes(t *testing.T) {
	require.NoError(t, config("https://api.hubapi.com").Validate())
	deal, own := hubspot.Object{Name: "deal"}, hubspot.Object{Name: "2-1", Type: "2-1"}
	for want, change := range map[string]func(*hubspot.Config){
		"token: is missing":                 func(c *hubspot.Config) { c.Token = secret.String{} },
		"oauth: is set as well as token":    func(c *hubspot.Config) { c.OAuth.ClientID = "x" },
		"oauth: needs client_id":            func(c *hubspot.Config) { c.Token, c.OAuth.ClientID = secret.String{}, "x" },
		`version: "v4" is neither`:          func(c *hubspot.Config) { c.Version = "v4" },
		"call_id: is missing":               func(c *hubspot.Config) { c.CallID = "" },
		"objects: are missing":              func(c *hubspot.Config) { c.Objects = nil },
		`objects[0]: "pet" is none`:         func(c *hubspot.Config) { c.Objects = []hubspot.Object{{Name: "pet"}} },
		`objects[1].name: "deal" is there`:  func(c *hubspot.Config) { c.Objects = []hubspot.Object{deal, deal} },
		"text.title":                        func(c *hubspot.Config) { c.Text.Title = "{{" },
		"create: \"deal\" is none of":       func(c *hubspot.Config) { c.Create = "deal" },
		"objects[0]: \"2-1\" is none of Hu": func(c *hubspot.Config) { c.Objects = []hubspot.Object{own} },
	} {
		cfg := config("https://api.hubapi.com")
		change(&cfg)
		require.ErrorContains(t, cfg.Validate(), want)
		_, err := hubspot.New(cfg, api.Options{})
		require.ErrorContains(t, err, want)
	}
}
