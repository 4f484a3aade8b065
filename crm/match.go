package crm

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/crmsyncd/crmsyncd/crm/call"
)

// minPhoneDigits is how many digits a number without an international form must have to be a customer's. Extensions,
// emergency numbers and "anonymous" have fewer.
const minPhoneDigits = 7

// maxNamedRecords bounds how many records an error names.
const maxNamedRecords = 10

// match finds the records of the calls: by transactionID over the objects in their order, then by phone number. Calls
// for which nothing is found are left to applyPolicy.
func (b *batch) match(ctx context.Context) {
	if b.traits.MatchesItself {
		return
	}
	for _, d := range b.open() {
		if d.receipt.decided(d.call) {
			b.keep(d)
		}
	}
	for _, object := range b.traits.Objects {
		b.matchByTransactionID(ctx, object)
		if b.halted(ctx) {
			return
		}
	}
	for _, d := range b.unmatched() {
		if d.receipt.By != "" {
			b.keep(d) // The transactionID that appeared since leads nowhere: what was found before stays.
		}
	}
	if !b.options.Match.Phone || !b.traits.ByPhone {
		return
	}
	for _, object := range b.traits.Objects {
		b.matchByPhone(ctx, object)
		if b.halted(ctx) {
			return
		}
	}
}

// unmatched returns the open deliveries of which the record is not decided.
func (b *batch) unmatched() []*delivery {
	return b.openIf(func(d *delivery) bool { return !d.matched })
}

// matchByTransactionID looks the unmatched calls up in one object.
func (b *batch) matchByTransactionID(ctx context.Context, object string) {
	searched := b.openIf(func(d *delivery) bool { return !d.matched && d.call.TransactionID != "" })
	founds := b.find(ctx, searched, true, func(d *delivery) Lookup {
		return Lookup{Object: object, TransactionID: d.call.TransactionID}
	})
	var crowded []crowd
	for i, d := range searched {
		found := founds[i]
		switch {
		case found.Err != nil:
			b.fail(ctx, d, found.Err)
		case found.Truncated || len(found.Records) > 1:
			crowded = append(crowded, crowd{delivery: d, found: found})
		case len(found.Records) == 1:
			b.take(d, found.Records[0], byTransactionID)
		}
	}
	if b.halted(ctx) {
		return // A crowd is decided on when the CRM can be asked, not parked for what was not asked.
	}
	b.narrow(ctx, object, crowded)
}

// crowd is a call whose transactionID is carried by several records of an object: that of a campaign, mostly.
type crowd struct {
	*delivery
	found Found
}

// narrow chooses among several records by the customer's number: first by the numbers that the records were returned
// with, then, where these do not tell, by looking the number up.
func (b *batch) narrow(ctx context.Context, object string, crowded []crowd) {
	var unclear []crowd
	var searched []*delivery
	for _, c := range crowded {
		same := c.found.having(c.call.Customer, b.options.Region)
		switch {
		case len(same) == 1 && !c.found.Truncated:
			b.take(c.delivery, same[0], byTransactionID)
		case len(same) > 1 && !c.found.Truncated:
			b.ambiguous(c.delivery, byTransactionID, same)
		case !b.traits.ByPhone || !searchable(c.call.Customer):
			b.ambiguous(c.delivery, byTransactionID, c.found.Records)
		default:
			unclear, searched = append(unclear, c), append(searched, c.delivery)
		}
	}
	founds := b.find(ctx, searched, false, func(d *delivery) Lookup {
		return Lookup{Object: object, Phone: d.call.Customer}
	})
	for i, c := range unclear {
		b.choose(ctx, c, founds[i])
	}
}

// choose decides on a crowd by the records that carry the customer's number. One that carries the transactionID as well
// is the one; without any, the number alone decides where that is allowed.
func (b *batch) choose(ctx context.Context, c crowd, byNumber Found) {
	if byNumber.Err != nil {
		b.fail(ctx, c.delivery, byNumber.Err)
		return
	}
	both := slices.DeleteFunc(slices.Clone(byNumber.Records), func(r Record) bool {
		return r.TransactionID != c.call.TransactionID && !slices.ContainsFunc(c.found.Records, r.is)
	})
	switch {
	case len(both) == 1 && !byNumber.Truncated:
		b.take(c.delivery, both[0], byTransactionID)
	case len(both) == 0 && len(byNumber.Records) == 1 && !byNumber.Truncated && b.options.Match.Phone:
		b.take(c.delivery, byNumber.Records[0], byPhone)
	case len(both) > 0:
		b.ambiguous(c.delivery, byTransactionID, both)
	default:
		b.ambiguous(c.delivery, byTransactionID, c.found.Records)
	}
}

// matchByPhone looks the numbers of the unmatched calls up in one object.
func (b *batch) matchByPhone(ctx context.Context, object string) {
	searched := b.openIf(func(d *delivery) bool { return !d.matched && searchable(d.call.Customer) })
	founds := b.find(ctx, searched, true, func(d *delivery) Lookup {
		return Lookup{Object: object, Phone: d.call.Customer}
	})
	for i, d := range searched {
		found := founds[i]
		switch {
		case found.Err != nil:
			b.fail(ctx, d, found.Err)
		case found.Truncated || len(found.Records) > 1:
			b.ambiguous(d, byPhone, found.Records)
		case len(found.Records) == 1:
			b.take(d, found.Records[0], byPhone)
		}
	}
}

// take decides on a record.
func (b *batch) take(d *delivery, r Record, by string) {
	d.matched = true
	d.receipt.Record, d.receipt.By, d.receipt.TransactionID = &r, by, d.call.TransactionID
	b.options.Observer.Matched(by, "one")
}

// keep decides on what the receipt holds.
func (b *batch) keep(d *delivery) {
	d.matched = true
	if d.call.TransactionID != "" {
		d.receipt.TransactionID = d.call.TransactionID
	}
	if d.receipt.Record == nil {
		b.options.Observer.Matched(byReceipt, "none")
		return
	}
	b.options.Observer.Matched(byReceipt, "one")
}

// ambiguous parks a call that fits several records, unless it has one from an earlier delivery.
func (b *batch) ambiguous(d *delivery, by string, fitting []Record) {
	if d.receipt.By != "" {
		b.keep(d)
		return
	}
	b.options.Observer.Matched(by, "many")
	subject := "the transaction id"
	if by == byPhone {
		subject = "the customer's number"
	}
	d.settle(refused("ambiguous", fmt.Sprintf("%s fits several records and nothing tells which is meant: %s",
		subject, recordNames(fitting))))
}

// recordNames names records for an operator.
func recordNames(records []Record) string {
	if len(records) == 0 {
		return "more than the CRM lists"
	}
	var names []string
	for _, r := range records[:min(len(records), maxNamedRecords)] {
		names = append(names, fmt.Sprintf("%s %.64s", r.Object, r.ID))
	}
	if len(records) > maxNamedRecords {
		names = append(names, "and more")
	}
	return strings.Join(names, ", ")
}

// is reports whether both are the same record.
func (r Record) is(other Record) bool { return r.Object == other.Object && r.ID == other.ID }

// having returns the records that carry a number.
func (f Found) having(number call.Number, region string) []Record {
	var having []Record
	for _, r := range f.Records {
		if slices.ContainsFunc(r.Phones, func(phone string) bool {
			return number.Same(call.ParseNumber(phone, region))
		}) {
			having = append(having, r)
		}
	}
	return having
}

// distinct returns the result with each record once: a CRM may find one by two of its fields.
func (f Found) distinct() Found {
	var records []Record
	for _, r := range f.Records {
		if !slices.ContainsFunc(records, r.is) {
			records = append(records, r)
		}
	}
	f.Records = records
	return f
}

// searchable reports whether a number may be a customer's, so that a record can be looked up by it.
func searchable(n call.Number) bool {
	count := 0
	for _, r := range n.Raw {
		if r >= '0' && r <= '9' {
			count++
		}
	}
	return n.E164 != "" || count >= minPhoneDigits
}
