package main

import (
	"context"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/crmsyncd/crmsyncd/receiver/alohub/traffic"
)

// stream sends events until ctx ends, see feed.
func stream(ctx context.Context, t *testing.T, p *process, seed uint64, book *ledger) {
	t.Helper()
	(&feed{t: t, p: p, seed: seed, book: book}).run(ctx, ctx)
}

// feed sends the events of a busy call centre as fast as the daemon takes them, several at a time. An event that got no
// answer is sent again or, as a call centre may, forgotten; only what was acknowledged counts.
type feed struct {
	t    *testing.T
	p    *process
	seed uint64
	book *ledger
	// toTheEnd: of calls that began everything is sent, also after run was asked to stop, and what tells the end of a call
	// or its recording is not forgotten.
	toTheEnd bool
}

// run sends events until ctx ends, and what is left of the calls that began, if they are told to the end, until trying
// does.
func (f *feed) run(ctx, trying context.Context) {
	f.t.Helper()
	generator, err := traffic.New(traffic.Options{
		Seed: f.seed, Start: time.Now().Add(-time.Hour), Contacts: traffic.NewContacts(demoSeed, demoContacts),
		Agents: traffic.NewAgents(demoSeed, demoAgents),
	})
	if err != nil {
		f.t.Error(err)
		return
	}
	if !f.toTheEnd {
		trying = ctx
	}
	events, wait := f.posters(trying)
	defer wait()
	defer close(events)
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	begun := map[string]bool{} // calls of which not all has been sent
	for e := range generator.Stream(20, 600) {
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
		if ctx.Err() != nil && (!f.toTheEnd || len(begun) == 0) {
			break
		}
		if ctx.Err() != nil && !begun[e.CallID] {
			continue
		}
		switch {
		case e.Final:
			delete(begun, e.CallID)
		case e.Kind != traffic.KindResend: // one that comes after all has been said
			begun[e.CallID] = true
		}
		f.book.sent++
		events <- e
	}
}

// posters starts those who send what comes in. After that was closed, wait waits until they are done.
func (f *feed) posters(ctx context.Context) (events chan<- traffic.Event, wait func()) {
	incoming := make(chan traffic.Event)
	var group sync.WaitGroup
	for i := range 8 {
		random := rand.New(rand.NewPCG(f.seed, uint64(2+i)))
		group.Go(func() {
			for e := range incoming {
				f.post(ctx, e, random)
			}
		})
	}
	return incoming, group.Wait
}

// post sends one event until it is acknowledged or forgotten, or ctx ends.
func (f *feed) post(ctx context.Context, e traffic.Event, random *rand.Rand) {
	final := e.Kind == traffic.KindEnded || e.Kind == traffic.KindMissed || e.Kind == traffic.KindRecording
	for ctx.Err() == nil {
		if status, _ := f.p.post(e.Body); status == http.StatusOK {
			f.book.ack(e)
			return
		}
		if random.IntN(4) == 0 && (!f.toTheEnd || !final) {
			return
		}
		<-time.After(5 * time.Millisecond) // the daemon is being restarted
	}
}
