package sandbox_test

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm/sandbox"
)

// pipes is a listener whose connections stay in memory, so that time may be faked.
type pipes struct {
	waiting chan net.Conn
	closed  chan struct{}
	once    sync.Once
}

func newPipes() *pipes { return &pipes{waiting: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.waiting:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes", Net: "pipe"} }

// post sends a create over a new connection and returns the status of the answer.
func (p *pipes) post(callID string) (int, error) {
	ours, theirs := net.Pipe()
	defer func() { _ = ours.Close() }()
	p.waiting <- theirs
	request, err := http.NewRequest("POST", "http://sandbox"+callsPath, strings.NewReader(`{"call_id":"`+callID+`"}`))
	if err != nil {
		return 0, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Close = true
	if err := request.Write(ours); err != nil {
		return 0, err
	}
	response, err := http.ReadResponse(bufio.NewReader(ours), request)
	if err != nil {
		return 0, err
	}
	return response.StatusCode, response.Body.Close()
}

// Stopping waits for an answer that is due soon, and cuts one that is not.
func TestServeStops(t *testing.T) {
	for name, test := range map[string]struct {
		delay, stopped time.Duration
		answered       bool
	}{
		"request finishes": {delay: 2 * time.Second, stopped: 2 * time.Second, answered: true},
		"request is cut":   {delay: time.Minute, stopped: 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := sandbox.New(sandbox.Options{Faults: true})
				require.NoError(t, s.SetFaults(sandbox.Faults{
					Latency: sandbox.Latency{Trigger: always, Min: test.delay, Max: test.delay},
				}))
				listener := newPipes()
				ctx, stop := context.WithCancel(t.Context())
				served, posted := make(chan error, 1), make(chan error, 1)
				go func() { served <- s.Serve(ctx, listener) }()
				go func() {
					status, err := listener.post("1")
					if err == nil && status != http.StatusCreated {
						err = errors.New(http.StatusText(status))
					}
					posted <- err
				}()
				synctest.Wait()
				require.Len(t, s.Calls(), 1)
				begin := time.Now()
				stop()
				stopErr, postErr := <-served, <-posted
				require.InDelta(t, test.stopped.Seconds(), time.Since(begin).Seconds(), 1)
				if test.answered {
					require.NoError(t, stopErr)
					require.NoError(t, postErr)
					return
				}
				require.ErrorIs(t, stopErr, context.DeadlineExceeded)
				require.Error(t, postErr)
			})
		})
	}
}

func TestServeSaysWhyItCannot(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	err = sandbox.New(sandbox.Options{}).Serve(t.Context(), listener)
	require.ErrorIs(t, err, net.ErrClosed)
	require.ErrorContains(t, err, listener.Addr().String())
}

func TestServeOverTCP(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- sandbox.New(sandbox.Options{}).Serve(ctx, listener) }()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	c := &client{http: &http.Client{Transport: transport}, base: "http://" + listener.Addr().String()}
	require.Contains(t, c.want(t, 200, "GET", "/", "").text, "No contacts yet")
	stop()
	require.NoError(t, <-served)
	_, err = c.try(t, "GET", "/", "")
	require.Error(t, err)
}
