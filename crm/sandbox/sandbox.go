package sandbox

import "maps"

// AddContact stores a contact; ID and times are given by the sandbox. The error is ErrFull or nil.
func (s *Server) AddContact(c Contact) (Contact, error) {
	c.Custom = maps.Clone(c.Custom)
	stored, err := s.store.addContact(c)
	if err != nil {
		return Contact{}, err
	}
	return *stored, nil
}

// AddUser stores a user; ID and times are given by the sandbox. The error is ErrFull or nil.
func (s *Server) AddUser(u User) (User, error) {
	u.Custom = maps.Clone(u.Custom)
	stored, err := s.store.addUser(u)
	if err != nil {
		return User{}, err
	}
	return *stored, nil
}

// Calls returns all call logs as they are now, in the order of creation. Their Custom maps and seconds are shared with
// the sandbox and must not be changed.
func (s *Server) Calls() []Call { return values(s.store.findCalls(callFilter{}, 0)) }

// Contacts returns all contacts as they are now, in the order of creation. Their Custom maps are shared with the
// sandbox and must not be changed.
func (s *Server) Contacts() []Contact { return values(s.store.findContacts(contactFilter{}, 0)) }

// Revisions returns the steps of a call log, oldest first, by its id ("cl_000001"); none for an unknown id. Of one log
// the newest hundred are kept.
func (s *Server) Revisions(id string) []Revision {
	history, _ := s.store.revisions(id)
	return history
}

// SetFaults puts f in place of the current faults; the zero value ends them. It returns ErrNoFaults unless
// Options.Faults is set, and an error that names each setting that is out of bounds.
func (s *Server) SetFaults(f Faults) error {
	if !s.options.Faults {
		return ErrNoFaults
	}
	if err := f.validate(s.routes); err != nil {
		return err
	}
	s.injector.set(f)
	return nil
}

// values copies records out. What they share with the store is never changed there.
func values[T any](records []*T) []T {
	all := make([]T, 0, len(records))
	for _, r := range records {
		all = append(all, *r)
	}
	return all
}
