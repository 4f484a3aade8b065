package suitecrm

import (
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

// Config is the section of a SuiteCRM. Default has the values of what is not said.
type Config struct {
	// BaseURL is the address of the site, "https://crm.example.com".
	BaseURL string `koanf:"base_url" validate:"required,http_url"`
	// Legacy puts "/legacy" between the address and "/Api", where SuiteCRM 8 has it, default true. False: SuiteCRM 7.
	Legacy bool `koanf:"legacy"`
	// ClientID and ClientSecret are those of an OAuth2 client (Admin > OAuth2 Clients and Tokens); ClientSecretFile is a
	// file with the secret.
	ClientID         string        `koanf:"client_id" validate:"required"`
	ClientSecret     secret.String `koanf:"client_secret"`
	ClientSecretFile string        `koanf:"client_secret_file"`
	// Username and Password are those of a user, for a client of the password grant; PasswordFile is a file with the
	// password. Empty (default): the client is one of the client credentials grant.
	Username     string        `koanf:"username"`
	Password     secret.String `koanf:"password"`
	PasswordFile string        `koanf:"password_file"`
	// Connection bounds requests. Private addresses are allowed by default, SuiteCRM often stands in one's own network.
	Connection api.Connection `koanf:"connection"`
	// Concurrency is how many requests of a batch are under way at a time, default 4.
	Concurrency int `koanf:"concurrency" validate:"gte=1,lte=64"`
	// Objects are what calls may belong to, in the order in which they are searched. Default: Contacts, Leads.
	Objects []Object `koanf:"objects" validate:"required,dive"`
	// Calls names the fields of a call.
	Calls Calls `koanf:"calls"`
	// ContactObject is which of Objects is made for an unknown caller where match.unmatched is create, default Contacts.
	ContactObject string `koanf:"contact_object"`
	// Text is what people read in the subject and the description of a call.
	Text text.Config `koanf:"text"`
}

// Object is one module whose records calls may belong to.
type Object struct {
	// Name is the module ("Contacts"): one that may be the parent of a call.
	Name string `koanf:"name" validate:"required"`
	// TransactionID is the field that carries the transaction id, empty: none. Phones are the fields with numbers.
	TransactionID string   `koanf:"transaction_id"`
	Phones        []string `koanf:"phones"`
}

// Calls names the fields of the module Calls that are written besides its fixed ones. An empty name: it is not.
type Calls struct {
	// CallID carries the call centre's call id for people to read, default call_id_c. It is not what keeps a call from
	// being written twice: that is the id of the record.
	CallID string `koanf:"call_id"`
	// RecordingURL carries the address of the recording, default recording_url_c.
	RecordingURL string `koanf:"recording_url"`
	// DurationSeconds is an integer field for the seconds talked, default empty: SuiteCRM's own duration has minutes only.
	DurationSeconds string `koanf:"duration_seconds"`
	// Text is the field for the text, default description.
	Text string `koanf:"text"`
}

// Default returns the configuration that one's own is laid over.
func Default() Config {
	phones := []string{"phone_mobile", "phone_work", "phone_home"}
	c := Config{
		Legacy: true, Connection: api.DefaultConnection(), Concurrency: 4, Text: text.Default(), ContactObject: "Contacts",
		Objects: []Object{{"Contacts", "transaction_id_c", phones}, {"Leads", "transaction_id_c", phones}},
		Calls:   Calls{CallID: "call_id_c", RecordingURL: "recording_url_c", Text: "description"},
	}
	c.Connection.PrivateAddresses = true
	return c
}

// root is the address of the API: what follows is "/access_token" or "/V8".
func (c Config) root(legacy bool) string {
	base := strings.TrimSuffix(strings.TrimRight(c.BaseURL, "/"), "/legacy")
	if legacy {
		base += "/legacy"
	}
	return base + "/Api"
}

// identifier is the form of modules and fields: they become parts of paths and filters.
var identifier = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,99}$`)

// Validate returns every mistake, joined by errors.Join, each with the path of its key.
func (c Config) Validate() error {
	var mistakes []error
	check := func(fine bool, mistake string) {
		if !fine {
			mistakes = append(mistakes, errors.New(mistake))
		}
	}
	u, err := url.Parse(c.BaseURL)
	check(err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https") && !strings.Contains(u.Path, "/Api"),
		"base_url: must be the address of the site without /Api, such as https://crm.example.com")
	check(c.ClientID != "", "client_id: is missing, make a client under Admin > OAuth2 Clients and Tokens")
	check(c.ClientSecret.IsSet() || c.ClientSecretFile != "",
		"client_secret: is missing, SuiteCRM takes it when the client is made and does not show it again")
	hasPassword := c.Password.IsSet() || c.PasswordFile != ""
	check(hasPassword || c.Username == "", "password: is missing, it belongs to username")
	check(!hasPassword || c.Username != "", "username: is missing, it belongs to password")
	check(c.Concurrency >= 1 && c.Concurrency <= 64, "concurrency: must be from 1 to 64")
	check(len(c.Objects) > 0, "objects: is missing, name the modules that calls belong to, such as Contacts")
	for i, o := range c.Objects {
		path := fmt.Sprintf("objects[%d]: ", i)
		check(identifier.MatchString(o.Name), path+"name must be a module such as Contacts")
		check(o.TransactionID != "" || len(o.Phones) > 0, path+"has neither transaction_id nor phones to be found by")
		same := func(other Object) bool { return other.Name == o.Name }
		check(!slices.ContainsFunc(c.Objects[:i], same), path+o.Name+" is there already")
	}
	for _, n := range c.needs() {
		check(identifier.MatchString(n.field), n.String()+": must be the name of a field, letters, digits and _")
	}
	if _, err = text.New(c.Text, nil); err != nil {
		mistakes = append(mistakes, fmt.Errorf("text: %w", err))
	}
	return errors.Join(mistakes...)
}
