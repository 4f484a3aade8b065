package main

import (
	"github.com/spf13/cobra"
)

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
			return d.Run(ctx)
		},
	}
}
