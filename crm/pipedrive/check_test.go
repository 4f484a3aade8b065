package pipedrive_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/configs/secret"
	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/pipedrive"
	"github.com/crmsyncd/crmsyncd/crm/pipedrive/pipedrivetest"
)

// problems returns what a check found wrong, by subject.
func problems(findings []crm.Finding) map[string]string {
	found := map[string]string{}
	for _, f := range findings {
		if f.Err != nil {
			found[f.Subject] = f.Err.Error()
		}
	}
	return found
}

func TestCheck(t *testing.T) {
	b := newBench(t, pipedrivetest.Options{}, objects)
	require.Empty(t, problems(b.Check(t.Context())))
	require.Empty(t, b.crm.Logs())
	require.NotContains(t, b.crm.Requests(), "setup")

	b = newBench(t, pipedrivetest.Options{Bare: true, Regular: true})
	found := problems(b.Check(t.Context()))
	require.Len(t, found, 3)
	require.Contains(t, found["right to log calls for other users"], "no access to account settings")
	require.Contains(t, found["find person by transaction id"], "make it with crmsyncd setup crm")

	b = newBench(t, pipedrivetest.Options{}, func(cfg *pipedrive.Config, _ *api.Options) {
		cfg.Token = secret.New("another-token")
	})
	findings := b.Check(t.Context())
	require.Len(t, findings, 1)
	require.ErrorContains(t, findings[0].Err, "(unauthorized)")
}

func TestPlan(t *testing.T) {
	b := newBench(t, pipedrivetest.Options{Bare: true}, func(cfg *pipedrive.Config, _ *api.Options) {
		cfg.Objects = []pipedrive.Object{
			{Name: "person", TransactionID: "Transaction ID"},
			{Name: "deal", TransactionID: "Transaction ID"},
			{Name: "lead", TransactionID: "Transaction ID"},
		}
	})
	for range 2 { // what is repeated makes no second field
		plan, err := b.Plan(t.Context())
		require.NoError(t, err)
		require.Len(t, plan, 2, "leads have the fields of deals")
		for _, p := range plan {
			require.Empty(t, p.Manual)
			require.NoError(t, b.Prepare(t.Context(), p))
		}
	}
	plan, err := b.Plan(t.Context())
	require.NoError(t, err)
	require.True(t, plan[0].Done && plan[1].Done)
	require.Equal(t, 2, b.crm.Requests()["setup"])
	b.crm.AddRecord("lead", "T-1", "")
	require.Empty(t, problems(b.Check(t.Context())))
}

func TestPlanForAPerson(t *testing.T) {
	b := newBench(t, pipedrivetest.Options{Bare: true}, func(cfg *pipedrive.Config, _ *api.Options) {
		cfg.Objects = []pipedrive.Object{
			{Name: "person", TransactionID: strings.Repeat("a", 40)}, {Name: "deal", TransactionID: "Campaign"},
		}
	})
	b.crm.AddField("deal", "Campaign", "enum")
	plan, err := b.Plan(t.Context())
	require.NoError(t, err)
	require.Contains(t, plan[0].Manual, "there is no field with this key")
	require.Contains(t, plan[1].Manual, "it is of type enum")
	require.ErrorContains(t, b.Prepare(t.Context(), plan[0]), plan[0].Manual)
}

func TestValidate(t *testing.T) {
	fine := func() pipedrive.Config {
		cfg := pipedrive.Default()
		cfg.TokenFile = "/etc/crmsyncd/pipedrive-token"
		return cfg
	}
	require.NoError(t, fine().Validate())
	for name, test := range map[string]struct {
		change func(*pipedrive.Config)
		want   string
	}{
		"address": {
			func(c *pipedrive.Config) { c.BaseURL = "https://api.pipedrive.com/v1" },
			"base_url: must be an address without a path",
		},
		"token":   {func(c *pipedrive.Config) { c.TokenFile = "" }, "token: is missing"},
		"budget":  {func(c *pipedrive.Config) { c.DailyBudget = -1 }, "daily_budget: must be 0"},
		"objects": {func(c *pipedrive.Config) { c.Objects = nil }, "objects: is missing"},
		"object": {
			func(c *pipedrive.Config) { c.Objects[1].Name = "organization" },
			"objects[1].name: must be person, deal or lead",
		},
		"field": {func(c *pipedrive.Config) { c.Objects[1].TransactionID = "" }, "objects[1].transaction_id: is missing"},
		"twice": {func(c *pipedrive.Config) { c.Objects[1].Name = "person" }, "objects[1].name: person is there already"},
		"host": {
			func(c *pipedrive.Config) { c.RecordingHosts = []string{"https://media.example.com"} },
			`recording_hosts: "https://media.example.com" is no host`,
		},
		"limit":  {func(c *pipedrive.Config) { c.RecordingLimit = 0 }, "recording_limit: must be a size"},
		"fields": {func(c *pipedrive.Config) { c.Text.Fields = map[string]string{"x": "y"} }, "text.fields: must be empty"},
		"text":   {func(c *pipedrive.Config) { c.Text.Language = "de" }, "text: "},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := fine()
			test.change(&cfg)
			require.ErrorContains(t, cfg.Validate(), test.want)
			_, err := pipedrive.New(cfg, api.Options{})
			require.ErrorContains(t, err, "set up the Pipedrive adapter: ")
		})
	}
	cfg := fine()
	cfg.TokenFile, cfg.RecordingLimit = "", 0
	require.ErrorContains(t, cfg.Validate(), "token: ")
	require.ErrorContains(t, cfg.Validate(), "recording_limit: ")
}
