package crm

import (
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/crmsyncd/crmsyncd/crm/call"
)

// Bounds of one remembered item: larger ones are not kept, or cut.
const (
	maxRememberedReceipt = 4 << 10
	maxRememberedRecords = 10
)

// maxClaims is from how many claims on numbers on those that have ended are swept out.
const maxClaims = 1_000

// memory is what a Syncer remembers of its dealings with the CRM. It is written through: all of it can be found out
// again, from the receipts and by look-ups, so it may be lost at any time. It is there because both may lag: a receipt
// may fail to become durable, and a search index shows what was written only after a while. Safe for concurrent use.
type memory struct {
	options MemoryOptions
	// receipts are what deliveries left, by entry key. They are never older than the stored ones: one worker at a time
	// has a key, and only it writes either.
	receipts *lru.Cache[string, remembered[[]byte]]
	// answers are what look-ups found, made the records that this process created, by the caller's number.
	answers *lru.Cache[question, remembered[answer]]
	made    *lru.Cache[string, remembered[Record]]

	mu sync.Mutex
	// claims are the numbers for which somebody is creating a record (zero) or may have created one (until when a search
	// may not show it).
	claims map[string]time.Time
}

// remembered is an item and when it may be used.
type remembered[T any] struct {
	item        T
	since, ends time.Time
}

// at returns the item if it may be used now. A clock that was set back makes it of no use.
func (r remembered[T]) at(now time.Time) (item T, usable bool) {
	if now.Before(r.since) || !now.Before(r.ends) {
		return item, false
	}
	return r.item, true
}

// question is a look-up, a number in its one form.
type question struct{ object, transactionID, number string }

// answer is what a look-up found, and the customer for whom it was made.
type answer struct {
	Found

	customer string
}

// newMemory returns a memory that knows nothing. The options have their defaults.
func newMemory(o MemoryOptions) (*memory, error) {
	receipts, err := lru.New[string, remembered[[]byte]](o.Entries)
	if err != nil {
		return nil, err
	}
	answers, err := lru.New[question, remembered[answer]](o.Entries)
	if err != nil {
		return nil, err
	}
	made, err := lru.New[string, remembered[Record]](o.Entries)
	if err != nil {
		return nil, err
	}
	return &memory{
		options: o, receipts: receipts, answers: answers, made: made, claims: make(map[string]time.Time),
	}, nil
}

// receipt returns what the last delivery of an entry left, nil when that is not known.
func (m *memory) receipt(key string, now time.Time) []byte {
	held, _ := m.receipts.Get(key)
	encoded, _ := held.at(now)
	return encoded
}

// keepReceipt remembers what a delivery leaves.
func (m *memory) keepReceipt(key string, encoded []byte, now time.Time) {
	if len(encoded) > maxRememberedReceipt {
		m.receipts.Remove(key)
		return
	}
	m.receipts.Add(key, remembered[[]byte]{encoded, now, now.Add(m.options.Written)})
}

// dropReceipt forgets a receipt that is durable.
func (m *memory) dropReceipt(key string) { m.receipts.Remove(key) }

// ask returns the question that a look-up is.
func ask(l Lookup) question {
	q := question{object: l.Object, transactionID: l.TransactionID}
	if q.transactionID == "" {
		q.number = l.Phone.String()
	}
	return q
}

// keepAnswer remembers what the CRM answered to a look-up for a customer, a failure not.
func (m *memory) keepAnswer(l Lookup, customer call.Number, found Found, now time.Time) {
	if found.Err != nil {
		return
	}
	lasts := m.options.Records
	if len(found.Records) == 0 {
		lasts = m.options.Misses
	}
	if len(found.Records) > maxRememberedRecords {
		found.Records, found.Truncated = found.Records[:maxRememberedRecords:maxRememberedRecords], true
	}
	m.answers.Add(ask(l), remembered[answer]{answer{found, customer.String()}, now, now.Add(lasts)})
}

// answer returns what is known of a look-up.
func (m *memory) answer(l Lookup, now time.Time) (answer, bool) {
	held, _ := m.answers.Get(ask(l))
	return held.at(now)
}

// created returns the record that this process made for a number, nil for none.
func (m *memory) created(number string, now time.Time) *Record {
	held, _ := m.made.Get(number)
	if r, usable := held.at(now); usable {
		return &r
	}
	return nil
}

// claim returns the record of a number when it was made already, or else whether the caller may make it and must call
// release. Neither: somebody is at it, or was and nobody knows what became of it.
func (m *memory) claim(number string, now time.Time) (known *Record, claimed bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if known := m.created(number, now); known != nil {
		return known, false
	}
	if ends, held := m.claims[number]; held && (ends.IsZero() || now.Before(ends)) {
		return nil, false
	}
	if len(m.claims) >= maxClaims {
		for other, ends := range m.claims {
			if !ends.IsZero() && !now.Before(ends) {
				delete(m.claims, other)
			}
		}
	}
	m.claims[number] = time.Time{}
	return nil, true
}

// release ends a claim with the record that was made, nil for none. Until doubtEnds, when that is after now, one may
// have been made all the same and nobody gets the claim.
func (m *memory) release(number string, made *Record, doubtEnds, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.claims, number)
	switch {
	case made != nil:
		m.made.Add(number, remembered[Record]{*made, now, now.Add(m.options.Written)})
	case now.Before(doubtEnds):
		m.claims[number] = doubtEnds
	}
}

// forget drops all that leads to a record that the CRM calls gone. If this process has just made it, it may be there
// all the same: no other is made before a search, that lags by no more than lag, would show it.
func (m *memory) forget(gone Record, lag time.Duration, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, q := range m.answers.Keys() {
		held, _ := m.answers.Peek(q)
		for _, r := range held.item.Records {
			if r.is(gone) {
				m.answers.Remove(q)
				break
			}
		}
	}
	for _, number := range m.made.Keys() {
		held, _ := m.made.Peek(number)
		if !held.item.is(gone) {
			continue
		}
		m.made.Remove(number)
		if shown := held.since.Add(lag); now.Before(shown) {
			m.claims[number] = shown
		}
	}
}
