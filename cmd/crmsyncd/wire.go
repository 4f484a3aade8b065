package main

import (
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"syscall"
	"time"

	"github.com/crmsyncd/crmsyncd/configs"
	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/adapters"
	"github.com/crmsyncd/crmsyncd/crm/admin"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/console"
	"github.com/crmsyncd/crmsyncd/metrics"
	"github.com/crmsyncd/crmsyncd/outbox"
	"github.com/crmsyncd/crmsyncd/outbox/bolt"
	"github.com/crmsyncd/crmsyncd/receiver"
	"github.com/crmsyncd/crmsyncd/receiver/alohub"
)

func openStore(cfg configs.Outbox, maxStarts int, logger *slog.Logger, set *metrics.Set) (*bolt.Store, error) {
	return bolt.Open(bolt.Options{
		Path: cfg.Path, Limit: int64(cfg.Limit), QuarantineBytes: int64(cfg.QuarantineLimit),
		QuarantineCount: int64(cfg.QuarantineCount), MaxStarts: maxStarts,
		Logger: logger.With(slog.String("component", "outbox")), Committed: set.Store().Committed,
		Parked: set.Relay().Parked,
	})
}

// newAdapter returns the adapter of the configured CRM; observer may be nil.
func newAdapter(cfg *configs.Config, logger *slog.Logger, observer api.Observer) (crm.Adapter, error) {
	location, err := time.LoadLocation(cfg.Source.TimeZone)
	if err != nil {
		return nil, fmt.Errorf("source.time_zone: %w", err)
	}
	return adapters.New(cfg.CRM, api.Options{
		Logger: logger.With(slog.String("component", "crm")), Observer: observer, UserAgent: "crmsyncd/" + version,
		Location: location, PhoneRegion: cfg.Source.PhoneRegion,
	})
}

func syncerOptions(cfg *configs.Config, adapter crm.Adapter, decoder *alohub.Decoder, logger *slog.Logger,
	observer crm.Observer, now func() time.Time,
) crm.Options {
	return crm.Options{
		Adapter: adapter, Decode: decoder.Decode, Region: cfg.Source.PhoneRegion,
		Match:   crm.MatchOptions{Wait: cfg.Match.Wait, Phone: cfg.Match.Phone, Unmatched: crm.Policy(cfg.Match.Unmatched)},
		Agents:  crm.AgentOptions{Map: cfg.Agents.Map, Default: cfg.Agents.Default, CacheFor: cfg.Agents.Cache},
		Write:   crm.WriteWhen(cfg.Delivery.Write),
		EndWait: cfg.Delivery.EndWait, RecordingWait: cfg.Delivery.RecordingWait,
		Now: now, Logger: logger.With(slog.String("component", "syncer")), Observer: observer,
	}
}

func relayOptions(cfg *configs.Config, store *bolt.Store, syncer *crm.Syncer, adapter crm.Adapter, logger *slog.Logger,
	observer outbox.Observer,
) outbox.RelayOptions {
	retry, breaker := cfg.Delivery.Retry, cfg.Delivery.Breaker
	return outbox.RelayOptions{
		Queue: store, Deliverer: syncer, Workers: cfg.Delivery.Workers, Batch: batchSize(cfg.Delivery, adapter.Traits()),
		Timeout: cfg.Delivery.Timeout, Grace: cfg.ShutdownTimeout / 2,
		Retry: outbox.RetryPolicy{
			Initial: retry.Initial, Max: retry.Max, Jitter: retry.Jitter, GiveUpAfter: retry.GiveUpAfter,
		},
		Now: store.Now, BreakerFailures: breaker.Failures, BreakerPause: breaker.Pause, BreakerMaxPause: breaker.MaxPause,
		Logger: logger.With(slog.String("component", "relay")), Observer: observer,
	}
}

// batchSize returns how many calls are delivered together: as many as configured, else as many as one request of the CRM
// writes or, where it writes them one by one, looks up.
func batchSize(cfg configs.Delivery, traits crm.Traits) int {
	switch {
	case cfg.Batch > 0:
		return cfg.Batch
	case traits.WriteBatch > 1:
		return traits.WriteBatch
	default:
		return traits.FindBatch
	}
}

func (d *daemon) newReceiver(decoder *alohub.Decoder, observer receiver.Observer) (*receiver.Server, error) {
	cfg := d.cfg.Receiver
	connections, err := d.connectionLimit(cfg.MaxConnections)
	if err != nil {
		return nil, err
	}
	keys := make([]string, len(cfg.AuthorizationKeys))
	for i, key := range cfg.AuthorizationKeys {
		keys[i] = key.Reveal()
	}
	return receiver.New(receiver.Options{
		Keys:    keys,
		Sink:    sink{store: d.store, hold: d.cfg.Delivery.Hold},
		Sources: []receiver.Source{decoder}, BodyLimit: int64(cfg.BodyLimit),
		ReadHeaderTimeout: cfg.ReadTimeout, ReadTimeout: cfg.ReadTimeout, StoreTimeout: cfg.WriteTimeout / 2,
		WriteTimeout: cfg.ReadTimeout + cfg.WriteTimeout, // it counts from the headers on
		IdleTimeout:  cfg.IdleTimeout, MaxHeaderBytes: int(cfg.MaxHeaderBytes), MaxConnections: connections,
		MaxInFlight: cfg.MaxInFlight, Logger: d.logger.With(slog.String("component", "receiver")), Observer: observer,
	})
}

// Shares of the open files that the process may have. The reserve is for all that is not a webhook: the outbox, the
// operators' connections, of which no more are open at a time than maxAdminConnections, and the CRM's, one or a few for
// each of the workers.
const (
	descriptorReserve   = 64
	maxAdminConnections = 32
)

// connectionLimit returns how many connections for webhooks may be open: as many as configured, 0 for no limit, but
// never so many that the reserve is used up. Go has raised the limit on open files as far as it may be by then.
func (d *daemon) connectionLimit(configured int) (int, error) {
	var openFiles syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &openFiles); err != nil {
		return 0, fmt.Errorf("read the limit on open files: %w", err)
	}
	if openFiles.Cur <= descriptorReserve {
		return 0, fmt.Errorf("the limit on open files (ulimit -n, LimitNOFILE= of systemd) is %d, of which crmsyncd needs %d "+
			"beside the connections for webhooks: raise it, best to more than receiver.max_connections", openFiles.Cur,
			descriptorReserve)
	}
	room := int(min(openFiles.Cur-descriptorReserve, math.MaxInt32))
	if configured == 0 {
		return room, nil
	}
	if configured > room {
		d.logger.Warn("fewer connections than configured: the limit on open files is too low for them",
			slog.Int("max_connections", configured), slog.Int("connections", room), slog.Uint64("open_files", openFiles.Cur))
	}
	return min(configured, room), nil
}

// adminTimeout bounds requests of operators; a page of the API needs far less.
const adminTimeout = 30 * time.Second

func (d *daemon) newAdmin(metricsHandler http.Handler, decoder *alohub.Decoder) *http.Server {
	region := d.cfg.Source.PhoneRegion
	logger := d.logger.With(slog.String("component", "admin"))
	page := console.New(console.Options{
		Store: d.store, Queries: admin.NewQueries(d.store, decoder.Decode, region), Ready: d.ready, Target: d.relay,
		Location: d.location, Logger: logger,
	})
	return &http.Server{
		Handler: admin.New(admin.Options{
			Store: d.store, Decode: decoder.Decode, Region: region, Metrics: metricsHandler, Ready: d.ready,
			Token: d.cfg.Admin.Token, Console: page, Target: d.relay, Config: d.cfg, Logger: logger,
		}),
		ReadHeaderTimeout: adminTimeout, ReadTimeout: adminTimeout, WriteTimeout: 2 * adminTimeout,
		IdleTimeout: 4 * adminTimeout, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(d.logger.Handler(), slog.LevelWarn),
	}
}
