package bolt

import (
	"encoding/binary"
	"fmt"
	"slices"

	"go.etcd.io/bbolt"

	"github.com/crmsyncd/crmsyncd/outbox"
)

// foldSlice is how many messages are folded at a time, so that nobody waits for long. A claim of more entries folds more.
const foldSlice = 512

// journaled is a message that is durable in the journal and not yet folded into its entry.
type journaled struct {
	seq     uint64
	at, due int64
	key     string
	digest  [digestSize]byte
	size    int
	terms   []string
	// opens says that nothing else of its key waited when it came: folding it makes the entry pending that was in state
	// from (0: there was none), if parked for a reason.
	opens  bool
	from   outbox.State
	reason string
	// folded says that it is not part of the tail any more.
	folded bool
}

// journalKey is the key of a message in the journal.
func journalKey(seq uint64) []byte { return binary.BigEndian.AppendUint64(nil, seq) }

// journalHead is what stands before the texts in a record of the journal: arrival, due time, digest.
const journalHead = 8 + 8 + digestSize

// newJournalRecord returns the record of a message, to be sealed under its key.
func newJournalRecord(at, due int64, digest [digestSize]byte, m outbox.Message) []byte {
	size := sealSize + journalHead + 3*binary.MaxVarintLen16 + len(m.Key) + len(m.Body)
	for _, term := range m.Terms {
		size += binary.MaxVarintLen16 + len(term)
	}
	b := make([]byte, sealSize, size)
	b = binary.BigEndian.AppendUint64(b, uint64(at))
	b = binary.BigEndian.AppendUint64(b, uint64(due))
	b = append(b, digest[:]...)
	b = appendText(b, m.Key)
	b = binary.AppendUvarint(b, uint64(len(m.Terms)))
	for _, term := range m.Terms {
		b = appendText(b, term)
	}
	return append(b, m.Body...)
}

// decodeJournal reads a sealed record of the journal. The body is only valid as long as the record is.
func decodeJournal(key, record []byte) (m *journaled, body []byte, err error) {
	payload, err := unseal(key, record)
	if err == nil && (len(payload) < journalHead || len(key) != idSize) {
		err = fmt.Errorf("%w: malformed record", outbox.ErrCorrupt)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("journal %x: %w", key, err)
	}
	m = &journaled{
		seq: binary.BigEndian.Uint64(key), at: int64(binary.BigEndian.Uint64(payload)),
		due: int64(binary.BigEndian.Uint64(payload[8:])),
	}
	copy(m.digest[:], payload[16:])
	d := decoder{rest: payload[journalHead:]}
	m.key = d.text()
	for count := min(d.uvarint(), outbox.MaxTerms); count > 0 && !d.broken; count-- {
		m.terms = append(m.terms, d.text())
	}
	if d.broken {
		return nil, nil, fmt.Errorf("journal %x: %w: malformed record", key, outbox.ErrCorrupt)
	}
	m.size = len(d.rest)
	return m, d.rest, nil
}

// tail is the end of the journal: the messages that are not folded yet, in the order of their arrival.
type tail struct {
	// queue may still hold messages that were folded; live is how many it holds that were not.
	queue []*journaled
	live  int
	// cost is what folding all of it takes.
	cost  int
	byKey map[string][]*journaled
}

func newTail() tail { return tail{byKey: map[string][]*journaled{}} }

// add adds a message that is newer than all the others.
func (l *tail) add(m *journaled) {
	l.queue = append(l.queue, m)
	l.live++
	l.cost += m.cost()
	l.byKey[m.key] = append(l.byKey[m.key], m)
}

// remove takes a message out that was folded.
func (l *tail) remove(m *journaled) {
	m.folded = true
	l.live--
	l.cost -= m.cost()
	rest := slices.DeleteFunc(l.byKey[m.key], func(other *journaled) bool { return other == m })
	if len(rest) == 0 {
		delete(l.byKey, m.key)
	} else {
		l.byKey[m.key] = rest
	}
	if l.live <= len(l.queue)/2 { // each message is moved once for each time the queue halves
		l.queue = slices.DeleteFunc(l.queue, func(m *journaled) bool { return m.folded })
	}
}

// all goes along the messages that are not folded, the oldest first.
func (l *tail) all(yield func(*journaled) bool) {
	for _, m := range l.queue {
		if !m.folded && !yield(m) {
			return
		}
	}
}

// due returns when the first message is due, 0 without one.
func (l *tail) due() (first int64) {
	for m := range l.all {
		if first == 0 || m.due < first {
			first = m.due
		}
	}
	return first
}

// count adds to figures what they will say once the tail is folded.
func (l *tail) count(f *figures) {
	f.messages += uint64(l.live)
	for m := range l.all {
		if !m.opens {
			continue
		}
		if m.from == 0 {
			f.entries++
			f.move(nil, &header{state: outbox.Pending})
		} else {
			f.move(&header{state: m.from, reason: m.reason}, &header{state: outbox.Pending})
		}
	}
}

// readTail reads what is in the journal behind the last message of which the figures say that it and all before it are
// folded. Messages behind it that are folded already are left out. What is damaged is reported and left where it is.
func readTail(tx *bbolt.Tx, folded uint64, damaged func(error)) (l tail, newest int64) {
	l = newTail()
	journal := tx.Bucket(journalBucket)
	if journal == nil { // a file of format 1
		return l, 0
	}
	c := journal.Cursor()
	for key, record := c.Seek(journalKey(folded + 1)); key != nil; key, record = c.Next() {
		m, _, err := decodeJournal(key, record)
		if err != nil {
			damaged(err)
			continue
		}
		newest = max(newest, m.at)
		id, h, err := findEntry(tx, m.key)
		switch {
		case err != nil:
			damaged(err)
			continue
		case h == nil:
		case tx.Bucket(messagesBucket).Get(messageKey(id, m.digest)) != nil:
			continue
		default:
			m.from, m.reason = h.state, h.reason
		}
		m.opens = len(l.byKey[m.key]) == 0
		l.add(m)
	}
	return l, newest
}
