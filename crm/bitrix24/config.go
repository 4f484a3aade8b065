package bitrix24

import (
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

// The values of Config.Mode.
const (
	ModeAuto      = "auto"
	ModeTelephony = "telephony"
	ModeActivity  = "activity"
)

// Config describes a portal and how it is accessed: by an application (ClientID) or by an incoming webhook
// (WebhookURL). Default has the values of what is not said.
type Config struct {
	// Portal is the address of the portal, "https://example.bitrix24.vn". Required with ClientID. A token that names
	// another host is refused unless both are subdomains of bitrix24: portals can be renamed.
	Portal string `koanf:"portal" validate:"omitempty,http_url"`
	// ClientID and ClientSecret are those of a local application, RefreshToken is what its installation gave.
	ClientID         string        `koanf:"client_id"`
	ClientSecret     secret.String `koanf:"client_secret"`
	ClientSecretFile string        `koanf:"client_secret_file"`
	RefreshToken     secret.String `koanf:"refresh_token"`
	RefreshTokenFile string        `koanf:"refresh_token_file"`
	// TokenStore is a file that keeps the refresh token that counts: each use replaces it. Required with ClientID.
	TokenStore string `koanf:"token_store"`
	// TokenURL is where tokens come from, default https://oauth.bitrix.info/oauth/token/.
	TokenURL string `koanf:"token_url" validate:"omitempty,http_url"`
	// WebhookURL is the whole address of an incoming webhook, "https://example.bitrix24.vn/rest/1/code/".
	WebhookURL     secret.String `koanf:"webhook_url"`
	WebhookURLFile string        `koanf:"webhook_url_file"`
	// Mode is telephony, activity or auto (default): telephony for an application, activity for a webhook.
	Mode string `koanf:"mode" validate:"oneof=auto telephony activity"`
	// Objects are the kinds of record that calls may belong to, in the order in which they are searched. Default:
	// contact, lead, deal. Deals cannot be found by number.
	Objects []Object `koanf:"objects" validate:"min=1,dive"`
	// DefaultUser is the id of the user for calls of whom nobody knows the agent; empty: the agent's extension is sent,
	// and Bitrix24 refuses the call when it knows no such one. A call that names no agent goes to the record's owner.
	DefaultUser string `koanf:"default_user"`
	// Line is the number of the external line that calls came over; empty: the hotline of the call.
	Line string `koanf:"line"`
	// Rate bounds the requests of all workers together, default 2 per second with a burst of 50: the limit of all plans
	// but Enterprise, which has 5 and 250. It counts per portal and source address: other programs share it.
	Rate api.Budget `koanf:"rate"`
	// Connection has a timeout of 60s by default, as long as Bitrix24 works on a request.
	Connection api.Connection `koanf:"connection"`
	// Text is what an activity says, in mode activity.
	Text text.Config `koanf:"text"`
}

// Object is one kind of record.
type Object struct {
	// Name is contact, lead, deal or company.
	Name string `koanf:"name" validate:"oneof=contact lead deal company"`
	// TransactionID is the custom field with the transaction id, "UF_CRM_TRANSACTIONID". Empty: found by number only.
	TransactionID string `koanf:"transaction_id"`
}

// Default returns the configuration of a portal in the cloud, where "crmsyncd setup crm" made the fields.
func Default() Config {
	connection := api.DefaultConnection()
	connection.Timeout = time.Minute
	field := "UF_CRM_TRANSACTIONID" // the longest name that is allowed
	return Config{                  //nolint:gosec // an address and the name of a field, no credentials
		TokenURL: "https://oauth.bitrix.info/oauth/token/", Mode: ModeAuto, Rate: api.Budget{PerSecond: 2, Burst: 50},
		Objects:    []Object{{"contact", field}, {"lead", field}, {"deal", field}},
		Connection: connection, Text: text.Default(),
	}
}

var (
	webhookPath     = regexp.MustCompile(`^/rest/\d+/[^/]+/?$`)
	fieldName       = regexp.MustCompile(`^(UF_CRM_[A-Z0-9_]+|ufCrm\w+)$`)
	ownField        = regexp.MustCompile(`^UF_CRM_[A-Z0-9_]{1,13}$`)
	numeric         = regexp.MustCompile(`^[1-9]\d*$`)
	afterUnderscore = regexp.MustCompile(`_[a-z]`)
	cloudHost       = regexp.MustCompile(`^[\w-]+\.bitrix24\.[a-z.]+$`)
)

// entityTypes are the ids of the kinds of record (documentation: crm/data-types, object_type).
func entityTypes() map[string]string {
	return map[string]string{"lead": "1", "deal": "2", "contact": "3", "company": "4"}
}

// Validate returns every mistake, joined by errors.Join, each with the key that it stands at.
func (c Config) Validate() error {
	var errs []error
	wrong := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	app := c.ClientID != ""
	wrong(app == c.WebhookURL.IsSet(), "client_id: give either client_id (an application) or webhook_url (a webhook)")
	if app {
		u, err := address(c.Portal)
		wrong(err != nil, "portal: %v", err)
		wrong(strings.Trim(u.Path, "/") != "", "portal: write it without path, https://example.bitrix24.vn")
		wrong(!c.ClientSecret.IsSet(), "client_secret: is missing, it stands in the settings of the application")
		wrong(!c.RefreshToken.IsSet(), "refresh_token: is missing, the installation of the application gives it")
		wrong(c.TokenStore == "", "token_store: is missing: without a file for the refresh token a restart loses access")
	}
	if c.WebhookURL.IsSet() {
		u, err := address(c.WebhookURL.Reveal())
		wrong(err != nil || !webhookPath.MatchString(u.Path),
			"webhook_url: is no address of a webhook, it looks like https://example.bitrix24.vn/rest/1/code/")
	}
	wrong(!slices.Contains([]string{ModeAuto, ModeTelephony, ModeActivity}, c.Mode),
		"mode: is %q, it must be auto, telephony or activity", c.Mode)
	wrong(len(c.Objects) == 0, "objects: are missing, without any no call finds its record")
	for i, o := range c.Objects {
		twice := slices.ContainsFunc(c.Objects[:i], func(other Object) bool { return other.Name == o.Name })
		wrong(twice, "objects[%d].name: %s stands there twice", i, o.Name)
		wrong(entityTypes()[o.Name] == "", "objects[%d].name: is %q, it must be contact, lead, deal or company", i, o.Name)
		wrong(o.TransactionID == "" && o.Name == "deal", "objects[%d].transaction_id: is missing, deals have no number", i)
		wrong(o.TransactionID != "" && !fieldName.MatchString(o.TransactionID),
			"objects[%d].transaction_id: %q is no custom field, those begin with UF_CRM_", i, o.TransactionID)
	}
	wrong(c.DefaultUser != "" && !numeric.MatchString(c.DefaultUser), "default_user: %q is no id of a user", c.DefaultUser)
	wrong(len(c.Text.Fields) > 0, "text.fields: Bitrix24's call activities have no fields of one's own")
	if _, err := text.New(c.Text, nil); err != nil {
		errs = append(errs, fmt.Errorf("text: %w", err))
	}
	return errors.Join(errs...)
}

// address reads an address of the portal. Without TLS only this machine is reached, or an address without a name: the
// secret would be seen by everybody on the way.
func address(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return &url.URL{}, errors.New("is no address, it looks like https://example.bitrix24.vn")
	case u.Scheme != "https" && (u.Scheme != "http" || net.ParseIP(u.Hostname()) == nil && u.Hostname() != "localhost"):
		return &url.URL{}, errors.New("must be reached by https")
	}
	return u, nil
}

// endpoint reads the address of the portal from an answer with a token.
func (c Config) endpoint(raw map[string]any) (string, error) {
	said, _ := raw["client_endpoint"].(string)
	portal, _ := address(c.Portal) // checked by Validate
	u, err := address(said)
	renamed := cloudHost.MatchString(portal.Hostname()) && cloudHost.MatchString(u.Hostname())
	if err != nil || u.Scheme != portal.Scheme || u.Host != portal.Host && !renamed {
		return "", errors.New("the token came with the address of another portal: is portal right?")
	}
	return strings.TrimSuffix(said, "/"), nil
}
