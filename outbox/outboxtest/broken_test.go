package outboxtest_test

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/outbox"
	"github.com/crmsyncd/crmsyncd/outbox/outboxtest"
)

// brokenVariable names, in the environment of a second run of this test binary, the fault that the store there has.
const brokenVariable = "OUTBOXTEST_FAULT"

// fault is a way to break a store, and the subtest of the suite that must find it; empty: Model or Stress must.
type fault struct {
	test, subtest string
	wrap          func(outbox.Store) outbox.Store
}

// faults returns the broken stores by name. Each breaks one promise of a sound store and keeps the others.
func faults() map[string]fault {
	return map[string]fault{
		"forgets duplicates": {
			"TestBroken", "an_exact_repeat_is_a_duplicate_in_every_state",
			func(s outbox.Store) outbox.Store { return &forgetful{Store: s} },
		},
		"stores part of an append": {
			"TestBroken", "an_Append_is_all_or_nothing",
			func(s outbox.Store) outbox.Store { return &piecemeal{s} },
		},
		"loses what arrives in flight": {
			"TestBroken", "a_message_in_flight_makes_the_entry_pending_after_every_verdict",
			func(s outbox.Store) outbox.Store { return &inattentive{Store: s, claimed: map[string]int{}} },
		},
		"loses what arrives in flight, by model": {
			"TestBrokenModel", "",
			func(s outbox.Store) outbox.Store { return &inattentive{Store: s, claimed: map[string]int{}} },
		},
		"claims the newest first": {
			"TestBroken", "Claim_gives_the_oldest_due_first",
			func(s outbox.Store) outbox.Store { return &newestFirst{s} },
		},
		"claims twice": {
			"TestBroken", "claimers_at_once_never_share_a_key",
			func(s outbox.Store) outbox.Store { return &generous{Store: s} },
		},
		"claims twice, by stress": {
			"TestBrokenStress", "",
			func(s outbox.Store) outbox.Store { return &generous{Store: s} },
		},
		"stops a settle at the first unknown key": {
			"TestBroken",
			"Settle_of_a_key_that_is_not_in_flight_is_refused,_the_others_are_settled",
			func(s outbox.Store) outbox.Store { return &hasty{s} },
		},
		"drops receipts": {
			"TestBroken", "a_receipt_is_replaced_unless_it_is_nil",
			func(s outbox.Store) outbox.Store { return &receiptless{s} },
		},
		"drops receipts, by model": {
			"TestBrokenModel", "",
			func(s outbox.Store) outbox.Store { return &receiptless{s} },
		},
		"counts postponements as attempts": {
			"TestBroken", "a_postponement_spends_no_attempt",
			func(s outbox.Store) outbox.Store { return &strict{s} },
		},
		"settles at close": {
			"TestBroken", "an_unsettled_delivery_is_interrupted_after_a_restart",
			func(s outbox.Store) outbox.Store { return &tidy{s} },
		},
		"never tells of changes": {
			"TestBroken", "Changed_tells_of_an_append",
			func(s outbox.Store) outbox.Store { return &silent{s} },
		},
		"repeats entries in pages": {
			"TestBroken", "pages_are_complete_and_do_not_repeat",
			func(s outbox.Store) outbox.Store { return &repetitive{s} },
		},
		"purges what is newer": {
			"TestBroken", "Purge_removes_what_was_delivered_before_a_time,_up_to_a_limit",
			func(s outbox.Store) outbox.Store { return &greedy{s} },
		},
	}
}

// brokenStore returns the harness for the fault that the environment names, and skips the test without one.
func brokenStore(t *testing.T) outboxtest.Harness {
	t.Helper()
	name := os.Getenv(brokenVariable)
	if name == "" {
		t.Skip("runs in a second process only, see TestSuiteFindsFaults")
	}
	if name == "none" {
		return memoryHarness(sound)
	}
	require.Contains(t, faults(), name)
	return memoryHarness(faults()[name].wrap)
}

func TestBroken(t *testing.T)       { outboxtest.Run(t, brokenStore(t)) }
func TestBrokenModel(t *testing.T)  { outboxtest.Model(t, brokenStore(t)) }
func TestBrokenStress(t *testing.T) { outboxtest.Stress(t, brokenStore(t)) }

// runBroken runs a test in a second process with a store that has the named fault.
func runBroken(t *testing.T, name, pattern string) (string, error) {
	t.Helper()
	command := exec.CommandContext(t.Context(), os.Args[0],
		"-test.run="+pattern, "-test.v", "-rapid.nofailfile", "-rapid.shrinktime=100ms")
	command.Env = append(slices.Clone(os.Environ()), brokenVariable+"="+name)
	output, err := command.CombinedOutput()
	return string(output), err
}

// TestSuiteFindsFaults shows that the suite is able to fail: for each broken store in the test that is named for the
// broken promise. The same tests pass for a sound store.
func TestSuiteFindsFaults(t *testing.T) {
	for name, f := range faults() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pattern, failure := "^"+f.test+"$", "--- FAIL: "+f.test
			if f.subtest != "" {
				pattern += "/^" + f.subtest + "$"
				failure += "/" + f.subtest
			}
			output, err := runBroken(t, name, pattern)
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit, "the broken store passes:\n%s", output)
			require.Contains(t, output, failure)

			if f.subtest != "" {
				output, err = runBroken(t, "none", pattern)
				require.NoError(t, err, output)
				require.Contains(t, output, "--- PASS: "+f.test+"/"+f.subtest)
			}
		})
	}
}

type forgetful struct {
	outbox.Store
	mu sync.Mutex
	n  int
}

func (s *forgetful) Append(ctx context.Context, msgs ...outbox.Message) ([]outbox.Appended, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	msgs = slices.Clone(msgs)
	for i := range msgs {
		s.n++
		msgs[i].Identity = []byte{byte(s.n >> 8), byte(s.n)}
	}
	return s.Store.Append(ctx, msgs...)
}

type piecemeal struct{ outbox.Store }

func (s *piecemeal) Append(ctx context.Context, msgs ...outbox.Message) ([]outbox.Appended, error) {
	var all []outbox.Appended
	for _, msg := range msgs {
		appended, err := s.Store.Append(ctx, msg)
		if err != nil {
			return nil, err
		}
		all = append(all, appended...)
	}
	return all, nil
}

// inattentive acknowledges but does not store what comes while its key is in flight.
type inattentive struct {
	outbox.Store
	mu      sync.Mutex
	claimed map[string]int
}

func (s *inattentive) Append(ctx context.Context, msgs ...outbox.Message) ([]outbox.Appended, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]outbox.Appended, len(msgs))
	for i, msg := range msgs {
		if s.claimed[msg.Key] > 0 {
			continue
		}
		appended, err := s.Store.Append(ctx, msg)
		if err != nil {
			return nil, err
		}
		all[i] = appended[0]
	}
	return all, nil
}

func (s *inattentive) Claim(ctx context.Context, limit int) ([]outbox.Entry, time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	entries, next, err := s.Store.Claim(ctx, limit)
	for _, e := range entries {
		s.claimed[e.Key]++
	}
	return entries, next, err
}

func (s *inattentive) Settle(ctx context.Context, settlements ...outbox.Settlement) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range settlements {
		delete(s.claimed, o.Key)
	}
	return s.Store.Settle(ctx, settlements...)
}

type newestFirst struct{ outbox.Store }

func (s *newestFirst) Claim(ctx context.Context, limit int) ([]outbox.Entry, time.Time, error) {
	entries, next, err := s.Store.Claim(ctx, limit)
	slices.Reverse(entries)
	return entries, next, err
}

// generous hands out an entry that is in flight once more when nothing else is due.
type generous struct {
	outbox.Store
	mu   sync.Mutex
	last []outbox.Entry
	gave int
}

func (s *generous) Claim(ctx context.Context, limit int) ([]outbox.Entry, time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gave++
	if len(s.last) > 0 && s.gave%5 == 0 {
		return s.last, time.Time{}, nil
	}
	entries, next, err := s.Store.Claim(ctx, limit)
	s.last = entries
	return entries, next, err
}

type hasty struct{ outbox.Store }

func (s *hasty) Settle(ctx context.Context, settlements ...outbox.Settlement) error {
	for _, o := range settlements {
		if err := s.Store.Settle(ctx, o); err != nil {
			return err
		}
	}
	return nil
}

type receiptless struct{ outbox.Store }

func (s *receiptless) Settle(ctx context.Context, settlements ...outbox.Settlement) error {
	settlements = slices.Clone(settlements)
	for i := range settlements {
		settlements[i].Receipt = []byte{}
	}
	return s.Store.Settle(ctx, settlements...)
}

type strict struct{ outbox.Store }

func (s *strict) Settle(ctx context.Context, settlements ...outbox.Settlement) error {
	settlements = slices.Clone(settlements)
	for i := range settlements {
		if settlements[i].Verdict == outbox.VerdictPostpone {
			settlements[i].Verdict = outbox.VerdictRetry
		}
	}
	return s.Store.Settle(ctx, settlements...)
}

// tidy postpones what is in flight before it closes.
type tidy struct{ outbox.Store }

func (s *tidy) Close() error {
	page, err := s.List(context.Background(), outbox.Filter{State: outbox.InFlight})
	for _, e := range page.Entries {
		err = s.Settle(context.Background(), outbox.Settlement{Key: e.Key, Verdict: outbox.VerdictPostpone})
	}
	if err != nil {
		return err
	}
	return s.Store.Close()
}

type silent struct{ outbox.Store }

func (s *silent) Changed() <-chan struct{} { return make(chan struct{}) }

type repetitive struct{ outbox.Store }

func (s *repetitive) List(ctx context.Context, f outbox.Filter) (outbox.Page, error) {
	page, err := s.Store.List(ctx, f)
	if f.After != "" && len(page.Entries) > 0 && len(page.Entries) < f.Limit {
		page.Entries = append(page.Entries, page.Entries[0])
	}
	return page, err
}

type greedy struct{ outbox.Store }

func (s *greedy) Purge(ctx context.Context, before time.Time, limit int) (int, error) {
	return s.Store.Purge(ctx, before.Add(time.Nanosecond), limit)
}
