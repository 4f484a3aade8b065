// Package salesforcetest is a fake of Salesforce's REST API: as much of it as a call centre needs.
//
// # The model
//
// A CRM is an org: objects with described fields (Contact, Lead, Opportunity, Account, Case, User, Task), records, one
// connected app with the client credentials flow, SOQL by GET query, sObject Collections, describe, and the Tooling API
// for custom fields. It takes nothing that the real one would not take: types, lengths, picklists, references and
// rights are checked and refused with Salesforce's own codes, in its own shapes.
//
// # Traps that it reproduces
//
// A field that does not exist and a field that the user may not see are the same to the API. A field made through the
// Tooling API is hidden until somebody grants rights to it (CRM.Grant). TaskSubtype can be set by an insert only: an
// upsert that finds its Task and names TaskSubtype is refused. A converted Lead takes no activities. Texts in SOQL are
// compared without case. An unknown field or a value of the wrong type refuses the whole request, a value that breaks a
// rule only its own record. A URI of more than 16,384 bytes is refused, and so is one that exceeds them together with
// the headers.
//
// Facts are those of the REST API Developer Guide ("Upsert Records Using sObject Collections", "Status Codes and Error
// Responses", "Query"), the Object Reference ("Task"), the Tooling API guide ("CustomField") and help article 000386264
// (lengths of URIs). Where these are silent, messages follow what is widely quoted of the real service.
package salesforcetest
