package metrics_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// runbookURL is where the pages of the runbook are read.
const runbookURL = "https://github.com/crmsyncd/crmsyncd/blob/main/metrics/prometheus/runbook/"

// rule is a recording or alerting rule of Prometheus.
type rule struct {
	Record, Alert, Expr string
	Labels, Annotations map[string]string
}

// readYAML reads a file into v, and fails on what v has no place for.
func readYAML(t *testing.T, path string, v any) {
	t.Helper()
	file, err := os.Open(path)
	require.NoError(t, err)
	defer func() { require.NoError(t, file.Close()) }()
	require.NoError(t, yaml.NewDecoder(file).Decode(v), path)
}

// filesOf returns the files that match a pattern below a folder of this package; there must be some.
func filesOf(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.FromSlash(pattern))
	require.NoError(t, err)
	require.NotEmpty(t, files, pattern)
	return files
}

func readRules(t *testing.T) []rule {
	t.Helper()
	var all []rule
	for _, path := range filesOf(t, "prometheus/rules/*.yaml") {
		var file struct {
			Groups []struct{ Rules []rule }
		}
		readYAML(t, path, &file)
		for _, group := range file.Groups {
			all = append(all, group.Rules...)
		}
	}
	return all
}

// readAlerts returns the alerting rules by name.
func readAlerts(t *testing.T) map[string]rule {
	t.Helper()
	alerts := map[string]rule{}
	for _, r := range readRules(t) {
		if r.Alert != "" {
			require.NotContains(t, alerts, r.Alert)
			alerts[r.Alert] = r
		}
	}
	require.NotEmpty(t, alerts)
	return alerts
}

func TestRulesNameMetricsThatExist(t *testing.T) {
	known := newVocabulary(t)
	for _, r := range readRules(t) {
		known.requireKnown(t, r.Record+r.Alert, r.Expr)
		require.True(t, r.Record == "crmsyncd:working_hours:bool" || len(selections(r.Expr)) > 0, r.Alert)
	}
}

// TestRulesNameBucketsThatExist: a bucket that is not there makes no error, only an alert that never fires. The same bound
// is written 60 in the text format and 60.0 in OpenMetrics.
func TestRulesNameBucketsThatExist(t *testing.T) {
	p := newParts(t)
	text, _ := p.scrape(t, "text/plain")
	openMetrics, _ := p.scrape(t, "application/openmetrics-text;version=1.0.0")
	all := queries(t)
	for _, r := range readRules(t) {
		all[r.Record+r.Alert] = r.Expr
	}
	seen := 0
	for where, query := range all {
		for _, s := range selections(query) {
			for _, m := range s.matchers {
				if m[1] != "le" {
					continue
				}
				seen++
				bucket := regexp.MustCompile(`(?m)^` + s.series + `\{[^}]*le="(?:` + m[3] + `)"`)
				require.Regexp(t, bucket, text, where)
				require.Regexp(t, bucket, openMetrics, where)
			}
		}
	}
	require.Positive(t, seen)
}

// TestAlertsSayWhatIsWrong: whoever is woken reads what, where and how much.
func TestAlertsSayWhatIsWrong(t *testing.T) {
	amount := regexp.MustCompile(`\$value|\d+ minutes`)
	for name, alert := range readAlerts(t) {
		require.Regexp(t, `^Crmsyncd[A-Z]\w+$`, name)
		require.Contains(t, []string{"page", "ticket"}, alert.Labels["severity"], name)
		require.NotEmpty(t, alert.Annotations["summary"], name)
		require.NotContains(t, alert.Annotations["summary"], "{{", "%s: a summary is the same for all instances", name)
		require.Regexp(t, amount, alert.Annotations["description"], name)
		if name != "CrmsyncdAbsent" { // there is no instance to name
			require.Contains(t, alert.Annotations["description"], "{{ $labels.instance }}", name)
		}
	}
}

// sections returns the headings of the second level of a page as anchors, each with its text.
func sections(page string) map[string]string {
	found := map[string]string{}
	for _, section := range strings.Split("\n"+page, "\n## ")[1:] {
		heading, text, _ := strings.Cut(section, "\n")
		found[strings.ToLower(heading)] = text
	}
	return found
}

// runbook returns every section of the runbook by "page.md#anchor".
func runbook(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, path := range filesOf(t, "prometheus/runbook/*.md") {
		page, err := os.ReadFile(path)
		require.NoError(t, err)
		for anchor, text := range sections(string(page)) {
			all[filepath.Base(path)+"#"+anchor] = text
		}
	}
	return all
}

func TestEveryAlertHasItsSectionInTheRunbook(t *testing.T) {
	pages := runbook(t)
	linked := map[string]bool{}
	for name, alert := range readAlerts(t) {
		target, ok := strings.CutPrefix(alert.Annotations["runbook_url"], runbookURL)
		require.True(t, ok, name)
		require.True(t, strings.HasSuffix(target, "#"+strings.ToLower(name)), "%s links to %s", name, target)
		require.Contains(t, pages, target, name)
		linked[target] = true
	}
	for target, text := range pages {
		require.True(t, linked[target], "%s belongs to no alert", target)
		for _, part := range []string{"**What it means.**", "**Look at.**", "**Do.**"} {
			require.Contains(t, text, part, target)
		}
	}
}

// TestRunbookNamesWhatExists holds commands, keys, routes, dashboards and links of the runbook against the project.
func TestRunbookNamesWhatExists(t *testing.T) {
	read := func(path ...string) string {
		content, err := os.ReadFile(filepath.Join(append([]string{".."}, path...)...))
		require.NoError(t, err)
		return string(content)
	}
	readme, routes := read("README.md"), read("crm", "admin", "doc.go")
	pages := runbook(t)
	titles := slices.Collect(maps.Keys(readDashboards(t)))
	commands, keys := regexp.MustCompile("`crmsyncd ([a-z]+)"), regexp.MustCompile("`([a-z]+\\.[a-z_.]+[a-z])[`:]")
	paths, links := regexp.MustCompile(`:9090(/[a-z0-9/]*[a-z])`), regexp.MustCompile(`\]\(([^)]+)\)`)
	boards := regexp.MustCompile(`\*(crmsyncd [^*]+)\*`)
	for target, text := range pages {
		text = strings.ReplaceAll(text, "\n", " ")
		for _, m := range commands.FindAllStringSubmatch(text, -1) {
			require.Contains(t, readme, "`crmsyncd "+m[1], "%s names the command %s", target, m[1])
		}
		for _, m := range keys.FindAllStringSubmatch(text, -1) {
			require.Contains(t, readme, "`"+m[1]+"`", "%s names the key %s", target, m[1])
		}
		for _, m := range paths.FindAllStringSubmatch(text, -1) {
			require.Contains(t, routes, m[1], target)
		}
		for _, m := range boards.FindAllStringSubmatch(text, -1) {
			require.Contains(t, titles, m[1], target)
		}
		for _, m := range links.FindAllStringSubmatch(text, -1) {
			link := m[1]
			if strings.HasPrefix(link, "#") {
				page, _, _ := strings.Cut(target, "#")
				link = page + link
			}
			if strings.Contains(link, "#") {
				require.Contains(t, pages, link, target)
			} else {
				require.FileExists(t, filepath.Join("prometheus", "runbook", filepath.FromSlash(link)), target)
			}
		}
	}
}

// TestEveryAlertIsTested: each must fire in one of promtool's tests and stay quiet in another.
func TestEveryAlertIsTested(t *testing.T) {
	fires, quiet := map[string]bool{}, map[string]bool{}
	for _, path := range filesOf(t, "prometheus/tests/*.yaml") {
		var file struct {
			Tests []struct {
				AlertRuleTest []struct {
					Alertname string `yaml:"alertname"`
					ExpAlerts []any  `yaml:"exp_alerts"`
				} `yaml:"alert_rule_test"`
			}
		}
		readYAML(t, path, &file)
		for _, test := range file.Tests {
			for _, alert := range test.AlertRuleTest {
				if len(alert.ExpAlerts) > 0 {
					fires[alert.Alertname] = true
				} else {
					quiet[alert.Alertname] = true
				}
			}
		}
	}
	alerts := slices.Sorted(maps.Keys(readAlerts(t)))
	require.Equal(t, alerts, slices.Sorted(maps.Keys(fires)))
	require.Equal(t, alerts, slices.Sorted(maps.Keys(quiet)))
}
