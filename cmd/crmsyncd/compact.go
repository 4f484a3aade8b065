package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/crmsyncd/crmsyncd/outbox/bolt"
)

func (p *program) compactCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "compact",
		Short: "Give the free space in the outbox back to the disk while the daemon is stopped",
		Long: "Give the free space in the outbox back to the disk while the daemon is stopped: its records are copied\n" +
			"into a new file, which takes the place of the old one when it is verified and durable. A running daemon\n" +
			"uses the free space again by itself; this is for a file that has grown in an outage and never will again.",
		RunE: func(cmd *cobra.Command, _ []string) error { return p.compact(cmd.Context(), output) },
	}
	outputFlag(cmd, &output)
	return cmd
}

// compact compacts the configured outbox.
func (p *program) compact(ctx context.Context, output string) error {
	cfg, err := p.load()
	if err != nil {
		return err
	}
	ctx, stop := withSignals(ctx, p.logger(quiet))
	defer stop()
	bar := p.byteProgress("copying")
	c, err := bolt.Compact(ctx, bolt.CompactOptions{Path: cfg.Outbox.Path, Verify: mustBeSound, Progress: bar.show})
	bar.done()
	switch {
	case errors.Is(err, bolt.ErrInUse):
		return fmt.Errorf("%w: is the daemon running? stop it first", err)
	case err != nil:
		return interrupted(err)
	}
	if output == outputJSON {
		return json.NewEncoder(p.out).Encode(struct {
			File   string `json:"file"`
			Before int64  `json:"bytes_before"`
			After  int64  `json:"bytes_after"`
		}{cfg.Outbox.Path, c.Before, c.After})
	}
	_, err = fmt.Fprintf(p.out, "%s is compacted: it had %s, now it has %s\n", cfg.Outbox.Path, size(c.Before),
		size(c.After))
	return err
}
