package bolt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"syscall"

	"go.etcd.io/bbolt"

	"github.com/crmsyncd/crmsyncd/outbox"
)

// guarded runs f, which reads pages, and returns as ErrCorrupt what bbolt does on a damaged one: it panics, or follows
// a wrong offset to where the memory map ends. A fault in a goroutine that bbolt starts itself cannot be caught.
func guarded(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("%w: a page of the file: %v", outbox.ErrCorrupt, fault)
		}
	}()
	return f()
}

// openGuarded opens a file that is there. One that bbolt cannot read is closed again, so that its lock is free.
func openGuarded(path string, options bbolt.Options) (db *bbolt.DB, opened *os.File, err error) {
	options.OpenFile = func(name string, flag int, mode os.FileMode) (*os.File, error) {
		var err error
		opened, err = os.OpenFile(name, flag&^os.O_CREATE, mode)
		return opened, err
	}
	err = guarded(func() error {
		db, err = bbolt.Open(path, 0o600, &options)
		return err
	})
	if errors.Is(err, outbox.ErrCorrupt) {
		// bbolt has panicked and leaves its map behind, which would keep the lock beyond Close.
		err = errors.Join(err, syscall.Flock(int(opened.Fd()), syscall.LOCK_UN), opened.Close())
	}
	return db, opened, err
}

// readable reads every page of every bucket, from its beginning to its end and down to each key, and reports the
// buckets in which that is not possible. Where it is, bbolt's own check can follow without a fault.
func readable(tx *bbolt.Tx, report func(fault string)) (whole bool) {
	whole = true
	note := func(what string, err error) {
		if err != nil {
			report(fmt.Sprintf("%s: %v", what, err))
			whole = false
		}
	}
	note("list of buckets", guarded(func() error {
		return readKeys(tx.Cursor, func(name, value []byte) bool {
			return value == nil && slices.ContainsFunc(allBuckets, func(b []byte) bool { return bytes.Equal(b, name) })
		})
	}))
	for _, name := range allBuckets {
		note(fmt.Sprintf("bucket %q", name), guarded(func() error {
			b := tx.Bucket(name)
			if b == nil {
				return nil // not this function's concern
			}
			return readKeys(b.Cursor, func(_, value []byte) bool { return value != nil }) // nil: a bucket in the bucket
		}))
	}
	return whole
}

// readKeys goes along the keys of a bucket and down to each.
func readKeys(cursor func() *bbolt.Cursor, allowed func(key, value []byte) bool) error {
	var before []byte
	along, down := cursor(), cursor()
	for key, value := along.First(); key != nil; key, value = along.Next() {
		found, _ := down.Seek(key)
		if !bytes.Equal(found, key) || (before != nil && bytes.Compare(before, key) >= 0) || !allowed(key, value) {
			return fmt.Errorf("%w: its keys are not in order", outbox.ErrCorrupt)
		}
		before = key
	}
	return nil
}

// checkSequence returns an error when a bucket would give out an id again that is in use: two keys would share it.
func checkSequence(tx *bbolt.Tx, name []byte) error {
	b := tx.Bucket(name)
	if b == nil { // a file of format 1
		return nil
	}
	last, _ := b.Cursor().Last()
	if len(last) == idSize && binary.BigEndian.Uint64(last) > b.Sequence() {
		return fmt.Errorf("%w: bucket %q has the id %x, its counter stands at %x", outbox.ErrCorrupt, name, last,
			b.Sequence())
	}
	return nil
}

// shortKeys writes the keys in the findings of bbolt's check. On a damaged page a key may claim to be longer than the
// file: only its beginning is read.
type shortKeys struct{}

func (shortKeys) KeyToString(key []byte) string { return fmt.Sprintf("%x", key[:min(len(key), 32)]) }

func (shortKeys) ValueToString(value []byte) string { return fmt.Sprintf("%d bytes", len(value)) }
