package pipedrive

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

// Config is the section of a Pipedrive. Default has the values of what is not said.
type Config struct {
	// BaseURL is where the API is, default https://api.pipedrive.com. The address of the company,
	// "https://example.pipedrive.com", does as well.
	BaseURL string `koanf:"base_url" validate:"required,http_url"`
	// Token is the API token of a user who may log calls for others, TokenFile a file with it.
	Token     secret.String `koanf:"token"`
	TokenFile string        `koanf:"token_file"`
	// Connection bounds requests, to the hosts of recordings too.
	Connection api.Connection `koanf:"connection"`
	// Rate bounds all requests but searches, default 8 per second, 4 at once: 20 in two seconds, which the smallest plan
	// allows. SearchRate bounds searches, default 4 per second, 2 at once: 10 in two seconds, the same on every plan.
	Rate       api.Budget `koanf:"rate"`
	SearchRate api.Budget `koanf:"search_rate"`
	// DailyBudget is how many of the company's daily API tokens crmsyncd may spend from one midnight (UTC) to the next.
	// Then it rests. 0 (default): no bound of its own.
	DailyBudget int64 `koanf:"daily_budget" validate:"gte=0"`
	// Objects are what calls may belong to, in the order in which they are searched. Default: person, deal.
	Objects []Object `koanf:"objects" validate:"required,dive"`
	// EmailDomain makes e-mail addresses of agents' account names, to find their users: "example.com". Empty (default):
	// only names that are addresses are looked up.
	EmailDomain string `koanf:"email_domain"`
	// RecordingHosts are the hosts from which recordings are fetched to be attached to the call: "media.example.com", or
	// with the port where it is not the usual one. None (default): the link stands in the note instead.
	RecordingHosts []string `koanf:"recording_hosts"`
	// RecordingLimit is how large a recording may be that is attached, default 64MiB.
	RecordingLimit api.Size `koanf:"recording_limit" validate:"gt=0"`
	// Text is what people read in the subject and the note of a call. Fields of one's own are not possible.
	Text text.Config `koanf:"text"`
}

// Object is one kind of record that calls may belong to.
type Object struct {
	// Name is person, deal or lead.
	Name string `koanf:"name" validate:"oneof=person deal lead"`
	// TransactionID is the custom field that carries the transaction id: its name as people see it, or its key of 40
	// characters. Leads have the fields of deals. Empty: not looked up by it.
	TransactionID string `koanf:"transaction_id"`
}

// The kinds of record.
const (
	person = "person"
	deal   = "deal"
	lead   = "lead"
)

// Default returns the configuration that one's own is laid over.
func Default() Config {
	const field = "Transaction ID"
	return Config{
		BaseURL: "https://api.pipedrive.com", Connection: api.DefaultConnection(), Text: text.Default(),
		Rate: api.Budget{PerSecond: 8, Burst: 4}, SearchRate: api.Budget{PerSecond: 4, Burst: 2},
		Objects: []Object{{person, field}, {deal, field}}, RecordingLimit: 64 << 20,
	}
}

// fieldKey is the form of a custom field's key.
var fieldKey = regexp.MustCompile(`^[0-9a-f]{40}$`)

// Validate returns every mistake, joined by errors.Join, each with the path of its key.
func (c Config) Validate() error {
	var mistakes []error
	check := func(fine bool, mistake string) {
		if !fine {
			mistakes = append(mistakes, errors.New(mistake))
		}
	}
	u, err := url.Parse(c.BaseURL)
	check(err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https") && strings.Trim(u.Path, "/") == "",
		"base_url: must be an address without a path, such as https://api.pipedrive.com")
	check(c.Token.IsSet() || c.TokenFile != "",
		"token: is missing, it stands in Pipedrive under Personal preferences > API")
	check(c.DailyBudget >= 0, "daily_budget: must be 0 for none, or how many tokens may be spent a day")
	check(len(c.Objects) > 0, "objects: is missing, name what calls belong to, such as person")
	check(c.RecordingLimit > 0, "recording_limit: must be a size such as 64MiB")
	check(len(c.Text.Fields) == 0, "text.fields: must be empty, call logs of Pipedrive have no fields of one's own")
	for i, o := range c.Objects {
		path := fmt.Sprintf("objects[%d].", i)
		check(slices.Contains([]string{person, deal, lead}, o.Name), path+"name: must be person, deal or lead")
		check(o.TransactionID != "" || o.Name == person,
			path+"transaction_id: is missing, a "+o.Name+" can be found by nothing else")
		same := func(other Object) bool { return other.Name == o.Name }
		check(!slices.ContainsFunc(c.Objects[:i], same), path+"name: "+o.Name+" is there already")
	}
	if _, err := api.NewDownloader(c.download(), api.Options{}); err != nil {
		mistakes = append(mistakes, fmt.Errorf("recording_hosts: %w", err))
	}
	if _, err := text.New(c.Text, nil); err != nil {
		mistakes = append(mistakes, fmt.Errorf("text: %w", err))
	}
	return errors.Join(mistakes...)
}

// download is how recordings are fetched.
func (c Config) download() api.DownloadConfig {
	return api.DownloadConfig{Hosts: c.RecordingHosts, MaxSize: c.RecordingLimit, Connection: c.Connection}
}
