package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
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
			"anything there, and say what is missing for calls to arrive: credentials, rights, fields, look-ups, agents.",
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

// The verdicts of a line. A note is what cannot be told from here.
const (
	verdictOK   = "OK"
	verdictFail = "FAIL"
	verdictNote = "NOTE"
)

// checked is one line of what a check found.
type checked struct{ verdict, subject, detail string }

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
	ctx, cancel := context.WithTimeoutCause(ctx, onlineTimeout, fmt.Errorf("the CRM took longer than %s", onlineTimeout))
	defer cancel()
	var lines []checked
	for _, f := range checker.Check(ctx) {
		line := checked{verdictOK, f.Subject, f.Detail}
		if f.Err != nil {
			line.verdict, line.detail = verdictFail, f.Err.Error()
		}
		lines = append(lines, line)
	}
	lines = append(lines, checkAgents(ctx, cfg.Agents, adapter)...)
	if err := p.printChecked(lines); err != nil {
		return err
	}
	if slices.ContainsFunc(lines, func(l checked) bool { return l.verdict == verdictFail }) {
		return errors.New("the CRM is not ready for calls, see above")
	}
	return nil
}

// printChecked prints lines in columns.
func (p *program) printChecked(lines []checked) error {
	out := printout{bufio.NewWriter(p.out)}
	width := 0
	for _, l := range lines {
		width = max(width, len([]rune(l.subject)))
	}
	for _, l := range lines {
		out.line("%-4s  %-*s  %s", l.verdict, width, printable(l.subject), printable(l.detail))
	}
	return out.w.Flush()
}

// checkAgents compares agents.map with what the CRM itself knows of the same names. An adapter looks users up by name
// and not by id, so an id that no name confirms is a note and not a failure: the map is for those agents above all.
func checkAgents(ctx context.Context, cfg configs.Agents, adapter crm.Adapter) []checked {
	names := slices.Sorted(maps.Keys(cfg.Map))
	finder, finds := adapter.(crm.UserFinder)
	var founds []crm.UserFound
	if finds && len(names) > 0 {
		founds = finder.FindUsers(ctx, names)
	}
	const unseen = "make sure that the CRM has a user with this id"
	var lines []checked
	for i, name := range names {
		var found crm.UserFound
		if len(founds) == len(names) {
			found = founds[i]
		}
		line := checked{verdictOK, "agent " + name, "user " + cfg.Map[name] + ", the CRM knows the agent by this name, too"}
		switch {
		case found.Err != nil:
			line.verdict, line.detail = verdictFail, found.Err.Error()
		case found.UserID == "":
			line.verdict = verdictNote
			line.detail = fmt.Sprintf("user %s by agents.map; the CRM does not know the agent by this name: %s",
				cfg.Map[name], unseen)
		case found.UserID != cfg.Map[name]:
			line.verdict = verdictNote
			line.detail = fmt.Sprintf("user %s by agents.map, which counts; but the CRM knows the agent by this name as user "+
				"%s: is that meant?", cfg.Map[name], found.UserID)
		}
		lines = append(lines, line)
	}
	line := checked{verdictNote, "agents.default", fmt.Sprintf("user %s: %s", cfg.Default, unseen)}
	if cfg.Default == "" {
		line.verdict, line.detail = verdictOK, "none: calls of agents whom nobody knows get the owner that the CRM gives"
	}
	return append(lines, line)
}
