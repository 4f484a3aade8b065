// Package hubspot writes call logs into HubSpot.
//
// # The model
//
// A call log is an object of type call. The call id stands in a property of its own with unique values, and so a batch
// upsert of 100 calls is harmless to repeat. An upsert cannot link, so a second batch associates the calls with their
// records; crm.Write.Progress keeps which link is made and what was last sent of each property. An update sends what
// has changed since and nothing else: notes, outcome and owner that people change in HubSpot stay as they made them.
//
// Where an account has no unique property on calls (Config.UniqueProperty), calls are created with their links in one
// batch, and found by a search when an answer got lost.
//
// # Traps
//
// HubSpot answers a batch as a whole, with 400, unless every input carries an objectWriteTraceId: then with 207 and an
// error for each bad input. Results come in any order and are told apart by that id, never by position. The operator IN
// of a search wants values in lower case, and a search shows what was written only after a while. Values are texts, and
// an empty one clears. An unknown property is refused for every call alike, so it makes the whole target wait and parks
// nothing. A limit of requests names no time, only its policy: one second, ten seconds, or the day.
package hubspot

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/crmsyncd/crmsyncd/configs/secret"
	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/text"
)

// Name is what the adapter is called in configuration and metrics.
const Name = "hubspot"

// Config is the section of HubSpot. Only Token, or OAuth, is required of an account of the usual shape.
type Config struct {
	// BaseURL is the address of the API, default https://api.hubapi.com. Version is that of its paths: v3 (default) or a
	// date such as 2026-03.
	BaseURL string `koanf:"base_url" validate:"required,http_url"`
	Version string `koanf:"version"`
	// Token is the access token of an app for this account alone ("private app").
	Token     secret.String `koanf:"token"`
	TokenFile string        `koanf:"token_file"`
	// OAuth is in place of Token for an app that is installed in several accounts.
	OAuth      OAuth          `koanf:"oauth"`
	Connection api.Connection `koanf:"connection"`
	// Rate bounds all requests but searches, default 9 per second with a burst of 10 (HubSpot: 100 per ten seconds),
	// SearchRate searches, default 4 per second (HubSpot: 5 in all of the account).
	Rate       api.Budget `koanf:"rate"`
	SearchRate api.Budget `koanf:"search_rate"`
	// SearchLag is how long after a write a search may not show it, default 30s.
	SearchLag time.Duration `koanf:"search_lag" validate:"gte=0"`
	// Concurrency is how many requests of one batch are under way at a time, default 4.
	Concurrency int `koanf:"concurrency" validate:"gte=1,lte=16"`
	// Objects are the kinds of record that calls may belong to, in the order in which they are searched. Default: contact.
	Objects []Object `koanf:"objects" validate:"dive"`
	// Create is the object that is made for an unknown caller, one of Objects with phones. Default: contact.
	Create string `koanf:"create"`
	// CallID is the property of calls that holds the call id, default alohub_call_id. UniqueProperty (default true) says
	// that its values are unique in HubSpot.
	CallID         string `koanf:"call_id" validate:"required"`
	UniqueProperty bool   `koanf:"unique_property"`
	// Dispositions are the outcomes that calls get, ids of options of hs_call_disposition. Empty: no outcome is written.
	// Default: HubSpot's own Connected and No answer.
	Dispositions Dispositions `koanf:"dispositions"`
	// EmailDomain makes e-mail addresses of agents' account names, to find their users. Empty: only names that are
	// addresses are looked up.
	EmailDomain string `koanf:"email_domain"`
	// PlainBody writes the body as plain text in place of HTML, default false.
	PlainBody bool        `koanf:"plain_body"`
	Text      text.Config `koanf:"text"`
}

// OAuth is an app's permission for an account. The refresh token does not change.
type OAuth struct {
	ClientID         string        `koanf:"client_id"`
	ClientSecret     secret.String `koanf:"client_secret"`
	ClientSecretFile string        `koanf:"client_secret_file"`
	RefreshToken     secret.String `koanf:"refresh_token"`
	RefreshTokenFile string        `koanf:"refresh_token_file"`
}

// Dispositions are ids of outcomes.
type Dispositions struct {
	Answered string `koanf:"answered"`
	Missed   string `koanf:"missed"`
}

// Object is a kind of record. For contact, company, deal, ticket and lead only Name is required.
type Object struct {
	// Name is the kind ("contact"), Type its name in paths ("contacts", "2-123456").
	Name string `koanf:"name" validate:"required"`
	Type string `koanf:"type"`
	// Association is the id of HubSpot's own type of association from a call to the object.
	Association int `koanf:"association" validate:"gte=0"`
	// TransactionID is the property that holds the transaction id, default transaction_id.
	TransactionID string `koanf:"transaction_id"`
	// Phones are the properties that hold numbers; SearchPhones those that HubSpot derives from them for searching.
	Phones       []string `koanf:"phones"`
	SearchPhones []string `koanf:"search_phones"`
	// NameProperty gets the number of an unknown caller as a name; empty: nothing does.
	NameProperty string `koanf:"name_property"`
}

// standard returns HubSpot's own objects. The types of association are from its page "Associations".
func standard() []Object {
	const derived = "hs_searchable_calculated_"
	return []Object{
		{
			Name: "contact", Type: "contacts", Association: 194, Phones: []string{"phone", "mobilephone"},
			SearchPhones: []string{derived + "phone_number", derived + "mobile_number"},
			NameProperty: "lastname",
		},
		{Name: "company", Type: "companies", Association: 182, Phones: []string{"phone"}, NameProperty: "name"},
		{Name: "deal", Type: "deals", Association: 206},
		{Name: "ticket", Type: "tickets", Association: 220},
		{Name: "lead", Type: "leads", Association: 597},
	}
}

// filled returns an object with what HubSpot's own of the same name has.
func (o Object) filled() Object {
	o.TransactionID = cmp.Or(o.TransactionID, "transaction_id")
	for _, s := range standard() {
		if s.Name != o.Name {
			continue
		}
		o.Type, o.Association = cmp.Or(o.Type, s.Type), cmp.Or(o.Association, s.Association)
		o.NameProperty = cmp.Or(o.NameProperty, s.NameProperty)
		if len(o.Phones) == 0 {
			o.Phones, o.SearchPhones = s.Phones, s.SearchPhones
		}
	}
	return o
}

// Default returns the configuration of an account of the usual shape. It lacks the credentials.
func Default() Config {
	return Config{
		BaseURL: "https://api.hubapi.com", Version: "v3", Connection: api.DefaultConnection(),
		Rate: api.Budget{PerSecond: 9, Burst: 10}, SearchRate: api.Budget{PerSecond: 4, Burst: 1},
		SearchLag: 30 * time.Second, Concurrency: 4, Objects: []Object{{Name: "contact"}},
		CallID: "alohub_call_id", UniqueProperty: true, Text: text.Default(),
		Dispositions: Dispositions{
			Answered: "f240bbac-87c9-4f6e-bf70-924b57d47db7", Missed: "73a0d17f-1163-4015-bdd5-ec830791da20",
		},
	}
}

// Validate returns what is wrong, joined by errors.Join.
func (c Config) Validate() error {
	var errs []error
	wrong := func(when bool, format string, args ...any) {
		if when {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	o := c.OAuth
	oauth := o.ClientID != "" || o.ClientSecret.IsSet() || o.RefreshToken.IsSet()
	wrong(!c.Token.IsSet() && !oauth, "token: is missing: give the access token of a private app, or oauth")
	wrong(c.Token.IsSet() && oauth, "oauth: is set as well as token: keep one of them")
	wrong(oauth && (o.ClientID == "" || !o.ClientSecret.IsSet() || !o.RefreshToken.IsSet()),
		"oauth: needs client_id, client_secret and refresh_token")
	_, err := time.Parse("2006-01", c.Version)
	wrong(c.Version != "v3" && err != nil, "version: %q is neither v3 nor a date such as 2026-03", c.Version)
	wrong(c.CallID == "", "call_id: is missing: name the property of calls that holds the call id")
	wrong(len(c.Objects) == 0, "objects: are missing: name at least one")
	names := map[string]bool{}
	for i, object := range c.Objects {
		object = object.filled()
		wrong(object.Type == "" || object.Association == 0, "objects[%d]: %q is none of HubSpot's own: it needs type and "+
			"association", i, object.Name)
		wrong(names[object.Name], "objects[%d].name: %q is there twice", i, object.Name)
		names[object.Name] = true
	}
	wrong(c.Create != "" && !names[c.Create], "create: %q is none of objects", c.Create)
	if _, err := text.New(c.Text, nil); err != nil {
		errs = append(errs, fmt.Errorf("text.%w", err))
	}
	return errors.Join(errs...)
}

// Adapter speaks to HubSpot as a Config says. It is safe for concurrent use.
type Adapter struct {
	cfg     Config
	objects []Object
	client  *api.Client
	text    *text.Text
	search  api.Search
	logger  *slog.Logger
	now     func() time.Time
}

// All that an adapter may offer.
var (
	_ crm.Adapter        = (*Adapter)(nil)
	_ crm.LogFinder      = (*Adapter)(nil)
	_ crm.UserFinder     = (*Adapter)(nil)
	_ crm.ContactCreator = (*Adapter)(nil)
	_ crm.Checker        = (*Adapter)(nil)
	_ crm.Preparer       = (*Adapter)(nil)
)

// New returns the Adapter of a configuration. It sends nothing.
func New(cfg Config, o api.Options) (*Adapter, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("set up HubSpot: %w", err)
	}
	o = o.Filled()
	texts, err := text.New(cfg.Text, o.Location)
	if err != nil {
		return nil, fmt.Errorf("set up HubSpot: %w", err)
	}
	credentials := api.Static("Authorization", "Bearer "+cfg.Token.Reveal())
	if !cfg.Token.IsSet() {
		// HubSpot asks to refresh by the clock: a 401 is no sign that a token is old (page "Working with OAuth").
		credentials, err = api.NewOAuth(api.OAuth{
			TokenURL: cfg.BaseURL + "/oauth/v1/token", ClientID: cfg.OAuth.ClientID,
			ClientSecret: cfg.OAuth.ClientSecret, RefreshToken: cfg.OAuth.RefreshToken,
		}, cfg.Connection, o)
		if err != nil {
			return nil, fmt.Errorf("set up HubSpot: %w", err)
		}
	}
	client, err := api.NewClient(api.ClientConfig{
		BaseURL: cfg.BaseURL, Connection: cfg.Connection, Credentials: credentials, Judge: judge, Levels: levels,
		Budgets: map[string]api.Budget{budgetSearch: cfg.SearchRate, budgetOther: cfg.Rate},
	}, o)
	if err != nil {
		return nil, fmt.Errorf("set up HubSpot: %w", err)
	}
	a := &Adapter{cfg: cfg, client: client, text: texts, logger: o.Logger, now: o.Now}
	for _, object := range cfg.Objects {
		a.objects = append(a.objects, object.filled())
	}
	a.search = api.Search{
		MaxValues: maxBatch, MaxSize: maxSearchValues, Size: quoted, Concurrency: cfg.Concurrency, Region: o.PhoneRegion,
		ByTransactionID: a.byTransactionID, ByPhone: a.byPhone, Spellings: spellings,
	}
	return a, nil
}
