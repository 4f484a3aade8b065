package outboxtest_test

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/crmsyncd/crmsyncd/outbox"
)

// forgetful takes every message for a new one.
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

// piecemeal commits each message on its own.
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

// newestFirst hands out the entries that are due in the wrong order.
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

// hasty gives up a batch at its first error.
type hasty struct{ outbox.Store }

func (s *hasty) Settle(ctx context.Context, settlements ...outbox.Settlement) error {
	for _, o := range settlements {
		if err := s.Store.Settle(ctx, o); err != nil {
			return err
		}
	}
	return nil
}

// receiptless forgets every receipt.
type receiptless struct{ outbox.Store }

func (s *receiptless) Settle(ctx context.Context, settlements ...outbox.Settlement) error {
	settlements = slices.Clone(settlements)
	for i := range settlements {
		settlements[i].Receipt = []byte{}
	}
	return s.Store.Settle(ctx, settlements...)
}

// strict takes a postponement for a failed attempt.
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

// silent returns channels that are never closed.
type silent struct{ outbox.Store }

func (s *silent) Changed() <-chan struct{} { return make(chan struct{}) }

// repetitive shows an entry of the last page twice.
type repetitive struct{ outbox.Store }

func (s *repetitive) List(ctx context.Context, f outbox.Filter) (outbox.Page, error) {
	page, err := s.Store.List(ctx, f)
	if f.After != "" && len(page.Entries) > 0 && len(page.Entries) < f.Limit {
		page.Entries = append(page.Entries, page.Entries[0])
	}
	return page, err
}

// greedy takes an exclusive bound for an inclusive one.
type greedy struct{ outbox.Store }

func (s *greedy) Purge(ctx context.Context, before time.Time, limit int) (int, error) {
	return s.Store.Purge(ctx, before.Add(time.Nanosecond), limit)
}
