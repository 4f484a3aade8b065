package main

import (
	"encoding/json"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/crmsyncd/crmsyncd"

// mayImport says for each package which others of this module it may import. The data runs one way, and so do the
// imports: receiver → outbox → crm → adapter, and nothing calls back up.
var mayImport = map[string][]string{
	"cmd/crmsyncd":            {"*"}, // the only package that sees all
	"configs":                 {"configs/secret", "crm/rest"},
	"configs/secret":          {}, // a leaf: adapters need it while configs imports them
	"crm":                     {"crm/call", "outbox"},
	"crm/adapters":            {"configs", "crm", "crm/api", "crm/rest"}, // the table: the core knows no adapter
	"crm/admin":               {"configs/secret", "crm", "crm/call", "outbox"},
	"crm/api":                 {"crm", "crm/call", "configs/secret"}, // the HTTP side of every adapter
	"crm/call":                {},                                    // a leaf
	"crm/console":             {"crm/admin", "crm/call", "outbox"},
	"crm/crmtest":             {"crm", "crm/call"},
	"crm/explain":             {"crm", "crm/api", "crm/call", "outbox"}, // lets a Syncer deliver without effect
	"crm/text":                {"crm/call"},
	"crm/rest":                {"crm", "crm/api", "crm/call", "configs/secret"}, // an adapter knows neither outbox nor other adapters
	"crm/sandbox":             {},                                               // a CRM of its own, spoken to over HTTP only
	"metrics":                 {},                                               // satisfies the observers of others by shape
	"outbox":                  {},                                               // knows keys and bytes, not calls
	"outbox/bolt":             {"outbox"},
	"outbox/outboxtest":       {"outbox"},
	"receiver":                {"crm/call"}, // hands on what it got, not where to
	"receiver/alohub":         {"crm/call"},
	"receiver/alohub/traffic": {"crm/call"},
}

// vendors are the CRMs that have an adapter, and a fake for its tests, of their own.
var vendors = []string{
	"bitrix24", "dynamics", "espocrm", "getfly", "hubspot", "odoo", "pipedrive", "salesforce", "suitecrm", "zoho",
}

// allowedImports is mayImport with what every vendor's packages may import, and with who may import them.
func allowedImports() map[string][]string {
	all := maps.Clone(mayImport)
	for _, name := range vendors {
		vendor := "crm/" + name
		all[vendor] = []string{"configs/secret", "crm", "crm/api", "crm/call", "crm/text"} // neither outbox nor each other
		all[vendor+"/"+name+"test"] = []string{"crm/crmtest"}                              // knows the API, not the adapter
		for _, user := range []string{"configs", "crm/adapters"} {
			all[user] = append(slices.Clone(all[user]), vendor)
		}
	}
	return all
}

// onlyTestsMayImport are suites and assertions.
var onlyTestsMayImport = []string{
	module + "/crm/crmtest", module + "/outbox/outboxtest", "github.com/stretchr/testify/require", "pgregory.net/rapid",
	"go.uber.org/goleak", "testing",
}

type goPackage struct {
	ImportPath, Dir, Doc string
	GoFiles, Imports     []string
}

func packages(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Dir,Doc,GoFiles,Imports", module+"/...")
	out, err := cmd.Output()
	require.NoError(t, err)
	var list []goPackage
	for d := json.NewDecoder(strings.NewReader(string(out))); d.More(); {
		var p goPackage
		require.NoError(t, d.Decode(&p))
		list = append(list, p)
	}
	return list
}

func TestImportsRunOneWay(t *testing.T) {
	seen, mayImport := map[string]bool{}, allowedImports()
	for _, p := range packages(t) {
		name := strings.TrimPrefix(p.ImportPath, module+"/")
		seen[name] = true
		allowed, listed := mayImport[name]
		require.True(t, listed, "%s is not in mayImport: say what it may import, and why", name)
		for _, imported := range p.Imports {
			ours, isOurs := strings.CutPrefix(imported, module+"/")
			if isOurs && allowed != nil && !slices.Contains(allowed, "*") {
				require.Contains(t, allowed, ours, "%s must not import %s", name, ours)
			}
			if !strings.HasSuffix(name, "test") {
				require.NotContains(t, onlyTestsMayImport, imported, "%s imports what only tests may import", name)
			}
		}
	}
	for name := range mayImport {
		require.True(t, seen[name], "%s is in mayImport but is gone", name)
	}
}

func TestEveryPackageHasOneDocComment(t *testing.T) {
	for _, p := range packages(t) {
		docs := 0
		for _, file := range p.GoFiles {
			parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, file), nil,
				parser.PackageClauseOnly|parser.ParseComments)
			require.NoError(t, err)
			if parsed.Doc != nil {
				docs++
			}
		}
		require.Equal(t, 1, docs, "%s must have one doc comment", p.ImportPath)
	}
}

func TestFilesAreShort(t *testing.T) {
	const limit = 500
	root := filepath.Join("..", "..")
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".go" {
			return err
		}
		content, err := os.ReadFile(path)
		if err == nil {
			require.LessOrEqual(t, strings.Count(string(content), "\n"), limit, "%s is too long", path)
		}
		return err
	}))
}

func TestTopLevelHoldsWhatIsNamed(t *testing.T) {
	allowed := []string{
		"cmd", "configs", "crm", "metrics", "outbox", "receiver", "go.mod", "go.sum", "Makefile", "README.md",
		"CHANGELOG.md", "LICENSE",
	}
	built := []string{"bin", "data", "cover.out", "bench.txt"} // ignored by git
	entries, err := os.ReadDir(filepath.Join("..", ".."))
	require.NoError(t, err)
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") && !slices.Contains(built, e.Name()) {
			require.Contains(t, allowed, e.Name())
		}
	}
}
