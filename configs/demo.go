package configs

import (
	_ "embed"
	"slices"
)

//go:embed demo.yaml
var demo []byte

// Demo returns the configuration of the demo in YAML: the adapter rest pointed at the sandbox CRM on 127.0.0.1:8090, a
// public key, short waits. It is a copy. Give it to LoadBytes; environment variables override it as they do a file.
func Demo() []byte { return slices.Clone(demo) }
