package main

import "os"

// steadyBytes is how much of a file is written before it is synced.
const steadyBytes = 1 << 20

// steadyFile writes to a file and syncs it every now and then. What is written and not synced goes to the disk with the
// next sync of any file of the file system (ext4 commits its journal as a whole), so an event would wait for its
// acknowledgement until all of a large copy is written.
type steadyFile struct {
	*os.File

	dirty int
}

// Write writes p.
func (f *steadyFile) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	if f.dirty += n; err == nil && f.dirty >= steadyBytes {
		f.dirty = 0
		err = f.Sync()
	}
	return n, err
}
