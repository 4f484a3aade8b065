package console

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/crmsyncd/crmsyncd/crm/admin"
	"github.com/crmsyncd/crmsyncd/outbox"
)

// Bounds of what one page reads and shows.
const (
	// shownParked is how many parked calls are shown altogether, shownReasons for how many reasons.
	shownParked  = 20
	shownReasons = 10
	// sampled is how many waiting calls and refused webhooks are looked at to tell why.
	sampled = 50
)

// level says how a matter stands. Its text is a class of the style sheet.
type level string

const (
	good      level = "good"
	attention level = "attention"
	problem   level = "problem"
)

// Word returns the level as a reader sees it.
func (l level) Word() string {
	switch l {
	case good:
		return "Good"
	case attention:
		return "Attention"
	default:
		return "Problem"
	}
}

// answer is one sentence on one question of an operator.
type answer struct {
	Question string
	Level    level
	Sentence string
	// Detail is what the CRM or the store said itself, from outside.
	Detail string
}

// overview is what the page shows.
type overview struct {
	Now     time.Time
	Level   level
	Answers []answer
	Stats   outbox.Stats
	// States are the counts by state in the order of a call's way.
	States  []count
	Waiting []group
	// WaitingSampled: the groups tell of the calls that have waited longest, there are more.
	WaitingSampled bool
	Parked         []group
	Refused        []count
	// RefusedSampled: the reasons tell of the oldest refused webhooks, there are more.
	RefusedSampled bool
	// UsedPercent is how full the outbox is; 0 without a limit.
	UsedPercent int
	// Unread says what could not be read from the store.
	Unread []string
}

// count is how many there are of something.
type count struct {
	Name string
	N    int64
}

// group is the calls that wait or are parked for one reason.
type group struct {
	Reason, Sentence string
	N                int64
	Calls            []admin.Call
	// More is how many calls of the group are not shown.
	More int64
}

// look reads all that the page shows. What cannot be read is named on the page: that is when it is needed most.
func (c *console) look(ctx context.Context) overview {
	stats := c.Store.Stats()
	o := overview{Now: c.Now(), Stats: stats}
	for _, state := range outbox.States {
		o.States = append(o.States, count{Name: stateWord(state), N: stats.States[state]})
	}
	if stats.LimitBytes > 0 {
		o.UsedPercent = int(100 * stats.UsedBytes / stats.LimitBytes)
	}
	c.lookAtWaiting(ctx, &o)
	c.lookAtParked(ctx, &o)
	c.lookAtRefused(ctx, &o)
	o.Answers = []answer{c.intake(&o), c.delivery(&o), c.lateness(&o), c.toDo(&o)}
	o.Level = worst(o.Answers)
	return o
}

// unread notes that something could not be read.
func (c *console) unread(ctx context.Context, o *overview, what string, err error) {
	c.Logger.WarnContext(ctx, "the console cannot read the store", "what", what, "err", err)
	o.Unread = append(o.Unread, what)
}

// lookAtWaiting groups the calls that have waited longest by their reason.
func (c *console) lookAtWaiting(ctx context.Context, o *overview) {
	page, err := c.Store.List(ctx, outbox.Filter{State: outbox.Pending, Limit: sampled})
	if err != nil {
		c.unread(ctx, o, "the calls that wait", err)
		return
	}
	counts := map[string]int64{}
	for _, entry := range page.Entries {
		counts[entry.Reason]++
	}
	for _, reason := range mostFirst(counts) {
		o.Waiting = append(o.Waiting, group{Reason: reason, Sentence: waitSentence(reason), N: counts[reason]})
	}
	o.WaitingSampled = page.Next != ""
}

// lookAtParked reads for each reason the calls that have been parked longest, and few of each when there are many.
func (c *console) lookAtParked(ctx context.Context, o *overview) {
	reasons := mostFirst(o.Stats.ParkedBy)
	each := max(2, shownParked/max(1, len(reasons)))
	for i, reason := range reasons {
		g := group{Reason: reason, Sentence: parkedSentence(reason), N: o.Stats.ParkedBy[reason]}
		if i < shownReasons {
			filter := outbox.Filter{State: outbox.Parked, Reason: reason, Limit: each}
			calls, err := c.Queries.Calls(ctx, filter, admin.Masked)
			if err != nil {
				c.unread(ctx, o, "the calls parked as "+reason, err)
			}
			g.Calls = calls.Calls
		}
		g.More = max(0, g.N-int64(len(g.Calls)))
		o.Parked = append(o.Parked, g)
	}
}

// lookAtRefused counts the oldest refused webhooks by their reason.
func (c *console) lookAtRefused(ctx context.Context, o *overview) {
	if o.Stats.Rejected == 0 {
		return
	}
	kept, err := c.Store.Quarantined(ctx, 0, sampled)
	if err != nil {
		c.unread(ctx, o, "the refused webhooks", err)
		return
	}
	counts := map[string]int64{}
	for _, r := range kept {
		counts[r.Reason]++
	}
	for _, reason := range mostFirst(counts) {
		o.Refused = append(o.Refused, count{Name: reason, N: counts[reason]})
	}
	o.RefusedSampled = int64(len(kept)) < o.Stats.Rejected
}

// mostFirst returns the keys that count something, the one that counts most first, equals by name.
func mostFirst(counts map[string]int64) []string {
	keys := slices.DeleteFunc(slices.Collect(maps.Keys(counts)), func(key string) bool { return counts[key] <= 0 })
	slices.SortFunc(keys, func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	return keys
}

// worst returns the worst level of all answers.
func worst(answers []answer) level {
	order := []level{good, attention, problem}
	found := 0
	for _, a := range answers {
		found = max(found, slices.Index(order, a.Level))
	}
	return order[found]
}
