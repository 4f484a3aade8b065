// Package hubspottest is a fake of the part of HubSpot's API that call logs need.
//
// # The model
//
// CRM is an http.Handler that keeps contacts, companies, deals, tickets, leads, calls, owners and the definitions of
// properties, and answers in HubSpot's own shapes under both families of paths: /crm/v3/objects/… (associations under
// /crm/v4) and the dated /crm/objects/2026-03/…. It is written from the vendor's pages, not from the adapter: the
// guides on calls, search, properties and associations, the reference of the batch endpoints and the pages on errors
// and usage limits at developers.hubspot.com.
//
// # What it is strict about
//
// Property values are strings, every property has to exist, and what is written has to fit its type: an option of an
// enumeration, a time in milliseconds or ISO, an owner who is there, a recording with https. A batch has at most 100
// inputs. A search has a body of at most 3,000 characters, five groups of filters, pages of at most 200, and IN
// compares with values in lower case only. What was written is shown by search after Options.SearchLag, by all else at once.
//
// # Partial failure
//
// One bad input fails its whole batch with a 400, unless every input carries an objectWriteTraceId of its own: then the
// answer is a 207 with the good ones done and an error for each bad one (page "Error handling"). Options.AllOrNothing
// makes it a 400 always.
package hubspottest
