package main

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/crm/crmtest"
	"github.com/crmsyncd/crmsyncd/outbox"
	"github.com/crmsyncd/crmsyncd/receiver/alohub/traffic"
)

// movedClock is a clock that stands still until it is moved.
type movedClock struct {
	mu sync.Mutex
	at time.Time
}

func (c *movedClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *movedClock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// turnstile stands in front of a fake and notes who comes when. While it has an order everybody is turned away with it.
type turnstile struct {
	now func() time.Time

	mu       sync.Mutex
	order    *crmtest.Answer
	underWay int
	// told is when the order was given last.
	told time.Time
	came []time.Time
}

// serve is the crmtest.Fault of a turnstile.
func (s *turnstile) serve(w http.ResponseWriter, r *http.Request, fake http.Handler) {
	s.mu.Lock()
	s.came = append(s.came, s.now())
	s.underWay++
	order := s.order
	if order != nil {
		s.told = s.now()
	}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.underWay--
	}()
	if order != nil {
		crmtest.Say(*order)(w, r, fake)
		return
	}
	fake.ServeHTTP(w, r)
}

// close turns everybody away from now on.
func (s *turnstile) close(order crmtest.Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.order = &order
}

// reopen lets everybody in again once somebody was turned away and nobody is under way any more, here or, as quiet
// says, on the way here. It returns when the order was given last and how many had come by then.
func (s *turnstile) reopen(quiet func() bool) (told time.Time, came int, done bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.told.IsZero() || s.underWay > 0 || !quiet() {
		return time.Time{}, 0, false
	}
	s.order = nil
	return s.told, len(s.came), true
}

// since returns when those came who came after so many others.
func (s *turnstile) since(before int) []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.came[before:]
}

// TestNoRequestBeforeTheNamedTime: the CRM turns a batch away with its answer to too many requests, or to a quota that
// is spent. No call fails by that, and no request comes before the time that the answer names: not one.
func TestNoRequestBeforeTheNamedTime(t *testing.T) {
	for _, v := range vendorCRMs() {
		for _, order := range v.rests {
			t.Run(v.name+"/"+order.name, func(t *testing.T) {
				clock := &movedClock{at: time.Now()}
				rest(t, v, order, clock.now, clock.move)
			})
		}
		t.Run(v.name+"/by the wall clock", func(t *testing.T) {
			t.Parallel()
			rest(t, v, v.rests[0], time.Now, nil)
		})
	}
}

// ask asks the adapter for a customer's record, where it looks records up, else to write a call.
func (p *pipeline) ask(object string, customer traffic.Contact) error {
	p.t.Helper()
	if !p.adapter.Traits().MatchesItself {
		return p.adapter.Find(p.t.Context(), []crm.Lookup{{Object: object, TransactionID: customer.TransactionID}})[0].Err
	}
	event, err := p.decoder.Decode(wholeCalls("asked", []traffic.Contact{customer}, 1)[0])
	require.NoError(p.t, err)
	return p.adapter.Write(p.t.Context(), []crm.Write{{Call: call.Merge("VN", event), Owner: "101"}})[0].Err
}

// rest lets a CRM order a rest. move moves the clock; nil: it moves by itself.
func rest(t *testing.T, v vendorCRM, order restOrder, now func() time.Time, move func(time.Duration)) {
	t.Helper()
	customers := traffic.NewContacts(demoSeed, 300)
	o := newOffice(t, v, now, 0, customers)
	gate := &turnstile{now: now}
	o.server.Inject(gate.serve)
	p := newPipeline(t, o.configuration, now)
	p.start()
	p.take(wholeCalls("before", customers, 1)...) // tokens and users are known from now on
	require.Equal(t, int64(1), p.drained(time.Minute)[outbox.Delivered])

	gate.close(order.answer)
	p.takeTogether(wholeCalls("turned-away", customers, 300)...)
	var told time.Time
	var came int
	quiet := func() bool { return p.watch.idle() && p.relay.Paused().Reason == order.reason }
	require.Eventually(t, func() (done bool) {
		told, came, done = gate.reopen(quiet)
		return done
	}, time.Minute, time.Millisecond, "all deliveries rest")
	if move != nil {
		require.Equal(t, told.Add(order.named).UTC(), p.relay.Paused().Until.UTC())
		move(order.named - time.Millisecond)
		p.take(wholeCalls("meanwhile", customers, 1)...) // wakes the relay
		err := p.ask(v.object, customers[0])
		require.Error(t, err)
		require.LessOrEqual(t, crm.Classify(err).RetryAfter, time.Second)
		require.Positive(t, crm.Classify(err).RetryAfter)
		require.Empty(t, gate.since(came), "a request although the CRM asked to wait")
		move(time.Millisecond)
		p.take(wholeCalls("afterwards", customers, 1)...)
	}
	states := p.drained(time.Minute)
	require.Zero(t, states[outbox.Parked])
	require.Len(t, o.byCall(t), int(states[outbox.Delivered]))
	for outcome := range p.watch.outcomes() {
		require.Contains(t, []string{"done", "wait", "released"}, outcome)
	}
	require.NotEmpty(t, gate.since(came))
	for _, at := range gate.since(came) {
		require.GreaterOrEqual(t, at.Sub(told), order.named, "a request before the time that the CRM named")
	}
}
