package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v4"
	"golang.org/x/sync/errgroup"

	"github.com/crmsyncd/crmsyncd/receiver/alohub/traffic"
)

// sender posts events as a call centre does: on time, several at once, and again when it is told to come later.
type sender struct {
	url, key string
	client   *http.Client
	// giveUp is how long an event is sent again before it counts as refused.
	giveUp time.Duration

	mu    sync.Mutex
	tally tally
}

// tally is what became of the events that were sent: Sent = Accepted + Duplicate + Refused.
type tally struct {
	Sent      int `json:"sent"`
	Accepted  int `json:"accepted"`
	Duplicate int `json:"duplicate"`
	Refused   int `json:"refused"`
	// Resent counts the times that an event had to be sent again.
	Resent int `json:"resent"`

	latencies []time.Duration
	lastError error
}

// atOnce is how many events are on their way at a time.
const atOnce = 64

// newSender returns a sender to a daemon's webhook address.
func newSender(url, key string) *sender {
	return &sender{
		url: url, key: key, giveUp: time.Minute,
		client: &http.Client{Timeout: 15 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: atOnce}},
	}
}

// send posts events, each when it is due, until they or ctx end. It tells progress after each of them.
func (s *sender) send(ctx context.Context, events func(yield func(traffic.Event) bool), progress func(tally)) {
	defer s.client.CloseIdleConnections()
	began := time.Now()
	var group errgroup.Group
	group.SetLimit(atOnce)
	for e := range events {
		timer := time.NewTimer(e.At - time.Since(began))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error {
			progress(s.deliver(ctx, e.Body))
			return nil
		})
	}
	_ = group.Wait() // the functions return no errors
}

// errLater marks an answer after which an event is sent again.
var errLater = errors.New("not taken now")

// deliver posts one event until it is taken or refused, and returns the tally so far.
func (s *sender) deliver(ctx context.Context, body []byte) tally {
	wait := backoff.NewExponentialBackOff(backoff.WithInitialInterval(200*time.Millisecond),
		backoff.WithMaxInterval(5*time.Second), backoff.WithMaxElapsedTime(s.giveUp))
	tries := 0
	var status string
	err := backoff.Retry(func() (err error) {
		tries++
		status, err = s.post(ctx, body)
		if err != nil && !errors.Is(err, errLater) {
			return backoff.Permanent(err)
		}
		return err
	}, backoff.WithContext(wait, ctx))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tally.Sent++
	s.tally.Resent += tries - 1
	switch {
	case err != nil:
		s.tally.Refused++
		s.tally.lastError = err
	case status == "duplicate":
		s.tally.Duplicate++
	default:
		s.tally.Accepted++
	}
	return s.tally
}

// post sends one event once and returns the status in the answer.
func (s *sender) post(ctx context.Context, body []byte) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Authorization", s.key)
	req.Header.Set("Content-Type", "application/json")
	began := time.Now()
	resp, err := s.client.Do(req)
	if err != nil {
		return "", fmt.Errorf("%w: %w", errLater, err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	switch {
	case err != nil:
		return "", fmt.Errorf("%w: %w", errLater, err)
	case resp.StatusCode == http.StatusServiceUnavailable:
		return "", fmt.Errorf("%w: HTTP 503: %s", errLater, answer)
	case resp.StatusCode != http.StatusOK:
		return "", fmt.Errorf("HTTP %d: %s", resp.StatusCode, answer)
	}
	s.mu.Lock()
	s.tally.latencies = append(s.tally.latencies, time.Since(began))
	s.mu.Unlock()
	var accepted struct {
		Status string `json:"status"`
	}
	if err := json.Unmarshal(answer, &accepted); err != nil {
		return "", fmt.Errorf("read the answer: %w", err)
	}
	return accepted.Status, nil
}

// total returns what became of all events.
func (s *sender) total() tally {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tally
	t.latencies = slices.Clone(t.latencies)
	slices.Sort(t.latencies)
	return t
}

// quantile returns the acknowledgement latency that a share of the events stayed within; 0 without any.
func (t tally) quantile(share float64) time.Duration {
	if len(t.latencies) == 0 {
		return 0
	}
	return t.latencies[min(int(share*float64(len(t.latencies))), len(t.latencies)-1)]
}
