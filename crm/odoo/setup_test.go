package odoo_test

import (
	"os"
	"strings"
	"testing"

	"github.com/go-viper/mapstructure/v2"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/crmsyncd/crmsyncd/configs/secret"
	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/crmtest"
	"github.com/crmsyncd/crmsyncd/crm/odoo"
	"github.com/crmsyncd/crmsyncd/crm/odoo/odootest"
)

// bad returns the findings that are not fine, by subject.
func bad(findings []crm.Finding) map[string]string {
	problems := map[string]string{}
	for _, f := range findings {
		if f.Err != nil {
			problems[f.Subject] = f.Err.Error()
		}
	}
	return problems
}

func TestCheckOfAnOdooThatIsReady(t *testing.T) {
	for name, o := range map[string]odootest.Options{
		"19": {}, "18": {Version: "18.0"}, "14": {Version: "14.0"}, "own": {OwnModel: ownModel}, "html": {HTML: true},
	} {
		b := newBench(t, o)
		b.crm.AddRecord("res.partner", "", "0912345678")
		findings := b.Check(t.Context())
		require.Empty(t, bad(findings), name)
		require.Greater(t, len(findings), 20)
		require.Empty(t, b.crm.Logs())
	}
}

func TestCheck(t *testing.T) {
	for name, test := range map[string]struct {
		options odootest.Options
		change  func(*odoo.Config)
		bad     map[string]string
	}{
		"key": {
			change: func(cfg *odoo.Config) { cfg.Token = secret.New("an-old-key") },
			bad:    map[string]string{"credentials": "three months"},
		},
		"no setup": {
			options: odootest.Options{Bare: true},
			bad: map[string]string{
				"field res.partner.x_transaction_id (char)": "setup crm makes it", "find crm.lead by phone": "Invalid field",
				"field crm.lead.x_transaction_id (char)": "setup crm makes it", "find res.partner by phone": "Invalid field",
				"field crm.phonecall.x_recording_url (char)": "setup crm makes it",
				"field crm.phonecall.x_call_id (char)":       "setup crm makes it",
				"find res.partner by transaction id":         "crmsyncd check", "find crm.lead by transaction id": "Invalid field",
			},
		},
		"old module": {
			options: odootest.Options{OldPhonecall: true},
			bad:     map[string]string{"field crm.phonecall.direction (char)": "not there"},
		},
		"no module": {
			options: odootest.Options{OwnModel: ownModel}, change: func(cfg *odoo.Config) { cfg.Calls.Model = "x_other" },
			bad: map[string]string{"write by external id": "does not exist", "model x_other": "install the OCA"},
		},
		"values and types": {
			change: func(cfg *odoo.Config) {
				cfg.Calls.Missed, cfg.Calls.Fields.Recording, cfg.Calls.Fields.Partner = "no_answer", "duration", "user_id"
			},
			bad: map[string]string{
				"field crm.phonecall.state (char)":       `no value "no_answer"`,
				"field crm.phonecall.duration (char)":    "is of type float",
				"field crm.phonecall.user_id (many2one)": "takes one that points at res.partner",
			},
		},
		"no rights": {
			options: odootest.Options{Denied: []string{"crm.phonecall create", "res.users read"}},
			bad: map[string]string{
				"right to create crm.phonecall": "not given", "right to read res.users": "not given",
				"find user by agent": "not allowed",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, test.options, func(cfg *odoo.Config) {
				if test.change != nil {
					test.change(cfg)
				}
			})
			got := bad(b.Check(t.Context()))
			for subject, words := range test.bad {
				require.Contains(t, got[subject], words, "%s of %v", subject, got)
			}
			if name != "no module" {
				require.Len(t, got, len(test.bad), "%v", got)
			}
			require.Empty(t, b.crm.Logs())
		})
	}
}

func TestSetup(t *testing.T) {
	for name, o := range map[string]odootest.Options{
		"json2": {Bare: true}, "jsonrpc": {Bare: true, Version: "16.0"}, "own": {Bare: true, OwnModel: ownModel},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, o)
			plan, err := b.Plan(t.Context())
			require.NoError(t, err)
			made := 0
			for _, p := range plan {
				require.Empty(t, p.Manual, p.Name)
				if !p.Done {
					made++
					require.NoError(t, b.Prepare(t.Context(), p))
					require.NoError(t, b.Prepare(t.Context(), p), "repeating it is harmless")
				}
			}
			require.GreaterOrEqual(t, made, 4)
			require.Empty(t, bad(b.Check(t.Context())))
			w := crm.Write{Call: ended("call-1")}
			w.Record = &crm.Record{Object: "res.partner", ID: b.crm.AddRecord("res.partner", "T-1001", "")}
			b.write(t, w)
			require.Equal(t, int64(90), b.crm.Logs()[0].Seconds)
			require.Equal(t, w.Record.ID, b.crm.Logs()[0].RecordID)
			require.Equal(t, "invalid", kindOf(b.Prepare(t.Context(), crm.Preparation{Name: "res.partner.x"})))
		})
	}
}

func TestSetupWithoutRights(t *testing.T) {
	b := newBench(t, odootest.Options{Bare: true, Denied: []string{"ir.model.fields create"}})
	plan, err := b.Plan(t.Context())
	require.NoError(t, err)
	for _, p := range plan {
		require.Equal(t, p.Done, p.Manual == "", p.Name)
		if !p.Done {
			require.Contains(t, p.Manual, "API key of an administrator")
		}
	}
	require.Equal(t, "forbidden", kindOf(b.Prepare(t.Context(), crm.Preparation{Name: "res.partner.x_transaction_id"})))

	b.server.Inject(crmtest.Drop())
	_, err = b.Plan(t.Context())
	require.Equal(t, "transient", kindOf(err))
}

func TestValidate(t *testing.T) {
	for problem, change := range map[string]func(*odoo.Config){
		"base_url: must be":                       func(c *odoo.Config) { c.BaseURL = "acme.odoo.com" },
		"api: must be":                            func(c *odoo.Config) { c.API = "xmlrpc" },
		"database: is missing":                    func(c *odoo.Config) { c.Database = "" },
		"login: is missing":                       func(c *odoo.Config) { c.API, c.Login = "jsonrpc", "" },
		"token: is missing":                       func(c *odoo.Config) { c.Token = secret.String{} },
		"concurrency: must be from 1 to 16":       func(c *odoo.Config) { c.Concurrency = 0 },
		"objects: is missing":                     func(c *odoo.Config) { c.Objects = nil },
		"objects[0].name: must be res.partner":    func(c *odoo.Config) { c.Objects[0].Name = "sale.order" },
		"objects[1].name: res.partner is there":   func(c *odoo.Config) { c.Objects[1].Name = "res.partner" },
		"objects[0].transaction_id: \"a.b\" must": func(c *odoo.Config) { c.Objects[0].TransactionID = "a.b" },
		"objects[1].phones: \"A\" must be":        func(c *odoo.Config) { c.Objects[1].Phones = []string{"A"} },
		"calls.model: must be":                    func(c *odoo.Config) { c.Calls.Model = "x/../y" },
		"calls.duration_unit: must be":            func(c *odoo.Config) { c.Calls.DurationUnit = "days" },
		"calls.fields.name: cannot be left out":   func(c *odoo.Config) { c.Calls.Fields.Name = "-" },
		"calls.fields.lead: cannot be left out":   func(c *odoo.Config) { c.Calls.Fields.Lead = "-" },
		"calls.fields.state: \"a/.id\" must be":   func(c *odoo.Config) { c.Calls.Fields.State = "a/.id" },
		"text.fields: \"x y\" must be": func(c *odoo.Config) {
			c.Text.Fields = map[string]string{"x y": "{{.Hotline}}"}
		},
		"text: title": func(c *odoo.Config) { c.Text.Title = "{{.Nonsense}}" },
	} {
		t.Run(problem, func(t *testing.T) {
			cfg := configuration("https://acme.odoo.com/")
			require.NoError(t, cfg.Validate())
			change(&cfg)
			require.ErrorContains(t, cfg.Validate(), problem)
			require.NotContains(t, cfg.Validate().Error(), "\n", "one mistake, one error")
			_, err := odoo.New(cfg, api.Options{})
			require.ErrorContains(t, err, problem)
		})
	}
}

// TestExample reads the example as the program does.
func TestExample(t *testing.T) {
	source, err := os.ReadFile("../../configs/odoo.yaml")
	require.NoError(t, err)
	var tree struct{ CRM map[string]any }
	require.NoError(t, yaml.Unmarshal(source, &tree))
	require.Equal(t, odoo.Name, tree.CRM["type"])
	delete(tree.CRM, "type")
	cfg := odoo.Default()
	decoder, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{
		TagName: "koanf", Result: &cfg, ErrorUnused: true, DecodeHook: mapstructure.TextUnmarshallerHookFunc(),
	})
	require.NoError(t, err)
	require.NoError(t, decoder.Decode(tree.CRM))
	require.NoError(t, cfg.Validate())
	require.True(t, strings.HasPrefix(cfg.TokenFile, "/etc/crmsyncd/"))
}

// TestSwitchedOff: a field that is called - is not written.
func TestSwitchedOff(t *testing.T) {
	b := newBench(t, odootest.Options{}, func(cfg *odoo.Config) {
		cfg.Calls.Fields = odoo.Fields{Description: "-", Phone: "-", State: "-", Duration: "-", User: "-", Start: "-"}
	})
	w := b.write(t, crm.Write{Call: running(), Owner: b.crm.AddUser("an")})
	w.Call = ended("call-1")
	b.write(t, w)
	log := b.crm.Logs()[0]
	require.Empty(t, log.Text)
	require.Empty(t, log.Result)
	require.Equal(t, "2", log.Owner)
	require.Equal(t, "inbound", log.Direction)
}
