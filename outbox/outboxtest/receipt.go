package outboxtest

import (
	"github.com/crmsyncd/crmsyncd/outbox"
)

func receiptCases() []testCase {
	return []testCase{
		{"a receipt is replaced unless it is nil", testReceiptOfSettle},
		{"a checkpoint is durable while its key is in flight", testCheckpoint},
		{"a checkpoint is refused when its key is not in flight", testCheckpointNotClaimed},
	}
}

func testReceiptOfSettle(f *fixture) {
	f.put("a", "1")
	verdicts := []outbox.Verdict{
		outbox.VerdictRetry, outbox.VerdictPostpone, outbox.VerdictPark, outbox.VerdictDelivered,
	}
	for _, verdict := range verdicts {
		name := verdictName(verdict)
		for _, receipt := range []struct{ given, kept []byte }{
			{[]byte(name), []byte(name)},
			{nil, []byte(name)},
		} {
			f.take("a")
			f.settle(outbox.Settlement{Key: "a", Verdict: verdict, Receipt: receipt.given})
			f.Equal(receipt.kept, f.get("a").Receipt, "verdict %d", verdict)
			if f.get("a").State != outbox.Pending {
				f.NoError(f.store.Replay(f.t.Context(), "a"))
			}
		}
	}
	f.Equal(verdictName(outbox.VerdictDelivered), string(f.take("a").Receipt), "a replay keeps the receipt")
	f.settle(outbox.Settlement{Key: "a", Verdict: outbox.VerdictDelivered, Receipt: []byte{}})
	f.Empty(f.get("a").Receipt, "an empty receipt replaces the one before")
}

func verdictName(v outbox.Verdict) string { return "by " + string(rune('0'+v)) }

func testCheckpoint(f *fixture) {
	f.append(message("a", "1"), message("b", "1"))
	f.Len(f.claim(2), 2)
	before := f.get("a")
	f.NoError(f.store.Checkpoint(f.t.Context(),
		outbox.Checkpoint{Key: "a", Receipt: []byte("intent of a")},
		outbox.Checkpoint{Key: "b", Receipt: []byte("intent of b")}))
	after := f.get("a")
	f.Equal("intent of a", string(after.Receipt))
	before.Receipt = after.Receipt
	f.Equal(before, after, "a checkpoint changes nothing but the receipt")
	f.idle()

	f.reopen()
	e := f.claim(2)
	f.Len(e, 2)
	f.Equal("intent of a", string(e[0].Receipt))
	f.Equal("intent of b", string(e[1].Receipt))
	f.settle(outbox.Settlement{Key: "a", Verdict: outbox.VerdictRetry},
		outbox.Settlement{Key: "b", Verdict: outbox.VerdictDelivered})
	f.Equal("intent of a", string(f.take("a").Receipt), "a settle without a receipt keeps the checkpoint")
	f.Equal("intent of b", string(f.get("b").Receipt))
}

func testCheckpointNotClaimed(f *fixture) {
	refused := func(key, where string) {
		f.t.Helper()
		err := f.store.Checkpoint(f.t.Context(), outbox.Checkpoint{Key: key, Receipt: []byte("late")})
		f.ErrorIs(err, outbox.ErrNotClaimed, where)
	}
	refused("unknown", "unknown key")
	f.missing("unknown")
	f.put("a", "1")
	refused("a", "pending")
	f.deliver("a")
	refused("a", "delivered")
	f.NoError(f.store.Replay(f.t.Context(), "a"))
	f.park("a", "invalid")
	refused("a", "parked")
	f.NoError(f.store.Replay(f.t.Context(), "a"))
	f.take("a")
	f.reopen()
	refused("a", "claimed by a process that is gone")
	f.Empty(f.get("a").Receipt)
}
