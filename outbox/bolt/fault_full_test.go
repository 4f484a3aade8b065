package bolt_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/outbox"
	"github.com/crmsyncd/crmsyncd/outbox/bolt"
)

// full fills the store until it refuses, delivers what is stored while it is full, frees space and appends again.
func (v *victim) full() {
	ballast := filepath.Join(filepath.Dir(v.Path), "ballast")
	ctx := context.Background()
	var err error
	if v.Kind == "ballast" {
		err = os.WriteFile(ballast, make([]byte, v.Ballast), 0o600)
	}
	for i := range v.Fillers {
		_, fault := v.store.Append(ctx, outbox.Message{
			Key: fmt.Sprintf("filler-%d", i), Body: make([]byte, 64<<10), Delay: time.Hour,
		})
		err = errors.Join(err, fault)
	}
	if err != nil {
		v.say("x ballast: %v", err)
	}
	n, refused := v.First, 0
	for ; refused < 20; n += v.Group {
		group := make([]outbox.Message, v.Group)
		for i := range group {
			group[i] = outbox.Message{Key: keyOf(n + i), Body: bodyOf(n + i), Terms: v.terms(n + i)}
		}
		_, err := v.store.Append(ctx, group...)
		if err == nil {
			for i := range group {
				v.say("a %d", n+i)
			}
			continue
		}
		if refused++; !errors.Is(err, outbox.ErrFull) {
			v.say("x a full disk is reported as: %v", err)
			return
		}
		if refused == 1 {
			v.say("e %v", err)
		}
	}
	v.say("v refused %d", refused)
	v.drain(ctx)
	began := time.Now()
	v.free(ctx, ballast)
	tries := 0
	for tries < 100 {
		tries++
		if v.append(n) {
			break
		}
	}
	v.say("v tries %d", tries)
	v.say("v micros %d", time.Since(began).Microseconds())
}

// terms returns the index terms of message n.
func (v *victim) terms(n int) []string {
	if !v.Scatter {
		return nil
	}
	random := rand.New(rand.NewPCG(uint64(n), 1))
	return []string{
		fmt.Sprintf("%016x", random.Uint64()), fmt.Sprintf("%016x", random.Uint64()), fmt.Sprintf("%016x", random.Uint64()),
	}
}

// drain delivers all that is stored.
func (v *victim) drain(ctx context.Context) {
	drained := 0
	for {
		entries, _, err := v.store.Claim(ctx, 8*v.Group)
		if err != nil {
			v.say("x claim while full: %v", err)
			return
		}
		if len(entries) == 0 {
			break
		}
		settlements := make([]outbox.Settlement, len(entries))
		for i, e := range entries {
			for _, m := range e.Messages {
				if _, err := numberOf(e.Key, m.Body); err != nil {
					v.say("x %v", err)
				}
				drained++
			}
			settlements[i] = outbox.Settlement{Key: e.Key, Verdict: outbox.VerdictDelivered, Receipt: []byte("settled " + e.Key)}
		}
		if err := v.store.Settle(ctx, settlements...); err != nil {
			v.say("x settle while full: %v", err)
			return
		}
		for _, e := range entries {
			v.say("d %s", e.Key)
		}
	}
	v.say("v drained %d", drained)
}

// free gives the store room again.
func (v *victim) free(ctx context.Context, ballast string) {
	var err error
	purged := 0
	switch v.Kind {
	case "ballast":
		err = os.Remove(ballast)
	case "rlimit":
		var limit syscall.Rlimit
		if err = syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err == nil {
			limit.Cur = limit.Max
			err = syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit)
		}
	case "purge":
		purged, err = v.store.Purge(ctx, time.Now(), 200)
	}
	v.say("v purged %d", purged)
	if err != nil {
		v.say("x free: %v", err)
	}
}

// TestFullDisk runs out of space in every way there is. The store refuses new messages, delivers what it has, and takes
// messages again when there is room, without a restart.
func TestFullDisk(t *testing.T) {
	cases := []struct {
		name  string
		run   func(t *testing.T, dir string) *process
		after func(t *testing.T, p *process, path string)
	}{
		{"file system of 2 MiB, too small for a reserve", fillSmallFileSystem, nil},
		{"file system of 12 MiB", fillFileSystem, nil},
		{"file system of 18 MiB, the indexes scattered", fillScattered, nil},
		{"limit on the size of a file", fillFile, holdAfterwards},
		{"limit of the store", fillStore, holdAfterwards},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			dir := memoryFolder(t)
			p := c.run(t, dir)
			require.Equal(t, exitDone, p.finish(t), "%q %s", p.said("e"), p.errors.String())
			acked := len(bookOf(t, p).acked)
			require.GreaterOrEqual(t, p.figure(t, "drained"), acked-1, "all that was stored was delivered")
			require.Equal(t, 1, p.figure(t, "tries"), "the first append after there was room")
			if c.after != nil {
				c.after(t, p, filepath.Join(dir, "outbox.db"))
			}
			t.Logf("torture: A4 | disk full: %s | %d messages acknowledged, 0 lost, %d more refused as full; all %d delivered "+
				"while full; taken again at the first try, %s after there was room", c.name, acked, p.figure(t, "refused"),
				p.figure(t, "drained"), time.Duration(p.figure(t, "micros"))*time.Microsecond)
		})
	}
}

// holdAfterwards requires that a file which was full is sound and complete.
func holdAfterwards(t *testing.T, p *process, path string) {
	t.Helper()
	clean(t, path)
	if b := bookOf(t, p); p.figure(t, "purged") == 0 {
		require.NoError(t, b.hold(t.Context(), open(t, bolt.Options{Path: path})))
	}
}

// fillSmallFileSystem fills a file system in which there is no room for the reserve.
func fillSmallFileSystem(t *testing.T, dir string) *process {
	t.Helper()
	return fillTemporary(t, dir, 2, 1)
}

// fillFileSystem fills one that has room for it; the reserve is needed to deliver.
func fillFileSystem(t *testing.T, dir string) *process {
	t.Helper()
	return fillTemporary(t, dir, 12, 9)
}

// fillScattered fills one in which each message belongs to pages of its own: folding it writes many of them anew.
func fillScattered(t *testing.T, dir string) *process {
	t.Helper()
	return fillTemporary(t, dir, 18, 8)
}

// fillTemporary fills a file system of its own, which is gone with the victim. Its size and that of what fills most of
// it, after the store was opened, are in MiB.
func fillTemporary(t *testing.T, dir string, size, ballast int) *process {
	t.Helper()
	namespaces := "-Urm"
	if os.Getuid() == 0 {
		namespaces = "-m"
	}
	mount := fmt.Sprintf("mount -t tmpfs -o size=%dm none %s && ", size, dir)
	unshare := need(t, "unshare", namespaces, "sh", "-c", mount+"true")
	o := order{
		Mode: "full", Path: filepath.Join(dir, "outbox.db"), Kind: "ballast", Ballast: int64(ballast) << 20, Group: 1,
		Scatter: size > 16,
	}
	return start(t, o, unshare, namespaces, "sh", "-c", mount+`"$0"`)
}

// fillFile lets the file grow once, by the 16 MiB that bbolt takes at a time, and no further.
func fillFile(t *testing.T, dir string) *process {
	t.Helper()
	prlimit := need(t, "prlimit", "--version")
	return start(t, order{Mode: "full", Path: filepath.Join(dir, "outbox.db"), Kind: "rlimit", Group: 64, Fillers: 190},
		prlimit, fmt.Sprintf("--fsize=%d:unlimited", 20<<20))
}

func fillStore(t *testing.T, dir string) *process {
	t.Helper()
	return start(t, order{Mode: "full", Path: filepath.Join(dir, "outbox.db"), Kind: "purge", Limit: 512 << 10, Group: 1})
}

// TestFullForAWhile lets a few writes fail for lack of space, from the first on, then from the second on and so forth.
func TestFullForAWhile(t *testing.T) {
	strace := need(t, "strace", "-o", "/dev/null", "true")
	runs, acked, refused, later := 0, 0, 0, 0
	for first := 1; first <= fewer(61, 13); first += 6 {
		path := filepath.Join(memoryFolder(t), "outbox.db")
		s, err := bolt.Open(bolt.Options{Path: path})
		require.NoError(t, err)
		require.NoError(t, s.Close())
		p := start(t, order{Mode: "load", Path: path, Count: 60}, strace, "-f", "-qq", "--seccomp-bpf", "-o", "/dev/null",
			"-e", "trace=pwrite64", "-e", fmt.Sprintf("inject=pwrite64:error=ENOSPC:when=%d..%d", first, first+2))
		require.Equal(t, exitDone, p.finish(t), "writes from %d on: %q %s", first, p.said("e"), p.errors.String())
		clean(t, path)
		b := bookOf(t, p)
		require.NoError(t, b.hold(t.Context(), open(t, bolt.Options{Path: path})))
		for _, fault := range p.said("e") {
			require.Contains(t, fault, outbox.ErrFull.Error())
			require.Contains(t, fault, syscall.ENOSPC.Error())
		}
		runs, acked, refused = runs+1, acked+len(b.acked), refused+len(p.said("e"))
		everything := strings.Join(p.lines, "\n")
		if at := strings.LastIndex(everything, "\ne "); at >= 0 && strings.Contains(everything[at:], "\na ") {
			later++
		}
	}
	require.Positive(t, refused)
	require.Positive(t, later, "appends go on after the disk was full")
	t.Logf("torture: A4 | three writes fail with ENOSPC, at %d places | %d messages acknowledged, 0 lost, %d refused "+
		"as full; the store took messages again by itself; 0 faults in the file", runs, acked, refused)
}
