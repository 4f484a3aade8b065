package crm_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/outbox"
)

// Whatever the size of the batch: one Find per object and step, one FindUsers, one FindLogs, one Write.
func TestDeliverAsksForABatchAtOnce(t *testing.T) {
	const size = 50
	b := newBench(t)
	var entries []outbox.Entry
	for i := range size {
		id, phone := fmt.Sprintf("c%02d", i), fmt.Sprintf("09123456%02d", i)
		event := ended(id, "T-"+id, phone)
		event.Agent = fmt.Sprintf("agent%d", i%7)
		switch i % 5 {
		case 0: // a contact by transactionID
			b.crm.contact(id, "T-"+id)
		case 1: // a lead by transactionID
			b.crm.lead(id, "T-"+id)
		case 2: // a campaign: many contacts carry the transactionID, the page of hits does not tell
			event.TransactionID = "CAMPAIGN"
			b.crm.contact(id, "CAMPAIGN", phone)
		case 3: // a contact by phone
			b.crm.contact(id, "", phone)
		case 4: // a lead by phone, no transactionID
			event.TransactionID = ""
			b.crm.lead(id, "", phone)
		}
		e := entry(t, event)
		if i%2 == 0 { // nobody knows whether it was written, long ago
			e.Receipt = []byte(`{"v":1,"crm":"fake","doubt":true}`)
		}
		entries = append(entries, e)
	}
	b.crm.pageSize = 3
	for _, o := range b.deliver(t, entries...).Outcomes {
		require.Equal(t, outbox.Done, o.Kind, "%+v", o)
	}
	require.Len(t, b.crm.logs, size)
	for _, log := range b.crm.logs {
		require.Equal(t, log.call.ID, log.record.ID)
	}
	require.Len(t, b.crm.writes, 1)
	require.Len(t, b.crm.logSearches, 1)
	require.Len(t, b.crm.logSearches[0], size/2)
	require.Len(t, b.crm.userSearches, 1)
	require.Len(t, b.crm.userSearches[0], 7, "each agent is asked for once")
	steps := make([]string, 0, len(b.crm.finds))
	for _, lookups := range b.crm.finds {
		by := "phone"
		if lookups[0].TransactionID != "" {
			by = "transaction id"
		}
		steps = append(steps, fmt.Sprintf("%d %s by %s", len(lookups), lookups[0].Object, by))
	}
	require.Equal(t, []string{
		"31 contact by transaction id", // the campaign is looked up once
		"10 contact by phone",          // its calls
		"20 lead by transaction id",
		"20 contact by phone",
		"10 lead by phone",
	}, steps)
}

func TestWrongNumberOfResultsFailsEveryEntry(t *testing.T) {
	for name, test := range map[string]struct {
		breakIt func(*fakeCRM)
		policy  crm.Policy
	}{
		"find": {breakIt: func(f *fakeCRM) {
			f.onFind = func([]crm.Lookup) []crm.Found { return make([]crm.Found, 1) }
		}},
		"no finds": {breakIt: func(f *fakeCRM) { f.onFind = func([]crm.Lookup) []crm.Found { return nil } }},
		"users":    {breakIt: func(f *fakeCRM) { f.onFindUsers = func([]string) []crm.UserFound { return nil } }},
		"logs": {breakIt: func(f *fakeCRM) {
			f.onFindLogs = func([]call.Call) []crm.LogFound { return make([]crm.LogFound, 9) }
		}},
		"write": {breakIt: func(f *fakeCRM) {
			f.onWrite = func([]crm.Write) []crm.Written { return make([]crm.Written, 3) }
		}},
		"create": {
			breakIt: func(f *fakeCRM) {
				f.records = nil
				f.onCreate = func([]call.Call) []crm.Found { return nil }
			},
			policy: crm.PolicyCreate,
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, func(f *fakeCRM, o *crm.Options) {
				f.contact("1", "T1")
				f.contact("2", "T2")
				test.breakIt(f)
				o.Match.Unmatched, o.Match.Wait = test.policy, 0
			})
			one, two := ended("c1", "T1", "0912345671"), ended("c2", "T2", "0912345672")
			one.Agent, two.Agent = "a", "b"
			entries := []outbox.Entry{entry(t, one), entry(t, two)}
			entries[0].Interrupted, entries[1].Interrupted = name == "logs", name == "logs"
			for _, o := range b.deliver(t, entries...).Outcomes {
				require.Equal(t, outbox.Failed, o.Kind)
				require.Contains(t, o.Error, "results for")
				require.False(t, o.Untouched)
			}
		})
	}
}

func TestStopSpendsNoAttempt(t *testing.T) {
	b := newBench(t, func(f *fakeCRM, _ *crm.Options) { f.contact("1", "T1") })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	o := b.deliverWith(ctx, t, entry(t, ended("c1", "T1", ""))).Outcomes[0]
	require.Equal(t, outbox.Wait, o.Kind)
	require.Equal(t, "stopped", o.Reason)
	require.Zero(t, o.Until)
	require.True(t, o.Untouched)
	require.Empty(t, b.crm.finds)

	// Stopped while the write is out: nobody knows what became of it.
	ctx, cancel = context.WithCancel(t.Context())
	b.crm.onWrite = func(writes []crm.Write) []crm.Written {
		b.crm.store(writes)
		cancel()
		return []crm.Written{{Err: &crm.Error{Kind: crm.KindTransient, Op: "create call log", Err: ctx.Err()}}}
	}
	e := entry(t, ended("c1", "T1", ""))
	o = b.deliverWith(ctx, t, e).Outcomes[0]
	require.Equal(t, outbox.Wait, o.Kind)
	require.Equal(t, "stopped", o.Reason)
	b.crm.onWrite = nil
	require.Equal(t, outbox.Done, b.one(t, after(e, o)).Kind)
	require.Len(t, b.crm.logs, 1, "the doubt was kept and looked into")
	require.Len(t, b.crm.logSearches, 1)
}

func TestStopDuringALookUp(t *testing.T) {
	b := newBench(t, func(f *fakeCRM, _ *crm.Options) { f.contact("1", "T1") })
	ctx, cancel := context.WithCancel(t.Context())
	b.crm.onFind = func([]crm.Lookup) []crm.Found {
		cancel()
		return []crm.Found{{Records: b.crm.records}, {Err: ctx.Err()}}
	}
	for _, o := range b.deliverWith(ctx, t, entry(t, ended("c1", "T1", "")), entry(t, ended("c2", "T2", ""))).Outcomes {
		require.Equal(t, outbox.Wait, o.Kind)
		require.Equal(t, "stopped", o.Reason)
		require.True(t, o.Untouched, "our stop says nothing about the CRM")
	}
	require.Empty(t, b.crm.writes)
}

func TestDeadlineIsAFailedAttempt(t *testing.T) {
	b := newBench(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	expired := expiredContext{ctx}
	b.crm.onFind = func([]crm.Lookup) []crm.Found {
		cancel(errors.New("the delivery took longer than 1m0s"))
		return []crm.Found{{}}
	}
	running := entry(t, ended("c1", "T1", ""))
	held := entry(t, ended("c2", "", "0912345678"))
	report := b.deliverWith(expired, t, running, held)
	require.Equal(t, outbox.Failed, report.Outcomes[0].Kind)
	require.Contains(t, report.Outcomes[0].Error, "longer than 1m0s")
	require.False(t, report.Outcomes[0].Untouched)
	require.Equal(t, outbox.Wait, report.Outcomes[1].Kind, "its turn had not come")
	require.True(t, report.Outcomes[1].Untouched)
}

// expiredContext is a context that, once cancelled, says that its deadline has passed.
type expiredContext struct{ context.Context }

func (c expiredContext) Err() error {
	if c.Context.Err() != nil {
		return context.DeadlineExceeded
	}
	return nil
}

func TestPanicOfTheAdapterLeavesTheDoubtBehind(t *testing.T) {
	b := newBench(t, func(f *fakeCRM, _ *crm.Options) { f.contact("1", "T1") })
	b.crm.onWrite = func(writes []crm.Write) []crm.Written {
		b.crm.store(writes)
		panic("adapter bug")
	}
	e := entry(t, ended("c1", "T1", ""))
	require.PanicsWithValue(t, "adapter bug", func() { b.deliver(t, e) })
	require.Len(t, b.checkpoints, 1)
	require.Equal(t, "c1", b.checkpoints[0].Key)
	b.crm.onWrite = nil
	e.Receipt = b.checkpoints[0].Receipt
	require.Equal(t, outbox.Done, b.one(t, e).Kind)
	require.Len(t, b.crm.logs, 1)

	// The store may be broken as well: the panic goes its way.
	b.checkpointErr = outbox.ErrFailed
	b.crm.onWrite = func([]crm.Write) []crm.Written { panic("adapter bug") }
	require.PanicsWithValue(t, "adapter bug", func() { b.deliver(t, entry(t, ended("c2", "T1", ""))) })
}

// brokenObserver panics when the first call stands in the CRM.
type brokenObserver struct{ crm.Observer }

func (brokenObserver) Synced(string, time.Duration) { panic("observer bug") }

// TestPanicAfterTheWrite: neither the log of which the id was read nor the one of which it was not is made twice.
func TestPanicAfterTheWrite(t *testing.T) {
	b := newBench(t, func(f *fakeCRM, o *crm.Options) {
		f.contact("1", "T1")
		o.Observer = brokenObserver{o.Observer}
	})
	entries := []outbox.Entry{entry(t, ended("c1", "T1", "")), entry(t, ended("c2", "T1", ""))}
	require.PanicsWithValue(t, "observer bug", func() { b.deliver(t, entries...) })
	require.Len(t, b.crm.logs, 2)
	for _, c := range b.checkpoints {
		for i := range entries {
			if entries[i].Key == c.Key {
				entries[i].Receipt = c.Receipt
			}
		}
	}
	b.options.Observer = b.observer
	b.restart(t)
	for _, o := range b.deliver(t, entries...).Outcomes {
		require.Equal(t, outbox.Done, o.Kind, "%+v", o)
	}
	require.Len(t, b.crm.logs, 2)
}

func TestLogLineTellsNoNumbers(t *testing.T) {
	var out bytes.Buffer
	b := newBench(t, func(f *fakeCRM, o *crm.Options) {
		f.contact("1", "T1", "0912345678")
		o.Logger = slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	b.deliver(t, entry(t, recorded("c1", "T1", "0912345678")), entry(t, ended("c2", "", "0987654321")))
	text := out.String()
	for _, want := range []string{
		"call_id=c1", "matched_by=transaction_id", "record_object=contact", "record_id=1", "log_id=log-1", "outcome=done",
		"call_id=c2", "outcome=wait", "kind=unmatched",
	} {
		require.Contains(t, text, want)
	}
	for _, secret := range []string{"912345678", "987654321", "media.example"} {
		require.NotContains(t, text, secret)
	}
}
