package traffic_test

import (
	"encoding/json"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/receiver/alohub"
	"github.com/crmsyncd/crmsyncd/receiver/alohub/traffic"
)

// reporter is what *testing.T and *rapid.T share.
type reporter interface {
	require.TestingT
	Helper()
}

func start() time.Time { return time.Date(2024, 1, 13, 1, 0, 0, 0, time.UTC) }

func newGenerator(t reporter, o traffic.Options) *traffic.Generator {
	t.Helper()
	if o.Start.IsZero() {
		o.Start = start()
	}
	g, err := traffic.New(o)
	require.NoError(t, err)
	return g
}

// requireTruth merges the events of each call as the decoder reads them, in the order of their sending, and compares
// the outcome with the truth.
func requireTruth(t reporter, o traffic.Options, events []traffic.Event, truths []traffic.Truth) {
	t.Helper()
	decoder, err := alohub.New(alohub.Options{Location: o.Location})
	require.NoError(t, err)
	decoded := make(map[string][]call.Event)
	for _, e := range events {
		event, err := decoder.Decode(e.Body)
		require.NoError(t, err)
		require.Equal(t, e.CallID, event.CallID)
		decoded[e.CallID] = append(decoded[e.CallID], event)
	}
	require.Len(t, decoded, len(truths))
	for _, truth := range truths {
		merged := call.Merge("VN", decoded[truth.CallID]...)
		told := traffic.Truth{
			CallID: merged.ID, TransactionID: merged.TransactionID, Phone: merged.Customer.Raw, Agent: merged.Agent,
			Direction: merged.Direction, Result: merged.Result, Total: merged.Total.Duration(), Talk: merged.Talk.Duration(),
			RecordingURL: merged.RecordingURL, Known: truth.Known, Contact: truth.Contact,
		}
		require.Equal(t, truth, told)
		require.Equal(t, call.Ended, merged.State)
		require.NotEmpty(t, merged.Customer.E164, "%s is not a number", truth.Phone)
	}
}

func TestDayTellsTheTruth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		options := traffic.Options{
			Seed:     rapid.Uint64().Draw(t, "seed"),
			Location: rapid.SampledFrom([]*time.Location{nil, time.UTC}).Draw(t, "location"),
		}
		n := rapid.IntRange(1, 25).Draw(t, "calls")
		span := time.Duration(rapid.Int64Range(0, int64(10*time.Hour)).Draw(t, "span"))
		events, truths, err := newGenerator(t, options).Day(n, span)
		require.NoError(t, err)
		require.Len(t, truths, n)
		requireTruth(t, options, events, truths)

		require.Equal(t, span, events[len(events)-1].At)
		require.True(t, slices.IsSortedFunc(events, func(a, b traffic.Event) int { return int(a.At - b.At) }))
		require.GreaterOrEqual(t, events[0].At, time.Duration(0))

		again, truthsAgain, err := newGenerator(t, options).Day(n, span)
		require.NoError(t, err)
		require.Equal(t, events, again)
		require.Equal(t, truths, truthsAgain)
	})
}

// TestDayKnown holds that what a truth says of the contact agrees with the contacts.
func TestDayKnown(t *testing.T) {
	contacts := traffic.NewContacts(7, 3)
	_, truths, err := newGenerator(t, traffic.Options{Seed: 7, Contacts: contacts}).Day(200, time.Minute)
	require.NoError(t, err)
	for _, truth := range truths {
		byPhone := slices.IndexFunc(contacts, func(c traffic.Contact) bool { return c.Phone == truth.Phone })
		byID := slices.IndexFunc(contacts, func(c traffic.Contact) bool { return c.TransactionID == truth.TransactionID })
		require.Equal(t, truth.Contact, byPhone)
		require.Equal(t, truth.Known, byPhone >= 0)
		require.True(t, byID == truth.Contact || byID == -1)
	}
}

// TestDayHasEachCase holds that a small day shows all that a call centre does.
func TestDayHasEachCase(t *testing.T) {
	events, truths, err := newGenerator(t, traffic.Options{Seed: 1}).Day(20, time.Minute)
	require.NoError(t, err)

	kinds := make(map[traffic.Kind]int)
	finals := make(map[string]int)
	ended := make(map[string]bool)
	var swapped, afterFinal int
	bodies := make(map[string]traffic.Kind)
	for _, e := range events {
		kinds[e.Kind]++
		if e.Kind == traffic.KindResend {
			require.Contains(t, bodies, string(e.Body), "a resend comes after what it repeats")
		} else {
			require.NotContains(t, bodies, string(e.Body))
			require.Zero(t, finals[e.CallID], "nothing new comes after the final event")
		}
		bodies[string(e.Body)] = e.Kind
		if finals[e.CallID] > 0 {
			afterFinal++
		}
		if e.Final {
			finals[e.CallID]++
		}
		if e.Kind == traffic.KindAnswered && ended[e.CallID] {
			swapped++
		}
		ended[e.CallID] = ended[e.CallID] || e.Kind == traffic.KindEnded
	}
	require.Equal(t, map[traffic.Kind]int{
		traffic.KindStarted: 5, traffic.KindAnswered: 13, traffic.KindEnded: 15, traffic.KindMissed: 5,
		traffic.KindRecording: 3, traffic.KindResend: 7,
	}, kinds)
	require.Len(t, finals, 20)
	require.Equal(t, 2, swapped)
	require.Positive(t, afterFinal)

	var known, missed, inbound, recorded, unknownID, short, long int
	for _, truth := range truths {
		count(&known, truth.Known)
		count(&missed, truth.Result == call.ResultMissed)
		count(&inbound, truth.Direction == call.Inbound)
		count(&recorded, truth.RecordingURL != "")
		count(&unknownID, !truth.Known && truth.TransactionID != "")
		count(&short, truth.Talk > 0 && truth.Talk < 15*time.Second)
		count(&long, truth.Talk >= 15*time.Minute)
	}
	require.Equal(t, []int{16, 5, 6, 14, 2, 2, 2}, []int{known, missed, inbound, recorded, unknownID, short, long})
}

func count(n *int, yes bool) {
	if yes {
		*n++
	}
}

// TestStream reads the events of ten minutes and holds order, determinism, rate and truth.
func TestStream(t *testing.T) {
	options := traffic.Options{Seed: 42}
	read := func() (events []traffic.Event, truths []traffic.Truth, arrivals int) {
		complete := make(map[string]bool)
		all := make(map[string][]traffic.Event)
		for e, truth := range newGenerator(t, options).Stream(2, 60) {
			if e.At > 10*time.Minute {
				break
			}
			if len(all[e.CallID]) == 0 {
				arrivals++
			}
			all[e.CallID] = append(all[e.CallID], e)
			events = append(events, e)
			if e.Final {
				require.False(t, complete[e.CallID])
				complete[e.CallID] = true
				truths = append(truths, truth)
			}
		}
		events = slices.DeleteFunc(events, func(e traffic.Event) bool { return !complete[e.CallID] })
		return events, truths, arrivals
	}
	events, truths, arrivals := read()
	requireTruth(t, options, events, truths)
	require.True(t, slices.IsSortedFunc(events, func(a, b traffic.Event) int { return int(a.At - b.At) }))
	require.InDelta(t, 1200, arrivals, 5*35, "five standard deviations of a Poisson process")
	again, _, _ := read()
	require.Equal(t, events, again)

	none := func(seq iter.Seq2[traffic.Event, traffic.Truth]) {
		for range seq {
			t.Fatal("an event without a rate or a speed")
		}
	}
	none(newGenerator(t, options).Stream(0, 1))
	none(newGenerator(t, options).Stream(1, -1))
}

// TestBodyShape holds that a body has the 17 fields of the documents, of the documented types and nothing else.
func TestBodyShape(t *testing.T) {
	events, _, err := newGenerator(t, traffic.Options{Seed: 3}).Day(20, 0)
	require.NoError(t, err)
	for _, e := range events {
		var fields map[string]any
		require.NoError(t, json.Unmarshal(e.Body, &fields))
		require.Len(t, fields, 17)
		require.InDelta(t, 1, fields["objectId"], 0)
		delete(fields, "objectId")
		for key, value := range fields {
			require.IsType(t, "", value, key)
		}
		require.Len(t, fields["call_id"], 20)
		require.Equal(t, strings.NewReplacer("-", "", ":", "", " ", "").Replace(fields["starttime"].(string)), e.CallID[:14])
		require.NotContains(t, string(e.Body), `\u0026`)
	}
}

func TestPeople(t *testing.T) {
	contacts, agents := traffic.NewContacts(5, 500), traffic.NewAgents(5, 90)
	require.Equal(t, contacts, traffic.NewContacts(5, 500))
	require.Equal(t, agents, traffic.NewAgents(5, 90))
	require.NotEqual(t, contacts, traffic.NewContacts(6, 500))
	phones, ids, users := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, c := range contacts {
		require.NotEmpty(t, c.Name)
		require.Equal(t, c.Phone, call.ParseNumber(c.Phone, "VN").National, "a valid number in national form")
		phones[c.Phone], ids[c.TransactionID] = true, true
	}
	for _, a := range agents {
		require.NotEmpty(t, a.Name)
		require.NotEmpty(t, a.Extension)
		users[a.UserName] = true
	}
	require.Len(t, phones, 500)
	require.Len(t, ids, 500)
	require.Len(t, users, 90)
}

func TestNewRefuses(t *testing.T) {
	one := traffic.Contact{TransactionID: "T1", Phone: "0912345678"}
	for name, o := range map[string]traffic.Options{
		"no start": {},
		"same id":  {Start: start(), Contacts: []traffic.Contact{one, {TransactionID: "T1", Phone: "0912345679"}}},
		"same number": {
			Start: start(), Contacts: []traffic.Contact{one, {TransactionID: "T2", Phone: "+84912345678"}},
		},
		"no transaction id": {Start: start(), Contacts: []traffic.Contact{{Phone: "0912345678"}}},
		"no number":         {Start: start(), Contacts: []traffic.Contact{{TransactionID: "T1"}}},
	} {
		_, err := traffic.New(o)
		require.Error(t, err, name)
	}
	g := newGenerator(t, traffic.Options{})
	_, _, err := g.Day(0, time.Second)
	require.Error(t, err)
	_, _, err = g.Day(1, -time.Second)
	require.Error(t, err)
}
