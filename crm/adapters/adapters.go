// Package adapters is the table of the CRMs that can be configured: it turns the section crm of a configuration into
// the adapter that its type names. A new CRM is one line here and a section of its own in package configs; nothing else
// knows which adapters there are.
package adapters

import (
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/crmsyncd/crmsyncd/configs"
	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/rest"
)

// Observer is told of every request to the CRM. Its methods are called from several goroutines and must not block.
type Observer interface {
	// Requested: an operation got an answer of a class (2xx, 3xx, 4xx, 429, 5xx) or none (error), after a time.
	Requested(operation, class string, took time.Duration)
}

// Options are what every adapter is given by the program. The zero value works.
type Options struct {
	// Logger gets what an operator should know of odd answers. nil: nothing is logged.
	Logger *slog.Logger
	// Observer is told of every request. nil: nobody is.
	Observer Observer
	// Now is the clock. nil: time.Now.
	Now func() time.Time
	// UserAgent names the program in requests. Empty: "crmsyncd".
	UserAgent string
	// Location and PhoneRegion are those of the call centre, for CRMs that say nothing else. nil: UTC; empty: numbers
	// are compared only where they have a country code.
	Location    *time.Location
	PhoneRegion string
}

// table has the constructor of every adapter under its crm.type.
func table() map[string]func(configs.CRM, Options) (crm.Adapter, error) {
	return map[string]func(configs.CRM, Options) (crm.Adapter, error){
		rest.Name: newREST,
	}
}

// New returns the adapter that cfg.Type names. It sends nothing. The error says what is wrong with the configuration,
// or which types there are.
func New(cfg configs.CRM, opts Options) (crm.Adapter, error) {
	create, known := table()[cfg.Type]
	if !known {
		return nil, fmt.Errorf("no adapter for crm.type %q: it must be one of %s", cfg.Type, strings.Join(Names(), ", "))
	}
	adapter, err := create(cfg, opts)
	if err != nil {
		return nil, fmt.Errorf("crm: %w", err)
	}
	return adapter, nil
}

// Names returns the types of CRM that New knows, sorted.
func Names() []string { return slices.Sorted(maps.Keys(table())) }

func newREST(cfg configs.CRM, o Options) (crm.Adapter, error) {
	a, err := rest.New(cfg.Rest, rest.Options{
		Logger: o.Logger, Observer: o.Observer, Now: o.Now, UserAgent: o.UserAgent, Location: o.Location,
		PhoneRegion: o.PhoneRegion,
	})
	if err != nil {
		return nil, err // not a, which would be an adapter that is not nil
	}
	return a, nil
}

// Operations lists what the requests of all adapters are for, as an Observer is told: the values of a metric's label.
func Operations() []string {
	return []string{
		"find", "find_log", "find_user", "create_contact", "create_log", "update_log", "upsert_log", "read_back", "token",
	}
}
