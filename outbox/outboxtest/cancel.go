package outboxtest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/crmsyncd/crmsyncd/outbox"
)

func cancelCases() []testCase {
	return []testCase{
		{"a cancelled operation says so or is done", testCancelled},
		{"a cancelled Append can be repeated", testCancelledAppend},
		{"a cancelled Claim does not keep entries", testCancelledClaim},
		{"claims cancelled on their way do not keep entries", testCancelledClaims},
		{"a cancelled Settle can be repeated", testCancelledSettle},
	}
}

func (f *fixture) cancelled() context.Context {
	ctx, cancel := context.WithCancel(f.t.Context())
	cancel()
	return ctx
}

func testCancelled(f *fixture) {
	f.put("b", "1")
	f.deliver("b")
	f.put("a", "1")
	f.take("a")
	for _, op := range operations() {
		if err := op.call(f.cancelled(), f.store); err != nil && !errors.Is(err, outbox.ErrNotClaimed) &&
			!errors.Is(err, outbox.ErrNotFound) {
			f.ErrorIs(err, context.Canceled, op.name)
		}
	}
	f.put("c", "1")
	f.Equal([]string{"1"}, bodiesOf(f.get("c")), "the store goes on")
}

func testCancelledAppend(f *fixture) {
	for range 20 {
		_, err := f.store.Append(f.cancelled(), message("a", "1"))
		if err == nil {
			f.Equal([]string{"1"}, bodiesOf(f.get("a")), "no error: it is stored")
		}
	}
	_, err := f.store.Append(f.t.Context(), message("a", "1"))
	f.NoError(err)
	f.Equal([]string{"1"}, bodiesOf(f.get("a")), "stored once, whatever was answered before")
	f.Equal(uint64(1), f.store.Stats().Messages)
}

func testCancelledClaim(f *fixture) {
	f.put("a", "1")
	entries, _, err := f.store.Claim(f.cancelled(), 10)
	if err != nil {
		f.ErrorIs(err, context.Canceled)
		f.Empty(entries, "an error comes without entries")
		// The cancelled claim may still be waiting in the store; what follows it comes after it.
		f.put("b", "1")
		f.Equal([]string{"a", "b"}, keysOf(f.claim(10)), "what nobody got is not in flight")
		return
	}
	f.Equal([]string{"a"}, keysOf(entries))
}

// testCancelledClaims cancels each claim while it is on its way, so that some are answered and some are not.
func testCancelledClaims(f *fixture) {
	const entries = 40
	for i := range entries {
		f.put(fmt.Sprint(i), "1")
	}
	claimed := 0
	for range entries {
		ctx, cancel := context.WithCancel(f.t.Context())
		go cancel()
		got, _, err := f.store.Claim(ctx, 1)
		cancel()
		if err != nil {
			f.ErrorIs(err, context.Canceled)
			f.Empty(got, "an error comes without entries")
		}
		claimed += len(got)
	}
	for claimed < entries {
		changed := f.store.Changed()
		got := f.claim(entries)
		claimed += len(got)
		if len(got) > 0 {
			continue
		}
		select {
		case <-changed: // a store may give back what a cancelled claim took a little later
		case <-time.After(patience):
			f.FailNow("entries are in flight that nobody got")
		}
	}
	f.Equal(entries, claimed)
}

func testCancelledSettle(f *fixture) {
	f.put("a", "1")
	f.take("a")
	done := outbox.Settlement{Key: "a", Verdict: outbox.VerdictDelivered}
	if err := f.store.Settle(f.cancelled(), done); err != nil {
		f.ErrorIs(err, context.Canceled)
		if err := f.store.Settle(f.t.Context(), done); err != nil {
			f.ErrorIs(err, outbox.ErrNotClaimed, "it was settled all the same")
		}
	}
	f.Equal(outbox.Delivered, f.get("a").State)
}
