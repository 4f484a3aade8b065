package bolt_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/outbox"
	"github.com/crmsyncd/crmsyncd/outbox/bolt"
)

// TestKilledAtAnyMoment kills a process at work on the store again and again: what was acknowledged is there, the file
// is sound, and a delivery that was cut off says so.
func TestKilledAtAnyMoment(t *testing.T) {
	rounds := int(setting(t, "TORTURE_ROUNDS", uint64(fewer(40, 8))))
	_, random := seeded(t)
	path := filepath.Join(t.TempDir(), "outbox.db")
	acked, interrupted, settled := 0, 0, 0
	for round := range rounds {
		p := start(t, order{Mode: "load", Path: path, First: round * 1_000_000 / rounds})
		p.read(1+random.IntN(150), "")
		<-time.After(time.Duration(random.IntN(20_000)) * time.Microsecond) // the moment of the crash
		require.NoError(t, p.Process.Kill())
		require.Equal(t, -1, p.finish(t), "%q %s", p.lines, p.errors.String())
		clean(t, path)
		b := bookOf(t, p)
		s, err := bolt.Open(bolt.Options{Path: path})
		require.NoError(t, err)
		require.NoError(t, b.hold(t.Context(), s), "round %d", round)
		interrupted += interruptedIn(t, s, b)
		acked, settled = acked+len(b.acked), settled+len(b.settled)
		require.NoError(t, s.Close())
	}
	require.Positive(t, acked)
	require.Positive(t, interrupted, "some rounds must hit a delivery")
	t.Logf("torture: A1 | kill -9 of the store under load at %d random moments | %d messages acknowledged, 0 lost; "+
		"%d settlements acknowledged, 0 lost; %d deliveries cut off, all of them come back as interrupted; "+
		"0 faults in the file", rounds, acked, settled, interrupted)
}

// interruptedIn claims and settles everything and returns how many deliveries were cut off by the kill.
func interruptedIn(t *testing.T, s *bolt.Store, b *book) int {
	t.Helper()
	claims := map[string]outbox.Entry{}
	for {
		entries, _, err := s.Claim(t.Context(), 1000)
		require.NoError(t, err)
		if len(entries) == 0 {
			break
		}
		settlements := make([]outbox.Settlement, len(entries))
		for i, e := range entries {
			claims[e.Key] = e
			settlements[i] = outbox.Settlement{Key: e.Key, Verdict: outbox.VerdictDelivered}
		}
		require.NoError(t, s.Settle(t.Context(), settlements...))
	}
	cutOff := 0
	for key := range b.claimed {
		if b.settling[key] {
			continue
		}
		require.True(t, claims[key].Interrupted, "entry %s was in flight", key)
		cutOff++
	}
	return cutOff
}
