package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/crmsyncd/crmsyncd/configs"
	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/adapters"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/outbox"
	"github.com/crmsyncd/crmsyncd/outbox/bolt"
	"github.com/crmsyncd/crmsyncd/receiver"
	"github.com/crmsyncd/crmsyncd/receiver/alohub"
	"github.com/crmsyncd/crmsyncd/receiver/alohub/traffic"
)

// pipeline is what the daemon does between a webhook and a CRM, in the test's process: the real outbox, relay, syncer
// and adapter, wired as the daemon wires them.
type pipeline struct {
	t       *testing.T
	store   *bolt.Store
	adapter crm.Adapter
	relay   *outbox.Relay
	decoder *alohub.Decoder
	intake  sink
	watch   *watch
	batch   int
}

// watch sees what the relay does: every delivery goes through it.
type watch struct {
	outbox.Deliverer

	mu sync.Mutex
	// busy is how many deliveries are under way, largest how many entries one of them had at most, settled how many
	// entries were settled by their outcome.
	busy, largest int
	settled       map[string]int
}

// Deliver delivers.
func (w *watch) Deliver(ctx context.Context, entries []outbox.Entry, checkpoint outbox.CheckpointFunc) outbox.Report {
	add := func(n int) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.busy += n
		w.largest = max(w.largest, len(entries))
	}
	add(1)
	defer add(-1)
	return w.Deliverer.Deliver(ctx, entries, checkpoint)
}

func (w *watch) Delivered(string, int, time.Duration) {}
func (w *watch) Paused(string, time.Time)             {}
func (w *watch) Working(int, int)                     {}

func (w *watch) Settled(outcome, _ string, _ time.Duration, _ int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.settled[outcome]++
}

// idle reports whether nothing is being delivered.
func (w *watch) idle() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.busy == 0
}

// largestBatch returns how many entries were delivered together at most.
func (w *watch) largestBatch() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.largest
}

// total returns how many entries were settled, each as often as it was.
func (w *watch) total() int { return total(w.outcomes()) }

// outcomes returns how many deliveries of entries ended how.
func (w *watch) outcomes() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.settled)
}

// newPipeline returns one for a configuration that may be changed by environment variables. It takes events in and
// delivers nothing before start. now is the clock of all its parts, nil: their own.
func newPipeline(t *testing.T, configuration func(folder string) []byte, now func() time.Time, environ ...string,
) *pipeline {
	t.Helper()
	folder := t.TempDir()
	environ = append(environ, "CRMSYNCD_OUTBOX__PATH="+folder+"/outbox.db", "CRMSYNCD_MATCH__WAIT=0s")
	cfg, err := configs.LoadBytes("test.yaml", configuration(folder), environ)
	require.NoError(t, err)
	location, err := time.LoadLocation(cfg.Source.TimeZone)
	require.NoError(t, err)
	p := &pipeline{t: t, watch: &watch{settled: map[string]int{}}}
	p.decoder, err = alohub.New(alohub.Options{Location: location})
	require.NoError(t, err)
	p.store, err = bolt.Open(bolt.Options{Path: cfg.Outbox.Path, Now: now})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.store.Close()) })
	p.adapter, err = adapters.New(cfg.CRM, api.Options{Now: now, Location: location, PhoneRegion: cfg.Source.PhoneRegion})
	require.NoError(t, err)
	if closer, is := p.adapter.(interface{ Close() }); is {
		t.Cleanup(closer.Close)
	}
	logger := slog.New(slog.DiscardHandler)
	syncer, err := crm.NewSyncer(syncerOptions(cfg, p.adapter, p.decoder, logger, nil, p.store.Now))
	require.NoError(t, err)
	options := relayOptions(cfg, p.store, syncer, p.adapter, logger, p.watch)
	p.batch, p.watch.Deliverer, options.Deliverer = options.Batch, syncer, p.watch
	p.relay, err = outbox.NewRelay(options)
	require.NoError(t, err)
	p.intake = sink{store: p.store}
	return p
}

// start delivers until the test ends.
func (p *pipeline) start() {
	p.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.relay.Run(ctx) }()
	p.t.Cleanup(func() {
		cancel()
		require.NoError(p.t, <-done)
	})
}

// take takes events in, one after the other, as the receiver does.
func (p *pipeline) take(bodies ...[]byte) {
	p.t.Helper()
	for _, body := range bodies {
		require.NoError(p.t, p.accept(body))
	}
}

// takeTogether takes events in whose order does not matter, many at a time: they share their way to the disk.
func (p *pipeline) takeTogether(bodies ...[]byte) {
	p.t.Helper()
	var group errgroup.Group
	group.SetLimit(100)
	for _, body := range bodies {
		group.Go(func() error { return p.accept(body) })
	}
	require.NoError(p.t, group.Wait())
}

func (p *pipeline) accept(body []byte) error {
	event, err := p.decoder.Decode(body)
	if err != nil {
		return err
	}
	_, err = p.intake.Accept(p.t.Context(), receiver.Accepted{Source: "alohub", Event: event, Body: body, Identity: body})
	return err
}

// drained waits until no call is on its way any more, and returns how many are in each state.
func (p *pipeline) drained(within time.Duration) map[outbox.State]int64 {
	p.t.Helper()
	var states map[outbox.State]int64
	require.Eventually(p.t, func() bool {
		stats := p.store.Stats()
		states = map[outbox.State]int64{}
		for state, n := range stats.States {
			states[state] = int64(n)
		}
		return states[outbox.Pending]+states[outbox.InFlight] == 0
	}, within, 20*time.Millisecond, "every call is delivered or parked")
	return states
}

// conversation returns the events of an answered call of 70 seconds, 60 of them talked: its start, its answer, its end
// and its recording. The last one says all that the others say.
func conversation(id string, customer traffic.Contact, agent string) [][]byte {
	start := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	at := func(after time.Duration) string { return start.Add(after).Format(time.DateTime) }
	event := map[string]any{
		"call_id": id, "call_status": "ringing", "direction": "inbound", "caller_number": customer.Phone,
		"destination_number": "101", "hotline": "19001234", "starttime": at(0), "transactionID": customer.TransactionID,
		"userName": agent, "eventType": "call",
	}
	var bodies [][]byte
	say := func(pairs ...string) {
		for i := 0; i < len(pairs); i += 2 {
			event[pairs[i]] = pairs[i+1]
		}
		body, _ := json.Marshal(event) //nolint:errchkjson // texts alone, which cannot fail
		bodies = append(bodies, body)
	}
	say()
	say("call_status", "answered", "answertime", at(10*time.Second))
	say("endtime", at(70*time.Second), "total_duration", "70", "hangup_by", "customer")
	say("recording_url", "https://media.example:1777/IPCCMedia/MP3Export.do?url="+id+".mp3")
	return bodies
}

// wholeCalls returns one event for each of n calls, the one that says all, each of a customer of its own.
func wholeCalls(prefix string, customers []traffic.Contact, n int) [][]byte {
	agents := traffic.NewAgents(demoSeed, demoAgents)
	bodies := make([][]byte, n)
	for i := range bodies {
		events := conversation(fmt.Sprintf("%s-%05d", prefix, i), customers[i], agents[i%len(agents)].UserName)
		bodies[i] = events[len(events)-1]
	}
	return bodies
}
