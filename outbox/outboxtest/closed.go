package outboxtest

import (
	"context"
	"io"
	"time"

	"github.com/crmsyncd/crmsyncd/outbox"
)

func closedCases() []testCase {
	return []testCase{
		{"a closed store answers ErrClosed", testClosed},
		{"Close leaves what is in flight unsettled", testCloseInFlight},
	}
}

// operation is one call of a store.
type operation struct {
	name string
	call func(ctx context.Context, store outbox.Store) error
}

// operations are calls of all operations that can fail, with arguments that fit a store with an entry "a" in flight and
// a delivered entry "b".
func operations() []operation {
	return []operation{
		{"Append", func(ctx context.Context, s outbox.Store) error {
			_, err := s.Append(ctx, message("a", "2"))
			return err
		}},
		{"Claim", func(ctx context.Context, s outbox.Store) error {
			_, _, err := s.Claim(ctx, 10)
			return err
		}},
		{"Checkpoint", func(ctx context.Context, s outbox.Store) error {
			return s.Checkpoint(ctx, outbox.Checkpoint{Key: "a", Receipt: []byte("r")})
		}},
		{"Settle", func(ctx context.Context, s outbox.Store) error {
			return s.Settle(ctx, outbox.Settlement{Key: "a", Verdict: outbox.VerdictDelivered})
		}},
		{"Get", func(ctx context.Context, s outbox.Store) error {
			_, err := s.Get(ctx, "a")
			return err
		}},
		{"List", func(ctx context.Context, s outbox.Store) error {
			_, err := s.List(ctx, outbox.Filter{})
			return err
		}},
		{"Replay", func(ctx context.Context, s outbox.Store) error { return s.Replay(ctx, "b") }},
		{"Discard", func(ctx context.Context, s outbox.Store) error { return s.Discard(ctx, "b") }},
		{"Purge", func(ctx context.Context, s outbox.Store) error {
			_, err := s.Purge(ctx, epoch.Add(time.Hour), 10)
			return err
		}},
		{"Quarantine", func(ctx context.Context, s outbox.Store) error {
			return s.Quarantine(ctx, outbox.Rejected{Body: []byte("x")})
		}},
		{"Quarantined", func(ctx context.Context, s outbox.Store) error {
			_, err := s.Quarantined(ctx, 0, 10)
			return err
		}},
		{"Backup", func(ctx context.Context, s outbox.Store) error {
			_, err := s.Backup(ctx, io.Discard)
			return err
		}},
		{"Check", func(ctx context.Context, s outbox.Store) error { return s.Check(ctx, func(string) {}) }},
	}
}

func testClosed(f *fixture) {
	f.put("b", "1")
	f.deliver("b")
	f.put("a", "1")
	f.take("a")
	f.NoError(f.store.Close())
	for _, op := range operations() {
		f.ErrorIs(op.call(f.t.Context(), f.store), outbox.ErrClosed, op.name)
	}
	f.NotPanics(func() { f.store.Stats() })
	f.NotNil(f.store.Changed())
	if err := f.store.Close(); err != nil {
		f.ErrorIs(err, outbox.ErrClosed, "closing again does no harm")
	}
	f.store = f.open()
	f.Equal([]string{"1"}, bodiesOf(f.get("a")), "what came too late changed nothing")
	f.Equal(outbox.Delivered, f.get("b").State)
}

func testCloseInFlight(f *fixture) {
	f.put("a", "1")
	f.take("a")
	f.NoError(f.store.Close())
	f.store = f.open()
	e := f.take("a")
	f.Equal(2, e.Starts)
	f.True(e.Interrupted)
}
