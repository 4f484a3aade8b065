package call_test

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/crmsyncd/crmsyncd/crm/call"
)

var (
	began    = time.Date(2024, 1, 13, 15, 0, 30, 0, time.UTC)
	pickedUp = began.Add(5 * time.Second)
	hungUp   = began.Add(5 * time.Minute)
)

// The snapshots of an answered call: each says what the one before said, and more.
func answeredHistory() []call.Event {
	started := call.Event{
		CallID: "c1", Type: "call", TransactionID: "T1", Direction: call.Outbound, Status: "ringing",
		CustomerNumber: "0912345678", Extension: "888", Start: began, ObjectID: "1",
	}
	answered := started
	answered.Status, answered.Answer, answered.Agent = "answered", pickedUp, "admin1"
	ended := answered
	ended.End, ended.HangupBy = hungUp, "customer"
	ended.Total, ended.Hold = call.KnownSeconds(300), call.KnownSeconds(0)
	recorded := ended
	recorded.RecordingURL = "https://media.example:1777/a.mp3"
	return []call.Event{started, answered, ended, recorded}
}

// The snapshots of a call that nobody answered.
func missedHistory() []call.Event {
	started := call.Event{
		CallID: "c2", Direction: call.Inbound, Status: "ringing", CustomerNumber: "0912345678", Hotline: "19001234",
		Start: began,
	}
	missed := started
	missed.Status = "missed"
	ended := missed
	ended.End, ended.HangupBy, ended.Total = began.Add(30*time.Second), "customer", call.KnownSeconds(30)
	return []call.Event{started, missed, ended}
}

func TestMergeOfWholeHistories(t *testing.T) {
	require.Equal(t, call.Call{
		ID: "c1", TransactionID: "T1", Direction: call.Outbound, State: call.Ended, Result: call.ResultAnswered,
		Status:    "answered",
		Customer:  call.Number{Raw: "0912345678", E164: "+84912345678", National: "0912345678"},
		Extension: "888", Agent: "admin1", Start: began, Answer: pickedUp, End: hungUp, HangupBy: "customer",
		Total: call.KnownSeconds(300), Hold: call.KnownSeconds(0), Talk: call.KnownSeconds(295),
		RecordingURL: "https://media.example:1777/a.mp3", ObjectID: "1",
	}, call.Merge("VN", answeredHistory()...))
	require.Equal(t, call.Call{
		ID: "c2", Direction: call.Inbound, State: call.Ended, Result: call.ResultMissed, Status: "missed",
		Customer: call.Number{Raw: "0912345678", E164: "+84912345678", National: "0912345678"}, Hotline: "19001234",
		Start: began, End: began.Add(30 * time.Second), HangupBy: "customer", Total: call.KnownSeconds(30),
	}, call.Merge("VN", missedHistory()...))
}

func TestMergeKnowsHowFarACallGot(t *testing.T) {
	ended, answered := call.Event{End: hungUp}, call.Event{Answer: pickedUp}
	hangup := call.Event{Status: "hangup", End: hungUp}
	status := func(word string) call.Event { return call.Event{Status: word} }
	list := func(events ...call.Event) []call.Event { return events }
	for name, test := range map[string]struct {
		events []call.Event
		state  call.State
		result call.Result
	}{
		"nothing but a start":    {list(call.Event{Start: began}), call.Started, call.ResultNone},
		"answer time":            {list(answered), call.Answered, call.ResultAnswered},
		"answered by status":     {list(status("answered")), call.Answered, call.ResultAnswered},
		"end without an answer":  {list(ended), call.Ended, call.ResultMissed},
		"end by hang-up":         {list(call.Event{HangupBy: "agent"}), call.Ended, call.ResultMissed},
		"end by length":          {list(call.Event{Total: call.KnownSeconds(3)}), call.Ended, call.ResultMissed},
		"a length of 0 is none":  {list(call.Event{Total: call.KnownSeconds(0)}), call.Started, call.ResultNone},
		"missed but not ended":   {list(status("missed")), call.Started, call.ResultMissed},
		"missed, then answered":  {list(status("missed"), answered), call.Answered, call.ResultAnswered},
		"answered, then hangup":  {list(status("answered"), hangup), call.Ended, call.ResultAnswered},
		"end before the answer":  {list(ended, answered), call.Ended, call.ResultAnswered},
		"missed, then a new one": {list(status("missed"), status("queued")), call.Started, call.ResultMissed},
	} {
		t.Run(name, func(t *testing.T) {
			merged := call.Merge("VN", test.events...)
			require.Equal(t, test.state, merged.State)
			require.Equal(t, test.result, merged.Result)
		})
	}
}

func TestMergePassesOverOtherEvents(t *testing.T) {
	other := call.Event{CallID: "c1", Type: "sms", Status: "sent", CustomerNumber: "0987654321"}
	require.Zero(t, call.Merge("VN"))
	require.Zero(t, call.Merge("VN", other))
	history := answeredHistory()
	require.Equal(t, call.Merge("VN", history...), call.Merge("VN", slices.Insert(history, 2, other)...))
}

func TestMergeTakesTheLaterArrivalAmongEquals(t *testing.T) {
	first := call.Event{CallID: "c", Status: "answered", Answer: pickedUp, Agent: "admin1", Extension: "888"}
	transferred := call.Event{CallID: "c", Status: "answered", Answer: pickedUp, Agent: "admin2"}
	merged := call.Merge("VN", first, transferred)
	require.Equal(t, "admin2", merged.Agent)
	require.Equal(t, "888", merged.Extension, "an absent value erases nothing")
	require.Equal(t, merged, call.Merge("VN", first, transferred, first), "a resend of the first is no news")
}

func TestMergeLeavesImpossibleTalkOut(t *testing.T) {
	merged := call.Merge("VN", call.Event{CallID: "c", Answer: hungUp, End: pickedUp})
	require.False(t, merged.Talk.Known)
}

func TestSecondsTellAbsentFromZero(t *testing.T) {
	require.Equal(t, 90*time.Second, call.KnownSeconds(90).Duration())
	require.Zero(t, call.Seconds{}.Duration())
	require.NotEqual(t, call.Seconds{}, call.KnownSeconds(0))
}

// Every order of every history, with one event repeated anywhere.
func TestMergeInEveryOrder(t *testing.T) {
	for _, history := range [][]call.Event{answeredHistory(), missedHistory()} {
		want := call.Merge("VN", history...)
		for _, repeated := range history {
			for order := range permutations(append(slices.Clone(history), repeated)) {
				require.Equal(t, want, call.Merge("VN", order...))
			}
		}
	}
}

// permutations yields every order of events.
func permutations(events []call.Event) func(yield func([]call.Event) bool) {
	return func(yield func([]call.Event) bool) {
		var permute func(rest, order []call.Event) bool
		permute = func(rest, order []call.Event) bool {
			if len(rest) == 0 {
				return yield(order)
			}
			for i, e := range rest {
				others := slices.Delete(slices.Clone(rest), i, i+1)
				if !permute(others, append(slices.Clone(order), e)) {
					return false
				}
			}
			return true
		}
		permute(events, nil)
	}
}

// drawHistory draws what a call centre may say of one call, in order: snapshots of increasing information, some of them
// lost, some of their values left out.
func drawHistory(t *rapid.T) []call.Event {
	history := answeredHistory()
	if rapid.Bool().Draw(t, "missed") {
		history = missedHistory()
	}
	keep := rapid.SliceOfN(rapid.Bool(), len(history), len(history)).Draw(t, "kept")
	var said []call.Event
	for i, e := range history {
		if !keep[i] {
			continue
		}
		for _, optional := range []*string{
			&e.TransactionID, &e.CustomerNumber, &e.Extension, &e.Agent, &e.Hotline, &e.ObjectID, &e.Type,
		} {
			if rapid.IntRange(0, 3).Draw(t, "left out") == 0 {
				*optional = ""
			}
		}
		said = append(said, e)
	}
	return said
}

func TestPropertyMergeIsFreeOfOrderAndRepeats(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		history := drawHistory(t)
		delivered := slices.Clone(history)
		if len(history) > 0 {
			delivered = append(delivered, rapid.SliceOfN(rapid.SampledFrom(history), 0, 6).Draw(t, "repeats")...)
		}
		delivered = rapid.Permutation(delivered).Draw(t, "delivered")
		require.Equal(t, call.Merge("VN", history...), call.Merge("VN", delivered...))
	})
}

// drawEvent draws an event that need not make sense together with others: resends that contradict each other.
func drawEvent(t *rapid.T) call.Event {
	word := func(label string, words ...string) string {
		return rapid.SampledFrom(append(words, "")).Draw(t, label)
	}
	at := func(label string) time.Time {
		return rapid.SampledFrom([]time.Time{{}, began, pickedUp, hungUp}).Draw(t, label)
	}
	seconds := func(label string) call.Seconds {
		return rapid.SampledFrom([]call.Seconds{{}, call.KnownSeconds(0), call.KnownSeconds(7)}).Draw(t, label)
	}
	return call.Event{
		CallID: "c", Type: word("type", "call", "sms"), TransactionID: word("transaction", "T1", "T2"),
		Direction:      call.Direction(word("direction", "inbound", "outbound")),
		Status:         word("status", "ringing", "answered", "missed", "hangup"),
		CustomerNumber: word("number", "0912345678", "0987654321"), Extension: word("extension", "888", "999"),
		Agent: word("agent", "admin1", "admin2"), Start: at("start"), Answer: at("answer"), End: at("end"),
		HangupBy: word("hangup", "agent", "customer"), Total: seconds("total"), Hold: seconds("hold"),
		RecordingURL: word("recording", "a.mp3", "b.mp3"),
	}
}

func TestPropertyMergeOnlyMovesForward(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		events := rapid.SliceOfN(rapid.Custom(drawEvent), 0, 8).Draw(t, "events")
		heard := rapid.SliceOfN(rapid.Bool(), len(events), len(events)).Draw(t, "heard")
		var some []call.Event
		for i, e := range events {
			if heard[i] {
				some = append(some, e)
			}
		}
		requireForward(t, call.Merge("VN", some...), call.Merge("VN", events...))
	})
}

func TestPropertyMergeRepeatsChangeNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		events := rapid.SliceOfN(rapid.Custom(drawEvent), 1, 6).Draw(t, "events")
		want := call.Merge("VN", events...)
		repeated := slices.Clone(events)
		for range rapid.IntRange(1, 6).Draw(t, "repeats") {
			source := rapid.IntRange(0, len(repeated)-1).Draw(t, "source")
			place := rapid.IntRange(source+1, len(repeated)).Draw(t, "place")
			repeated = slices.Insert(repeated, place, repeated[source])
		}
		require.Equal(t, want, call.Merge("VN", repeated...))
	})
}

// requireForward requires that more, merged from all that less was merged from and more, took nothing back.
func requireForward(t require.TestingT, less, more call.Call) {
	states := []call.State{"", call.Started, call.Answered, call.Ended}
	require.LessOrEqual(t, slices.Index(states, less.State), slices.Index(states, more.State), "state")
	results := []call.Result{call.ResultNone, call.ResultMissed, call.ResultAnswered}
	require.LessOrEqual(t, slices.Index(results, less.Result), slices.Index(results, more.Result), "result")
	less.Customer, more.Customer = call.Number{Raw: less.Customer.Raw}, call.Number{Raw: more.Customer.Raw}
	less.Talk = call.Seconds{} // Derived: contradicting times may leave it out again.
	before, after := reflect.ValueOf(less), reflect.ValueOf(more)
	for i := range before.NumField() {
		if !before.Field(i).IsZero() {
			require.False(t, after.Field(i).IsZero(), "%s was erased", before.Type().Field(i).Name)
		}
	}
}
