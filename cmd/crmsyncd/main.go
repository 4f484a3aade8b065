// Command crmsyncd brings the calls of a call centre into a CRM: it takes a webhook for each change of a call, makes it
// durable, answers at once, and then sees to it that the call stands in the CRM, once, on the right customer.
//
// This package is the only one that sees all others. It wires them (app.go), owns the process (signals, ordered stop,
// exit codes) and has one file for each command. Run "crmsyncd help" for the commands.
package main

import (
	"context"
	"os"
	_ "time/tzdata" // the zone of the call centre must be known on hosts without a zone database
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}
