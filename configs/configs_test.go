package configs_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/configs"
)

// update rewrites what the tests compare with: the golden files and the table in the README.
var update = flag.Bool("update", false, "rewrite golden files and the table in README.md")

const (
	// minimal is the least that loads.
	minimal = `
receiver: {authorization_keys: [0123456789abcdef]}
crm:
  type: rest
  base_url: https://crm.example.com
  objects: [{name: lead, find_by_phone: {path: /leads, query: {phone: "${phone}"}}, phones: item.phone}]
  calls:
    create: {path: /calls, body: {id: "${call.id}"}, id: body.id}
    find: {path: /calls, query: {id: "${call.id}"}}
    call_id: item.call
`
	// canary is a text that must never be seen where secrets are not to be seen.
	canary = "canary-7d1f20b6e94c"
)

// load loads YAML that is laid under the minimal configuration: what it says of other sections.
func load(t *testing.T, yaml string, environ ...string) *configs.Config {
	t.Helper()
	config, err := configs.LoadBytes("test.yaml", []byte(minimal+yaml), environ)
	require.NoError(t, err)
	return config
}

// mistakes loads YAML that must not load, and returns what is wrong.
func mistakes(t *testing.T, yaml string, environ ...string) configs.Mistakes {
	t.Helper()
	config, err := configs.LoadBytes("test.yaml", []byte(yaml), environ)
	require.Nil(t, config)
	var found configs.Mistakes
	require.ErrorAs(t, err, &found)
	require.NotEmpty(t, found)
	return found
}

// write writes a file and returns its name.
func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}
