package outboxtest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/outbox"
)

// epoch is when the clock of every test starts. It has nanoseconds, which a store must not round, and is not in UTC,
// which a store must give back.
var epoch = time.Date(2026, time.March, 1, 8, 30, 0, 123456789, time.FixedZone("ICT", 7*60*60))

// limitBytes is the limit that the suite gives to limited stores.
const limitBytes = 4 << 20

// fixture is a store under test with short names for what tests do to it. Operations that go wrong fail the test.
type fixture struct {
	*require.Assertions
	t     *testing.T
	h     Harness
	dir   string
	clock *Clock
	store outbox.Store
	open  func() outbox.Store
}

func newFixture(t *testing.T, h Harness) *fixture {
	t.Helper()
	f := &fixture{Assertions: require.New(t), t: t, h: h, dir: t.TempDir(), clock: NewClock(epoch)}
	f.open = func() outbox.Store { return h.Open(t, f.dir, f.clock) }
	f.store = f.open()
	return f
}

// limited exchanges the store for an empty one with a limit.
func (f *fixture) limited() {
	f.t.Helper()
	f.NoError(f.store.Close())
	f.dir = f.t.TempDir()
	f.open = func() outbox.Store { return f.h.OpenLimited(f.t, f.dir, f.clock, limitBytes) }
	f.store = f.open()
}

// reopen stands for a crash and a restart: what is in flight stays unsettled.
func (f *fixture) reopen() {
	f.t.Helper()
	f.NoError(f.store.Close())
	f.store = f.open()
}

// finish runs when the test is over: the store must be sound.
func (f *fixture) finish() {
	f.t.Helper()
	ctx := context.WithoutCancel(f.t.Context()) // the test's own has ended by now
	if !f.t.Failed() {
		f.sound(ctx)
	}
	f.NoError(f.store.Close())
}

// sound checks what holds for every store at any time.
func (f *fixture) sound(ctx context.Context) {
	f.t.Helper()
	var faults []string
	f.NoError(f.store.Check(ctx, func(fault string) { faults = append(faults, fault) }))
	f.Empty(faults, "Check of a sound store reports nothing")

	stats := f.store.Stats()
	var total int64
	for _, state := range outbox.States {
		entries := f.list(ctx, outbox.Filter{State: state})
		f.Len(entries, int(stats.States[state]), "Stats.States[%s] is how many entries List shows", state)
		total += stats.States[state]
		oldest, ok := stats.OldestSince[state]
		f.Equal(len(entries) > 0, ok, "Stats.OldestSince has the states that have entries: %s", state)
		if ok {
			f.Equal(entries[0].Since, oldest, "Stats.OldestSince[%s] is that of the first entry listed", state)
		}
	}
	f.Equal(stats.Entries, uint64(total)+stats.Discarded+stats.Purged,
		"Stats.Entries is the sum of States, Discarded and Purged")
}

// now is the time of the clock as a store gives it back.
func (f *fixture) now() time.Time { return f.clock.Now().UTC() }

// message returns a message that is due at once.
func message(key, body string) outbox.Message {
	return outbox.Message{Key: key, Body: []byte(body)}
}

// delayed returns a message that is due after a delay.
func delayed(key, body string, delay time.Duration) outbox.Message {
	return outbox.Message{Key: key, Body: []byte(body), Delay: delay}
}

func (f *fixture) append(msgs ...outbox.Message) []outbox.Appended {
	f.t.Helper()
	appended, err := f.store.Append(f.t.Context(), msgs...)
	f.NoError(err)
	f.Len(appended, len(msgs), "Append answers for each message")
	return appended
}

// put appends a new message that is due at once.
func (f *fixture) put(key, body string) {
	f.t.Helper()
	f.False(f.append(message(key, body))[0].Duplicate, "a new message under %q is no duplicate", key)
}

func (f *fixture) get(key string) outbox.Entry {
	f.t.Helper()
	e, err := f.store.Get(f.t.Context(), key)
	f.NoError(err)
	f.Equal(key, e.Key)
	return e
}

func (f *fixture) missing(key string) {
	f.t.Helper()
	_, err := f.store.Get(f.t.Context(), key)
	f.ErrorIs(err, outbox.ErrNotFound, "Get(%q)", key)
}

func (f *fixture) claim(limit int) []outbox.Entry {
	f.t.Helper()
	entries, _, err := f.store.Claim(f.t.Context(), limit)
	f.NoError(err)
	return entries
}

// take claims the one entry that is due, which must be under key.
func (f *fixture) take(key string) outbox.Entry {
	f.t.Helper()
	entries := f.claim(10)
	f.Equal([]string{key}, keysOf(entries), "the entries that are due")
	f.Equal(outbox.InFlight, entries[0].State)
	return entries[0]
}

// idle claims and gets nothing; it returns when the next entry is due.
func (f *fixture) idle() time.Time {
	f.t.Helper()
	entries, next, err := f.store.Claim(f.t.Context(), 10)
	f.NoError(err)
	f.Empty(keysOf(entries), "nothing is due")
	return next
}

func (f *fixture) settle(settlements ...outbox.Settlement) {
	f.t.Helper()
	f.NoError(f.store.Settle(f.t.Context(), settlements...))
}

// deliver takes and settles the one entry that is due.
func (f *fixture) deliver(key string) {
	f.t.Helper()
	f.take(key)
	f.settle(outbox.Settlement{Key: key, Verdict: outbox.VerdictDelivered})
}

// park takes and parks the one entry that is due.
func (f *fixture) park(key, reason string) {
	f.t.Helper()
	f.take(key)
	f.settle(outbox.Settlement{Key: key, Verdict: outbox.VerdictPark, Reason: reason, Error: "the CRM refused " + key})
}

// list returns all pages of a listing.
func (f *fixture) list(ctx context.Context, filter outbox.Filter) []outbox.Entry {
	f.t.Helper()
	entries, err := listAll(ctx, f.store, filter)
	f.NoError(err)
	return entries
}

// listed returns the keys of all pages of a listing.
func (f *fixture) listed(filter outbox.Filter) []string {
	f.t.Helper()
	return keysOf(f.list(f.t.Context(), filter))
}

// listAll follows a listing to its last page.
func listAll(ctx context.Context, store outbox.Inspector, filter outbox.Filter) ([]outbox.Entry, error) {
	var entries []outbox.Entry
	for {
		page, err := store.List(ctx, filter)
		if err != nil {
			return nil, err
		}
		entries = append(entries, page.Entries...)
		if page.Next == "" {
			return entries, nil
		}
		filter.After = page.Next
	}
}

func keysOf(entries []outbox.Entry) []string {
	keys := make([]string, 0, len(entries))
	for _, e := range entries {
		keys = append(keys, e.Key)
	}
	return keys
}

func bodiesOf(e outbox.Entry) []string {
	bodies := make([]string, 0, len(e.Messages))
	for _, m := range e.Messages {
		bodies = append(bodies, string(m.Body))
	}
	return bodies
}
