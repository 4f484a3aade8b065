package bolt_test

import (
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const sector = 512

// change is a write, or without data a new size, that no sync has made durable yet.
type change struct {
	offset int64
	data   []byte
}

// content is what a file holds.
type content struct {
	data []byte
	size int64
}

func (c *content) apply(w change) {
	if w.data == nil {
		c.size = w.offset
		c.data = c.data[:min(int64(len(c.data)), w.offset)]
		return
	}
	end := w.offset + int64(len(w.data))
	if more := end - int64(len(c.data)); more > 0 {
		c.data = append(c.data, make([]byte, more)...)
	}
	copy(c.data[w.offset:], w.data)
	c.size = max(c.size, end)
}

// inode is a file: what is durable of it and what may be.
type inode struct {
	durable content
	pending []change
}

// disk is what a disk may hold at a loss of power, by the letter of POSIX: what was synced, and of what was not any
// part in any order. A name is durable when its folder was synced.
type disk struct {
	root           string
	names, durable map[string]*inode
	// promised are the lines that the victim has written so far.
	promised []string
	// syncs counts syncs that returned; writesAfterFailure what was written to files after a sync had failed.
	syncs, writesAfterFailure int
	failed                    bool
	// begun is how many changes a running sync covers.
	begun map[string]int
}

func newDisk(root string) *disk {
	return &disk{root: root, names: map[string]*inode{}, durable: map[string]*inode{}, begun: map[string]int{}}
}

// step takes in a system call. When a sync is about to take effect it calls crash first.
func (d *disk) step(c systemCall, crash func()) {
	if c.name == "write" && !c.returned && strings.HasPrefix(c.path, "pipe:") {
		d.promised = append(d.promised, strings.TrimSuffix(string(c.data), "\n"))
		return
	}
	if !strings.HasPrefix(c.path, d.root+"/") && c.path != d.root {
		return
	}
	if c.name == "fdatasync" || c.name == "fsync" {
		d.sync(c, crash)
		return
	}
	if c.returned {
		d.name(c)
		return
	}
	if file := d.names[c.path]; file != nil && (c.name == "pwrite64" || c.name == "ftruncate") {
		file.pending = append(file.pending, change{offset: c.offset, data: c.data})
		if d.failed {
			d.writesAfterFailure++
		}
	}
}

// name changes names.
func (d *disk) name(c systemCall) {
	if c.failed {
		return
	}
	switch c.name {
	case "openat":
		if c.creating && d.names[c.path] == nil {
			d.names[c.path] = &inode{}
		}
	case "mkdirat":
		d.names[c.path] = &inode{}
	case "linkat":
		d.names[c.to] = d.names[c.path]
	case "renameat":
		d.names[c.to] = d.names[c.path]
		delete(d.names, c.path)
	case "unlinkat":
		delete(d.names, c.path)
	}
}

// sync makes durable what was written to a file before the sync began, or the names in a folder.
func (d *disk) sync(c systemCall, crash func()) {
	file := d.names[c.path]
	if !c.returned {
		if file != nil {
			d.begun[c.path] = len(file.pending)
		}
		return
	}
	if c.failed {
		d.failed = true
		return
	}
	crash()
	d.syncs++
	for name := range maps.Clone(d.durable) {
		if filepath.Dir(name) == c.path && d.names[name] == nil {
			delete(d.durable, name)
		}
	}
	for name, child := range d.names {
		if filepath.Dir(name) == c.path {
			d.durable[name] = child
		}
	}
	if file != nil {
		covered := d.begun[c.path]
		for _, w := range file.pending[:covered] {
			file.durable.apply(w)
		}
		file.pending = slices.Clone(file.pending[covered:])
	}
}

// image writes to path what the disk may hold under name after a loss of power now, and reports whether the name is
// there at all. Without random numbers nothing survives that was not synced.
func (d *disk) image(t *testing.T, name, path string, random *rand.Rand) bool {
	t.Helper()
	chance := func() bool { return random != nil && random.IntN(2) == 0 }
	for folder := filepath.Dir(name); folder != d.root; folder = filepath.Dir(folder) {
		if d.durable[folder] == nil && !chance() {
			return false
		}
	}
	file := d.durable[name]
	if file == nil {
		if file = d.names[name]; file == nil || !chance() {
			return false
		}
	}
	is := content{data: slices.Clone(file.durable.data), size: file.durable.size}
	if random != nil {
		scatter(&is, file.pending, random)
	}
	require.NoError(t, os.WriteFile(path, is.data, 0o600))
	require.NoError(t, os.Truncate(path, is.size))
	return true
}

// scatter applies changes in any order: each whole, not at all, or some of its sectors.
func scatter(is *content, pending []change, random *rand.Rand) {
	most := random.IntN(5) // of four changes this many survive whole
	for _, i := range random.Perm(len(pending)) {
		w := pending[i]
		switch fate := random.IntN(4); {
		case fate < most:
			is.apply(w)
		case w.data != nil && random.IntN(2) == 0:
			for at := 0; at < len(w.data); at += sector {
				if random.IntN(2) == 0 {
					is.apply(change{offset: w.offset + int64(at), data: w.data[at:min(at+sector, len(w.data))]})
				}
			}
		}
	}
}

// present takes a file that is there, and durable, into account.
func (d *disk) present(t *testing.T, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	file := &inode{durable: content{data: data, size: int64(len(data))}}
	d.names[path], d.durable[path] = file, file
}
