package salesforce_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/go-viper/mapstructure/v2"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/crmsyncd/crmsyncd/configs/secret"
	"github.com/crmsyncd/crmsyncd/crm/salesforce"
	"github.com/crmsyncd/crmsyncd/crm/salesforce/salesforcetest"
)

// TestExample: the example of the configuration is understood, and fits an org that was set up.
func TestExample(t *testing.T) {
	file, err := os.ReadFile(filepath.Join("..", "..", "configs", "salesforce.yaml"))
	require.NoError(t, err)
	var tree map[string]map[string]any
	require.NoError(t, yaml.Unmarshal(file, &tree))
	section := tree["crm"]
	require.Equal(t, salesforce.Name, section["type"])
	delete(section, "type")
	cfg := salesforce.Default()
	decoder, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{
		TagName: "koanf", Result: &cfg, ErrorUnused: true, DecodeHook: mapstructure.ComposeDecodeHookFunc(
			mapstructure.StringToTimeDurationHookFunc(), mapstructure.TextUnmarshallerHookFunc(),
		),
	})
	require.NoError(t, err)
	require.NoError(t, decoder.Decode(section))
	require.Equal(t, "/etc/crmsyncd/salesforce-secret", cfg.ClientSecretFile)
	cfg.ClientSecret = secret.New("read from the file")
	require.NoError(t, cfg.Validate())

	b := newBench(t, salesforcetest.Options{}, func(c *salesforce.Config) {
		cfg.MyDomain, cfg.ClientID, cfg.ClientSecret = c.MyDomain, c.ClientID, c.ClientSecret
		*c = cfg
	})
	require.Empty(t, wrong(b.Check(t.Context())))
}
