// Package api is the HTTP side of every CRM adapter: connections, credentials, rate limits, rests that a CRM asks for,
// and the batching of look-ups and writes. An adapter is left with what only its vendor knows: paths, fields and the
// meaning of errors.
//
// # The model
//
// A Client sends a Request and returns the Answer, or a *crm.Error. What an answer means is said by a Judge: the
// vendor's own, or the one by status. A Request says its Effect, and so the Client knows what a lost answer means: only
// one that Creates leaves a doubt.
//
// Credentials put the access token on. They fetch it once for all workers, and once more after it was refused. An OAuth
// whose refresh tokens rotate has a TokenStore, where the new refresh token is durable before the access token is used.
//
// Search turns look-ups into few requests and gives each only the records that carry its value. Chunks, Each and Split
// cut writes into batches.
//
// # Rests
//
// Once a CRM has said when it wants to be asked again (Retry-After with throttled or quota, a Level of 0), nothing is
// sent before that time, by no worker: Do returns the remaining time at once. A request that waits for its Budget looks
// again before it is sent. Only what was under way at that moment still arrives.
//
// # Traps
//
// Messages of a CRM echo what was sent: secrets, addresses and numbers are masked in every error. Errors of net/http
// carry the URL; none of them leaves this package.
//
// Redirects are never followed: a POST would become a GET, and credentials would go elsewhere. A base URL that a token
// names is checked, and a host that resolves to an address of one's own network is not dialled: the name is checked
// after it was resolved, at the very connection that is used. An HTTP proxy of the environment is the operator's own
// choice and is dialled; it resolves the names itself, so there the guard sees no more than addresses in URLs.
//
// net/http sends a request again by itself when a reused connection breaks, if the method is GET or there is an
// Idempotency-Key. That would hide a lost create, so requests that Create are never such.
package api
