package bolt_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/outbox/bolt"
)

// refusedWith runs a victim that must refuse to open path, in an orderly way and in time, and returns what it says.
func refusedWith(t *testing.T, p *process, path string) string {
	t.Helper()
	require.Equal(t, exitRefused, p.finish(t), "%q %s", p.lines, p.errors.String())
	require.Empty(t, p.errors.String())
	text := strings.Join(p.said("e"), " ")
	require.Contains(t, text, path)
	return text
}

// TestDamagedFilesNeverCrashTheProcess opens files that are empty, cut short or damaged in their meta pages in a
// process of its own, where a fault that cannot be caught shows.
func TestDamagedFilesNeverCrashTheProcess(t *testing.T) {
	sound := filled(t)
	used := usedBytes(t, sound)
	cases := map[string][]byte{
		"empty": nil, "both metas": damage(damage(sound, 0), 4096), "zeros": make([]byte, len(sound)),
	}
	for percent := 5; percent < 100; percent += 5 {
		cases[fmt.Sprintf("cut to %d %%", percent)] = sound[:used*percent/100]
	}
	refused, opened := 0, 0
	for name, file := range cases {
		path := filepath.Join(memoryFolder(t), "outbox.db")
		require.NoError(t, os.WriteFile(path, file, 0o600))
		text := refusedWith(t, start(t, order{Mode: "open", Path: path}), path)
		require.Contains(t, text, "restore a backup", name)
		refused++
	}
	for page := range 2 {
		path := filepath.Join(memoryFolder(t), "outbox.db")
		require.NoError(t, os.WriteFile(path, damage(sound, page*4096), 0o600))
		var faults []string
		require.NoError(t, bolt.Verify(t.Context(), path, func(fault string) { faults = append(faults, fault) }))
		require.NotEmpty(t, faults, "the damaged page is named")
		p := start(t, order{Mode: "open", Path: path})
		require.Equal(t, exitDone, p.finish(t), p.errors.String())
		opened++
	}
	t.Logf("torture: A5-A8 | file empty, of zeros, cut to 5-95 %%, both meta pages damaged; one of them damaged | %d "+
		"of %d refused with advice, 0 crashes, the files left as they were; %d of 2 opened on the other meta page, and the "+
		"damaged one is named", refused, len(cases), opened)
}

// usedBytes returns how far the pages of a file reach: what follows are holes.
func usedBytes(t *testing.T, file []byte) int {
	t.Helper()
	used := 0
	for _, p := range pagesOf(t, file) {
		used = max(used, (p.id+p.overflow+1)*pageBytes)
	}
	return used
}

func TestASecondProcessIsRefusedInTime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "outbox.db")
	open(t, bolt.Options{Path: path})
	began := time.Now()
	text := refusedWith(t, start(t, order{Mode: "open", Path: path}), path)
	require.Contains(t, text, "stop that one first")
	t.Logf("torture: A11 | a second process opens the file, waiting 200ms for it | refused with words, the process is gone "+
		"after %s", time.Since(began).Round(10*time.Millisecond))
}

// TestPermissions runs the store as a user who may not use the file or its folder.
func TestPermissions(t *testing.T) {
	sound := filled(t)
	cases := []struct {
		name         string
		file, folder os.FileMode
		present      bool
	}{
		{"read-only file", 0o444, 0o777, true},
		{"unreadable file", 0, 0o777, true},
		{"folder that cannot be written to", 0, 0o555, false},
		{"folder that cannot be entered", 0o666, 0o666, true},
		{"missing folder in one that cannot be written to", 0, 0o555, false},
	}
	binary, wrapper := unprivileged(t)
	slowest := time.Duration(0)
	for i, c := range cases {
		root, err := os.MkdirTemp("", "outbox-") //nolint:usetesting // nobody may enter the folders of t.TempDir
		require.NoError(t, err)
		defer func() { require.NoError(t, os.RemoveAll(root)) }()
		path := filepath.Join(root, "outbox.db")
		if c.present {
			require.NoError(t, os.WriteFile(path, sound, 0o600))
			require.NoError(t, os.Chmod(path, c.file))
		} else if i == len(cases)-1 {
			path = filepath.Join(root, "missing", "outbox.db")
		}
		require.NoError(t, os.Chmod(root, c.folder))
		began := time.Now()
		text := refusedWith(t, startBinary(t, binary, order{Mode: "open", Path: path}, wrapper...), filepath.Dir(path))
		slowest = max(slowest, time.Since(began))
		require.Contains(t, text, "permission denied", c.name)
		require.NoError(t, os.Chmod(root, 0o700))
		if c.present {
			require.NoError(t, os.Chmod(path, 0o600))
			after, err := os.ReadFile(path)
			require.NoError(t, err)
			require.True(t, bytes.Equal(sound, after), c.name)
		}
	}
	t.Logf("torture: A12 | file read-only, unreadable; folder unwritable, closed, missing where none can be made | %d "+
		"of %d refused with the path and the reason, exit after %s at most, files left as they were", len(cases), len(cases),
		slowest.Round(10*time.Millisecond))
}

// unprivileged returns a copy of this program that everybody may run, and what runs it as nobody when we are root.
func unprivileged(t *testing.T) (binary string, wrapper []string) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	if os.Getuid() != 0 {
		return self, nil
	}
	nobody := []string{"--reuid=65534", "--regid=65534", "--clear-groups"}
	setpriv := need(t, "setpriv", append(nobody, "true")...)
	dir, err := os.MkdirTemp("", "victim-") //nolint:usetesting // nobody may enter the folders of t.TempDir
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	require.NoError(t, os.Chmod(dir, 0o755))
	binary = filepath.Join(dir, "victim")
	copyFile(t, self, binary, 0o755)
	return binary, append([]string{setpriv}, nobody...)
}

// copyFile copies a file.
func copyFile(t *testing.T, from, to string, mode os.FileMode) {
	t.Helper()
	in, err := os.Open(from)
	require.NoError(t, err)
	defer func() { _ = in.Close() }()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, mode)
	require.NoError(t, err)
	_, err = io.Copy(out, in)
	require.NoError(t, err)
	require.NoError(t, out.Close())
}
