package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/crmsyncd/crmsyncd/configs"
	"github.com/crmsyncd/crmsyncd/crm/adapters"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/explain"
	"github.com/crmsyncd/crmsyncd/outbox"
	"github.com/crmsyncd/crmsyncd/receiver/alohub"
)

// explanation is what explain was asked for.
type explanation struct {
	// what is a file, "-" or the id of a stored call.
	what                 string
	offline, showNumbers bool
	output               string
	cfg                  *configs.Config
	location             *time.Location
	decoder              *alohub.Decoder
}

func (p *program) explainCommand() *cobra.Command {
	var e explanation
	cmd := &cobra.Command{
		Use:   "explain FILE|CALL_ID",
		Short: "Show what would be sent to the CRM for a call, and why, without sending it",
		Long: "Show how a call is understood, when it is written, how it finds its customer and its agent, and the exact\n" +
			"requests that it leads to, without sending those that change anything. The call is one event or several of one\n" +
			"call in a file, as Alohub posts them (- for the standard input; one after the other or as a JSON array), or one\n" +
			"that is stored: its id is asked for at the running daemon or, when there is none, in the file of the outbox.\n" +
			"The CRM is asked for records and users unless --offline is given.",
		Args: cobra.ExactArgs(1),
	}
	outputFlag(cmd, &e.output)
	cmd.Flags().BoolVar(&e.offline, "offline", false, "ask the CRM nothing: a record and a user are assumed")
	cmd.Flags().BoolVar(&e.showNumbers, "show-numbers", false,
		"show telephone numbers and the addresses of recordings in full")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		e.what = args[0]
		return p.explain(cmd.Context(), e)
	}
	return cmd
}

// explain finds the call, lets it be delivered without effect, and prints what happened.
func (p *program) explain(ctx context.Context, e explanation) (err error) {
	if e.cfg, err = p.load(); err != nil {
		return err
	}
	if e.location, err = time.LoadLocation(e.cfg.Source.TimeZone); err != nil {
		return fmt.Errorf("source.time_zone: %w", err)
	}
	e.decoder, err = alohub.New(alohub.Options{Location: e.location, RecordingBase: e.cfg.Source.RecordingBase})
	if err != nil {
		return err
	}
	ctx, stop := withSignals(ctx, p.logger(quiet))
	defer stop()
	found, err := e.find(ctx)
	if err != nil {
		return err
	}
	explained, err := e.deliver(ctx, found)
	if err != nil {
		return err
	}
	if e.output == outputJSON {
		err = p.printExplanationJSON(found, explained)
	} else {
		err = p.printExplanation(e, found, explained)
	}
	switch {
	case err != nil || explained.Answered():
		return err
	case e.offline:
		return errors.New("without asking the CRM this cannot be told to the end, see above")
	default:
		return errors.New("the CRM did not answer what was asked, so this is not all, see above")
	}
}

// find returns the call that is meant: that of a file where there is one of this name.
func (e explanation) find(ctx context.Context) (located, error) {
	if e.what == "-" {
		return e.fromEvents("the standard input", os.Stdin)
	}
	file, err := os.Open(e.what)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENAMETOOLONG), errors.Is(err, syscall.ENOTDIR):
		return e.fromStore(ctx)
	case err != nil:
		return located{}, err
	}
	defer func() { _ = file.Close() }()
	return e.fromEvents(e.what, file)
}

// deliver explains the entry as the daemon's own Syncer would deliver it, at the time at which it is due.
func (e explanation) deliver(ctx context.Context, l located) (*explain.Explanation, error) {
	dryRun := &api.DryRun{Offline: e.offline}
	quietly := slog.New(slog.DiscardHandler)
	adapter, err := adapters.New(e.cfg.CRM, api.Options{
		Logger: quietly, UserAgent: "crmsyncd/" + version, Location: e.location, PhoneRegion: e.cfg.Source.PhoneRegion,
		DryRun: dryRun,
	})
	if err != nil {
		return nil, err
	}
	if closer, closes := adapter.(interface{ Close() }); closes {
		defer closer.Close()
	}
	entry, now := l.entry, time.Now()
	switch {
	case entry.State == outbox.Parked || entry.State == outbox.Delivered:
		entry.State, entry.Since = outbox.Pending, now // what a replay makes of it
	case entry.Due.After(now):
		now = entry.Due
	}
	ctx, cancel := context.WithTimeoutCause(ctx, e.cfg.Delivery.Timeout,
		fmt.Errorf("it took longer than delivery.timeout, %s", e.cfg.Delivery.Timeout))
	defer cancel()
	return explain.Explain(ctx, entry, explain.Options{
		Syncer: syncerOptions(e.cfg, adapter, e.decoder, quietly, nil, nil), DryRun: dryRun, Location: e.location,
		ShowNumbers: e.showNumbers, Now: now,
	})
}
