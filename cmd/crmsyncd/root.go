package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/crmsyncd/crmsyncd/configs"
)

// The exit codes of every command. An init system restarts after none of 1 and 2: they would only happen again.
const (
	exitFine     = 0
	exitCannot   = 1 // could not start, or not do what was asked
	exitUsage    = 2 // wrong usage or configuration
	exitNotClean = 3 // stopped, but not cleanly
)

// codedError is an error that chooses the exit code.
type codedError struct {
	error
	code int
}

// Unwrap returns the cause.
func (e codedError) Unwrap() error { return e.error }

// usageError marks a mistake in how the program was called or configured.
func usageError(err error) error { return codedError{err, exitUsage} }

// program is what every command needs of the process.
type program struct {
	environ    []string
	out, err   io.Writer
	configPath string
}

// run runs one command and returns the exit code of the process.
func run(ctx context.Context, args, environ []string, out, errOut io.Writer) int {
	p := &program{environ: environ, out: out, err: errOut}
	root := p.rootCommand()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitFine
	}
	fmt.Fprintf(errOut, "crmsyncd: %v\n", err)
	if coded, ok := errors.AsType[codedError](err); ok {
		return coded.code
	}
	return exitCannot
}

// rootCommand returns the command tree.
func (p *program) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "crmsyncd",
		Short:         "Bring the calls of a call centre into a CRM",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetOut(p.out)
	root.SetErr(p.err)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError(err) })
	root.PersistentFlags().StringVar(&p.configPath, "config", p.env("CRMSYNCD_CONFIG"),
		"configuration file (or CRMSYNCD_CONFIG)")
	for _, c := range []*cobra.Command{
		p.serveCommand(), p.checkCommand(), p.demoCommand(), p.sandboxCommand(), p.simulateCommand(), p.versionCommand(),
		p.explainCommand(), p.setupCommand(), p.backupCommand(), p.restoreCommand(), p.compactCommand(), p.outboxCommand(),
	} {
		c.Args = usageArgs(c.Args)
		root.AddCommand(c)
	}
	root.Args = usageArgs(root.Args)
	return root
}

// usageArgs makes wrong arguments a usage error.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	if check == nil {
		check = cobra.NoArgs
	}
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usageError(err)
		}
		return nil
	}
}

// env returns a variable of the environment.
func (p *program) env(name string) string {
	for _, entry := range p.environ {
		if value, found := strings.CutPrefix(entry, name+"="); found {
			return value
		}
	}
	return ""
}

// load reads the configuration; every mistake in it is a usage error.
func (p *program) load() (*configs.Config, error) {
	cfg, err := configs.Load(p.configPath, p.environ)
	if err != nil {
		return nil, usageError(err)
	}
	return cfg, nil
}

// logger returns the logger that the configuration asks for, writing to the standard error.
func (p *program) logger(cfg configs.Log) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(cfg.Level)); err != nil {
		level = slog.LevelInfo // a validated configuration has a level that parses
	}
	options := &slog.HandlerOptions{Level: level}
	if cfg.Format == "text" {
		return slog.New(slog.NewTextHandler(p.err, options))
	}
	return slog.New(slog.NewJSONHandler(p.err, options))
}

// isTerminal reports whether w is a terminal: only there is a moving progress line of use.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
