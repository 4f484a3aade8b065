package configs_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/crmsyncd/crmsyncd/configs"
	"github.com/crmsyncd/crmsyncd/configs/secret"
	"github.com/crmsyncd/crmsyncd/crm/rest"
)

// documented is what the comment of a field says.
type documented struct {
	text string
	// byDefault is what the comment gives as the default, empty for what is required.
	byDefault string
	required  bool
}

var commentEnd = regexp.MustCompile(`^(.*?)(?: (Required)\.| Default: (\S+)\.)$`)

// comments reads the documentation of all keys of ours out of config.go, by path.
func comments(t *testing.T) map[string]documented {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "config.go", nil, parser.ParseComments)
	require.NoError(t, err)
	structs := map[string]*ast.StructType{}
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.TypeSpec); ok {
			if typ, ok := spec.Type.(*ast.StructType); ok {
				structs[spec.Name.Name] = typ
			}
		}
		return true
	})
	found := map[string]documented{}
	var walk func(typ *ast.StructType, path string)
	walk = func(typ *ast.StructType, path string) {
		for _, field := range typ.Fields.List {
			name := reflect.StructTag(strings.Trim(field.Tag.Value, "`")).Get("koanf")
			if name == "-" {
				continue
			}
			if ident, ok := field.Type.(*ast.Ident); ok && structs[ident.Name] != nil {
				walk(structs[ident.Name], path+name+".")
				continue
			}
			text := strings.Join(strings.Fields(field.Doc.Text()), " ")
			parts := commentEnd.FindStringSubmatch(text)
			require.NotNil(t, parts, "the comment of %s%s must end in Required. or Default: ….", path, name)
			found[path+name] = documented{text: parts[1], required: parts[2] != "", byDefault: parts[3]}
		}
	}
	walk(structs["Config"], "")
	return found
}

func TestCommentsTellTheDefaults(t *testing.T) {
	docs := comments(t)
	for _, field := range configs.Reference("rest") {
		doc, ok := docs[field.Path]
		if !ok {
			continue // of an adapter, or the file of a secret
		}
		delete(docs, field.Path)
		want := field.Default
		if want == "" && !doc.required {
			want = "empty"
		}
		require.Equal(t, want, doc.byDefault, field.Path)
	}
	require.Empty(t, docs, "keys with a comment that are not in the reference")
}

func TestReferenceIsComplete(t *testing.T) {
	paths := map[string]configs.Field{}
	for _, adapter := range append(configs.Adapters(), "rest") {
		clear(paths)
		for _, field := range configs.Reference(adapter) {
			require.NotContains(t, paths, field.Path)
			require.NotEmpty(t, field.Type, field.Path)
			paths[field.Path] = field
		}
	}
	for path, want := range map[string]configs.Field{
		"receiver.body_limit": {Type: "a size such as 64KiB or 8GiB", Default: "64KiB"},
		"admin.token_file":    {Type: "the name of a file"},
		"match.phone":         {Type: "true or false", Default: "true"},
		"shutdown_timeout":    {Type: "a duration such as 500ms, 30s, 15m or 72h", Default: "25s"},
		"crm.auth.token":      {Type: "a secret"},
		"crm.phone_forms":     {Type: "a list", Default: "e164, national, digits, raw"},
		"crm.calls.find.path": {Type: "a text"},
		"crm.objects[].name":  {Type: "a text"},
	} {
		require.Equal(t, want.Type, paths[path].Type, path)
		require.Equal(t, want.Default, paths[path].Default, path)
	}
}

// The table of the README stands between these lines.
const (
	tableBegin = "<!-- configuration: begin -->\n"
	tableEnd   = "<!-- configuration: end -->\n"
)

func TestTableInTheReadme(t *testing.T) {
	const path = "../README.md"
	readme, err := os.ReadFile(path)
	require.NoError(t, err)
	before, rest, hasBegin := strings.Cut(string(readme), tableBegin)
	now, after, hasEnd := strings.Cut(rest, tableEnd)
	require.True(t, hasBegin && hasEnd, "%s must have the lines %q and %q, one after the other: the table of the "+
		"configuration stands between them, go test ./configs -update writes it", path, tableBegin, tableEnd)
	var want bytes.Buffer
	table(t, &want)
	if *update {
		now = want.String()
		require.NoError(t, os.WriteFile(path, []byte(before+tableBegin+now+tableEnd+after), 0o600))
	}
	require.Equal(t, want.String(), now, "go test ./configs -update rewrites the table in %s", path)
}

// table writes the documentation of our keys in Markdown.
func table(t *testing.T, w io.Writer) {
	t.Helper()
	docs := comments(t)
	print := func(format string, args ...any) {
		_, err := fmt.Fprintf(w, format, args...)
		require.NoError(t, err)
	}
	print("\n| key | default | meaning |\n|---|---|---|\n")
	for _, field := range configs.Reference("rest") {
		doc, ours := docs[field.Path]
		secret, isFile := strings.CutSuffix(field.Path, "_file")
		switch of, known := docs[secret]; {
		case ours && doc.required:
			print("| `%s` | required | %s |\n", field.Path, doc.text)
		case ours && field.Default == "":
			print("| `%s` | | %s |\n", field.Path, doc.text)
		case ours:
			print("| `%s` | `%s` | %s |\n", field.Path, field.Default, doc.text)
		case isFile && known:
			print("| `%s` | | The name of a file with the same%s. |\n", field.Path,
				map[bool]string{true: ", one a line"}[strings.HasPrefix(of.text, "Keys ")])
		}
	}
	print("\nEach key is also a variable: `delivery.retry.max` is `CRMSYNCD_DELIVERY__RETRY__MAX`. Lists are separated " +
		"by commas there, maps are\nwritten as `{key: value}`. The other keys of `crm` are those of the adapter: " +
		"[`configs/example.yaml`](configs/example.yaml) has all of the\nadapter `rest`, the comments of " +
		"[`crm/rest`](crm/rest/doc.go) explain them; the page of each other CRM has its own: ")
	for i, adapter := range pages() {
		print("%s[`%s`](crm/%s/README.md)", []string{"", ", "}[min(i, 1)], adapter, adapter)
	}
	print(".\n\n")
}

func TestExampleHasEveryKeyWithItsDefault(t *testing.T) {
	config, err := configs.Load("example.yaml", nil)
	require.NoError(t, err)
	require.Equal(t, "rest", config.CRM.Type)
	require.Len(t, config.Receiver.AuthorizationKeys, 1)
	want, byDefault := configs.Default(), rest.Default()
	want.Receiver.AuthorizationKeys, want.CRM = config.Receiver.AuthorizationKeys, config.CRM
	want.Agents.Map = map[string]string{}
	require.Equal(t, want, *config)

	// Of the adapter's keys, these say what the CRM is like; the others have their defaults.
	crm := config.CRM.Rest
	byDefault.BaseURL, byDefault.Objects, byDefault.Calls = crm.BaseURL, crm.Objects, crm.Calls
	byDefault.Users, byDefault.Contacts = crm.Users, crm.Contacts
	byDefault.Headers, byDefault.Auth.TokenParams = map[string]string{}, map[string]string{}
	byDefault.Auth.Scopes, byDefault.Answers = []string{}, []rest.Answer{}
	require.Equal(t, byDefault, crm)

	docs, given := comments(t), exampleKeys(t)
	for _, field := range configs.Reference("rest") {
		name := field.Path[strings.LastIndex(field.Path, ".")+1:]
		deep := strings.HasPrefix(field.Path, "crm.") && regexp.MustCompile(
			`\[\]|\.(create|update|upsert|find)\.`).MatchString(field.Path)
		if deep {
			continue // operations and rules have the same keys everywhere; the example shows those it needs
		}
		require.Contains(t, given, field.Path, "configs/example.yaml lacks %s", name)
		if doc, ok := docs[field.Path]; ok {
			require.Contains(t, given[field.Path], doc.text, "the comment of %s in configs/example.yaml", field.Path)
		}
	}
}

// exampleKeys returns the comment above each key of example.yaml, by path.
func exampleKeys(t *testing.T) map[string]string {
	t.Helper()
	data, err := os.ReadFile("example.yaml")
	require.NoError(t, err)
	var root yaml.Node
	require.NoError(t, yaml.Unmarshal(data, &root))
	found := map[string]string{}
	var walk func(n *yaml.Node, path string)
	walk = func(n *yaml.Node, path string) {
		if n.Kind != yaml.MappingNode {
			return
		}
		for i := 0; i < len(n.Content); i += 2 {
			comment := strings.ReplaceAll(n.Content[i].HeadComment, "#", "")
			found[path+n.Content[i].Value] = strings.Join(strings.Fields(comment), " ")
			walk(n.Content[i+1], path+n.Content[i].Value+".")
		}
	}
	walk(root.Content[0], "")
	return found
}

func TestShortExampleLoads(t *testing.T) {
	config, err := configs.Load("rest.yaml", []string{
		"CRMSYNCD_RECEIVER__AUTHORIZATION_KEYS_FILE=" + write(t, "keys", "0123456789abcdef\n"),
		"CRMSYNCD_CRM__AUTH__TOKEN_FILE=" + write(t, "token", canary+"\n"),
	})
	require.NoError(t, err)
	require.Equal(t, []string{"[set]"}, texts(config.Receiver.AuthorizationKeys))
	require.Equal(t, canary, config.CRM.Rest.Auth.Token.Reveal())

	found := mistakes(t, minimal, "CRMSYNCD_CRM__AUTH__TOKEN_FILE=/nowhere", "CRMSYNCD_CRM__AUTH__TYPE=bearer")
	require.Len(t, found, 1, "that the file cannot be read is the one mistake, not also that there is no token")
}

func texts(secrets []secret.String) []string {
	var all []string
	for _, s := range secrets {
		all = append(all, s.String())
	}
	return all
}
