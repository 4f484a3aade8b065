package rest_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/crm/rest"
)

// sentBody returns the body that a create sends for a tree of one key, x.
func sentBody(t *testing.T, x string, w crm.Write) (string, error) {
	t.Helper()
	var sent string
	inline := `create: {path: /calls, body: {id: "${call.id}"}, id: body.id}`
	require.Contains(t, small, inline)
	create := "create:\n    path: /calls\n    id: body.id\n    body:\n      x: " + x
	a := against(t, strings.Replace(small, inline, create, 1),
		func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				panic(err)
			}
			sent = string(body)
			_, _ = io.WriteString(w, `{"id":1}`)
		})
	written := write(t, a, w)
	return sent, written.Err
}

func TestExpressions(t *testing.T) {
	w := crm.Write{Call: endedCall(), Record: &crm.Record{Object: "lead", ID: "900719925474099312", Owner: "3"}}
	w.Call.Talk = call.Seconds{}
	for x, want := range map[string]string{
		`"${call.total}"`:                           `100`,
		`"${call.total * 1000}"`:                    `100000`,
		`"${call.talk}"`:                            `null`,
		`"${call.talk ?? 0}"`:                       `0`,
		`"${default(call.talk, 5)}"`:                `5`,
		`"${default(call.agent, 'x')}"`:             `"an.nguyen"`,
		`" ${call.total}s"`:                         `" 100s"`,
		`"a${call.talk}b"`:                          `"ab"`,
		`"${call.id}/${call.state}"`:                `"call-1/ended"`,
		`"$${call.id}"`:                             `"${call.id}"`,
		`"${'}'}${\"{\"}"`:                          `"}{"`,
		`"${ {'a': call.total} }"`:                  `{"a":100}`,
		`"${[1, nil]}"`:                             `[1,null]`,
		`"${int(record.id)}"`:                       `900719925474099312`,
		`"${record.object + record.owner + owner}"`: `"lead3"`,
		`"${utc(call.start, '2006-01-02 15:04')}"`:  `"2026-03-01 02:30"`,
		`"${local(call.end, '15:04:05')}"`:          `"09:31:40"`,
		`"${iso(call.answer)}"`:                     `"2026-03-01T02:30:10Z"`,
		`"${unix(call.start)}"`:                     `1772332200`,
		`"${unix_ms(call.start)}"`:                  `1772332200000`,
		`"${uuid5('http://example.com/')}"`:         `"0a300ee9-f9e4-5697-a51a-efc7fafaba67"`,
		`"${quote(\"a'b\")}"`:                       `"'a''b'"`,
		`"${escape(\"a'b\\\\c\")}"`:                 `"a\\'b\\\\c"`,
		`"${last_segment('/a/b/7/?q#f')}"`:          `"7"`,
		`"${call.customer.e164}"`:                   `"+84912345678"`,
		`"${call.customer.national}"`:               `"0912345678"`,
		`"${call.direction == 'inbound'}"`:          `true`,
		`"${call.start}"`:                           `"2026-03-01T02:30:00Z"`,
		`"${log_id}"`:                               `""`,
		`[1, 2.5, true, null, "${omit()}", "a"]`:    `[1,2.5,true,null,"a"]`,
		`{a: {b: ["${call.hotline}"]}, c: {}}`:      `{"a":{"b":["19001000"]},"c":{}}`,
		`"<a href=\"x\">&"`:                         `"<a href=\"x\">&"`,
	} {
		sent, err := sentBody(t, x, w)
		require.NoError(t, err, x)
		require.Equal(t, `{"x":`+want+`}`, sent, x)
	}
}

func TestOmit(t *testing.T) {
	for x, want := range map[string]string{
		`"${omit()}"`: `{}`, `"${omit(call.agent)}"`: `{}`, `"${omit(call.start)}"`: `{}`, `"${omit(call.total)}"`: `{}`,
		`"${omit(call.id)}"`: `{"x":"1"}`, `"${call.id == '' ? 1 : omit()}"`: `{}`, `{y: "${omit()}"}`: `{"x":{}}`,
		"\"${utc(call.start, '2006')}\"\n    omit_empty: true":     `{}`,
		"{a: \"${call.agent}\", b: \"\"}\n    omit_empty: true":    `{"x":{}}`,
		"{a: \"${call.id}\", b: null, c: 0}\n    omit_empty: true": `{"x":{"a":"1","b":null,"c":0}}`,
	} {
		sent, err := sentBody(t, x, crm.Write{Call: call.Call{ID: "1"}})
		require.NoError(t, err, x)
		require.Equal(t, want, sent, x)
	}
}

func TestWhatCannotBeBuiltIsNotSent(t *testing.T) {
	for _, x := range []string{
		`"${call.total * 2}"`, `"${int(call.customer.raw)}"`, `"${'a' + string(call.start.Year())}"`, `"a${[1]}"`,
	} {
		w := crm.Write{Call: call.Call{ID: "1", Customer: call.Number{Raw: "số 0912345678"}}}
		sent, err := sentBody(t, x, w)
		require.Empty(t, sent)
		require.Equal(t, crm.KindInvalid, crm.Classify(err).Kind, x)
		require.ErrorContains(t, err, "calls.create.body.x: ")
		require.NotContains(t, err.Error(), "0912345678")
	}
}

func TestPathsAreEscaped(t *testing.T) {
	var paths []string
	a := against(t, small, func(_ http.ResponseWriter, r *http.Request) { paths = append(paths, r.URL.EscapedPath()) })
	for _, id := range []string{"a/b", "a b?c#d", "%2e", "ä", "a..b"} {
		require.NoError(t, write(t, a, crm.Write{Call: endedCall(), LogID: id}).Err)
	}
	require.Equal(t, []string{
		"/calls/a%2Fb", "/calls/a%20b%3Fc%23d", "/calls/%252e", "/calls/%C3%A4", "/calls/a..b",
	}, paths)
	for _, id := range []string{".", ".."} {
		require.Equal(t, crm.KindInvalid, crm.Classify(write(t, a, crm.Write{Call: endedCall(), LogID: id}).Err).Kind)
	}
	require.Len(t, paths, 5)
}

func TestHeadersAndForms(t *testing.T) {
	var got *http.Request
	var form string
	a := against(t, `
base_url: http://crm.example.com
headers: {X-Static: "${not an expression}"}
idempotency_header: Idempotency-Key
calls:
  upsert:
    path: calls
    headers: {X-Call: "${call.id}"}
    encoding: form
    body: {b: "${call.id} &", a: 1, c: "${omit()}"}
    id: body.id
`, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got, form = r, string(body)
		_, _ = io.WriteString(w, `{"id":"x"}`)
	})
	require.NoError(t, write(t, a, crm.Write{Call: call.Call{ID: "call-1"}}).Err)
	require.Equal(t, "/calls", got.URL.Path)
	require.Equal(t, "a=1&b=call-1+%26", form)
	require.Equal(t, "application/x-www-form-urlencoded", got.Header.Get("Content-Type"))
	require.Equal(t, "${not an expression}", got.Header.Get("X-Static"))
	require.Equal(t, "call-1", got.Header.Get("X-Call"))
	require.Equal(t, "crmsyncd", got.Header.Get("User-Agent"))
	key := got.Header.Get("Idempotency-Key")
	require.Len(t, key, 36)
	require.NoError(t, write(t, a, crm.Write{Call: call.Call{ID: "call-1"}}).Err)
	require.Equal(t, key, got.Header.Get("Idempotency-Key"))
	err := write(t, a, crm.Write{Call: call.Call{ID: "a\r\nX-Evil: 1"}}).Err
	require.Equal(t, crm.KindInvalid, crm.Classify(err).Kind)
}

// requests is an Observer that keeps what it is told.
type requests struct {
	mu   sync.Mutex
	seen []string
}

func (r *requests) Quota(string, int64, int64) {}

func (r *requests) Requested(operation, class string, took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if took < 0 {
		class += " in no time"
	}
	r.seen = append(r.seen, operation+" "+class)
}

func TestObserver(t *testing.T) {
	var status atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if status.Load() == 0 {
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(int(status.Load()))
		_, _ = io.WriteString(w, `{"id":1,"list":[]}`)
	}))
	t.Cleanup(server.Close)
	cfg := parseConfig(t, small)
	cfg.BaseURL = server.URL
	observer := &requests{}
	a, err := rest.New(cfg, api.Options{Observer: observer})
	require.NoError(t, err)
	t.Cleanup(a.Close)
	for _, s := range []int32{200, 429, 404, 302, 503, 0} {
		status.Store(s)
		write(t, a, crm.Write{Call: endedCall()})
	}
	status.Store(200)
	lookUp(t, a, crm.Lookup{Object: "lead", TransactionID: "1"})
	write(t, a, crm.Write{Call: endedCall(), LogID: "1"})
	a.FindLogs(t.Context(), []call.Call{endedCall()})
	require.Equal(t, []string{
		"create_log 2xx", "create_log 429", "create_log 4xx", "create_log 3xx", "create_log 5xx", "create_log error",
		"find 2xx", "update_log 2xx", "find_log 2xx",
	}, observer.seen)
}

func TestRateLeavesNoTime(t *testing.T) {
	cfg := parseConfig(t, small)
	cfg.BaseURL = "http://127.0.0.1:1"
	cfg.Rate = api.Budget{PerSecond: 0.001}
	a := newAdapter(t, cfg)
	write(t, a, crm.Write{Call: endedCall()}) // takes the only one in 1000 seconds
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err := a.Write(ctx, []crm.Write{{Call: endedCall()}})[0].Err
	require.EqualError(t, err, "create call log: the rate leaves no time to send it (throttled)")
}

func TestWhatIsNotConfigured(t *testing.T) {
	a := against(t, small, saying(500, "", ""))
	require.Equal(t, make([]crm.UserFound, 2), a.FindUsers(t.Context(), []string{"a", "b"}))
	require.Equal(t, crm.KindInvalid, crm.Classify(a.CreateContacts(t.Context(), []call.Call{endedCall()})[0].Err).Kind)
	require.Equal(t, crm.Found{}, lookUp(t, a, crm.Lookup{Object: "lead", Phone: endedCall().Customer}))
	require.Equal(t, crm.Found{}, lookUp(t, a, crm.Lookup{Object: "lead"}))
	require.Equal(t, crm.KindInvalid, crm.Classify(lookUp(t, a, crm.Lookup{Object: "x", TransactionID: "1"}).Err).Kind)
	a = against(t, strings.Replace(small, "  update:", "  #", 1), saying(500, "", ""))
	require.True(t, a.Traits().Immutable)
	require.Equal(t, crm.KindInvalid, crm.Classify(write(t, a, crm.Write{Call: endedCall(), LogID: "1"}).Err).Kind)
}

func TestPhoneForms(t *testing.T) {
	var asked []string
	a := against(t, strings.Replace(small, "transaction_id: item.t",
		"transaction_id: item.t\n    find_by_phone: {path: /leads, query: {p: \"${phone}\"}}\n    phones: item.p", 1),
		func(w http.ResponseWriter, r *http.Request) {
			p := r.URL.Query().Get("p")
			asked = append(asked, p)
			list := "[]"
			if p == "84912345678" {
				list = `[{"id":1,"p":["x","0912.345.678"]},{"id":2,"p":"0987654321"}]`
			}
			_, _ = io.WriteString(w, list)
		})
	found := lookUp(t, a, crm.Lookup{Object: "lead", Phone: call.ParseNumber("091 234 5678", "VN")})
	require.Len(t, found.Records, 1)
	require.Equal(t, "1", found.Records[0].ID)
	require.Equal(t, []string{"+84912345678", "0912345678", "84912345678"}, asked)
	asked = nil
	lookUp(t, a, crm.Lookup{Object: "lead", Phone: call.Number{Raw: "101"}})
	require.Equal(t, []string{"101"}, asked)
}
