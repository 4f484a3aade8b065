package outboxtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/crmsyncd/crmsyncd/outbox"
)

// What Stress does, in numbers. It ends when this is done, however long that takes.
const (
	stressAppenders = 8
	stressClaimers  = 4
	stressMessages  = 150 // of each appender
	stressKeys      = 40
	stressRefused   = 50
)

// Stress lets appenders, claimers and an operator at the store at the same time, closes it and opens it again, and
// then counts: every message was part of a delivery, no key was in flight twice at a time, and nothing was delivered
// again without a new message. It prints the seed of its random choices.
func Stress(t *testing.T, h Harness) {
	t.Helper()
	h.validate(t)
	f := newFixture(t, h)
	t.Cleanup(f.finish)
	s := &stress{
		store: f.store, clock: f.clock, seed: uint64(time.Now().UnixNano()),
		idle: make(chan struct{}), appended: make(chan struct{}),
		holders: map[string]bool{}, delivered: map[string]uint64{}, covered: map[string]bool{},
	}
	t.Logf("seed %d", s.seed)
	f.NoError(s.run(t.Context()))

	f.reopen()
	s.store = f.store
	for _, e := range f.list(t.Context(), outbox.Filter{State: outbox.Parked}) {
		f.NoError(f.store.Replay(t.Context(), e.Key))
	}
	for entries := f.claim(7); len(entries) > 0; entries = f.claim(7) {
		f.NoError(s.hold(entries))
		f.NoError(s.settle(t.Context(), entries, func() outbox.Verdict { return outbox.VerdictDelivered }))
	}
	s.count(f)
}

// stress is what the goroutines of Stress share.
type stress struct {
	store outbox.Store
	clock *Clock
	seed  uint64
	// appended is closed when the appenders have ended, idle when nothing is left to deliver.
	appended, idle chan struct{}
	idleOnce       sync.Once

	mu        sync.Mutex
	holders   map[string]bool   // keys in flight
	delivered map[string]uint64 // the Seq of the last message that was delivered, by key
	covered   map[string]bool   // messages that were part of a delivery, as key and body
	repeats   uint64
}

func (s *stress) random(stream int) *rand.Rand {
	return rand.New(rand.NewPCG(s.seed, uint64(stream)))
}

func (s *stress) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(s.appended)
		appenders, ctx := errgroup.WithContext(ctx)
		for i := range stressAppenders {
			appenders.Go(func() error { return s.append(ctx, i) })
		}
		return appenders.Wait()
	})
	for i := range stressClaimers {
		group.Go(func() error { return s.claim(ctx, stressAppenders+i) })
	}
	group.Go(func() error { return s.operate(ctx) })
	return group.Wait()
}

func stressKey(n int) string { return fmt.Sprint("call ", n) }

// append appends messages to random keys, each twice in a row now and then.
func (s *stress) append(ctx context.Context, appender int) error {
	random := s.random(appender)
	for i := range stressMessages {
		msg := outbox.Message{
			Key:   stressKey(random.IntN(stressKeys)),
			Body:  fmt.Appendf(nil, "%d of %d", i, appender),
			Terms: []string{fmt.Sprint("by ", appender)},
			Delay: time.Duration(random.IntN(3)) * time.Second,
		}
		for repeat := range 1 + random.IntN(2) {
			appended, err := s.store.Append(ctx, msg)
			if err != nil {
				return err
			}
			if appended[0].Duplicate != (repeat == 1) {
				return fmt.Errorf("message %q of %q: Duplicate is %t", msg.Body, msg.Key, appended[0].Duplicate)
			}
			s.mu.Lock()
			s.repeats += uint64(repeat)
			s.mu.Unlock()
		}
	}
	return nil
}

// claim delivers what is due, and moves the clock when only time is missing, until all is done.
func (s *stress) claim(ctx context.Context, claimer int) error {
	random := s.random(claimer)
	verdict := func() outbox.Verdict { return outbox.Verdict(1 + random.IntN(5)) }
	appended := s.appended
	for {
		changed := s.store.Changed()
		entries, next, err := s.store.Claim(ctx, 1+random.IntN(4))
		switch {
		case err != nil:
			return err
		case len(entries) > 0:
			if err := s.hold(entries); err != nil {
				return err
			}
			if err := s.settle(ctx, entries, verdict); err != nil {
				return err
			}
			continue
		case !next.IsZero():
			s.clock.reach(next)
			continue
		case appended == nil && s.finished():
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		case <-appended:
			appended = nil
		case <-s.idle:
			return nil
		}
	}
}

// finished tells whether nothing is left to deliver, and lets all the claimers know. The appenders have ended.
func (s *stress) finished() bool {
	stats := s.store.Stats()
	if stats.States[outbox.Pending]+stats.States[outbox.InFlight] > 0 {
		return false
	}
	s.idleOnce.Do(func() { close(s.idle) })
	return true
}

// hold takes note of claimed entries and finds what should not have been claimed.
func (s *stress) hold(entries []outbox.Entry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range entries {
		switch last := e.Messages[len(e.Messages)-1].Seq; {
		case s.holders[e.Key]:
			return fmt.Errorf("%q was claimed while it was in flight", e.Key)
		case e.Interrupted || e.Starts != 1:
			return fmt.Errorf("%q is in doubt though each of its deliveries was settled", e.Key)
		case last <= s.delivered[e.Key]:
			return fmt.Errorf("%q was claimed again though message %d, its last, is delivered", e.Key, last)
		case last != uint64(len(e.Messages)):
			return fmt.Errorf("%q has %d messages, the last one is number %d", e.Key, len(e.Messages), last)
		}
		s.holders[e.Key] = true
	}
	return nil
}

// settle settles claimed entries, some after a checkpoint.
func (s *stress) settle(ctx context.Context, entries []outbox.Entry, verdict func() outbox.Verdict) error {
	var settlements []outbox.Settlement
	s.mu.Lock()
	for _, e := range entries {
		settlement := outbox.Settlement{
			Key: e.Key, Verdict: verdict(), Due: s.clock.Now().Add(time.Second), Reason: "stress", Error: "as drawn",
		}
		if settlement.Verdict == outbox.VerdictDelivered {
			s.delivered[e.Key] = uint64(len(e.Messages))
			for _, m := range e.Messages {
				s.covered[e.Key+" "+string(m.Body)] = true
			}
		}
		delete(s.holders, e.Key) // before the settle: right after it another may claim the key
		settlements = append(settlements, settlement)
	}
	s.mu.Unlock()
	if err := s.store.Checkpoint(ctx, outbox.Checkpoint{Key: entries[0].Key, Receipt: []byte("intent")}); err != nil {
		return err
	}
	return s.store.Settle(ctx, settlements...)
}

// operate looks at everything and refuses bodies, without changing an entry.
func (s *stress) operate(ctx context.Context) error {
	for i := range stressRefused {
		listed, err := listAll(ctx, s.store, outbox.Filter{Term: "by 1", Limit: 7})
		if err != nil {
			return err
		}
		for _, e := range listed {
			if _, err := s.store.Get(ctx, e.Key); err != nil {
				return err
			}
		}
		var faults []string
		if err := s.store.Check(ctx, func(fault string) { faults = append(faults, fault) }); err != nil || len(faults) > 0 {
			return errors.Join(err, fmt.Errorf("check at work: %q", faults))
		}
		if i%10 == 0 {
			if _, err := s.store.Backup(ctx, io.Discard); err != nil {
				return err
			}
		}
		if _, err := s.store.Purge(ctx, epoch, 10); err != nil {
			return err
		}
		if err := s.store.Discard(ctx, "unknown"); !errors.Is(err, outbox.ErrNotFound) {
			return fmt.Errorf("discard an unknown entry: %w", err)
		}
		if err := s.store.Quarantine(ctx, outbox.Rejected{Body: []byte("the same")}); err != nil {
			return err
		}
	}
	return nil
}

// count compares what the appenders did with what is there and what was delivered.
func (s *stress) count(f *fixture) {
	f.t.Helper()
	const messages = stressAppenders * stressMessages
	f.Empty(s.holders)
	f.Len(s.covered, messages, "every message was part of a delivery")
	stats := f.store.Stats()
	f.Equal(uint64(messages), stats.Messages)
	f.Equal(s.repeats, stats.Duplicates)
	f.Equal(map[outbox.State]int64{outbox.Delivered: int64(len(s.delivered))}, counts(stats), "all is delivered")
	f.Equal(int64(1), stats.Rejected)
	f.Equal(stressRefused, f.rejected(0, 1)[0].Count)
	stored := 0
	for _, key := range slices.Sorted(maps.Keys(s.delivered)) {
		e := f.get(key)
		stored += len(e.Messages)
		for _, m := range e.Messages {
			f.True(s.covered[key+" "+string(m.Body)], "message %q of %q", m.Body, key)
		}
	}
	f.Equal(messages, stored)
}
