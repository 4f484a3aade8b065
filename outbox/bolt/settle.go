package bolt

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/crmsyncd/crmsyncd/outbox"
)

// Bounds of what is kept with an entry for its readers.
const (
	maxReasonBytes = 64
	maxErrorBytes  = 1024
)

// Settle ends claims, see outbox.Queue. On a full disk that has no room for all of them at once it settles them in
// smaller transactions.
func (s *Store) Settle(ctx context.Context, settlements ...outbox.Settlement) error {
	if len(settlements) == 0 {
		return nil
	}
	now := s.options.Now().UnixNano()
	for _, o := range settlements {
		if len(o.Receipt) > outbox.MaxReceiptBytes {
			return fmt.Errorf("%w: the receipt of %s has %d bytes", outbox.ErrInvalid, o.Key, len(o.Receipt))
		}
	}
	err := s.settleTogether(ctx, now, settlements)
	if !errors.Is(err, outbox.ErrFull) {
		return err
	}
	half := len(settlements) / 2
	if half == 0 {
		return &outbox.UnsettledError{Left: settlements, Err: err}
	}
	return unsettled(s.Settle(ctx, settlements[:half]...), s.Settle(ctx, settlements[half:]...))
}

// unsettled joins the errors of two parts.
func unsettled(parts ...error) error {
	var left []outbox.Settlement
	for _, err := range parts {
		if part, ok := errors.AsType[*outbox.UnsettledError](err); ok {
			left = append(left, part.Left...)
		}
	}
	err := errors.Join(parts...)
	if len(left) == 0 {
		return err
	}
	return &outbox.UnsettledError{Left: left, Err: err}
}

// settleTogether ends claims in one transaction.
func (s *Store) settleTogether(ctx context.Context, now int64, settlements []outbox.Settlement) error {
	var unclaimed error
	err := s.submit(ctx, true, func(t *transaction) error {
		unclaimed = nil
		for _, o := range settlements {
			err := t.settle(now, o)
			if refused, ok := errors.AsType[refusal](err); ok {
				unclaimed = errors.Join(unclaimed, refused.error)
			} else if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err // nothing happened, whatever a part of it would have said
	}
	return unclaimed
}

// flying returns an entry that must be in flight.
func (t *transaction) flying(key string) (entryID, *header, error) {
	id, h, err := t.entry(key)
	if err != nil {
		return id, nil, err
	}
	if h != nil {
		if t.taken(id) {
			return id, h, nil
		}
	}
	return id, nil, refuse(fmt.Errorf("%w: %s", outbox.ErrNotClaimed, key))
}

// settle ends one claim.
func (t *transaction) settle(now int64, o outbox.Settlement) error {
	id, was, err := t.flying(o.Key)
	if err != nil {
		return err
	}
	if o.Verdict == outbox.VerdictRelease {
		is := *was
		is.starts--
		t.release(id)
		return t.put(id, was, &is)
	}
	is := *was
	is.starts, is.doubt, is.freshDue, is.freshSince = 0, false, 0, 0
	if o.Receipt != nil {
		is.receipt = o.Receipt
	}
	is.reason, is.errorText = shorten(o.Reason, maxReasonBytes), shorten(o.Error, maxErrorBytes)
	due := now
	if !o.Due.IsZero() {
		due = o.Due.UnixNano()
	}
	switch o.Verdict {
	case outbox.VerdictDelivered:
		is.state, is.since, is.attempts, is.waiting = outbox.Delivered, now, 0, was.freshSince
		is.reason, is.errorText = "", ""
	case outbox.VerdictRetry:
		is.attempts++
		is.due = due
	case outbox.VerdictPostpone:
		is.due = due
	case outbox.VerdictPark:
		is.state, is.since = outbox.Parked, now
	default:
		return refuse(fmt.Errorf("%w: verdict %d of %s", outbox.ErrInvalid, o.Verdict, o.Key))
	}
	if was.freshDue != 0 { // messages came while it was in flight: pending again, whatever the verdict
		if is.state == outbox.Pending {
			is.due = min(is.due, was.freshDue)
		} else {
			is.revive(was.freshDue)
		}
	}
	t.release(id)
	return t.put(id, was, &is)
}

// shorten cuts s to at most limit bytes of valid UTF-8.
func shorten(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "")
}

// Checkpoint stores receipts of entries in flight, see outbox.Queue.
func (s *Store) Checkpoint(ctx context.Context, checkpoints ...outbox.Checkpoint) error {
	for _, c := range checkpoints {
		if len(c.Receipt) > outbox.MaxReceiptBytes {
			return fmt.Errorf("%w: the receipt of %s has %d bytes", outbox.ErrInvalid, c.Key, len(c.Receipt))
		}
	}
	return s.submit(ctx, true, func(t *transaction) error {
		for _, c := range checkpoints { // first look, then write: all or none
			if _, _, err := t.flying(c.Key); err != nil {
				return err
			}
		}
		for _, c := range checkpoints {
			id, was, err := t.flying(c.Key)
			if err != nil {
				return err
			}
			is := *was
			is.receipt = c.Receipt
			if err := t.put(id, was, &is); err != nil {
				return err
			}
		}
		return nil
	})
}
