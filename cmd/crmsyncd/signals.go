package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

// withSignals returns a context that ends with the first SIGTERM or interrupt; a second one ends the process at once.
func withSignals(ctx context.Context, logger *slog.Logger) (context.Context, context.CancelFunc) {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt)
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		select {
		case <-signals:
			cancel()
		case <-done:
			return
		}
		select {
		case s := <-signals:
			logger.Error("a second signal: stopping at once", slog.String("signal", s.String()))
			os.Exit(exitNotClean)
		case <-done:
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(done)
		cancel()
	}
}
