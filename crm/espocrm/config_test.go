package espocrm_test

import (
	"net/http"
	"os"
	"testing"

	"github.com/go-viper/mapstructure/v2"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/crmsyncd/crmsyncd/configs/secret"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/espocrm"
)

// oldMetadata answers requests for metadata as servers before 8.2 do, with everything whatever is asked for.
func oldMetadata(w http.ResponseWriter, r *http.Request, next http.Handler) {
	if r.URL.Path == "/api/v1/Metadata" {
		r.URL.RawQuery = ""
	}
	next.ServeHTTP(w, r)
}

func TestValidate(t *testing.T) {
	for problem, change := range map[string]func(*espocrm.Config){
		"base_url: must be":                    func(c *espocrm.Config) { c.BaseURL = "crm.example.com" },
		"token: is missing":                    func(c *espocrm.Config) { c.Token = secret.String{} },
		"concurrency: must be from 1 to 64":    func(c *espocrm.Config) { c.Concurrency = 0 },
		"objects: is missing":                  func(c *espocrm.Config) { c.Objects = nil },
		"agent_fields: is missing":             func(c *espocrm.Config) { c.AgentFields = nil },
		"calls.call_id: is missing":            func(c *espocrm.Config) { c.Calls.CallID = "" },
		"objects[0]: name must be":             func(c *espocrm.Config) { c.Objects[0].Name = "a/b" },
		"objects[1]: Contact is there already": func(c *espocrm.Config) { c.Objects[1].Name = "Contact" },
		"objects[0]: has neither":              func(c *espocrm.Config) { c.Objects[0] = espocrm.Object{Name: "Contact"} },
		"Call.c&d: must be the name":           func(c *espocrm.Config) { c.Calls.RecordingURL = "c&d" },
		"Lead.a]: must be the name":            func(c *espocrm.Config) { c.Objects[1].Phones = []string{"a]"} },
		"text: title":                          func(c *espocrm.Config) { c.Text.Title = "{{.Nonsense}}" },
	} {
		t.Run(problem, func(t *testing.T) {
			cfg := espocrm.Default()
			cfg.BaseURL, cfg.Token = "https://crm.example.com", secret.New("key")
			require.NoError(t, cfg.Validate())
			change(&cfg)
			require.ErrorContains(t, cfg.Validate(), problem)
			_, err := espocrm.New(cfg, api.Options{})
			require.ErrorContains(t, err, problem)
		})
	}
}

func TestAllMistakesAreNamed(t *testing.T) {
	err := espocrm.Config{}.Validate()
	for _, key := range []string{"base_url", "token", "concurrency", "objects", "agent_fields", "calls.call_id"} {
		require.ErrorContains(t, err, key+": ")
	}
}

// TestExample reads the example as the program does.
func TestExample(t *testing.T) {
	source, err := os.ReadFile("../../configs/espocrm.yaml")
	require.NoError(t, err)
	var tree struct{ CRM map[string]any }
	require.NoError(t, yaml.Unmarshal(source, &tree))
	require.Equal(t, espocrm.Name, tree.CRM["type"])
	delete(tree.CRM, "type")
	cfg := espocrm.Default()
	decoder, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{
		TagName: "koanf", Result: &cfg, ErrorUnused: true, DecodeHook: mapstructure.TextUnmarshallerHookFunc(),
	})
	require.NoError(t, err)
	require.NoError(t, decoder.Decode(tree.CRM))
	require.NoError(t, cfg.Validate())
}
