package zoho

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/crmsyncd/crmsyncd/configs/secret"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/text"
)

// Config is the section of Zoho CRM. Only the credentials are required of an account in the data centre com.
type Config struct {
	// DataCenter is where the account lives, the end of the address of its Zoho CRM: com (default), eu, in, com.au, jp,
	// com.cn, ca, sa or uk.
	DataCenter string `koanf:"data_center"`
	// AccountsURL and BaseURL take the place of the data centre's hosts for tokens and for the API. Empty (default): those
	// of the data centre, and for the API the one that a token answer names.
	AccountsURL string `koanf:"accounts_url"`
	BaseURL     string `koanf:"base_url"`
	// ClientID and ClientSecret are those of a self client in the Zoho API console, RefreshToken was made with it for the
	// scopes in the README. All are required.
	ClientID         string        `koanf:"client_id" validate:"required"`
	ClientSecret     secret.String `koanf:"client_secret"`
	ClientSecretFile string        `koanf:"client_secret_file"`
	RefreshToken     secret.String `koanf:"refresh_token"`
	RefreshTokenFile string        `koanf:"refresh_token_file"`
	// Concurrency is how many requests are under way at a time, of all workers together, default 5: as many as every
	// edition allows.
	Concurrency int `koanf:"concurrency" validate:"gte=1,lte=25"`
	// QueryValues is how many values one query asks for, default 50, the most that COQL documents.
	QueryValues int `koanf:"query_values" validate:"gte=1,lte=50"`
	// Objects are the modules of the records that calls may belong to, in the order in which they are searched. Default:
	// Contacts, then Leads.
	Objects []Object `koanf:"objects" validate:"min=1,dive"`
	// Calls says what is written of a call.
	Calls Calls `koanf:"calls"`
	// AgentDomain makes e-mail addresses of agents' account names: with acme.com the agent an.nguyen is the user with the
	// e-mail an.nguyen@acme.com. Empty (default): only names that are addresses find a user.
	AgentDomain string `koanf:"agent_domain"`
	// NewContact is what is created for an unknown caller, if the daemon is told to create.
	NewContact NewContact     `koanf:"new_contact"`
	Connection api.Connection `koanf:"connection"`
	Text       text.Config    `koanf:"text"`
}

// Object is a module.
type Object struct {
	// Name is its API name. Calls are linked to Contacts as Who_Id, to all others as What_Id.
	Name string `koanf:"name" validate:"required"`
	// TransactionID is the field that carries the transaction id. Empty: not looked up by it.
	TransactionID string `koanf:"transaction_id"`
	// Phones are the fields that carry phone numbers. Empty: not looked up by them.
	Phones []string `koanf:"phones"`
}

// Calls says what is written of a call.
type Calls struct {
	// CallID is the field of Calls that holds the call id, default Alohub_Call_ID. Upsert (default true) needs its values
	// to be unique.
	CallID string `koanf:"call_id" validate:"required"`
	Upsert bool   `koanf:"upsert"`
	// Recording is the field for the address of the recording, default Voice_Recording__s. Empty: it stands in the text.
	Recording string `koanf:"recording"`
	// Duration is how Zoho reads Call_Duration: mm:ss (default) or hh:mm. Check finds out which.
	Duration string `koanf:"duration"`
	// NoAnswer is the Call_Result of an outbound call that nobody answered, default "No response/Busy". Empty: none.
	NoAnswer string `koanf:"no_answer"`
}

// NewContact is a record for an unknown caller.
type NewContact struct {
	// Object is Leads (default) or Contacts. LastName, before the number, is what the record is called, default "Caller".
	// Company is that of a lead, default "Unknown".
	Object   string `koanf:"object" validate:"oneof=Leads Contacts"`
	LastName string `koanf:"last_name"`
	Company  string `koanf:"company"`
}

// The formats of Call_Duration.
const (
	minutesSeconds = "mm:ss"
	hoursMinutes   = "hh:mm"
)

// Default returns the configuration of an account of the usual shape after "crmsyncd setup crm". It lacks the
// credentials.
func Default() Config {
	phones := []string{"Phone", "Mobile"}
	return Config{
		DataCenter: "com", Concurrency: 5, QueryValues: 50,
		Objects: []Object{{"Contacts", "Transaction_ID", phones}, {"Leads", "Transaction_ID", phones}},
		Calls: Calls{
			CallID: "Alohub_Call_ID", Upsert: true, Recording: "Voice_Recording__s", Duration: minutesSeconds,
			NoAnswer: "No response/Busy",
		},
		NewContact: NewContact{Object: "Leads", LastName: "Caller", Company: "Unknown"},
		Connection: api.DefaultConnection(), Text: text.Default(),
	}
}

// dataCenters returns the hosts for tokens by data centre (page "Multi DC Support").
func dataCenters() map[string]string {
	hosts := map[string]string{"ca": "https://accounts.zohocloud.ca"}
	for _, center := range []string{"com", "eu", "in", "com.au", "jp", "com.cn", "sa", "uk"} {
		hosts[center] = "https://accounts.zoho." + center
	}
	return hosts
}

// apiName is the form of the names of modules and fields. Nothing else gets into a query.
var apiName = regexp.MustCompile(`^[A-Za-z]\w{0,99}$`)

// Validate returns every mistake, joined by errors.Join, each with the key that it stands at.
func (c Config) Validate() error {
	var errs []error
	wrong := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	centers := dataCenters()
	wrong(centers[c.DataCenter] == "", "data_center: is %q, it must be one of %s", c.DataCenter,
		strings.Join(slices.Sorted(maps.Keys(centers)), ", "))
	wrong(!isAddress(c.AccountsURL), "accounts_url: must be an https address without path, or empty")
	wrong(!isAddress(c.BaseURL), "base_url: must be an https address without path, or empty")
	wrong(c.ClientID == "", "client_id: is missing, it is that of a self client in the Zoho API console")
	wrong(!c.ClientSecret.IsSet(), "client_secret: is missing, give it or client_secret_file")
	wrong(!c.RefreshToken.IsSet(), "refresh_token: is missing, give it or refresh_token_file")
	wrong(c.Concurrency < 1, "concurrency: is %d, it must be 1 to 25", c.Concurrency)
	wrong(c.QueryValues < 1 || c.QueryValues > 50, "query_values: is %d, it must be 1 to 50", c.QueryValues)
	wrong(len(c.Objects) == 0, "objects: are missing, without any no call finds its record")
	for i, o := range c.Objects {
		for _, name := range append([]string{o.Name, cmp.Or(o.TransactionID, "none")}, o.Phones...) {
			wrong(!apiName.MatchString(name), "objects[%d]: %q is no API name", i, name)
		}
		wrong(o.TransactionID == "" && len(o.Phones) == 0, "objects[%d]: needs transaction_id or phones", i)
	}
	wrong(!apiName.MatchString(c.Calls.CallID), "calls.call_id: %q is no API name", c.Calls.CallID)
	wrong(!apiName.MatchString(cmp.Or(c.Calls.Recording, "none")), "calls.recording: %q is no API name", c.Calls.Recording)
	wrong(c.Calls.Duration != minutesSeconds && c.Calls.Duration != hoursMinutes,
		"calls.duration: is %q, it must be %s or %s", c.Calls.Duration, minutesSeconds, hoursMinutes)
	wrong(c.NewContact.Object != "Leads" && c.NewContact.Object != "Contacts",
		"new_contact.object: is %q, it must be Leads or Contacts", c.NewContact.Object)
	if _, err := text.New(c.Text, nil); err != nil {
		errs = append(errs, fmt.Errorf("text: %w", err))
	}
	return errors.Join(errs...)
}

// isAddress reports whether a text is empty or an address that secrets may be sent to: without TLS only this machine is
// reached, or an address without a name.
func isAddress(address string) bool {
	u, err := url.Parse(address)
	return address == "" || err == nil && u.Host != "" && u.User == nil && strings.Trim(u.Path, "/") == "" &&
		u.RawQuery == "" && u.Fragment == "" &&
		(u.Scheme == "https" || u.Scheme == "http" && (net.ParseIP(u.Hostname()) != nil || u.Hostname() == "localhost"))
}

// domain reads the host of the API from a token answer: one of a known data centre, for the token goes there. An answer
// without one leaves the host as it is.
func domain(raw map[string]any) (string, error) {
	named, _ := raw["api_domain"].(string)
	host, secured := strings.CutPrefix(strings.TrimSuffix(named, "/"), "https://")
	if named == "" {
		return "", nil
	}
	for center := range dataCenters() {
		for _, name := range []string{"www.", "sandbox.", "developer."} {
			if secured && host == name+"zohoapis."+center {
				return "https://" + host, nil
			}
		}
	}
	return "", errors.New("the api_domain of the token answer is no API host of Zoho: set base_url if it is right")
}
