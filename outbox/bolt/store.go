package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"go.etcd.io/bbolt"

	"github.com/crmsyncd/crmsyncd/outbox"
)

// Options configure a Store. Only Path is required.
type Options struct {
	// Path is the file; its folder is made when it is missing.
	Path string
	// Limit is how many bytes of the file may be in use before Append refuses. 0: no limit.
	Limit int64
	// QuarantineCount and QuarantineBytes bound the quarantine. 0: 10,000 bodies, 64 MiB.
	QuarantineCount, QuarantineBytes int64
	// MaxStarts is how many deliveries of an entry may begin without being settled before Claim parks it. 0: 10.
	MaxStarts int
	// MaxWaiting is how many operations may wait for the committer before Append answers ErrBusy. 0: 8,192.
	MaxWaiting int
	// LockTimeout is how long Open waits for another process to let go of the file. 0: 3 s.
	LockTimeout time.Duration
	// Now is the clock; nil: an outbox.Clock that begins not before the last commit. Store.Now is for whoever works with
	// the store's times.
	Now func() time.Time
	// Logger gets the few things that an operator must know; nil: nothing is logged.
	Logger *slog.Logger
	// Committed is called after each commit with its duration and the number of operations in it; nil: not.
	Committed func(took time.Duration, operations int)
	// Parked is called after the commit for each entry that Claim could not hand out, with the reason: outbox.ReasonCrashed
	// or outbox.ReasonDamaged. nil: not.
	Parked func(reason string)
}

func (o Options) withDefaults() Options {
	set := func(n *int64, value int64) {
		if *n == 0 {
			*n = value
		}
	}
	set(&o.QuarantineCount, 10_000)
	set(&o.QuarantineBytes, 64<<20)
	set((*int64)(&o.LockTimeout), int64(3*time.Second))
	if o.MaxStarts == 0 {
		o.MaxStarts = 10
	}
	if o.MaxWaiting == 0 {
		o.MaxWaiting = 8192
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Committed == nil {
		o.Committed = func(time.Duration, int) {}
	}
	if o.Parked == nil {
		o.Parked = func(string) {}
	}
	return o
}

// Store is an outbox in one bbolt file. It is safe for concurrent use; one process at a time can have the file open.
type Store struct {
	options Options
	db      *bbolt.DB

	// operations is what the committer takes from; closing asks it to stop, stopped says that it has.
	operations chan *operation
	closing    chan struct{}
	stopped    chan struct{}
	closeOnce  sync.Once
	closeError error

	// failed is closed, after failure is set, when the disk has failed.
	failed  chan struct{}
	failure error

	// mu guards what is known in memory only. The committer alone changes it, after a commit.
	mu      sync.Mutex
	claims  map[entryID]claim
	figures figures
	// tail is what of the journal is not folded yet.
	tail tail
	// reserved says that the reserve is there, reserveTried when that changed or was last tried. They are the
	// committer's own.
	reserved     bool
	reserveTried time.Time
	// uncommitted says that figures counted something that no commit has saved yet.
	uncommitted bool
	used        int64
	changed     chan struct{}
}

var _ outbox.Store = (*Store)(nil)

// claim is an entry in flight.
type claim struct {
	// since is the entry's Since.
	since int64
}

// Open opens the store at options.Path, making it when the file is missing. A file that is there but is empty, cut
// short, damaged in both meta pages, foreign or newer than this program is refused and left as it is; the error says
// what to do. It starts the committer: Close the store.
func Open(options Options) (*Store, error) {
	o := options.withDefaults()
	if err := prepare(o.Path); err != nil {
		return nil, err
	}
	db, err := openFile(o.Path, o.LockTimeout)
	if err != nil {
		return nil, err
	}
	s := &Store{
		options:    o,
		db:         db,
		operations: make(chan *operation, o.MaxWaiting),
		closing:    make(chan struct{}),
		stopped:    make(chan struct{}),
		failed:     make(chan struct{}),
		claims:     map[entryID]claim{},
		tail:       newTail(),
		changed:    make(chan struct{}),
	}
	if err := guarded(s.load); err != nil {
		if errors.Is(err, outbox.ErrCorrupt) {
			err = fmt.Errorf("%w; %s", err, advice)
		}
		return nil, errors.Join(fmt.Errorf("open outbox %s: %w", o.Path, err), db.Close())
	}
	go s.commitLoop()
	return s, nil
}

// ours returns the format of a file, or why it is not an outbox of a format that this program knows.
func ours(tx *bbolt.Tx) (format byte, err error) {
	if meta := tx.Bucket(metaBucket); meta != nil {
		version := meta.Get(formatKey)
		if len(version) != 1 || version[0] < 1 || version[0] > formatVersion {
			return 0, fmt.Errorf("its format is %v, this program knows 1 to %d: use a newer crmsyncd", version, formatVersion)
		}
		format = version[0]
	}
	for _, name := range allBuckets {
		lacks := format == 1 && slices.ContainsFunc(sinceFormat2, func(b []byte) bool { return bytes.Equal(b, name) })
		if tx.Bucket(name) == nil && !lacks {
			return 0, fmt.Errorf("it is not an outbox of this program (no bucket %q); check outbox.path", name)
		}
	}
	return format, nil
}

// load checks that the file is ours and reads the figures and the tail of the journal.
func (s *Store) load() error {
	if err := s.upgrade(); err != nil {
		return err
	}
	var newest int64
	err := s.db.View(func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{entriesBucket, rejectedBucket, journalBucket} {
			if err := checkSequence(tx, name); err != nil {
				return err
			}
		}
		s.reserved = tx.Bucket(reserveBucket).Get(reserveKey) != nil
		figures, err := loadFigures(tx)
		s.figures = figures
		s.tail, newest = readTail(tx, figures.folded, func(fault error) {
			s.figures.damaged++
			s.options.Logger.Error("a message of the outbox is damaged and was left where it is", slog.Any("err", fault))
		})
		return err
	})
	if err != nil {
		return err
	}
	if s.options.Now == nil {
		s.options.Now = outbox.NewClock(fromStored(max(s.figures.at, newest))).Now
	}
	// bbolt counts its free pages at the end of a write transaction only.
	tx, err := s.db.Begin(true)
	if err != nil {
		return err
	}
	if err := tx.Rollback(); err != nil {
		return err
	}
	s.keepReserve(time.Now())
	s.used = s.measureUsed()
	if err := s.Err(); errors.Is(err, outbox.ErrFailed) {
		return err
	}
	return nil
}

// upgrade brings a file of an older format to that of this program, in one transaction.
func (s *Store) upgrade() error {
	var format byte
	err := s.db.View(func(tx *bbolt.Tx) (err error) {
		format, err = ours(tx)
		return err
	})
	if err != nil || format == formatVersion {
		return err
	}
	err = s.db.Update(func(tx *bbolt.Tx) error {
		for _, name := range sinceFormat2 {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		return tx.Bucket(metaBucket).Put(formatKey, []byte{formatVersion})
	})
	if err != nil {
		return fmt.Errorf("upgrade its format from %d to %d: %w", format, formatVersion, err)
	}
	s.options.Logger.Info("the outbox was brought to a newer format, older programs cannot open it any more",
		slog.Int("from", int(format)), slog.Int("to", formatVersion))
	return nil
}

// measureUsed returns how many bytes of the file hold something, the reserve apart.
func (s *Store) measureUsed() int64 {
	stats := s.db.Stats()
	var size int64
	_ = s.db.View(func(tx *bbolt.Tx) error {
		size = tx.Size()
		return nil
	})
	if s.reserved {
		size -= reserveBytes
	}
	return size - int64(stats.FreePageN+stats.PendingPageN)*int64(s.db.Info().PageSize)
}

// Now returns the store's time.
func (s *Store) Now() time.Time { return s.options.Now() }

// Failed is closed when the disk has failed to make a change durable. Err then says why; nothing more is taken.
func (s *Store) Failed() <-chan struct{} { return s.failed }

// Err returns why the store takes no more messages: a failed disk, a closed store, a full one; nil when it takes them.
func (s *Store) Err() error {
	select {
	case <-s.failed:
		return s.failure
	case <-s.closing:
		return outbox.ErrClosed
	default:
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.options.Limit > 0 && s.used >= s.options.Limit {
		return outbox.ErrFull
	}
	return nil
}

// Changed returns a channel that is closed at the next commit that changed anything.
func (s *Store) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

// Close finishes the operations that are waiting and closes the file. Later calls return the first one's error.
func (s *Store) Close() error {
	s.closeOnce.Do(func() {
		close(s.closing)
		<-s.stopped
		s.closeError = s.db.Close()
	})
	return s.closeError
}

// view runs a read transaction, unless the store is closed or ctx has ended.
func (s *Store) view(ctx context.Context, read func(tx *bbolt.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case <-s.closing:
		return outbox.ErrClosed
	default:
	}
	err := guarded(func() error { return s.db.View(read) })
	if errors.Is(err, bbolt.ErrDatabaseNotOpen) { //nolint:staticcheck // the name in bbolt/errors is the same value
		return outbox.ErrClosed
	}
	return err
}
