package salesforce_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/configs/secret"
	"github.com/crmsyncd/crmsyncd/crm/salesforce"
)

func TestValidate(t *testing.T) {
	require.NoError(t, configuration("acme").Validate())
	require.NoError(t, configuration("https://acme--test.sandbox.my.salesforce.com/").Validate())
	for name, test := range map[string]struct {
		change func(*salesforce.Config)
		want   string
	}{
		"no domain":       {func(c *salesforce.Config) { c.MyDomain = "" }, "my_domain: is missing"},
		"domain and path": {func(c *salesforce.Config) { c.MyDomain = "acme.my.salesforce.com/x" }, "my_domain: is no host"},
		"no TLS":          {func(c *salesforce.Config) { c.MyDomain = "http://acme.com" }, "my_domain: must be reached by"},
		"no client":       {func(c *salesforce.Config) { c.ClientID = "" }, "client_id: is missing"},
		"no secret":       {func(c *salesforce.Config) { c.ClientSecret = secret.String{} }, "client_secret: is missing"},
		"old version":     {func(c *salesforce.Config) { c.APIVersion = "45.0" }, "api_version: "},
		"no objects":      {func(c *salesforce.Config) { c.Objects = nil }, "objects: are missing"},
		"injection":       {func(c *salesforce.Config) { c.Objects[0].TransactionID = "Id FROM User" }, "objects[0]: "},
		"useless object": {
			func(c *salesforce.Config) { c.Objects[1] = salesforce.Object{Name: "Lead"} }, "objects[1]: needs",
		},
		"phone": {func(c *salesforce.Config) { c.Objects[1].Phones = []string{""} }, "objects[1]: "},
		"key": {
			func(c *salesforce.Config) { c.Tasks.CallIDField = "CallObject" }, "tasks.call_id_field: only a field of your own",
		},
		"key path":  {func(c *salesforce.Config) { c.Tasks.CallIDField = "../x__c" }, "tasks.call_id_field: "},
		"recording": {func(c *salesforce.Config) { c.Tasks.RecordingField = "a b" }, "tasks.recording_field: "},
		"start":     {func(c *salesforce.Config) { c.Tasks.StartField = "a-b" }, "tasks.start_field: "},
		"agent":     {func(c *salesforce.Config) { c.AgentField = "" }, "agent_field: "},
		"status":    {func(c *salesforce.Config) { c.Tasks.Ended = "" }, "tasks: running, ended and priority"},
		"zone":      {func(c *salesforce.Config) { c.TimeZone = "Hanoi" }, "time_zone: "},
		"text":      {func(c *salesforce.Config) { c.Text.Title = "{{.Nothing}}" }, "text: title: "},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := configuration("acme")
			test.change(&cfg)
			err := cfg.Validate()
			require.ErrorContains(t, err, test.want)
			require.NotContains(t, err.Error(), "\n", "one mistake, one error")
			_, err = salesforce.New(cfg, options())
			require.ErrorContains(t, err, test.want)
		})
	}
}
