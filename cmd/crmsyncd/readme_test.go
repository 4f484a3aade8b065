package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/crmsyncd/crmsyncd/configs"
)

// root is the folder that the README stands in and that its paths are seen from.
var root = filepath.Join("..", "..")

// page is the README, taken apart.
type page struct {
	text string
	// code has all that is set as code and is not a block of another language: spans, and the lines of blocks marked sh.
	code []string
	// yaml has the blocks marked yaml.
	yaml []string
	// prose is the text without its blocks.
	prose string
}

var (
	fence = regexp.MustCompile("(?ms)^```(\\w*)\n(.*?)^```$\n?")
	span  = regexp.MustCompile("`([^`\n]+)`")
)

func readReadme(t *testing.T) page {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	require.NoError(t, err)
	p := page{text: string(text)}
	for _, block := range fence.FindAllStringSubmatch(p.text, -1) {
		switch block[1] {
		case "sh":
			p.code = append(p.code, strings.Split(strings.TrimSpace(block[2]), "\n")...)
		case "yaml":
			p.yaml = append(p.yaml, block[2])
		}
	}
	p.prose = fence.ReplaceAllString(p.text, "")
	for _, s := range span.FindAllStringSubmatch(p.prose, -1) {
		p.code = append(p.code, s[1])
	}
	require.NotEmpty(t, p.code)
	return p
}

func TestReadmeNamesVerbsOfTheMakefile(t *testing.T) {
	content, err := os.ReadFile(filepath.Join(root, "Makefile"))
	require.NoError(t, err)
	makefile := string(content)
	mentioned := regexp.MustCompile(`^make((?: +[\w=.-]+)+)$`)
	seen := 0
	for _, code := range readReadme(t).code {
		match := mentioned.FindStringSubmatch(code)
		if match == nil {
			continue
		}
		for word := range strings.FieldsSeq(match[1]) {
			seen++
			want := `(?m)^` + word + `:`
			if variable, _, isVariable := strings.Cut(word, "="); isVariable {
				want = `(?m)^` + variable + ` *\?=`
			}
			require.Regexp(t, want, makefile, "%q in README.md", code)
		}
	}
	require.Positive(t, seen)
}

// commands returns every command of the program by its name.
func commands() map[string]*cobra.Command {
	p := &program{out: io.Discard, err: io.Discard}
	top := p.rootCommand()
	top.InitDefaultHelpCmd()
	top.InitDefaultCompletionCmd()
	all := map[string]*cobra.Command{}
	for _, c := range top.Commands() {
		c.InitDefaultHelpFlag()
		all[c.Name()] = c
	}
	return all
}

// flagsOf returns every flag that a command takes.
func flagsOf(c *cobra.Command) map[string]bool {
	names := map[string]bool{}
	add := func(f *pflag.Flag) { names[f.Name] = true }
	c.LocalFlags().VisitAll(add)
	c.InheritedFlags().VisitAll(add)
	return names
}

func TestReadmeNamesCommandsAndFlags(t *testing.T) {
	all := commands()
	anywhere := map[string]bool{}
	for _, c := range all {
		for name := range flagsOf(c) {
			anywhere[name] = true
		}
	}
	mentioned := regexp.MustCompile(`^(?:\S*/)?crmsyncd +(.+)$`)
	seen := map[string]bool{}
	for _, code := range readReadme(t).code {
		known := anywhere
		words := strings.Fields(code)
		if match := mentioned.FindStringSubmatch(code); match != nil {
			words = strings.Fields(match[1])
			require.Contains(t, all, words[0], "%q in README.md", code)
			seen[words[0]] = true
			known = flagsOf(all[words[0]])
		} else if !strings.HasPrefix(code, "--") {
			continue
		}
		for _, word := range words {
			if name, isFlag := strings.CutPrefix(word, "--"); isFlag {
				name, _, _ = strings.Cut(name, "=")
				require.True(t, known[name], "%q in README.md: there is no flag --%s", code, name)
			}
		}
	}
	for name := range all {
		require.True(t, seen[name], "the command %s is not in README.md", name)
	}
}

func TestReadmeNamesPathsThatExist(t *testing.T) {
	mentioned := regexp.MustCompile(`(?:^|[\s/=])((?:cmd|configs|crm|metrics|outbox|receiver|\.ci)/[\w./*-]+)`)
	seen := 0
	for _, code := range readReadme(t).code {
		if strings.Contains(code, "://") {
			continue
		}
		for _, match := range mentioned.FindAllStringSubmatch(code, -1) {
			seen++
			found, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(match[1])))
			require.NoError(t, err)
			require.NotEmpty(t, found, "%q in README.md", code)
		}
	}
	require.Positive(t, seen)
}

// TestReadmeConfigurationsLoad loads every block that has a section crm. The files of secrets that it names are made.
func TestReadmeConfigurationsLoad(t *testing.T) {
	secretFile := regexp.MustCompile(`_file: ([^\s,}]+)`)
	loaded := 0
	for i, block := range readReadme(t).yaml {
		var sections map[string]any
		require.NoError(t, yaml.Unmarshal([]byte(block), &sections), "%s", block)
		if sections["crm"] == nil {
			continue
		}
		loaded++
		folder := t.TempDir()
		made := secretFile.ReplaceAllStringFunc(block, func(line string) string {
			name := secretFile.FindStringSubmatch(line)[1]
			path := filepath.Join(folder, filepath.Base(name))
			require.NoError(t, os.WriteFile(path, []byte("0123456789abcdef0123456789abcdef\n"), 0o600))
			return "_file: " + path
		})
		var environ []string
		if !strings.Contains(made, "authorization_keys") {
			environ = append(environ, "CRMSYNCD_RECEIVER__AUTHORIZATION_KEYS=0123456789abcdef")
		}
		_, err := configs.LoadBytes(fmt.Sprintf("block %d of README.md", i+1), []byte(made), environ)
		require.NoError(t, err)
	}
	require.Positive(t, loaded)
}

func TestReadmeNamesKeysOfTheConfiguration(t *testing.T) {
	known, sections := map[string]bool{}, map[string]bool{}
	for _, field := range configs.Reference("rest") {
		parts := strings.Split(strings.ReplaceAll(field.Path, "[]", ""), ".")
		sections[parts[0]] = true
		for i := range parts {
			known[strings.Join(parts[:i+1], ".")] = true
		}
	}
	key := regexp.MustCompile(`^([a-z]+)\.[a-z_.]+`)
	seen := 0
	for _, code := range readReadme(t).code {
		if match := key.FindStringSubmatch(code); match != nil && sections[match[1]] {
			seen++
			require.True(t, known[match[0]], "%q in README.md is no key of the configuration", code)
		}
	}
	require.Positive(t, seen)
}

func TestReadmeNamesMetrics(t *testing.T) {
	golden, err := os.ReadFile(filepath.Join(root, "metrics", "testdata", "names.golden"))
	require.NoError(t, err)
	kinds := map[string]string{}
	for line := range strings.Lines(string(golden)) {
		fields := strings.Fields(line)
		kinds[fields[0]] = fields[1]
	}
	mentioned := regexp.MustCompile(`\bcrmsyncd_\w+`).FindAllString(readReadme(t).text, -1)
	require.NotEmpty(t, mentioned)
	for _, name := range mentioned {
		if _, exact := kinds[name]; exact {
			continue
		}
		series := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, "")
		require.Equal(t, "histogram", kinds[series], "%s in README.md is no metric", name)
	}
}

func TestReadmeLinksLeadSomewhere(t *testing.T) {
	p := readReadme(t)
	anchors := map[string]bool{}
	for _, heading := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(p.prose, -1) {
		slug := regexp.MustCompile(`[^a-z0-9 -]`).ReplaceAllString(strings.ToLower(heading[1]), "")
		anchors["#"+strings.ReplaceAll(slug, " ", "-")] = true
	}
	images := 0
	for _, link := range regexp.MustCompile(`(!?)\[[^\]]*\]\(([^)\s]+)\)`).FindAllStringSubmatch(p.prose, -1) {
		target := link[2]
		switch {
		case strings.HasPrefix(target, "https://"):
		case strings.HasPrefix(target, "#"):
			require.True(t, anchors[target], "%s in README.md leads to no heading", link[0])
		default:
			require.FileExists(t, filepath.Join(root, filepath.FromSlash(target)), "%s in README.md", link[0])
		}
		if link[1] == "!" {
			images++
		}
	}
	require.Positive(t, images)
}
