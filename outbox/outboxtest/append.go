package outboxtest

import (
	"strings"
	"time"

	"github.com/crmsyncd/crmsyncd/outbox"
)

func appendCases() []testCase {
	return []testCase{
		{"a message that was appended is there", testAppendThenGet},
		{"what was appended survives a restart", testAppendSurvives},
		{"an entry is a copy", testEntryIsACopy},
		{"an exact repeat is a duplicate in every state", testRepeatInEveryState},
		{"an exact repeat within one Append is a duplicate", testRepeatWithinAppend},
		{"the identity decides what a repeat is", testIdentity},
		{"an Append is all or nothing", testAllOrNothing},
		{"messages are in the order of their arrival", testOrderOfMessages},
		{"keys and terms are bytes that never mix", testBytesNeverMix},
	}
}

func testAppendThenGet(f *fixture) {
	f.missing("call")
	f.Equal([]outbox.Appended{{}}, f.append(delayed("call", "started", 2*time.Second)))
	arrived := f.now()
	f.Equal(outbox.Entry{
		Key:      "call",
		State:    outbox.Pending,
		Messages: []outbox.StoredMessage{{Seq: 1, At: arrived, Body: []byte("started")}},
		Created:  arrived,
		Since:    arrived,
		Due:      arrived.Add(2 * time.Second),
	}, f.get("call"))

	f.clock.Advance(time.Second)
	f.append(message("call", "ended"))
	e := f.get("call")
	f.Equal([]outbox.StoredMessage{
		{Seq: 1, At: arrived, Body: []byte("started")},
		{Seq: 2, At: f.now(), Body: []byte("ended")},
	}, e.Messages)
	f.Equal(arrived, e.Created)
	f.Equal(arrived, e.Since, "the oldest message that is not delivered decides")

	f.Empty(f.append(), "an Append of nothing is none")
	f.append(message("empty", ""))
	f.Empty(f.get("empty").Messages[0].Body, "a body may be empty")
	f.True(f.append(message("empty", ""))[0].Duplicate)
}

func testAppendSurvives(f *fixture) {
	f.append(
		outbox.Message{Key: "a", Body: []byte("1"), Identity: []byte("first"), Terms: []string{"x", "y"}, Delay: time.Hour},
		message("b", "2"),
	)
	a, b, stats := f.get("a"), f.get("b"), f.store.Stats()
	f.reopen()
	f.Equal(a, f.get("a"))
	f.Equal(b, f.get("b"))
	f.Equal([]string{"a"}, f.listed(outbox.Filter{Term: "y"}))
	f.Equal(stats.Messages, f.store.Stats().Messages)
	f.True(f.append(outbox.Message{Key: "a", Identity: []byte("first")})[0].Duplicate)
}

func testEntryIsACopy(f *fixture) {
	body := []byte("mine")
	f.append(outbox.Message{Key: "a", Body: body})
	body[0] = 'X'
	got := f.get("a")
	f.Equal([]string{"mine"}, bodiesOf(got), "the store copies the body")
	got.Messages[0].Body[0] = 'Y'

	claimed := f.take("a")
	f.Equal([]string{"mine"}, bodiesOf(claimed), "the caller may change what Get returned")
	claimed.Messages[0].Body[0] = 'Z'
	receipt := []byte("receipt")
	f.NoError(f.store.Checkpoint(f.t.Context(), outbox.Checkpoint{Key: "a", Receipt: receipt}))
	receipt[0] = 'X'
	got = f.get("a")
	f.Equal([]string{"mine"}, bodiesOf(got), "the caller may change what Claim returned")
	f.Equal("receipt", string(got.Receipt), "the store copies the receipt")
	got.Receipt[0] = 'Y'
	f.Equal("receipt", string(f.get("a").Receipt))
}

// testRepeatInEveryState repeats the message of one entry while that goes through all states.
func testRepeatInEveryState(f *fixture) {
	f.put("a", "1")
	repeat := func(where string) {
		f.t.Helper()
		before, stats := f.get("a"), f.store.Stats()
		f.clock.Advance(time.Second)
		f.True(f.append(message("a", "1"))[0].Duplicate, where)
		f.Equal(before, f.get("a"), "a repeat changes nothing: %s", where)
		f.Equal(stats.Messages, f.store.Stats().Messages, where)
		f.Equal(stats.Duplicates+1, f.store.Stats().Duplicates, where)
	}
	repeat("pending")
	f.reopen()
	repeat("reopened")
	f.take("a")
	repeat("in flight")
	f.settle(outbox.Settlement{Key: "a", Verdict: outbox.VerdictRetry, Due: f.now().Add(time.Hour), Reason: "timeout"})
	repeat("waiting for a retry")
	f.clock.Advance(2 * time.Hour)
	f.park("a", "invalid")
	repeat("parked")
	f.NoError(f.store.Replay(f.t.Context(), "a"))
	repeat("replayed")
	f.deliver("a")
	repeat("delivered")
	f.reopen()
	repeat("delivered and reopened")
	f.Zero(f.idle(), "no repeat has made anything due")
}

func testRepeatWithinAppend(f *fixture) {
	f.Equal([]outbox.Appended{{}, {Duplicate: true}, {}, {Duplicate: true}},
		f.append(message("a", "1"), message("a", "1"), message("a", "2"), message("a", "1")))
	f.Equal([]string{"1", "2"}, bodiesOf(f.get("a")))
	f.Equal([]outbox.Appended{{}}, f.append(message("b", "1")), "another key, another message")
}

func testIdentity(f *fixture) {
	with := func(identity, body string) outbox.Message {
		return outbox.Message{Key: "a", Body: []byte(body), Identity: []byte(identity)}
	}
	f.Equal([]outbox.Appended{{}, {}, {Duplicate: true}, {}}, f.append(
		with("id-1", "body"), with("id-2", "body"), with("id-1", "another body"), with("", "body")))
	f.Equal([]string{"body", "body", "body"}, bodiesOf(f.get("a")), "the body that came first is kept")
	f.reopen()
	f.True(f.append(with("id-2", "yet another"))[0].Duplicate)
	f.True(f.append(with("", "body"))[0].Duplicate, "without an identity the body is it")
}

func testAllOrNothing(f *fixture) {
	f.put("old", "1")
	old := f.get("old")
	for i := range 3 {
		msgs := []outbox.Message{message("new", "1"), message("newer", "1"), message("old", "2")}
		msgs[i].Key = strings.Repeat("k", outbox.MaxKeyBytes+1)
		_, err := f.store.Append(f.t.Context(), msgs...)
		f.ErrorIs(err, outbox.ErrInvalid)
		f.missing("new")
		f.missing("newer")
		f.Equal(old, f.get("old"))
	}
	stats := f.store.Stats()
	f.Equal(uint64(1), stats.Entries)
	f.Equal(uint64(1), stats.Messages)
	f.Zero(stats.Duplicates)
	f.False(f.append(message("new", "1"))[0].Duplicate, "nothing of the refused messages was kept")
}

func testOrderOfMessages(f *fixture) {
	f.append(message("a", "3"), message("a", "1"))
	f.append(message("a", "3"))
	f.clock.Advance(-time.Hour) // a clock that is set back must not change the order
	f.put("a", "2")
	f.reopen()
	f.put("a", "0")
	e := f.get("a")
	f.Equal([]string{"3", "1", "2", "0"}, bodiesOf(e))
	for i, m := range e.Messages {
		f.Equal(uint64(i+1), m.Seq, "Seq counts from 1")
		f.Equal(time.UTC, m.At.Location())
	}
}

// testBytesNeverMix uses keys and terms that a careless index takes for one another.
func testBytesNeverMix(f *fixture) {
	names := []string{"a", "ab", "a\x00", "a\x00b", "\x00", "\xff", "\xff\xff", "a/b", "số 7", strings.Repeat("a", 128)}
	for _, name := range names {
		f.append(outbox.Message{Key: name, Body: []byte("of " + name), Terms: []string{name}})
	}
	f.ElementsMatch(names, f.listed(outbox.Filter{}))
	for _, name := range names {
		f.Equal([]string{"of " + name}, bodiesOf(f.get(name)))
		f.Equal([]string{name}, f.listed(outbox.Filter{Term: name}), "List by the term %q", name)
	}
	f.NoError(f.store.Discard(f.t.Context(), "a"))
	f.missing("a")
	f.ElementsMatch(names[1:], f.listed(outbox.Filter{}))
	f.Empty(f.listed(outbox.Filter{Term: "a"}))
}
