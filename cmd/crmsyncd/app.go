package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/net/netutil"
	"golang.org/x/sync/errgroup"

	"github.com/crmsyncd/crmsyncd/configs"
	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/adapters"
	"github.com/crmsyncd/crmsyncd/metrics"
	"github.com/crmsyncd/crmsyncd/outbox"
	"github.com/crmsyncd/crmsyncd/outbox/bolt"
	"github.com/crmsyncd/crmsyncd/receiver"
	"github.com/crmsyncd/crmsyncd/receiver/alohub"
)

// daemon is all of crmsyncd in one process. newDaemon opens its parts, Run runs them and stops them in order.
type daemon struct {
	cfg    *configs.Config
	logger *slog.Logger

	store    *bolt.Store
	relay    *outbox.Relay
	receiver *receiver.Server
	admin    *http.Server

	// location is the zone of the call centre.
	location        *time.Location
	public, private net.Listener
	stopping        atomic.Bool
}

// newDaemon opens the outbox, binds both listeners and wires everything; it starts nothing. The error names what could
// not be opened; what was opened before is closed again.
func newDaemon(ctx context.Context, cfg *configs.Config, logger *slog.Logger) (_ *daemon, err error) {
	d := &daemon{cfg: cfg, logger: logger}
	defer func() {
		if err != nil {
			d.close()
		}
	}()
	registry := prometheus.NewRegistry()
	set := metrics.New(registry)
	set.Build(thisBuild().Version, thisBuild().Commit)

	if d.store, err = openStore(cfg.Outbox, cfg.Delivery.MaxStarts, logger, set); err != nil {
		return nil, err
	}
	set.WatchOutbox(d.figures)
	set.WatchReady(d.ready)
	if d.location, err = time.LoadLocation(cfg.Source.TimeZone); err != nil {
		return nil, fmt.Errorf("source.time_zone: %w", err)
	}
	decoder, err := alohub.New(alohub.Options{Location: d.location, RecordingBase: cfg.Source.RecordingBase})
	if err != nil {
		return nil, err
	}
	adapter, err := newAdapter(cfg, logger, set.CRM(adapters.Operations()...))
	if err != nil {
		return nil, err
	}
	syncer, err := crm.NewSyncer(syncerOptions(cfg, adapter, decoder, logger, set.Syncer(), d.store.Now))
	if err != nil {
		return nil, err
	}
	if d.relay, err = outbox.NewRelay(relayOptions(cfg, d.store, syncer, adapter, logger, set.Relay())); err != nil {
		return nil, err
	}
	if d.receiver, err = d.newReceiver(decoder, set.Receiver()); err != nil {
		return nil, err
	}
	d.admin = d.newAdmin(set.Handler(registry), decoder)
	var listener net.ListenConfig
	if d.public, err = listener.Listen(ctx, "tcp", cfg.Receiver.Listen); err != nil {
		return nil, fmt.Errorf("listen for webhooks (receiver.listen): %w", err)
	}
	if d.private, err = listener.Listen(ctx, "tcp", cfg.Admin.Listen); err != nil {
		return nil, fmt.Errorf("listen for operators (admin.listen): %w", err)
	}
	return d, nil
}

// close closes what newDaemon has opened, for a daemon that never ran.
func (d *daemon) close() {
	if d.store != nil {
		_ = d.store.Close()
	}
	for _, l := range []net.Listener{d.public, d.private} {
		if l != nil {
			_ = l.Close()
		}
	}
}

// ready returns nil while events can be made durable, else why not.
func (d *daemon) ready() error {
	if d.stopping.Load() {
		return errors.New("crmsyncd is stopping")
	}
	return d.store.Err()
}

// Run runs the daemon until ctx ends or a part of it fails, then stops in this order: readiness turns red, webhooks are
// refused, deliveries finish or go back, the outbox is closed, and the operators' listener goes last.
func (d *daemon) Run(ctx context.Context) error {
	relayContext, stopRelay := context.WithCancel(context.WithoutCancel(ctx))
	defer stopRelay()
	parts, failing := errgroup.WithContext(ctx)
	parts.Go(func() error { return ended("receiver", d.receiver.Serve(d.public)) })
	parts.Go(func() error {
		return ended("admin listener", d.admin.Serve(netutil.LimitListener(d.private, maxAdminConnections)))
	})
	var workers errgroup.Group
	work := func(run func(context.Context) error) {
		finished := make(chan error, 1)
		workers.Go(func() error {
			err := run(relayContext)
			finished <- err
			return err
		})
		parts.Go(func() error { return <-finished })
	}
	work(d.relay.Run)
	work(outbox.Retention{Operator: d.store, Keep: d.cfg.Outbox.Retention, Now: d.store.Now, Logger: d.logger}.Run)
	parts.Go(func() error {
		select {
		case <-d.store.Failed():
			return d.store.Err()
		case <-failing.Done():
			return nil
		}
	})
	d.logger.Info("crmsyncd is running", slog.String("webhooks", d.public.Addr().String()),
		slog.String("admin", d.private.Addr().String()), slog.Any("config", d.cfg))

	<-failing.Done()
	stopErr := d.stop(ctx, stopRelay, &workers)
	runErr := parts.Wait()
	d.logger.Info("crmsyncd has stopped", slog.Any("err", errors.Join(runErr, stopErr)))
	if err := errors.Join(runErr, stopErr); err != nil {
		return codedError{err, exitNotClean}
	}
	return nil
}

// ended turns the error with which a server says that it was shut down into none.
func ended(part string, err error) error {
	if err == nil || errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("%s: %w", part, err)
}

// stop carries out the ordered stop within the configured time.
func (d *daemon) stop(ctx context.Context, stopRelay context.CancelFunc, workers *errgroup.Group) error {
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), d.cfg.ShutdownTimeout,
		fmt.Errorf("the stop took longer than shutdown_timeout, %s", d.cfg.ShutdownTimeout))
	defer cancel()
	d.stopping.Store(true)
	d.logger.Info("crmsyncd is stopping")
	step := func(name string, stop func() error) error {
		done := make(chan error, 1)
		go func() { done <- stop() }()
		select {
		case err := <-done:
			if err != nil {
				return fmt.Errorf("stop %s: %w", name, err)
			}
			return nil
		case <-ctx.Done():
			return fmt.Errorf("stop %s: %w", name, context.Cause(ctx))
		}
	}
	return errors.Join(
		step("receiver", func() error { return d.receiver.Shutdown(ctx) }),
		step("relay", func() error {
			stopRelay()
			_ = workers.Wait() // Run reports why a part failed
			return nil
		}),
		step("outbox", d.store.Close),
		step("admin listener", func() error { return d.admin.Shutdown(ctx) }),
	)
}
