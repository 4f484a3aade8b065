package receiver_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/receiver"
)

// endless is a body without an end that counts what was taken from it.
type endless struct{ taken int }

func (e *endless) Read(p []byte) (int, error) {
	e.taken += len(p)
	return copy(p, bytes.Repeat([]byte("a"), len(p))), nil
}

// TestEndlessBody holds that what is read of a body is bounded, whether its length is known or not.
func TestEndlessBody(t *testing.T) {
	for name, length := range map[string]int64{"chunked": -1, "a gigabyte": 1 << 30} {
		t.Run(name, func(t *testing.T) {
			e := serve(t, nil)
			body := &endless{}
			r := httptest.NewRequest(http.MethodPost, path, body)
			r.ContentLength = length
			r.Header.Set("Authorization", key)
			r.Header.Set("Content-Type", "application/json")
			w := httptest.NewRecorder()
			e.server.Handler().ServeHTTP(w, r)
			require.Equal(t, http.StatusRequestEntityTooLarge, w.Code)
			require.LessOrEqual(t, body.taken, 16<<10)
			_, refused := e.sink.all()
			require.Len(t, refused, 1)
			require.Len(t, refused[0].Body, 4096)
			require.True(t, refused[0].Truncated)
		})
	}
}

func TestOverloaded(t *testing.T) {
	e := serve(t, func(o *receiver.Options) { o.MaxInFlight = 1 })
	entered, release := make(chan struct{}), make(chan struct{})
	e.sink.accept = func(context.Context, receiver.Accepted) (bool, error) {
		close(entered)
		<-release
		return false, nil
	}
	first := e.background(t)
	<-entered
	answer := e.post(t, event)
	require.Equal(t, http.StatusServiceUnavailable, answer.status)
	require.Equal(t, "overloaded", answer.code(t))
	require.Equal(t, "1", answer.header.Get("Retry-After"))
	close(release)
	require.Equal(t, http.StatusOK, first().status)
	accepted, _ := e.sink.all()
	require.Len(t, accepted, 1)
	e.sink.accept = nil
	require.Equal(t, http.StatusOK, e.post(t, event).status, "the place is free again")
}

// TestMaxConnections holds that a connection beyond the limit waits until another one ends.
func TestMaxConnections(t *testing.T) {
	e := serve(t, func(o *receiver.Options) { o.MaxConnections = 1 })
	first := e.dial(t)
	_, err := io.WriteString(first, head+withLength(event)) // and no end: the connection stays
	require.NoError(t, err)
	_, err = first.Read(make([]byte, 1))
	require.NoError(t, err)

	second := e.dial(t)
	_, err = io.WriteString(second, head+end+withLength(event))
	require.NoError(t, err)
	require.NoError(t, second.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
	_, err = second.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded, "no answer while the first is open")
	require.NoError(t, first.Close())
	require.NoError(t, second.SetReadDeadline(time.Now().Add(20*time.Second)))
	replies := readReplies(t, second)
	require.Len(t, replies, 1)
	require.Equal(t, http.StatusOK, replies[0].status)
}

// TestShutdown holds that a stop finishes what is under way, and answers what comes after it with a 503.
func TestShutdown(t *testing.T) {
	e := serve(t, nil)
	entered, release := make(chan struct{}), make(chan struct{})
	e.sink.accept = func(context.Context, receiver.Accepted) (bool, error) {
		close(entered)
		<-release
		return false, nil
	}
	first, stopped := e.background(t), make(chan error, 1)
	<-entered
	go func() { stopped <- e.server.Shutdown(context.Background()) }()
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", e.address)
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	}, 10*time.Second, time.Millisecond, "the listener closes")

	w := httptest.NewRecorder()
	e.server.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodPost, path, strings.NewReader(event)))
	answer := reply{status: w.Code, header: w.Header(), body: w.Body.String()}
	require.Equal(t, http.StatusServiceUnavailable, answer.status)
	require.Equal(t, "stopping", answer.code(t))
	require.Equal(t, "5", answer.header.Get("Retry-After"))
	require.Equal(t, "close", answer.header.Get("Connection"))

	select {
	case err := <-stopped:
		t.Fatal("stopped while a request was under way", err)
	default:
	}
	close(release)
	require.Equal(t, http.StatusOK, first().status)
	require.NoError(t, <-stopped)
	require.NoError(t, e.server.Shutdown(t.Context()), "a second stop is fine")
}

// TestShutdownIsBounded holds that a request that does not end cannot hold up the stop.
func TestShutdownIsBounded(t *testing.T) {
	s := &sink{}
	server, err := receiver.New(receiver.Options{Keys: []string{key}, Sink: s, Sources: []receiver.Source{decoder(t)}})
	require.NoError(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	e := &edge{server: server, sink: s, address: listener.Addr().String()}
	entered, release, left := make(chan struct{}), make(chan struct{}), make(chan struct{})
	s.accept = func(context.Context, receiver.Accepted) (bool, error) {
		defer close(left)
		close(entered)
		<-release
		return false, nil
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	conn := e.dial(t)
	_, err = io.WriteString(conn, head+withLength(event))
	require.NoError(t, err)
	<-entered
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, server.Shutdown(ctx), context.Canceled)
	require.NoError(t, <-served)
	require.Empty(t, readReplies(t, conn), "the connection is cut")
	close(release)
	<-left
}

// TestServe holds the two ends of a listener: stopped before it is served, and broken while it is.
func TestServe(t *testing.T) {
	o := receiver.Options{Keys: []string{key}, Sink: &sink{}, Sources: []receiver.Source{decoder(t)}}
	for _, stop := range []bool{true, false} {
		server, err := receiver.New(o)
		require.NoError(t, err)
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		if stop {
			require.NoError(t, server.Shutdown(t.Context()))
			require.NoError(t, server.Serve(listener))
			require.Error(t, listener.Close(), "it is closed already")
			continue
		}
		require.NoError(t, listener.Close())
		require.ErrorContains(t, server.Serve(listener), "serve webhooks on 127.0.0.1")
	}
}
