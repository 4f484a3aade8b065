package metrics_test

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// promtool runs Prometheus's own checker, which .ci/run installs, and requires that it finds nothing.
func promtool(t *testing.T, stdin string, args ...string) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed: apt-get install prometheus")
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "promtool %s:\n%s", strings.Join(args, " "), out)
}

func TestPromtoolTakesTheRules(t *testing.T) {
	promtool(t, "", append([]string{"check", "rules"}, filesOf(t, "prometheus/rules/*.yaml")...)...)
}

// TestPromtoolRunsTheTestsOfTheRules also covers those that go over days; it takes some seconds.
func TestPromtoolRunsTheTestsOfTheRules(t *testing.T) {
	for _, path := range filesOf(t, "prometheus/tests/*.yaml") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			promtool(t, "", "test", "rules", path)
		})
	}
}

func TestPromtoolTakesTheConfiguration(t *testing.T) {
	// Beside the rules, as compose.yaml mounts them.
	folder := t.TempDir()
	require.NoError(t, os.CopyFS(filepath.Join(folder, "rules"), os.DirFS(filepath.Join("prometheus", "rules"))))
	config, err := os.ReadFile(filepath.Join(deploy, "prometheus.yaml"))
	require.NoError(t, err)
	path := filepath.Join(folder, "prometheus.yaml")
	require.NoError(t, os.WriteFile(path, config, 0o600))
	promtool(t, "", "check", "config", path)
}

func TestPromtoolTakesAScrape(t *testing.T) {
	p := newParts(t)
	p.observeAll("x", 1)
	body, _ := p.scrape(t, "text/plain")
	var lines []string
	for line := range strings.Lines(body) {
		if strings.Contains(line, "crmsyncd_") { // the names of others are not ours to choose
			lines = append(lines, line)
		}
	}
	require.NotEmpty(t, lines)
	promtool(t, strings.Join(lines, ""), "check", "metrics")
}

// TestPromtoolTakesTheQueriesOfTheDashboards makes each of them a rule, the variables of Grafana filled in.
func TestPromtoolTakesTheQueriesOfTheDashboards(t *testing.T) {
	filled := strings.NewReplacer("$__rate_interval", "5m", "$__range", "1d", "$job", ".+", "$instance", ".+")
	var rules []map[string]string
	all := queries(t)
	for _, where := range slices.Sorted(maps.Keys(all)) {
		rules = append(rules, map[string]string{"alert": where, "expr": filled.Replace(all[where])})
	}
	text, err := yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": "dashboards", "rules": rules}}})
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "dashboards.yaml")
	require.NoError(t, os.WriteFile(path, text, 0o600))
	promtool(t, "", "check", "rules", path)
}
