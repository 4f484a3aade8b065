package getfly

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/crmsyncd/crmsyncd/configs/secret"
	"github.com/crmsyncd/crmsyncd/crm/api"
)

// Config is the section of a Getfly. Default has the values of what is not said.
type Config struct {
	// BaseURL is the address of the CRM, "https://company.getflycrm.com"; "/api/v6.1" is added.
	BaseURL string `koanf:"base_url" validate:"required,http_url"`
	// Token is the API key (header X-API-KEY), TokenFile a file with it.
	Token     secret.String `koanf:"token"`
	TokenFile string        `koanf:"token_file"`
	// Secret is what Getfly gave for the connection of a call centre; it goes with every call. SecretFile is a file with
	// it.
	Secret     secret.String `koanf:"secret"`
	SecretFile string        `koanf:"secret_file"`
	// ProviderCode is the code of the call centre that Getfly gave. Empty (default): it is not sent.
	ProviderCode string `koanf:"provider_code"`
	// Resend says that Getfly knows a call again by its uuid, so that sending it once more makes no second one: a call
	// whose answer got lost, and one that changed after it was sent, is sent again. Default true. False: such a call is
	// set aside for a person.
	Resend bool `koanf:"resend"`
	// TimeZone is that of the times of calls ("Asia/Ho_Chi_Minh"). Empty (default): the one of the call centre.
	TimeZone string `koanf:"time_zone"`
	// Statuses are Getfly's words for what became of a call.
	Statuses Statuses `koanf:"statuses"`
	// Connection bounds requests.
	Connection api.Connection `koanf:"connection"`
	// Concurrency is how many requests of a batch are under way at a time, default 4.
	Concurrency int `koanf:"concurrency" validate:"gte=1,lte=64"`
}

// Statuses are the words in the field status.
type Statuses struct {
	// Answered is the word for a call that was answered, default answered.
	Answered string `koanf:"answered" validate:"required"`
	// Missed is the word for one that was not, default missed.
	Missed string `koanf:"missed" validate:"required"`
}

// Default returns the configuration that one's own is laid over.
func Default() Config {
	return Config{
		Resend: true, Statuses: Statuses{Answered: "answered", Missed: "missed"}, Connection: api.DefaultConnection(),
		Concurrency: 4,
	}
}

// Validate returns every mistake, joined by errors.Join, each with the path of its key.
func (c Config) Validate() error {
	var mistakes []error
	check := func(fine bool, mistake string) {
		if !fine {
			mistakes = append(mistakes, errors.New(mistake))
		}
	}
	u, err := url.Parse(c.BaseURL)
	check(err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https") && !strings.Contains(u.Path, "/api"),
		"base_url: must be the address of the CRM without /api, such as https://company.getflycrm.com")
	check(c.Token.IsSet() || c.TokenFile != "",
		"token: is missing, it is the API key under Settings > Integration > Other software integration")
	check(c.Secret.IsSet() || c.SecretFile != "",
		"secret: is missing, Getfly gives it for the connection of a call centre")
	check(c.Statuses.Answered != "", "statuses.answered: is missing, such as answered")
	check(c.Statuses.Missed != "", "statuses.missed: is missing, such as missed")
	check(c.Concurrency >= 1 && c.Concurrency <= 64, "concurrency: must be from 1 to 64")
	if _, err := time.LoadLocation(c.TimeZone); err != nil {
		mistakes = append(mistakes, fmt.Errorf("time_zone: must be a name such as Asia/Ho_Chi_Minh: %w", err))
	}
	return errors.Join(mistakes...)
}
