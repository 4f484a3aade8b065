package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/crmsyncd/crmsyncd/configs"
	"github.com/crmsyncd/crmsyncd/crm"
)

// onlineTimeout bounds all that check --online asks the CRM.
const onlineTimeout = time.Minute

func (p *program) checkCommand() *cobra.Command {
	var online bool
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Read the configuration and say every mistake in it",
		Long: "Read the configuration and say every mistake in it. With --online also reach the CRM, without changing\n" +
			"anything there, and say what is missing for calls to arrive.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := p.load()
			if err != nil {
				return err
			}
			fmt.Fprintln(p.out, "the configuration is fine")
			if !online {
				return nil
			}
			return p.checkOnline(cmd.Context(), cfg)
		},
	}
	cmd.Flags().BoolVar(&online, "online", false, "also reach the CRM")
	return cmd
}

// checkOnline asks the adapter what it finds and prints it, good and bad.
func (p *program) checkOnline(ctx context.Context, cfg *configs.Config) error {
	adapter, err := newAdapter(cfg, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		return err
	}
	checker, ok := adapter.(crm.Checker)
	if !ok {
		return fmt.Errorf("the adapter %s cannot be checked online", cfg.CRM.Type)
	}
	ctx, cancel := context.WithTimeout(ctx, onlineTimeout)
	defer cancel()
	missing := 0
	table := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	for _, f := range checker.Check(ctx) {
		verdict, detail := "ok", f.Detail
		if f.Err != nil {
			missing++
			verdict, detail = "MISSING", f.Err.Error()
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", verdict, f.Subject, detail)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if missing > 0 {
		return errors.New("the CRM is not ready for calls, see above")
	}
	return nil
}
