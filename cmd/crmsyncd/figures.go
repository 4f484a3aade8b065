package main

import (
	"syscall"
	"time"

	"github.com/crmsyncd/crmsyncd/metrics"
	"github.com/crmsyncd/crmsyncd/outbox"
)

// figures returns what the metrics show of the outbox.
func (d *daemon) figures() metrics.OutboxFigures {
	stats := d.store.Stats()
	f := metrics.OutboxFigures{
		States: map[string]int64{}, ParkedBy: stats.ParkedBy, Entries: stats.Entries, Messages: stats.Messages,
		Duplicates: stats.Duplicates, Discarded: stats.Discarded, Purged: stats.Purged,
		Damaged: stats.Damaged, SetAside: stats.SetAside,
		OldestTimestamp: map[string]time.Time{}, OldestDue: stats.OldestDue, Quarantined: stats.Rejected,
		QuarantinedBytes: stats.RejectedBytes, QuarantineEvicted: stats.Evicted, FileBytes: stats.FileBytes,
		UsedBytes: stats.UsedBytes, FreeBytes: stats.FileBytes - stats.UsedBytes, LimitBytes: stats.LimitBytes,
	}
	for _, state := range outbox.States {
		f.States[state.String()] = stats.States[state]
		if at, ok := stats.OldestSince[state]; ok {
			f.OldestTimestamp[state.String()] = at
		}
	}
	var volume syscall.Statfs_t
	if err := syscall.Statfs(d.cfg.Outbox.Path, &volume); err == nil {
		f.VolumeFreeBytes = int64(volume.Bavail) * int64(volume.Bsize)
	}
	return f
}
