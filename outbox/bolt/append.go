package bolt

import (
	"context"
	"fmt"
	"slices"

	"github.com/crmsyncd/crmsyncd/outbox"
)

// incoming is a message prepared outside the committer: what can be computed before is.
type incoming struct {
	outbox.Message
	digest [digestSize]byte
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
		prepared[i] = incoming{Message: m, digest: digest(identity), record: newMessageRecord(m.Body)}
	}
	var results []outbox.Appended
	err := s.submit(ctx, false, func(t *transaction) error {
		appended, err := t.append(now, prepared)
		results = appended
		return err
	})
	if err != nil {
		return nil, err
	}
	return results, nil
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

// append stores the messages, all or none: what could refuse one of them is looked at before the first is written.
func (t *transaction) append(now int64, msgs []incoming) ([]outbox.Appended, error) {
	if limit := t.store.options.Limit; limit > 0 && t.store.used >= limit {
		return nil, refuse(fmt.Errorf("%w: %d of %d bytes are used", outbox.ErrFull, t.store.used, limit))
	}
	if err := t.admit(msgs); err != nil {
		return nil, err
	}
	results := make([]outbox.Appended, len(msgs))
	for i := range msgs {
		duplicate, err := t.appendOne(now, &msgs[i])
		if err != nil {
			return nil, err
		}
		results[i].Duplicate = duplicate
	}
	return results, nil
}

// admit refuses messages that would take their entry over its bounds, or whose entry cannot be read.
func (t *transaction) admit(msgs []incoming) error {
	type growth struct {
		messages, bytes uint64
		digests         map[[digestSize]byte]bool
	}
	grown := map[string]*growth{}
	for i := range msgs {
		m := &msgs[i]
		id, h, err := t.find(m.Key)
		if err != nil {
			return err
		}
		g := grown[m.Key]
		if g == nil {
			g = &growth{digests: map[[digestSize]byte]bool{}}
			if h != nil {
				g.messages, g.bytes = h.messages, h.bytes
			}
			grown[m.Key] = g
		}
		if g.digests[m.digest] || (h != nil && t.Bucket(messagesBucket).Get(messageKey(id, m.digest)) != nil) {
			continue
		}
		g.digests[m.digest] = true
		g.messages, g.bytes = g.messages+1, g.bytes+uint64(len(m.Body))
		if g.messages > outbox.MaxEntryMessages || g.bytes > outbox.MaxEntryBytes {
			return refuse(fmt.Errorf("%w: %d messages of %d bytes", outbox.ErrEntryFull, g.messages, g.bytes))
		}
	}
	return nil
}

// messageKey is the key of a message: that of an equal one is the same, so a repeat is found by one look.
func messageKey(id entryID, digest [digestSize]byte) []byte { return append(id[:], digest[:]...) }

// appendOne stores one message that was admitted.
func (t *transaction) appendOne(now int64, m *incoming) (duplicate bool, err error) {
	id, was, err := t.find(m.Key)
	if err != nil {
		return false, err
	}
	due := now + int64(m.Delay)
	var is *header
	if was == nil {
		if id, is, err = t.newEntry(now, due, m.Key); err != nil {
			return false, err
		}
	} else {
		if t.Bucket(messagesBucket).Get(messageKey(id, m.digest)) != nil {
			t.figures.duplicates++ // kept with the next commit: a count is not worth an fsync
			return true, nil
		}
		is = was.withMessage(now, due)
	}
	is.lastSeq++
	is.messages++
	is.bytes += uint64(len(m.Body))
	key := messageKey(id, m.digest)
	if err := t.Bucket(messagesBucket).Put(key, sealMessage(key, m.record, is.lastSeq, now)); err != nil {
		return false, err
	}
	t.figures.messages++
	if err := t.indexTerms(id, is, m.Terms); err != nil {
		return false, err
	}
	return false, t.put(id, was, is)
}

// newEntry returns an entry for a key that has none.
func (t *transaction) newEntry(now, due int64, key string) (id entryID, h *header, err error) {
	entries := t.Bucket(entriesBucket)
	entries.FillPercent = 0.9 // ids only grow: leave little room behind
	n, err := entries.NextSequence()
	if err != nil {
		return id, nil, err
	}
	id = newID(n)
	t.figures.entries++
	h = &header{key: key, state: outbox.Pending, created: now, since: now, waiting: now, due: due}
	return id, h, t.Bucket(keysBucket).Put([]byte(key), id[:])
}

// withMessage returns the entry as a new message leaves it, due by due at the latest.
func (h *header) withMessage(now, due int64) *header {
	is := *h
	if is.freshDue == 0 || due < is.freshDue {
		is.freshDue = due
	}
	if is.freshSince == 0 {
		is.freshSince = now
	}
	if is.waiting == 0 {
		is.waiting = now
	}
	if is.state != outbox.Pending {
		is.revive(due)
	}
	is.due = min(is.due, due)
	return &is
}

// revive makes a delivered or parked entry pending, its failures forgotten, but not that it is in doubt.
func (h *header) revive(due int64) {
	h.doubt = h.inDoubt()
	h.state, h.since, h.due = outbox.Pending, h.waiting, due
	h.attempts, h.starts, h.reason, h.errorText = 0, 0, "", ""
}

// inDoubt reports whether a delivery began and was never settled.
func (h *header) inDoubt() bool { return h.doubt || h.starts > 0 }

// indexTerms adds the terms that the entry is not found by yet.
func (t *transaction) indexTerms(id entryID, h *header, terms []string) error {
	for _, term := range terms {
		if slices.Contains(h.terms, term) || len(h.terms) >= maxEntryTerms {
			continue
		}
		h.terms = append(slices.Clip(h.terms), term)
		if err := t.Bucket(termsBucket).Put(append(termPrefix(term), id[:]...), nil); err != nil {
			return err
		}
	}
	return nil
}

// maxEntryTerms bounds the terms of one entry: they are rewritten with each of its changes.
const maxEntryTerms = 64
