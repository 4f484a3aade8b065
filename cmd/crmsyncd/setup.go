package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/crmsyncd/crmsyncd/configs"
	"github.com/crmsyncd/crmsyncd/crm"
)

// setupTimeout bounds reading a plan, and each preparation.
const setupTimeout = time.Minute

// setupCommand returns the commands that make what another system lacks.
func (p *program) setupCommand() *cobra.Command {
	var apply bool
	cmd := &cobra.Command{
		Use:   "setup",
		Short: "Make what the CRM lacks for the configuration",
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.PersistentFlags().BoolVar(&apply, "apply", false, "make what is missing; without it nothing is changed")
	of := &cobra.Command{
		Use:   "crm",
		Short: "Show which fields the CRM lacks, and make them with --apply",
		Long: "Show what the configuration needs in the CRM: what is there, what can be made from here, and what a person\n" +
			"has to do. Nothing is changed without --apply. With it, what can be made is made, one after the other; a\n" +
			"failure does not stop the others. Running it again is harmless.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := p.load()
			if err != nil {
				return err
			}
			return p.setupCRM(cmd.Context(), cfg, apply)
		},
	}
	of.Args = usageArgs(of.Args)
	cmd.AddCommand(of)
	return cmd
}

// setupCRM prints the plan of the adapter and, when asked to, carries it out.
func (p *program) setupCRM(ctx context.Context, cfg *configs.Config, apply bool) error {
	adapter, err := newAdapter(cfg, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		return err
	}
	preparer, prepares := adapter.(crm.Preparer)
	if !prepares {
		return fmt.Errorf("there is nothing to set up from here: crm.type %s describes a CRM as it is. Make the fields in "+
			"the CRM itself, then see crmsyncd check --online", cfg.CRM.Type)
	}
	ctx, stop := withSignals(ctx, p.logger(quiet))
	defer stop()
	plan, err := readPlan(ctx, preparer)
	if err != nil {
		return err
	}
	if err := p.printPlan(plan); err != nil {
		return err
	}
	toMake := todo(plan, func(step crm.Preparation) bool { return !step.Done && step.Manual == "" })
	if !apply {
		if len(toMake) > 0 {
			fmt.Fprintf(p.out, "nothing was changed; --apply makes what can be made: %d\n", len(toMake))
		}
		return nil
	}
	return p.prepare(ctx, preparer, plan, toMake)
}

// readPlan asks an adapter for its plan.
func readPlan(ctx context.Context, preparer crm.Preparer) ([]crm.Preparation, error) {
	ctx, cancel := setupContext(ctx)
	defer cancel()
	plan, err := preparer.Plan(ctx)
	if err != nil {
		return nil, fmt.Errorf("read from the CRM what is there: %s", printable(err.Error()))
	}
	return plan, nil
}

// setupContext bounds one conversation with the CRM.
func setupContext(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, setupTimeout, fmt.Errorf("the CRM took longer than %s", setupTimeout))
}

// todo returns the preparations of a plan that meet a condition.
func todo(plan []crm.Preparation, meets func(crm.Preparation) bool) []crm.Preparation {
	var list []crm.Preparation
	for _, step := range plan {
		if meets(step) {
			list = append(list, step)
		}
	}
	return list
}

// printPlan prints a plan in columns.
func (p *program) printPlan(plan []crm.Preparation) error {
	out := printout{bufio.NewWriter(p.out)}
	if len(plan) == 0 {
		out.line("the configuration needs nothing in the CRM that it does not have anyway")
	}
	width := 0
	for _, step := range plan {
		width = max(width, len([]rune(step.Title)))
	}
	for _, step := range plan {
		state, what := "there", ""
		switch {
		case step.Done:
		case step.Manual != "":
			state, what = "by hand", step.Manual
		default:
			state = "to make"
		}
		out.line("%-7s  %-*s  %s", state, width, printable(step.Title), printable(what))
	}
	return out.w.Flush()
}

// prepare makes one thing after the other, says what became of each, and ends with what is left for a person: what was
// made may have to be opened to somebody, which only the next plan knows.
func (p *program) prepare(ctx context.Context, preparer crm.Preparer, plan, toMake []crm.Preparation) error {
	failed := 0
	for _, step := range toMake {
		if ctx.Err() != nil {
			return errors.New("interrupted; what was made is said above, running it again goes on")
		}
		if err := prepareOne(ctx, preparer, step); err != nil {
			failed++
			fmt.Fprintf(p.out, "FAIL  %s: %s\n", printable(step.Title), printable(err.Error()))
			continue
		}
		fmt.Fprintf(p.out, "made  %s\n", printable(step.Title))
	}
	if len(toMake) > 0 {
		var err error
		if plan, err = readPlan(ctx, preparer); err != nil {
			return err
		}
	}
	for _, step := range todo(plan, func(step crm.Preparation) bool { return step.Manual != "" && !step.Done }) {
		fmt.Fprintf(p.out, "left for a person  %s: %s\n", printable(step.Title), printable(step.Manual))
	}
	switch {
	case failed > 0:
		return fmt.Errorf("could not be made: %d, see above; running it again is harmless", failed)
	case len(toMake) == 0:
		fmt.Fprintln(p.out, "there is nothing to make")
	}
	return nil
}

// prepareOne makes one thing.
func prepareOne(ctx context.Context, preparer crm.Preparer, step crm.Preparation) error {
	ctx, cancel := setupContext(ctx)
	defer cancel()
	return preparer.Prepare(ctx, step)
}
