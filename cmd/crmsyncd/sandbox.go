package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/crmsyncd/crmsyncd/configs"
	"github.com/crmsyncd/crmsyncd/crm/sandbox"
)

func (p *program) sandboxCommand() *cobra.Command {
	var listen, apiKey string
	var people int
	var faults bool
	cmd := &cobra.Command{
		Use:   "sandbox",
		Short: "Run a small CRM to try crmsyncd with",
		Long: "Run a small CRM to try crmsyncd with: an HTTP API and a page that shows what a salesperson sees.\n" +
			"Everything is in memory and gone when it stops. configs/demo.yaml points at it.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			logger := p.logger(configs.Log{Level: "info", Format: "text"})
			var listener net.ListenConfig
			l, err := listener.Listen(cmd.Context(), "tcp", listen)
			if err != nil {
				return fmt.Errorf("listen (--listen): %w", err)
			}
			server := sandbox.New(sandbox.Options{APIKey: apiKey, Faults: faults, Seed: demoSeed, Logger: logger})
			if err := populate(server, demoSeed, people); err != nil {
				return err
			}
			ctx, stop := withSignals(cmd.Context(), logger)
			defer stop()
			fmt.Fprintf(p.out, "the sandbox CRM is at http://%s/\n", l.Addr())
			if err := server.Serve(ctx, l); err != nil && !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("sandbox: %w", err)
			}
			logger.Info("the sandbox has stopped", slog.Int("calls", len(server.Calls())))
			return nil
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:8090", "address and port")
	cmd.Flags().StringVar(&apiKey, "api-key", "", "key that clients must send as a bearer token; empty: none")
	cmd.Flags().IntVar(&people, "contacts", 40, "how many contacts to begin with")
	cmd.Flags().BoolVar(&faults, "faults", false, "let clients make it fail, through POST /api/v1/faults")
	return cmd
}
