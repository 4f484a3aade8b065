package bolt

import (
	"context"
	"fmt"
	"slices"

	"github.com/crmsyncd/crmsyncd/outbox"
)

// incoming is a message prepared outside the committer: what can be computed before is.
type incoming struct {
	journaled
	record []byte
}

// Append makes messages durable, see outbox.Appender.
func (s *Store) Append(ctx context.Context, msgs ...outbox.Message) ([]outbox.Appended, error) {
	now := s.options.Now().UnixNano()
	prepared := make([]incoming, len(msgs))
	for i, m := range msgs {
		if err := validate(m); err != nil {
			return nil, err
		}
		identity := m.Identity
		if len(identity) == 0 {
			identity = m.Body
		}
		prepared[i] = newIncoming(now, m, digest(identity))
	}
	var results []outbox.Appended
	err := s.submit(ctx, false, func(t *transaction) error {
		appended, err := t.append(prepared)
		results = appended
		return err
	})
	if err != nil {
		return nil, err
	}
	return results, nil
}

// newIncoming prepares a message that comes now.
func newIncoming(now int64, m outbox.Message, digest [digestSize]byte) incoming {
	due := now + int64(m.Delay)
	return incoming{
		journaled: journaled{
			at: now, due: due, key: m.Key, digest: digest, size: len(m.Body), terms: slices.Clone(m.Terms),
		},
		record: newJournalRecord(now, due, digest, m),
	}
}

// validate checks the bounds of a message.
func validate(m outbox.Message) error {
	switch {
	case m.Key == "" || len(m.Key) > outbox.MaxKeyBytes:
		return fmt.Errorf("%w: the key has %d bytes, 1 to %d are taken", outbox.ErrInvalid, len(m.Key), outbox.MaxKeyBytes)
	case len(m.Body) > outbox.MaxBodyBytes:
		return fmt.Errorf("%w: the body has %d bytes, at most %d are taken", outbox.ErrInvalid, len(m.Body),
			outbox.MaxBodyBytes)
	case len(m.Terms) > outbox.MaxTerms:
		return fmt.Errorf("%w: %d index terms, at most %d are taken", outbox.ErrInvalid, len(m.Terms), outbox.MaxTerms)
	case m.Delay < 0:
		return fmt.Errorf("%w: the delay %s is negative", outbox.ErrInvalid, m.Delay)
	}
	for _, term := range m.Terms {
		if term == "" || len(term) > outbox.MaxTermBytes {
			return fmt.Errorf("%w: an index term has %d bytes, 1 to %d are taken", outbox.ErrInvalid, len(term),
				outbox.MaxTermBytes)
		}
	}
	return nil
}

// append puts the messages into the journal, all or none: what could refuse one of them is looked at before the first is
// written. Nothing else is touched, so that an acknowledgement waits for as few pages as a commit can have.
func (t *transaction) append(msgs []incoming) ([]outbox.Appended, error) {
	if limit := t.store.options.Limit; limit > 0 && t.store.used >= limit {
		return nil, refuse(fmt.Errorf("%w: %d of %d bytes are used", outbox.ErrFull, t.store.used, limit))
	}
	fresh, err := t.admit(msgs)
	if err != nil {
		return nil, err
	}
	results := make([]outbox.Appended, len(msgs))
	for i, m := range fresh {
		if m == nil {
			results[i].Duplicate = true
			t.figures.duplicates++ // kept with a later commit: a count is not worth an fsync
			continue
		}
		if err := t.enter(m, msgs[i].record); err != nil {
			return nil, err
		}
	}
	return results, nil
}

// enter puts a message into the journal.
func (t *transaction) enter(m *journaled, record []byte) (err error) {
	journal := t.Bucket(journalBucket)
	journal.FillPercent = 0.9 // numbers only grow: leave little room behind
	if m.seq, err = journal.NextSequence(); err != nil {
		return err
	}
	key := journalKey(m.seq)
	if err := journal.Put(key, seal(key, record)); err != nil {
		return err
	}
	t.added = append(t.added, m)
	t.addedBy[m.key] = append(t.addedBy[m.key], m)
	return nil
}

// growth is what an entry has and what messages add to it.
type growth struct {
	id              entryID
	header          *header
	messages, bytes uint64
	digests         map[[digestSize]byte]bool
	waits           bool
}

// admit returns the messages that are new, nil in the place of repeats. It refuses messages that would take their entry
// over its bounds, or whose entry cannot be read.
func (t *transaction) admit(msgs []incoming) ([]*journaled, error) {
	grown := make(map[string]*growth, 1)
	fresh := make([]*journaled, len(msgs))
	for i := range msgs {
		m := &msgs[i].journaled
		g := grown[m.key]
		if g == nil {
			var err error
			if g, err = t.grown(m.key); err != nil {
				return nil, err
			}
			grown[m.key] = g
		}
		if g.digests[m.digest] || g.header != nil && t.Bucket(messagesBucket).Get(messageKey(g.id, m.digest)) != nil {
			continue
		}
		g.digests[m.digest] = true
		g.messages, g.bytes = g.messages+1, g.bytes+uint64(m.size)
		if g.messages > outbox.MaxEntryMessages || g.bytes > outbox.MaxEntryBytes {
			return nil, refuse(fmt.Errorf("%w: %d messages of %d bytes", outbox.ErrEntryFull, g.messages, g.bytes))
		}
		entered := *m // the operation may run again in another transaction
		entered.opens = !g.waits
		if g.header != nil {
			entered.from, entered.reason = g.header.state, g.header.reason
		}
		fresh[i], g.waits = &entered, true
	}
	return fresh, nil
}

// grown returns what there is of an entry, with what waits to be folded.
func (t *transaction) grown(key string) (*growth, error) {
	id, h, err := t.find(key)
	if err != nil {
		return nil, err
	}
	g := &growth{id: id, header: h, digests: map[[digestSize]byte]bool{}}
	if h != nil {
		g.messages, g.bytes = h.messages, h.bytes
	}
	for _, m := range t.waiting(key) {
		g.digests[m.digest] = true
		g.messages, g.bytes, g.waits = g.messages+1, g.bytes+uint64(m.size), true
	}
	return g, nil
}

// messageKey is the key of a message: that of an equal one is the same, so a repeat is found by one look.
func messageKey(id entryID, digest [digestSize]byte) []byte { return append(id[:], digest[:]...) }
