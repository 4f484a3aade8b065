package receiver_test

import (
	"bufio"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/receiver"
)

// raw requests; the last one on a connection asks for its end.
const (
	head = "POST " + path + " HTTP/1.1\r\nHost: x\r\nAuthorization: " + key + "\r\nContent-Type: application/json\r\n"
	end  = "Connection: close\r\n"
)

func withLength(body string) string {
	return "Content-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
}

func chunk(body string) string {
	return strconv.FormatInt(int64(len(body)), 16) + "\r\n" + body + "\r\n"
}

// TestRawRequests sends what no client library would send.
func TestRawRequests(t *testing.T) {
	const smuggled = "POST /webhooks/alohub HTTP/1.1\r\nHost: x\r\n" // without a key
	old := strings.Replace(head, "HTTP/1.1", "HTTP/1.0", 1)
	chunked := "Transfer-Encoding: chunked\r\n\r\n"
	cases := map[string]struct {
		text   string
		want   []int
		stored int
	}{
		"HTTP/1.0":                  {old + withLength(event), []int{200}, 1},
		"HTTP/1.0 without a length": {old + "\r\n" + event, []int{400}, 0},
		"pipelined": {
			head + withLength(event) + head + withLength("x") + head + end + withLength(event), []int{200, 400, 200}, 2,
		},
		"chunked": {
			head + end + chunked + chunk(event[:9]) + chunk(event[9:]) + chunk("") + "\r\n", []int{200}, 1,
		},
		"chunked with trailer": {
			head + end + chunked + chunk(event) + "0\r\nAuthorization: x\r\n\r\n", []int{200}, 1,
		},
		"chunk of a bad size": {head + end + chunked + "zz\r\n" + event, []int{503}, 0},
		"length and chunked": {
			head + "Content-Length: 5\r\n" + chunked + chunk(event) + chunk("") + "\r\n" + smuggled + end + "\r\n",
			[]int{200, 401},
			1,
		},
		"two lengths":               {head + end + "Content-Length: 5\r\n" + withLength(event), []int{400}, 0},
		"negative length":           {head + end + "Content-Length: -1\r\n\r\n", []int{400}, 0},
		"length with sign":          {head + end + "Content-Length: +5\r\n\r\n12345", []int{400}, 0},
		"unknown transfer encoding": {head + end + "Transfer-Encoding: chunked, identity\r\n\r\n", []int{501}, 0},
		"space before the colon":    {head + end + "Content-Length : 5\r\n\r\n12345", []int{400}, 0},
		"folded header":             {head + end + "X-A: a\r\n b: c\r\n" + withLength(event), []int{200}, 1},
		"no host": {
			strings.Replace(head, "Host: x\r\n", "", 1) + end + withLength(event), []int{400}, 0,
		},
		"two hosts":               {head + end + "Host: y\r\n" + withLength(event), []int{400}, 0},
		"body is a request":       {head + end + withLength(smuggled+"\r\n"), []int{400}, 0},
		"short body then the end": {smuggled + withLength(event), []int{401}, 0},
		"not HTTP":                {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", []int{400}, 0},
		"HTTP/2 preface":          {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", []int{404}, 0},
		"full address": {
			strings.Replace(head, "POST ", "POST http://elsewhere", 1) + end + withLength(event), []int{200}, 1,
		},
		"stranger that waits for a 100": {
			strings.Replace(head, key, "x", 1) + "Expect: 100-continue\r\nContent-Length: 9999\r\n\r\n", []int{401}, 0,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			e := serve(t, func(o *receiver.Options) { o.ReadHeaderTimeout, o.ReadTimeout = time.Second, time.Second })
			var got []int
			for _, answer := range e.raw(t, c.text) {
				got = append(got, answer.status)
			}
			require.Equal(t, c.want, got)
			accepted, _ := e.sink.all()
			require.Len(t, accepted, c.stored)
		})
	}
}

// TestHugeHeaders reads the status alone: the server resets the connection, since it does not read the headers to the
// end.
func TestHugeHeaders(t *testing.T) {
	e := serve(t, nil)
	conn := e.dial(t)
	_, err := io.WriteString(conn, head+"X-A: "+strings.Repeat("a", 64<<10)+"\r\n"+withLength(event))
	require.NoError(t, err)
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusRequestHeaderFieldsTooLarge, answer.StatusCode)
	accepted, refused := e.sink.all()
	require.Empty(t, accepted)
	require.Empty(t, refused)
}

// TestRoutes holds that exactly one method on exactly one spelling of the path leads in.
func TestRoutes(t *testing.T) {
	e := serve(t, nil)
	send := func(method, target string) reply {
		text := strings.Replace(head, "POST "+path, method+" "+target, 1)
		replies := e.raw(t, text+end+withLength(event))
		require.Len(t, replies, 1, "%s %s", method, target)
		return replies[0]
	}
	for _, target := range []string{
		"/", path + "/", "/" + path, "/webhooks//alohub", "/webhooks/./alohub", "/webhooks/x/../alohub", "/webhooks/Alohub",
		"/webhooks/alohub%00", "/webhooks%2Falohub", "/webhooks/%61lohub", "/webhooks/alohub;x", "/webhooks/alohub/x",
		"/webhooks/", "/webhooks", "/webhooks/other", "/metrics", "/healthz", "/debug/pprof/", "/..%2f..%2fetc/passwd",
		"//" + path[1:],
	} {
		answer := send(http.MethodPost, target)
		require.Equal(t, http.StatusNotFound, answer.status, target)
		require.Equal(t, "not_found", answer.code(t), target)
	}
	for _, method := range []string{"GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "post", "X"} {
		answer := send(method, path)
		require.Equal(t, http.StatusMethodNotAllowed, answer.status, method)
		require.Equal(t, "method_not_allowed", answer.code(t), method)
		require.Equal(t, "POST", answer.header.Get("Allow"), method)
	}
	require.Equal(t, http.StatusNotFound, send("OPTIONS", "*").status)
	require.Equal(t, http.StatusOK, send(http.MethodPost, path+"?x=1").status)
	accepted, refused := e.sink.all()
	require.Len(t, accepted, 1)
	require.Empty(t, refused)
	require.Contains(t, e.observer.answered, "Not Found not_found")
	require.Contains(t, e.observer.answered, "Method Not Allowed method_not_allowed")
}

// TestSlowSenders holds that a sender that dribbles is cut off, without headers in silence, within a body with an
// answer.
func TestSlowSenders(t *testing.T) {
	e := serve(t, func(o *receiver.Options) {
		o.ReadHeaderTimeout, o.ReadTimeout = 250*time.Millisecond, 500*time.Millisecond
	})
	require.Empty(t, e.raw(t, head[:30]))

	replies := e.raw(t, head+"Content-Length: 500\r\n\r\n"+event)
	require.Len(t, replies, 1)
	require.Equal(t, http.StatusServiceUnavailable, replies[0].status)
	require.Equal(t, "incomplete", replies[0].code(t))
	require.Equal(t, "1", replies[0].header.Get("Retry-After"))
	require.True(t, replies[0].closes)

	replies = e.raw(t, head+"Transfer-Encoding: chunked\r\n\r\n"+chunk(event))
	require.Len(t, replies, 1)
	require.Equal(t, "incomplete", replies[0].code(t))
	accepted, refused := e.sink.all()
	require.Empty(t, accepted)
	require.Empty(t, refused, "a part of a body is no evidence of anything: the whole one comes again")
}

// TestUnauthorizedBodyIsNotRead holds that a stranger gets the answer at once, whatever body was announced: the one
// that is announced here never comes, and the server would wait longer for it than the test does.
func TestUnauthorizedBodyIsNotRead(t *testing.T) {
	e := serve(t, func(o *receiver.Options) { o.ReadTimeout, o.WriteTimeout = time.Hour, 2*time.Hour })
	stranger := strings.Replace(head, key, "x", 1)
	for _, body := range []string{"Content-Length: 100", "Content-Length: 999999999", "Transfer-Encoding: chunked"} {
		conn := e.dial(t)
		_, err := io.WriteString(conn, stranger+body+"\r\n\r\n")
		require.NoError(t, err)
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err)
		got := readReply(t, answer)
		require.Equal(t, http.StatusUnauthorized, got.status)
		require.True(t, got.closes)
		require.NoError(t, conn.Close())
	}
}
