package outboxtest

import (
	"bytes"
	"errors"
	"io"
	"time"

	"github.com/crmsyncd/crmsyncd/outbox"
)

func keeperCases() []testCase {
	return []testCase{
		{"a backup opens as a store with the same content", testBackup},
		{"a backup that cannot be written is an error and does no harm", testBackupWriter},
		{"Check reports nothing on a sound store", testCheck},
	}
}

func testBackup(f *fixture) {
	f.variety()
	f.reject("<html>")
	f.True(f.append(message("parked", "1"))[0].Duplicate)
	f.put("gone", "1")
	f.NoError(f.store.Discard(f.t.Context(), "gone"))
	var backup bytes.Buffer
	n, err := f.store.Backup(f.t.Context(), &backup)
	f.NoError(err)
	f.Equal(int64(backup.Len()), n, "Backup tells how much it wrote")
	f.put("later", "1")
	f.settle(outbox.Settlement{Key: "in flight", Verdict: outbox.VerdictDelivered})

	dir := f.t.TempDir()
	f.h.Restore(f.t, backup.Bytes(), dir)
	restored := &fixture{Assertions: f.Assertions, t: f.t, h: f.h, dir: dir, clock: f.clock}
	restored.store = f.h.Open(f.t, dir, f.clock)
	defer restored.finish()

	restored.missing("later")
	restored.missing("gone")
	for _, key := range []string{"delivered", "parked", "retry", "pending"} {
		f.Equal(f.get(key), restored.get(key))
		f.Equal([]string{key}, restored.listed(outbox.Filter{Term: "only " + key}))
	}
	f.Equal(f.rejected(0, 10), restored.rejected(0, 10))
	stats := restored.store.Stats()
	f.Equal(map[outbox.State]int64{outbox.Pending: 3, outbox.Parked: 1, outbox.Delivered: 1}, counts(stats))
	f.Equal([]uint64{6, 6, 1, 1},
		[]uint64{stats.Entries, stats.Messages, stats.Duplicates, stats.Discarded})
	f.True(restored.take("in flight").Interrupted, "a copy does not know what became of the delivery")
	f.True(restored.append(message("delivered", "1"))[0].Duplicate)
	restored.put("new", "1")
}

// brokenWriter takes some bytes and no more.
type brokenWriter struct{ room int }

var errDisconnected = errors.New("the operator has gone")

func (w *brokenWriter) Write(p []byte) (int, error) {
	n := min(len(p), w.room)
	w.room -= n
	if n < len(p) {
		return n, errDisconnected
	}
	return n, nil
}

var _ io.Writer = (*brokenWriter)(nil)

func testBackupWriter(f *fixture) {
	f.variety()
	for _, room := range []int{0, 1, 100} {
		_, err := f.store.Backup(f.t.Context(), &brokenWriter{room: room})
		f.Error(err)
	}
	f.put("after", "1")
	f.deliver("after")
}

func testCheck(f *fixture) {
	f.sound(f.t.Context())
	f.variety()
	f.crowd(20)
	f.reject("a")
	f.reject("a")
	f.reject("b")
	f.sound(f.t.Context())
	f.put("in flight", "2")
	f.claim(10)
	f.sound(f.t.Context())
	f.reopen()
	f.sound(f.t.Context())
	for _, key := range keysOf(f.claim(1000)) {
		f.settle(outbox.Settlement{Key: key, Verdict: outbox.VerdictDelivered, Receipt: []byte("r")})
	}
	f.sound(f.t.Context())
	f.clock.Advance(time.Second)
	n, err := f.store.Purge(f.t.Context(), f.now(), 15)
	f.NoError(err)
	f.Equal(15, n)
}
