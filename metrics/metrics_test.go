package metrics_test

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/crmsyncd/crmsyncd/metrics"
)

var update = flag.Bool("update", false, "rewrite the golden file")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestLiveScrapeIsCleanUnderPromlint(t *testing.T) {
	p := newParts(t)
	p.observeAll("x", 1)
	body, _ := p.scrape(t, "text/plain")
	problems, err := promlint.New(strings.NewReader(body)).Lint()
	require.NoError(t, err)
	require.Empty(t, problems)
	require.Contains(t, body, "go_goroutines")
	require.Contains(t, body, "process_start_time_seconds")
	require.Contains(t, body, "promhttp_metric_handler_errors_total")
}

func TestScrapeAsOpenMetrics(t *testing.T) {
	body, contentType := newParts(t).scrape(t, "application/openmetrics-text;version=1.0.0")
	require.Contains(t, contentType, "application/openmetrics-text")
	require.True(t, strings.HasSuffix(body, "# EOF\n"))
}

func TestHistogramsAreClassicAndNative(t *testing.T) {
	p := newParts(t)
	p.observeAll("x", 1)
	families, err := p.reg.Gather()
	require.NoError(t, err)
	histograms := 0
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			h := metric.GetHistogram()
			if h == nil || !strings.HasPrefix(family.GetName(), "crmsyncd_") {
				continue
			}
			histograms++
			require.NotEmpty(t, h.GetBucket(), family.GetName())
			require.NotNil(t, h.Schema, family.GetName())
		}
	}
	require.Positive(t, histograms)
}

// TestNames holds name, type, labels and all values of the labels. Boards and alerts rely on them.
func TestNames(t *testing.T) {
	p := newParts(t)
	families, err := p.reg.Gather()
	require.NoError(t, err)
	var lines []string
	for _, family := range families {
		if !strings.HasPrefix(family.GetName(), "crmsyncd_") {
			continue
		}
		values := map[string]map[string]bool{}
		for _, metric := range family.GetMetric() {
			for _, label := range metric.GetLabel() {
				value := label.GetValue()
				if label.GetName() == "go_version" {
					value = "…"
				}
				if values[label.GetName()] == nil {
					values[label.GetName()] = map[string]bool{}
				}
				values[label.GetName()][value] = true
			}
		}
		line := fmt.Sprintf("%s %s %d", family.GetName(), strings.ToLower(family.GetType().String()),
			len(family.GetMetric()))
		for _, label := range slices.Sorted(maps.Keys(values)) {
			line += fmt.Sprintf(" %s=%s", label, strings.Join(slices.Sorted(maps.Keys(values[label])), "|"))
		}
		lines = append(lines, line)
	}
	golden := filepath.Join("testdata", "names.golden")
	got := strings.Join(lines, "\n") + "\n"
	if *update {
		require.NoError(t, os.WriteFile(golden, []byte(got), 0o600))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), got, "go test ./metrics -update rewrites the golden file")
}

// TestHostileLabelsAddNoSeries also proves that every series is there from the start.
func TestHostileLabelsAddNoSeries(t *testing.T) {
	p := newParts(t)
	before := slices.Sorted(maps.Keys(p.series(t)))
	for i := range 10_000 {
		p.observeAll(fmt.Sprintf("hostile-%d\n\x00{}\"", i), i)
	}
	// Known values as well, so that known and unknown ones meet in every combination.
	for _, value := range []string{"stored", "answered", "inbound", "mixed", "refused", "quota", "one", "phone", "5xx"} {
		p.observeAll(value, 200)
	}
	require.Equal(t, before, slices.Sorted(maps.Keys(p.series(t))))
}

func TestUnknownValuesAddUpUnderOther(t *testing.T) {
	p := newParts(t)
	p.observeAll("nonsense", 999)
	series := p.series(t)
	require.InDelta(t, 3, series["outbox_items{state=other}"], 0)
	require.InDelta(t, 7, series["dead_letters{reason=other}"], 0)
	require.InDelta(t, 10, series["outbox_oldest_timestamp_seconds{state=other}"], 0)
	require.InDelta(t, 1, series["webhook_requests_total{code=other,result=other}"], 0)
	require.InDelta(t, 1, series["webhook_requests_total{code=200,result=other}"], 0)
	require.InDelta(t, 1, series["crm_requests_total{code_class=other,operation=other}"], 0)
}

func TestObservations(t *testing.T) {
	for name, test := range map[string]struct {
		observe func(p *parts)
		want    map[string]float64
	}{
		"an accepted webhook": {
			func(p *parts) {
				p.set.Receiver().Answered(200, "stored", time.Millisecond)
				p.set.Receiver().Received("answered", "inbound")
				p.set.Receiver().Received("hangup", "")
			},
			map[string]float64{
				"webhook_requests_total{code=200,result=stored}": 1, "webhook_ack_duration_seconds{}": 1,
				"events_total{direction=inbound,status=answered}": 1, "events_total{direction=unknown,status=hangup}": 1,
			},
		},
		"a delivery with one of each": {
			func(p *parts) {
				p.set.Relay().Delivered("mixed", 3, time.Second)
				p.set.Relay().Settled("done", "", time.Second, 1)
				p.set.Relay().Settled("failed", "transient", time.Second, 2)
				p.set.Relay().Settled("refused", "invalid", time.Second, 1)
				p.set.Relay().Working(8, 3)
			},
			map[string]float64{
				"deliveries_total{outcome=mixed}": 1, "settled_total{outcome=done}": 1,
				"settled_total{outcome=refused}": 1, "crm_retries_total{reason=transient}": 1,
				"dead_letters_total{reason=invalid}": 1, "crm_attempts{outcome=failed}": 1,
				"outbox_settle_delay_seconds{outcome=done}": 1, "delivery_entries{}": 1,
				"delivery_duration_seconds{}": 1, "worker_slots{}": 8, "worker_slots_busy{}": 3,
			},
		},
		"the breaker is open": {
			func(p *parts) { p.set.Relay().Paused("breaker", time.Unix(1_800_000_000, 0)) },
			map[string]float64{
				"worker_paused{by=breaker}": 1, "worker_paused{by=auth}": 0, "crm_breaker_state{state=open}": 1,
				"worker_paused_until_timestamp_seconds{by=breaker}": 1_800_000_000, "crm_breaker_state{state=closed}": 0,
			},
		},
		"a pause that ended": {
			func(p *parts) {
				p.set.Relay().Paused("breaker", time.Unix(1_800_000_000, 0))
				p.set.Relay().Paused("breaker", time.Time{})
			},
			map[string]float64{
				"worker_paused{by=breaker}": 0, "worker_paused_until_timestamp_seconds{by=breaker}": 0,
				"crm_breaker_state{state=open}": 0, "crm_breaker_state{state=closed}": 1,
			},
		},
		"a pause without the breaker": {
			func(p *parts) { p.set.Relay().Paused("auth", time.Unix(1_800_000_000, 0)) },
			map[string]float64{"worker_paused{by=auth}": 1, "crm_breaker_state{state=closed}": 1},
		},
		"a matched call": {
			func(p *parts) {
				p.set.Syncer().Matched("transaction_id", "many")
				p.set.Syncer().Synced("complete", time.Minute)
				p.set.Syncer().AgentUnmapped()
				p.crm.Requested("find contact", "429", time.Second)
			},
			map[string]float64{
				"match_total{method=transaction_id,outcome=many}": 1, "crm_delivery_latency_seconds{kind=complete}": 1,
				"agents_unmapped_total{}": 1, "crm_request_duration_seconds{operation=find contact}": 1,
				"crm_requests_total{code_class=429,operation=find contact}": 1,
			},
		},
		"a quota": {
			func(p *parts) {
				p.crm.Quota("daily", 99_000, 100_000)
				p.crm.Quota("interval", -1, 190)
			},
			map[string]float64{
				"crm_quota_left{quota=daily}": 99_000, "crm_quota_limit{quota=daily}": 100_000,
				"crm_quota_left{quota=interval}": 0, "crm_quota_limit{quota=interval}": 190,
			},
		},
		"a commit": {
			func(p *parts) { p.set.Store().Committed(time.Millisecond, 256) },
			map[string]float64{"store_commit_duration_seconds{}": 1, "store_batch_size{}": 1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newParts(t)
			test.observe(p)
			series := p.series(t)
			for name, want := range test.want {
				require.Contains(t, series, name)
				require.InDelta(t, want, series[name], 0, name)
			}
		})
	}
}

func TestKeyUsedSetsTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newParts(t)
		require.Zero(t, p.series(t)["webhook_key_last_used_timestamp_seconds{slot=1}"])
		p.set.Receiver().KeyUsed(1)
		series := p.series(t)
		require.InDelta(t, float64(time.Now().Unix()), series["webhook_key_last_used_timestamp_seconds{slot=1}"], 0)
		require.Zero(t, series["webhook_key_last_used_timestamp_seconds{slot=0}"])
	})
}

func TestReady(t *testing.T) {
	reg := prometheus.NewRegistry()
	p := &parts{reg: reg, set: metrics.New(reg)}
	var err error
	p.set.WatchReady(func() error { return err })
	require.InDelta(t, 1, p.series(t)["ready{}"], 0)
	err = errors.New("outbox is full")
	require.InDelta(t, 0, p.series(t)["ready{}"], 0)
}

func TestOneSetToARegistry(t *testing.T) {
	reg := prometheus.NewRegistry()
	metrics.New(reg)
	require.Panics(t, func() { metrics.New(reg) })
}

func TestSeveralCRMsShareTheirMetrics(t *testing.T) {
	p := newParts(t)
	second := p.set.CRM("search")
	second.Requested("search", "2xx", time.Second)
	second.Requested("find contact", "2xx", time.Second)
	series := p.series(t)
	require.InDelta(t, 1, series["crm_requests_total{code_class=2xx,operation=search}"], 0)
	require.InDelta(t, 1, series["crm_requests_total{code_class=2xx,operation=other}"], 0)
	require.InDelta(t, 0, series["crm_requests_total{code_class=2xx,operation=find contact}"], 0)
}

func TestConcurrentUse(t *testing.T) {
	p := newParts(t)
	const workers, rounds = 8, 200
	var wait sync.WaitGroup
	for range workers {
		wait.Go(func() {
			for range rounds {
				p.set.Receiver().Answered(200, "stored", time.Millisecond)
				p.set.Relay().Settled("done", "", time.Second, 1)
				p.set.Syncer().Matched("phone", "one")
				p.crm.Requested("find contact", "2xx", time.Second)
			}
		})
		wait.Go(func() {
			for range 5 {
				_, err := p.reg.Gather()
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	series := p.series(t)
	for _, name := range []string{
		"webhook_requests_total{code=200,result=stored}", "settled_total{outcome=done}",
		"match_total{method=phone,outcome=one}", "crm_requests_total{code_class=2xx,operation=find contact}",
	} {
		require.InDelta(t, workers*rounds, series[name], 0, name)
	}
}
