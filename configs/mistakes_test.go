package configs_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/configs"
)

// TestMistakes holds the exact words of all mistakes. Each archive has a configuration, the environment, and what Load
// says of both.
func TestMistakes(t *testing.T) {
	archives, err := filepath.Glob("testdata/mistakes/*.txtar")
	require.NoError(t, err)
	require.NotEmpty(t, archives)
	for _, name := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			require.NoError(t, err)
			part := func(name string) *txtar.File {
				for i := range archive.Files {
					if archive.Files[i].Name == name {
						return &archive.Files[i]
					}
				}
				archive.Files = append(archive.Files, txtar.File{Name: name})
				return &archive.Files[len(archive.Files)-1]
			}
			environ := strings.Split(strings.TrimSpace(string(part("environment").Data)), "\n")
			config, err := configs.LoadBytes("c.yaml", part("c.yaml").Data, environ)
			require.Error(t, err)
			require.Nil(t, config)
			if *update {
				part("mistakes").Data = []byte(err.Error() + "\n")
				require.NoError(t, os.WriteFile(name, txtar.Format(archive), 0o600))
			}
			require.Equal(t, string(part("mistakes").Data), err.Error()+"\n", "go test ./configs -update rewrites it")
		})
	}
}

func TestMistakesAreInOrder(t *testing.T) {
	found := mistakes(t, "log: {level: loud, format: x}\ncrm: {type: rest}\nmatch: {wait: -1s}\n", "CRMSYNCD_NONE=1")
	for i := 1; i < len(found); i++ {
		require.False(t, found[i].Line > 0 && (found[i-1].Line == 0 || found[i-1].Line > found[i].Line), "%v", found)
	}
	require.Equal(t, configs.Mistake{
		Source: "test.yaml", Line: 1, Path: "log.format", Value: "x", Problem: "must be one of json, text",
	}, found[0])
}

func TestMistakesOfTheAdapterHaveTheirLines(t *testing.T) {
	found := mistakes(t, strings.Replace(minimal, "phones: item.phone", "phones: item.(", 1)+"  timeout: -1s\n")
	lines := map[string]int{}
	for _, m := range found {
		lines[m.Path] = m.Line
	}
	require.Equal(t, map[string]int{"crm.objects[0].phones": 6, "crm.timeout": 11}, lines)
}

func TestWhatIsGivenCannotForgeALine(t *testing.T) {
	yaml := `"a\nc.yaml:1: log": 1` + "\n" + `log: {level: "x\ny"}` + "\n" + `source: {phone_region: "\e[31m"}`
	for _, m := range mistakes(t, yaml) {
		require.NotContains(t, m.String(), "\n")
		require.NotContains(t, m.String(), "\x1b")
	}
}
