// Package crm brings calls to a CRM: it merges the events of a call, finds the record that the call belongs to and the
// agent who had it, and writes exactly one call log per call.
//
// # The model
//
// A Syncer is the Deliverer of the outbox. For a batch of entries it decodes the events, merges them into calls,
// matches each call with a record (by transactionID over the configured objects, several hits narrowed by the phone
// number; then by phone number; then as the policy for unmatched calls says), finds the owner, and hands all writes to
// an Adapter at once. What it learned it leaves in the entry's receipt: the id of the call log, the record, the owner,
// and whether a write is in doubt.
//
// An Adapter speaks one CRM's API and classifies its answers into Kinds. It decides nothing: what follows from a kind
// is decided here, in one place, and carried out by the outbox's relay.
//
// # Exactly once
//
// Where the CRM has an upsert key, writing again is harmless. Where not, a write that may have reached the CRM without
// us knowing (the connection broke, the process died: outbox.Entry.Interrupted) is looked up by its call id before it
// is written again. An answer "exists already" with the existing id becomes an update.
//
// # What lags
//
// A receipt may fail to become durable, and the search of a CRM may not show yet what was written (Traits.SearchLag).
// So a Syncer remembers what its deliveries left and which records it made, for longer than either takes, and a write
// in doubt rests until the search would show it, also across a restart. Records that were found are remembered for a
// short time (MemoryOptions); they are taken again only for the same customer, and forgotten when a write says that
// they are gone.
//
// # Traps
//
// A transactionID is one-to-many: it may name a whole campaign. Never take the first of several hits. A wrong customer
// is worse than none, so every record found must carry the value it was looked up by; adapters drop the others. Error
// texts go to logs and pages: no numbers, no keys, no URLs in them.
package crm
