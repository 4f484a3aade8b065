package sandbox

import (
	"slices"
	"strings"
	"time"
)

// contactFilter says which contacts are asked for; an empty field asks for nothing.
type contactFilter struct{ transactionID, phone string }

// callFilter says which call logs are asked for; an empty field asks for nothing.
type callFilter struct{ callID, contactID string }

// userFilter says which users are asked for, compared without regard to case; an empty field asks for nothing.
type userFilter struct{ name, extension, email string }

// visible reports whether the index knows a record created then. With no lag it does, whatever the clock says.
func (s *store) visible(created time.Time, lag time.Duration) bool {
	return lag <= 0 || s.now().Sub(created) >= lag
}

func (s *store) findContacts(f contactFilter, lag time.Duration) []*Contact {
	s.mu.RLock()
	defer s.mu.RUnlock()
	number := national(f.phone)
	matches := func(c *Contact) bool {
		return (f.phone == "" || number != "" && national(c.Phone) == number) && s.visible(c.CreatedAt, lag)
	}
	var found []*Contact
	take := func(at int) {
		if c := s.contacts[at].contact; matches(c) {
			found = append(found, c)
		}
	}
	switch {
	case f.transactionID != "":
		each(s.transactions[f.transactionID], take)
	case f.phone != "":
		each(s.phones[number], take)
	default:
		for at := range s.contacts {
			take(at)
		}
	}
	return found
}

func (s *store) findCalls(f callFilter, lag time.Duration) []*Call {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var found []*Call
	take := func(at int) {
		c := s.logs[at].call
		if (f.contactID == "" || c.ContactID == f.contactID) && s.visible(c.CreatedAt, lag) {
			found = append(found, c)
		}
	}
	switch {
	case f.callID != "":
		if at, exists := s.byCallID[f.callID]; exists {
			take(at)
		}
	case f.contactID != "":
		each(s.byContact[f.contactID], take)
	default:
		for at := range s.logs {
			take(at)
		}
	}
	return found
}

func (s *store) findUsers(f userFilter) []*User {
	s.mu.RLock()
	defer s.mu.RUnlock()
	same := func(want, has string) bool { return want == "" || strings.EqualFold(want, has) }
	var found []*User
	for _, u := range s.users {
		if same(f.name, u.Name) && same(f.extension, u.Extension) && same(f.email, u.Email) {
			found = append(found, u)
		}
	}
	return found
}

func (s *store) contact(id string) (*Contact, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	at, found := position(contactPrefix, id, len(s.contacts))
	if !found {
		return nil, false
	}
	return s.contacts[at].contact, true
}

func (s *store) call(id string) (*Call, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	at, found := position(callPrefix, id, len(s.logs))
	if !found {
		return nil, false
	}
	return s.logs[at].call, true
}

func (s *store) user(id string) (*User, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	at, found := position(userPrefix, id, len(s.users))
	if !found {
		return nil, false
	}
	return s.users[at], true
}

// revisions returns the steps of a call log, oldest first.
func (s *store) revisions(id string) ([]Revision, bool) {
	s.mu.RLock()
	at, found := position(callPrefix, id, len(s.logs))
	if !found {
		s.mu.RUnlock()
		return nil, false
	}
	entry := s.logs[at]
	s.mu.RUnlock()
	states := append(slices.Clone(entry.earlier), entry.call)
	before := &Call{}
	if states[0].Revision > 1 {
		before, states = states[0], states[1:]
	}
	history := make([]Revision, 0, len(states))
	for _, state := range states {
		changes := s.calls.changes(before, state)
		fields := make([]string, 0, len(changes))
		for name := range changes {
			fields = append(fields, name)
		}
		slices.Sort(fields)
		history = append(history, Revision{
			Number: state.Revision, At: state.UpdatedAt, Fields: fields, Changes: changes,
		})
		before = state
	}
	return history, true
}

// unlinked returns the call logs that belong to no contact, in the order of creation.
func (s *store) unlinked() []*Call {
	s.mu.RLock()
	defer s.mu.RUnlock()
	found := make([]*Call, 0, len(s.byContact[""]))
	each(s.byContact[""], func(at int) { found = append(found, s.logs[at].call) })
	return found
}

// sizes returns how many contacts, calls, unlinked calls and users there are.
func (s *store) sizes() (contacts, calls, unlinked, users int) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.contacts), len(s.logs), len(s.byContact[""]), len(s.users)
}

// each calls take with every place.
func each(places []int, take func(at int)) {
	for _, at := range places {
		take(at)
	}
}
