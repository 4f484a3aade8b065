package outboxtest_test

import (
	"bytes"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/crmsyncd/crmsyncd/outbox"
	"github.com/crmsyncd/crmsyncd/outbox/outboxtest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

const (
	maxStarts       = 3
	quarantineCount = 5
	quarantineBytes = 4096
)

// directories stands for a disk: it knows which store lives in which directory.
type directories struct {
	mu     sync.Mutex
	stores map[string]*outboxtest.Memory
}

func (d *directories) open(tb testing.TB, dir string, clock *outboxtest.Clock, limit int64) *outboxtest.Memory {
	tb.Helper()
	options := outboxtest.MemoryOptions{
		Now: clock.Now, Limit: limit, MaxStarts: maxStarts,
		QuarantineCount: quarantineCount, QuarantineBytes: quarantineBytes,
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch before := d.stores[dir]; {
	case before != nil:
		d.stores[dir] = before.Reopen(options)
	case exists(backupIn(dir)):
		backup, err := os.ReadFile(backupIn(dir))
		require.NoError(tb, err)
		d.stores[dir], err = outboxtest.RestoreMemory(bytes.NewReader(backup), options)
		require.NoError(tb, err)
	default:
		d.stores[dir] = outboxtest.NewMemory(options)
	}
	return d.stores[dir]
}

func backupIn(dir string) string { return filepath.Join(dir, "backup") }

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// memoryHarness opens stores in memory, each behind what wrap puts around it.
func memoryHarness(wrap func(outbox.Store) outbox.Store) outboxtest.Harness {
	disk := &directories{stores: map[string]*outboxtest.Memory{}}
	return outboxtest.Harness{
		Open: func(tb testing.TB, dir string, clock *outboxtest.Clock) outbox.Store {
			tb.Helper()
			return wrap(disk.open(tb, dir, clock, 0))
		},
		OpenLimited: func(tb testing.TB, dir string, clock *outboxtest.Clock, limitBytes int64) outbox.Store {
			tb.Helper()
			return wrap(disk.open(tb, dir, clock, limitBytes))
		},
		Restore: func(tb testing.TB, backup []byte, dir string) {
			tb.Helper()
			require.NoError(tb, os.WriteFile(backupIn(dir), backup, 0o600))
		},
		MaxStarts:       maxStarts,
		QuarantineCount: quarantineCount,
		QuarantineBytes: quarantineBytes,
	}
}

func sound(store outbox.Store) outbox.Store { return store }

func TestMemory(t *testing.T) {
	outboxtest.Run(t, memoryHarness(sound))
}

func TestMemoryModel(t *testing.T) {
	outboxtest.Model(t, memoryHarness(sound))
}

func TestMemoryStress(t *testing.T) {
	outboxtest.Stress(t, memoryHarness(sound))
}
