package crm_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/outbox"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// onlyAdapter hides all that an adapter may offer beyond Adapter.
type onlyAdapter struct{ crm.Adapter }

func TestNewSyncerNamesAllThatIsWrong(t *testing.T) {
	decode := func([]byte) (call.Event, error) { return call.Event{}, nil }
	for name, test := range map[string]struct {
		options crm.Options
		texts   []string
	}{
		"nothing given": {crm.Options{}, []string{"adapter is missing", "decoder is missing", "region"}},
		"unknown words": {
			crm.Options{
				Adapter: newFakeCRM(), Decode: decode, Region: "VN", Write: "later",
				Match: crm.MatchOptions{Unmatched: "drop"},
			},
			[]string{`time to write is "later"`, `policy for unmatched calls is "drop"`},
		},
		"negative time": {
			crm.Options{Adapter: newFakeCRM(), Decode: decode, Region: "VN", EndWait: -time.Second},
			[]string{"negative: -1s"},
		},
		"negative memory": {
			crm.Options{
				Adapter: newFakeCRM(), Decode: decode, Region: "VN",
				Memory: crm.MemoryOptions{Records: -time.Second, Misses: 5 * time.Second, Entries: -1},
			},
			[]string{"negative: -1s", "remembered for 5s, it must be less than 5s", "entries to remember is negative: -1"},
		},
		"a time to write that there is not": {
			crm.Options{
				Adapter: &fakeCRM{traits: crm.Traits{Name: "fake", Objects: []string{"x"}, WriteWhen: "soon"}},
				Decode:  decode, Region: "VN",
			},
			[]string{`fake says that a call can be written at "soon"`},
		},
		"no objects": {
			crm.Options{Adapter: &fakeCRM{traits: crm.Traits{Name: "fake"}}, Decode: decode, Region: "VN"},
			[]string{"fake names no objects"},
		},
		"neither upsert nor log search": {
			crm.Options{Adapter: onlyAdapter{newFakeCRM()}, Decode: decode, Region: "VN"},
			[]string{"neither has an upsert key nor finds call logs"},
		},
		"creates no contacts": {
			crm.Options{
				Adapter: onlyAdapter{newFakeCRM()}, Decode: decode, Region: "VN",
				Match: crm.MatchOptions{Phone: true, Unmatched: crm.PolicyCreate},
			},
			[]string{"fake cannot create a record"},
		},
		"creates without matching by phone": {
			crm.Options{
				Adapter: newFakeCRM(), Decode: decode, Region: "VN",
				Match: crm.MatchOptions{Unmatched: crm.PolicyCreate},
			},
			[]string{"needs matching by phone"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := crm.NewSyncer(test.options)
			for _, text := range test.texts {
				require.ErrorContains(t, err, text)
			}
		})
	}
}

func TestNewSyncerFillsInWhatIsLeftOut(t *testing.T) {
	fake := newFakeCRM()
	fake.contact("1", "T1")
	event := ended("c1", "T1", "")
	s, err := crm.NewSyncer(crm.Options{
		Adapter: fake, Region: "VN", Decode: func([]byte) (call.Event, error) { return event, nil },
	})
	require.NoError(t, err)
	report := s.Deliver(t.Context(), []outbox.Entry{entry(t, event)}, nil)
	require.Equal(t, outbox.Done, report.Outcomes[0].Kind)
}

func TestDeliverWritesACallOnce(t *testing.T) {
	b := newBench(t, func(f *fakeCRM, _ *crm.Options) {
		f.contact("1", "T1", "0912345678")
		f.users["admin1"] = "u1"
	})
	first := ended("c1", "T1", "0912345678")
	first.Agent = "admin1"
	b.now = start.Add(3 * time.Second)
	e := entry(t, first)
	o := b.one(t, e)
	require.Equal(t, outbox.Done, o.Kind)
	require.False(t, o.Untouched)
	require.Len(t, b.crm.logs, 1)
	log := b.crm.logs[0]
	require.Equal(t, "c1", log.call.ID)
	require.Equal(t, call.Ended, log.call.State)
	require.Equal(t, "1", log.record.ID)
	require.Equal(t, "u1", log.owner)
	require.Equal(t, []string{"transaction_id one"}, b.observer.matched)
	require.Equal(t, []string{"first_visible after 3s"}, b.observer.synced)

	// The recording comes later: the same log, no look-up of the record.
	again := entry(t, first, recorded("c1", "T1", "0912345678"))
	again.Messages[1].At = start.Add(time.Minute)
	b.now = start.Add(time.Minute + 2*time.Second)
	o = b.one(t, after(again, o))
	require.Equal(t, outbox.Done, o.Kind)
	require.Len(t, b.crm.logs, 1)
	require.NotEmpty(t, b.crm.logs[0].call.RecordingURL)
	require.Len(t, b.crm.finds, 1)
	require.Equal(t, []string{"transaction_id one", "receipt one"}, b.observer.matched)
	require.Equal(t, []string{"first_visible after 3s", "complete after 2s"}, b.observer.synced)

	// A resend after that is harmless, and told to nobody.
	o = b.one(t, after(again, o))
	require.Equal(t, outbox.Done, o.Kind)
	require.Nil(t, o.Receipt, "the same receipt is not stored again")
	require.Len(t, b.crm.logs, 1)
	require.Len(t, b.observer.synced, 2)
}

func TestDeliverPassesOverWhatIsNoCall(t *testing.T) {
	b := newBench(t)
	o := b.one(t, entry(t, call.Event{CallID: "s1", Type: "sms"}))
	require.Equal(t, outbox.Outcome{Key: "s1", Kind: outbox.Done, Reason: "ignored", Untouched: true}, o)
	require.Empty(t, b.crm.finds)
	require.Empty(t, b.crm.writes)
	require.Empty(t, b.deliver(t).Outcomes, "an empty batch is none")
}

func TestDeliverParksWhatCannotBeRead(t *testing.T) {
	b := newBench(t, func(f *fakeCRM, _ *crm.Options) { f.contact("1", "T1") })
	broken := entry(t, ended("c1", "T1", ""), ended("c1", "T1", ""))
	broken.Messages[1].Body = []byte("{")
	report := b.deliver(t, broken, entry(t, ended("c2", "T1", "")))
	require.Equal(t, outbox.Refused, report.Outcomes[0].Kind)
	require.Equal(t, "undecodable", report.Outcomes[0].Reason)
	require.Contains(t, report.Outcomes[0].Error, "message 2")
	require.True(t, report.Outcomes[0].Untouched)
	require.Equal(t, outbox.Done, report.Outcomes[1].Kind, "the others are not held up")
}

func TestWriteWhen(t *testing.T) {
	running, over := answered("c1", "T1", ""), ended("c1", "T1", "")
	missed := over
	missed.Answer, missed.Status = time.Time{}, "missed"
	for name, test := range map[string]struct {
		write  crm.WriteWhen
		event  call.Event
		age    time.Duration
		reason string
		until  time.Duration
	}{
		"live, running":                       {write: crm.WriteLive, event: running},
		"ended, running":                      {crm.WriteEnded, running, time.Hour, "running", 6 * time.Hour},
		"ended, never seen to end":            {write: crm.WriteEnded, event: running, age: 6 * time.Hour},
		"ended, ended":                        {write: crm.WriteEnded, event: over},
		"complete, running":                   {crm.WriteComplete, running, 0, "running", 6 * time.Hour},
		"complete, never seen to end":         {write: crm.WriteComplete, event: running, age: 6 * time.Hour},
		"complete, without its recording":     {crm.WriteComplete, over, time.Minute, "recording", 15 * time.Minute},
		"complete, the recording never comes": {write: crm.WriteComplete, event: over, age: 15 * time.Minute},
		"complete, with its recording":        {write: crm.WriteComplete, event: recorded("c1", "T1", "")},
		"complete, missed":                    {write: crm.WriteComplete, event: missed},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, func(f *fakeCRM, o *crm.Options) {
				f.contact("1", "T1")
				o.Write = test.write
			})
			b.now = start.Add(test.age)
			o := b.one(t, entry(t, test.event))
			if test.reason == "" {
				require.Equal(t, outbox.Done, o.Kind)
				require.Len(t, b.crm.logs, 1)
				return
			}
			require.Equal(t, outbox.Wait, o.Kind)
			require.Equal(t, test.reason, o.Reason)
			require.Equal(t, start.Add(test.until), o.Until)
			require.True(t, o.Untouched)
			require.Nil(t, o.Receipt)
			require.Empty(t, b.crm.finds, "the CRM is left alone meanwhile")
		})
	}
}

func TestImmutableLogsAreWrittenComplete(t *testing.T) {
	b := newBench(t, func(f *fakeCRM, _ *crm.Options) {
		f.contact("1", "T1")
		f.traits.Immutable = true
	})
	require.Equal(t, "running", b.one(t, entry(t, answered("c1", "T1", ""))).Reason)
	require.Equal(t, "recording", b.one(t, entry(t, ended("c1", "T1", ""))).Reason)
	require.Equal(t, outbox.Done, b.one(t, entry(t, recorded("c1", "T1", ""))).Kind)
}

func TestRecordingIsAwaitedFromTheArrivalOfTheEnd(t *testing.T) {
	b := newBench(t, func(_ *fakeCRM, o *crm.Options) { o.Write, o.RecordingWait = crm.WriteComplete, time.Minute })
	e := entry(t, answered("c1", "T1", ""), ended("c1", "T1", ""), ended("c1", "T1", "0912345678"))
	e.Messages[1].At, e.Messages[2].At = start.Add(time.Hour), start.Add(2*time.Hour)
	b.now = start.Add(time.Hour)
	require.Equal(t, start.Add(time.Hour+time.Minute), b.one(t, e).Until)
}
