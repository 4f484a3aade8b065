package bolt

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"

	"github.com/crmsyncd/crmsyncd/outbox"
)

// prepare makes the folder and, aside and renamed when it is whole, a new file; an existing file is inspected.
func prepare(path string) error {
	_, err := os.Stat(path)
	switch {
	case err == nil:
		if err := inspect(path); err != nil {
			return fmt.Errorf("open outbox %s: %w", path, err)
		}
		return nil
	case !errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("open outbox: %w", err)
	}
	if err := create(path); err != nil {
		return fmt.Errorf("create outbox %s: %w", path, err)
	}
	return nil
}

// create makes a new store under another name, syncs it and puts it in its place. A crash in between leaves no file
// under path, never half of one: the very first initialisation is the one moment that bbolt does not protect.
func create(path string) error {
	folder := filepath.Dir(path)
	if err := makeFolder(folder); err != nil {
		return err
	}
	aside, err := os.CreateTemp(folder, "."+filepath.Base(path)+".new-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(aside.Name()) }()
	if err := aside.Close(); err != nil {
		return err
	}
	db, err := bbolt.Open(aside.Name(), 0o600, &bbolt.Options{Timeout: time.Second, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, name := range allBuckets {
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		return tx.Bucket(metaBucket).Put(formatKey, []byte{formatVersion})
	})
	if err := errors.Join(err, db.Sync(), db.Close()); err != nil {
		return err
	}
	// A link instead of a rename: when another process has made the file meanwhile, its file stays.
	if err := os.Link(aside.Name(), path); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return syncFolder(folder)
}

// makeFolder makes a folder, and those that it is in, unless it is there. Their names are durable when it returns.
func makeFolder(folder string) error {
	if _, err := os.Stat(folder); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	parent := filepath.Dir(folder)
	if err := makeFolder(parent); err != nil {
		return err
	}
	if err := os.Mkdir(folder, 0o750); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return syncFolder(parent)
}

// syncFolder makes a new name in a folder durable.
func syncFolder(folder string) error {
	f, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// mapBytes is the size of the memory map to begin with: address space, not memory. bbolt must wait for all readers when
// it has to map again, and then so does the acknowledgement of a call.
const mapBytes = 16 << 30

// openFile opens an inspected file and locks it. Whoever held it before may have put another one in its place (Compact
// and Restore do): then the lock is on a file that no longer has the name, and the one that has it is opened instead.
func openFile(path string, lockTimeout time.Duration) (*bbolt.DB, error) {
	for {
		db, opened, err := openLocked(path, lockTimeout)
		if err != nil {
			return nil, err
		}
		is, err := opened.Stat()
		if err != nil {
			return nil, errors.Join(fmt.Errorf("open outbox: %w", err), db.Close())
		}
		named, err := os.Stat(path)
		switch {
		case err != nil:
			return nil, errors.Join(fmt.Errorf("open outbox: %w", err), db.Close())
		case os.SameFile(is, named):
			return db, nil
		}
		if err := db.Close(); err != nil {
			return nil, fmt.Errorf("open outbox %s: %w", path, err)
		}
	}
}

// openLocked opens and locks a file that is there.
func openLocked(path string, lockTimeout time.Duration) (db *bbolt.DB, opened *os.File, err error) {
	db, opened, err = openGuarded(path, bbolt.Options{
		Timeout: lockTimeout, FreelistType: bbolt.FreelistMapType, InitialMmapSize: mapBytes,
	})
	switch {
	case errors.Is(err, bbolt.ErrTimeout): //nolint:staticcheck // the name in bbolt/errors is the same value
		return nil, nil, fmt.Errorf("open outbox %s: %w; stop that one first", path, ErrInUse)
	case errors.Is(err, outbox.ErrCorrupt):
		return nil, nil, fmt.Errorf("open outbox %s: %w; %s", path, err, advice)
	case err != nil:
		return nil, nil, fmt.Errorf("open outbox %s: %w", path, err)
	}
	return db, opened, nil
}
