package main

import (
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// collectLess lets the heap grow to five times what is in use before it is collected: the daemon keeps a few MiB, so
// that the usual factor of two makes it collect garbage many times a second under load. GOGC overrides it.
func collectLess() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
}

func (p *program) serveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "serve",
		Short: "Run the daemon",
		Long: "Run the daemon: take webhooks in, keep them in the outbox, bring the calls to the CRM.\n" +
			"It stops in order on SIGTERM or interrupt; a second signal stops it at once.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := p.load()
			if err != nil {
				return err
			}
			logger := p.logger(cfg.Log)
			d, err := newDaemon(cmd.Context(), cfg, logger)
			if err != nil {
				return err
			}
			ctx, stop := withSignals(cmd.Context(), logger)
			defer stop()
			collectLess()
			return d.Run(ctx)
		},
	}
}
