package zoho_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-viper/mapstructure/v2"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/crmsyncd/crmsyncd/configs/secret"
	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/crmtest"
	"github.com/crmsyncd/crmsyncd/crm/zoho"
	"github.com/crmsyncd/crmsyncd/crm/zoho/zohotest"
)

func TestValidate(t *testing.T) {
	require.NoError(t, configuration("https://accounts.example.com/").Validate())
	require.NoError(t, configuration("").Validate())
	for name, test := range map[string]struct {
		change func(*zoho.Config)
		want   string
	}{
		"data center":    {func(c *zoho.Config) { c.DataCenter = "us" }, `data_center: is "us", it must be one of ca, com, `},
		"accounts":       {func(c *zoho.Config) { c.AccountsURL = "http://zoho.com" }, "accounts_url: must be an https"},
		"base":           {func(c *zoho.Config) { c.BaseURL = "https://x.com/crm" }, "base_url: must be an https address"},
		"client":         {func(c *zoho.Config) { c.ClientID = "" }, "client_id: is missing"},
		"secret":         {func(c *zoho.Config) { c.ClientSecret = secret.String{} }, "client_secret: is missing"},
		"refresh token":  {func(c *zoho.Config) { c.RefreshToken = secret.String{} }, "refresh_token: is missing"},
		"concurrency":    {func(c *zoho.Config) { c.Concurrency = 0 }, "concurrency: is 0"},
		"query values":   {func(c *zoho.Config) { c.QueryValues = 51 }, "query_values: is 51, it must be 1 to 50"},
		"no objects":     {func(c *zoho.Config) { c.Objects = nil }, "objects: are missing"},
		"injection":      {func(c *zoho.Config) { c.Objects[0].TransactionID = "id from Users" }, "objects[0]: "},
		"phone":          {func(c *zoho.Config) { c.Objects[1].Phones = []string{""} }, "objects[1]: "},
		"useless object": {func(c *zoho.Config) { c.Objects[1] = zoho.Object{Name: "Leads"} }, "objects[1]: needs"},
		"call id":        {func(c *zoho.Config) { c.Calls.CallID = "" }, "calls.call_id: \"\" is no API name"},
		"recording":      {func(c *zoho.Config) { c.Calls.Recording = "a b" }, "calls.recording: \"a b\" is no API name"},
		"duration":       {func(c *zoho.Config) { c.Calls.Duration = "ss" }, `calls.duration: is "ss", it must be`},
		"new contact":    {func(c *zoho.Config) { c.NewContact.Object = "Deals" }, "new_contact.object: is \"Deals\""},
		"text":           {func(c *zoho.Config) { c.Text.Title = "{{.Nothing}}" }, "text: title: "},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := configuration("")
			test.change(&cfg)
			err := cfg.Validate()
			require.ErrorContains(t, err, test.want)
			require.NotContains(t, err.Error(), "\n", "one mistake, one error")
			_, err = zoho.New(cfg, options())
			require.ErrorContains(t, err, test.want)
		})
	}
}

// TestDomain: the token goes to a host of Zoho and to no other.
func TestDomain(t *testing.T) {
	for _, named := range []string{
		"https://www.zohoapis.com", "https://www.zohoapis.com.au/", "https://sandbox.zohoapis.eu",
		"https://developer.zohoapis.ca",
	} {
		got, err := zoho.Domain(map[string]any{"api_domain": named})
		require.NoError(t, err)
		require.Equal(t, strings.TrimSuffix(named, "/"), got)
	}
	for _, odd := range []any{nil, "", 7} {
		got, err := zoho.Domain(map[string]any{"api_domain": odd})
		require.NoError(t, err)
		require.Empty(t, got, "the configured host stays")
	}
	for _, named := range []string{
		"http://www.zohoapis.com", "https://www.zohoapis.com.evil.example", "https://zohoapis.com.evil.example", "zohoapis",
		"https://www.zohoapis.com@evil.example", "https://www.zohoapis.com:8443", "https://www.zohoapis.com/x", "javascript:",
	} {
		_, err := zoho.Domain(map[string]any{"api_domain": named})
		require.Error(t, err, named)

		account := zohotest.New(zohotest.Options{APIDomain: named})
		server := crmtest.NewServer(t, account)
		cfg := configuration(server.URL)
		cfg.BaseURL = ""
		found := newAdapter(t, cfg, options()).Find(t.Context(), []crm.Lookup{{Object: "Contacts", TransactionID: "T-1"}})
		require.Equal(t, "unauthorized", kindOf(found[0].Err))
		require.ErrorContains(t, found[0].Err, "set base_url if it is right")
		require.Equal(t, 1, server.Requests())
	}
}

// TestExample: the example of the configuration is understood, and fits an account that was set up.
func TestExample(t *testing.T) {
	file, err := os.ReadFile(filepath.Join("..", "..", "configs", "zoho.yaml"))
	require.NoError(t, err)
	var tree map[string]map[string]any
	require.NoError(t, yaml.Unmarshal(file, &tree))
	section := tree["crm"]
	require.Equal(t, zoho.Name, section["type"])
	delete(section, "type")
	cfg := zoho.Default()
	decoder, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{
		TagName: "koanf", Result: &cfg, ErrorUnused: true, DecodeHook: mapstructure.ComposeDecodeHookFunc(
			mapstructure.StringToTimeDurationHookFunc(), mapstructure.TextUnmarshallerHookFunc(),
		),
	})
	require.NoError(t, err)
	require.NoError(t, decoder.Decode(section))
	require.True(t, strings.HasPrefix(cfg.ClientSecretFile, "/etc/crmsyncd/"))
	require.True(t, strings.HasPrefix(cfg.RefreshTokenFile, "/etc/crmsyncd/"))

	b := newBench(t, zohotest.Options{}, func(c *zoho.Config) {
		cfg.AccountsURL, cfg.BaseURL, cfg.ClientID = c.AccountsURL, c.BaseURL, c.ClientID
		cfg.ClientSecret, cfg.RefreshToken = c.ClientSecret, c.RefreshToken
		*c = cfg
	})
	require.Empty(t, wrong(b.Check(t.Context())))
}
