package bolt_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/outbox"
	"github.com/crmsyncd/crmsyncd/outbox/bolt"
)

// TestFailedSync lets the first sync fail, then the second, and so forth until the work is done without. The store
// takes nothing more, and what it acknowledged survives although the kernel has dropped what the failed sync was to
// write.
func TestFailedSync(t *testing.T) {
	strace := need(t, "strace", "-o", "/dev/null", "true")
	for _, c := range []struct {
		errno      string
		step, most int
	}{{"EIO", 1, fewer(40, 6)}, {"ENOSPC", 1, 2}} {
		failures, acked, refused := 0, 0, 0
		for nth := 1; nth <= c.most; nth += c.step {
			path := filepath.Join(memoryFolder(t), "outbox.db")
			s, err := bolt.Open(bolt.Options{Path: path})
			require.NoError(t, err)
			require.NoError(t, s.Close())
			p, d := failSync(t, strace, path, c.errno, nth)
			code, b := p.finish(t), bookOf(t, p)
			d.read(t)
			if !d.failed {
				require.Equal(t, exitDone, code)
				break
			}
			require.Equal(t, exitFailed, code, "%q %s", p.said("e"), p.errors.String())
			if len(b.acked) < 40 { // else it was the last commit, of Close, which folds what was acknowledged
				require.NotEmpty(t, p.said("e"))
			}
			for _, text := range p.said("e") {
				require.Contains(t, text, outbox.ErrFailed.Error())
			}
			require.Zero(t, d.writesAfterFailure, "after sync %d had failed", nth)
			clean(t, path)
			require.NoError(t, b.hold(t.Context(), open(t, bolt.Options{Path: path})))
			lost := filepath.Join(memoryFolder(t), "outbox.db")
			require.True(t, d.image(t, path, lost, nil))
			survive(t, lost, b, nth)
			failures, acked, refused = failures+1, acked+len(b.acked), refused+len(p.said("e"))
		}
		require.Positive(t, failures)
		t.Logf("torture: A3 | sync 1 to %d of the work fails with %s | 0 acknowledgements and 0 writes after the failure, "+
			"%d appends refused, the process ends by itself; %d messages acknowledged before, 0 lost, also when the kernel "+
			"drops the pages of the failed sync", failures, c.errno, refused, acked)
	}
}

// recorded is a disk whose trace is read when the victim has ended.
type recorded struct {
	*disk
	trace string
}

func (r *recorded) read(t *testing.T) {
	t.Helper()
	readTrace(t, r.trace, func(c systemCall) { r.step(c, func() {}) })
}

// failSync starts a victim whose nth sync fails, on a store that is there.
func failSync(t *testing.T, strace, path, errno string, nth int) (*process, *recorded) {
	t.Helper()
	d := newDisk(filepath.Dir(path))
	d.present(t, path)
	r := &recorded{d, filepath.Join(t.TempDir(), "trace")}
	inject := fmt.Sprintf("inject=fdatasync,fsync:error=%s:when=%d", errno, nth)
	p := start(t, order{Mode: "load", Path: path, Count: 40},
		append(append([]string{strace, "-o", r.trace}, traced...), "-e", inject)...)
	return p, r
}

// TestFailedSyncOfANewFile lets each of the syncs fail by which a store is made.
func TestFailedSyncOfANewFile(t *testing.T) {
	strace := need(t, "strace", "-o", "/dev/null", "true")
	refused, attempts := 0, 0
	for nth := 1; ; nth++ {
		path := filepath.Join(t.TempDir(), "data", "outbox.db")
		p := start(t, order{Mode: "open", Path: path}, strace, "-f", "-qq", "--seccomp-bpf", "-o", "/dev/null",
			"-e", "trace=fdatasync,fsync", "-e", fmt.Sprintf("inject=fdatasync,fsync:error=EIO:when=%d", nth))
		code := p.finish(t)
		attempts++
		require.Less(t, attempts, 50)
		if code == exitDone && len(p.said("e")) == 0 {
			break
		}
		refused++
		require.Equal(t, exitRefused, code, "%q %s", p.lines, p.errors.String())
		require.Contains(t, strings.Join(p.said("e"), " "), "input/output error")
		s, err := bolt.Open(bolt.Options{Path: path})
		require.NoError(t, err, "the next start makes the file, or finds it whole")
		require.NoError(t, s.Close())
		clean(t, path)
	}
	require.GreaterOrEqual(t, refused, 3)
	t.Logf("torture: A3 | one of the %d syncs by which a new file is made fails with EIO | refused with words: %d, "+
		"half-made files: 0; the next start works", refused, refused)
}
