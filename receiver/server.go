package receiver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"
	"golang.org/x/net/netutil"
)

// Server is the public HTTP server. Its methods are safe for concurrent use.
type Server struct {
	sink           Sink
	keys           keyring
	bodyLimit      int64
	storeTimeout   time.Duration
	maxConnections int
	inFlight       chan struct{}
	stopping       atomic.Bool
	logger         *slog.Logger
	warnings       warnings
	observer       Observer
	now            func() time.Time
	http           *http.Server
}

// New checks the options and wires a server; it opens and starts nothing. The error names all that is wrong.
func New(o Options) (*Server, error) {
	o = o.withDefaults()
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("set up the receiver: %w", err)
	}
	s := &Server{
		sink: o.Sink, keys: newKeyring(o.Keys), bodyLimit: o.BodyLimit, storeTimeout: o.StoreTimeout,
		maxConnections: o.MaxConnections, inFlight: make(chan struct{}, o.MaxInFlight), logger: o.Logger,
		warnings: newWarnings(o.Now), observer: o.Observer, now: o.Now,
	}
	engine, err := s.engine(o.Sources)
	if err != nil {
		return nil, fmt.Errorf("set up the receiver: %w", err)
	}
	s.http = &http.Server{
		Handler:                      engine,
		ReadHeaderTimeout:            o.ReadHeaderTimeout,
		ReadTimeout:                  o.ReadTimeout,
		WriteTimeout:                 o.WriteTimeout,
		IdleTimeout:                  o.IdleTimeout,
		MaxHeaderBytes:               o.MaxHeaderBytes,
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     slog.NewLogLogger(o.Logger.Handler(), slog.LevelWarn),
	}
	return s, nil
}

// engine returns the routes. A path matches as it is written on the wire or not at all: nothing is cleaned, unescaped
// or redirected. No proxy is believed about the address of a client.
func (s *Server) engine(sources []Source) (*gin.Engine, error) {
	gin.SetMode(gin.ReleaseMode) // or gin prints to standard output; it has no setting for one engine alone
	engine := gin.New()
	engine.HandleMethodNotAllowed = true
	engine.RedirectTrailingSlash = false
	engine.UseRawPath = true
	if err := engine.SetTrustedProxies(nil); err != nil {
		return nil, err
	}
	for _, source := range sources {
		engine.POST("/webhooks/"+source.Name(), s.answering(s.webhook(source)))
	}
	engine.NoRoute(s.answering(func(*gin.Context) answer { return notFound() }))
	engine.NoMethod(s.answering(func(*gin.Context) answer { return methodNotAllowed() }))
	return engine, nil
}

// Handler returns the routes without the listener, its timeouts and its limit on connections, for tests.
func (s *Server) Handler() http.Handler { return s.http.Handler }

// Serve answers requests on l until Shutdown, and closes l. It returns nil after a Shutdown, which alone knows when
// the requests under way have been answered.
func (s *Server) Serve(l net.Listener) error {
	err := s.http.Serve(netutil.LimitListener(politeListener{l}, s.maxConnections))
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve webhooks on %s: %w", l.Addr(), err)
}

// Shutdown stops the server: the listener and idle connections are closed, and requests under way are finished. One that
// still comes in on an open connection is answered 503 or, because net/http hangs up once it stops, not at all: neither
// is stored. Shutdown returns when all is done. If ctx ends before that, what is left is cut off and the error says so.
// It may be called more than once, also before Serve, which then returns at once.
func (s *Server) Shutdown(ctx context.Context) error {
	s.stopping.Store(true)
	err := s.http.Shutdown(ctx)
	if err == nil {
		return nil
	}
	return fmt.Errorf("stop the receiver: requests were cut off: %w", errors.Join(err, s.http.Close()))
}
