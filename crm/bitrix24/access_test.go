package bitrix24_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/crmsyncd/crmsyncd/configs/secret"
	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/bitrix24"
	"github.com/crmsyncd/crmsyncd/crm/bitrix24/bitrix24test"
	"github.com/crmsyncd/crmsyncd/crm/crmtest"
)

func newDryAdapter(t *testing.T, cfg bitrix24.Config, dry *api.DryRun) *bitrix24.Adapter {
	t.Helper()
	a, err := bitrix24.New(cfg, api.Options{Location: ict, PhoneRegion: "VN", DryRun: dry})
	require.NoError(t, err)
	t.Cleanup(a.Close)
	return a
}

var lookup = []crm.Lookup{{Object: "contact", TransactionID: "T-1"}}

// TestTokensAreRenewedWhenRefused, and only then; each new refresh token is in the file before it is needed.
func TestTokensAreRenewedWhenRefused(t *testing.T) {
	p := newPortal(t, bitrix24test.Options{})
	a := p.app(t)
	for range 3 {
		require.NoError(t, a.Find(t.Context(), lookup)[0].Err)
	}
	require.Equal(t, 1, p.Requests()["token"])
	p.ExpireTokens()
	require.NoError(t, a.Find(t.Context(), lookup)[0].Err)
	require.Equal(t, 2, p.Requests()["token"])
	stored, err := os.ReadFile(appConfig(p.server.URL, p.dir).TokenStore)
	require.NoError(t, err)
	require.Contains(t, string(stored), p.RefreshToken())

	require.NoError(t, p.app(t).Find(t.Context(), lookup)[0].Err)
	require.Equal(t, 2, p.Requests()["token"], "a restart goes on with the token of before")
}

func TestTheTokenOfAnotherPortal(t *testing.T) {
	p := newPortal(t, bitrix24test.Options{})
	cfg := appConfig(p.server.URL, p.dir)
	cfg.Portal = "http://127.0.0.1:1"
	err := newAdapter(t, cfg, nil).Find(t.Context(), lookup)[0].Err
	require.Contains(t, kind(t, crm.KindUnauthorized, err).Message, "another portal")
}

func TestARefreshTokenThatIsSpent(t *testing.T) {
	p := newPortal(t, bitrix24test.Options{})
	require.NoError(t, p.app(t).Find(t.Context(), lookup)[0].Err)
	cfg := appConfig(p.server.URL, t.TempDir())
	e := kind(t, crm.KindUnauthorized, newAdapter(t, cfg, nil).Find(t.Context(), lookup)[0].Err)
	require.Contains(t, e.Message, "refresh_token")
}

// TestARestIsKept: after a refusal nothing is sent for two seconds, which is what the bucket needs.
func TestARestIsKept(t *testing.T) {
	p := newPortal(t, bitrix24test.Options{})
	server := crmtest.NewServer(t, p.CRM)
	now := time.Now()
	a := newAdapter(t, webhookConfig(server.URL), func() time.Time { return now })
	server.Inject(crmtest.Say(bitrix24test.Throttled(0)))
	require.Equal(t, 2*time.Second, kind(t, crm.KindThrottled, a.Find(t.Context(), lookup)[0].Err).RetryAfter)
	server.Inject(nil)
	before := server.Requests()
	kind(t, crm.KindThrottled, a.Find(t.Context(), lookup)[0].Err)
	require.Equal(t, before, server.Requests())
	now = now.Add(2 * time.Second)
	require.NoError(t, a.Find(t.Context(), lookup)[0].Err)
}

// TestTheBucketIsKept: at the rate of the configuration a portal with the cloud's limits refuses nothing.
func TestTheBucketIsKept(t *testing.T) {
	p := newPortal(t, bitrix24test.Options{PerSecond: 200, Burst: 5})
	cfg := webhookConfig(p.server.URL)
	cfg.Rate = api.Budget{PerSecond: 180, Burst: 5}
	a := newAdapter(t, cfg, nil)
	for range 50 {
		require.NoError(t, a.Find(t.Context(), lookup)[0].Err)
	}
}

func TestCheck(t *testing.T) {
	subjects := func(findings []crm.Finding) map[string]string {
		wrong := map[string]string{}
		for _, f := range findings {
			require.NotEmpty(t, f.Subject)
			if f.Err != nil {
				wrong[f.Subject] = f.Err.Error()
				continue
			}
			require.NotEmpty(t, f.Detail)
		}
		return wrong
	}
	p := newPortal(t, bitrix24test.Options{})
	require.Empty(t, subjects(p.app(t).Check(t.Context())))
	require.Equal(t, 1, p.Requests()["token"])
	require.Empty(t, subjects(p.webhook(t).Check(t.Context())))
	require.Empty(t, p.Logs())

	p = newPortal(t, bitrix24test.Options{NoField: true, NoStatistics: true, Scopes: []string{"crm", "telephony"}})
	cfg := appConfig(p.server.URL, p.dir)
	cfg.DefaultUser = "99"
	wrong := subjects(newAdapter(t, cfg, nil).Check(t.Context()))
	require.Len(t, wrong, 6)
	require.Contains(t, wrong["transaction id of contact"], "setup crm")
	require.Contains(t, wrong["call statistics"], "Access denied")
	require.Contains(t, wrong["look-up of agents"], "insufficient_scope")

	p = newPortal(t, bitrix24test.Options{Scopes: []string{"crm", "user"}})
	wrong = subjects(p.app(t).Check(t.Context()))
	require.Contains(t, wrong["telephony.externalcall.register"], "mode to activity")

	cfg = webhookConfig(p.server.URL)
	cfg.DefaultUser = "99"
	wrong = subjects(newAdapter(t, cfg, nil).Check(t.Context()))
	require.Contains(t, wrong["default user"], "default_user")
}

func TestSetup(t *testing.T) {
	p := newPortal(t, bitrix24test.Options{NoField: true})
	a := p.app(t)
	plan, err := a.Plan(t.Context())
	require.NoError(t, err)
	require.Len(t, plan, 3)
	for _, preparation := range plan {
		require.False(t, preparation.Done)
		require.Empty(t, preparation.Manual)
		require.NoError(t, a.Prepare(t.Context(), preparation))
		require.NoError(t, a.Prepare(t.Context(), preparation), "repeating it is harmless")
	}
	require.Equal(t, "contact.transaction_id", plan[0].Name)
	plan, err = a.Plan(t.Context())
	require.NoError(t, err)
	for _, preparation := range plan {
		require.True(t, preparation.Done)
	}
	require.Error(t, a.Prepare(t.Context(), crm.Preparation{Name: "company.transaction_id"}))
	require.Empty(t, a.Find(t.Context(), lookup)[0].Records)

	cfg := webhookConfig(p.server.URL)
	cfg.Objects = []bitrix24.Object{{Name: "contact", TransactionID: "UF_CRM_1700000000123456"}}
	plan, err = newAdapter(t, cfg, nil).Plan(t.Context())
	require.NoError(t, err)
	require.Contains(t, plan[0].Manual, "make a custom field", "a name that the portal would not take")
}

func TestConfig(t *testing.T) {
	valid := appConfig("https://example.bitrix24.vn", "/var/lib/crmsyncd")
	require.NoError(t, valid.Validate())
	require.NoError(t, webhookConfig("https://example.bitrix24.vn").Validate())
	for name, test := range map[string]struct {
		change func(c *bitrix24.Config)
		words  string
	}{
		"no credentials":     {func(c *bitrix24.Config) { c.ClientID = "" }, "client_id: give either"},
		"both":               {func(c *bitrix24.Config) { c.WebhookURL = secret.New("https://a.b/rest/1/x") }, "client_id"},
		"no secret":          {func(c *bitrix24.Config) { c.ClientSecret = secret.String{} }, "client_secret: is missing"},
		"no refresh token":   {func(c *bitrix24.Config) { c.RefreshToken = secret.String{} }, "refresh_token: is missing"},
		"no store":           {func(c *bitrix24.Config) { c.TokenStore = "" }, "token_store: is missing"},
		"no portal":          {func(c *bitrix24.Config) { c.Portal = "" }, "portal: is no address"},
		"portal with a path": {func(c *bitrix24.Config) { c.Portal = "https://a.b/rest" }, "portal: write it"},
		"plain http":         {func(c *bitrix24.Config) { c.Portal = "http://a.b" }, "portal: must be reached"},
		"mode":               {func(c *bitrix24.Config) { c.Mode = "phone" }, "mode: is \"phone\""},
		"no objects":         {func(c *bitrix24.Config) { c.Objects = nil }, "objects: are missing"},
		"object":             {func(c *bitrix24.Config) { c.Objects[0].Name = "Contact" }, "objects[0].name"},
		"object twice":       {func(c *bitrix24.Config) { c.Objects[1].Name = "contact" }, "objects[1].name"},
		"deal by number":     {func(c *bitrix24.Config) { c.Objects[2].TransactionID = "" }, "objects[2].transaction_id"},
		"field":              {func(c *bitrix24.Config) { c.Objects[1].TransactionID = "TITLE" }, "objects[1]"},
		"user":               {func(c *bitrix24.Config) { c.DefaultUser = "an" }, "default_user"},
		"own fields":         {func(c *bitrix24.Config) { c.Text.Fields = map[string]string{"x": "y"} }, "text.fields"},
		"language":           {func(c *bitrix24.Config) { c.Text.Language = "xx" }, "text: language"},
	} {
		t.Run(name, func(t *testing.T) {
			c := appConfig("https://example.bitrix24.vn", "/var/lib/crmsyncd")
			test.change(&c)
			require.ErrorContains(t, c.Validate(), test.words)
			_, err := bitrix24.New(c, api.Options{})
			require.ErrorContains(t, err, test.words)
		})
	}
	c := webhookConfig("https://example.bitrix24.vn")
	c.WebhookURL = secret.New("https://example.bitrix24.vn/canary")
	err := c.Validate()
	require.ErrorContains(t, err, "webhook_url: is no address")
	require.NotContains(t, err.Error(), "canary")
}

// TestTheExample: the configuration that is shown to people is valid once its files are there.
func TestTheExample(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "..", "configs", "bitrix24.yaml"))
	require.NoError(t, err)
	var tree struct {
		CRM map[string]any `yaml:"crm"`
	}
	require.NoError(t, yaml.Unmarshal(data, &tree))
	require.Equal(t, bitrix24.Name, tree.CRM["type"])
	delete(tree.CRM, "type")
	cfg := bitrix24.Default()
	decoder, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{
		TagName: "koanf", Result: &cfg, ErrorUnused: true, DecodeHook: mapstructure.ComposeDecodeHookFunc(
			mapstructure.StringToTimeDurationHookFunc(), mapstructure.TextUnmarshallerHookFunc(),
		),
	})
	require.NoError(t, err)
	require.NoError(t, decoder.Decode(tree.CRM))
	require.Equal(t, bitrix24.Default().Objects, cfg.Objects, "it shows the default")
	cfg.ClientSecret, cfg.RefreshToken = secret.New("secret"), secret.New("token")
	require.NoError(t, cfg.Validate())
}
