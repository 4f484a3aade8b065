package pipedrive

import (
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
)

// The names of the quotas in metrics: what Pipedrive says is left of a burst and of the day, and what is left of
// Config.DailyBudget.
const (
	quotaInterval = "interval"
	quotaDaily    = "daily"
	quotaOwn      = "daily_budget"
)

// The rests (page "Rate limiting"). A burst is counted over two seconds. For how long Cloudflare refuses is not said.
const (
	burstRest   = 2 * time.Second
	blockedRest = 5 * time.Minute
	// longestBurst tells a reset of the burst from that of the day, and askAgain is how long a spent day rests at a time:
	// it ends at midnight of a zone that is not named.
	longestBurst = 10 * time.Second
	askAgain     = time.Hour
)

// levels reads what is left from the headers of an answer.
func levels(answer api.Answer) []api.Level {
	var all []api.Level
	if left, err := strconv.ParseInt(answer.Header.Get("x-ratelimit-remaining"), 10, 64); err == nil {
		limit, _ := strconv.ParseInt(answer.Header.Get("x-ratelimit-limit"), 10, 64)
		all = append(all, api.Level{Quota: quotaInterval, Left: left, Limit: limit})
	}
	if left, err := strconv.ParseInt(answer.Header.Get("x-daily-requests-left"), 10, 64); err == nil {
		all = append(all, api.Level{Quota: quotaDaily, Left: left})
	}
	return all
}

// ledger counts the tokens that this process spends in a day. Safe for concurrent use.
type ledger struct {
	budget   int64
	now      func() time.Time
	observer api.Observer

	mu    sync.Mutex
	day   time.Time
	spent int64
}

func newLedger(budget int64, now func() time.Time, observer api.Observer) *ledger {
	return &ledger{budget: budget, now: now, observer: observer}
}

// spend takes the cost of a request from the day's budget, or says that it is spent.
func (l *ledger) spend(title string, cost int64) error {
	if l.budget <= 0 {
		return nil
	}
	now := l.now().UTC()
	l.mu.Lock()
	defer l.mu.Unlock()
	if today := now.Truncate(24 * time.Hour); today.After(l.day) {
		l.day, l.spent = today, 0
	}
	if l.spent+cost > l.budget {
		return &crm.Error{
			Kind: crm.KindQuota, Op: title, RetryAfter: untilMidnight(now),
			Message: "not sent, daily_budget is spent until midnight UTC",
		}
	}
	l.spent += cost
	l.observer.Quota(quotaOwn, l.budget-l.spent, l.budget)
	return nil
}

// untilMidnight returns how long the day goes on, in whole seconds.
func untilMidnight(now time.Time) time.Duration {
	now = now.UTC()
	return max(now.Truncate(24*time.Hour).Add(24*time.Hour).Sub(now).Round(time.Second), time.Second)
}

// throttled tells a burst from a spent day, both of which are 429, and how long it lasts.
func (l *ledger) throttled(e *crm.Error, header http.Header) {
	now := l.now()
	reset := api.RetryAfter(header.Get("x-ratelimit-reset"), now)
	if header.Get("x-daily-requests-left") != "0" && reset <= longestBurst {
		e.Kind, e.RetryAfter = crm.KindThrottled, reset
		if reset == 0 && header.Get("Retry-After") == "" {
			e.RetryAfter = burstRest
		}
		return
	}
	e.Kind, e.Message = crm.KindQuota, "the company's API tokens of the day are spent"
	e.RetryAfter = min(untilMidnight(now), askAgain)
	if reset > longestBurst {
		e.RetryAfter = reset
	}
}
