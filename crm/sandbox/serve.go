package sandbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Timeouts of the server. An answer may be delayed by maxLatency, which the write timeout must outlast.
const (
	readHeaderTimeout = 10 * time.Second
	readTimeout       = 30 * time.Second
	writeTimeout      = maxLatency + 30*time.Second
	idleTimeout       = 2 * time.Minute
	stopTimeout       = 5 * time.Second
	maxHeader         = 64 << 10
)

// Serve serves on l until ctx ends, and closes l. It then lets open requests finish for up to five seconds and cuts
// those that are left. It returns nil after an orderly stop.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	requests, cutRequests := context.WithCancel(context.WithoutCancel(ctx))
	defer cutRequests()
	server := &http.Server{
		Handler: s, ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		BaseContext: func(net.Listener) context.Context { return requests },
		ErrorLog:    slog.NewLogLogger(s.options.Logger.Handler(), slog.LevelWarn),
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve the sandbox on %s: %w", l.Addr(), errors.Join(err, server.Close()))
	case <-ctx.Done():
	}
	grace, done := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer done()
	err := server.Shutdown(grace)
	if err != nil {
		err = fmt.Errorf("stop the sandbox: requests still open after %s were cut: %w", stopTimeout,
			errors.Join(err, server.Close()))
	}
	if ended := <-served; !errors.Is(ended, http.ErrServerClosed) {
		err = errors.Join(err, fmt.Errorf("serve the sandbox on %s: %w", l.Addr(), ended))
	}
	return err
}
