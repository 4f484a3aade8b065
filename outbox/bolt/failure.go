package bolt

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"syscall"

	"github.com/crmsyncd/crmsyncd/outbox"
)

// judge tells a full disk, after which the store goes on, from a failure after which nobody knows what the disk holds.
func (s *Store) judge(err error) error {
	if outOfSpace(err) {
		return fmt.Errorf("%w: %w", outbox.ErrFull, err)
	}
	select {
	case <-s.failed:
		return s.failure
	default:
	}
	s.failure = fmt.Errorf("%w: %s: %w", outbox.ErrFailed, s.options.Path, err)
	s.options.Logger.Error("the outbox cannot write: it takes no more events, restart after checking the disk",
		slog.Any("err", err))
	close(s.failed)
	return s.failure
}

// outOfSpace reports whether there was no room for a write or for a larger file, which leaves what was committed as it
// is. A failed sync is never that, whatever its number: nobody knows what the disk has kept. bbolt returns the error of a
// write as it came, a bare number from a sync, and of an error from growing the file only the text.
func outOfSpace(err error) bool {
	write, ok := errors.AsType[*fs.PathError](err)
	growth := strings.Contains(err.Error(), "file resize error")
	for _, full := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG} {
		if (ok && errors.Is(write, full)) || (growth && strings.Contains(err.Error(), full.Error())) {
			return true
		}
	}
	return false
}
