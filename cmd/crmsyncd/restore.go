package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/crmsyncd/crmsyncd/outbox/bolt"
)

func (p *program) restoreCommand() *cobra.Command {
	var output string
	var force bool
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Put a backup in the place of the outbox while the daemon is stopped",
		Long: "Put a backup in the place of the outbox (outbox.path) while the daemon is stopped. The backup is verified\n" +
			"first and stays where it is. Calls that it holds as pending are delivered again when the daemon starts.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return p.restore(cmd.Context(), args[0], force, output) },
	}
	outputFlag(cmd, &output)
	cmd.Flags().BoolVar(&force, "force", false, "replace an existing outbox, which is kept under another name")
	return cmd
}

// restore puts a backup in the place of the configured outbox.
func (p *program) restore(ctx context.Context, file string, force bool, output string) error {
	cfg, err := p.load()
	if err != nil {
		return err
	}
	ctx, stop := withSignals(ctx, p.logger(quiet))
	defer stop()
	bar := p.byteProgress("copying")
	r, err := bolt.Restore(ctx, bolt.RestoreOptions{
		From: file, Path: cfg.Outbox.Path, Replace: force, Verify: mustBeSound, Progress: bar.show,
	})
	bar.done()
	switch {
	case errors.Is(err, bolt.ErrInUse):
		return fmt.Errorf("%w: is the daemon running? stop it first", err)
	case errors.Is(err, fs.ErrExist) && !force:
		return fmt.Errorf("%w; --force replaces it and keeps it under another name", err)
	case err != nil:
		return interrupted(err)
	}
	c := newContents(r.Contents)
	if output == outputJSON {
		return json.NewEncoder(p.out).Encode(struct {
			File     string    `json:"file"`
			Outbox   string    `json:"outbox"`
			Previous string    `json:"previous,omitempty"`
			Contents *contents `json:"contents"`
		}{file, cfg.Outbox.Path, r.Previous, c})
	}
	fmt.Fprintf(p.out, "%s is restored from %s: %s\n", cfg.Outbox.Path, file, c)
	if r.Previous != "" {
		fmt.Fprintf(p.out, "the old file is kept as %s\n", r.Previous)
	}
	return nil
}

// interrupted says that a command was stopped before it changed anything.
func interrupted(err error) error {
	if errors.Is(err, context.Canceled) {
		return errors.New("interrupted; everything is as it was")
	}
	return err
}

// byteProgress shows how many bytes are done. The total is known with the first of them.
type byteProgress struct {
	p     *program
	doing string
	line  *progressLine
}

func (p *program) byteProgress(doing string) *byteProgress { return &byteProgress{p: p, doing: doing} }

// show says that so many of the bytes are done; a total of 0 is unknown. It is not safe for concurrent use.
func (b *byteProgress) show(done, total int64) {
	const mib = 1 << 20
	if b.line == nil {
		b.line = b.p.progress(int(total/mib), "MiB")
	}
	b.line.show(int(done/mib), b.doing+" "+size(done))
}

// done takes the line away.
func (b *byteProgress) done() {
	if b.line != nil {
		b.line.done()
	}
}
