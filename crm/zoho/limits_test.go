package zoho_test

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/crmtest"
	"github.com/crmsyncd/crmsyncd/crm/zoho"
	"github.com/crmsyncd/crmsyncd/crm/zoho/zohotest"
)

// TestConcurrency: all workers together have no more requests under way than configured.
func TestConcurrency(t *testing.T) {
	b := newBench(t, zohotest.Options{Concurrency: 3}, func(cfg *zoho.Config) { cfg.Concurrency = 3 })
	require.NoError(t, b.write(t, many(1)[0]).Err) // fetches the token
	var underWay, most atomic.Int64
	full, crowd := make(chan struct{}), atomic.Int64{}
	b.server.Inject(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		defer underWay.Add(-1)
		if now := underWay.Add(1); now > most.Load() {
			most.Store(now)
		}
		if crowd.Add(1) == 3 {
			close(full)
		}
		<-full // the first three wait for each other
		next.ServeHTTP(w, r)
	})
	done := make(chan []crm.Found)
	go func() {
		done <- b.Find(t.Context(), []crm.Lookup{
			{Object: "Contacts", TransactionID: "a"}, {Object: "Leads", TransactionID: "a"},
		})
	}()
	for _, w := range b.Write(t.Context(), many(800)) {
		require.NoError(t, w.Err)
	}
	for _, found := range <-done {
		require.NoError(t, found.Err)
	}
	require.Equal(t, int64(3), most.Load())
}

// TestCreditsOfTheDay: without credits the rests grow from seconds to a quota that is tried again and again, and once
// credits are there everything goes on.
func TestCreditsOfTheDay(t *testing.T) {
	now := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	b := newBench(t, zohotest.Options{Credits: 2, Now: func() time.Time { return now }})
	writes := many(3)
	require.NoError(t, b.write(t, writes[0]).Err)
	now = now.Add(time.Hour)
	require.NoError(t, b.write(t, writes[1]).Err)
	var kinds []string
	for began := now; now.Sub(began) < 20*time.Hour; {
		err := b.write(t, writes[2]).Err
		require.Error(t, err)
		before := b.account.Requests()["write"]
		require.Error(t, b.write(t, writes[2]).Err)
		require.Equal(t, before, b.account.Requests()["write"], "nothing is sent while it rests")
		kinds = append(kinds, kindOf(err))
		require.LessOrEqual(t, crm.Classify(err).RetryAfter, time.Hour)
		now = now.Add(crm.Classify(err).RetryAfter)
	}
	require.Equal(t, "quota", kinds[0], "the answer says that no credit is left")
	require.Less(t, len(kinds), 24)
	now = now.Add(3 * time.Hour)
	require.NoError(t, b.write(t, writes[2]).Err)
}

// TestRestsGrow: refusals that do not say why are taken for a crowd first, and for a quota when they do not end.
func TestRestsGrow(t *testing.T) {
	now := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	b := newBench(t, zohotest.Options{Now: func() time.Time { return now }})
	require.NoError(t, b.write(t, many(1)[0]).Err)
	tooMany := func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if forToken(r) {
			next.ServeHTTP(w, r)
			return
		}
		crmtest.Say(zohotest.Refusal(http.StatusTooManyRequests, "TOO_MANY_REQUESTS", "too many", nil))(w, r, next)
	}
	b.server.Inject(tooMany)
	var told []string
	refused := func() {
		err := b.write(t, many(1)[0]).Err
		told = append(told, kindOf(err)+" "+crm.Classify(err).RetryAfter.String())
		now = now.Add(crm.Classify(err).RetryAfter)
	}
	for range 9 {
		refused()
	}
	require.Equal(t, []string{
		"throttled 10s", "throttled 30s", "throttled 1m0s", "throttled 2m0s", "quota 5m0s", "quota 15m0s", "quota 30m0s",
		"quota 1h0m0s", "quota 1h0m0s",
	}, told)
	b.server.Inject(nil)
	require.NoError(t, b.write(t, many(1)[0]).Err)
	b.server.Inject(tooMany)
	refused()
	require.Equal(t, "throttled 10s", told[len(told)-1])
}
