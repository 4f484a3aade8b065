package pipedrive_test

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/crmtest"
	"github.com/crmsyncd/crmsyncd/crm/pipedrive"
	"github.com/crmsyncd/crmsyncd/crm/pipedrive/pipedrivetest"
)

// quotas is an Observer that keeps the last level of each quota.
type quotas struct {
	mu   sync.Mutex
	left map[string][2]int64
}

func (q *quotas) Requested(string, string, time.Duration) {}

func (q *quotas) Quota(quota string, left, limit int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.left[quota] = [2]int64{left, limit}
}

// TestDailyBudget: what the requests cost is counted, and when it is spent nothing is sent before the next day.
func TestDailyBudget(t *testing.T) {
	clock, seen := newClock(), &quotas{left: map[string][2]int64{}}
	company := pipedrivetest.Options{Now: clock.Now, DailyTokens: 5000}
	b := newBench(t, company, func(cfg *pipedrive.Config, o *api.Options) {
		o.Now, o.Observer, cfg.DailyBudget = clock.Now, seen, 41
	})
	b.crm.AddRecord("person", "T-1", "+84912345678")
	require.Len(t, b.find(t, "person", "T-1").Records, 1)
	require.Equal(t, [2]int64{10, 41}, seen.left["daily_budget"], "fields 10, search 20, person 1")
	require.Equal(t, [2]int64{4969, 0}, seen.left["daily"])
	b.write(t, crm.Write{Call: endedCall("call-1")})

	before := b.server.Requests()
	err := crm.Classify(b.Write(t.Context(), []crm.Write{{Call: endedCall("call-2")}})[0].Err)
	require.Equal(t, crm.KindQuota, err.Kind)
	require.Equal(t, 12*time.Hour, err.RetryAfter, "it is noon")
	require.Equal(t, before, b.server.Requests())
	clock.move(12 * time.Hour)
	b.write(t, crm.Write{Call: endedCall("call-2")})
}

// TestSpentDay: the midnight at which it ends is not ours, so it is asked for every hour.
func TestSpentDay(t *testing.T) {
	clock := newClock()
	b := newBench(t, pipedrivetest.Options{Now: clock.Now, DailyTokens: 25}, func(_ *pipedrive.Config, o *api.Options) {
		o.Now = clock.Now
	})
	writes := []crm.Write{{Call: endedCall("call-1")}, {Call: endedCall("call-2")}, {Call: endedCall("call-3")}}
	b.write(t, writes[0])
	b.write(t, writes[1])
	for range 3 {
		err := crm.Classify(b.Write(t.Context(), writes[2:])[0].Err)
		require.Equal(t, crm.KindQuota, err.Kind)
		require.Equal(t, time.Hour, err.RetryAfter)
	}
	require.Equal(t, 3, b.crm.Requests()["write"])
	clock.move(time.Hour)
	require.Equal(t, crm.KindQuota, crm.Classify(b.Write(t.Context(), writes[2:])[0].Err).Kind)
	clock.move(11 * time.Hour)
	b.write(t, writes[2])
}

// TestBlocked: after a page of Cloudflare nothing is sent for a while, and the token is not taken for refused.
func TestBlocked(t *testing.T) {
	clock := newClock()
	b := newBench(t, pipedrivetest.Options{}, func(_ *pipedrive.Config, o *api.Options) { o.Now = clock.Now })
	b.server.Inject(crmtest.Say(pipedrivetest.Blocked()))
	err := crm.Classify(b.Write(t.Context(), []crm.Write{{Call: endedCall("call-1")}})[0].Err)
	require.Equal(t, crm.KindThrottled, err.Kind)
	require.Equal(t, http.StatusForbidden, err.Status)
	b.server.Inject(nil)
	clock.move(4 * time.Minute)
	require.Error(t, b.Write(t.Context(), []crm.Write{{Call: endedCall("call-1")}})[0].Err)
	require.Equal(t, 1, b.server.Requests())
	clock.move(time.Minute)
	b.write(t, crm.Write{Call: endedCall("call-1")})
}

// TestDefaultRates: within two seconds no more than what every plan allows can be sent.
func TestDefaultRates(t *testing.T) {
	const window = 2
	cfg := pipedrive.Default()
	for most, budget := range map[float64]api.Budget{20: cfg.Rate, 10: cfg.SearchRate} {
		require.LessOrEqual(t, window*budget.PerSecond+float64(budget.Burst), most)
	}
}

// TestTooManySearches: what two seconds may not have is throttled, and waits.
func TestTooManySearches(t *testing.T) {
	clock := newClock()
	b := newBench(t, pipedrivetest.Options{SearchLimit: 10, Now: clock.Now}, func(_ *pipedrive.Config, o *api.Options) {
		o.Now = clock.Now
	})
	for i := range 10 {
		require.NoError(t, b.find(t, "person", string(rune('a'+i))).Err)
	}
	err := crm.Classify(b.find(t, "person", "x").Err)
	require.Equal(t, crm.KindThrottled, err.Kind)
	require.Equal(t, 2*time.Second, err.RetryAfter)
	clock.move(2 * time.Second)
	require.NoError(t, b.find(t, "person", "x").Err)
}
