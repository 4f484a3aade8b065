// Package admin is the operator's HTTP interface: health, metrics and a JSON API over the calls in the outbox. It is
// the place where entries, which the outbox knows as keys and bytes, are shown as calls.
//
// # The model
//
//	GET  /healthz                        the process lives; open to everybody
//	GET  /readyz                         events can be made durable: 200, or 503 with the reason
//	GET  /metrics                        Prometheus
//	GET  /api/v1/stats                   figures of the outbox, and whether delivery rests
//	GET  /api/v1/config                  the configuration in force, secrets masked
//	GET  /api/v1/calls                   calls by ?state= &reason= &term= &from= &to=, paged by &limit= &after=
//	GET  /api/v1/calls/{call_id}         one call with its receipt, with ?include=events the events as they came
//	POST /api/v1/calls/{call_id}/replay  deliver a parked or delivered call again
//	POST /api/v1/calls/{call_id}/discard remove a call for good
//	POST /api/v1/replay                  the same for all calls of a ?state=; ?dry_run=true only counts them
//	GET  /api/v1/backup                  a consistent copy of the outbox, with ?rate= bytes a second
//	GET  /api/v1/quarantine              webhooks that were refused, with ?include=body their bodies
//	POST /api/v1/pause                   let delivery rest until it is resumed
//	POST /api/v1/resume                  go on delivering, unless the CRM itself asked for a rest
//	     everything else                 the console
//
// Times are RFC 3339 in UTC. Errors are {"error":{"code":"…","message":"…"}}. A query parameter that a route does not
// know is refused, so that a misspelt filter never selects everything.
//
// # Who may
//
// With a token, every request but /healthz must carry it: "Authorization: Bearer <token>" (in Prometheus,
// authorization: {credentials_file: …} of the scrape configuration), or Basic with any user name and the token as the
// password, which is what a browser can do for the console.
//
// Without a token only this machine is served. A web page that somebody opens on this machine must not get in either: a
// Host header that is not a loopback name or address is refused (DNS rebinding). With or without a token a POST from
// another site's page is refused (cross-site request forgery).
//
// # Traps
//
// The customer's number is masked unless ?numbers=full is asked for; the address of a recording is never shown. A
// refused webhook is shown as it came, numbers included, with ?include=body, and the events of a call, recordings
// included, with ?include=events. All of that is logged.
//
// The handler sets no timeouts: they belong to the http.Server. A replay of many calls takes a while, so its write
// timeout should be a minute or more.
package admin
