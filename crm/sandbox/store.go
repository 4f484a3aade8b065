package sandbox

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Errors of the store.
var (
	// ErrFull says that the sandbox holds Options.MaxRecords records and takes no more.
	ErrFull = errors.New("the sandbox is full")

	errNotFound       = errors.New("no such record")
	errDuplicate      = errors.New("a call log of this call id is there already")
	errUnknownContact = errors.New("no such contact")
)

// maxRevisions is how many revisions of one call log are kept; beyond, the oldest are dropped.
const maxRevisions = 100

// Prefixes of the ids.
const (
	contactPrefix = "ct_"
	userPrefix    = "us_"
	callPrefix    = "cl_"
)

// store holds the records. A record is never changed once it is stored: a change puts a new one in its place, so that
// what was read may be used without the lock.
type store struct {
	now   func() time.Time
	limit int
	calls schema[Call]

	mu           sync.RWMutex
	users        []*User
	contacts     []*contactEntry
	logs         []*callEntry
	transactions index
	phones       index
	byContact    index
	byCallID     map[string]int
}

// contactEntry is a contact and what the lists need to know of it.
type contactEntry struct {
	contact *Contact
	// words is what a search looks through.
	words searchWords
	// latest is the start of the contact's newest call, zero without calls.
	latest time.Time
}

// callEntry is a call log and its earlier states, oldest first.
type callEntry struct {
	call    *Call
	earlier []*Call
}

func newStore(now func() time.Time, limit int) *store {
	return &store{
		now: now, limit: limit, calls: callSchema(),
		transactions: index{}, phones: index{}, byContact: index{}, byCallID: map[string]int{},
	}
}

// identifier is the id of the record at a position.
func identifier(prefix string, at int) string { return fmt.Sprintf("%s%06d", prefix, at+1) }

// position is the reverse of identifier, for a list of a length.
func position(prefix, id string, length int) (int, bool) {
	if len(id) <= len(prefix) || len(id) > maxShort {
		return 0, false
	}
	number, err := strconv.Atoi(id[len(prefix):])
	if err != nil || number < 1 || number > length || identifier(prefix, number-1) != id {
		return 0, false
	}
	return number - 1, true
}

// full reports whether there is no room for another record. The caller holds the lock.
func (s *store) full() bool { return len(s.users)+len(s.contacts)+len(s.logs) >= s.limit }

func (s *store) addUser(u User) (*User, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.full() {
		return nil, ErrFull
	}
	u.ID, u.CreatedAt = identifier(userPrefix, len(s.users)), s.now().UTC()
	u.UpdatedAt = u.CreatedAt
	s.users = append(s.users, &u)
	return &u, nil
}

func (s *store) changeUser(id string, change func(*User) error) (*User, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, found := position(userPrefix, id, len(s.users))
	if !found {
		return nil, errNotFound
	}
	next := *s.users[at]
	if err := change(&next); err != nil {
		return nil, err
	}
	next.UpdatedAt = s.now().UTC()
	s.users[at] = &next
	return &next, nil
}

func (s *store) addContact(c Contact) (*Contact, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.full() {
		return nil, ErrFull
	}
	at := len(s.contacts)
	c.ID, c.CreatedAt = identifier(contactPrefix, at), s.now().UTC()
	c.UpdatedAt = c.CreatedAt
	s.contacts = append(s.contacts, &contactEntry{contact: &c, words: wordsOf(c)})
	s.transactions.add(c.TransactionID, at)
	s.phones.add(national(c.Phone), at)
	return &c, nil
}

func (s *store) changeContact(id string, change func(*Contact) error) (*Contact, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, found := position(contactPrefix, id, len(s.contacts))
	if !found {
		return nil, errNotFound
	}
	entry := s.contacts[at]
	next := *entry.contact
	if err := change(&next); err != nil {
		return nil, err
	}
	next.UpdatedAt = s.now().UTC()
	s.transactions.move(entry.contact.TransactionID, next.TransactionID, at)
	s.phones.move(national(entry.contact.Phone), national(next.Phone), at)
	s.contacts[at] = &contactEntry{contact: &next, words: wordsOf(next), latest: entry.latest}
	return &next, nil
}

// addCall stores a new call log. With errDuplicate it returns the log that is there.
func (s *store) addCall(c Call) (*Call, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at, exists := s.byCallID[c.CallID]; exists {
		return s.logs[at].call, errDuplicate
	}
	if !s.knownContact(c.ContactID) {
		return nil, errUnknownContact
	}
	if s.full() {
		return nil, ErrFull
	}
	at := len(s.logs)
	c.ID, c.CreatedAt, c.Revision = identifier(callPrefix, at), s.now().UTC(), 1
	c.UpdatedAt = c.CreatedAt
	s.logs = append(s.logs, &callEntry{call: &c})
	s.byCallID[c.CallID] = at
	s.byContact.add(c.ContactID, at)
	s.touch(c.ContactID, &c)
	return &c, nil
}

// changeCall puts what change makes of a call log in its place. What changes nothing makes no revision.
func (s *store) changeCall(id string, change func(*Call) error) (*Call, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, found := position(callPrefix, id, len(s.logs))
	if !found {
		return nil, errNotFound
	}
	before := s.logs[at].call
	next := *before
	if err := change(&next); err != nil {
		return nil, err
	}
	if !s.knownContact(next.ContactID) {
		return nil, errUnknownContact
	}
	if len(s.calls.changes(before, &next)) == 0 {
		return before, nil
	}
	next.Revision, next.UpdatedAt = before.Revision+1, s.now().UTC()
	// One state more than there are revisions to show: the oldest one is what the first revision is compared with.
	earlier := append(slices.Clone(s.logs[at].earlier), before)
	s.logs[at] = &callEntry{call: &next, earlier: earlier[max(0, len(earlier)-maxRevisions):]}
	s.byContact.move(before.ContactID, next.ContactID, at)
	s.relink(before, &next)
	return &next, nil
}

// knownContact reports whether a call may name this contact. The caller holds the lock.
func (s *store) knownContact(id string) bool {
	_, found := position(contactPrefix, id, len(s.contacts))
	return found || id == ""
}

// relink keeps the newest call of the contacts right after a call log changed. The caller holds the lock.
func (s *store) relink(before, next *Call) {
	if at, found := position(contactPrefix, before.ContactID, len(s.contacts)); found {
		steppedBack := before.ContactID != next.ContactID || next.StartedAt.Before(before.StartedAt)
		if steppedBack && before.StartedAt.Equal(s.contacts[at].latest) {
			s.contacts[at].latest = time.Time{}
			for _, log := range s.byContact[before.ContactID] {
				s.touch(before.ContactID, s.logs[log].call)
			}
		}
	}
	s.touch(next.ContactID, next)
}

// touch notes a call as the contact's newest, when it is. The caller holds the lock.
func (s *store) touch(contactID string, c *Call) {
	at, found := position(contactPrefix, contactID, len(s.contacts))
	if found && c.StartedAt.After(s.contacts[at].latest) {
		s.contacts[at].latest = c.StartedAt
	}
}

// index finds the positions of records by a value, in ascending order.
type index map[string][]int

func (x index) add(key string, at int) {
	places := x[key]
	where, found := slices.BinarySearch(places, at)
	if !found {
		x[key] = slices.Insert(places, where, at)
	}
}

func (x index) move(from, to string, at int) {
	if from == to {
		return
	}
	if where, found := slices.BinarySearch(x[from], at); found {
		x[from] = slices.Delete(x[from], where, where+1)
	}
	if len(x[from]) == 0 {
		delete(x, from)
	}
	x.add(to, at)
}

// newestFirst orders calls by their start, those without one by their creation, the newest first.
func newestFirst(a, b *Call) int {
	return cmp.Or(when(*b).Compare(when(*a)), cmp.Compare(b.ID, a.ID))
}

// when is the time by which a call is ordered and shown.
func when(c Call) time.Time {
	if c.StartedAt.IsZero() {
		return c.CreatedAt
	}
	return c.StartedAt
}
