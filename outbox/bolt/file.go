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
	if err := os.MkdirAll(folder, 0o750); err != nil {
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

// openFile opens an inspected file. bbolt panics on some kinds of damage, which becomes an error here.
func openFile(path string, lockTimeout time.Duration) (db *bbolt.DB, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("open outbox %s: %w: %v; restore a backup, or move the file away to start anew", path,
				outbox.ErrCorrupt, fault)
		}
	}()
	db, err = bbolt.Open(path, 0o600, &bbolt.Options{
		Timeout:         lockTimeout,
		FreelistType:    bbolt.FreelistMapType,
		InitialMmapSize: mapBytes,
	})
	switch {
	case errors.Is(err, bbolt.ErrTimeout): //nolint:staticcheck // the name in bbolt/errors is the same value
		return nil, fmt.Errorf("open outbox %s: another process has it open; stop that one first", path)
	case err != nil:
		return nil, fmt.Errorf("open outbox %s: %w", path, err)
	}
	return db, nil
}
