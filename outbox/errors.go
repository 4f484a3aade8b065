package outbox

import "errors"

// Errors of a store. Test for them with errors.Is.
var (
	// ErrFull: the limit on used bytes is reached or the disk is full. What is stored goes on being delivered.
	ErrFull = errors.New("outbox is full")
	// ErrBusy: too many operations are waiting. Try again soon.
	ErrBusy = errors.New("outbox is overloaded")
	// ErrFailed: the disk failed to make something durable. The store takes nothing more; the process must be restarted.
	ErrFailed = errors.New("outbox failed to write to its disk")
	// ErrClosed: the store is closed or closing.
	ErrClosed = errors.New("outbox is closed")
	// ErrInvalid: a message breaks a bound, see Message.
	ErrInvalid = errors.New("message is out of bounds")
	// ErrEntryFull: the entry has MaxEntryMessages or MaxEntryBytes already.
	ErrEntryFull = errors.New("entry has too many messages")
	// ErrNotFound: no entry has this key.
	ErrNotFound = errors.New("no such entry")
	// ErrClaimed: the entry is in flight and cannot be changed by hand now.
	ErrClaimed = errors.New("entry is in flight")
	// ErrNotClaimed: the entry is not in flight.
	ErrNotClaimed = errors.New("entry is not in flight")
	// ErrCorrupt: a record does not match its checksum or cannot be read.
	ErrCorrupt = errors.New("record is damaged")
)

// UnsettledError says which settlements of a Settle did not happen, because the disk had no room for them. The others
// of the same Settle did.
type UnsettledError struct {
	Left []Settlement
	Err  error
}

// Error returns the cause.
func (e *UnsettledError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *UnsettledError) Unwrap() error { return e.Err }
