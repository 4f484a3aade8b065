package espocrm

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"

	"github.com/crmsyncd/crmsyncd/configs/secret"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/text"
)

// Config is the section of an EspoCRM. Default has the values of what is not said.
type Config struct {
	// BaseURL is the address of the site, "https://crm.example.com"; "/api/v1" is added.
	BaseURL string `koanf:"base_url" validate:"required,http_url"`
	// Token is the API key of an API user, TokenFile a file with it. With HMACSecret, the secret key of an API user whose
	// authentication method is HMAC, or HMACSecretFile, requests are signed instead.
	Token          secret.String `koanf:"token"`
	TokenFile      string        `koanf:"token_file"`
	HMACSecret     secret.String `koanf:"hmac_secret"`
	HMACSecretFile string        `koanf:"hmac_secret_file"`
	// Connection bounds requests. Private addresses are allowed by default, EspoCRM often stands in one's own network.
	Connection api.Connection `koanf:"connection"`
	// Concurrency is how many requests of a batch are under way at a time, default 4.
	Concurrency int `koanf:"concurrency" validate:"gte=1,lte=64"`
	// Objects are what calls may belong to, in the order in which they are searched. Default: Contact, Lead.
	Objects []Object `koanf:"objects" validate:"required,dive"`
	Calls   Calls    `koanf:"calls"`
	// AgentFields are the attributes of a user that an agent's name is compared with, default userName and emailAddress.
	AgentFields []string `koanf:"agent_fields" validate:"required"`
	// DefaultUser is the id of the user who owns calls for which neither the agent nor the owner of the record is known.
	// Empty (default): such calls are refused, since EspoCRM takes no call without a user.
	DefaultUser string `koanf:"default_user"`
	// ContactObject is which of Objects is made for an unknown caller where match.unmatched is create, default Contact.
	ContactObject string `koanf:"contact_object"`
	// Text is what people read in the title and the text of a call.
	Text text.Config `koanf:"text"`
}

// Object is one entity type that calls may belong to.
type Object struct {
	// Name is the entity type ("Contact"): one that may be the parent of a call.
	Name string `koanf:"name" validate:"required"`
	// TransactionID is the field that carries the transaction id, empty: none. Phones are the fields with numbers.
	TransactionID string   `koanf:"transaction_id"`
	Phones        []string `koanf:"phones"`
}

// Calls names the fields of the entity type Call that are written. An empty name: it is not.
type Calls struct {
	// CallID carries the call centre's call id, default cProviderCallId. Without it a log could not be found again.
	CallID string `koanf:"call_id" validate:"required"`
	// RecordingURL carries the address of the recording, default cRecordingUrl.
	RecordingURL string `koanf:"recording_url"`
	// Duration is an integer field for the seconds talked, default empty: EspoCRM's own duration tells them.
	Duration string `koanf:"duration"`
	// Text is the field for the text, default description.
	Text string `koanf:"text"`
}

// Default returns the configuration that one's own is laid over.
func Default() Config {
	phones := []string{"phoneNumber"}
	c := Config{
		Connection: api.DefaultConnection(), Concurrency: 4, Text: text.Default(), ContactObject: "Contact",
		Objects:     []Object{{"Contact", "cTransactionId", phones}, {"Lead", "cTransactionId", phones}},
		Calls:       Calls{CallID: "cProviderCallId", RecordingURL: "cRecordingUrl", Text: "description"},
		AgentFields: []string{"userName", "emailAddress"},
	}
	c.Connection.PrivateAddresses = true
	return c
}

// identifier is the form of entity types and attributes: they become parts of paths and filters.
var identifier = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]{0,99}$`)

// Validate returns every mistake, joined by errors.Join, each with the path of its key.
func (c Config) Validate() error {
	var mistakes []error
	check := func(fine bool, mistake string) {
		if !fine {
			mistakes = append(mistakes, errors.New(mistake))
		}
	}
	u, err := url.Parse(c.BaseURL)
	check(err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https"),
		"base_url: must be the address of the site, such as https://crm.example.com")
	check(c.Token.IsSet() || c.TokenFile != "", "token: is missing, make an API user under Administration > API Users")
	check(c.Concurrency >= 1 && c.Concurrency <= 64, "concurrency: must be from 1 to 64")
	check(len(c.Objects) > 0, "objects: is missing, name what calls belong to, such as Contact")
	check(len(c.AgentFields) > 0, "agent_fields: is missing, name what agents are known by, such as userName")
	check(c.Calls.CallID != "", "calls.call_id: is missing, a log could not be found again without it")
	for i, o := range c.Objects {
		path := fmt.Sprintf("objects[%d]: ", i)
		check(identifier.MatchString(o.Name), path+"name must be an entity type such as Contact")
		check(o.TransactionID != "" || len(o.Phones) > 0, path+"has neither transaction_id nor phones to be found by")
		same := func(other Object) bool { return other.Name == o.Name }
		check(!slices.ContainsFunc(c.Objects[:i], same), path+o.Name+" is there already")
	}
	for _, n := range c.needs() {
		check(identifier.MatchString(n.field), n.String()+": must be the name of a field, letters and digits")
	}
	if _, err = text.New(c.Text, nil); err != nil {
		mistakes = append(mistakes, fmt.Errorf("text: %w", err))
	}
	return errors.Join(mistakes...)
}
