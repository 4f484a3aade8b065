package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"go.etcd.io/bbolt"

	"github.com/crmsyncd/crmsyncd/outbox"
)

// CompactOptions say what Compact shall do. Path is required.
type CompactOptions struct {
	// Path is the file of the store.
	Path string
	// LockTimeout is how long another process may take to let go of the file. 0: 3 s.
	LockTimeout time.Duration
	// Verify verifies the file before it is touched, and the copy before it takes its place; nil: every fault that the
	// function Verify finds is an error. A damaged file can end the process with a fault that cannot be caught: a caller
	// who must survive that verifies in a child process.
	Verify func(ctx context.Context, path string) error
	// Progress is told how many bytes are copied, and of about how many; nil: nobody is.
	Progress func(done, total int64)
}

func (o CompactOptions) withDefaults() CompactOptions {
	if o.LockTimeout == 0 {
		o.LockTimeout = 3 * time.Second
	}
	if o.Verify == nil {
		o.Verify = verifySound
	}
	if o.Progress == nil {
		o.Progress = func(int64, int64) {}
	}
	return o
}

// Compacted is what Compact has done: the size of the file in bytes, before and after.
type Compacted struct {
	Before, After int64
}

// Compact copies a store that is not open into a new file without free pages and puts it in the place of the old one.
// The old file stays as it is until the new one is whole, verified, equal record by record, and durable; an error or
// the end of ctx leaves it, and nothing else. It needs as much free disk as the records take. ErrInUse: a process has the
// store open.
func Compact(ctx context.Context, options CompactOptions) (c Compacted, err error) {
	o := options.withDefaults()
	defer func() {
		if err != nil {
			c, err = Compacted{}, fmt.Errorf("compact outbox %s: %w", o.Path, err)
		}
	}()
	path, err := filepath.EvalSymlinks(o.Path)
	if err != nil {
		return c, err
	}
	if _, err := ReadContents(path); err != nil {
		return c, err
	}
	if err := o.Verify(ctx, path); err != nil {
		return c, err
	}
	// This lock is exclusive, and held until the new file is in place: nobody can change the old one after it is copied.
	source, err := openFile(path, o.LockTimeout)
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	if err := removeStale(path); err != nil {
		return c, err
	}
	if c.Before, err = fileSize(path); err != nil {
		return c, err
	}
	aside, err := o.copyAside(ctx, source, path)
	if err != nil {
		return c, err
	}
	defer func() { _ = os.Remove(aside) }() // gone already after the rename
	if err := errors.Join(o.Verify(ctx, aside), adopt(aside, path), ctx.Err()); err != nil {
		return c, err
	}
	if c.After, err = fileSize(aside); err != nil {
		return c, err
	}
	if err := os.Rename(aside, path); err != nil {
		return c, err
	}
	return c, syncFolder(filepath.Dir(path))
}

// fileSize returns the size of a file in bytes.
func fileSize(path string) (int64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// compactPrefix is what the names of copies begin with that Compact makes beside a file.
func compactPrefix(path string) string { return "." + filepath.Base(path) + ".compact-" }

// removeStale removes the copies that a killed Compact has left. Who holds the lock knows that nobody is making one.
func removeStale(path string) error {
	folder := filepath.Dir(path)
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), compactPrefix(path)) {
			err = errors.Join(err, os.Remove(filepath.Join(folder, entry.Name())))
		}
	}
	return err
}

// copyAside copies all records into a durable file beside path and returns its name.
func (o CompactOptions) copyAside(ctx context.Context, source *bbolt.DB, path string) (name string, err error) {
	aside, err := os.CreateTemp(filepath.Dir(path), compactPrefix(path)+"*")
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(aside.Name()))
		}
	}()
	if err := aside.Close(); err != nil {
		return "", err
	}
	target, err := bbolt.Open(aside.Name(), 0o600, &bbolt.Options{
		Timeout: time.Second, FreelistType: bbolt.FreelistMapType, PageSize: source.Info().PageSize,
		NoSync: true, NoGrowSync: true, // it is synced once, when it is whole
	})
	if err != nil {
		return "", err
	}
	if err := errors.Join(o.copyRecords(ctx, source, target), target.Close()); err != nil {
		return "", err
	}
	return aside.Name(), trim(aside.Name())
}

// copyRecords copies all records and compares them.
func (o CompactOptions) copyRecords(ctx context.Context, source, target *bbolt.DB) error {
	// bbolt counts its free pages at the end of a write transaction only.
	tx, err := source.Begin(true)
	if err != nil {
		return err
	}
	used := tx.Size()
	if err := tx.Rollback(); err != nil {
		return err
	}
	used -= int64(source.Stats().FreePageN) * int64(source.Info().PageSize)
	return source.View(func(from *bbolt.Tx) error {
		c := copying{ctx: ctx, to: target, total: used, progress: o.Progress}
		if err := from.ForEach(c.bucket); err != nil {
			return err
		}
		// bbolt falls back to the transaction before the last one when a meta page is damaged: that must be whole, too.
		if err := target.Update(func(*bbolt.Tx) error { return nil }); err != nil {
			return err
		}
		return target.View(func(to *bbolt.Tx) error { return equal(ctx, from, to) })
	})
}

// trim cuts off what bbolt has allocated behind the last page and syncs the file.
func trim(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	need, err := neededSize(f)
	if err == nil {
		err = f.Truncate(need)
	}
	return errors.Join(err, f.Sync(), f.Close())
}

// copying is a copy of all records on its way.
type copying struct {
	ctx         context.Context //nolint:containedctx // it lives as long as one copyAside
	to          *bbolt.DB
	done, total int64
	progress    func(done, total int64)
}

const (
	// copyBatch is how many bytes of records a transaction of the copy holds: they are in memory until its commit.
	copyBatch = 8 << 20
	// leafBytes is what a record takes in a page besides its key and value.
	leafBytes = 16
)

// bucket copies the records of a bucket in their order, in transactions of bounded size.
func (c *copying) bucket(name []byte, from *bbolt.Bucket) error {
	cursor := from.Cursor()
	key, value := cursor.First()
	for more := true; more; more = key != nil {
		err := c.to.Update(func(tx *bbolt.Tx) error {
			to, err := tx.CreateBucketIfNotExists(name)
			if err != nil {
				return err
			}
			to.FillPercent = 1
			for batch := 0; key != nil && batch < copyBatch; key, value = cursor.Next() {
				if value == nil {
					return fmt.Errorf("it is not an outbox of this program: bucket %q holds a bucket", name)
				}
				if err := errors.Join(c.ctx.Err(), to.Put(key, value)); err != nil {
					return err
				}
				batch += leafBytes + len(key) + len(value)
				c.done += int64(leafBytes + len(key) + len(value))
			}
			return to.SetSequence(from.Sequence())
		})
		if err != nil {
			return err
		}
		c.progress(min(c.done, c.total), c.total)
	}
	return nil
}

// equal returns an error unless two files hold the same records.
func equal(ctx context.Context, a, b *bbolt.Tx) error {
	return a.ForEach(func(name []byte, from *bbolt.Bucket) error {
		copied := b.Bucket(name)
		if copied == nil || copied.Sequence() != from.Sequence() {
			return fmt.Errorf("%w: the copy of bucket %q is not like it", outbox.ErrCorrupt, name)
		}
		is, want := copied.Cursor(), from.Cursor()
		key, value := want.First()
		copiedKey, copiedValue := is.First()
		for key != nil || copiedKey != nil {
			if !bytes.Equal(key, copiedKey) || !bytes.Equal(value, copiedValue) {
				return fmt.Errorf("%w: the copy of record %x in bucket %q is not like it", outbox.ErrCorrupt, key, name)
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			key, value = want.Next()
			copiedKey, copiedValue = is.Next()
		}
		return nil
	})
}

// adopt gives a new file the permissions of the one that it replaces and its owner, or that of its folder: a file that
// root has made would be of no use to the daemon. Only root can and need change the owner.
func adopt(path, like string) error {
	info, err := os.Stat(like)
	if err != nil {
		return err
	}
	if info.Mode().IsRegular() {
		if err := os.Chmod(path, info.Mode().Perm()); err != nil {
			return err
		}
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 {
		return nil
	}
	return os.Chown(path, int(owner.Uid), int(owner.Gid))
}

// verifySound makes every fault that Verify finds an error.
func verifySound(ctx context.Context, path string) error {
	faults, first := 0, ""
	err := Verify(ctx, path, func(fault string) {
		if faults++; faults == 1 {
			first = fault
		}
	})
	if err == nil && faults > 0 {
		return fmt.Errorf("%w: faults found: %d, the first: %s", outbox.ErrCorrupt, faults, first)
	}
	return err
}
