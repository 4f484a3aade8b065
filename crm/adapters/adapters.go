// Package adapters is the table of the CRMs that can be configured: it turns the section crm of a configuration into
// the adapter that its type names. A new CRM is one line here and a section of its own in package configs; nothing else
// knows which adapters there are.
package adapters

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/crmsyncd/crmsyncd/configs"
	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/bitrix24"
	"github.com/crmsyncd/crmsyncd/crm/dynamics"
	"github.com/crmsyncd/crmsyncd/crm/espocrm"
	"github.com/crmsyncd/crmsyncd/crm/getfly"
	"github.com/crmsyncd/crmsyncd/crm/hubspot"
	"github.com/crmsyncd/crmsyncd/crm/odoo"
	"github.com/crmsyncd/crmsyncd/crm/pipedrive"
	"github.com/crmsyncd/crmsyncd/crm/rest"
	"github.com/crmsyncd/crmsyncd/crm/salesforce"
	"github.com/crmsyncd/crmsyncd/crm/suitecrm"
	"github.com/crmsyncd/crmsyncd/crm/zoho"
)

// constructor makes an adapter of its part of a configuration.
type constructor func(configs.CRM, api.Options) (crm.Adapter, error)

// table has the constructor of every adapter under its crm.type.
func table() map[string]constructor {
	return map[string]constructor{
		bitrix24.Name:  func(c configs.CRM, o api.Options) (crm.Adapter, error) { return adapter(bitrix24.New(c.Bitrix24, o)) },
		dynamics.Name:  func(c configs.CRM, o api.Options) (crm.Adapter, error) { return adapter(dynamics.New(c.Dynamics, o)) },
		espocrm.Name:   func(c configs.CRM, o api.Options) (crm.Adapter, error) { return adapter(espocrm.New(c.Espocrm, o)) },
		getfly.Name:    func(c configs.CRM, o api.Options) (crm.Adapter, error) { return adapter(getfly.New(c.Getfly, o)) },
		hubspot.Name:   func(c configs.CRM, o api.Options) (crm.Adapter, error) { return adapter(hubspot.New(c.Hubspot, o)) },
		odoo.Name:      func(c configs.CRM, o api.Options) (crm.Adapter, error) { return adapter(odoo.New(c.Odoo, o)) },
		pipedrive.Name: func(c configs.CRM, o api.Options) (crm.Adapter, error) { return adapter(pipedrive.New(c.Pipedrive, o)) },
		rest.Name:      func(c configs.CRM, o api.Options) (crm.Adapter, error) { return adapter(rest.New(c.Rest, o)) },
		salesforce.Name: func(c configs.CRM, o api.Options) (crm.Adapter, error) {
			return adapter(salesforce.New(c.Salesforce, o))
		},
		suitecrm.Name: func(c configs.CRM, o api.Options) (crm.Adapter, error) { return adapter(suitecrm.New(c.Suitecrm, o)) },
		zoho.Name:     func(c configs.CRM, o api.Options) (crm.Adapter, error) { return adapter(zoho.New(c.Zoho, o)) },
	}
}

// adapter returns a, or nil in its place when there is an error: a nil pointer would be an adapter that is not nil.
func adapter[A crm.Adapter](a A, err error) (crm.Adapter, error) {
	if err != nil {
		return nil, err
	}
	return a, nil
}

// New returns the adapter that cfg.Type names. It sends nothing. The error says what is wrong with the configuration,
// or which types there are.
func New(cfg configs.CRM, o api.Options) (crm.Adapter, error) {
	create, known := table()[cfg.Type]
	if !known {
		return nil, fmt.Errorf("no adapter for crm.type %q: it must be one of %s", cfg.Type, strings.Join(Names(), ", "))
	}
	made, err := create(cfg, o)
	if err != nil {
		return nil, fmt.Errorf("crm: %w", err)
	}
	return made, nil
}

// Names returns the types of CRM that New knows, sorted.
func Names() []string { return slices.Sorted(maps.Keys(table())) }

// Operations lists what the requests of all adapters are for, as an Observer is told: the values of a metric's label.
func Operations() []string {
	return []string{
		"find", "find_log", "find_user", "create_contact", "create_log", "update_log", "upsert_log", "read_back",
		"associate", "attach_recording", "batch", "describe", "setup", "token",
	}
}
