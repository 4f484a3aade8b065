// Package receiver is the HTTP edge: it takes webhooks, makes each durable through a Sink, and only then answers 200.
//
// # The model
//
// A Source knows the format of one sender and has one path, POST /webhooks/<name>. A request goes through the same
// steps in the same order, and the first one that says no answers:
//
//	stopping?        503  nothing is read
//	Authorization    401  nothing is read, nothing is stored
//	too many at once 503  nothing is read
//	Content-Type     415  quarantined
//	size             413  the first part is quarantined
//	Source.Decode    400  quarantined
//	Sink.Accept      503  if it is not durable now, else 200
//
// So 200 means that the event survives a loss of power, 4xx that sending it again is of no use as it is, and 503,
// always with Retry-After, that it is to be sent again. Whatever an authorized sender sends is either accepted, or
// kept in quarantine, or answered with 503: where the quarantine fails too, a 4xx turns into a 503.
//
// # Traps
//
// What is not an HTTP request at all, or has headers beyond the limit, is answered by net/http itself in plain text
// and not observed. A sender that gives up does not stop the storing of what it has sent: its repeat will be a
// duplicate. The address of a sender that stands in logs is the one of the connection, so behind a proxy it is the
// proxy's: headers that claim another one are not believed.
package receiver
