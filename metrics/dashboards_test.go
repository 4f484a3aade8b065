package metrics_test

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// dataSource is how a dashboard names where its queries go.
type dataSource struct{ Type, UID string }

// theDataSource is the variable of every dashboard, so that it works with any Prometheus.
var theDataSource = dataSource{Type: "prometheus", UID: "${datasource}"}

// panel is a panel of a dashboard.
type panel struct {
	ID                       int
	Type, Title, Description string
	Datasource               dataSource
	GridPos                  struct{ X, Y, W, H int }
	FieldConfig              struct {
		Defaults struct{ Unit string }
	}
	Targets []struct {
		RefID, Expr, LegendFormat string
		Datasource                dataSource
	}
}

// dashboard is what the tests look at of a dashboard of Grafana.
type dashboard struct {
	UID, Title, Description string
	Editable                bool
	Templating              struct {
		List []struct {
			Name, Type string
			Query      string
			Datasource dataSource
		}
	}
	Annotations struct {
		List []struct {
			Expr       string
			Datasource dataSource
		}
	}
	Panels []panel
}

// readDashboards returns the dashboards by title.
func readDashboards(t *testing.T) map[string]dashboard {
	t.Helper()
	boards := map[string]dashboard{}
	for _, path := range filesOf(t, "grafana/*.json") {
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		var board dashboard
		require.NoError(t, json.Unmarshal(content, &board), path)
		boards[board.Title] = board
	}
	return boards
}

// queries returns every query of the dashboards by where it stands.
func queries(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, board := range readDashboards(t) {
		for _, a := range board.Annotations.List {
			all[board.Title+", annotation"] = a.Expr
		}
		for _, p := range board.Panels {
			for _, target := range p.Targets {
				all[fmt.Sprintf("%s, %s %s", board.Title, p.Title, target.RefID)] = target.Expr
			}
		}
	}
	require.NotEmpty(t, all)
	return all
}

func TestDashboardsHaveTheirVariables(t *testing.T) {
	uids := map[string]bool{}
	for title, board := range readDashboards(t) {
		require.False(t, board.Editable, "%s: the file is the truth", title)
		require.NotEmpty(t, board.Description, title)
		require.NotEmpty(t, board.UID, title)
		require.False(t, uids[board.UID], title)
		uids[board.UID] = true
		var names []string
		for _, variable := range board.Templating.List {
			names = append(names, variable.Name)
			if variable.Name == "datasource" {
				require.Equal(t, "datasource", variable.Type, title)
				require.Equal(t, "prometheus", variable.Query, title)
			} else {
				require.Equal(t, theDataSource, variable.Datasource, title)
			}
		}
		require.Equal(t, []string{"datasource", "job", "instance"}, names, title)
		for _, annotation := range board.Annotations.List {
			require.Equal(t, theDataSource, annotation.Datasource, title)
		}
	}
}

func TestPanelsExplainThemselves(t *testing.T) {
	for title, board := range readDashboards(t) {
		ids, titles := map[int]bool{}, map[string]bool{}
		for _, p := range board.Panels {
			where := title + ", " + p.Title
			require.NotEmpty(t, p.Title, title)
			require.False(t, ids[p.ID] || titles[p.Title], "%s is there twice", where)
			ids[p.ID], titles[p.Title] = true, true
			if p.Type == "row" {
				continue
			}
			require.Regexp(t, `(?s)^[A-Z0-9].*\.$`, p.Description, "%s: a description is a sentence", where)
			require.NotEmpty(t, p.FieldConfig.Defaults.Unit, where)
			require.Equal(t, theDataSource, p.Datasource, where)
			require.NotEmpty(t, p.Targets, where)
			for _, target := range p.Targets {
				require.Equal(t, theDataSource, target.Datasource, where)
				require.True(t, p.Type == "stat" || target.LegendFormat != "", "%s: a line has no name", where)
			}
		}
	}
}

// TestPanelsLieBesideEachOther: none covers another, none reaches over the edge.
func TestPanelsLieBesideEachOther(t *testing.T) {
	for title, board := range readDashboards(t) {
		for i, p := range board.Panels {
			a := p.GridPos
			require.True(t, a.X >= 0 && a.W > 0 && a.H > 0 && a.X+a.W <= 24, "%s, %s", title, p.Title)
			for _, q := range board.Panels[:i] {
				b := q.GridPos
				apart := a.X+a.W <= b.X || b.X+b.W <= a.X || a.Y+a.H <= b.Y || b.Y+b.H <= a.Y
				require.True(t, apart, "%s: %s covers %s", title, p.Title, q.Title)
			}
		}
	}
}

func TestQueriesNameMetricsThatExist(t *testing.T) {
	known := newVocabulary(t)
	for where, query := range queries(t) {
		known.requireKnown(t, where, query)
		found := selections(query)
		require.NotEmpty(t, found, where)
		for _, s := range found {
			for _, matcher := range [][]string{{"job", "$job"}, {"instance", "$instance"}} {
				require.True(t, slices.ContainsFunc(s.matchers, func(m []string) bool {
					return m[1] == matcher[0] && m[2] == "=~" && m[3] == matcher[1]
				}), "%s: %s is not of the chosen %s", where, s.series, matcher[0])
			}
			// $__range is for numbers over the whole time that is shown, 30d for the budgets of the objectives.
			require.Contains(t, []string{"", "$__rate_interval", "$__range", "30d"}, s.window, where)
		}
	}
}

// TestSalesViewNamesNobody: it may hang on a wall.
func TestSalesViewNamesNobody(t *testing.T) {
	board, ok := readDashboards(t)["crmsyncd sales view"]
	require.True(t, ok)
	grouped := regexp.MustCompile(`\bby \(([^)]*)\)`)
	for _, p := range board.Panels {
		for _, target := range p.Targets {
			for _, m := range grouped.FindAllStringSubmatch(target.Expr, -1) {
				for label := range strings.SplitSeq(m[1], ",") {
					require.Contains(t, []string{"le", "direction", "status", "method", "reason"}, strings.TrimSpace(label), p.Title)
				}
			}
		}
	}
}

// unwatched are metrics that neither a panel nor a rule uses, with the reason.
var unwatched = map[string]string{}

// TestEveryMetricIsWatched: a metric that nobody looks at is either missing on a dashboard or not worth its series.
func TestEveryMetricIsWatched(t *testing.T) {
	known := newVocabulary(t)
	watched := map[string]bool{}
	note := func(query string) {
		for _, s := range selections(query) {
			watched[known.family(s.series)] = true
		}
	}
	for _, query := range queries(t) {
		note(query)
	}
	for _, r := range readRules(t) {
		note(r.Expr)
	}
	golden, err := os.ReadFile("testdata/names.golden")
	require.NoError(t, err)
	for line := range strings.Lines(string(golden)) {
		name := strings.Fields(line)[0]
		_, excused := unwatched[name]
		require.NotEqual(t, excused, watched[name], "%s: a panel, a rule, or a reason in unwatched; not both", name)
	}
}
