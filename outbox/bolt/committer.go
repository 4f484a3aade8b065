package bolt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/crmsyncd/crmsyncd/outbox"
)

// maxGroup bounds how many operations share a commit: beyond that a group only makes the first of it wait.
const maxGroup = 512

// operation is one change on its way through the committer.
type operation struct {
	// waits is set for what lets the store drain and unset for intake, which is refused rather than kept waiting.
	waits bool
	// apply makes the change in the group's transaction. It returns a refusal when it changed nothing and only this
	// operation failed; any other error fails the whole group.
	apply func(t *transaction) error
	// done gets the outcome, exactly once.
	done chan error
}

// refusal is an error of one operation that leaves its group alone.
type refusal struct{ error }

// Unwrap returns what the caller is told.
func (r refusal) Unwrap() error { return r.error }

// refuse returns err as a refusal.
func refuse(err error) error { return refusal{err} }

// submit hands a change to the committer and waits until it is durable. With wait unset it refuses instead of queueing
// behind a full line: the sender of an event should try again rather than keep us holding it.
func (s *Store) submit(ctx context.Context, wait bool, apply func(t *transaction) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	op := &operation{waits: wait, apply: apply, done: make(chan error, 1)}
	select {
	case <-s.closing:
		return outbox.ErrClosed
	case <-s.failed:
		return s.failure
	default:
	}
	if wait {
		select {
		case s.operations <- op:
		case <-ctx.Done():
			return ctx.Err()
		case <-s.stopped:
			return outbox.ErrClosed
		}
	} else {
		select {
		case s.operations <- op:
		default:
			return outbox.ErrBusy
		}
	}
	// From here on the change may happen, so its outcome is waited for, whatever ctx says: a commit takes a bounded time,
	// and apply may be writing to its caller's variables.
	select {
	case err := <-op.done:
		return err
	case <-s.stopped:
		// The committer may have answered on its way out.
		select {
		case err := <-op.done:
			return err
		default:
			return outbox.ErrClosed
		}
	}
}

// commitLoop is the committer: it commits whatever is waiting, together, until the store is closed.
func (s *Store) commitLoop() {
	defer close(s.stopped)
	debug.SetPanicOnFault(true) // as guarded does, for all of its transactions
	group := make([]*operation, 0, maxGroup)
	for {
		group = group[:0]
		select {
		case op := <-s.operations:
			group = append(group, op)
		case <-s.closing:
			select {
			case op := <-s.operations:
				group = append(group, op)
			default:
				s.saveFigures()
				return
			}
		}
		s.commit(s.gather(group))
	}
}

// gather adds to a group whatever else waits. It lets the goroutines run that are ready to, among them those that are
// about to bring an event, for as long as that brings more: on a busy machine the group grows, on an idle one it costs
// nothing. No clock is involved, so a lone operation is never made to wait.
func (s *Store) gather(group []*operation) []*operation {
	for {
		before := len(group)
		runtime.Gosched()
	more:
		for len(group) < maxGroup {
			select {
			case op := <-s.operations:
				group = append(group, op)
			default:
				break more
			}
		}
		if len(group) == before || len(group) == maxGroup {
			return group
		}
	}
}

// commit applies and commits a group and tells each of its operations the outcome.
func (s *Store) commit(group []*operation) {
	outcomes := make([]error, len(group))
	err := s.runGroup(group, outcomes)
	if err != nil {
		err = s.judge(err)
	}
	if errors.Is(err, outbox.ErrFull) && len(group) > 1 {
		s.commitApart(group, err)
		return
	}
	for i, op := range group {
		if err != nil && outcomes[i] == nil {
			outcomes[i] = err
		}
		if refused, ok := errors.AsType[refusal](outcomes[i]); ok {
			outcomes[i] = refused.error
		}
		op.done <- outcomes[i]
	}
}

// commitApart commits one by one what lets the store drain, when the disk had no room for it together with the intake of
// its group, and refuses the intake.
func (s *Store) commitApart(group []*operation, full error) {
	for _, op := range group {
		if op.waits {
			s.commit([]*operation{op})
		} else {
			op.done <- full
		}
	}
}

// runGroup runs the transaction of a group. It fills in the operations' own refusals and returns what failed them all.
func (s *Store) runGroup(group []*operation, outcomes []error) (err error) {
	select {
	case <-s.failed:
		return s.failure
	default:
	}
	began := time.Now()
	tx, err := s.db.Begin(true)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	t := &transaction{Tx: tx, store: s, figures: s.figures.clone()}
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("%w: %v", outbox.ErrCorrupt, fault)
		}
		if err != nil {
			err = errors.Join(err, guarded(tx.Rollback))
		}
	}()
	for i, op := range group {
		if outcomes[i] = op.apply(t); outcomes[i] == nil {
			continue
		}
		if _, ok := errors.AsType[refusal](outcomes[i]); !ok {
			err := outcomes[i]
			outcomes[i] = nil
			return err
		}
	}
	if !t.changed {
		s.mu.Lock()
		s.uncommitted = s.uncommitted || t.figures.duplicates != s.figures.duplicates
		s.figures = t.figures
		s.mu.Unlock()
		return tx.Rollback()
	}
	t.figures.at = s.options.Now().UnixNano()
	if err := t.figures.save(tx); err != nil {
		return fmt.Errorf("save figures: %w", err)
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	s.publish(t)
	s.options.Committed(time.Since(began), len(group))
	return nil
}

// saveFigures saves what was counted since the last commit, at an orderly end: a kill loses the count of a few repeats.
func (s *Store) saveFigures() {
	select {
	case <-s.failed:
		return // not another byte to a disk that has failed
	default:
	}
	if !s.uncommitted {
		return
	}
	if err := guarded(func() error { return s.db.Update(s.figures.save) }); err != nil {
		s.options.Logger.Error("the counters of the outbox could not be saved", slog.Any("err", err))
	}
}

// publish puts what a committed transaction changed into memory and wakes who waits for a change.
func (s *Store) publish(t *transaction) {
	used := s.measureUsed()
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range t.settled {
		delete(s.claims, id)
	}
	maps.Copy(s.claims, t.claimed)
	s.figures, s.used, s.uncommitted = t.figures, used, false
	close(s.changed)
	s.changed = make(chan struct{})
}

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
