package configs_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/configs"
)

// FuzzLoadBytes: whatever is loaded, there is either a configuration or a list of mistakes, each on one line, and the
// secret in the environment is seen in none of them.
func FuzzLoadBytes(f *testing.F) {
	f.Add([]byte(minimal), "CRMSYNCD_LOG__LEVEL=debug")
	f.Add(configs.Demo(), "CRMSYNCD_AGENTS__MAP={a: b}")
	for _, name := range []string{"example.yaml", "rest.yaml"} {
		data, err := os.ReadFile(name)
		require.NoError(f, err)
		f.Add(data, "")
	}
	f.Add([]byte("a: &a [*a]\n? [x]\n: y\n<<: {}\n"), "CRMSYNCD_CRM__CALLS__CREATE__BODY=[{a: 1}, ~]")
	f.Add([]byte("log: {level: !x y}\n---\nb: 1\n"), "CRMSYNCD_X")
	f.Fuzz(func(t *testing.T, yaml []byte, variable string) {
		if strings.Contains(variable, "_FILE") || strings.Contains(string(yaml), "_file") {
			t.Skip("no other files")
		}
		config, err := configs.LoadBytes("c.yaml", yaml, []string{variable, "CRMSYNCD_ADMIN__TOKEN=" + canary})
		if err == nil {
			require.Equal(t, canary, config.Admin.Token.Reveal())
			require.NotContains(t, config.LogValue().String(), canary)
			return
		}
		var found configs.Mistakes
		require.ErrorAs(t, err, &found)
		require.NotEmpty(t, found)
		require.Nil(t, config)
		for _, m := range found {
			require.NotContains(t, m.String(), "\n")
			require.NotEmpty(t, m.Problem)
			require.NotEmpty(t, m.Source)
			require.NotContains(t, m.String(), canary)
		}
	})
}
