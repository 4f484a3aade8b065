package configs_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/configs"
	"github.com/crmsyncd/crmsyncd/configs/secret"
)

func TestDefaultsStandWhereNothingIsSaid(t *testing.T) {
	config := load(t, "")
	want := configs.Default()
	want.Receiver.AuthorizationKeys = []secret.String{secret.New("0123456789abcdef")}
	want.CRM = config.CRM
	require.Equal(t, want, *config)
	require.Equal(t, "https://crm.example.com", config.CRM.Rest.BaseURL)
	require.Equal(t, 10*time.Second, config.CRM.Rest.Timeout)
}

func TestDefaultIsNotShared(t *testing.T) {
	first := configs.Default()
	first.CRM.Rest.PhoneForms[0] = "changed"
	load(t, "").CRM.Rest.PhoneForms[0] = "changed"
	require.Equal(t, "e164", configs.Default().CRM.Rest.PhoneForms[0])
}

func TestFileOverridesDefaults(t *testing.T) {
	config := load(t, `
outbox: {path: other.db, retention: 1h30m, limit: 1GiB, quarantine_count: 3}
delivery:
  write: complete
  retry: {jitter: 0, max: 10m}
match: {phone: false}
agents: {map: {an.nguyen: u1, 0042: 0017}, default: ~unassigned}
log: {level: debug}
shutdown_timeout: 3s
`)
	require.Equal(t, "other.db", config.Outbox.Path)
	require.Equal(t, 90*time.Minute, config.Outbox.Retention)
	require.Equal(t, configs.GiB, config.Outbox.Limit)
	require.Equal(t, 3, config.Outbox.QuarantineCount)
	require.Equal(t, configs.WriteComplete, config.Delivery.Write)
	require.Zero(t, config.Delivery.Retry.Jitter)
	require.Equal(t, 10*time.Minute, config.Delivery.Retry.Max)
	require.Equal(t, time.Second, config.Delivery.Retry.Initial, "a key beside those given keeps its default")
	require.False(t, config.Match.Phone)
	require.Equal(t, map[string]string{"an.nguyen": "u1", "0042": "0017"}, config.Agents.Map, "ids keep their zeros")
	require.Equal(t, "~unassigned", config.Agents.Default)
	require.Equal(t, "debug", config.Log.Level)
	require.Equal(t, 3*time.Second, config.ShutdownTimeout)
}

func TestSectionWithoutKeysIsNoMistake(t *testing.T) {
	require.Equal(t, configs.Default().Outbox, load(t, "outbox:\n# path: commented.db\n").Outbox)
}

func TestAliasesAreFollowed(t *testing.T) {
	config := load(t, "delivery: {timeout: &t 30s, hold: *t}\n")
	require.Equal(t, 30*time.Second, config.Delivery.Timeout)
	require.Equal(t, 30*time.Second, config.Delivery.Hold)
}

func TestValuesOfAnyKindKeepTheirs(t *testing.T) {
	config, err := configs.LoadBytes("test.yaml", []byte(strings.Replace(minimal, `body: {id: "${call.id}"}`,
		`body: {n: 5, f: 1.5, yes: true, text: "5", none: null, day: 2026-01-02, list: [1, a], sub: {x: 1}}`, 1)), nil)
	require.NoError(t, err)
	require.Equal(t, map[string]any{
		"n": 5, "f": 1.5, "yes": true, "text": "5", "none": nil, "day": "2026-01-02", "list": []any{1, "a"},
		"sub": map[string]any{"x": 1},
	}, config.CRM.Rest.Calls.Create.Body)
}

func TestLoad(t *testing.T) {
	config, err := configs.Load(write(t, "c.yaml", minimal), nil)
	require.NoError(t, err)
	require.Equal(t, "rest", config.CRM.Type)

	_, err = configs.Load("/nowhere/crmsyncd.yaml", nil)
	require.EqualError(t, err, "read configuration: open /nowhere/crmsyncd.yaml: no such file or directory")

	large := write(t, "large.yaml", strings.Repeat("#", 1<<20+1))
	_, err = configs.Load(large, nil)
	require.EqualError(t, err, "read configuration: "+large+" is larger than 1MiB")

	_, err = configs.Load("", nil)
	require.EqualError(t, err, "configuration: crm.type: must be the type of a CRM adapter: bitrix24, dynamics, espocrm, getfly, hubspot, odoo, pipedrive, rest, salesforce, suitecrm, zoho\n"+
		"configuration: receiver.authorization_keys: is required: openssl rand -hex 32 makes a good one")
}

func TestTooManyNodesAndAliasBombs(t *testing.T) {
	bomb := "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := range 12 {
		from, to := string(rune('a'+i)), string(rune('b'+i))
		bomb += to + "0: &" + to + "0 [" + strings.Repeat("*"+from+"0, ", 10) + "]\n"
	}
	for name, yaml := range map[string]string{
		"bomb":  bomb,
		"self":  "agents: &a {map: *a}\n",
		"long":  "a:\n" + strings.Repeat("  - {b: {c: [d]}}\n", 20_000),
		"deep":  strings.Repeat("[", 500) + strings.Repeat("]", 500),
		"items": "x: [" + strings.Repeat("1,", 100_000) + "]",
	} {
		found := mistakes(t, yaml)
		require.Len(t, found, 1, name)
		require.Equal(t, "is too large or nested too deeply", found[0].Problem, name)
	}
}

func TestMistakesWithoutEnd(t *testing.T) {
	var many strings.Builder
	for i := range 10_000 {
		many.WriteString("unknown" + strconv.Itoa(i) + ":\nsame: 1\n")
	}
	require.LessOrEqual(t, len(mistakes(t, many.String())), 200)
}
