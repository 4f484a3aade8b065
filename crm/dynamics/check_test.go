package dynamics_test

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
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/dynamics"
	"github.com/crmsyncd/crmsyncd/crm/dynamics/dynamicstest"
)

// wrong returns the findings with an error, as "subject: error".
func wrong(findings []crm.Finding) []string {
	var found []string
	for _, f := range findings {
		if f.Err != nil {
			found = append(found, f.Subject+": "+f.Err.Error())
		}
	}
	return found
}

func TestCheck(t *testing.T) {
	for name, test := range map[string]struct {
		options dynamicstest.Options
		change  func(*dynamics.Config)
		want    []string
	}{
		"fine":              {},
		"fine, own columns": {change: ownColumns},
		"a new environment": {
			options: dynamicstest.Options{Bare: true}, change: ownColumns,
			want: []string{
				"column contact.new_transactionid: is missing: run crmsyncd setup crm", "column lead.new_transactionid: ",
				"column phonecall.new_callid: ", "column phonecall.new_talkseconds: ", "column phonecall.new_recordingurl: ",
				"find contact: find contact by transaction id: HTTP 400", "find lead: ",
			},
		},
		"a privilege is lacking": {
			options: dynamicstest.Options{Lacking: "prvAppendToLead"},
			want:    []string{"privileges: the security role lacks prvAppendTolead: give it"},
		},
		"no such table": {
			change: func(cfg *dynamics.Config) {
				cfg.Objects = append(cfg.Objects, dynamics.Object{Name: "new_deal", Set: "new_deals", TransactionID: "new_t"})
			},
			want: []string{
				"privileges: the security role lacks prvReadnew_deal", "table new_deal: describe new_deal: HTTP 404",
				"find new_deal: ",
			},
		},
		"a column that is no text": {
			change: func(cfg *dynamics.Config) { cfg.Objects[0].TransactionID = "revenue" },
			want:   []string{"column contact.revenue: is of type Money, it must be String"},
		},
		"a column that cannot be written": {
			change: func(cfg *dynamics.Config) { cfg.Text.Fields = map[string]string{"createdon": "x", "nothing": "y"} },
			want: []string{
				"column phonecall.createdon: is of type DateTime", "column phonecall.nothing: is missing: correct its name",
			},
		},
		"a wrong agent column": {
			change: func(cfg *dynamics.Config) { cfg.AgentFields = []string{"extension"} },
			want:   []string{"column systemuser.extension: is missing", "find user: find user: HTTP 400"},
		},
		"wrong credentials": {
			change: func(cfg *dynamics.Config) { cfg.ClientSecret = secret.New("wrong-secret") },
			want:   []string{"credentials: get token: HTTP 401: token_url refuses client_id and client_secret"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, test.options, func(cfg *dynamics.Config) {
				if test.change != nil {
					test.change(cfg)
				}
			})
			findings := b.Check(t.Context())
			got := wrong(findings)
			require.Len(t, got, len(test.want), "%q", got)
			for i, want := range test.want {
				require.True(t, strings.HasPrefix(got[i], want), "%q is not %q", got[i], want)
			}
			require.Equal(t, "credentials", findings[0].Subject)
			require.Zero(t, b.crm.Requests()["write"])
		})
	}
}

// TestSetUp makes a new environment fit for the daemon.
func TestSetUp(t *testing.T) {
	b := newBench(t, dynamicstest.Options{Bare: true}, ownColumns)
	plan, err := b.Plan(t.Context())
	require.NoError(t, err)
	var names []string
	for _, p := range plan {
		names = append(names, p.Name)
		require.False(t, p.Done)
		require.Empty(t, p.Manual)
		require.NoError(t, b.Prepare(t.Context(), p))
		require.NoError(t, b.Prepare(t.Context(), p), "repeating it is harmless")
	}
	require.Equal(t, []string{
		"contact.new_transactionid", "lead.new_transactionid", "phonecall.new_callid", "phonecall.new_talkseconds",
		"phonecall.new_recordingurl",
	}, names)
	plan, err = b.Plan(t.Context())
	require.NoError(t, err)
	for _, p := range plan {
		require.True(t, p.Done, p.Name)
	}
	require.Empty(t, wrong(b.Check(t.Context())))
	require.NoError(t, b.one(t, crm.Write{Call: recorded("c")}).Err)
	require.EqualValues(t, 90, b.crm.Logs()[0].Seconds)
	require.Error(t, b.Prepare(t.Context(), crm.Preparation{Name: "contact.telephone1"}))
}

func TestSetUpByHand(t *testing.T) {
	b := newBench(t, dynamicstest.Options{}, func(cfg *dynamics.Config) {
		cfg.Objects[0].TransactionID, cfg.Objects[1].TransactionID = "transactionid", "revenue"
	})
	plan, err := b.Plan(t.Context())
	require.NoError(t, err)
	require.Contains(t, plan[0].Manual, "begins with the prefix of a publisher")
	require.Contains(t, plan[1].Manual, "the column is of type Money")
	b.server.Close()
	_, err = b.Plan(t.Context())
	require.Equal(t, "transient", kindOf(err))
}

func TestValidate(t *testing.T) {
	valid := configuration("https://acme.crm5.dynamics.com")
	require.NoError(t, valid.Validate())
	valid.TokenURL, valid.TenantID = "", dynamicstest.Tenant
	require.NoError(t, valid.Validate())
	for name, test := range map[string]struct {
		change func(*dynamics.Config)
		want   string
	}{
		"no address": {func(c *dynamics.Config) { c.BaseURL = "" }, "base_url: must be"},
		"a path":     {func(c *dynamics.Config) { c.BaseURL += "/api/data/v9.2" }, "base_url: must be"},
		"no TLS":     {func(c *dynamics.Config) { c.BaseURL = "http://acme.crm5.dynamics.com" }, "base_url: must be"},
		"no tenant":  {func(c *dynamics.Config) { c.TenantID = "" }, "tenant_id: must be"},
		"odd tenant": {func(c *dynamics.Config) { c.TenantID = "a/../b" }, "tenant_id: must be"},
		"token URL":  {func(c *dynamics.Config) { c.TokenURL = "http://login.example.com/x" }, "token_url: must be"},
		"no client":  {func(c *dynamics.Config) { c.ClientID = "" }, "client_id: is missing"},
		"no secret":  {func(c *dynamics.Config) { c.ClientSecret = secret.String{} }, "client_secret: is missing"},
		"version":    {func(c *dynamics.Config) { c.APIVersion = "v9" }, "api_version: is"},
		"no objects": {func(c *dynamics.Config) { c.Objects, c.ContactObject = nil, "lead" }, "objects: are missing"},
		"object":     {func(c *dynamics.Config) { c.Objects[0].Name = "Contact" }, "objects[0]: "},
		"set":        {func(c *dynamics.Config) { c.Objects[0].Name = "new_deal" }, "objects[0].set: is missing"},
		"useless":    {func(c *dynamics.Config) { c.Objects[1] = dynamics.Object{Name: "lead"} }, "objects[1]: needs"},
		"injection":  {func(c *dynamics.Config) { c.Objects[1].TransactionID = "a'&@v=[" }, "objects[1]: "},
		"filter":     {func(c *dynamics.Config) { c.Objects[1].Filter = "a eq 1&$top=0" }, "objects[1].filter: "},
		"recording":  {func(c *dynamics.Config) { c.PhoneCalls.RecordingField = "x y" }, "phone_calls.recording_field: "},
		"no agents":  {func(c *dynamics.Config) { c.AgentFields = nil }, "agent_fields: are missing"},
		"agents":     {func(c *dynamics.Config) { c.AgentFields[1] = "" }, "agent_fields[1]: "},
		"contact":    {func(c *dynamics.Config) { c.ContactObject = "account" }, "contact_object: "},
		"batch":      {func(c *dynamics.Config) { c.Batch = 500 }, "batch: is 500"},
		"text":       {func(c *dynamics.Config) { c.Text.Title = "{{.Nothing}}" }, "text: title: "},
		"lost contact": {
			func(c *dynamics.Config) { c.Objects, c.ContactObject = c.Objects[1:], "contact" }, "contact_object: ",
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := dynamics.Default()
			cfg.BaseURL, cfg.TenantID = "https://acme.crm5.dynamics.com", dynamicstest.Tenant
			cfg.ClientID, cfg.ClientSecret = dynamicstest.ClientID, secret.New("secret")
			test.change(&cfg)
			err := cfg.Validate()
			require.ErrorContains(t, err, test.want)
			require.NotContains(t, err.Error(), "\n", "one mistake, one error")
			_, err = dynamics.New(cfg, api.Options{})
			require.ErrorContains(t, err, test.want)
		})
	}
}

// TestExample: the example of the configuration is understood, and fits an environment that was set up.
func TestExample(t *testing.T) {
	file, err := os.ReadFile(filepath.Join("..", "..", "configs", "dynamics.yaml"))
	require.NoError(t, err)
	var tree map[string]map[string]any
	require.NoError(t, yaml.Unmarshal(file, &tree))
	section := tree["crm"]
	require.Equal(t, dynamics.Name, section["type"])
	delete(section, "type")
	cfg := dynamics.Default()
	decoder, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{
		TagName: "koanf", Result: &cfg, ErrorUnused: true, DecodeHook: mapstructure.ComposeDecodeHookFunc(
			mapstructure.StringToTimeDurationHookFunc(), mapstructure.TextUnmarshallerHookFunc(),
		),
	})
	require.NoError(t, err)
	require.NoError(t, decoder.Decode(section))
	require.Equal(t, "/etc/crmsyncd/dynamics-secret", cfg.ClientSecretFile)
	cfg.ClientSecret = secret.New("read from the file")
	require.NoError(t, cfg.Validate())

	b := newBench(t, dynamicstest.Options{}, func(c *dynamics.Config) {
		cfg.BaseURL, cfg.TokenURL, cfg.ClientID, cfg.ClientSecret = c.BaseURL, c.TokenURL, c.ClientID, c.ClientSecret
		*c = cfg
	})
	require.Empty(t, wrong(b.Check(t.Context())))
}
