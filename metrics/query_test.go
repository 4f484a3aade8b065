package metrics_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// vocabulary is what a query may name: every metric of a real registry with the values of its labels, and what the
// recording rules record. TestNames holds the registry against names.golden.
type vocabulary struct {
	kinds  map[string]string
	labels map[string]map[string][]string
}

func newVocabulary(t *testing.T) vocabulary {
	t.Helper()
	p := newParts(t)
	p.scrape(t, "text/plain") // the handler adds metrics of its own
	families, err := p.reg.Gather()
	require.NoError(t, err)
	v := vocabulary{kinds: map[string]string{}, labels: map[string]map[string][]string{}}
	for _, family := range families {
		name := family.GetName()
		v.kinds[name], v.labels[name] = family.GetType().String(), map[string][]string{}
		for _, metric := range family.GetMetric() {
			for _, label := range metric.GetLabel() {
				v.labels[name][label.GetName()] = append(v.labels[name][label.GetName()], label.GetValue())
			}
		}
	}
	v.kinds["up"], v.labels["up"] = "GAUGE", map[string][]string{}
	for _, rule := range readRules(t) {
		if rule.Record != "" {
			v.kinds[rule.Record], v.labels[rule.Record] = "GAUGE", map[string][]string{}
		}
	}
	return v
}

// family returns the metric that a series belongs to, "" for one that is unknown.
func (v vocabulary) family(series string) string {
	if _, known := v.kinds[series]; known {
		return series
	}
	name := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(series, "")
	kind, known := v.kinds[name]
	if known && (kind == "HISTOGRAM" || kind == "SUMMARY") {
		return name
	}
	return ""
}

// cumulative tells whether a series only grows, so that its value means nothing without a rate.
func (v vocabulary) cumulative(series string) bool {
	name := v.family(series)
	return name != series || v.kinds[name] == "COUNTER"
}

var (
	labelList  = regexp.MustCompile(`\b(?:by|on|without|ignoring)\s*\([^)]*\)`)
	selector   = regexp.MustCompile(`([a-zA-Z_:][\w:]*)(\{[^}]*\})?(\[[^\]]+\])?`)
	ours       = regexp.MustCompile(`^(?:crmsyncd[_:]|job_instance:|process_|go_|promhttp_|up$)`)
	matcher    = regexp.MustCompile(`(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"`)
	finitePart = regexp.MustCompile(`^[\w|]+$`)
)

// selection is one place of a query that names a metric.
type selection struct {
	series, window string
	// function is what stands around it: "rate" for rate(series[5m]).
	function string
	matchers [][]string
}

// selections returns every place of a query that names a metric.
func selections(query string) []selection {
	query = labelList.ReplaceAllString(query, "")
	var all []selection
	for _, at := range selector.FindAllStringSubmatchIndex(query, -1) {
		part := func(i int) string {
			if at[2*i] < 0 {
				return ""
			}
			return query[at[2*i]:at[2*i+1]]
		}
		if !ours.MatchString(part(1)) {
			continue
		}
		s := selection{series: part(1), window: strings.Trim(part(3), "[]"), matchers: matcher.FindAllStringSubmatch(part(2), -1)}
		before := regexp.MustCompile(`(\w+)\s*\(\s*$`).FindStringSubmatch(query[:at[0]])
		if before != nil {
			s.function = before[1]
		}
		all = append(all, s)
	}
	return all
}

// requireKnown holds every metric, label and value that a query names against the vocabulary.
func (v vocabulary) requireKnown(t *testing.T, where, query string) {
	t.Helper()
	found := selections(query)
	for _, s := range found {
		name := v.family(s.series)
		require.NotEmpty(t, name, "%s: there is no metric %s", where, s.series)
		for _, m := range s.matchers {
			label, value := m[1], m[3]
			if slices.Contains([]string{"job", "instance", "le"}, label) {
				continue
			}
			require.Contains(t, v.labels[name], label, "%s: %s has no such label", where, s.series)
			if label == "operation" || !finitePart.MatchString(value) { // the operations are the adapter's
				continue
			}
			for one := range strings.SplitSeq(value, "|") {
				require.Contains(t, v.labels[name][label], one, "%s: %s{%s} has no such value", where, s.series, label)
			}
		}
		if v.cumulative(s.series) {
			require.Contains(t, []string{"rate", "increase", "last_over_time"}, s.function,
				"%s: %s only grows, a rate tells more", where, s.series)
		}
	}
}
