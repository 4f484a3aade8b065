// Package bolt is the embedded outbox store: one bbolt file, one committer.
//
// # The model
//
// All changes go through one goroutine, the committer. It takes whatever operations are waiting, applies them in one
// bbolt transaction and commits: one operation alone waits for one fsync, two hundred at once share one. There is no
// delay and no timer on the way. Reads (Get, List, Stats, the look whether anything is due) are bbolt read transactions
// of their own; Get and List wait for it only where something is not folded yet.
//
// Append does the least that a commit can do: it puts the message at the end of the journal and touches no other page.
// What is not folded into entries and indexes yet is the tail of the journal, known in memory by key and due time. Claim
// folds the oldest of it, in slices; whatever else works with a key folds what waits for that key first. So a burst is
// acknowledged at the pace of one page an event, and the pages of the indexes are written once for many events.
//
// The file holds these buckets. Ids are 8 bytes, times 8 bytes that sort like the time, numbers big-endian.
//
//	meta      "format" and "figures": the version of the file, the counters
//	journal   number                  → a message as it came: times, digest, key, terms, body
//	reserve   "reserve"               → room that is given up when the disk is full
//	keys      key                     → id
//	entries   id                      → the entry without its messages
//	messages  id, digest of identity  → number in the entry, arrival, number in the journal
//	due       due time, id            → nothing; pending entries only: Claim seeks here
//	states    state, since, id        → nothing; List and the oldest of a state
//	terms     length, term, id        → nothing; List by term
//	rejected  id                      → a body in quarantine
//	digests   digest of a rejected body → its id
//
// Every operation touches a bounded number of keys, whatever is stored. Opening reads the meta pages, the counters and
// the tail, which is bounded.
//
// Format 1 had no journal: bodies stood in the messages, which are read as they are. Opening such a file brings it to
// format 2.
//
// # Traps
//
// A claim lives in memory (the claims map) and is visible on disk only as a start that was counted: after a crash the
// entry is still in the due index. The claims map changes only after the commit that counted the start.
//
// A failed commit is not always the end: a full disk leaves the file as it was, and delivering goes on: in smaller
// steps, and in the room of the reserve, because folding takes more of it than the journal did. The tail takes half of
// the reserve at most, the rest is for the pages that are written anew on the way; without a reserve nothing is left
// unfolded. Any other failure to write or sync means that nobody knows what the disk holds: the store refuses all
// further changes, closes Failed, and waits to be restarted.
//
// bbolt itself would open an empty file as a new database, fault on a truncated one and not notice a flipped bit. So a
// new file is made aside and renamed, an existing one is inspected before bbolt maps it, and every record carries a
// checksum over its key and value.
package bolt
