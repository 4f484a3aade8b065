package dynamics

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/crmsyncd/crmsyncd/configs/secret"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/text"
)

// Config describes an environment. Default has the values of what is not said.
type Config struct {
	// BaseURL is the address of the environment, "https://acme.crm5.dynamics.com". Required.
	BaseURL string `koanf:"base_url" validate:"required"`
	// TenantID is the id or a domain of the Entra tenant. Required, unless TokenURL is given.
	TenantID string `koanf:"tenant_id"`
	// TokenURL is the token endpoint of another cloud. Default: that of the tenant at login.microsoftonline.com.
	TokenURL string `koanf:"token_url"`
	// ClientID and ClientSecret are those of an app registration that is an application user of the environment. Required.
	ClientID         string        `koanf:"client_id" validate:"required"`
	ClientSecret     secret.String `koanf:"client_secret"`
	ClientSecretFile string        `koanf:"client_secret_file"`
	// APIVersion of the Web API, default 9.2.
	APIVersion string `koanf:"api_version"`
	// Objects are the tables that calls may belong to, in the order in which they are searched. Default: contact, lead.
	Objects []Object `koanf:"objects" validate:"min=1,dive"`
	// PhoneCalls says what is written of a call beyond the standard columns.
	PhoneCalls PhoneCalls `koanf:"phone_calls"`
	// AgentFields are the columns of systemuser that an agent's name is compared with, one after the other, default
	// internalemailaddress and domainname. AgentDomain is appended to names without an @; empty: nothing is.
	AgentFields []string `koanf:"agent_fields" validate:"min=1"`
	AgentDomain string   `koanf:"agent_domain"`
	// ContactObject is which of Objects is made for an unknown caller where match.unmatched is create: contact or lead
	// (default).
	ContactObject string `koanf:"contact_object" validate:"oneof=contact lead"`
	// Batch is how many calls one request carries, default 100, at most 300. Dataverse writes them one after the other
	// and ends a request after two minutes.
	Batch int `koanf:"batch" validate:"gte=1,lte=300"`
	// Concurrency is how many requests of one look-up or write are under way at a time, default 4.
	Concurrency int `koanf:"concurrency" validate:"gte=1,lte=16"`
	// QuerySize bounds the values in the URL of a look-up, in bytes as they are escaped, default 8000. Dataverse takes
	// 32,768 bytes, a proxy on the way may take less.
	QuerySize int `koanf:"query_size" validate:"gte=500,lte=24000"`
	// Connection bounds requests; the timeout is 2m by default, as long as Dataverse works on one.
	Connection api.Connection `koanf:"connection"`
	// Text is what people read in the subject and the description.
	Text text.Config `koanf:"text"`
}

// Object is one table.
type Object struct {
	// Name is its logical name ("contact").
	Name string `koanf:"name" validate:"required"`
	// Set is the name of its entity set. Default: contacts, leads, opportunities, accounts; required for other tables.
	Set string `koanf:"set"`
	// TransactionID is the text column that carries the transaction id. Empty: not looked up by it.
	TransactionID string `koanf:"transaction_id"`
	// Phones are the text columns that carry phone numbers. Empty: not looked up by them.
	Phones []string `koanf:"phones"`
	// Filter is a further OData condition for rows to be found. Empty: none. Default: "statecode eq 0", so no merged or
	// deactivated contact, no qualified or disqualified lead.
	Filter string `koanf:"filter"`
}

// PhoneCalls names columns of phonecall of one's own. Empty (default): they are not written.
type PhoneCalls struct {
	// CallIDField is a text column for the call centre's call id, for people to search by.
	CallIDField string `koanf:"call_id_field"`
	// SecondsField is a whole number column for the seconds talked: the standard column tells minutes.
	SecondsField string `koanf:"seconds_field"`
	// RecordingField is a text or URL column of 2,000 characters for the address of the recording. Without it, and for
	// longer addresses: it stands in the description.
	RecordingField string `koanf:"recording_field"`
	// Parties writes who called whom (columns From and To), default true.
	Parties bool `koanf:"parties"`
}

// Default returns the configuration of an environment after "crmsyncd setup crm".
func Default() Config {
	phones, open := []string{"telephone1", "mobilephone"}, "statecode eq 0"
	connection := api.DefaultConnection()
	connection.Timeout = 2 * time.Minute
	return Config{
		APIVersion: "9.2", AgentFields: []string{"internalemailaddress", "domainname"}, ContactObject: "lead", Batch: 100,
		Concurrency: 4, QuerySize: 8000,
		Objects: []Object{
			{Name: "contact", TransactionID: "new_transactionid", Phones: phones, Filter: open},
			{Name: "lead", TransactionID: "new_transactionid", Phones: phones, Filter: open},
		},
		PhoneCalls: PhoneCalls{Parties: true}, Connection: connection, Text: text.Default(),
	}
}

var (
	logicalName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,99}$`)
	tenant      = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.-]{0,252}$`)
	version     = regexp.MustCompile(`^9\.[0-9]{1,2}$`)
	guid        = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
)

// Validate returns every mistake, joined by errors.Join, each with the key that it stands at.
func (c Config) Validate() error {
	var errs []error
	wrong := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	wrong(!address(c.BaseURL, false), "base_url: must be the https address of the environment without a path, such as "+
		"https://acme.crm5.dynamics.com")
	wrong(c.TokenURL == "" && !tenant.MatchString(c.TenantID), "tenant_id: must be the id or a domain of the Entra "+
		"tenant, such as acme.onmicrosoft.com")
	wrong(c.TokenURL != "" && !address(c.TokenURL, true), "token_url: must be an https address")
	wrong(c.ClientID == "", "client_id: is missing, it is the application (client) ID of the app registration")
	wrong(!c.ClientSecret.IsSet(), "client_secret: is missing, give it or client_secret_file")
	wrong(!version.MatchString(c.APIVersion), "api_version: is %q, it must be one such as 9.2", c.APIVersion)
	wrong(len(c.Objects) == 0, "objects: are missing, without any no call finds its record")
	for i, o := range c.Objects {
		for _, name := range append([]string{o.Name, cmp.Or(o.TransactionID, "none"), cmp.Or(o.set(), "none")}, o.Phones...) {
			wrong(!logicalName.MatchString(name), "objects[%d]: %q is no logical name, write it in lower case", i, name)
		}
		wrong(o.set() == "" && logicalName.MatchString(o.Name), "objects[%d].set: is missing, it is the name of the entity set of %s", i, o.Name)
		wrong(o.TransactionID == "" && len(o.Phones) == 0, "objects[%d]: needs transaction_id or phones", i)
		wrong(strings.ContainsAny(o.Filter, "&?#@\n"), "objects[%d].filter: must be a condition, such as statecode eq 0", i)
	}
	p := c.PhoneCalls
	for _, column := range [][2]string{
		{"call_id_field", p.CallIDField}, {"seconds_field", p.SecondsField}, {"recording_field", p.RecordingField},
	} {
		wrong(!logicalName.MatchString(cmp.Or(column[1], "none")), "phone_calls.%s: %q is no logical name", column[0],
			column[1])
	}
	wrong(len(c.AgentFields) == 0, "agent_fields: are missing, name columns of systemuser such as domainname")
	for i, name := range c.AgentFields {
		wrong(!logicalName.MatchString(name), "agent_fields[%d]: %q is no logical name", i, name)
	}
	creates := slices.ContainsFunc(c.Objects, func(o Object) bool { return o.Name == c.ContactObject })
	wrong(c.ContactObject != "lead" && (c.ContactObject != "contact" || !creates),
		"contact_object: must be contact or lead, and one of objects")
	wrong(c.Batch < 1 || c.Batch > 300, "batch: is %d, it must be from 1 to 300", c.Batch)
	if _, err := text.New(c.Text, nil); err != nil {
		errs = append(errs, fmt.Errorf("text: %w", err))
	}
	return errors.Join(errs...)
}

// address reports whether a text is an address that the secret may go to. Without TLS only this machine is one, or an
// address without a name: the secret would be seen by everybody on the way.
func address(text string, path bool) bool {
	u, err := url.Parse(strings.TrimSuffix(text, "/"))
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Path != "" && !path {
		return false
	}
	own := net.ParseIP(u.Hostname()) != nil || u.Hostname() == "localhost"
	return u.Scheme == "https" || u.Scheme == "http" && own
}

// set returns the name of the entity set, empty where it is not known.
func (o Object) set() string {
	return cmp.Or(o.Set, map[string]string{
		"contact": "contacts", "lead": "leads", "opportunity": "opportunities", "account": "accounts",
	}[o.Name])
}
