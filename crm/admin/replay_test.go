package admin_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/outbox"
)

// replayed is the answer to a replay of many calls.
type replayed struct {
	Replayed, Skipped int
	More              bool
	DryRun            bool `json:"dry_run"`
}

func TestReplayOfManyCalls(t *testing.T) {
	f := newFixture(t, nil)
	for i := range 250 {
		reason := "invalid"
		if i%5 == 0 {
			reason = "unmatched"
		}
		f.park(reason, fmt.Sprintf("call-%03d", i))
	}
	replay := func(query string) replayed { return decoded[replayed](t, f.post("/api/v1/replay?state=parked"+query)) }
	parked := func() int64 { return f.store.Stats().States[outbox.Parked] }

	require.Equal(t, replayed{Replayed: 50, DryRun: true}, replay("&reason=unmatched&dry_run=true"))
	require.Equal(t, replayed{Replayed: 100, More: true, DryRun: true}, replay("&limit=100&dry_run=true"))
	require.EqualValues(t, 250, parked())
	require.Equal(t, replayed{Replayed: 50}, replay("&reason=unmatched"))
	require.EqualValues(t, 200, parked())
	require.Equal(t, replayed{Replayed: 120, More: true}, replay("&limit=120"))
	require.EqualValues(t, 80, parked())
	require.Equal(t, replayed{Replayed: 80}, replay("&dry_run=false"))
	require.Equal(t, replayed{}, replay(""))
	require.Equal(t, 3, strings.Count(f.log.String(), "calls replayed by hand"))
}

func TestReplaySkipsWhatChangedMeanwhile(t *testing.T) {
	f := newFixture(t, nil)
	f.park("invalid", "a", "b", "c")
	f.store.replay = func(key string) error {
		switch key {
		case "a":
			return fmt.Errorf("replay %s: %w", key, outbox.ErrNotFound)
		case "b":
			return fmt.Errorf("replay %s: %w", key, outbox.ErrClaimed)
		default:
			return nil
		}
	}
	require.Equal(t, replayed{Replayed: 1, Skipped: 2}, decoded[replayed](t, f.post("/api/v1/replay?state=parked")))
	f.store.replay = func(string) error { return outbox.ErrFailed }
	requireError(t, f.post("/api/v1/replay?state=parked"), http.StatusServiceUnavailable, "failed")
}

func TestCallsParkedAgainMeanwhileAreNotReplayedTwice(t *testing.T) {
	f := newFixture(t, nil)
	f.park("invalid", "a")
	f.clock = f.clock.Add(-time.Hour) // "a" is parked after the replay began
	require.Equal(t, replayed{}, decoded[replayed](t, f.post("/api/v1/replay?state=parked")))
}
