package outboxtest

import (
	"bytes"
	"slices"
	"time"

	"github.com/crmsyncd/crmsyncd/outbox"
)

// memoryEntry is an entry as it is stored. Its State is never InFlight: claims are not stored. The embedded Messages
// stay empty, Interrupted unset.
type memoryEntry struct {
	outbox.Entry
	Stored []memoryMessage
	// Age counts the entries in the order in which they were made.
	Age   uint64
	Terms []string
	// Covered is the Seq of the last message that a settled delivery has handled.
	Covered uint64
	// InDoubt: the starts were forgotten without a settle.
	InDoubt bool
}

type memoryMessage struct {
	outbox.StoredMessage
	Identity []byte
	Due      time.Time
}

func newMemoryEntry(key string, now time.Time) *memoryEntry {
	return &memoryEntry{Entry: outbox.Entry{Key: key, State: outbox.Pending, Created: now, Since: now}}
}

func (e *memoryEntry) clone() *memoryEntry {
	c := *e
	c.Stored = slices.Clone(e.Stored)
	c.Terms = slices.Clone(e.Terms)
	c.Receipt = bytes.Clone(e.Receipt)
	return &c
}

// size is what the entry counts towards the limit.
func (e *memoryEntry) size() int64 {
	n := len(e.Key) + len(e.Receipt)
	for _, m := range e.Stored {
		n += len(m.Body) + len(m.Identity)
	}
	for _, term := range e.Terms {
		n += len(term)
	}
	return int64(n)
}

func (e *memoryEntry) bodyBytes() int {
	n := 0
	for _, m := range e.Stored {
		n += len(m.Body)
	}
	return n
}

func (e *memoryEntry) lastSeq() uint64 {
	return uint64(len(e.Stored))
}

func identity(m outbox.Message) []byte {
	if len(m.Identity) > 0 {
		return m.Identity
	}
	return m.Body
}

func (e *memoryEntry) has(m outbox.Message) bool {
	return slices.ContainsFunc(e.Stored, func(s memoryMessage) bool { return bytes.Equal(s.Identity, identity(m)) })
}

func (e *memoryEntry) full(m outbox.Message) bool {
	return len(e.Stored) >= outbox.MaxEntryMessages || e.bodyBytes()+len(m.Body) > outbox.MaxEntryBytes
}

// add stores a message and makes the entry pending unless it is in flight, which settles that later.
func (e *memoryEntry) add(m outbox.Message, now time.Time, claimed bool) {
	due := now.Add(m.Delay)
	first := len(e.Stored) == 0
	e.Stored = append(e.Stored, memoryMessage{
		StoredMessage: outbox.StoredMessage{Seq: e.lastSeq() + 1, At: now, Body: bytes.Clone(m.Body)},
		Identity:      bytes.Clone(identity(m)),
		Due:           due,
	})
	for _, term := range m.Terms {
		if !slices.Contains(e.Terms, term) {
			e.Terms = append(e.Terms, term)
		}
	}
	switch {
	case claimed:
	case first:
		e.Due = due
	case e.State == outbox.Pending:
		e.Due = earlier(e.Due, due)
	default:
		e.revive(due, e.Stored[e.Covered].At)
	}
}

// revive makes a delivered or parked entry pending.
func (e *memoryEntry) revive(due, since time.Time) {
	e.InDoubt = e.InDoubt || e.Starts > 0
	e.State, e.Starts, e.Attempts = outbox.Pending, 0, 0
	e.Due, e.Since = due, since
	e.Reason, e.Error = "", ""
}

// settle ends a claim that had handed out the messages up to seen.
func (e *memoryEntry) settle(s outbox.Settlement, seen uint64, now time.Time) {
	fresh := e.Stored[seen:]
	if s.Verdict == outbox.VerdictRelease {
		e.Starts--
		e.dueWith(fresh)
		return
	}
	e.Starts, e.InDoubt = 0, false
	if s.Receipt != nil {
		e.Receipt = bytes.Clone(s.Receipt)
	}
	e.Reason, e.Error = s.Reason, s.Error
	switch s.Verdict {
	case outbox.VerdictRetry, outbox.VerdictPostpone:
		if s.Verdict == outbox.VerdictRetry {
			e.Attempts++
		}
		e.Due = s.Due.UTC().Round(0)
		if e.Due.Before(now) {
			e.Due = now
		}
		e.dueWith(fresh)
		return
	case outbox.VerdictPark:
		e.State, e.Due = outbox.Parked, time.Time{}
	default:
		e.State, e.Due, e.Attempts, e.Covered = outbox.Delivered, time.Time{}, 0, seen
		e.Reason, e.Error = "", ""
	}
	if len(fresh) == 0 {
		e.Since = now
		return
	}
	e.revive(fresh[0].Due, e.Stored[e.Covered].At)
	e.dueWith(fresh)
}

// dueWith makes the entry due when the first of the messages is, unless it is due before.
func (e *memoryEntry) dueWith(messages []memoryMessage) {
	for _, m := range messages {
		e.Due = earlier(e.Due, m.Due)
	}
}

// view returns a copy for the outside.
func (e *memoryEntry) view(claimed, messages bool) outbox.Entry {
	v := e.Entry
	v.Receipt = bytes.Clone(e.Receipt)
	v.Interrupted = e.InDoubt || e.Starts > 0
	if claimed {
		v.State = outbox.InFlight
		v.Interrupted = e.InDoubt || e.Starts > 1
	}
	if messages {
		for _, m := range e.Stored {
			m.Body = bytes.Clone(m.Body)
			v.Messages = append(v.Messages, m.StoredMessage)
		}
	}
	return v
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
