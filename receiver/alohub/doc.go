// Package alohub is the wire format of Alohub, a Vietnamese cloud call centre: it turns the body of a webhook into a
// call.Event. It is the only place that knows Alohub's field names.
//
// # The model
//
// One webhook is one flat JSON object about one call. The documents show 17 fields, absent ones as empty strings, and
// leave much open: the list of statuses, the number and the order of events, the types. So the decoder is lenient in
// types and strict in shape. Strict: the body must be UTF-8, valid JSON, one object with nothing after it, and must
// name its call; all else is a DecodeError. Lenient: a value may be a string or a number (its digits are kept as
// written, so that a call id of 20 digits survives); null, booleans, nested values, empty strings and missing keys
// all mean "not said"; what cannot be read as a date or a duration is not said either; unknown keys are passed over.
// An event is never refused for a field that can be done without.
//
// Keys are matched exactly, after their escapes are resolved. Of a key that stands there twice the last one counts,
// even if it says nothing.
//
// # Traps
//
// caller_number is the customer's number and destination_number the agent's extension, whatever the direction. An
// answered and an ended call share call_status "answered": the end time tells them apart. Times carry no zone.
// transactionID is spelled with a capital ID here and otherwise in Alohub's request APIs. A body has no event id:
// Identity takes its place.
package alohub
