package configs_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/configs"
)

func TestEnvironmentOverridesTheFile(t *testing.T) {
	config := load(t, "log: {level: debug}\nagents: {map: {a: b, c: d}, default: e}\n",
		"PATH=/bin",
		"CRMSYNCD_RECEIVER__LISTEN=0.0.0.0:9000",
		"CRMSYNCD_RECEIVER__AUTHORIZATION_KEYS=0000000000000000, 1111111111111111",
		"CRMSYNCD_RECEIVER__BODY_LIMIT=128KiB",
		"CRMSYNCD_DELIVERY__WORKERS=3",
		"CRMSYNCD_DELIVERY__RETRY__JITTER=0.25",
		"CRMSYNCD_DELIVERY__RETRY__GIVE_UP_AFTER=1h",
		"CRMSYNCD_MATCH__PHONE=false",
		"CRMSYNCD_AGENTS__MAP={an.nguyen: 0017, '101': u2}",
		"CRMSYNCD_AGENTS__DEFAULT=",
		"CRMSYNCD_LOG__LEVEL=warn",
		"CRMSYNCD_SHUTDOWN_TIMEOUT=9s",
		"CRMSYNCD_CRM__AUTH__TYPE=bearer",
		"CRMSYNCD_CRM__AUTH__TOKEN="+canary,
		"CRMSYNCD_CRM__PHONE_FORMS=raw,digits",
		"CRMSYNCD_CRM__MAX_RESPONSE=2MiB",
		"CRMSYNCD_CRM__HEADERS={X-Tenant: '7'}",
		"CRMSYNCD_CRM__CALLS__CREATE__PATH=/v2/calls",
		"CRMSYNCD_CRM__CALLS__CREATE__BODY={n: 5, id: '${call.id}'}",
		"CRMSYNCD_CRM__OBJECTS=[{name: deal, find_by_phone: {path: /deals}, phones: item.p}]",
	)
	require.Equal(t, "0.0.0.0:9000", config.Receiver.Listen)
	require.Len(t, config.Receiver.AuthorizationKeys, 2)
	require.Equal(t, "0000000000000000", config.Receiver.AuthorizationKeys[0].Reveal())
	require.Equal(t, "1111111111111111", config.Receiver.AuthorizationKeys[1].Reveal())
	require.Equal(t, 128*configs.KiB, config.Receiver.BodyLimit)
	require.Equal(t, 3, config.Delivery.Workers)
	require.InDelta(t, 0.25, config.Delivery.Retry.Jitter, 0)
	require.Equal(t, time.Hour, config.Delivery.Retry.GiveUpAfter)
	require.False(t, config.Match.Phone)
	require.Equal(t, map[string]string{"an.nguyen": "0017", "101": "u2"}, config.Agents.Map, "a map replaces the file's")
	require.Empty(t, config.Agents.Default)
	require.Equal(t, "warn", config.Log.Level)
	require.Equal(t, 9*time.Second, config.ShutdownTimeout)
	crm := config.CRM.Rest
	require.Equal(t, canary, crm.Auth.Token.Reveal())
	require.Equal(t, []string{"raw", "digits"}, crm.PhoneForms, "a list replaces the default one")
	require.EqualValues(t, 2<<20, crm.MaxResponse)
	require.Equal(t, map[string]string{"X-Tenant": "7"}, crm.Headers)
	require.Equal(t, "/v2/calls", crm.Calls.Create.Path)
	require.Equal(t, map[string]any{"n": 5, "id": "${call.id}"}, crm.Calls.Create.Body)
	require.Len(t, crm.Objects, 1)
	require.Equal(t, "deal", crm.Objects[0].Name)
}

func TestEveryKeyIsAlsoAVariable(t *testing.T) {
	set := 0
	for _, field := range configs.Reference("rest") {
		if field.Env == "" {
			require.Contains(t, field.Path, "[]")
			continue
		}
		require.Equal(t, "CRMSYNCD_"+strings.ToUpper(strings.ReplaceAll(field.Path, ".", "__")), field.Env)
		if field.Default == "" || field.Path == "crm.auth.type" {
			continue
		}
		load(t, "", field.Env+"="+field.Default)
		set++
	}
	require.Greater(t, set, 35)
}

func TestVariablesAlone(t *testing.T) {
	config, err := configs.Load("", []string{
		"CRMSYNCD_CONFIG=/etc/crmsyncd.yaml",
		"CRMSYNCD_RECEIVER__AUTHORIZATION_KEYS=0123456789abcdef",
		"CRMSYNCD_CRM__TYPE=rest",
		"CRMSYNCD_CRM__BASE_URL=https://crm.example.com",
		"CRMSYNCD_CRM__OBJECTS=[{name: lead, find_by_phone: {path: /leads}, phones: item.phone}]",
		"CRMSYNCD_CRM__CALLS__CREATE__PATH=/calls",
		"CRMSYNCD_CRM__CALLS__CREATE__ID=body.id",
		"CRMSYNCD_CRM__CALLS__FIND__PATH=/calls",
		"CRMSYNCD_CRM__CALLS__FIND__QUERY={id: '${call.id}'}",
		"CRMSYNCD_CRM__CALLS__CALL_ID=item.call",
	})
	require.NoError(t, err)
	require.Equal(t, "https://crm.example.com", config.CRM.Rest.BaseURL)
}

func TestVariablesOfKubernetesPass(t *testing.T) {
	load(t, "",
		"CRMSYNCD_SERVICE_HOST=10.0.0.1", "CRMSYNCD_SERVICE_PORT=8080", "CRMSYNCD_SERVICE_PORT_HTTP=8080",
		"CRMSYNCD_PORT=tcp://10.0.0.1:8080", "CRMSYNCD_PORT_8080_TCP=tcp://10.0.0.1:8080",
		"CRMSYNCD_PORT_8080_TCP_ADDR=10.0.0.1", "CRMSYNCD_PORT_8080_TCP_PROTO=tcp",
	)
	require.Equal(t, "environment CRMSYNCD_PORTS: is not a key of the configuration; unset it",
		mistakes(t, minimal, "CRMSYNCD_PORTS=1").Error())
}
