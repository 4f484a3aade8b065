package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/outbox"
	"github.com/crmsyncd/crmsyncd/outbox/bolt"
	"github.com/crmsyncd/crmsyncd/receiver"
	"github.com/crmsyncd/crmsyncd/receiver/alohub"
)

// refusals are requests that must not become an event.
var refusals = []struct {
	name string
	webhook
	status int
	code   string
	// kept: the body is in quarantine afterwards. truncated: only its beginning is.
	kept, truncated bool
}{
	{"no JSON", webhook{body: `call_id=` + bodyMark}, 400, "not_json", true, false},
	{"half a JSON", webhook{body: `{"call_id":"` + bodyMark}, 400, "not_json", true, false},
	{"two objects", webhook{body: `{"call_id":"` + bodyMark + `1"}{"call_id":"2"}`}, 400, "not_json", true, false},
	{"a trailing comma", webhook{body: `{"call_id":"` + bodyMark + `",}`}, 400, "not_json", true, false},
	{"only white space", webhook{body: " \n"}, 400, "not_json", true, false},
	{"nothing", webhook{}, 400, "not_json", false, false},
	{"an array", webhook{body: `[{"call_id":"` + bodyMark + `"}]`}, 400, "not_object", true, false},
	{"a text", webhook{body: `"` + bodyMark + `"`}, 400, "not_object", true, false},
	{"null", webhook{body: `null`}, 400, "not_object", true, false},
	{"an empty object", webhook{body: `{}`}, 400, "no_call_id", true, false},
	{"an empty call_id", webhook{body: `{"call_id":"","hotline":"` + bodyMark + `"}`}, 400, "no_call_id", true, false},
	{"a call_id that is null", webhook{body: `{"call_id":null}`}, 400, "no_call_id", true, false},
	{"a call_id within", webhook{body: `{"call_id":{"id":"` + bodyMark + `"}}`}, 400, "no_call_id", true, false},
	{"another spelling of call_id", webhook{body: `{"Call_ID":"` + bodyMark + `"}`}, 400, "no_call_id", true, false},
	{"a call_id without end", webhook{body: goodBody(strings.Repeat("1", 300))}, 400, "bad_call_id", true, false},
	{"a line break in call_id", webhook{body: `{"call_id":"` + bodyMark + `\n1"}`}, 400, "bad_call_id", true, false},
	{"not UTF-8", webhook{body: "{\"call_id\":\"" + bodyMark + "\xff\"}"}, 400, "not_utf8", true, false},
	{"UTF-16", webhook{body: "\xfe\xff\x00{\x00}"}, 400, "not_utf8", true, false},

	{"no key", webhook{body: goodBody("1"), keys: []string{}}, 401, "unauthorized", false, false},
	{"an empty key", webhook{body: goodBody("2"), keys: []string{""}}, 401, "unauthorized", false, false},
	{"a wrong key", webhook{body: goodBody("3"), keys: []string{"wrong-" + demoKey}}, 401, "unauthorized", false, false},
	{"a scheme", webhook{body: goodBody("4"), keys: []string{"Bearer " + demoKey}}, 401, "unauthorized", false, false},
	{"half the key", webhook{body: goodBody("5"), keys: []string{demoKey[:10]}}, 401, "unauthorized", false, false},
	{"two keys", webhook{body: goodBody("6"), keys: []string{demoKey, demoKey}}, 401, "unauthorized", false, false},
	{"bad JSON without a key", webhook{body: bodyMark, keys: []string{}}, 401, "unauthorized", false, false},

	{"a body that says it is too large", webhook{body: sizedBody("7", 64<<10+1)}, 413, "too_large", true, true},
	{"a body that proves too large", webhook{body: sizedBody("8", 80<<10), chunked: true}, 413, "too_large", true, true},

	{"no type", webhook{body: goodBody("9"), contentType: "-"}, 415, "unsupported_type", true, false},
	{"a form", webhook{body: goodBody("10"), contentType: "multipart/form-data"}, 415, "unsupported_type", true, false},
	{"plain text", webhook{body: goodBody("11"), contentType: "text/plain"}, 415, "unsupported_type", true, false},
	{"compressed", webhook{body: goodBody("12"), encoding: "gzip"}, 415, "unsupported_type", true, false},

	{"another path", webhook{body: goodBody("13"), path: "/webhooks/alohub/"}, 404, "not_found", false, false},
	{"the root", webhook{body: goodBody("14"), path: "/"}, 404, "not_found", false, false},
	{"the operators' path", webhook{method: http.MethodGet, path: "/api/v1/stats"}, 404, "not_found", false, false},
	{"another method", webhook{body: goodBody("15"), method: http.MethodPut}, 405, "method_not_allowed", false, false},
}

// goodBody is an event that would be accepted.
func goodBody(id string) string {
	return fmt.Sprintf(`{"call_id":"good-%s","call_status":"answered","hotline":%q}`, id, bodyMark)
}

// sizedBody is an event of so many bytes.
func sizedBody(id string, size int) string {
	head := fmt.Sprintf(`{"call_id":"sized-%s","padding":"`, id)
	return head + strings.Repeat("x", size-len(head)-2) + `"}`
}

// TestIntakeRefusals sends what cannot become an event: each gets the answer fixed for it, what an authorized sender
// sent is in quarantine as it came, and nothing else is stored.
func TestIntakeRefusals(t *testing.T) {
	_, url := crmServer(t, 1)
	p := newProcess(t, url)
	p.start()
	for _, tc := range refusals {
		t.Run(tc.name, func(t *testing.T) {
			before, keptBefore := p.taken(), p.quarantine()
			tc.send(t, p.public).requireRefusal(t, tc.status, tc.code)
			want := before
			if tc.kept {
				want.Quarantine.Items++
			}
			require.Equal(t, want, p.taken())
			kept := p.quarantine()
			if !tc.kept {
				require.Equal(t, keptBefore, kept)
				return
			}
			require.Len(t, kept, len(keptBefore)+1)
			last := kept[len(kept)-1]
			require.Equal(t, tc.code, last.Reason)
			require.NotEmpty(t, last.Error)
			require.Equal(t, tc.truncated, last.Truncated)
			require.Equal(t, 1, last.Count)
			if tc.truncated {
				require.Equal(t, tc.body[:64<<10], string(last.Body))
			} else {
				require.Equal(t, tc.body, string(last.Body))
			}
		})
	}
	t.Run("the same again is kept once and counted", func(t *testing.T) {
		before := p.quarantine()
		w := webhook{body: `[{"call_id":"` + bodyMark + ` again"}]`}
		for range 3 {
			w.send(t, p.public).requireRefusal(t, http.StatusBadRequest, "not_object")
		}
		kept := p.quarantine()
		require.Len(t, kept, len(before)+1)
		require.Equal(t, 3, kept[len(kept)-1].Count)
	})
	require.Equal(t, exitFine, p.stop())
	p.sound()
}

// oddities are events that no document describes, each with its call id.
var oddities = []struct {
	name, id string
	webhook
}{
	{"least of all", "odd-1", webhook{body: `{"call_id":"odd-1"}`}},
	{"an unknown status", "odd-2", webhook{body: `{"call_id":"odd-2","call_status":"teleported"}`}},
	{"an unknown eventType", "odd-3", webhook{body: `{"call_id":"odd-3","eventType":"survey","score":5}`}},
	{"extra fields", "odd-4", webhook{body: `{"call_id":"odd-4","x":{"y":[1,2,{"z":null}]},"__proto__":{}}`}},
	{"odd types", "odd-5", webhook{body: `{"call_id":"odd-5","call_status":7,"direction":["in"],"endtime":false,` +
		`"total_duration":-1e99,"objectId":"one","transactionID":{},"caller_number":912345678,"userName":null}`}},
	{"a number for an id", "20240113150030123456", webhook{body: `{"call_id":20240113150030123456}`}},
	{"other times", "odd-6", webhook{body: `{"call_id":"odd-6","starttime":"13/01/2024","endtime":"soon"}`}},
	{"another language", "odd-7", webhook{body: `{"call_id":"odd-7","userName":"Nguyễn Thị Ánh","hotline":"\u0111"}`}},
	{"a key twice", "odd-8", webhook{body: `{"call_id":"odd-0","call_id":"odd-8"}`}},
	{"white space around", "odd-9", webhook{body: "\r\n\t {\"call_id\" : \"odd-9\"}\n\n"}},
	{"markup in the id", `<b>&"odd`, webhook{body: `{"call_id":"<b>&\"odd"}`}},
	{"a charset", "odd-10", webhook{body: `{"call_id":"odd-10"}`, contentType: "Application/JSON; charset=utf-8"}},
	{"a type of its own", "odd-11", webhook{body: `{"call_id":"odd-11"}`, contentType: "application/cloudevents+json"}},
	{"as large as can be", "sized-1", webhook{body: sizedBody("1", 64<<10)}},
	{"as large as can be, chunked", "sized-2", webhook{body: sizedBody("2", 64<<10), chunked: true}},
}

// TestIntakeTakesWhatItDoesNotKnow sends the oddities: they are taken, repeats in any layout are told apart from news,
// and the outbox holds each byte for byte, once.
func TestIntakeTakesWhatItDoesNotKnow(t *testing.T) {
	_, url := crmServer(t, 1)
	p := newProcess(t, url, "CRMSYNCD_MATCH__WAIT=0s", "CRMSYNCD_DELIVERY__HOLD=0s")
	p.start()
	bodies := map[string][]string{}
	for _, tc := range oddities {
		t.Run(tc.name, func(t *testing.T) {
			want := p.taken()
			tc.send(t, p.public).requireTaken(t, "accepted", tc.id)
			want.Entries++
			want.Messages++
			tc.send(t, p.public).requireTaken(t, "duplicate", tc.id)
			want.Duplicates++
			laidOut := tc.webhook
			laidOut.body = "\n  " + strings.Replace(tc.body, ":", " :\t", 1) + "  \n"
			if len(laidOut.body) <= 64<<10 {
				laidOut.send(t, p.public).requireTaken(t, "duplicate", tc.id)
				want.Duplicates++
			}
			require.Equal(t, want, p.taken())
		})
		bodies[tc.id] = []string{tc.body}
	}
	bodies["order"] = []string{`{"x":1,"call_id":"order"}`, `{"call_id":"order","x":2}`}
	webhook{body: bodies["order"][0]}.send(t, p.public).requireTaken(t, "accepted", "order")
	webhook{body: `{"call_id":"order","x":1}`}.send(t, p.public).requireTaken(t, "duplicate", "order")
	webhook{body: bodies["order"][1]}.send(t, p.public).requireTaken(t, "accepted", "order")
	p.drained(time.Minute)
	require.Equal(t, exitFine, p.stop())
	p.sound()

	store, err := bolt.Open(bolt.Options{Path: p.outbox})
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()
	require.Equal(t, uint64(len(bodies)), store.Stats().Entries)
	for id, want := range bodies {
		entry, err := store.Get(t.Context(), id)
		require.NoError(t, err, id)
		var stored []string
		for _, message := range entry.Messages {
			stored = append(stored, string(message.Body))
		}
		require.Equal(t, want, stored)
	}
}

// serveStore serves the routes of a receiver over a store of its own on loopback, with the daemon's own sink between
// them. The server around the routes is not the receiver's: that one hangs up as soon as it stops.
func serveStore(t *testing.T, o bolt.Options) (*bolt.Store, *receiver.Server, string) {
	t.Helper()
	o.Path = filepath.Join(t.TempDir(), "outbox.db")
	store, err := bolt.Open(o)
	require.NoError(t, err)
	decoder, err := alohub.New(alohub.Options{})
	require.NoError(t, err)
	server, err := receiver.New(receiver.Options{
		Keys: []string{demoKey}, Sink: sink{store: store}, Sources: []receiver.Source{decoder},
	})
	require.NoError(t, err)
	served := httptest.NewServer(server.Handler())
	t.Cleanup(func() {
		served.Close()
		require.NoError(t, store.Close())
	})
	return store, server, served.Listener.Addr().String()
}

// TestIntakeWhileFull: a full outbox takes no event, says so, and goes on keeping what is refused for other reasons.
func TestIntakeWhileFull(t *testing.T) {
	store, _, address := serveStore(t, bolt.Options{Limit: 1})
	webhook{body: goodBody("1")}.send(t, address).requireRefusal(t, http.StatusServiceUnavailable, "outbox_full")
	require.Zero(t, store.Stats().Entries)
	require.Zero(t, store.Stats().Messages)
	require.Zero(t, store.Stats().Rejected)
	webhook{body: bodyMark}.send(t, address).requireRefusal(t, http.StatusBadRequest, "not_json")
	require.EqualValues(t, 1, store.Stats().Rejected)
}

// TestIntakeAfterTheOutboxHasClosed: without its store the receiver takes nothing, and refuses nothing for good either.
func TestIntakeAfterTheOutboxHasClosed(t *testing.T) {
	store, _, address := serveStore(t, bolt.Options{})
	require.NoError(t, store.Close())
	for _, body := range []string{goodBody("1"), bodyMark} {
		webhook{body: body}.send(t, address).requireRefusal(t, http.StatusServiceUnavailable, "stopping")
	}
}

// TestIntakeWhileStopping: what comes in after the stop began is answered 503 and stored nowhere.
func TestIntakeWhileStopping(t *testing.T) {
	store, server, address := serveStore(t, bolt.Options{})
	webhook{body: goodBody("1")}.send(t, address).requireTaken(t, "accepted", "good-1")
	require.NoError(t, server.Shutdown(t.Context()))
	for _, body := range []string{goodBody("1"), goodBody("2"), bodyMark} {
		refused := webhook{body: body}.send(t, address)
		refused.requireRefusal(t, http.StatusServiceUnavailable, "stopping")
	}
	require.EqualValues(t, 1, store.Stats().Messages)
	require.Zero(t, store.Stats().Duplicates)
	require.Zero(t, store.Stats().Rejected)
}

// TestIntakeOfACallWithTooManyEvents: what goes beyond the bound of a call is acknowledged and kept aside.
func TestIntakeOfACallWithTooManyEvents(t *testing.T) {
	store, _, address := serveStore(t, bolt.Options{})
	messages := make([]outbox.Message, outbox.MaxEntryMessages)
	for i := range messages {
		messages[i] = outbox.Message{Key: "talkative", Body: fmt.Appendf(nil, `{"call_id":"talkative","n":%d}`, i)}
	}
	_, err := store.Append(t.Context(), messages...)
	require.NoError(t, err)
	body := `{"call_id":"talkative","n":"one more"}`
	webhook{body: body}.send(t, address).requireTaken(t, "accepted", "talkative")
	require.EqualValues(t, len(messages), store.Stats().Messages)
	kept, err := store.Quarantined(t.Context(), 0, 10)
	require.NoError(t, err)
	require.Len(t, kept, 1)
	require.Equal(t, "too_many_events", kept[0].Reason)
	require.Equal(t, body, string(kept[0].Body))
}
