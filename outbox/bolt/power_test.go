package bolt_test

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/outbox"
	"github.com/crmsyncd/crmsyncd/outbox/bolt"
)

// TestPowerLoss records all writes and syncs of a process at work on a new store and then cuts the power before each of
// the syncs, several times: what was not synced is there, not there, torn, or there without what was written before it.
func TestPowerLoss(t *testing.T) {
	strace := need(t, "strace", "-o", "/dev/null", "true")
	_, random := seeded(t)
	dir := t.TempDir()
	path, trace := filepath.Join(dir, "data", "outbox", "outbox.db"), filepath.Join(dir, "trace")
	p := start(t, order{Mode: "load", Path: path, Count: fewer(90, 30)},
		append([]string{strace, "-o", trace}, traced...)...)
	require.Equal(t, exitDone, p.finish(t), "%q %s", p.said("e"), p.errors.String())
	require.Len(t, p.said("a"), fewer(90, 30))

	d := newDisk(dir)
	images, missing, acked := 0, 0, 0
	image := filepath.Join(memoryFolder(t), "outbox.db")
	crash := func() {
		for i := range 4 {
			var chance *rand.Rand
			if i > 0 {
				chance = random
			}
			images++
			b := &book{}
			for _, line := range d.promised {
				require.NoError(t, b.note(line))
			}
			acked = len(b.acked)
			if !d.image(t, path, image, chance) {
				missing++
				require.Empty(t, b.acked, "after sync %d the file may be gone, yet messages were acknowledged", d.syncs)
				continue
			}
			survive(t, image, b, d.syncs)
		}
	}
	readTrace(t, trace, func(c systemCall) { d.step(c, crash) })
	crash()
	require.Len(t, p.said("a"), acked, "the trace holds all that was acknowledged")
	require.Greater(t, images, fewer(200, 80))
	require.Positive(t, missing, "some images are from before the file had its name")
	t.Logf("torture: A2 | power lost at each of %d syncs, writes after it dropped, torn at 512 bytes and reordered | "+
		"%d images, %d of them before the new file has its name, 0 unopenable, 0 of up to %d acknowledged messages lost, "+
		"0 faults in the files", d.syncs, images, missing, acked)
}

// survive requires that a file can be used after a loss of power and holds what was promised.
func survive(t *testing.T, path string, b *book, sync int) {
	t.Helper()
	clean(t, path)
	s, err := bolt.Open(bolt.Options{Path: path})
	require.NoError(t, err, "sync %d", sync)
	require.NoError(t, b.hold(t.Context(), s), "sync %d", sync)
	_, err = s.Append(t.Context(), outbox.Message{Key: "after", Body: []byte("the power came back")})
	require.NoError(t, err)
	require.NoError(t, s.Close())
	clean(t, path)
	require.NoError(t, os.Remove(path))
}
