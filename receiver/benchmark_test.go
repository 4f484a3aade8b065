package receiver_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/receiver"
)

// nothing is a sink that costs nothing.
type nothing struct{}

func (nothing) Accept(context.Context, receiver.Accepted) (bool, error) { return false, nil }
func (nothing) Quarantine(context.Context, receiver.Refused) error      { return nil }

func benchmarkHandler(b *testing.B) func() int {
	b.Helper()
	server, err := receiver.New(receiver.Options{
		Keys: []string{oldKey, key}, Sink: nothing{}, Sources: []receiver.Source{decoder(b)},
	})
	require.NoError(b, err)
	b.ReportAllocs()
	return func() int {
		r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(event))
		r.Header.Set("Authorization", key)
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		server.Handler().ServeHTTP(w, r)
		return w.Code
	}
}

func BenchmarkHandler(b *testing.B) {
	send := benchmarkHandler(b)
	for b.Loop() {
		if code := send(); code != http.StatusOK {
			b.Fatal(code)
		}
	}
}

func BenchmarkHandlerParallel(b *testing.B) {
	send := benchmarkHandler(b)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if code := send(); code != http.StatusOK {
				b.Error(code)
			}
		}
	})
}
