package bolt_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/outbox"
	"github.com/crmsyncd/crmsyncd/outbox/bolt"
)

// need returns the path of a tool. A machine without it skips the test; CI must have it.
func need(t *testing.T, tool string, probe ...string) string {
	t.Helper()
	path, err := exec.LookPath(tool)
	if err == nil && len(probe) > 0 {
		err = exec.CommandContext(t.Context(), path, probe...).Run()
	}
	if err == nil {
		return path
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("%s cannot be used (%v) and CI must prove this fault", tool, err)
	}
	t.Skipf("%s cannot be used on this machine (%v): this fault is not proven here", tool, err)
	return ""
}

// setting returns a number of the environment.
func setting(t *testing.T, name string, fallback uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return fallback
	}
	n, err := strconv.ParseUint(text, 10, 64)
	require.NoError(t, err, name)
	return n
}

// seeded returns random numbers by TORTURE_SEED, or by a new seed that is printed.
func seeded(t *testing.T) (uint64, *rand.Rand) {
	t.Helper()
	seed := setting(t, "TORTURE_SEED", uint64(time.Now().UnixNano()))
	t.Logf("seed: TORTURE_SEED=%d", seed)
	return seed, rand.New(rand.NewPCG(seed, 0))
}

// fewer returns less work for -short.
func fewer(whole, short int) int {
	if testing.Short() {
		return short
	}
	return whole
}

// memoryFolder returns a folder for files that need no disk, because nothing is proven about their syncs.
func memoryFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "outbox-") //nolint:usetesting // t.TempDir may be on a disk
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	return dir
}

// process is a victim at work.
type process struct {
	*exec.Cmd
	out    *bufio.Scanner
	errors strings.Builder
	lines  []string
}

// start starts a victim, behind a wrapper such as strace if there is one.
func start(t *testing.T, o order, wrapper ...string) *process {
	t.Helper()
	binary, err := os.Executable()
	require.NoError(t, err)
	return startBinary(t, binary, o, wrapper...)
}

func startBinary(t *testing.T, binary string, o order, wrapper ...string) *process {
	t.Helper()
	text, err := json.Marshal(o)
	require.NoError(t, err)
	arguments := slices.Concat(wrapper, []string{binary})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	p := &process{Cmd: exec.CommandContext(ctx, arguments[0], arguments[1:]...)}
	p.Env = append(os.Environ(), victimVariable+"="+string(text), "GOTRACEBACK=single")
	p.Stderr = &p.errors
	p.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.Cancel = func() error { return syscall.Kill(-p.Process.Pid, syscall.SIGKILL) }
	out, err := p.StdoutPipe()
	require.NoError(t, err)
	p.out = bufio.NewScanner(out)
	p.out.Buffer(nil, 1<<20)
	require.NoError(t, p.Start())
	return p
}

// read reads up to n lines that begin with prefix, fewer when the victim ends before.
func (p *process) read(n int, prefix string) {
	for n > 0 && p.out.Scan() {
		p.lines = append(p.lines, p.out.Text())
		if strings.HasPrefix(p.out.Text(), prefix) {
			n--
		}
	}
}

// finish reads what the victim has left to say and returns its exit code, -1 after a signal.
func (p *process) finish(t *testing.T) int {
	t.Helper()
	for p.out.Scan() {
		p.lines = append(p.lines, p.out.Text())
	}
	err := p.Wait()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode()
	}
	require.NoError(t, err)
	return 0
}

// said returns the rests of the lines that begin with a letter.
func (p *process) said(letter string) []string {
	var rests []string
	for _, line := range p.lines {
		if rest, found := strings.CutPrefix(line, letter+" "); found {
			rests = append(rests, rest)
		}
	}
	return rests
}

// figure returns a figure that the victim gave.
func (p *process) figure(t *testing.T, name string) int {
	t.Helper()
	for _, line := range p.said("v") {
		if rest, found := strings.CutPrefix(line, name+" "); found {
			n, err := strconv.Atoi(rest)
			require.NoError(t, err)
			return n
		}
	}
	require.Failf(t, "no figure", "%s in %q %s", name, p.lines, p.errors.String())
	return 0
}

// book is what was promised to the users of a store.
type book struct {
	acked                             []int
	claimed, settling, settled, begun map[string]bool
}

// note adds a line of a victim.
func (b *book) note(line string) error {
	if b.claimed == nil {
		b.claimed, b.settling = map[string]bool{}, map[string]bool{}
		b.settled, b.begun = map[string]bool{}, map[string]bool{}
	}
	letter, rest, _ := strings.Cut(line, " ")
	switch letter {
	case "a":
		n, err := strconv.Atoi(rest)
		b.acked = append(b.acked, n)
		return err
	case "c":
		b.claimed[rest] = true
	case "s":
		b.settling[rest] = true
	case "d":
		b.settled[rest] = true
	case "k":
		b.begun[rest] = true
	case "x":
		return errors.New(rest)
	}
	return nil
}

// bookOf returns what a victim was promised; a broken promise fails the test.
func bookOf(t *testing.T, p *process) *book {
	t.Helper()
	b := &book{}
	for _, line := range p.lines {
		require.NoError(t, b.note(line), "%s", p.errors.String())
	}
	return b
}

// hold returns an error for what a store does not hold though it was promised.
func (b *book) hold(ctx context.Context, s *bolt.Store) error {
	present := map[int]bool{}
	entries := map[string]outbox.Entry{}
	for _, n := range b.acked {
		if _, seen := entries[keyOf(n)]; !seen {
			e, err := s.Get(ctx, keyOf(n))
			if err != nil {
				return fmt.Errorf("message %d was acknowledged: %w", n, err)
			}
			entries[e.Key] = e
			for _, m := range e.Messages {
				number, err := numberOf(e.Key, m.Body)
				if err != nil {
					return err
				}
				present[number] = true
			}
		}
		if !present[n] {
			return fmt.Errorf("message %d was acknowledged and is not there", n)
		}
	}
	for key := range b.settled {
		if e, err := s.Get(ctx, key); err != nil || string(e.Receipt) != "settled "+key && string(e.Receipt) != "begun" {
			return fmt.Errorf("entry %s was settled: receipt %q, error %w", key, e.Receipt, err)
		}
	}
	for key := range b.begun {
		if e, err := s.Get(ctx, key); err != nil || len(e.Receipt) == 0 {
			return fmt.Errorf("entry %s has lost its checkpoint: %w", key, err)
		}
	}
	return nil
}

// clean requires that Verify finds nothing wrong.
func clean(t *testing.T, path string) {
	t.Helper()
	require.NoError(t, bolt.Verify(t.Context(), path, func(fault string) { t.Errorf("%s: %s", path, fault) }))
}
