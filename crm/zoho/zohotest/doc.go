// Package zohotest is a fake of Zoho CRM (API v8) for tests.
//
// # The model
//
// A CRM is an account with the modules Contacts, Leads, Deals and Calls, users, and the custom fields of an account
// that was set up. It serves tokens, COQL, inserts, updates and upserts, users, and the description and creation of
// fields, in the shapes of the vendor's documentation and API description. It checks what is sent as strictly as is
// known: frozen fields, records and users that are not there, unique values, batches and values in a query that are too
// many, requests at a time, credits of a rolling day.
//
// # Traps
//
// A batch is answered 200 or 201 when all went well, 207 when some did, and 400 when none did. A field that is not
// there is left out in silence when it is written, and refused in a query. Nothing found is 204.
package zohotest
