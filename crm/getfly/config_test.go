package getfly_test

import (
	"os"
	"testing"

	"github.com/go-viper/mapstructure/v2"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/crmsyncd/crmsyncd/configs/secret"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/crmtest"
	"github.com/crmsyncd/crmsyncd/crm/getfly"
	"github.com/crmsyncd/crmsyncd/crm/getfly/getflytest"
)

func TestValidate(t *testing.T) {
	for problem, change := range map[string]func(*getfly.Config){
		"base_url: must be":                 func(c *getfly.Config) { c.BaseURL = "company.getflycrm.com" },
		"base_url: must be the address":     func(c *getfly.Config) { c.BaseURL += "/api/v6.1" },
		"token: is missing":                 func(c *getfly.Config) { c.Token = secret.String{} },
		"secret: is missing":                func(c *getfly.Config) { c.Secret = secret.String{} },
		"statuses.answered: is missing":     func(c *getfly.Config) { c.Statuses.Answered = "" },
		"statuses.missed: is missing":       func(c *getfly.Config) { c.Statuses.Missed = "" },
		"concurrency: must be from 1 to 64": func(c *getfly.Config) { c.Concurrency = 65 },
		"time_zone: must be a name":         func(c *getfly.Config) { c.TimeZone = "Hanoi" },
	} {
		t.Run(problem, func(t *testing.T) {
			cfg := getfly.Default()
			cfg.BaseURL, cfg.Token, cfg.Secret = "https://company.getflycrm.com", secret.New("key"), secret.New("secret")
			require.NoError(t, cfg.Validate())
			change(&cfg)
			require.ErrorContains(t, cfg.Validate(), problem)
			_, err := getfly.New(cfg, api.Options{})
			require.ErrorContains(t, err, problem)
		})
	}
	err := getfly.Config{}.Validate()
	for _, key := range []string{"base_url", "token", "secret", "statuses.answered", "statuses.missed", "concurrency"} {
		require.ErrorContains(t, err, key+": ")
	}
}

// TestExample reads the example as the program does.
func TestExample(t *testing.T) {
	source, err := os.ReadFile("../../configs/getfly.yaml")
	require.NoError(t, err)
	var tree struct{ CRM map[string]any }
	require.NoError(t, yaml.Unmarshal(source, &tree))
	require.Equal(t, getfly.Name, tree.CRM["type"])
	delete(tree.CRM, "type")
	cfg := getfly.Default()
	decoder, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{
		TagName: "koanf", Result: &cfg, ErrorUnused: true, DecodeHook: mapstructure.TextUnmarshallerHookFunc(),
	})
	require.NoError(t, err)
	require.NoError(t, decoder.Decode(tree.CRM))
	require.NoError(t, cfg.Validate())
}

func TestCheck(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*getfly.Config, *api.Options)
		fault  crmtest.Fault
		bad    string
		detail string
	}{
		"ready": {func(*getfly.Config, *api.Options) {}, nil, "", "the README says how to find out"},
		"resend is off": {
			func(cfg *getfly.Config, _ *api.Options) { cfg.Resend, cfg.ProviderCode = false, "ALOHUB" }, nil, "", "set aside",
		},
		"wrong key": {
			func(cfg *getfly.Config, _ *api.Options) { cfg.Token = secret.New("another-key") }, nil, "X-API-KEY is invalid", "",
		},
		"a path too much": {
			func(cfg *getfly.Config, _ *api.Options) { cfg.BaseURL += "/crm" }, nil, "is base_url the address", "",
		},
		"no right": {
			func(*getfly.Config, *api.Options) {}, crmtest.Say(crmtest.Answer{Status: 403, Body: `{"message":"no"}`}),
			"may not use the call centre", "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, getflytest.Options{}, test.change)
			b.server.Inject(test.fault)
			var details string
			for _, f := range b.Check(t.Context()) {
				details += f.Detail + "\n"
				if f.Subject != "credentials" || test.bad == "" {
					require.NoError(t, f.Err, f.Subject)
					continue
				}
				require.ErrorContains(t, f.Err, test.bad)
			}
			require.Contains(t, details, test.detail)
			require.Zero(t, b.crm.Requests()["write"])
		})
	}
}
