// Package rest is the adapter for any CRM with a REST API, described by configuration alone.
//
// # The model
//
// A Config has operations: requests to find records by transaction id or phone, to create, update and find call logs,
// to find users and to create contacts. Each says what is sent and how the answer is read. All of it is compiled and
// checked when the configuration is read; a mistake is told with its place (ConfigError).
//
//	objects:
//	  - name: lead
//	    find_by_transaction_id:
//	      path: /Lead
//	      query: {"where[0][type]": equals, "where[0][attribute]": cTransactionId, "where[0][value]": "${value}"}
//	      records: body.list
//	    transaction_id: item.cTransactionId
//	    owner: item.assignedUserId
//	calls:
//	  create:
//	    path: /Call
//	    body: {name: "Call ${call.id}", dateStart: "${utc(call.start, '2006-01-02 15:04:05')}", parentId: "${record.id}"}
//	    id: body.id
//
// Values in a path and a query are escaped, bodies are JSON or forms.
//
// # Expressions
//
// Expressions are those of github.com/expr-lang/expr. A text may hold some as ${…}; one that is a single expression and
// nothing else keeps the type of its value (a number stays a number, null stays null), "$${" stands for "${" itself.
// What there is to see depends on the place:
//
//   - look-ups of records: object, value, and the same value as transaction_id or phone
//   - look-up of users: agent
//   - look-up of call logs, creation of contacts: call
//   - writes: call, record (object, id, owner; empty for an unlinked call), owner, log_id
//   - answers, records, truncated, message, and id of a write: status, headers (names in lower case), body (the decoded
//     JSON, null for anything else), text
//   - read_back.expect: what a write and an answer see
//   - id, transaction_id, phones, owner, call_id and name of what was found: item
//
// A call has id, transaction_id, direction (inbound, outbound), state (started, answered, ended), result (answered,
// missed, or empty), status, customer.raw, customer.e164, customer.national, hotline, extension, agent, start, answer
// and end (times or null), hangup_by, total, hold and talk (seconds or null), recording_url and object_id.
//
// Besides the built-in functions of the language there are: utc(t, layout) and local(t, layout), with a layout of
// package time such as "2006-01-02 15:04:05"; iso(t), unix(t), unix_ms(t); all of these give null for null. default(v,
// w) is w where v is null or an empty text; omit(v) leaves the key out where v is null or empty, omit() always.
// uuid5(s) is the UUID of s in the namespace of URLs; quote(s) puts s in single quotes and doubles those within,
// escape(s) puts a backslash before quotes and backslashes; last_segment(s) is the end of a path or URL, for ids in
// Location.
//
// A member of something that is not there is null, so that body.error.code can be asked of any answer.
//
// # Answers
//
// An answer is taken for what the first rule says whose when holds: those of the operation, then those for all, then
// the built-in ones. These are: 2xx success; 404 and 410 nothing found, for a write gone; 409 exists already on a
// create; 401 unauthorized; 403 forbidden; 429, and 503 with Retry-After, throttled; a 5xx in doubt on a create, else
// transient, as are 408, 425, 501, 503 and redirects, which are not followed; all others invalid. A page in place of
// data is no answer: a 404 with a page is transient, and so is a success without JSON for a look-up.
//
// A 500 or 503 that is the question's own fault is retried for as long as any outage unless a rule says better: invalid
// parks the call at once with the CRM's words, forbidden after a few attempts.
//
// After throttled or quota with a time nothing at all is sent before that time. Connections, tokens and rests are those
// of package api.
//
// # Traps
//
// Some CRMs answer a filter they do not know with every record, so each record found is checked again and one that does
// not carry what was asked for is left out. Some empty the fields that an update does not name, so an update sends the
// body of the create unless it has its own. Some answer a write with success and drop a value: see ReadBack. Some send
// ids as long numbers: whole numbers keep all their digits, and every id is text.
package rest
