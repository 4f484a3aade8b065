package receiver_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/receiver"
	"github.com/crmsyncd/crmsyncd/receiver/alohub"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	path   = "/webhooks/alohub"
	key    = "k3y-of-the-webhook"
	oldKey = "Bearer k3y-before"
	event  = `{"call_id":"20240113150030123456","call_status":"answered","direction":"outbound",` +
		`"caller_number":"0389912345"}`
)

// sink records what it is given. The functions, where set, decide on the answers.
type sink struct {
	accept     func(context.Context, receiver.Accepted) (bool, error)
	quarantine func(context.Context, receiver.Refused) error

	mu       sync.Mutex
	accepted []receiver.Accepted
	refused  []receiver.Refused
}

func (s *sink) Accept(ctx context.Context, a receiver.Accepted) (bool, error) {
	s.mu.Lock()
	s.accepted = append(s.accepted, a)
	s.mu.Unlock()
	if s.accept == nil {
		return false, nil
	}
	return s.accept(ctx, a)
}

func (s *sink) Quarantine(ctx context.Context, r receiver.Refused) error {
	s.mu.Lock()
	s.refused = append(s.refused, r)
	s.mu.Unlock()
	if s.quarantine == nil {
		return nil
	}
	return s.quarantine(ctx, r)
}

func (s *sink) all() ([]receiver.Accepted, []receiver.Refused) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.accepted), slices.Clone(s.refused)
}

// observer records what it is told.
type observer struct {
	mu       sync.Mutex
	answered []string
	received []string
	slots    []int
}

func (o *observer) Answered(status int, result string, took time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if took < 0 || !slices.Contains(receiver.Results(), result) {
		result = "wrong: " + result
	}
	o.answered = append(o.answered, http.StatusText(status)+" "+result)
}

func (o *observer) Received(status, direction string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.received = append(o.received, status+" "+direction)
}

func (o *observer) KeyUsed(slot int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.slots = append(o.slots, slot)
}

// source wraps a decoder for the tests in which one has to misbehave.
type source struct {
	receiver.Source
	decode func([]byte) (call.Event, error)
}

func (s source) Decode(body []byte) (call.Event, error) { return s.decode(body) }

// logs is a buffer for many goroutines.
type logs struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// edge is a server under test with all that it is wired to.
type edge struct {
	server   *receiver.Server
	sink     *sink
	observer *observer
	logs     *logs
	address  string
}

func decoder(tb testing.TB) *alohub.Decoder {
	tb.Helper()
	d, err := alohub.New(alohub.Options{})
	require.NoError(tb, err)
	return d
}

// serve starts a server on a port of its own and stops it at the end of the test. change may set options before.
func serve(t *testing.T, change func(*receiver.Options)) *edge {
	t.Helper()
	e := &edge{sink: &sink{}, observer: &observer{}, logs: &logs{}}
	options := receiver.Options{
		Keys: []string{key, oldKey}, Sink: e.sink, Sources: []receiver.Source{decoder(t)}, Observer: e.observer,
		Logger: slog.New(slog.NewJSONHandler(e.logs, &slog.HandlerOptions{Level: slog.LevelDebug})), BodyLimit: 4096,
	}
	if change != nil {
		change(&options)
	}
	var err error
	e.server, err = receiver.New(options)
	require.NoError(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	e.address = listener.Addr().String()
	served := make(chan error, 1)
	go func() { served <- e.server.Serve(listener) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		require.NoError(t, e.server.Shutdown(ctx))
		require.NoError(t, <-served)
	})
	return e
}

// reply is an answer as a client sees it.
type reply struct {
	status int
	header http.Header
	body   string
	closes bool
}

// code returns the code in an error body.
func (r reply) code(t *testing.T) string {
	t.Helper()
	var body struct {
		Error struct{ Code, Message string }
	}
	require.NoError(t, json.Unmarshal([]byte(r.body), &body), r.body)
	require.NotEmpty(t, body.Error.Message)
	require.Equal(t, "application/json; charset=utf-8", r.header.Get("Content-Type"))
	return body.Error.Code
}

// request returns a correct request for the webhook; the caller changes what is to be wrong.
func (e *edge) request(t *testing.T, body io.Reader) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+e.address+path, body)
	require.NoError(t, err)
	r.Header.Set("Authorization", key)
	r.Header.Set("Content-Type", "application/json")
	return r
}

// do sends a request on a connection of its own.
func (e *edge) do(t *testing.T, r *http.Request) reply {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(r)
	require.NoError(t, err)
	return readReply(t, answer)
}

func (e *edge) post(t *testing.T, body string) reply {
	t.Helper()
	return e.do(t, e.request(t, strings.NewReader(body)))
}

// background sends an event without waiting; the function it returns waits for the answer.
func (e *edge) background(t *testing.T) (wait func() reply) {
	t.Helper()
	type outcome struct {
		answer *http.Response
		err    error
	}
	done := make(chan outcome, 1)
	r := e.request(t, strings.NewReader(event))
	go func() {
		answer, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
		done <- outcome{answer, err}
	}()
	return func() reply {
		t.Helper()
		o := <-done
		require.NoError(t, o.err)
		return readReply(t, o.answer)
	}
}

// dial opens a raw connection that ends with the test.
func (e *edge) dial(t *testing.T) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", e.address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	return conn
}

// raw writes text to a connection and reads answers until the server closes it.
func (e *edge) raw(t *testing.T, text string) []reply {
	t.Helper()
	conn := e.dial(t)
	_, err := io.WriteString(conn, text)
	require.NoError(t, err)
	return readReplies(t, conn)
}

// readReplies reads answers until the server closes the connection or, where it has not read all, resets it.
func readReplies(t *testing.T, conn io.Reader) []reply {
	t.Helper()
	var replies []reply
	for reader := bufio.NewReader(conn); ; {
		answer, err := http.ReadResponse(reader, nil)
		if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
			return replies
		}
		require.NoError(t, err)
		replies = append(replies, readReply(t, answer))
	}
}

func readReply(t *testing.T, answer *http.Response) reply {
	t.Helper()
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	return reply{answer.StatusCode, answer.Header, string(body), answer.Close}
}
