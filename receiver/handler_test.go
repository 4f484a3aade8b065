package receiver_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/receiver"
)

func TestAccepted(t *testing.T) {
	e := serve(t, nil)
	answer := e.post(t, event)
	require.Equal(t, http.StatusOK, answer.status)
	require.JSONEq(t, `{"status":"accepted","call_id":"20240113150030123456"}`, answer.body)
	require.Equal(t, "application/json; charset=utf-8", answer.header.Get("Content-Type"))

	accepted, refused := e.sink.all()
	require.Empty(t, refused)
	require.Equal(t, []receiver.Accepted{{
		Source: "alohub",
		Event: call.Event{
			CallID: "20240113150030123456", Status: "answered", Direction: call.Outbound, CustomerNumber: "0389912345",
		},
		Body: []byte(event), Identity: decoder(t).Identity([]byte(event)),
	}}, accepted)
	require.Equal(t, []string{"OK stored"}, e.observer.answered)
	require.Equal(t, []string{"answered outbound"}, e.observer.received)
	require.Equal(t, []int{0}, e.observer.slots)
}

func TestDuplicate(t *testing.T) {
	e := serve(t, nil)
	e.sink.accept = func(context.Context, receiver.Accepted) (bool, error) { return true, nil }
	answer := e.post(t, event)
	require.Equal(t, http.StatusOK, answer.status)
	require.JSONEq(t, `{"status":"duplicate","call_id":"20240113150030123456"}`, answer.body)
	require.Equal(t, []string{"OK duplicate"}, e.observer.answered)
	require.Empty(t, e.observer.received)
}

// TestContract holds each answer to bad input, and what was kept of it.
func TestContract(t *testing.T) {
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	without := func(name string) func(*http.Request) { return func(r *http.Request) { r.Header.Del(name) } }
	chunked := func(r *http.Request) { r.ContentLength = -1 }
	large := `{"call_id":"1","x":"` + strings.Repeat("a", 4096) + `"}`
	exact := `{"call_id":"1","x":"` + strings.Repeat("a", 4096-22) + `"}`
	deep := func(n int) string {
		return `{"call_id":"1","x":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}`
	}
	cases := map[string]struct {
		body   string
		change func(*http.Request)
		status int
		code   string // "" for accepted
		// kept is the body in quarantine, "" for none.
		kept      string
		truncated bool
	}{
		"text":                  {"call_id=1", nil, 400, "not_json", "call_id=1", false},
		"empty":                 {"", nil, 400, "not_json", "", false},
		"array":                 {"[" + event + "]", nil, 400, "not_object", "[" + event + "]", false},
		"two objects":           {event + event, nil, 400, "not_json", event + event, false},
		"null":                  {"null", nil, 400, "not_object", "null", false},
		"cut off":               {event[:40], nil, 400, "not_json", event[:40], false},
		"no call id":            {`{"call_status":"missed"}`, nil, 400, "no_call_id", `{"call_status":"missed"}`, false},
		"empty call id":         {`{"call_id":" "}`, nil, 400, "no_call_id", `{"call_id":" "}`, false},
		"control in call id":    {`{"call_id":"\u0000"}`, nil, 400, "bad_call_id", `{"call_id":"\u0000"}`, false},
		"not UTF-8":             {"{\"call_id\":\"\xff\"}", nil, 400, "not_utf8", "{\"call_id\":\"\xff\"}", false},
		"UTF-16":                {"\xff\xfe{\x00}\x00", nil, 400, "not_utf8", "\xff\xfe{\x00}\x00", false},
		"too large":             {large, nil, 413, "too_large", large[:4096], true},
		"too large, chunked":    {large, chunked, 413, "too_large", large[:4096], true},
		"exactly the limit":     {exact, nil, 200, "", "", false},
		"exactly, chunked":      {exact, chunked, 200, "", "", false},
		"deep within the limit": {deep(1900), nil, 200, "", "", false},
		"duplicate keys":        {`{"call_id":"2","call_id":"1"}`, nil, 200, "", "", false},
		"unknown": {
			`{"call_id":1,"call_status":"flying","eventType":{},"new":[1]}`, nil, 200, "", "", false,
		},
		"overflowing number": {
			`{"call_id":"1","objectId":1e999999,"total_duration":99999999999999999999}`, nil, 200, "", "", false,
		},
		"type with parameter":     {event, header("Content-Type", "Application/JSON; charset=UTF-8"), 200, "", "", false},
		"type with bad parameter": {event, header("Content-Type", "application/json; charset"), 200, "", "", false},
		"type with suffix":        {event, header("Content-Type", "application/vnd.alohub+json"), 200, "", "", false},
		"identity encoding":       {event, header("Content-Encoding", "Identity"), 200, "", "", false},
		"form": {
			event, header("Content-Type", "application/x-www-form-urlencoded"), 415, "unsupported_type", event, false,
		},
		"text type": {event, header("Content-Type", "text/json"), 415, "unsupported_type", event, false},
		"only suffix": {
			event, header("Content-Type", "application/+json"), 415, "unsupported_type", event, false,
		},
		"json lines": {
			event, header("Content-Type", "application/jsonl"), 415, "unsupported_type", event, false,
		},
		"no type":        {event, without("Content-Type"), 415, "unsupported_type", event, false},
		"no type, empty": {"", without("Content-Type"), 415, "unsupported_type", "", false},
		"gzip": {
			zipped(t, event), header("Content-Encoding", "gzip"), 415, "unsupported_type", zipped(t, event), false,
		},
		"encoded twice": {
			event, header("Content-Encoding", "identity, br"), 415, "unsupported_type", event, false,
		},
		"wrong type and large": {
			large, header("Content-Type", "text/plain"), 415, "unsupported_type", large[:4096], true,
		},
		"wrong key and large": {large, header("Authorization", "x"), 401, "unauthorized", "", false},
		"wrong key and type": {
			"x", func(r *http.Request) { r.Header = http.Header{} }, 401, "unauthorized", "", false,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			e := serve(t, nil)
			r := e.request(t, strings.NewReader(c.body))
			if c.change != nil {
				c.change(r)
			}
			answer := e.do(t, r)
			require.Equal(t, c.status, answer.status, answer.body)
			accepted, refused := e.sink.all()
			require.NotContains(t, e.logs.String(), "0389912345")
			if c.code == "" {
				require.JSONEq(t, `{"status":"accepted","call_id":"`+accepted[0].Event.CallID+`"}`, answer.body)
				require.Equal(t, c.body, string(accepted[0].Body))
				require.Empty(t, refused)
				return
			}
			require.Empty(t, accepted)
			require.Equal(t, c.code, answer.code(t))
			require.NotContains(t, answer.body, "0389912345")
			require.Empty(t, answer.header.Get("Retry-After"))
			if c.kept == "" {
				require.Empty(t, refused)
				return
			}
			require.Len(t, refused, 1)
			require.Equal(t, c.kept, string(refused[0].Body))
			require.Equal(t, c.truncated, refused[0].Truncated)
			require.Equal(t, c.code, refused[0].Reason)
			require.Contains(t, answer.body, refused[0].Problem)
			require.Equal(t, "alohub", refused[0].Source)
			require.Equal(t, r.Header.Get("Content-Type"), refused[0].ContentType)
		})
	}
}

func zipped(t *testing.T, text string) string {
	t.Helper()
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err := io.WriteString(w, text)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return packed.String()
}

// TestDeepNesting sends JSON at the depth at which encoding/json gives up, and one level beyond.
func TestDeepNesting(t *testing.T) {
	e := serve(t, func(o *receiver.Options) { o.BodyLimit = 64 << 10 })
	for depth, status := range map[int]int{9_999: 200, 10_000: 400} {
		body := `{"call_id":"1","x":` + strings.Repeat("[", depth) + strings.Repeat("]", depth) + `}`
		require.Equal(t, status, e.post(t, body).status)
	}
}

// TestDecodeErrorWithoutCode holds that a source with plain errors can be served as well.
func TestDecodeErrorWithoutCode(t *testing.T) {
	e := serve(t, func(o *receiver.Options) {
		plain := func([]byte) (call.Event, error) { return call.Event{}, errors.New("not for me") }
		o.Sources = []receiver.Source{source{decoder(t), plain}}
	})
	answer := e.post(t, event)
	require.Equal(t, http.StatusBadRequest, answer.status)
	require.JSONEq(t, `{"error":{"code":"malformed","message":"not for me"}}`, answer.body)
}
