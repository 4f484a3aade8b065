// Package bolt is the embedded outbox store: one bbolt file, one committer.
//
// # The model
//
// All changes go through one goroutine, the committer. It takes whatever operations are waiting, applies them in one
// bbolt transaction and commits: one operation alone waits for one fsync, two hundred at once share one. There is no
// delay and no timer on the way. Reads (Get, List, Stats, the look whether anything is due) are bbolt read transactions
// of their own and never wait for it.
//
// The file holds these buckets. Ids are 8 bytes, times 8 bytes that sort like the time, numbers big-endian.
//
//	meta      "format" and "figures": the version of all records, the counters
//	keys      key                     → id
//	entries   id                      → the entry without its messages
//	messages  id, digest of identity  → one message
//	due       due time, id            → nothing; pending entries only: Claim seeks here
//	states    state, since, id        → nothing; List and the oldest of a state
//	terms     length, term, id        → nothing; List by term
//	rejected  id                      → a body in quarantine
//	digests   digest of a rejected body → its id
//
// Every operation touches a bounded number of keys, whatever is stored. Opening reads the meta pages and the counters.
//
// # Traps
//
// A claim lives in memory (the claims map) and is visible on disk only as a start that was counted: after a crash the
// entry is still in the due index. The claims map changes only after the commit that counted the start.
//
// A failed commit is not always the end: a full disk leaves the file as it was, and settling (which needs few pages)
// may go on. Any other failure to write or sync means that nobody knows what the disk holds: the store refuses all
// further changes, closes Failed, and waits to be restarted.
//
// bbolt itself would open an empty file as a new database, fault on a truncated one and not notice a flipped bit. So a
// new file is made aside and renamed, an existing one is inspected before bbolt maps it, and every record carries a
// checksum over its key and value.
package bolt
