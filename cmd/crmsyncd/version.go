package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is set by the linker for releases: -ldflags "-X main.version=v1.2.3".
var version = "dev"

// build says which build this is.
type build struct {
	Version   string `json:"version"`
	Commit    string `json:"commit"`
	GoVersion string `json:"go_version"`
}

// thisBuild returns what the linker and the Go tool wrote into the binary.
func thisBuild() build {
	b := build{Version: version, Commit: "unknown", GoVersion: runtime.Version()}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				b.Commit = s.Value
			}
		}
	}
	return b
}

func (p *program) versionCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Say which build this is",
		RunE: func(*cobra.Command, []string) error {
			b := thisBuild()
			if output == outputJSON {
				return json.NewEncoder(p.out).Encode(b)
			}
			_, err := fmt.Fprintf(p.out, "crmsyncd %s (commit %s, %s)\n", b.Version, b.Commit, b.GoVersion)
			return err
		},
	}
	outputFlag(cmd, &output)
	return cmd
}

// The values of --output.
const (
	outputText = "text"
	outputJSON = "json"
)

// outputFlag adds --output to a command.
func outputFlag(cmd *cobra.Command, output *string) {
	cmd.Flags().StringVar(output, "output", outputText, "text for people, json for programs")
	cmd.PreRunE = func(*cobra.Command, []string) error {
		if *output != outputText && *output != outputJSON {
			return usageError(fmt.Errorf("--output %s: it must be text or json", *output))
		}
		return nil
	}
}
