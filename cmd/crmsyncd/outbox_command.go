package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"unicode"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/crmsyncd/crmsyncd/outbox"
	"github.com/crmsyncd/crmsyncd/outbox/bolt"
)

// outboxCommand returns the commands about the file of the outbox that need no verb of their own.
func (p *program) outboxCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "outbox",
		Short: "Look into the file of the outbox",
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	for _, c := range []*cobra.Command{p.outboxCheckCommand(), p.outboxVerifyCommand()} {
		c.Args = usageArgs(c.Args)
		cmd.AddCommand(c)
	}
	return cmd
}

func (p *program) outboxCheckCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "check [FILE]",
		Short: "Verify every page and record of the outbox, or of a backup",
		Long: "Verify every page and record of the outbox, or of a backup, and name each fault. Exit code 0: it is sound.\n" +
			"The file of a running daemon cannot be checked, and no daemon can start while it is: make a backup and check\n" +
			"that.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			path := strings.Join(args, "")
			if len(args) == 0 {
				cfg, err := p.load()
				if err != nil {
					return err
				}
				path = cfg.Outbox.Path
			}
			ctx, stop := withSignals(cmd.Context(), p.logger(quiet))
			defer stop()
			v, err := verify(ctx, path)
			if err != nil {
				return err
			}
			return p.printVerdict(v, output)
		},
	}
	outputFlag(cmd, &output)
	return cmd
}

// maxFaults is how many faults are named; the others are only counted.
const maxFaults = 100

// verdict is what a verification has found.
type verdict struct {
	File  string `json:"file"`
	Sound bool   `json:"sound"`
	// FaultCount counts the faults, Faults names the first maxFaults of them.
	FaultCount int      `json:"fault_count"`
	Faults     []string `json:"faults"`
	// Error says why the file could not be read, or not to its end; InUse: because a process has it open.
	Error string `json:"error,omitempty"`
	InUse bool   `json:"in_use,omitempty"`
	// Contents is missing when it could not be read.
	Contents *contents `json:"contents,omitempty"`
}

// contents is what a file says that it holds.
type contents struct {
	Entries     map[string]int64 `json:"entries"`
	Messages    uint64           `json:"messages"`
	Quarantined int64            `json:"quarantined"`
	Bytes       int64            `json:"bytes"`
}

func newContents(c bolt.Contents) *contents {
	r := &contents{Entries: map[string]int64{}, Messages: c.Messages, Quarantined: c.Rejected, Bytes: c.FileBytes}
	for state, n := range c.States {
		r.Entries[state.String()] = n
	}
	return r
}

// String returns the contents for people.
func (c *contents) String() string {
	list := []string{size(c.Bytes)}
	for _, state := range outbox.States {
		if n, ok := c.Entries[state.String()]; ok {
			list = append(list, fmt.Sprintf("%d %s", n, state))
		}
	}
	return strings.Join(list, ", ")
}

// size returns a number of bytes for people.
func size(bytes int64) string { return humanize.IBytes(uint64(max(bytes, 0))) }

// What to do about a file that is damaged, and about one that is in use.
const (
	damageAdvice = "restore a backup, or move the file away to start anew"
	inUseAdvice  = "a running daemon's file cannot be checked: make a backup and check that"
)

// printVerdict prints what was found. A file that is not sound is an error.
func (p *program) printVerdict(v verdict, output string) error {
	if output == outputJSON {
		if err := json.NewEncoder(p.out).Encode(v); err != nil {
			return err
		}
		return v.err()
	}
	for _, fault := range v.Faults {
		fmt.Fprintf(p.out, "fault: %s\n", fault)
	}
	if more := v.FaultCount - len(v.Faults); more > 0 {
		fmt.Fprintf(p.out, "and %d more\n", more)
	}
	if v.Sound {
		fmt.Fprintf(p.out, "%s is sound: %s\n", v.File, v.Contents)
	}
	return v.err()
}

// err returns nil for a sound file, else what is wrong and what to do.
func (v verdict) err() error {
	switch {
	case v.Sound:
		return nil
	case v.InUse:
		return fmt.Errorf("%s: %w; %s", v.File, bolt.ErrInUse, inUseAdvice)
	case v.Error != "":
		return errors.New(v.Error)
	default:
		return fmt.Errorf("%s is damaged, faults found: %d; %s", v.File, v.FaultCount, damageAdvice)
	}
}

// report is one line from the process that verifies: a fault, or at the end the verdict.
type report struct {
	Fault   string   `json:"fault,omitempty"`
	Verdict *verdict `json:"verdict,omitempty"`
}

// maxFaultBytes bounds a fault: a damaged record can say anything.
const maxFaultBytes = 500

// verifyName is the command that verify runs.
const verifyName = "verify"

// verify verifies a file in a process of its own: reading a damaged one can end a process in a way that nothing can
// catch. An error means that the verification could not be run; what is wrong with the file is in the verdict.
func verify(ctx context.Context, path string) (verdict, error) {
	self, err := os.Executable()
	if err != nil {
		return verdict{}, fmt.Errorf("verify %s: %w", path, err)
	}
	cmd := exec.CommandContext(ctx, self, "outbox", verifyName, "--", path) //nolint:gosec // it is this program
	cmd.Env = []string{"GOTRACEBACK=none"}
	return judge(ctx, path, cmd)
}

// judge runs what verifies a file and returns its verdict; one that dies before is a verdict as well.
func judge(ctx context.Context, path string, cmd *exec.Cmd) (verdict, error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // an interrupt at the terminal is for us; then ctx ends it
	out, err := cmd.StdoutPipe()
	if err != nil {
		return verdict{}, fmt.Errorf("verify %s: %w", path, err)
	}
	if err := cmd.Start(); err != nil {
		return verdict{}, fmt.Errorf("verify %s: %w", path, err)
	}
	v := verdict{File: path, Faults: []string{}}
	var final *verdict
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var r report
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			continue // a line that was cut by the end of the process
		}
		if r.Verdict != nil {
			final = r.Verdict
		} else if len(v.Faults) < maxFaults {
			v.Faults = append(v.Faults, r.Fault)
		}
	}
	err = cmd.Wait()
	switch {
	case ctx.Err() != nil:
		return verdict{}, fmt.Errorf("verify %s: %w", path, ctx.Err())
	case err != nil || final == nil:
		v.FaultCount = len(v.Faults)
		v.Error = fmt.Sprintf("%s is damaged so badly that reading it ends a process (%s), or memory has run out: %s", path,
			cmd.ProcessState, damageAdvice)
		return v, nil
	}
	final.File, final.Faults = path, v.Faults
	return *final, nil
}

// outboxVerifyCommand is what verify runs. It ends with 0 whatever it has found.
func (p *program) outboxVerifyCommand() *cobra.Command {
	return &cobra.Command{
		Use:    verifyName + " FILE",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			encoder := json.NewEncoder(p.out)
			v := verdict{}
			err := verifyHere(cmd.Context(), args[0], &v, func(fault string) {
				if v.FaultCount++; v.FaultCount <= maxFaults {
					_ = encoder.Encode(report{Fault: printable(fault)}) // the reader has gone: the end will say so
				}
			})
			if err != nil {
				v.Error, v.InUse = printable(err.Error()), errors.Is(err, bolt.ErrInUse)
			}
			v.Sound = err == nil && v.FaultCount == 0
			return encoder.Encode(report{Verdict: &v})
		},
	}
}

// verifyHere verifies a file in this process; damage that can be caught is a fault.
func verifyHere(ctx context.Context, path string, v *verdict, fault func(string)) error {
	defer func() {
		if caught := recover(); caught != nil {
			fault(fmt.Sprint(caught))
		}
	}()
	c, err := bolt.ReadContents(path)
	if err != nil {
		return err
	}
	v.Contents = newContents(c)
	return bolt.Verify(ctx, path, fault)
}

// printable returns a bounded text without anything that could move the cursor of a terminal: keys come from outside.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, strings.ToValidUTF8(text[:min(len(text), maxFaultBytes)], "\uFFFD"))
}

// mustBeSound is verify for those who only go on with a sound file.
func mustBeSound(ctx context.Context, path string) error {
	v, err := verify(ctx, path)
	switch {
	case err != nil:
		return err
	case v.InUse:
		return bolt.ErrInUse
	case v.Sound:
		return nil
	case v.Error != "":
		return errors.New(v.Error)
	}
	return fmt.Errorf("%w: faults found: %d, the first: %s", outbox.ErrCorrupt, v.FaultCount, v.Faults[0])
}
