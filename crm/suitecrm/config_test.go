package suitecrm_test

import (
	"os"
	"testing"

	"github.com/go-viper/mapstructure/v2"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/crmsyncd/crmsyncd/configs/secret"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/suitecrm"
)

func TestValidate(t *testing.T) {
	for problem, change := range map[string]func(*suitecrm.Config){
		"base_url: must be":                     func(c *suitecrm.Config) { c.BaseURL = "crm.example.com" },
		"base_url: must be the address":         func(c *suitecrm.Config) { c.BaseURL += "/legacy/Api/V8" },
		"client_id: is missing":                 func(c *suitecrm.Config) { c.ClientID = "" },
		"client_secret: is missing":             func(c *suitecrm.Config) { c.ClientSecret = secret.String{} },
		"password: is missing":                  func(c *suitecrm.Config) { c.Username = "an" },
		"username: is missing":                  func(c *suitecrm.Config) { c.Password = secret.New("x") },
		"concurrency: must be from 1 to 64":     func(c *suitecrm.Config) { c.Concurrency = 0 },
		"objects: is missing":                   func(c *suitecrm.Config) { c.Objects = nil },
		"objects[0]: name must be":              func(c *suitecrm.Config) { c.Objects[0].Name = "a/b" },
		"objects[1]: Contacts is there already": func(c *suitecrm.Config) { c.Objects[1].Name = "Contacts" },
		"objects[0]: has neither": func(c *suitecrm.Config) {
			c.Objects[0] = suitecrm.Object{Name: "Contacts"}
		},
		"Calls.c&d: must be the name": func(c *suitecrm.Config) { c.Calls.RecordingURL = "c&d" },
		"Leads.a]: must be the name":  func(c *suitecrm.Config) { c.Objects[1].Phones = []string{"a]"} },
		"text: title":                 func(c *suitecrm.Config) { c.Text.Title = "{{.Nonsense}}" },
	} {
		t.Run(problem, func(t *testing.T) {
			cfg := suitecrm.Default()
			cfg.BaseURL, cfg.ClientID, cfg.ClientSecret = "https://crm.example.com", "id", secret.New("secret")
			require.NoError(t, cfg.Validate())
			change(&cfg)
			require.ErrorContains(t, cfg.Validate(), problem)
			_, err := suitecrm.New(cfg, api.Options{})
			require.ErrorContains(t, err, problem)
		})
	}
}

func TestAllMistakesAreNamed(t *testing.T) {
	err := suitecrm.Config{}.Validate()
	for _, key := range []string{"base_url", "client_id", "client_secret", "concurrency", "objects"} {
		require.ErrorContains(t, err, key+": ")
	}
}

// TestExample reads the example as the program does.
func TestExample(t *testing.T) {
	source, err := os.ReadFile("../../configs/suitecrm.yaml")
	require.NoError(t, err)
	var tree struct{ CRM map[string]any }
	require.NoError(t, yaml.Unmarshal(source, &tree))
	require.Equal(t, suitecrm.Name, tree.CRM["type"])
	delete(tree.CRM, "type")
	cfg := suitecrm.Default()
	decoder, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{
		TagName: "koanf", Result: &cfg, ErrorUnused: true, DecodeHook: mapstructure.TextUnmarshallerHookFunc(),
	})
	require.NoError(t, err)
	require.NoError(t, decoder.Decode(tree.CRM))
	require.NoError(t, cfg.Validate())
}
