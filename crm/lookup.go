package crm

import "context"

// find returns the records of several calls, one result per call: what is remembered, and for the rest what the adapter
// says, each distinct look-up asked for once. With orNone it may remember that there are none.
func (b *batch) find(
	ctx context.Context, searched []*delivery, orNone bool, lookup func(*delivery) Lookup,
) []Found {
	founds := make([]Found, len(searched))
	var lookups []Lookup
	var asked []int
	position := make(map[Lookup]int, len(searched))
	for i, d := range searched {
		l := lookup(d)
		var known bool
		if founds[i], known = b.recall(d, l, orNone); known {
			continue
		}
		d.asked = true
		asked = append(asked, i)
		if _, known := position[l]; !known {
			position[l] = len(lookups)
			lookups = append(lookups, l)
		}
	}
	if len(lookups) == 0 {
		return founds
	}
	results := b.options.Adapter.Find(ctx, lookups)
	miscount := countMismatch("find "+lookups[0].Object, len(results), len(lookups))
	for _, i := range asked {
		d, l := searched[i], lookup(searched[i])
		if miscount != nil {
			founds[i] = Found{Err: miscount}
			continue
		}
		founds[i] = results[position[l]].distinct()
		b.memory.keepAnswer(l, d.call.Customer, founds[i], b.options.Now())
		founds[i] = b.withCreated(l, founds[i])
	}
	return founds
}

// recall returns what is remembered of a look-up, if it decides on the call as a new answer would. That nothing was
// found counts only with orNone, and for a call without a decision that waits for its record anyway.
func (b *batch) recall(d *delivery, l Lookup, orNone bool) (Found, bool) {
	now := b.options.Now()
	held, known := b.memory.answer(l, now)
	if len(held.Records) == 0 && !held.Truncated {
		known = known && orNone && d.receipt.By == "" && b.nextLook(d, now).After(now)
	} else {
		known = known && b.decides(d, l, held)
	}
	if !known {
		return Found{}, false
	}
	return b.withCreated(l, held.Found), true
}

// decides reports whether remembered records are good enough for a call. Others may have been added since, to a
// campaign above all: they count only if one and no other carries the customer's number, or was found for the same
// customer.
func (b *batch) decides(d *delivery, l Lookup, held answer) bool {
	customer := d.call.Customer
	switch {
	case l.TransactionID == "":
		return len(held.Records) == 1 && !held.Truncated
	case held.Truncated:
		return b.traits.ByPhone && searchable(customer) // which is looked up then
	case len(held.Records) == 1 && !customer.IsZero() && held.customer == customer.String():
		return true
	default:
		return len(held.having(customer, b.options.Region)) == 1
	}
}

// withCreated returns what a look-up by number found or, where that is nothing, the record that this process made for
// the number: a search index that lags must not lead to a twin.
func (b *batch) withCreated(l Lookup, found Found) Found {
	if found.Err != nil || found.Truncated || len(found.Records) > 0 || l.TransactionID != "" {
		return found
	}
	if made := b.memory.created(l.Phone.String(), b.options.Now()); made != nil && made.Object == l.Object {
		found.Records = []Record{*made}
	}
	return found
}

// countMismatch returns an error when an adapter did not give one result per item.
func countMismatch(op string, got, want int) error {
	if got == want {
		return nil
	}
	return Errorf(KindTransient, op, "the adapter gave %d results for %d items", got, want)
}
