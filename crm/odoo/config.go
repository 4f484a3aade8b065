package odoo

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/crmsyncd/crmsyncd/configs/secret"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/text"
)

// Config is the section of an Odoo. Default has the values of what is not said.
type Config struct {
	// BaseURL is the address of the site, "https://acme.odoo.com". Required.
	BaseURL string `koanf:"base_url" validate:"required,http_url"`
	// Database is the name of the database. It may be left out only with api json2 and a host that serves a single one.
	Database string `koanf:"database"`
	// API is json2 (Odoo 19 and later), jsonrpc (14 to 21) or auto (default): the version of the server decides.
	API string `koanf:"api" validate:"oneof=auto json2 jsonrpc"`
	// Login is the name with which the API key's user logs in. Only JSON-RPC needs it.
	Login string `koanf:"login"`
	// Token is the user's API key, TokenFile a file with it. Required. It lives for three months at most.
	Token     secret.String `koanf:"token"`
	TokenFile string        `koanf:"token_file"`
	// Connection bounds requests. Private addresses are allowed by default, Odoo often stands in one's own network.
	Connection api.Connection `koanf:"connection"`
	// Concurrency is how many requests of a batch are under way at a time, default 2: each takes a worker of the server.
	Concurrency int `koanf:"concurrency" validate:"gte=1,lte=16"`
	// Objects are what calls may belong to, in the order in which they are searched. Default: res.partner, crm.lead.
	Objects []Object `koanf:"objects" validate:"required,dive"`
	// Calls says what is written of a call, and where.
	Calls Calls `koanf:"calls"`
	// Text is what people read in the summary and the text of a call.
	Text text.Config `koanf:"text"`
}

// Object is a model that calls may belong to.
type Object struct {
	// Name is the model: res.partner or crm.lead, which holds leads and opportunities.
	Name string `koanf:"name" validate:"oneof=res.partner crm.lead"`
	// TransactionID is the field that carries the transaction id, default x_transaction_id. Empty: not looked up by it.
	TransactionID string `koanf:"transaction_id"`
	// Phones are the fields with numbers. Empty (default): those of phone_sanitized, phone and mobile that are there.
	Phones []string `koanf:"phones"`
}

// Calls describes the model of call logs. What is empty has the value that fits the model, see Fields.
type Calls struct {
	// Model is crm.phonecall (default), of the OCA module crm_phonecall, or one of your own such as x_call_log.
	Model string `koanf:"model" validate:"required"`
	// Fields are where the values of a call go.
	Fields Fields `koanf:"fields"`
	// DurationUnit is seconds, minutes or hours. Empty: minutes for crm.phonecall, seconds for a model of your own.
	DurationUnit string `koanf:"duration_unit" validate:"omitempty,oneof=seconds minutes hours"`
	// Answered, Missed and Running are values of Fields.State. Empty: done, cancel and open for crm.phonecall; answered,
	// missed and running for a model of your own.
	Answered string `koanf:"answered"`
	Missed   string `koanf:"missed"`
	Running  string `koanf:"running"`
	// Inbound and Outbound are values of Fields.Direction. Empty: in and out for crm.phonecall, inbound and outbound for
	// a model of your own.
	Inbound  string `koanf:"inbound"`
	Outbound string `koanf:"outbound"`
}

// Fields names the fields of the model of call logs. Empty: the name that stands behind, for crm.phonecall and for a
// model of your own. "-": not written.
type Fields struct {
	Name        string `koanf:"name"`        // name, x_name: the summary
	Start       string `koanf:"start"`       // date, x_start: a Datetime
	Duration    string `koanf:"duration"`    // duration, x_duration: the time talked
	State       string `koanf:"state"`       // state, x_state
	Partner     string `koanf:"partner"`     // partner_id, x_partner_id
	Lead        string `koanf:"lead"`        // opportunity_id, x_lead_id
	User        string `koanf:"user"`        // user_id, x_user_id: the agent
	Description string `koanf:"description"` // description, x_description: Text or Html
	Direction   string `koanf:"direction"`   // direction, x_direction. Left out where the model lacks it
	Phone       string `koanf:"phone"`       // partner_phone, x_phone. Left out where the model lacks it
	// Recording is x_recording_url. Where the model lacks it, the address stands in the description.
	Recording string `koanf:"recording"`
	// CallID is x_call_id, for people who look for it. Left out where the model lacks it.
	CallID string `koanf:"call_id"`
}

// phonecall is the model of the OCA module crm_phonecall.
const phonecall = "crm.phonecall"

// Default returns the configuration that one's own is laid over.
func Default() Config {
	c := Config{
		API: "auto", Connection: api.DefaultConnection(), Concurrency: 2, Text: text.Default(),
		Objects: []Object{
			{Name: partnerModel, TransactionID: "x_transaction_id"}, {Name: leadModel, TransactionID: "x_transaction_id"},
		},
		Calls: Calls{Model: phonecall},
	}
	c.Connection.PrivateAddresses = true
	return c
}

// presets are what empty values stand for, see Calls and Fields.
func (c Calls) presets() Calls {
	if c.Model == phonecall {
		return Calls{
			DurationUnit: "minutes", Answered: "done", Missed: "cancel", Running: "open", Inbound: "in", Outbound: "out",
			Fields: Fields{
				"name", "date", "duration", "state", "partner_id", "opportunity_id", "user_id", "description", "direction",
				"partner_phone", "x_recording_url", "x_call_id",
			},
		}
	}
	return Calls{
		DurationUnit: "seconds", Answered: "answered", Missed: "missed", Running: "running", Inbound: "inbound",
		Outbound: "outbound",
		Fields: Fields{
			"x_name", "x_start", "x_duration", "x_state", "x_partner_id", "x_lead_id", "x_user_id", "x_description",
			"x_direction", "x_phone", "x_recording_url", "x_call_id",
		},
	}
}

// values are all that may be empty, the fields first.
func (c *Calls) values() []*string {
	f := &c.Fields
	return []*string{
		&f.Name, &f.Start, &f.Duration, &f.State, &f.Partner, &f.Lead, &f.User, &f.Description, &f.Direction, &f.Phone,
		&f.Recording, &f.CallID, &c.DurationUnit, &c.Answered, &c.Missed, &c.Running, &c.Inbound, &c.Outbound,
	}
}

// filled returns c with the values of its model in place of empty ones, and without the fields that are switched off.
func (c Calls) filled() Calls {
	presets := c.presets()
	for i, value := range c.values() {
		if *value = cmp.Or(*value, *presets.values()[i]); *value == "-" {
			*value = ""
		}
	}
	return c
}

var (
	fieldName = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`)
	modelName = regexp.MustCompile(`^[a-z_][a-z0-9_.]{0,62}$`)
)

// Validate returns every mistake, joined by errors.Join, each with the path of its key.
func (c Config) Validate() error {
	var mistakes []error
	check := func(fine bool, format string, args ...any) {
		if !fine {
			mistakes = append(mistakes, fmt.Errorf(format, args...))
		}
	}
	u, err := url.Parse(c.BaseURL)
	check(err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https") && u.RawQuery == "",
		"base_url: must be the address of the site, such as https://acme.odoo.com")
	check(slices.Contains([]string{"auto", "json2", "jsonrpc"}, c.API), "api: must be auto, json2 or jsonrpc")
	check(c.Database != "" || c.API == "json2", "database: is missing, Settings > About or the address shows its name")
	check(c.Login != "" || c.API != "jsonrpc", "login: is missing, JSON-RPC needs the name of the API key's user")
	check(c.Token.IsSet() || c.TokenFile != "",
		"token: is missing, make an API key under Preferences > Account Security and give it or token_file")
	check(c.Concurrency >= 1 && c.Concurrency <= 16, "concurrency: must be from 1 to 16")
	check(len(c.Objects) > 0, "objects: is missing, name what calls belong to, such as res.partner")
	for i, o := range c.Objects {
		path := fmt.Sprintf("objects[%d]", i)
		check(o.Name == partnerModel || o.Name == leadModel,
			"%s.name: must be res.partner or crm.lead, a call has no field for others", path)
		same := func(other Object) bool { return other.Name == o.Name }
		check(!slices.ContainsFunc(c.Objects[:i], same), "%s.name: %s is there already", path, o.Name)
	}
	check(modelName.MatchString(c.Calls.Model), "calls.model: must be a model such as crm.phonecall or x_call_log")
	calls := c.Calls.filled()
	check(slices.Contains([]string{"seconds", "minutes", "hours"}, calls.DurationUnit),
		"calls.duration_unit: must be seconds, minutes or hours")
	check(calls.Fields.Name != "", "calls.fields.name: cannot be left out, a call must have a summary")
	for _, o := range c.Objects {
		check(o.Name != partnerModel || calls.Fields.Partner != "",
			"calls.fields.partner: cannot be left out while objects has res.partner")
		check(o.Name != leadModel || calls.Fields.Lead != "",
			"calls.fields.lead: cannot be left out while objects has crm.lead")
	}
	for _, n := range needs(c) {
		check(fieldName.MatchString(n.field), "%s: %q must be the name of a field, such as %s", n.key, n.field, "x_call_id")
	}
	if _, err = text.New(c.Text, nil); err != nil {
		mistakes = append(mistakes, fmt.Errorf("text: %w", err))
	}
	return errors.Join(mistakes...)
}

// address returns the address of the site without a slash at its end.
func (c Config) address() string { return strings.TrimRight(c.BaseURL, "/") }
