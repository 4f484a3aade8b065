// Package sandbox is a small CRM of its own: contacts, users and call logs in memory, a REST API over HTTP, and pages
// that show what a salesperson would see. It serves the demo, trying out, and tests that need a CRM which can be made
// to misbehave. It shares no code with the rest of the module and is spoken to like any other CRM.
//
// # The model
//
// A contact has a transaction id, which several contacts may share, and a phone number, which is compared in its
// national form. A call log has a call id, which is unique: a second create answers 409 with the log that is there. A
// call log may belong to a contact or to none. Fields that the sandbox does not know are kept under "custom". Every
// change of a call log makes a revision, so that a test can see each step a log took; a write that changes nothing
// makes none. Ids count up ("ct_000001", "us_000001", "cl_000001"), so equal runs give equal ids.
//
// A request takes effect at once and as a whole; only then may its answer be delayed or lost. Records are never
// deleted, and there is a limit to how many there are.
//
// # The API
//
// Everything is JSON under /api/v1: contacts, calls and users with POST (create, 201 and Location), GET (one, or a list
// with filters, page and limit) and PATCH (changes the named fields, null empties one); calls/{id}/revisions; stats;
// and, where Options.Faults allows it, faults. One record is {"data":{…}}, a list {"data":[…],"total":n}, an error
// {"error":{"code","message","fields"}}. Stats stand bare. Lists are in the order of creation.
//
// # Faults
//
// A Trigger says which requests a fault hits: the next few, or a share of all, drawn from the seed. Faults touch
// contacts, users and calls; the pages, stats and the faults themselves stay reachable, so that an outage can be
// watched and ended.
//
// # Traps
//
// Go's HTTP client repeats a GET by itself when a kept connection is closed without an answer: a cut GET may go unseen,
// while both requests are counted. An unknown or empty filter is refused with 422, because a list that ignores a filter
// answers with every record. The pages have no login, even when the API has a key: do not keep real customers here.
package sandbox
