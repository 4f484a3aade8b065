package configs_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/configs"
)

// TestMistakesShowNoSecret puts the canary wherever a secret stands or might be put by mistake.
func TestMistakesShowNoSecret(t *testing.T) {
	for name, yaml := range map[string]string{
		"short key":           "receiver: {authorization_keys: [canary-7]}",
		"key with spaces":     "receiver: {authorization_keys: [' " + canary + "']}",
		"keys as a section":   "receiver: {authorization_keys: {a: " + canary + "}}",
		"key as a list":       "receiver: {authorization_keys: [[" + canary + "]]}",
		"key as a section":    "receiver: {authorization_keys: [{" + canary + ": " + canary + "}]}",
		"too many keys":       "receiver: {authorization_keys: [" + strings.Repeat(canary+",", 9) + "]}",
		"unknown key":         "receiver: {authorisation_keys: [" + canary + "]}",
		"unknown section":     "recv: {authorization_keys: [" + canary + "]}",
		"token as a list":     "admin: {token: [" + canary + "]}",
		"token as a section":  "admin: {token: {x: " + canary + "}}",
		"token beyond ASCII":  "admin: {token: " + canary + "é}",
		"section as a text":   "admin: " + canary,
		"adapter's token":     "crm: {type: rest, auth: {type: bearer, token: [" + canary + "]}}",
		"adapter's section":   "crm: {type: rest, auth: " + canary + "}",
		"adapter unknown":     "crm: {type: nocrm, auth: {token: " + canary + "}}",
		"in an anchor":        "admin: {token: *" + canary + "}",
		"in a tag":            "admin: {token: !" + canary + " x}",
		"in a broken line":    "admin:\n  token: " + canary + ": x: y\n - z",
		"in a quote":          "admin: {token: \"" + canary,
		"twice":               "admin: {token: " + canary + ", token: " + canary + "2}",
		"in a merge":          "admin: {<<: {token: " + canary + "}}",
		"in the base URL":     "source: {recording_base: 'https://a:" + canary + "@example.com/'}",
		"in its query":        "source: {recording_base: 'https://example.com/?key=" + canary + "'}",
		"not a configuration": canary,
	} {
		t.Run(name, func(t *testing.T) {
			requireHidden(t, mistakes(t, yaml))
		})
	}
	for _, variable := range []string{
		"CRMSYNCD_RECEIVER__AUTHORIZATION_KEYS=canary-7", "CRMSYNCD_TOKEN=" + canary, "CRMSYNCD_ADMIN__TOKEN=é" + canary,
		"CRMSYNCD_CRM__HEADERS=" + canary, "CRMSYNCD_AGENTS__MAP={a: *" + canary + "}",
	} {
		requireHidden(t, mistakes(t, "crm: {type: rest}", variable))
	}
	token := write(t, "token", " "+canary+"\x00")
	requireHidden(t, mistakes(t, "admin: {token_file: "+token+"}"))
	requireHidden(t, mistakes(t, "admin: {token_file: "+token+", token: "+canary+"}"))
}

func requireHidden(t *testing.T, found configs.Mistakes) {
	t.Helper()
	for _, form := range []string{found.Error(), fmt.Sprintf("%+v", found), fmt.Sprintf("%#v", found)} {
		require.NotContains(t, form, canary)
		require.NotContains(t, form, "canary-7")
	}
}

func TestLogShowsTheConfigurationWithoutSecrets(t *testing.T) {
	config := load(t, `  headers: {X-Secret: `+canary+`}
  auth: {type: oauth2_client_credentials, token_url: 'https://a:`+canary+`@id.example.com/token?k=`+canary+`',
    client_id: me, client_secret: `+canary+`, token_params: {x: `+canary+`}}
admin: {token: `+canary+`}
agents: {map: {`+canary+`: x}}
`)
	for name, handler := range map[string]func(*bytes.Buffer) slog.Handler{
		"text": func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
		"json": func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
	} {
		for _, shape := range []any{config, *config} {
			var out bytes.Buffer
			slog.New(handler(&out)).Info("configuration", "config", shape)
			require.NotContains(t, out.String(), canary, name)
			require.NotContains(t, out.String(), "0123456789abcdef", name)
		}
	}
	var out bytes.Buffer
	slog.New(slog.NewTextHandler(&out, nil)).Info("configuration", "config", config)
	for _, want := range []string{
		"config.receiver.listen=127.0.0.1:8080", "config.receiver.authorization_keys=[set]",
		"config.delivery.retry.give_up_after=72h", "config.delivery.retry.jitter=0.5", "config.outbox.limit=8GiB",
		"config.match.phone=true", "config.agents.map=1", "config.admin.token=[set]", "config.crm.type=rest",
		"config.crm.base_url=https://crm.example.com", "config.crm.auth.client_secret=[set]",
		"config.crm.auth.token_url=https://id.example.com/token", "config.crm.auth.password=[unset]",
		"config.crm.headers=1", "config.crm.objects=1", "config.crm.calls.create=true", "config.crm.calls.update=false",
		"config.crm.phone_forms=\"e164, national, digits, raw\"", "config.shutdown_timeout=25s",
	} {
		require.Contains(t, out.String(), want)
	}
}
