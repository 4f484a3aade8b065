package admin_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm/admin"
	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/outbox"
)

func TestListedCallsAreMergedAndMasked(t *testing.T) {
	f := newFixture(t, nil)
	f.appendEvent("c1", call.Event{CallID: "c1", CustomerNumber: number, Status: "ringing", Start: start})
	f.append("c1")
	a := f.get("/api/v1/calls")
	page := decoded[callPage](t, a)
	require.Len(t, page.Calls, 1)
	c := page.Calls[0]
	require.Equal(t, "c1", c.ID)
	require.Equal(t, "pending", c.State)
	require.Equal(t, 2, c.Events)
	require.Equal(t, start, c.Created)
	require.Equal(t, start, c.Due)
	require.Equal(t, "********78", c.Call.Customer)
	require.Equal(t, "ended", c.Call.State)
	require.Equal(t, "answered", c.Call.Result)
	require.Equal(t, "lan", c.Call.Agent)
	require.Equal(t, int64(60), *c.Call.TalkSeconds)
	require.Nil(t, c.Call.HoldSeconds)
	require.True(t, c.Call.Recording)
	requireNothingSecret(t, a.body)
	requireNothingSecret(t, f.log.String())
}

// requireNothingSecret looks for what must stay hidden, in any of its forms.
func requireNothingSecret(t *testing.T, text string) {
	t.Helper()
	require.NotContains(t, text, number)
	require.NotContains(t, text, strings.TrimPrefix(number, "0"))
	require.NotContains(t, text, "secret-7f3a")
}

func TestEventsAreShownAsTheyCame(t *testing.T) {
	f := newFixture(t, nil)
	f.append("c1")
	plain := f.get("/api/v1/calls/c1")
	requireNothingSecret(t, plain.body)
	require.Empty(t, decoded[admin.Call](t, plain).Messages)
	require.NotContains(t, f.log.String(), "as they came")

	shown := decoded[admin.Call](t, f.get("/api/v1/calls/c1?include=events"))
	stored, err := f.store.Get(t.Context(), "c1")
	require.NoError(t, err)
	require.Equal(t, []admin.Message{{Seq: 1, At: start, Body: stored.Messages[0].Body}}, shown.Messages)
	require.Equal(t, 1, strings.Count(f.log.String(), "events of a call shown as they came"))
	requireNothingSecret(t, f.log.String())
	requireError(t, f.get("/api/v1/calls/c1?include=everything"), http.StatusBadRequest, "invalid_parameter")
	requireError(t, f.get("/api/v1/calls?include=events"), http.StatusBadRequest, "invalid_parameter")
}

func TestNumbersInFullAreLogged(t *testing.T) {
	f := newFixture(t, nil)
	f.append("c1")
	page := decoded[callPage](t, f.get("/api/v1/calls?numbers=full"))
	require.Equal(t, "+84912345678", page.Calls[0].Call.Customer)
	shown := decoded[admin.Call](t, f.get("/api/v1/calls/c1?numbers=full"))
	require.Equal(t, "+84912345678", shown.Call.Customer)
	require.Equal(t, 2, strings.Count(f.log.String(), "numbers shown in full"))
	requireNothingSecret(t, f.log.String())
}

func TestCallsAreFiltered(t *testing.T) {
	f := newFixture(t, nil)
	f.park("invalid", "a", "b")
	f.park("unmatched", "c")
	f.appendEvent("d", call.Event{CallID: "d", Agent: "minh"})
	for query, want := range map[string][]string{
		"state=parked":                  {"a", "b", "c"},
		"state=pending":                 {"d"},
		"state=delivered":               {},
		"state=parked&reason=invalid":   {"a", "b"},
		"reason=unmatched":              {"c"},
		"term=agent:minh":               {"d"},
		"state=parked&term=agent:minh":  {},
		"from=" + stamp(f.clock):        {},
		"to=" + stamp(start):            {},
		"state=parked&limit=2":          {"a", "b"},
		"state=pending&numbers=masked":  {"d"},
		"from=" + stamp(start) + "&to=": {"a", "b", "c", "d"},
	} {
		t.Run(query, func(t *testing.T) {
			require.Equal(t, want, decoded[callPage](t, f.get("/api/v1/calls?"+query)).ids())
		})
	}
}

func stamp(t time.Time) string { return url.QueryEscape(t.Format(time.RFC3339)) }

func TestListingGoesOnFromPageToPage(t *testing.T) {
	f := newFixture(t, nil)
	var want []string
	for i := range 7 {
		want = append(want, fmt.Sprintf("call-%d", i))
	}
	f.append(want...)
	var got []string
	path := "/api/v1/calls?limit=3"
	for next := path; next != ""; {
		page := decoded[callPage](t, f.get(next))
		require.LessOrEqual(t, len(page.Calls), 3)
		got = append(got, page.ids()...)
		next = ""
		if page.Next != "" {
			next = path + "&after=" + url.QueryEscape(page.Next)
		}
	}
	require.Equal(t, want, got)
}

func TestWrongParametersAreRefused(t *testing.T) {
	f := newFixture(t, nil)
	f.park("invalid", "a")
	for _, path := range []string{
		"/api/v1/calls?state=dead", "/api/v1/calls?limit=0", "/api/v1/calls?limit=201", "/api/v1/calls?limit=x",
		"/api/v1/calls?after=!", "/api/v1/calls?stat=parked", "/api/v1/calls?state=%zz",
		"/api/v1/calls?state=parked&state=pending", "/api/v1/calls?from=yesterday", "/api/v1/calls?numbers=all",
		"/api/v1/calls/a?full=1", "/api/v1/stats?x=1", "/api/v1/quarantine?after=-1", "/api/v1/quarantine?limit=1000",
		"/api/v1/quarantine?include=bodies",
	} {
		requireError(t, f.get(path), http.StatusBadRequest, "invalid_parameter")
	}
	for _, path := range []string{
		"/api/v1/replay", "/api/v1/replay?state=pending", "/api/v1/replay?state=in_flight",
		"/api/v1/replay?state=parked&resaon=invalid", "/api/v1/replay?state=parked&limit=10001",
		"/api/v1/replay?state=parked&dry_run=yes", "/api/v1/calls/a/replay?x=1", "/api/v1/pause?for=1h",
		"/api/v1/resume?x=1",
	} {
		requireError(t, f.post(path), http.StatusBadRequest, "invalid_parameter")
	}
	require.Equal(t, int64(1), f.store.Stats().States[outbox.Parked], "nothing was changed")
	require.Empty(t, f.target.Paused().Reason)
}

func TestOneCallWithItsReceipt(t *testing.T) {
	f := newFixture(t, nil)
	f.park("invalid", "a")
	a := f.get("/api/v1/calls/a")
	c := decoded[admin.Call](t, a)
	require.JSONEq(t, `{"log_id":"L-a"}`, string(c.Receipt))
	require.Equal(t, "parked", c.State)
	require.Equal(t, "invalid", c.Reason)
	require.Equal(t, "the CRM refused it", c.Error)
	require.True(t, c.Due.IsZero())
	require.NotContains(t, a.body, `"due"`)
	requireNothingSecret(t, a.body)
	requireError(t, f.get("/api/v1/calls/b"), http.StatusNotFound, "not_found")
}

func TestReceiptThatIsNotJSON(t *testing.T) {
	f := newFixture(t, nil)
	f.append("a")
	f.claim()
	require.NoError(t, f.store.Settle(t.Context(), outbox.Settlement{
		Key: "a", Verdict: outbox.VerdictDelivered, Receipt: []byte("\x00\xff{"),
	}))
	c := decoded[admin.Call](t, f.get("/api/v1/calls/a"))
	require.Nil(t, c.Receipt)
	require.Equal(t, []byte("\x00\xff{"), c.ReceiptBytes)
}

func TestUnreadableEventsAreCounted(t *testing.T) {
	f := newFixture(t, nil)
	for _, body := range []string{"{", "]"} {
		_, err := f.store.Append(t.Context(), outbox.Message{Key: "a", Body: []byte(body)})
		require.NoError(t, err)
	}
	c := decoded[admin.Call](t, f.get("/api/v1/calls/a"))
	require.Equal(t, 2, c.Unreadable)
	require.Nil(t, c.Call)
	f.append("a")
	c = decoded[admin.Call](t, f.get("/api/v1/calls/a"))
	require.Equal(t, 3, c.Events)
	require.Equal(t, 2, c.Unreadable)
	require.Equal(t, "lan", c.Call.Agent)
}

func TestCallsThatCannotBeReadDoNotHideTheOthers(t *testing.T) {
	f := newFixture(t, nil)
	f.park("invalid", "a", "b", "c")
	f.store.get = func(key string) error {
		return map[string]error{"a": outbox.ErrCorrupt, "b": outbox.ErrNotFound}[key]
	}
	page := decoded[callPage](t, f.get("/api/v1/calls"))
	require.Equal(t, []string{"a", "c"}, page.ids(), "b was removed meanwhile")
	require.Nil(t, page.Calls[0].Call)
	require.Equal(t, "record is damaged", page.Calls[0].Error)
	f.store.get = func(string) error { return outbox.ErrClosed }
	requireError(t, f.get("/api/v1/calls"), http.StatusServiceUnavailable, "closed")
}

func TestCallIDsMayHoldAnything(t *testing.T) {
	for _, id := range []string{
		"a/b", "a//b/", "100%", "a b?c=d&e#f", "cuộc gọi", "%2F", "replay", "<script>", `"\`, "../../x", ":id", "*",
	} {
		t.Run(id, func(t *testing.T) {
			f := newFixture(t, nil)
			f.park("invalid", id)
			path := "/api/v1/calls/" + url.PathEscape(id)
			require.Equal(t, id, decoded[admin.Call](t, f.get(path)).ID)
			decoded[any](t, f.post(path+"/replay"))
			decoded[any](t, f.post(path+"/discard"))
			requireError(t, f.get(path), http.StatusNotFound, "not_found")
		})
	}
}

func TestReplayAndDiscardOfOneCall(t *testing.T) {
	for _, change := range []string{"replay", "discard"} {
		t.Run(change, func(t *testing.T) {
			f := newFixture(t, nil)
			f.park("invalid", "a")
			f.append("b")
			f.claim()
			require.JSONEq(t, `{"call_id":"a","status":"`+strings.TrimSuffix(change, "e")+`ed"}`,
				f.post("/api/v1/calls/a/"+change).body)
			require.Zero(t, f.store.Stats().States[outbox.Parked])
			require.Contains(t, f.log.String(), `"call_id":"a"`)
			requireError(t, f.post("/api/v1/calls/b/"+change), http.StatusConflict, "in_flight")
			requireError(t, f.post("/api/v1/calls/c/"+change), http.StatusNotFound, "not_found")
			requireError(t, f.get("/api/v1/calls/a/"+change), http.StatusMethodNotAllowed, "method_not_allowed")
		})
	}
}

func TestStoreErrors(t *testing.T) {
	for err, want := range map[error]struct {
		code int
		word string
	}{
		outbox.ErrInvalid:                     {http.StatusBadRequest, "invalid_parameter"},
		outbox.ErrFull:                        {http.StatusServiceUnavailable, "full"},
		outbox.ErrBusy:                        {http.StatusServiceUnavailable, "overloaded"},
		outbox.ErrClosed:                      {http.StatusServiceUnavailable, "closed"},
		outbox.ErrFailed:                      {http.StatusServiceUnavailable, "failed"},
		outbox.ErrCorrupt:                     {http.StatusInternalServerError, "damaged"},
		errors.New("read /var/lib/x: broken"): {http.StatusInternalServerError, "internal"},
	} {
		t.Run(err.Error(), func(t *testing.T) {
			f := newFixture(t, nil)
			f.store.err = fmt.Errorf("list entries: %w", err)
			for _, a := range []answer{
				f.get("/api/v1/calls"), f.get("/api/v1/quarantine"), f.post("/api/v1/replay?state=parked"),
			} {
				requireError(t, a, want.code, want.word)
				require.NotContains(t, a.body, "/var/lib")
			}
		})
	}
}
