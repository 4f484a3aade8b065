package bolt

import (
	"errors"
	"log/slog"
	"path/filepath"
	"syscall"
	"time"

	"go.etcd.io/bbolt"

	"github.com/crmsyncd/crmsyncd/outbox"
)

// The reserve is room in the file that is given up when the disk is full: what was acknowledged into the journal takes
// more room once it is folded, and must be delivered even then. As long as there is no reserve nothing is left unfolded.
const (
	reserveBytes = 1 << 20
	// maxTailCost bounds what folding the tail may take, as cost has it. The rest of the reserve is for the pages that
	// are written anew on the way.
	maxTailCost = reserveBytes / 2
	// reserveShare is how many times the reserve must be free on the disk before it is made.
	reserveShare = 8
	// reserveRest is how long the store waits before it tries to make the reserve again.
	reserveRest = 30 * time.Second
)

var reserveKey = []byte("reserve")

// cost is about how many bytes folding the message adds to the file, at the most.
func (m *journaled) cost() int {
	const record, term = 512, 64
	n := record + 4*len(m.key)
	for _, t := range m.terms {
		n += term + 3*len(t)
	}
	return n
}

// keepReserve makes the reserve when it is missing, the disk has plenty of room, and the last try is a while ago.
func (s *Store) keepReserve(now time.Time) {
	select {
	case <-s.failed:
		return // not another byte to a disk that has failed
	default:
	}
	if s.reserved || now.Sub(s.reserveTried) < reserveRest {
		return
	}
	s.reserveTried = now
	var disk syscall.Statfs_t
	if syscall.Statfs(filepath.Dir(s.options.Path), &disk) != nil || disk.Bavail*uint64(disk.Bsize) < reserveShare*reserveBytes {
		return
	}
	s.changeReserve(true, func(b *bbolt.Bucket) error {
		if b.Get(reserveKey) != nil {
			return nil
		}
		return b.Put(reserveKey, make([]byte, reserveBytes))
	})
}

// giveUpReserve makes the room of the reserve free and reports whether there was one.
func (s *Store) giveUpReserve() bool {
	if !s.reserved {
		return false
	}
	s.options.Logger.Warn("the disk is full: the outbox uses its reserve to deliver what it holds",
		slog.String("path", s.options.Path))
	return s.changeReserve(false, func(b *bbolt.Bucket) error { return b.Delete(reserveKey) })
}

// changeReserve commits a change of the reserve and reports whether that went well. Without room for it nothing changes;
// another failure is one of the disk.
func (s *Store) changeReserve(present bool, change func(*bbolt.Bucket) error) bool {
	err := guarded(func() error {
		return s.db.Update(func(tx *bbolt.Tx) error { return change(tx.Bucket(reserveBucket)) })
	})
	if err != nil {
		if err = s.judge(err); !errors.Is(err, outbox.ErrFull) {
			s.options.Logger.Error("the reserve of the outbox could not be changed", slog.Any("err", err))
		}
		return false
	}
	s.reserved = present
	s.reserveTried = time.Now()
	return true
}
