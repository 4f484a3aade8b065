package configs_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/configs"
)

// pages are the adapters that have a page of their own.
func pages() []string {
	return slices.DeleteFunc(configs.Adapters(), func(name string) bool { return name == "rest" })
}

// TestPagesTellEveryKey holds the table in the page of each CRM to the keys of its adapter and their comments.
func TestPagesTellEveryKey(t *testing.T) {
	for _, adapter := range pages() {
		path := filepath.Join("..", "crm", adapter, "README.md")
		page, err := os.ReadFile(path)
		require.NoError(t, err)
		before, rest, hasBegin := strings.Cut(string(page), tableBegin)
		now, after, hasEnd := strings.Cut(rest, tableEnd)
		if *update && !hasBegin {
			before, now, after = before+"\n## All keys of `crm`\n\n", "", ""
			hasBegin, hasEnd = true, true
		}
		require.True(t, hasBegin && hasEnd, "%s must have the lines %q and %q: go test ./configs -update writes them", path,
			tableBegin, tableEnd)
		want := keyTable(t, adapter)
		if *update {
			now = want
			require.NoError(t, os.WriteFile(path, []byte(before+tableBegin+now+tableEnd+after), 0o600))
		}
		require.Equal(t, want, now, "go test ./configs -update rewrites the table in %s", path)
	}
}

// keyTable returns the keys of an adapter in Markdown.
func keyTable(t *testing.T, adapter string) string {
	t.Helper()
	docs := map[string]string{}
	section := reflect.ValueOf(configs.CRM{})
	for field := range section.Type().Fields() {
		if strings.EqualFold(field.Name, adapter) {
			sectionDocs(t, field.Type, "crm.", docs)
		}
	}
	var table bytes.Buffer
	table.WriteString("\n| key | default | meaning |\n|---|---|---|\n")
	for _, field := range configs.Reference(adapter) {
		key, its := strings.CutPrefix(field.Path, "crm.")
		if !its || key == "type" {
			continue
		}
		doc := docs[field.Path]
		if secret, isFile := strings.CutSuffix(field.Path, "_file"); isFile && doc == "" {
			doc = "The name of a file with `" + strings.TrimPrefix(secret, "crm.") + "`."
		}
		require.NotEmpty(t, doc, "the comment of %s of adapter %s", key, adapter)
		byDefault := ""
		if field.Default != "" {
			byDefault = "`" + field.Default + "`"
		}
		fmt.Fprintf(&table, "| `%s` | %s | %s |\n", key, byDefault, strings.ReplaceAll(doc, "|", "\\|"))
	}
	table.WriteString("\n")
	return table.String()
}

// sectionDocs adds the comments of a section's fields by their paths.
func sectionDocs(t *testing.T, typ reflect.Type, path string, docs map[string]string) {
	t.Helper()
	comments := structComments(t, typ)
	for field := range typ.Fields() {
		name := field.Tag.Get("koanf")
		if name == "" || name == "-" {
			continue
		}
		docs[path+name] = comments[field.Name]
		if docs[path+name] == "" { // the comment of the section tells of all its fields
			docs[path+name] = docs[strings.TrimRight(path, ".[]")]
		}
		element, suffix := field.Type, "."
		for element.Kind() == reflect.Slice || element.Kind() == reflect.Pointer {
			if element.Kind() == reflect.Slice {
				suffix = "[]."
			}
			element = element.Elem()
		}
		if element.Kind() == reflect.Struct && element.NumField() > 0 && element.Field(0).Tag.Get("koanf") != "" {
			sectionDocs(t, element, path+name+suffix, docs)
		}
	}
}

// structComments returns the comments of a struct's fields, those above them or beside them; fields that stand together
// under one comment share it.
func structComments(t *testing.T, typ reflect.Type) map[string]string {
	t.Helper()
	comments := map[string]string{}
	dir := filepath.Join("..", strings.TrimPrefix(typ.PkgPath(), "github.com/crmsyncd/crmsyncd/"))
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	require.NoError(t, err)
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		require.NoError(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok || spec.Name.Name != typ.Name() {
				return true
			}
			if body, ok := spec.Type.(*ast.StructType); ok {
				fieldComments(body, comments)
			}
			return false
		})
	}
	return comments
}

// fieldComments adds the comments of fields; one without a comment shares that of the field above.
func fieldComments(body *ast.StructType, comments map[string]string) {
	above := ""
	for _, field := range body.Fields.List {
		text := strings.Join(strings.Fields(field.Doc.Text()+" "+field.Comment.Text()), " ")
		if text == "" {
			text = above
		}
		above = text
		for _, name := range field.Names {
			comments[name.Name] = text
		}
	}
}

// TestExamplesOfEveryCRMAreValid loads the examples, with a folder of its own in the place of the secrets'.
func TestExamplesOfEveryCRMAreValid(t *testing.T) {
	for _, adapter := range pages() {
		example, err := os.ReadFile(adapter + ".yaml")
		require.NoError(t, err)
		dir := t.TempDir()
		for _, name := range secretFile.FindAllStringSubmatch(string(example), -1) {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name[1]), []byte("a-secret-of-some-length"), 0o600))
		}
		moved := strings.ReplaceAll(string(example), "/etc/crmsyncd/", dir+"/")
		config, err := configs.LoadBytes(adapter+".yaml", []byte(moved), nil)
		require.NoError(t, err)
		require.Equal(t, adapter, config.CRM.Type)
	}
}

var secretFile = regexp.MustCompile(`_file: /etc/crmsyncd/([a-z0-9-]+)`)
