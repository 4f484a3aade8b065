package adapters_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/configs"
	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/adapters"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/rest"
)

func TestNew(t *testing.T) {
	section := configs.CRM{Type: "rest", Rest: rest.Default()}
	section.Rest.BaseURL = "http://crm.example.com"
	section.Rest.Calls.Upsert = &rest.Operation{Path: "/calls", ID: "body.id"}
	adapter, err := adapters.New(section, api.Options{})
	require.NoError(t, err)
	require.Equal(t, crm.Traits{Name: "rest", MatchesItself: true, Upsert: true, WriteBatch: 1, FindBatch: 1},
		adapter.Traits())

	section.Rest.BaseURL = ""
	adapter, err = adapters.New(section, api.Options{})
	require.EqualError(t, err, "crm: set up the REST adapter: base_url: is missing")
	require.Nil(t, adapter)
}

func TestUnknownType(t *testing.T) {
	_, err := adapters.New(configs.CRM{Type: "carrier pigeon"}, api.Options{})
	require.EqualError(t, err, `no adapter for crm.type "carrier pigeon": it must be one of bitrix24, dynamics, espocrm, getfly, hubspot, odoo, pipedrive, rest, salesforce, suitecrm, zoho`)
	require.Equal(t, []string{"bitrix24", "dynamics", "espocrm", "getfly", "hubspot", "odoo", "pipedrive", "rest", "salesforce", "suitecrm", "zoho"}, adapters.Names())
}
