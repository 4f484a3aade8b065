package metrics_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/metrics"
)

// parts are all observers of one Set.
type parts struct {
	reg *prometheus.Registry
	set *metrics.Set
	crm *metrics.CRM
	// figures is what the outbox says at each scrape.
	figures func() metrics.OutboxFigures
}

func newParts(t *testing.T) *parts {
	t.Helper()
	reg := prometheus.NewRegistry()
	p := &parts{reg: reg, set: metrics.New(reg), figures: func() metrics.OutboxFigures { return metrics.OutboxFigures{} }}
	p.set.Build("1.2.3", "abcdef")
	p.crm = p.set.CRM("find contact", "create call log")
	p.set.WatchReady(func() error { return nil })
	p.set.WatchOutbox(func() metrics.OutboxFigures { return p.figures() })
	return p
}

// series returns every series of ours as "name{label=value,…}" with its value, for a histogram its count.
func (p *parts) series(t *testing.T) map[string]float64 {
	t.Helper()
	families, err := p.reg.Gather()
	require.NoError(t, err)
	series := map[string]float64{}
	for _, family := range families {
		if !strings.HasPrefix(family.GetName(), "crmsyncd_") {
			continue
		}
		for _, metric := range family.GetMetric() {
			var labels []string
			for _, label := range metric.GetLabel() {
				labels = append(labels, label.GetName()+"="+label.GetValue())
			}
			name := strings.TrimPrefix(family.GetName(), "crmsyncd_") + "{" + strings.Join(labels, ",") + "}"
			switch {
			case metric.GetCounter() != nil:
				series[name] = metric.GetCounter().GetValue()
			case metric.GetGauge() != nil:
				series[name] = metric.GetGauge().GetValue()
			default:
				series[name] = float64(metric.GetHistogram().GetSampleCount())
			}
		}
	}
	return series
}

// scrape serves the metrics over HTTP and returns what a scraper that accepts the given type gets.
func (p *parts) scrape(t *testing.T, accept string) (body, contentType string) {
	t.Helper()
	server := httptest.NewServer(p.set.Handler(p.reg))
	defer server.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
	require.NoError(t, err)
	req.Header.Set("Accept", accept)
	resp, err := server.Client().Do(req)
	require.NoError(t, err)
	defer func() { require.NoError(t, resp.Body.Close()) }()
	require.Equal(t, http.StatusOK, resp.StatusCode)
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return string(text), resp.Header.Get("Content-Type")
}

// observeAll tells every observer of the same value.
func (p *parts) observeAll(value string, n int) {
	p.set.Receiver().Answered(n, value, time.Second)
	p.set.Receiver().Answered(200, value, -time.Second)
	p.set.Receiver().Received(value, value)
	p.set.Receiver().KeyUsed(n)
	p.set.Relay().Delivered(value, n, time.Second)
	p.set.Relay().Settled(value, value, time.Hour, n)
	p.set.Relay().Settled("refused", value, time.Hour, n)
	p.set.Relay().Settled("failed", value, time.Hour, n)
	p.set.Relay().Paused(value, time.Unix(int64(n), 0))
	p.set.Relay().Working(n, n)
	p.set.Syncer().Matched(value, value)
	p.set.Syncer().Synced(value, time.Minute)
	p.set.Syncer().AgentUnmapped()
	p.crm.Requested(value, value, time.Second)
	p.crm.Quota(value, int64(n), int64(n))
	p.set.Store().Committed(time.Millisecond, n)
	p.figures = func() metrics.OutboxFigures {
		return metrics.OutboxFigures{
			States: map[string]int64{value: 1, value + "2": 2}, ParkedBy: map[string]int64{value: 3, value + "2": 4},
			OldestTimestamp: map[string]time.Time{value: time.Unix(20, 0), value + "2": time.Unix(10, 0)},
		}
	}
}
