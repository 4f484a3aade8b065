package bitrix24_test

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/bitrix24"
	"github.com/crmsyncd/crmsyncd/crm/bitrix24/bitrix24test"
	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/crm/crmtest"
)

// clock is one that a test moves.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// TestEveryCallOnce: answers get lost, requests fail and are throttled, recordings cannot be fetched at first; every
// call stands once in the end, with all that belongs to it. The loop does what the Syncer does with a call in doubt.
func TestEveryCallOnce(t *testing.T) {
	for _, mode := range []string{"telephony", "activity"} {
		t.Run(mode, func(t *testing.T) {
			fetches := 0
			p := newPortal(t, bitrix24test.Options{Recording: func(string) int {
				if fetches++; fetches%3 == 0 {
					return http.StatusBadGateway
				}
				return http.StatusOK
			}})
			server := crmtest.NewServer(t, p.CRM)
			at := &clock{at: time.Now()}
			a := newAdapter(t, webhookConfig(server.URL), at.now)
			if mode == "telephony" {
				a = newAdapter(t, appConfig(server.URL, p.dir), at.now)
			}
			server.Endure(crmtest.Weather{
				Seed: 4, Lose: 0.2, Fail: 0.15, Throttle: 0.15, Throttled: bitrix24test.Throttled(0),
				Exempt: func(r *http.Request) bool { return r.URL.Path == "/oauth/token/" },
			})
			var writes []crm.Write
			for i := range 60 {
				w := p.onContact(recorded(answered(fmt.Sprintf("call-%02d", i))))
				if i%3 == 0 {
					w.Record = &crm.Record{Object: "deal", ID: p.AddRecord("deal", fmt.Sprint(i), "")}
				}
				writes = append(writes, w)
			}
			persist(t, a, at, writes)
			logs := map[string]crmtest.Log{}
			for _, l := range p.Logs() {
				require.NotContains(t, logs, l.CallID, "a twin")
				logs[l.CallID] = l
			}
			for _, w := range writes {
				log := logs[w.Call.ID]
				require.Equal(t, w.Record.ID, log.RecordID)
				require.Equal(t, w.Call.RecordingURL, log.RecordingURL)
				require.Equal(t, w.Owner, log.Owner)
			}
			require.Positive(t, server.Counts().Lost)
			require.Positive(t, server.Counts().Throttled)
		})
	}
}

// persist writes calls, a few at a time, until all stand.
func persist(t *testing.T, a *bitrix24.Adapter, at *clock, writes []crm.Write) {
	t.Helper()
	open, doubt := slices.Clone(writes), map[string]bool{}
	for round := 0; len(open) > 0; round++ {
		require.Less(t, round, 2000)
		at.move(time.Minute)
		some := slices.Clone(open[:min(len(open), 5)])
		open = open[len(some):]
		if !resolve(t, a, some, doubt) {
			open = append(open, some...)
			continue
		}
		for i, written := range a.Write(t.Context(), some) {
			w := next(some[i], written)
			if written.Err != nil {
				doubt[w.Call.ID] = w.LogID == "" && crm.Classify(written.Err).Kind == crm.KindInDoubt
				open = append(open, w)
			}
		}
	}
}

// resolve looks the logs of the calls in doubt up. It reports whether none is left in doubt.
func resolve(t *testing.T, a *bitrix24.Adapter, writes []crm.Write, doubt map[string]bool) bool {
	t.Helper()
	for i := range writes {
		if !doubt[writes[i].Call.ID] {
			continue
		}
		found := a.FindLogs(t.Context(), []call.Call{writes[i].Call})[0]
		if found.Err != nil {
			return false
		}
		writes[i].LogID, doubt[writes[i].Call.ID] = found.LogID, false
	}
	return true
}

// TestOddAnswers: what is no answer of a batch is an error of every command, whatever it looks like.
func TestOddAnswers(t *testing.T) {
	for _, body := range []string{
		`{}`, `[]`, `null`, `{"result":[]}`, `{"result":null}`, `{"result":{"result":[]}}`, `{"result":{"result":[1,2]}}`,
		`{"result":{"result":{"a000000":null}}}`, `{"result":{"result":{"a000000":[],"a000001":[]}}}`,
		`{"result":{"result":{"a000000":{"CALL_ID":{}},"a000001":"x"}}}`,
		`{"result":{"result":{"a000000":{"CALL_ID":"externalCall.1"},"a000001":7},"result_error":{}}}`,
		`{"result":{"result":{"a000000":{"CALL_ID":"externalCall.1"}},"result_error":"no"}}`,
	} {
		p := newPortal(t, bitrix24test.Options{})
		server := crmtest.NewServer(t, p.CRM)
		a := newAdapter(t, appConfig(server.URL, p.dir), nil)
		require.NoError(t, a.Find(t.Context(), lookup)[0].Err)
		server.Inject(crmtest.Say(crmtest.Answer{Status: http.StatusOK, Body: body}))
		written := a.Write(t.Context(), []crm.Write{p.onContact(answered("call-1"))})[0]
		kind(t, crm.KindInDoubt, written.Err)
		require.Empty(t, written.LogID, body)
		kind(t, crm.KindTransient, a.Find(t.Context(), []crm.Lookup{{Object: "contact", TransactionID: "T-9"}})[0].Err)
		kind(t, crm.KindTransient, a.FindLogs(t.Context(), []call.Call{answered("call-1")})[0].Err)
		kind(t, crm.KindTransient, a.FindUsers(t.Context(), []string{"101"})[0].Err)
	}
}
