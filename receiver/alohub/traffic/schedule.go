package traffic

import (
	"cmp"
	"container/heap"
	"errors"
	"iter"
	"slices"
	"time"
)

// dayLength is how long the call centre works.
const dayLength = 8 * time.Hour

// Day returns the events of n calls of one day in the order in which to send them, squeezed into span, and the truth
// of each call in the order of their starts. The last event is sent at span.
func (g *Generator) Day(n int, span time.Duration) ([]Event, []Truth, error) {
	if n < 1 || span < 0 {
		return nil, nil, errors.New("make traffic: a day needs at least one call and a span that is not negative")
	}
	s := g.source()
	starts := make([]time.Duration, n)
	for i := range starts {
		starts[i] = s.busyHour()
	}
	slices.Sort(starts)
	events := make([]Event, 0, 3*n)
	truths := make([]Truth, n)
	for i, start := range starts {
		start = start.Truncate(time.Second)
		m := s.call(g.start.Add(start))
		truths[i] = m.truth
		for _, e := range m.events {
			e.At += start
			events = append(events, e)
		}
	}
	slices.SortStableFunc(events, func(a, b Event) int { return cmp.Compare(a.At, b.At) })
	scale := float64(span) / float64(events[len(events)-1].At)
	for i := range events {
		events[i].At = min(span, time.Duration(float64(events[i].At)*scale))
	}
	events[len(events)-1].At = span
	return events, truths, nil
}

// busyHour draws the start of a call: a day has a peak in the middle of the morning and one in the afternoon.
func (s *source) busyHour() time.Duration {
	half := float64(s.random.IntN(2))
	within := (s.random.Float64() + s.random.Float64()) / 2
	return time.Duration((half + within) / 2 * float64(dayLength))
}

// Stream returns events without end in the order in which to send them, each with the truth of its call. Calls arrive
// as a Poisson process, rate calls a second on average, from Options.Start on, and run speed times as fast as their
// bodies say: at speed 60 the end of a call of five minutes is sent five seconds after its start. Both must be
// positive, or there are no events. Memory grows with the calls under way, not with the calls that were.
func (g *Generator) Stream(rate, speed float64) iter.Seq2[Event, Truth] {
	return func(yield func(Event, Truth) bool) {
		if !(rate > 0) || !(speed > 0) {
			return
		}
		s := g.source()
		var due schedule
		for arrival := time.Duration(0); ; {
			arrival += time.Duration(s.random.ExpFloat64() / rate * float64(time.Second))
			for len(due) > 0 && due[0].event.At <= arrival {
				next := heap.Pop(&due).(scheduled)
				if !yield(next.event, next.truth) {
					return
				}
			}
			m := s.call(g.start.Add(arrival))
			for i, e := range m.events {
				e.At = arrival + time.Duration(float64(e.At)/speed)
				heap.Push(&due, scheduled{event: e, truth: m.truth, place: i})
			}
		}
	}
}

// scheduled is an event of a stream that is not sent yet; place is its place within the call.
type scheduled struct {
	event Event
	truth Truth
	place int
}

// schedule is a heap of events, the first one to be sent at its top. It implements heap.Interface.
type schedule []scheduled

func (s schedule) Len() int      { return len(s) }
func (s schedule) Swap(i, j int) { s[i], s[j] = s[j], s[i] }

// Less orders by time, and equal times by call and place, so that the order does not depend on the heap's inner one.
func (s schedule) Less(i, j int) bool {
	a, b := s[i], s[j]
	switch {
	case a.event.At != b.event.At:
		return a.event.At < b.event.At
	case a.event.CallID != b.event.CallID:
		return a.event.CallID < b.event.CallID
	default:
		return a.place < b.place
	}
}

func (s *schedule) Push(x any) { *s = append(*s, x.(scheduled)) }

func (s *schedule) Pop() any {
	last := (*s)[len(*s)-1]
	*s = (*s)[:len(*s)-1]
	return last
}
