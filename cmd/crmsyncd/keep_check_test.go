package main

import (
	"bytes"
	"context"
	encoding "encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// pageHead is how long the head of a bbolt page is.
const pageHead = 16

// leafPage returns the offset of a page with records of entries.
func leafPage(t *testing.T, file []byte) int {
	t.Helper()
	at := bytes.Index(file, []byte("call-150call-150"))
	require.Positive(t, at)
	const pageSize, flags, leaf = 4096, 8, 2
	for page := at / pageSize * pageSize; page > 0; page -= pageSize {
		// A page that begins with its own number is not the rest of a longer one.
		if encoding.NativeEndian.Uint64(file[page:]) == uint64(page/pageSize) && file[page+flags] == leaf {
			return page
		}
	}
	require.FailNow(t, "there is no leaf page")
	return 0
}

func TestOutboxCheckJudgesAFile(t *testing.T) {
	folder := t.TempDir()
	source := filepath.Join(folder, "source.db")
	outboxFile(t, source, 300)
	sound, err := os.ReadFile(source)
	require.NoError(t, err)
	changed := func(change func(file []byte)) []byte {
		file := bytes.Clone(sound)
		change(file)
		return file
	}
	page := leafPage(t, sound)
	for name, c := range map[string]struct {
		file  []byte
		code  int
		wants []string
	}{
		"sound":   {sound, exitFine, []string{"is sound", "300 pending, 0 delivered, 0 parked"}},
		"empty":   {nil, exitCannot, []string{"it is empty"}},
		"foreign": {bytes.Repeat([]byte("not a database\n"), 1000), exitCannot, []string{"not a bbolt file at all"}},
		"cut":     {sound[:20*4096], exitCannot, []string{"it is cut short", "restore a backup"}},
		"one bit": {
			changed(func(f []byte) { f[bytes.Index(f, []byte("call-150call-150"))] ^= 1 }), exitCannot,
			[]string{"fault: entry call-150: ", "checksum does not match", "is damaged, faults found: 1; restore a backup"},
		},
		"one meta page": {
			changed(func(f []byte) { clear(f[:200]) }), exitCannot,
			[]string{"page 0: has unexpected type", "is damaged, faults found: 1; restore a backup"},
		},
		"a page that makes no sense": {
			changed(func(f []byte) { copy(f[page+pageHead:], bytes.Repeat([]byte{0xff}, 64)) }), exitCannot,
			[]string{"fault: ", "is damaged", "restore a backup"},
		},
		// A record is said to stand two gigabytes behind the page, where there is no memory.
		"a record outside": {
			changed(func(f []byte) { encoding.NativeEndian.PutUint32(f[page+pageHead+4:], 0x7fff0000) }), exitCannot,
			[]string{"is damaged", "restore a backup"},
		},
		"many faults": {
			changed(func(f []byte) {
				for i := range 200 {
					f[bytes.Index(f, fmt.Appendf(nil, "call-%dcall-%d", i, i))] ^= 1
				}
			}), exitCannot, []string{"and 100 more", "is damaged, faults found: 200"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProcess(t, "http://127.0.0.1:1")
			file := filepath.Join(t.TempDir(), "some.db")
			require.NoError(t, os.WriteFile(file, c.file, 0o600))
			got := p.keep(nil, "outbox", "check", file)
			require.Equal(t, c.code, got.code)
			for _, want := range c.wants {
				require.Contains(t, got.out+got.err, want)
			}
			require.NotContains(t, got.err, "goroutine")
			require.LessOrEqual(t, strings.Count(got.out, "\n"), maxFaults+1)

			var v verdict
			asJSON := p.keep(nil, "outbox", "check", file, "--output", "json")
			require.Equal(t, c.code, asJSON.code)
			require.NoError(t, json.Unmarshal([]byte(asJSON.out), &v), asJSON.out)
			require.Equal(t, c.code == exitFine, v.Sound)
			require.LessOrEqual(t, len(v.Faults), maxFaults)
			if c.code != exitFine { // who cannot be read cannot be restored or compacted either
				here := "CRMSYNCD_OUTBOX__PATH=" + file
				elsewhere := "CRMSYNCD_OUTBOX__PATH=" + filepath.Join(t.TempDir(), "outbox.db")
				require.Equal(t, exitCannot, p.keep([]string{here}, "compact").code)
				require.Equal(t, exitCannot, p.keep([]string{elsewhere}, "restore", file).code)
				require.Equal(t, []string{"some.db"}, names(t, filepath.Dir(file)))
			}
			is, err := os.ReadFile(file)
			require.NoError(t, err)
			require.True(t, bytes.Equal(c.file, is), "it is only read")
		})
	}
}

func TestAVerificationThatDiesIsAVerdict(t *testing.T) {
	for name, c := range map[string]struct{ script, want string }{
		"by a signal":   {`echo '{"fault":"page 7"}'; kill -SEGV $$`, "signal: segmentation fault"},
		"by an error":   {`echo '{"fault":"page 7"}'; echo 'fatal error' >&2; exit 2`, "exit status 2"},
		"in a line":     {`echo '{"fault":"page 7"}'; printf '{"verdict":{"sou'; exit 0`, "exit status 0"},
		"after the end": {`echo '{"fault":"page 7"}'; echo '{"verdict":{"sound":true}}'; exit 2`, "exit status 2"},
	} {
		t.Run(name, func(t *testing.T) {
			v, err := judge(t.Context(), "some.db", exec.CommandContext(t.Context(), "sh", "-c", c.script))
			require.NoError(t, err)
			require.False(t, v.Sound)
			require.Equal(t, []string{"page 7"}, v.Faults)
			require.ErrorContains(t, v.err(), "some.db is damaged so badly that reading it ends a process ("+c.want)
			require.ErrorContains(t, v.err(), "restore a backup")
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := judge(ctx, "some.db", exec.CommandContext(ctx, "sh", "-c", "exit 0"))
	require.ErrorIs(t, err, context.Canceled, "what was interrupted has found nothing")
}

// TestCompactCanBeInterrupted interrupts the command while it copies or verifies: the outbox is whole afterwards, old or
// new, and nothing else is left.
func TestCompactCanBeInterrupted(t *testing.T) {
	p := newProcess(t, "http://127.0.0.1:1")
	folder := filepath.Join(t.TempDir(), "data")
	path := filepath.Join(folder, "outbox.db")
	here := []string{"CRMSYNCD_OUTBOX__PATH=" + path}
	outboxFile(t, path, 5000)
	interrupted := 0
	for range 5 {
		cmd := p.keeper(here, "compact")
		var errOut bytes.Buffer
		cmd.Stderr = &errOut
		require.NoError(t, cmd.Start())
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		var waited error
		over := false
		require.Eventually(t, func() bool {
			select {
			case waited = <-ended:
				over = true
			default:
			}
			return over || len(names(t, folder)) > 1
		}, 30*time.Second, time.Millisecond, "the copy is being made")
		if !over {
			require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
			waited = <-ended
		}
		if waited != nil {
			require.Equal(t, exitCannot, cmd.ProcessState.ExitCode(), errOut.String())
			require.Contains(t, errOut.String(), "interrupted; everything is as it was")
			interrupted++
		}
		require.Equal(t, []string{"outbox.db"}, names(t, folder))
		got := p.keep(here, "outbox", "check", "--output", "json").fine(t).Contents
		require.EqualValues(t, 5000, got.Entries["pending"])
	}
	t.Logf("%d of 5 were stopped before their end", interrupted)
}
