package crmtest

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"
)

// Answer is an HTTP answer.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

// Fault lets a request go wrong. It may hand it to the CRM.
type Fault func(w http.ResponseWriter, r *http.Request, crm http.Handler)

// Server stands in front of a CRM. It is safe for concurrent use.
type Server struct {
	*httptest.Server

	crm      CRM
	exempt   func(*http.Request) bool
	mu       sync.Mutex
	fault    Fault
	weather  *front
	requests []time.Time
}

// NewServer serves a CRM until the test ends.
func NewServer(t *testing.T, crm CRM) *Server {
	t.Helper()
	s := &Server{crm: crm}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	return s
}

// Inject lets all requests go wrong from now on; nil ends it.
func (s *Server) Inject(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

// Requests returns how many requests came.
func (s *Server) Requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.requests)
}

// came returns when each request came.
func (s *Server) came() []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests = append(s.requests, time.Now())
	fault, weather := s.fault, s.weather
	s.mu.Unlock()
	switch {
	case s.exempt != nil && s.exempt(r), fault == nil && weather == nil:
		s.crm.ServeHTTP(w, r)
	case fault != nil:
		fault(w, r, s.crm)
	default:
		weather.serve(w, r, s.crm)
	}
}

// Say answers in place of the CRM.
func Say(a Answer) Fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		for key, values := range a.Header {
			w.Header()[http.CanonicalHeaderKey(key)] = values
		}
		w.WriteHeader(a.Status)
		_, _ = io.WriteString(w, a.Body)
	}
}

// Drop closes the connection in place of an answer. The CRM does nothing.
func Drop() Fault {
	return func(http.ResponseWriter, *http.Request, http.Handler) { panic(http.ErrAbortHandler) }
}

// Lose lets the CRM do its work and closes the connection in place of its answer.
func Lose() Fault {
	return func(_ http.ResponseWriter, r *http.Request, crm http.Handler) {
		crm.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	}
}

// Cut lets the CRM do its work and sends the first half of its answer.
func Cut() Fault {
	return func(w http.ResponseWriter, r *http.Request, crm http.Handler) {
		whole := httptest.NewRecorder()
		crm.ServeHTTP(whole, r)
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", "1000000")
		w.WriteHeader(http.StatusOK)
		_, _ = w.Write(whole.Body.Bytes()[:whole.Body.Len()/2])
		panic(http.ErrAbortHandler)
	}
}

// Flood answers with success and a body that does not end before the client goes.
func Flood() Fault {
	return func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"list":["`)
		chunk := bytes.Repeat([]byte("x"), 64<<10)
		for r.Context().Err() == nil {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}
}

// Hang reports each request on came and answers none before the client goes.
func Hang(came chan<- struct{}) Fault {
	return func(_ http.ResponseWriter, r *http.Request, _ http.Handler) {
		_, _ = io.Copy(io.Discard, r.Body) // the server sees that the client goes only once the body is read
		came <- struct{}{}
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	}
}
