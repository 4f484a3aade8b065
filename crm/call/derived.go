package call

import "time"

// Began returns when the call began or, where that was not told, the earliest time that is known of it; zero without any.
func (c Call) Began() time.Time {
	for _, at := range []time.Time{c.Start, c.Answer, c.End} {
		if !at.IsZero() {
			return at
		}
	}
	return time.Time{}
}

// Talked returns how long the customer was talked with, which is the duration that a salesperson reads: 0 for a call that
// nobody answered. Where it was not told when the call was answered it is the length of the whole call, as the nearest
// that is known. It is absent as long as an answered call runs.
func (c Call) Talked() Seconds {
	switch {
	case c.Result == ResultMissed:
		return KnownSeconds(0)
	case c.State != Ended || c.Result != ResultAnswered:
		return Seconds{}
	case c.Talk.Known:
		return KnownSeconds(max(c.Talk.N, 0))
	case c.Total.Known:
		return KnownSeconds(max(c.Total.N, 0))
	case !c.Start.IsZero() && c.End.After(c.Start):
		return KnownSeconds(int64(c.End.Sub(c.Start) / time.Second))
	default:
		return Seconds{}
	}
}
