package rest_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/crm/rest"
)

// small is a configuration of which each test changes a part.
const small = `
base_url: http://crm.example.com
auth: {type: bearer, token: canary-secret-value}
objects:
  - name: lead
    find_by_transaction_id: {path: /leads, query: {t: "${value}"}, records: body.list}
    transaction_id: item.t
calls:
  create: {path: /calls, body: {id: "${call.id}"}, id: body.id}
  update: {method: PUT, path: "/calls/${log_id}"}
  find: {path: /calls, query: {c: "${call.id}"}, records: body.list}
  call_id: item.c
`

// against returns an adapter of a configuration for a handler.
func against(t *testing.T, config string, handler http.HandlerFunc) *rest.Adapter {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	cfg := parseConfig(t, config)
	cfg.BaseURL = server.URL
	return newAdapter(t, cfg)
}

// saying answers everything the same.
func saying(status int, header, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if key, value, found := strings.Cut(header, ": "); found {
			w.Header().Set(key, value)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// TestStatuses holds what an answer is taken for that no rule speaks of, by what was asked.
func TestStatuses(t *testing.T) {
	linked := &crm.Record{Object: "lead", ID: "1"}
	for _, test := range []struct {
		status                         int
		header, body                   string
		find, create, unlinked, update crm.Kind
	}{
		{400, "", "{}", crm.KindInvalid, crm.KindInvalid, crm.KindInvalid, crm.KindInvalid},
		{401, "", "", crm.KindUnauthorized, crm.KindUnauthorized, crm.KindUnauthorized, crm.KindUnauthorized},
		{403, "", "", crm.KindForbidden, crm.KindForbidden, crm.KindForbidden, crm.KindForbidden},
		{404, "", "<html>", crm.KindTransient, crm.KindTransient, crm.KindTransient, crm.KindTransient},
		{408, "", "", crm.KindTransient, crm.KindTransient, crm.KindTransient, crm.KindTransient},
		{409, "", "", crm.KindInvalid, crm.KindExists, crm.KindExists, crm.KindTransient},
		{422, "", "", crm.KindInvalid, crm.KindInvalid, crm.KindInvalid, crm.KindInvalid},
		{425, "", "", crm.KindTransient, crm.KindTransient, crm.KindTransient, crm.KindTransient},
		{429, "", "", crm.KindThrottled, crm.KindThrottled, crm.KindThrottled, crm.KindThrottled},
		{500, "", "", crm.KindTransient, crm.KindInDoubt, crm.KindInDoubt, crm.KindTransient},
		{502, "", "<html>", crm.KindTransient, crm.KindInDoubt, crm.KindInDoubt, crm.KindTransient},
		{503, "", "", crm.KindTransient, crm.KindTransient, crm.KindTransient, crm.KindTransient},
		{503, "Retry-After: 3", "", crm.KindThrottled, crm.KindThrottled, crm.KindThrottled, crm.KindThrottled},
		{504, "", "", crm.KindTransient, crm.KindInDoubt, crm.KindInDoubt, crm.KindTransient},
		{302, "Location: /login", "", crm.KindTransient, crm.KindTransient, crm.KindTransient, crm.KindTransient},
	} {
		t.Run(http.StatusText(test.status)+test.header, func(t *testing.T) {
			a := against(t, small, saying(test.status, test.header, test.body))
			kind := func(err error) string {
				require.Error(t, err)
				return crm.Classify(err).Kind.String()
			}
			require.Equal(t, test.find.String(), kind(lookUp(t, a, crm.Lookup{Object: "lead", TransactionID: "1"}).Err))
			require.Equal(t, test.create.String(), kind(write(t, a, crm.Write{Call: endedCall(), Record: linked}).Err))
			require.Equal(t, test.unlinked.String(), kind(write(t, a, crm.Write{Call: endedCall()}).Err))
			require.Equal(t, test.update.String(), kind(write(t, a, crm.Write{Call: endedCall(), LogID: "1"}).Err))
		})
	}
}

func TestNothingFoundTakesManyForms(t *testing.T) {
	for _, answer := range []http.HandlerFunc{
		saying(200, "", `{"list":[]}`), saying(204, "", ""), saying(404, "", `{"message":"none"}`), saying(404, "", ""),
		saying(200, "", "\ufeff"+`{"list":[]}`), saying(200, "Content-Type: text/html", `{"list":[]}`),
	} {
		a := against(t, small, answer)
		require.Equal(t, crm.Found{}, lookUp(t, a, crm.Lookup{Object: "lead", TransactionID: "1"}))
	}
}

func TestRulesComeInTheirOrder(t *testing.T) {
	a := against(t, small+`
answers:
  - {when: body.error.code == 9, then: quota, retry_after: body.error.wait, message: '"come back later"'}
  - {when: body.error != nil, then: invalid}
  - {when: 'len(body.list) > 5 && body.list[7].x', then: forbidden}
`, saying(200, "", `{"error":{"code":9,"wait":90}}`))
	err := crm.Classify(lookUp(t, a, crm.Lookup{Object: "lead", TransactionID: "1"}).Err)
	require.Equal(t, crm.KindQuota, err.Kind)
	require.Equal(t, 90*time.Second, err.RetryAfter)
	require.Equal(t, "come back later", err.Message)
	require.Equal(t, 200, err.Status)
}

func TestGoneAndNotFoundAreTheSame(t *testing.T) {
	for _, word := range []string{"gone", "not_found"} {
		a := against(t, small+"\nanswers: [{when: status == 418, then: "+word+"}]", saying(418, "", "{}"))
		require.Equal(t, crm.Found{}, lookUp(t, a, crm.Lookup{Object: "lead", TransactionID: "1"}))
		require.Equal(t, crm.KindGone, crm.Classify(write(t, a, crm.Write{Call: endedCall(), LogID: "1"}).Err).Kind)
	}
}

func TestTruncated(t *testing.T) {
	config := strings.Replace(small, "records: body.list}", "records: body.list, truncated: body.more}", 1)
	for body, want := range map[string]bool{
		`{"more":true,"list":[{"id":1,"t":"1"}]}`: true, `{"more":false,"list":[]}`: false, `{"list":[]}`: false,
	} {
		a := against(t, config, saying(200, "", body))
		require.Equal(t, want, lookUp(t, a, crm.Lookup{Object: "lead", TransactionID: "1"}).Truncated)
	}
}

func TestRecordsAreCheckedAgain(t *testing.T) {
	a := against(t, small, saying(200, "", `{"list":[
		{"id":1,"t":"abc"}, {"id":1,"t":"abc"}, {"id":2,"t":"ABC"}, {"id":3,"t":"abcd"}, {"id":"","t":"abc"}, {"t":"abc"},
		{"id":4,"t":" abc "}, {"id":5,"t":["x","abc"]}, {"id":6,"t":null}, {"id":7}, 8, null, "abc",
		{"id":100000000000000000000,"t":"abc"}, {"id":{"a":1},"t":"abc"}]}`))
	var ids []string
	for _, r := range lookUp(t, a, crm.Lookup{Object: "lead", TransactionID: " abc "}).Records {
		ids = append(ids, r.ID)
		require.Equal(t, "abc", r.TransactionID)
	}
	require.Equal(t, []string{"1", "4", "5", "100000000000000000000"}, ids)
}

func TestCreateWithoutAnIDIsInDoubt(t *testing.T) {
	for _, body := range []string{"", "{}", "[]", "null", `{"id":""}`, `{"id":null}`, `{"id":{}}`, "<html>", `{"id":`} {
		written := write(t, against(t, small, saying(201, "", body)), crm.Write{Call: endedCall()})
		require.Equal(t, crm.KindInDoubt, crm.Classify(written.Err).Kind, body)
		require.Empty(t, written.LogID)
	}
}

func TestTimeout(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(release) })
	cfg := parseConfig(t, small)
	cfg.BaseURL, cfg.Timeout = server.URL, 50*time.Millisecond
	err := write(t, newAdapter(t, cfg), crm.Write{Call: endedCall(), LogID: "1"}).Err
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Equal(t, crm.KindTransient, crm.Classify(err).Kind)
	require.EqualError(t, err, "update call log: no answer in time (transient)")
}

// TestMessages: the words of the CRM reach an operator, what else is in them does not.
func TestMessages(t *testing.T) {
	for body, want := range map[string]string{
		`{"message":"name is missing"}`:                                          "name is missing",
		`{"error":{"code":"E1","message":"bad"}}`:                                "bad",
		`{"errors":["one","two"]}`:                                               "one; two",
		`{"errors":[{"detail":"deep"}]}`:                                         "deep",
		`{"message":"số +84912345678 đã có"}`:                                    "số +*********78 đã có",
		`{"message":"call 0912 345-678 or (84) 91.234.56.78"}`:                   "call **********78 or (**************78",
		`{"message":"token canary-secret-value"}`:                                "token ***",
		`{"message":"see https://crm.example.com/x?key=1 now"}`:                  "see (address) now",
		`{"message":"a\nb\u0000c"}`:                                              "a b c",
		`{"message":"` + strings.Repeat("x", 1000) + `"}`:                        strings.Repeat("x", 299) + "…",
		`<html><title>no</title></html>`:                                         "the answer is a page, not data",
		`{}`:                                                                     "",
		`{"message":["a",{"message":{"message":{"message":{"message":"x"}}}}]}`:  "a",
		`{"error_description":"the client is unknown","error":"invalid_client"}`: "the client is unknown",
	} {
		err := write(t, against(t, small, saying(400, "", body)), crm.Write{Call: endedCall()}).Err
		require.Equal(t, want, crm.Classify(err).Message, body)
	}
}

func TestMessagesShowNothingSecret(t *testing.T) {
	var body string
	a := against(t, small, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, body)
	})
	rapid.Check(t, func(t *rapid.T) {
		pieces := rapid.SliceOf(rapid.OneOf(
			rapid.SampledFrom([]string{"canary-secret-value", "+84912345678", "0912345678", "https://crm.example.com/q?x=1"}),
			rapid.StringN(0, 400, 400),
		)).Draw(t, "pieces")
		body = strings.Join(pieces, " ")
		if rapid.Bool().Draw(t, "json") {
			body = `{"message":"` + strings.NewReplacer(`\`, "", `"`, "", "\n", " ").Replace(body) + `"}`
		}
		err := a.Write(context.Background(), []crm.Write{{Call: call.Call{ID: "1"}}})[0].Err
		text := err.Error()
		for _, secret := range []string{"canary-secret-value", "912345678", "https://"} {
			require.NotContains(t, text, secret)
		}
		require.LessOrEqual(t, len([]rune(crm.Classify(err).Message)), 300)
	})
}
