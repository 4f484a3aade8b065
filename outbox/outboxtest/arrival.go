package outboxtest

import (
	"time"

	"github.com/crmsyncd/crmsyncd/outbox"
)

func arrivalCases() []testCase {
	return []testCase{
		{"a message in flight makes the entry pending after every verdict", testArrivalInFlight},
		{"after a retry the earlier of both due times counts", testArrivalBeforeRetry},
		{"a repeat in flight does not make the entry pending", testRepeatInFlight},
		{"a message on a delivered entry makes it pending", testArrivalOnDelivered},
		{"a message on a parked entry makes it pending", testArrivalOnParked},
		{"what arrives in flight survives a restart", testArrivalBeforeCrash},
	}
}

func testArrivalInFlight(f *fixture) {
	tests := []struct {
		name     string
		verdict  outbox.Verdict
		attempts []int // the contract leaves open whether a parked entry keeps them
	}{
		{"delivered", outbox.VerdictDelivered, []int{0}},
		{"retry", outbox.VerdictRetry, []int{2}},
		{"postpone", outbox.VerdictPostpone, []int{1}},
		{"park", outbox.VerdictPark, []int{0, 1}},
	}
	for _, tt := range tests {
		first, second, due := f.arriveInFlight(tt.name)
		f.clock.Advance(time.Second)
		f.settle(outbox.Settlement{
			Key: tt.name, Verdict: tt.verdict, Due: f.now().Add(time.Hour), Receipt: []byte("r"), Reason: "x", Error: "y",
		})
		e := f.get(tt.name)
		f.Equal(outbox.Pending, e.State, tt.name)
		f.Equal(due, e.Due, "%s: the earliest of the new messages' own due times", tt.name)
		f.Equal(due, f.idle(), tt.name)
		if tt.verdict == outbox.VerdictDelivered {
			f.Equal(second, e.Since, "%s: the oldest message not delivered is the second", tt.name)
		} else {
			f.Equal(first, e.Since, "%s: none is delivered", tt.name)
		}
		f.clock.Set(due)
		e = f.take(tt.name)
		f.Equal([]string{"1", "2", "3"}, bodiesOf(e), "%s: the next claim has all messages", tt.name)
		f.Equal("r", string(e.Receipt), tt.name)
		f.Equal(1, e.Starts, tt.name)
		f.False(e.Interrupted, tt.name)
		f.Contains(tt.attempts, e.Attempts, tt.name)
		f.settle(outbox.Settlement{Key: tt.name, Verdict: outbox.VerdictDelivered})
		f.Equal(outbox.Delivered, f.get(tt.name).State, "%s: delivered with all its messages", tt.name)
	}
}

// arriveInFlight claims a new entry after a failed attempt and appends two more messages. It returns when the first and
// the second message came and when the earliest of the new ones is due.
func (f *fixture) arriveInFlight(key string) (first, second, due time.Time) {
	f.t.Helper()
	f.put(key, "1")
	first = f.now()
	f.take(key)
	f.settle(outbox.Settlement{Key: key, Verdict: outbox.VerdictRetry})
	f.take(key)
	f.clock.Advance(time.Second)
	second = f.now()
	f.append(delayed(key, "2", 9*time.Second))
	f.clock.Advance(time.Second)
	f.append(delayed(key, "3", 5*time.Second))
	f.Equal(outbox.InFlight, f.get(key).State, "the claim goes on")
	return first, second, f.now().Add(5 * time.Second)
}

func testArrivalBeforeRetry(f *fixture) {
	for _, verdict := range []outbox.Verdict{outbox.VerdictRetry, outbox.VerdictPostpone} {
		key := verdictName(verdict)
		f.put(key, "1")
		f.take(key)
		f.append(delayed(key, "2", time.Hour))
		due := f.now().Add(time.Minute)
		f.settle(outbox.Settlement{Key: key, Verdict: verdict, Due: due})
		f.Equal(due, f.get(key).Due, "the retry comes first")
		f.clock.Set(due)
		f.deliver(key)
		f.Equal(outbox.Delivered, f.get(key).State, "the new message went along")
	}
}

func testRepeatInFlight(f *fixture) {
	for verdict, state := range map[outbox.Verdict]outbox.State{
		outbox.VerdictDelivered: outbox.Delivered,
		outbox.VerdictPark:      outbox.Parked,
	} {
		key := verdictName(verdict)
		f.append(message(key, "1"), message(key, "2"))
		f.take(key)
		f.Equal([]outbox.Appended{{Duplicate: true}, {Duplicate: true}}, f.append(message(key, "1"), message(key, "2")))
		f.settle(outbox.Settlement{Key: key, Verdict: verdict})
		f.Equal(state, f.get(key).State)
		f.Zero(f.idle())
	}
}

func testArrivalOnDelivered(f *fixture) {
	f.put("a", "1")
	created := f.now()
	f.take("a")
	f.settle(outbox.Settlement{Key: "a", Verdict: outbox.VerdictDelivered, Receipt: []byte("id 7")})
	f.clock.Advance(time.Hour)
	f.append(delayed("a", "2", time.Minute))
	e := f.get("a")
	f.Equal(outbox.Pending, e.State)
	f.Equal(created, e.Created)
	f.Equal(f.now(), e.Since, "the oldest message not delivered is the new one")
	f.Equal(f.now().Add(time.Minute), e.Due)
	f.Equal("id 7", string(e.Receipt))
	f.Zero(e.Attempts)
	f.Equal(e.Due, f.idle())
	f.reopen()
	f.Equal(e, f.get("a"))
	f.clock.Set(e.Due)
	f.Equal([]string{"1", "2"}, bodiesOf(f.take("a")), "the messages delivered before are there as well")
	f.settle(outbox.Settlement{Key: "a", Verdict: outbox.VerdictRetry})
	f.Equal(e.Since, f.get("a").Since)
}

func testArrivalOnParked(f *fixture) {
	f.put("a", "1")
	arrived := f.now()
	f.park("a", "invalid")
	f.clock.Advance(time.Hour)
	f.append(delayed("a", "2", time.Minute))
	e := f.get("a")
	f.Equal(outbox.Pending, e.State)
	f.Equal(arrived, e.Since, "the oldest message not delivered is still the first")
	f.Equal(f.now().Add(time.Minute), e.Due)
	f.Zero(f.store.Stats().ParkedBy["invalid"])
	f.clock.Advance(time.Minute)
	f.Equal([]string{"1", "2"}, bodiesOf(f.take("a")))
}

func testArrivalBeforeCrash(f *fixture) {
	f.put("a", "1")
	f.take("a")
	f.append(delayed("a", "2", time.Hour))
	f.reopen()
	e := f.take("a")
	f.Equal([]string{"1", "2"}, bodiesOf(e))
	f.True(e.Interrupted)
	f.settle(outbox.Settlement{Key: "a", Verdict: outbox.VerdictDelivered})
	f.Equal(outbox.Delivered, f.get("a").State, "the second delivery had both messages")
	f.Zero(f.idle())
}
