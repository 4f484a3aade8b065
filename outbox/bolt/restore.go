package bolt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"

	"github.com/crmsyncd/crmsyncd/outbox"
)

// ErrInUse means that the file is locked: a daemon runs on it, or another command works with it. Test for it with
// errors.Is.
var ErrInUse = errors.New("another process has it open")

// Contents is what the file of a store says that it holds.
type Contents struct {
	// States is how many entries are in each state. In a file nothing is in flight: such an entry is pending.
	States map[outbox.State]int64
	// Messages is how many messages were ever appended, Rejected how many bodies are in quarantine.
	Messages uint64
	Rejected int64
	// FileBytes is the size of the file.
	FileBytes int64
}

// ReadContents returns what a file that no store has open says that it holds, without verifying it: Verify does. A file
// that is foreign, newer than this program, empty or cut short is refused. ErrInUse after a second.
func ReadContents(path string) (c Contents, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("%w: %v", outbox.ErrCorrupt, fault)
		}
		if err != nil {
			err = fmt.Errorf("read outbox %s: %w", path, err)
		}
	}()
	if err := inspect(path); err != nil {
		return Contents{}, err
	}
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true, Timeout: time.Second})
	if errors.Is(err, bbolterrors.ErrTimeout) {
		return Contents{}, ErrInUse
	}
	if err != nil {
		return Contents{}, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	info, err := os.Stat(path)
	if err != nil {
		return Contents{}, err
	}
	c.FileBytes = info.Size()
	return c, db.View(c.read)
}

// read fills in what a transaction sees.
func (c *Contents) read(tx *bbolt.Tx) error {
	if _, err := ours(tx); err != nil {
		return err
	}
	f, err := loadFigures(tx)
	if err != nil {
		return err
	}
	unfolded, _ := readTail(tx, f.folded, func(error) {}) // Verify names what is damaged
	unfolded.count(&f)
	c.States = map[outbox.State]int64{
		outbox.Pending: f.pending, outbox.Delivered: f.delivered, outbox.Parked: f.parked,
	}
	c.Messages, c.Rejected = f.messages, f.rejected
	return nil
}

// RestoreOptions say what Restore shall do. From and Path are required.
type RestoreOptions struct {
	// From is the backup, Path the file of the store that it becomes.
	From, Path string
	// Replace lets the backup take the place of an existing file, which is kept under another name. Without it an
	// existing file is an error that matches fs.ErrExist.
	Replace bool
	// LockTimeout is how long another process may take to let go of an existing file. 0: 3 s.
	LockTimeout time.Duration
	// Verify verifies the copy before it is used; nil: every fault that the function Verify finds is an error. A caller
	// who must survive any damage verifies in a child process, see Compact.
	Verify func(ctx context.Context, path string) error
	// Now is the clock for the name of the file that is replaced; nil: time.Now.
	Now func() time.Time
	// Progress is told how many bytes are copied, and of how many; nil: nobody is.
	Progress func(done, total int64)
}

func (o RestoreOptions) withDefaults() RestoreOptions {
	if o.LockTimeout == 0 {
		o.LockTimeout = 3 * time.Second
	}
	if o.Verify == nil {
		o.Verify = verifySound
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Progress == nil {
		o.Progress = func(int64, int64) {}
	}
	return o
}

// Restored is what Restore has done.
type Restored struct {
	// Previous is where the file is now that was there before, empty without one.
	Previous string
	Contents Contents
}

// Restore puts a verified copy of a backup in the place of a store that is not open. Until the copy is whole, sound and
// durable nothing is changed, and at no moment is there no file or half of one; an error leaves everything as it was.
// ErrInUse: a process has the store, or the backup, open. The backup itself is only read.
func Restore(ctx context.Context, options RestoreOptions) (r Restored, err error) {
	o := options.withDefaults()
	path, err := resolved(o.Path)
	if err != nil {
		return r, fmt.Errorf("restore outbox: %w", err)
	}
	fail := func(err error) (Restored, error) {
		return Restored{}, fmt.Errorf("restore outbox %s from %s: %w", o.Path, o.From, err)
	}
	existing, err := o.claim(ctx, path)
	if err != nil {
		return fail(err)
	}
	if existing != nil {
		defer func() { _ = existing.Close() }() // which lets go of the lock
	}
	aside, err := o.copyAside(ctx, path)
	if err != nil {
		return fail(err)
	}
	defer func() { _ = os.Remove(aside) }() // gone already after a rename
	if err := o.Verify(ctx, aside); err != nil {
		return fail(err)
	}
	if r.Contents, err = ReadContents(aside); err != nil {
		return fail(err)
	}
	if err := ctx.Err(); err != nil {
		return fail(err)
	}
	if r.Previous, err = o.put(aside, path, existing != nil); err != nil {
		return fail(err)
	}
	return r, nil
}

// claim locks the existing file and returns it, nil when there is none. The lock lasts until the file is closed.
func (o RestoreOptions) claim(ctx context.Context, path string) (*os.File, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, makeFolder(filepath.Dir(path))
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, errors.New("the outbox is not a file")
	}
	if from, err := os.Stat(o.From); err == nil && os.SameFile(from, info) {
		return nil, errors.New("they are the same file")
	}
	existing, err := lockFile(ctx, path, syscall.LOCK_EX, o.LockTimeout)
	if err != nil {
		return nil, err
	}
	if locked, err := existing.Stat(); err != nil || !os.SameFile(locked, info) {
		// Somebody has just put another file in its place.
		return nil, errors.Join(ErrInUse, err, existing.Close())
	}
	if !o.Replace {
		return nil, errors.Join(fmt.Errorf("the outbox %w", os.ErrExist), existing.Close())
	}
	return existing, nil
}

// copyAside copies the backup into a durable file beside path and returns its name.
func (o RestoreOptions) copyAside(ctx context.Context, path string) (name string, err error) {
	if err := inspect(o.From); err != nil {
		return "", err
	}
	// The file of a running store changes while it is copied.
	from, err := lockFile(ctx, o.From, syscall.LOCK_SH, 0)
	if err != nil {
		return "", fmt.Errorf("the backup: %w", err)
	}
	defer func() { _ = from.Close() }()
	info, err := from.Stat()
	if err != nil {
		return "", err
	}
	aside, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".restore-*")
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(aside.Name()))
		}
	}()
	done := int64(0)
	counted := writerFunc(func(p []byte) (int, error) {
		n, err := aside.Write(p)
		done += int64(n)
		o.Progress(done, info.Size())
		return n, err
	})
	_, err = io.CopyBuffer(cancelable{ctx, counted}, io.LimitReader(from, info.Size()), make([]byte, 1<<20))
	if err = errors.Join(err, aside.Sync(), aside.Close()); err != nil {
		return "", err
	}
	return aside.Name(), nil
}

// writerFunc is a function that writes.
type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// put gives the copy its name. An existing file gets a second name first, so that there is a whole file at any moment.
func (o RestoreOptions) put(aside, path string, exists bool) (previous string, err error) {
	folder := filepath.Dir(path)
	if !exists {
		if err := adopt(aside, folder); err != nil {
			return "", err
		}
		// A link instead of a rename: a file that was made meanwhile stays.
		return "", errors.Join(os.Link(aside, path), syncFolder(folder))
	}
	if err := adopt(aside, path); err != nil {
		return "", err
	}
	previous = path + ".replaced-" + o.Now().UTC().Format("20060102T150405Z")
	if err := os.Link(path, previous); err != nil {
		return "", fmt.Errorf("keep the old file: %w", err)
	}
	if err := syncFolder(folder); err != nil {
		return "", errors.Join(err, os.Remove(previous))
	}
	if err := os.Rename(aside, path); err != nil {
		return "", errors.Join(err, os.Remove(previous))
	}
	return previous, syncFolder(folder)
}

// resolved returns the file that a path leads to: a rename must not take the place of a link to it. A path that leads
// nowhere is returned as it is.
func resolved(path string) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	if errors.Is(err, os.ErrNotExist) {
		return path, nil
	}
	return real, err
}

// lockRetry is how long lockFile waits between two tries.
const lockRetry = 20 * time.Millisecond

// lockFile opens a file for reading and takes the lock that bbolt takes, shared or exclusive. ErrInUse after the
// timeout.
func lockFile(ctx context.Context, path string, how int, timeout time.Duration) (*os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	retry := time.NewTicker(lockRetry)
	defer retry.Stop()
	for waited := time.Duration(0); ; waited += lockRetry {
		err = syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errors.Join(&os.PathError{Op: "lock", Path: path, Err: err}, f.Close())
		}
		if waited >= timeout {
			return nil, errors.Join(ErrInUse, f.Close())
		}
		select {
		case <-retry.C:
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), f.Close())
		}
	}
}
