// Package call is the telephone call itself: what one webhook says of it (Event), what all of its events say
// together (Call), the rule that turns the one into the other (Merge), and telephone numbers (Number).
//
// The model. A call centre sends several events of one call, in any order, some of them twice, some of them never.
// An Event holds only what its webhook said: an absent value is the zero value. Merge folds the events of one call
// into a Call that only moves forward: events that saw more of the call win over those that saw less, among equals
// the later arrival wins, and an absent value never erases a present one. Repeating an event changes nothing.
//
// Traps. CallID is the identity of a call; TransactionID is not: it correlates a call with a record of the CRM, one
// value may belong to many calls, and many calls have none. The customer's number is CustomerNumber whatever the
// direction. Total counts the ringing; Talk is derived, and an estimate where the answer was the agent's own pick-up.
//
// The package is a leaf: it imports nothing of this module, knows no wire format and no CRM.
package call
