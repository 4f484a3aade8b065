package metrics_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/metrics"
)

func TestOutboxFiguresAreReadAtEachScrape(t *testing.T) {
	p := newParts(t)
	reads := 0
	p.figures = func() metrics.OutboxFigures {
		reads++
		return metrics.OutboxFigures{
			States: map[string]int64{"pending": int64(reads)}, ParkedBy: map[string]int64{"invalid": 2},
			Entries: 3, Messages: 4, Duplicates: 5, Discarded: 6, Purged: 7, Damaged: 18, SetAside: 19,
			OldestTimestamp: map[string]time.Time{"pending": time.UnixMilli(1_500)}, OldestDue: time.Unix(9, 0),
			Quarantined: 10, QuarantinedBytes: 11, QuarantineEvicted: 12,
			FileBytes: 13, UsedBytes: 14, FreeBytes: 15, LimitBytes: 16, VolumeFreeBytes: 17,
		}
	}
	p.series(t)
	series := p.series(t)
	require.Equal(t, 2, reads)
	for name, want := range map[string]float64{
		"outbox_items{state=pending}": 2, "outbox_items{state=parked}": 0, "dead_letters{reason=invalid}": 2,
		"outbox_entries_total{}": 3, "outbox_appended_total{}": 4, "outbox_duplicates_total{}": 5,
		"outbox_discarded_total{}": 6, "outbox_purged_total{}": 7,
		"store_checksum_failures_total{}": 18, "outbox_set_aside_total{}": 19,
		"outbox_oldest_timestamp_seconds{state=pending}": 1.5, "outbox_oldest_timestamp_seconds{state=parked}": 0,
		"outbox_oldest_due_timestamp_seconds{}": 9, "quarantine_items{}": 10, "quarantine_bytes{}": 11,
		"quarantine_evicted_total{}": 12, "store_file_bytes{}": 13, "store_in_use_bytes{}": 14,
		"store_free_bytes{}": 15, "store_limit_bytes{}": 16, "store_volume_free_bytes{}": 17,
	} {
		require.Contains(t, series, name)
		require.InDelta(t, want, series[name], 0, name)
	}
}
