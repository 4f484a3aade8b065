package outboxtest

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/crmsyncd/crmsyncd/outbox"
)

// Model holds the store against a map: rapid makes up sequences of operations, restarts among them, and after each
// step the store must show exactly what the map says. rapid prints the seed of a failure and shortens its sequence;
// the flags -rapid.checks and -rapid.steps make it go on longer.
func Model(t *testing.T, h Harness) {
	t.Helper()
	h.validate(t)
	rapid.Check(t, func(rt *rapid.T) {
		m := &model{
			t: t, h: h, dir: t.TempDir(), clock: NewClock(epoch),
			entries: map[string]*modelEntry{}, rejected: map[string]int{},
		}
		m.store = h.Open(t, m.dir, m.clock)
		defer func() { require.NoError(rt, m.store.Close()) }()
		rt.Repeat(map[string]func(*rapid.T){
			"":           m.compare,
			"append":     m.append,
			"claim":      m.claim,
			"settle":     m.settle,
			"checkpoint": m.checkpoint,
			"advance":    m.advance,
			"reopen":     m.reopen,
			"replay":     m.replay,
			"discard":    m.discard,
			"purge":      m.purge,
			"quarantine": m.quarantine,
		})
	})
}

// model is the store under test and what it should hold.
type model struct {
	t     *testing.T
	h     Harness
	dir   string
	clock *Clock
	store outbox.Store

	entries                               map[string]*modelEntry
	made, messages, duplicates, discarded uint64
	purged                                uint64
	rejected                              map[string]int
}

// modelKeys are few, so that operations meet.
func modelKeys() []string { return []string{"a", "b", "c", "d"} }

func modelTerms() []string { return []string{"x", "y", "z"} }

func (m *model) now() time.Time { return m.clock.Now().UTC() }

// pause draws a duration between none and a minute; few different ones, so that times meet.
func pause(rt *rapid.T, label string) time.Duration {
	return rapid.SampledFrom([]time.Duration{0, 1, time.Second, 2 * time.Second, time.Minute}).Draw(rt, label)
}

func (m *model) append(rt *rapid.T) {
	msgs := rapid.SliceOfN(rapid.Custom(drawMessage), 1, 4).Draw(rt, "messages")
	if rapid.IntRange(0, 9).Draw(rt, "invalid") == 0 {
		_, err := m.store.Append(rt.Context(), append(msgs, outbox.Message{})...)
		require.ErrorIs(rt, err, outbox.ErrInvalid)
		return
	}
	want := make([]outbox.Appended, len(msgs))
	for i, msg := range msgs {
		want[i].Duplicate = !m.add(msg)
	}
	got, err := m.store.Append(rt.Context(), msgs...)
	require.NoError(rt, err)
	require.Equal(rt, want, got)
}

// add enters a message into the map; false: it is a repeat.
func (m *model) add(msg outbox.Message) bool {
	e := m.entries[msg.Key]
	if e == nil {
		e = &modelEntry{state: outbox.Pending, created: m.now(), since: m.now(), due: m.now().Add(msg.Delay)}
	}
	if !e.add(msg, m.now()) {
		m.duplicates++
		return false
	}
	m.messages++
	if m.entries[msg.Key] == nil {
		m.entries[msg.Key] = e
		m.made++
	}
	return true
}

func (m *model) claim(rt *rapid.T) {
	limit := rapid.IntRange(1, 4).Draw(rt, "limit")
	got, next, err := m.store.Claim(rt.Context(), limit)
	require.NoError(rt, err)
	require.LessOrEqual(rt, len(got), limit)
	var last time.Time
	for _, c := range got {
		e := m.entries[c.Key]
		require.NotNil(rt, e, "claimed %q, which is not there", c.Key)
		require.Equal(rt, outbox.Pending, e.state, "claimed %q", c.Key)
		require.False(rt, e.due.After(m.now()), "claimed %q, which is due at %s", c.Key, e.due)
		require.Less(rt, e.starts, m.h.MaxStarts, "claimed %q once too often", c.Key)
		require.False(rt, e.due.Before(last), "claimed %q after one that was due later", c.Key)
		last = e.due
		e.start()
		e.adopt(rt, c, m.now())
		require.Equal(rt, e.view(c.Key), normal(c))
	}
	m.leftBehind(rt, got, limit, last)
	if len(got) == 0 {
		require.Equal(rt, m.nextDue(), next)
	}
}

// leftBehind checks the entries that are due and were not claimed. Those that crashed too often are parked, if Claim
// came to them; of the others there is one only if the limit was reached, and none that was due earlier.
func (m *model) leftBehind(rt *rapid.T, got []outbox.Entry, limit int, last time.Time) {
	for key, e := range m.entries {
		if e.state != outbox.Pending || e.due.After(m.now()) {
			continue
		}
		beyond := len(got) == limit && !e.due.Before(last)
		if e.starts < m.h.MaxStarts {
			require.True(rt, beyond, "%q is due and was not claimed", key)
			continue
		}
		stored, err := m.store.Get(rt.Context(), key)
		require.NoError(rt, err)
		if stored.State == outbox.Pending {
			require.True(rt, beyond, "%q crashed too often and was not parked", key)
			continue
		}
		require.Equal(rt, outbox.ReasonCrashed, stored.Reason)
		e.state, e.since, e.reason, e.errorText = outbox.Parked, m.now(), outbox.ReasonCrashed, stored.Error
	}
}

// nextDue returns when the next waiting entry is due, zero if none is waiting.
func (m *model) nextDue() time.Time {
	var next time.Time
	for _, e := range m.entries {
		if e.state == outbox.Pending && (next.IsZero() || e.due.Before(next)) {
			next = e.due
		}
	}
	return next
}

func (m *model) settle(rt *rapid.T) {
	keys := rapid.SliceOfNDistinct(rapid.SampledFrom(modelKeys()), 1, 3, rapid.ID[string]).Draw(rt, "keys")
	settlements := make([]outbox.Settlement, len(keys))
	refused := false
	for i, key := range keys {
		s := outbox.Settlement{
			Key:     key,
			Verdict: outbox.Verdict(rapid.IntRange(1, 5).Draw(rt, "verdict")),
			Reason:  rapid.SampledFrom([]string{"timeout", "invalid"}).Draw(rt, "reason"),
			Error:   rapid.SampledFrom([]string{"", "no answer"}).Draw(rt, "error"),
		}
		if rapid.Bool().Draw(rt, "later") {
			s.Due = m.clock.Now().Add(pause(rt, "due") - time.Second)
		}
		if rapid.Bool().Draw(rt, "receipt") {
			s.Receipt = []byte(rapid.StringN(1, 5, -1).Draw(rt, "receipt"))
		}
		settlements[i] = s
		switch e := m.entries[key]; {
		case e == nil || e.state != outbox.InFlight:
			refused = true
		case s.Verdict == outbox.VerdictRelease:
			e.release()
		default:
			e.settle(s, m.now())
		}
	}
	err := m.store.Settle(rt.Context(), settlements...)
	if refused {
		require.ErrorIs(rt, err, outbox.ErrNotClaimed)
		return
	}
	require.NoError(rt, err)
}

func (m *model) checkpoint(rt *rapid.T) {
	c := outbox.Checkpoint{
		Key:     rapid.SampledFrom(modelKeys()).Draw(rt, "key"),
		Receipt: []byte(rapid.StringN(1, 5, -1).Draw(rt, "receipt")),
	}
	err := m.store.Checkpoint(rt.Context(), c)
	e := m.entries[c.Key]
	if e == nil || e.state != outbox.InFlight {
		require.ErrorIs(rt, err, outbox.ErrNotClaimed)
		return
	}
	require.NoError(rt, err)
	e.receipt = string(c.Receipt)
}

func (m *model) advance(rt *rapid.T) { m.clock.Advance(pause(rt, "by")) }

func (m *model) reopen(rt *rapid.T) {
	require.NoError(rt, m.store.Close())
	m.store = m.h.Open(m.t, m.dir, m.clock)
	for _, e := range m.entries {
		if e.state == outbox.InFlight {
			e.state, e.interrupted, e.dueUnknown = outbox.Pending, true, true
		}
	}
}

func (m *model) replay(rt *rapid.T) {
	key := rapid.SampledFrom(modelKeys()).Draw(rt, "key")
	e := m.entries[key]
	if e != nil && e.state == outbox.Pending {
		rt.Skip("the contract does not say what a replay of a pending entry does")
	}
	err := m.store.Replay(rt.Context(), key)
	if m.refused(rt, e, err) {
		return
	}
	require.NoError(rt, err)
	e.revive(m.now(), m.now())
	e.reasonUnknown = true
}

func (m *model) discard(rt *rapid.T) {
	key := rapid.SampledFrom(modelKeys()).Draw(rt, "key")
	err := m.store.Discard(rt.Context(), key)
	if m.refused(rt, m.entries[key], err) {
		return
	}
	require.NoError(rt, err)
	delete(m.entries, key)
	m.discarded++
}

// refused checks the answer for an entry that cannot be changed by hand; false: it can be.
func (m *model) refused(rt *rapid.T, e *modelEntry, err error) bool {
	switch {
	case e == nil:
		require.ErrorIs(rt, err, outbox.ErrNotFound)
	case e.state == outbox.InFlight:
		require.ErrorIs(rt, err, outbox.ErrClaimed)
	default:
		return false
	}
	return true
}

func (m *model) purge(rt *rapid.T) {
	before := m.now().Add(-pause(rt, "age"))
	limit := rapid.IntRange(1, 3).Draw(rt, "limit")
	due := 0
	for _, e := range m.entries {
		if e.state == outbox.Delivered && e.since.Before(before) {
			due++
		}
	}
	n, err := m.store.Purge(rt.Context(), before, limit)
	require.NoError(rt, err)
	require.Equal(rt, min(due, limit), n)
	for _, key := range slices.Sorted(maps.Keys(m.entries)) {
		_, err := m.store.Get(rt.Context(), key)
		if err == nil {
			continue
		}
		require.ErrorIs(rt, err, outbox.ErrNotFound)
		e := m.entries[key]
		require.Equal(rt, outbox.Delivered, e.state, "purged %q", key)
		require.True(rt, e.since.Before(before), "purged %q", key)
		delete(m.entries, key)
		m.purged++
		n--
	}
	require.Zero(rt, n, "Purge counts what it removed")
}
