package adapters_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/configs"
	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/adapters"
	"github.com/crmsyncd/crmsyncd/crm/rest"
)

func TestNew(t *testing.T) {
	section := configs.CRM{Type: "rest", Rest: rest.Default()}
	section.Rest.BaseURL = "http://crm.example.com"
	section.Rest.Calls.Upsert = &rest.Operation{Path: "/calls", ID: "body.id"}
	adapter, err := adapters.New(section, adapters.Options{})
	require.NoError(t, err)
	require.Equal(t, crm.Traits{Name: "rest", MatchesItself: true, Upsert: true, WriteBatch: 1, FindBatch: 1},
		adapter.Traits())

	section.Rest.BaseURL = ""
	adapter, err = adapters.New(section, adapters.Options{})
	require.EqualError(t, err, "crm: set up the REST adapter: base_url: is missing")
	require.Nil(t, adapter)
}

func TestUnknownType(t *testing.T) {
	_, err := adapters.New(configs.CRM{Type: "carrier pigeon"}, adapters.Options{})
	require.EqualError(t, err, `no adapter for crm.type "carrier pigeon": it must be one of rest`)
	require.Equal(t, []string{"rest"}, adapters.Names())
}
