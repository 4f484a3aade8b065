package rest_test

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.yaml.in/yaml/v3"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/crmtest"
	"github.com/crmsyncd/crmsyncd/crm/rest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestConformance runs the suite of all adapters against every vendor that is described by configuration.
func TestConformance(t *testing.T) {
	forEachVendor(t, func(t *testing.T, v vendor, _ *fake) {
		t.Helper()
		crmtest.Run(t, crmtest.Harness{
			New: func(t *testing.T, baseURL string) crm.Adapter {
				t.Helper()
				return vendorAdapter(t, v.name, baseURL)
			},
			CRM:     func(*testing.T) crmtest.CRM { return v.fake() },
			Secrets: []string{canary}, Refusals: v.refusals,
			Exempt: func(r *http.Request) bool { return r.URL.Path == "/auth/oauth2/token" },
		})
	})
}

// vendorAdapter returns an adapter as testdata/NAME.yaml says, for a fake at baseURL.
func vendorAdapter(t *testing.T, name, baseURL string) *rest.Adapter {
	t.Helper()
	cfg := readConfig(t, filepath.Join("testdata", name+".yaml"))
	cfg.Timeout = time.Minute
	cfg.BaseURL = moved(t, cfg.BaseURL, baseURL)
	if cfg.Auth.TokenURL != "" {
		cfg.Auth.TokenURL = moved(t, cfg.Auth.TokenURL, baseURL)
	}
	return newAdapter(t, cfg)
}

// moved returns an address with the host of a test server.
func moved(t *testing.T, address, server string) string {
	t.Helper()
	u, err := url.Parse(address)
	require.NoError(t, err)
	return server + u.Path
}

func newAdapter(t *testing.T, cfg rest.Config) *rest.Adapter {
	t.Helper()
	a, err := rest.New(cfg, api.Options{PhoneRegion: "VN", Location: time.FixedZone("ICT", 7*60*60)})
	require.NoError(t, err)
	t.Cleanup(a.Close)
	return a
}

func readConfig(t *testing.T, file string) rest.Config {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	return parseConfig(t, string(text))
}

// parseConfig reads a configuration as the program does: laid over the defaults, an unknown key is an error.
func parseConfig(t *testing.T, text string) rest.Config {
	t.Helper()
	var tree map[string]any
	require.NoError(t, yaml.Unmarshal([]byte(text), &tree))
	cfg := rest.Default()
	decoder, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{
		TagName: "koanf", Result: &cfg, ErrorUnused: true, DecodeHook: mapstructure.ComposeDecodeHookFunc(
			mapstructure.StringToTimeDurationHookFunc(), mapstructure.TextUnmarshallerHookFunc(),
		),
	})
	require.NoError(t, err)
	require.NoError(t, decoder.Decode(tree))
	return cfg
}
