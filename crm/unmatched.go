package crm

import (
	"context"
	"time"

	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/outbox"
)

// A call without a record is looked up again after a time that grows with its age from shortestLook to longestLook.
const (
	shortestLook = 5 * time.Second
	longestLook  = time.Minute
)

// applyPolicy decides on the calls for which no record was found.
func (b *batch) applyPolicy(ctx context.Context) {
	if b.traits.MatchesItself {
		return
	}
	var create []*delivery
	now := b.options.Now()
	for _, d := range b.unmatched() {
		if until := b.nextLook(d, now); now.Before(until) {
			d.settle(waiting("unmatched", until, "no record found yet, it is looked up again"))
			continue
		}
		switch {
		case b.options.Match.Unmatched == PolicyCreate && now.Before(b.createFrom(d, now)):
			d.settle(waiting("unmatched", b.createFrom(d, now), "a record may just have been created"))
		case b.options.Match.Unmatched == PolicyCreate && searchable(d.call.Customer):
			create = append(create, d)
		case b.options.Match.Unmatched == PolicyUnlinked:
			d.matched = true
			d.receipt.By, d.receipt.TransactionID = byPolicy, d.call.TransactionID
			b.options.Observer.Matched(byNothing, "none")
		default:
			d.settle(refused("unmatched", "no record carries the transaction id or the number of the call"))
			b.options.Observer.Matched(byNothing, "none")
		}
	}
	b.createContacts(ctx, create)
}

// createFrom returns from when on a record may be created for a call: the process before this one, or the delivery of
// this very call that was interrupted, may have created one that the CRM's search does not show yet.
func (b *batch) createFrom(d *delivery, now time.Time) time.Time {
	if d.entry.Interrupted {
		return now.Add(b.creationRest())
	}
	return b.began.Add(b.traits.SearchLag)
}

// creationRest is how long it takes until a record that may have been created is surely found.
func (s *Syncer) creationRest() time.Duration { return max(longestLook, s.traits.SearchLag) }

// nextLook returns when a call without a record is looked up again; not after now when that is over or of no use.
func (b *batch) nextLook(d *delivery, now time.Time) time.Time {
	byNumber := b.options.Match.Phone && b.traits.ByPhone && searchable(d.call.Customer)
	if d.call.TransactionID == "" && !byNumber {
		return now
	}
	deadline := d.entry.Since.Add(b.options.Match.Wait)
	next := now.Add(min(max(now.Sub(d.entry.Since), shortestLook), longestLook))
	if next.After(deadline) {
		return deadline
	}
	return next
}

// caller is an unknown number with all calls of the batch that came from it or went to it.
type caller struct {
	number string
	calls  []*delivery
	record *Record
	// failed: surely no record was created.
	failed bool
}

// callersOf groups calls by number, in the order of the calls.
func callersOf(deliveries []*delivery) []*caller {
	var callers []*caller
	byNumber := make(map[string]*caller)
	for _, d := range deliveries {
		number := d.call.Customer.String()
		if byNumber[number] == nil {
			byNumber[number] = &caller{number: number}
			callers = append(callers, byNumber[number])
		}
		byNumber[number].calls = append(byNumber[number].calls, d)
	}
	return callers
}

// createContacts creates one record for each unknown number, and makes it durable before anything else happens: a
// search index that lags must not lead to a twin.
func (b *batch) createContacts(ctx context.Context, unknown []*delivery) {
	var creating []*caller
	for _, c := range callersOf(unknown) {
		known, claimed := b.memory.claim(c.number, b.options.Now())
		switch {
		case known != nil:
			b.takeAll(c.calls, *known)
		case !claimed:
			for _, d := range c.calls {
				d.settle(waiting("unmatched", b.options.Now().Add(shortestLook), "another delivery creates a record"))
			}
		default:
			creating = append(creating, c)
		}
	}
	if len(creating) > 0 {
		b.create(ctx, creating)
	}
	b.checkpointRecords(ctx, unknown)
}

// create asks the adapter for new records and gives each to all calls of its number.
func (b *batch) create(ctx context.Context, creating []*caller) {
	defer func() { // Also when the adapter panics.
		now := b.options.Now()
		for _, c := range creating {
			var doubtEnds time.Time
			if !c.failed {
				doubtEnds = now.Add(b.creationRest())
			}
			b.memory.release(c.number, c.record, doubtEnds, now)
		}
	}()
	first := make([]call.Call, len(creating))
	for i, c := range creating {
		first[i] = c.calls[0].call
	}
	results := b.options.Adapter.(ContactCreator).CreateContacts(ctx, first)
	miscount := countMismatch("create contact", len(results), len(creating))
	for i, c := range creating {
		err := miscount
		if err == nil {
			err = results[i].Err
		}
		if err == nil && len(results[i].Records) != 1 {
			err = Errorf(KindInDoubt, "create contact", "the CRM returned %d records", len(results[i].Records))
		}
		if err != nil {
			c.failed = miscount == nil && !b.uncertain(ctx, err)
			b.notCreated(ctx, c.calls, err)
			continue
		}
		c.record = &results[i].Records[0]
		b.takeAll(c.calls, *c.record)
	}
}

// notCreated settles the calls of a caller for whom no record was created, as far as is known: one in doubt gets the
// time that a search index may need to show it.
func (b *batch) notCreated(ctx context.Context, deliveries []*delivery, err error) {
	for _, d := range deliveries {
		b.fail(ctx, d, err)
		if d.outcome.Kind == outbox.Failed && b.uncertain(ctx, err) {
			d.outcome.Until = b.options.Now().Add(b.creationRest())
		}
	}
}

// takeAll gives a created record to all calls of its caller.
func (b *batch) takeAll(deliveries []*delivery, r Record) {
	for _, d := range deliveries {
		b.take(d, r, byCreation)
	}
}

// checkpointRecords makes the receipts of the calls that got a new record durable.
func (b *batch) checkpointRecords(ctx context.Context, unknown []*delivery) {
	var got []*delivery
	for _, d := range unknown {
		if d.matched && !d.settled {
			got = append(got, d)
		}
	}
	if len(got) == 0 {
		return
	}
	if err := b.keepReceipts(ctx, got); err != nil {
		for _, d := range got {
			b.fail(ctx, d, &Error{Kind: KindTransient, Op: "keep the created record", Err: err})
		}
	}
}

// keepReceipts makes receipts durable now.
func (b *batch) keepReceipts(ctx context.Context, deliveries []*delivery) error {
	checkpoints := make([]outbox.Checkpoint, 0, len(deliveries))
	for _, d := range deliveries {
		encoded, err := d.receipt.encode()
		if err != nil {
			return err
		}
		checkpoints = append(checkpoints, outbox.Checkpoint{Key: d.entry.Key, Receipt: encoded})
	}
	return b.checkpoint(ctx, checkpoints...)
}
