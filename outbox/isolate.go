package outbox

import (
	"log/slog"
	"slices"
)

// suspectStarts is from which start on an entry is delivered alone. Two deliveries of it have broken off with the process
// by then: it may be what kills the process, and what is in flight beside it would be counted as guilty each time.
const suspectStarts = 3

// isolate returns what of the claimed entries may be handed out now, and whether it has to be alone in flight. Of those
// under suspicion it chooses one, that with the fewest starts, because the innocent are cleared by a single delivery;
// it lets go of the others, and returns when nothing else is in flight any more.
func (r *Relay) isolate(entries []Entry, settlements chan<- []settled) (chosen []Entry, alone bool) {
	suspect := -1
	for i, e := range entries {
		if e.Starts >= suspectStarts && (suspect < 0 || e.Starts < entries[suspect].Starts) {
			suspect = i
		}
	}
	r.flying.Add(len(entries))
	if suspect < 0 {
		return entries, false
	}
	chosen = entries[suspect : suspect+1]
	r.o.Logger.Warn("deliveries of an entry have broken off with the process, so it is delivered alone",
		slog.String("call_id", chosen[0].Key), slog.Int("starts", chosen[0].Starts))
	if len(entries) > 1 {
		settlements <- r.release(slices.Concat(entries[:suspect], entries[suspect+1:]))
	}
	r.flying.Done()
	r.flying.Wait()
	r.flying.Add(1)
	return chosen, true
}
