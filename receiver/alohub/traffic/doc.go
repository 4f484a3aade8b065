// Package traffic makes up the webhooks of a call centre: the bodies that Alohub would send for a day of calls, and
// the truth that must come out of them.
//
// # The model
//
// A Generator draws calls from a deck of cases: answered and missed, inbound and outbound, with and without an event
// at the start, with the recording in the last event or in a late one of its own, with resends, with events in the
// wrong order, with customers that the CRM knows by transactionID or by their number, and with strangers. Any 20
// calls in a row, counted from the first, hold each case of the deck once, so that a small day has them all. Who
// calls, when and for how long is drawn from a random source: the same Options give the same traffic, byte for byte.
//
// Day gives a bounded day squeezed into a span; Stream gives calls without end, which arrive at random moments at a
// rate. In a Day, times within the bodies are those of the day and not of the span: a call of five minutes says so,
// and is over in a fraction of a second.
//
// # Traps
//
// The names are made up of common ones and the numbers are drawn from the ranges in use, since no range is set aside
// for tests: a number may belong to somebody. Traffic is for a CRM that calls nobody.
package traffic
