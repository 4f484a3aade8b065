package bolt

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"

	"github.com/crmsyncd/crmsyncd/outbox"
)

// ReadEntry returns an entry with its messages from a file that no store has open, as Store.Get would, and changes
// nothing in the file: it is neither brought to a newer format nor tidied. A missing file is fs.ErrNotExist and is not
// made; outbox.ErrNotFound for a key without an entry; ErrInUse after a second.
func ReadEntry(path, key string) (e outbox.Entry, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("%w: %v", outbox.ErrCorrupt, fault)
		}
		if err != nil {
			err = fmt.Errorf("read outbox %s: %w", path, err)
		}
	}()
	if err := inspect(path); err != nil {
		return outbox.Entry{}, err
	}
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true, Timeout: time.Second})
	if errors.Is(err, bbolterrors.ErrTimeout) {
		return outbox.Entry{}, ErrInUse
	}
	if err != nil {
		return outbox.Entry{}, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	err = db.View(func(tx *bbolt.Tx) error {
		if _, err := ours(tx); err != nil {
			return err
		}
		e, err = readEntry(tx, key)
		return err
	})
	if refused, ok := errors.AsType[refusal](err); ok {
		err = refused.error
	}
	return e, err
}

// readEntry reads an entry as folding its waiting messages would leave it.
func readEntry(tx *bbolt.Tx, key string) (e outbox.Entry, err error) {
	f, err := loadFigures(tx)
	if err != nil {
		return e, err
	}
	id, h, err := findEntry(tx, key)
	if err != nil {
		return e, err
	}
	if h != nil {
		if e.Messages, err = readMessages(tx, id); err != nil {
			return e, err
		}
	}
	messages := e.Messages
	unfolded, _ := readTail(tx, f.folded, func(error) {}) // what is damaged is for Verify to name
	for _, m := range unfolded.byKey[key] {
		if h == nil {
			h = &header{key: key, state: outbox.Pending, created: m.at, since: m.at, waiting: m.at, due: m.due}
		} else {
			h = h.withMessage(m.at, m.due)
		}
		h.lastSeq++
		_, body, err := decodeJournal(journalKey(m.seq), tx.Bucket(journalBucket).Get(journalKey(m.seq)))
		if err != nil {
			return e, err
		}
		messages = append(messages, outbox.StoredMessage{Seq: h.lastSeq, At: fromStored(m.at), Body: bytes.Clone(body)})
	}
	if h == nil {
		return e, fmt.Errorf("%w: %s", outbox.ErrNotFound, key)
	}
	e = h.entry(false)
	e.Messages = messages
	return e, nil
}
