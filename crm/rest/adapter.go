package rest

import (
	"cmp"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
)

// Name is what the adapter is called in configuration and metrics.
const Name = "rest"

// Adapter speaks to a REST CRM as a Config says. It is safe for concurrent use.
type Adapter struct {
	cfg    Config
	plan   *plan
	client *api.Client
	logger *slog.Logger
	now    func() time.Time
	// dryRun says that writes are recorded only, so that they have neither an id nor anything to read back.
	dryRun bool
}

// All that a CRM may offer. What is not configured says so: see the methods.
var (
	_ crm.Adapter        = (*Adapter)(nil)
	_ crm.LogFinder      = (*Adapter)(nil)
	_ crm.UserFinder     = (*Adapter)(nil)
	_ crm.ContactCreator = (*Adapter)(nil)
	_ crm.Checker        = (*Adapter)(nil)
)

// New compiles a configuration and returns its Adapter. It sends nothing. The error joins a ConfigError for each
// mistake.
func New(cfg Config, o api.Options) (*Adapter, error) {
	o = o.Filled()
	p, err := compile(cfg, o)
	if err != nil {
		return nil, fmt.Errorf("set up the REST adapter: %w", err)
	}
	a := &Adapter{cfg: cfg, plan: p, logger: o.Logger, now: o.Now, dryRun: o.DryRun != nil}
	credentials, err := cfg.Auth.credentials(cfg.connection(), o)
	if err != nil {
		return nil, fmt.Errorf("set up the REST adapter: auth: %w", err)
	}
	header := http.Header{}
	for key, value := range cfg.Headers {
		header.Set(key, value)
	}
	a.client, err = api.NewClient(api.ClientConfig{
		BaseURL: cfg.BaseURL, Connection: cfg.connection(), Credentials: credentials, Header: header,
		Secrets: []string{cfg.Auth.Password.Reveal()}, Budgets: map[string]api.Budget{allRequests: cfg.Rate},
	}, o)
	if err != nil {
		return nil, fmt.Errorf("set up the REST adapter: base_url: %w", err)
	}
	return a, nil
}

// allRequests is the one rate bucket.
const allRequests = "all"

// credentials returns what proves who asks.
func (a Auth) credentials(c api.Connection, o api.Options) (api.Credentials, error) {
	scheme := cmp.Or(a.Scheme, "Bearer")
	switch a.Type {
	case AuthBearer:
		return api.Static("Authorization", scheme+" "+a.Token.Reveal()), nil
	case AuthBasic:
		r := http.Request{Header: http.Header{}}
		r.SetBasicAuth(a.Username, a.Password.Reveal())
		return api.Static("Authorization", r.Header.Get("Authorization")), nil
	case AuthHeader:
		return api.Static(a.Header, a.Value.Reveal()), nil
	case AuthClientCredentials:
		return api.NewOAuth(api.OAuth{
			TokenURL: a.TokenURL, ClientID: a.ClientID, ClientSecret: a.ClientSecret, Scopes: a.Scopes, Params: a.TokenParams,
			Scheme: scheme,
		}, c, o)
	default:
		return nil, nil
	}
}

// Close closes the connections that are idle. The Adapter may be used afterwards.
func (a *Adapter) Close() { a.client.Close() }

// Traits tells what the configuration makes of the CRM. Without objects the CRM has to match by itself.
func (a *Adapter) Traits() crm.Traits {
	t := crm.Traits{
		Name: Name, MatchesItself: len(a.plan.objects) == 0, Upsert: a.plan.upsert != nil,
		Immutable: a.plan.update == nil && a.plan.upsert == nil, WriteBatch: 1, FindBatch: 1,
	}
	for _, o := range a.plan.objects {
		t.Objects = append(t.Objects, o.name)
		t.ByPhone = t.ByPhone || o.byPhone != nil
	}
	return t
}

// each calls do for 0 to n-1, a few at a time, as api.Each does.
func (a *Adapter) each(n int, do func(i int) error) []error {
	return api.Each(n, a.cfg.Concurrency, do)
}
