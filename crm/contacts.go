package crm

import (
	"sync"
	"time"
)

// Bounds of what is remembered of records created by this process.
const (
	createdFor  = 10 * time.Minute
	maxContacts = 1_000
)

// contacts knows the records that this process creates or has just created, by number. Without it, two calls of one
// unknown customer in two batches would make two records.
type contacts struct {
	mu      sync.Mutex
	created map[string]contact
}

// contact is a record being created (nil) or created.
type contact struct {
	record *Record
	until  time.Time
}

func newContacts() *contacts { return &contacts{created: make(map[string]contact)} }

// claim returns the record of a number when it was just created, or whether somebody is creating it. Neither: the
// caller may, and must call settle.
func (c *contacts) claim(number string, now time.Time) (known *Record, busy bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if held, found := c.created[number]; found && (held.record == nil || now.Before(held.until)) {
		return held.record, held.record == nil
	}
	c.makeRoom(now)
	c.created[number] = contact{}
	return nil, false
}

// settle ends a claim; r is nil when nothing was created.
func (c *contacts) settle(number string, r *Record, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.created, number)
	if r != nil {
		c.created[number] = contact{record: r, until: now.Add(createdFor)}
	}
}

// forget drops a record that is gone from the CRM.
func (c *contacts) forget(r Record) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for number, held := range c.created {
		if held.record != nil && held.record.is(r) {
			delete(c.created, number)
		}
	}
}

// makeRoom keeps the map bounded: what has expired goes, and if that is not enough, anything that is not being created.
func (c *contacts) makeRoom(now time.Time) {
	if len(c.created) < maxContacts {
		return
	}
	for number, held := range c.created {
		if held.record != nil && !now.Before(held.until) {
			delete(c.created, number)
		}
	}
	for number, held := range c.created {
		if len(c.created) < maxContacts {
			return
		}
		if held.record != nil {
			delete(c.created, number)
		}
	}
}
