package receiver_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/receiver"
)

func TestUnavailable(t *testing.T) {
	cases := map[string]struct {
		err   error
		code  string
		after string
	}{
		"any error": {errors.New("disk on fire"), "unavailable", "5"},
		"typed": {
			receiver.Unavailable{Code: "full", RetryAfter: 30 * time.Second, Err: errors.New("disk on fire")}, "full", "30",
		},
		"wrapped": {
			errors.Join(receiver.Unavailable{Code: "busy", RetryAfter: 100 * time.Millisecond}), "busy", "1",
		},
		"rounded up":     {receiver.Unavailable{RetryAfter: 1001 * time.Millisecond}, "unavailable", "2"},
		"without a time": {receiver.Unavailable{Code: "full"}, "full", "5"},
		"negative time":  {receiver.Unavailable{Code: "full", RetryAfter: -time.Second}, "full", "5"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			e := serve(t, nil)
			e.sink.accept = func(context.Context, receiver.Accepted) (bool, error) { return false, c.err }
			e.sink.quarantine = func(context.Context, receiver.Refused) error { return c.err }
			for _, body := range []string{event, "not JSON", strings.Repeat("x", 5000)} {
				answer := e.post(t, body)
				require.Equal(t, http.StatusServiceUnavailable, answer.status)
				require.Equal(t, c.code, answer.code(t))
				require.Equal(t, c.after, answer.header.Get("Retry-After"))
				require.NotContains(t, answer.body, "fire")
			}
			result := "Service Unavailable unavailable"
			require.Equal(t, []string{result, result, result}, e.observer.answered)
			require.Empty(t, e.observer.received)
			require.Contains(t, e.logs.String(), `"msg":"request not stored"`)
		})
	}
}

func TestUnavailableError(t *testing.T) {
	cause := errors.New("no space left")
	require.EqualError(t, receiver.Unavailable{Code: "full", Err: cause}, "full: no space left")
	require.EqualError(t, receiver.Unavailable{}, "unavailable")
	require.ErrorIs(t, receiver.Unavailable{Err: cause}, cause)
}

// TestStoreTimeout holds that a sink that hangs is given up.
func TestStoreTimeout(t *testing.T) {
	e := serve(t, func(o *receiver.Options) { o.StoreTimeout = time.Millisecond })
	e.sink.accept = func(ctx context.Context, _ receiver.Accepted) (bool, error) {
		<-ctx.Done()
		return false, context.Cause(ctx)
	}
	require.Equal(t, http.StatusServiceUnavailable, e.post(t, event).status)
	require.Contains(t, e.logs.String(), "the sink took too long")
}

// TestSenderGone holds that an event that came in whole is stored even if the sender has hung up.
func TestSenderGone(t *testing.T) {
	e := serve(t, nil)
	entered, left, outcome := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	e.sink.accept = func(ctx context.Context, _ receiver.Accepted) (bool, error) {
		close(entered)
		<-left
		outcome <- ctx.Err()
		return false, nil
	}
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	r := e.request(t, strings.NewReader(event)).WithContext(ctx)
	go func() {
		answer, err := http.DefaultTransport.RoundTrip(r)
		if err == nil {
			_ = answer.Body.Close()
		}
		gone <- err
	}()
	<-entered
	cancel()
	require.Error(t, <-gone)
	close(left)
	require.NoError(t, <-outcome)
}

func TestPanics(t *testing.T) {
	var list []int
	throw := map[string]func(){
		"value":   func() { panic("0389912345") },
		"error":   func() { panic(errors.New("0389912345")) },
		"runtime": func() { _ = list[len(event)] },
	}
	for name, fail := range throw {
		t.Run(name, func(t *testing.T) {
			e := serve(t, nil)
			e.sink.accept = func(context.Context, receiver.Accepted) (bool, error) { fail(); return false, nil }
			requirePanicked(t, e)
			if name == "runtime" {
				require.Contains(t, e.logs.String(), "index out of range")
			}
		})
		t.Run(name+" in the decoder", func(t *testing.T) {
			e := serve(t, func(o *receiver.Options) {
				failing := func([]byte) (call.Event, error) { fail(); return call.Event{}, nil }
				o.Sources = []receiver.Source{source{decoder(t), failing}}
			})
			requirePanicked(t, e)
		})
		t.Run(name+" in the quarantine too", func(t *testing.T) {
			e := serve(t, nil)
			e.sink.accept = func(context.Context, receiver.Accepted) (bool, error) { fail(); return false, nil }
			e.sink.quarantine = func(context.Context, receiver.Refused) error { fail(); return nil }
			requirePanicked(t, e)
			require.Equal(t, 4, strings.Count(e.logs.String(), `"msg":"panic in a request"`))
		})
	}
}

// requirePanicked sends an event on which something panics, twice: the server has to go on.
func requirePanicked(t *testing.T, e *edge) {
	t.Helper()
	answer := e.post(t, event)
	require.Equal(t, http.StatusServiceUnavailable, answer.status)
	require.Equal(t, "unavailable", answer.code(t))
	require.Equal(t, "60", answer.header.Get("Retry-After"))
	_, refused := e.sink.all()
	require.Len(t, refused, 1)
	require.Equal(t, "panic", refused[0].Reason)
	require.True(t, bytes.Equal([]byte(event), refused[0].Body), "kept as it came")
	require.Equal(t, []string{"Service Unavailable panic"}, e.observer.answered)
	require.Contains(t, e.logs.String(), `"stack":`)
	require.NotContains(t, e.logs.String(), "0389912345")
	require.NotEmpty(t, e.post(t, event).body, "the server goes on")
}
