package outboxtest

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/crmsyncd/crmsyncd/outbox"
)

func boundCases() []testCase {
	return []testCase{
		{"a message at its bounds is taken, one over them is refused", testMessageBounds},
		{"an entry takes no more than MaxEntryMessages", testEntryMessages},
		{"an entry takes no more than MaxEntryBytes", testEntryBytes},
		{"repeats do not count towards the bounds of an entry", testRepeatsOfAFullEntry},
		{"a receipt over its bound is refused", testReceiptBound},
	}
}

func terms(n, size int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = strings.Repeat(string(rune('a'+i)), size)
	}
	return list
}

func testMessageBounds(f *fixture) {
	key := func(size int) string { return strings.Repeat("k", size) }
	tests := []struct {
		name    string
		message outbox.Message
		valid   bool
	}{
		{"empty key", outbox.Message{Body: []byte("1")}, false},
		{"longest key", message(key(outbox.MaxKeyBytes), "1"), true},
		{"key too long", message(key(outbox.MaxKeyBytes+1), "1"), false},
		{"largest body", message("body", strings.Repeat("b", outbox.MaxBodyBytes)), true},
		{"body too large", message("large", strings.Repeat("b", outbox.MaxBodyBytes+1)), false},
		{"most terms", outbox.Message{Key: "terms", Terms: terms(outbox.MaxTerms, 1)}, true},
		{"too many terms", outbox.Message{Key: "many", Terms: terms(outbox.MaxTerms+1, 1)}, false},
		{"longest term", outbox.Message{Key: "term", Terms: terms(1, outbox.MaxTermBytes)}, true},
		{"term too long", outbox.Message{Key: "long", Terms: terms(1, outbox.MaxTermBytes+1)}, false},
		{"empty term", outbox.Message{Key: "empty", Terms: []string{"x", ""}}, false},
	}
	for _, tt := range tests {
		_, err := f.store.Append(f.t.Context(), tt.message)
		if !tt.valid {
			f.ErrorIs(err, outbox.ErrInvalid, tt.name)
			f.missing(tt.message.Key)
			continue
		}
		f.NoError(err, tt.name)
		f.Len(f.get(tt.message.Key).Messages[0].Body, len(tt.message.Body), tt.name)
		for _, term := range tt.message.Terms {
			f.Contains(f.listed(outbox.Filter{Term: term}), tt.message.Key, tt.name)
		}
	}
}

// fill gives an entry as many small messages as it takes.
func (f *fixture) fill(key string) {
	f.t.Helper()
	msgs := make([]outbox.Message, outbox.MaxEntryMessages)
	for i := range msgs {
		msgs[i] = message(key, fmt.Sprintf("message %d", i+1))
	}
	half := len(msgs) / 2
	f.append(msgs[:half]...)
	f.append(msgs[half:]...)
}

func testEntryMessages(f *fixture) {
	f.fill("full")
	before := f.get("full")
	f.Len(before.Messages, outbox.MaxEntryMessages)
	_, err := f.store.Append(f.t.Context(), message("other", "1"), message("full", "one more"))
	f.ErrorIs(err, outbox.ErrEntryFull)
	f.missing("other")
	f.Equal(before, f.get("full"))

	f.put("later", "1")
	f.Equal([]string{"full", "later"}, keysOf(f.claim(10)), "a full entry is delivered, and others are taken")
	f.settle(outbox.Settlement{Key: "full", Verdict: outbox.VerdictDelivered})
	_, err = f.store.Append(f.t.Context(), message("full", "one more"))
	f.ErrorIs(err, outbox.ErrEntryFull, "what is delivered counts for as long as it is kept")
}

func testEntryBytes(f *fixture) {
	body := func(i int) string { return strings.Repeat(string(rune('a'+i)), outbox.MaxBodyBytes) }
	const fit = outbox.MaxEntryBytes / outbox.MaxBodyBytes
	for i := range fit {
		f.put("full", body(i))
	}
	f.Len(f.get("full").Messages, fit)
	_, err := f.store.Append(f.t.Context(), message("full", body(fit)))
	f.ErrorIs(err, outbox.ErrEntryFull)
	f.Len(f.get("full").Messages, fit)

	msgs := make([]outbox.Message, fit+1)
	for i := range msgs {
		msgs[i] = message("at once", body(i))
	}
	_, err = f.store.Append(f.t.Context(), msgs...)
	f.ErrorIs(err, outbox.ErrEntryFull, "the bound holds for the messages of one Append together")
	f.missing("at once")
	f.append(msgs[:fit]...)
}

func testRepeatsOfAFullEntry(f *fixture) {
	f.fill("full")
	f.Equal([]outbox.Appended{{Duplicate: true}, {}},
		f.append(message("full", "message 7"), message("other", "1")), "a repeat is told from one too many")

	msgs := make([]outbox.Message, outbox.MaxEntryMessages-1)
	for i := range msgs {
		msgs[i] = message("almost", fmt.Sprintf("message %d", i+1))
	}
	f.append(msgs...)
	f.Equal([]outbox.Appended{{}, {Duplicate: true}}, f.append(message("almost", "last"), message("almost", "last")))
	f.Len(f.get("almost").Messages, outbox.MaxEntryMessages)
}

func testReceiptBound(f *fixture) {
	largest := bytes.Repeat([]byte("r"), outbox.MaxReceiptBytes)
	f.put("a", "1")
	f.take("a")
	f.NoError(f.store.Checkpoint(f.t.Context(), outbox.Checkpoint{Key: "a", Receipt: largest}))
	f.Error(f.store.Checkpoint(f.t.Context(), outbox.Checkpoint{Key: "a", Receipt: append(largest, 'r')}))
	e := f.get("a")
	f.Equal(outbox.InFlight, e.State)
	f.Equal(largest, e.Receipt, "the receipt that was stored stays")
	f.settle(outbox.Settlement{Key: "a", Verdict: outbox.VerdictDelivered, Receipt: largest[1:]})
	f.reopen()
	f.Equal(largest[1:], f.get("a").Receipt)
}
