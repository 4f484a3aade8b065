package crmtest

import (
	"net/http"
	"time"
)

// CRM is a fake of a vendor's API. It answers as the vendor does, and is safe for concurrent use.
type CRM interface {
	http.Handler
	// AddRecord makes a record of an object and returns its id.
	AddRecord(object, transactionID, phone string) (id string)
	// Logs returns the call logs that are there, the oldest first.
	Logs() []Log
}

// Vendor is a fake with what tests of a whole daemon need.
type Vendor interface {
	CRM
	// AddUser makes a user and returns its id. The login is the agent's name as the vendor's look-up takes it: an
	// account name, an e-mail address or an extension.
	AddUser(login string) (id string)
	// Refuse makes the fake refuse every write of this call's log from now on, in the vendor's form for bad data and
	// with these words. What else is in a batch fares as it would with the vendor. Empty words end it.
	Refuse(callID, words string)
	// Requests returns how many requests came so far, by operation: find, find_log, find_user, write, associate, token,
	// and the vendor's own.
	Requests() map[string]int
}

// Log is a call log as a CRM keeps it, in one unit for all vendors. What a CRM, or its fake, keeps no field for is
// zero.
type Log struct {
	ID, CallID, RecordID, Owner, RecordingURL string
	// Direction is "inbound" or "outbound", Result "answered" or "missed"; empty while the call runs.
	Direction, Result string
	// Start is when the call began.
	Start time.Time
	// Seconds is the duration as the CRM shows it.
	Seconds int64
	// Title and Text are what a salesperson reads.
	Title, Text string
}
