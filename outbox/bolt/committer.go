package bolt

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"github.com/crmsyncd/crmsyncd/outbox"
)

// maxGroup bounds how many operations share a commit: beyond that a group only makes the first of it wait.
const maxGroup = 512

// operation is one change on its way through the committer.
type operation struct {
	// waits is set for what lets the store drain and unset for intake, which is refused rather than kept waiting.
	waits bool
	// apply makes the change in the group's transaction. It returns a refusal when only this operation failed and
	// changed nothing that the others may not see (it may have folded); any other error fails the whole group.
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
				s.finish()
				return
			}
		}
		s.commit(s.gather(group))
		s.keepReserve(time.Now())
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
	if errors.Is(err, outbox.ErrFull) {
		if len(group) > 1 {
			s.commitApart(group, err)
			return
		}
		if group[0].waits && s.giveUpReserve() {
			s.commit(group)
			return
		}
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
	t := s.transact(tx)
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
	if err := t.foldExcess(); err != nil {
		return err
	}
	if !t.changed && len(t.added) == 0 {
		s.mu.Lock()
		s.uncommitted = s.uncommitted || t.figures.duplicates != s.figures.duplicates
		s.figures = t.figures
		s.mu.Unlock()
		return tx.Rollback()
	}
	if t.changed || len(t.folded) > 0 {
		if err := t.saveFigures(); err != nil {
			return fmt.Errorf("save figures: %w", err)
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	s.publish(t)
	for _, reason := range t.parked {
		s.options.Parked(reason)
	}
	s.options.Committed(time.Since(began), len(group))
	return nil
}

// saveFigures saves the figures, and how far the journal is folded, with what they count.
func (t *transaction) saveFigures() error {
	t.figures.at = t.store.options.Now().UnixNano()
	t.figures.folded = t.Bucket(journalBucket).Sequence()
	if oldest := t.unfolded(1); len(oldest) > 0 {
		t.figures.folded = oldest[0].seq - 1
	}
	t.saved = true
	return t.figures.save(t.Tx)
}

// finish folds what is left and saves the figures, at an orderly end: a kill leaves the first to the next start and loses
// the count of a few repeats.
func (s *Store) finish() {
	for s.tail.live > 0 {
		op := &operation{done: make(chan error, 1), apply: func(t *transaction) error { return t.fold(foldSlice) }}
		s.commit([]*operation{op})
		if <-op.done != nil {
			return // it is in the journal
		}
	}
	s.saveFigures()
}

// saveFigures saves what was counted since the last commit.
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
	for m := range t.folded {
		if !slices.Contains(t.addedBy[m.key], m) {
			s.tail.remove(m)
		}
	}
	for _, m := range t.added {
		if !t.folded[m] {
			s.tail.add(m)
		}
	}
	s.uncommitted = !t.saved && (s.uncommitted || t.figures.duplicates != s.figures.duplicates)
	s.figures, s.used = t.figures, used
	close(s.changed)
	s.changed = make(chan struct{})
}
