package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/configs"
)

// TestScript runs the scripts in testdata/script against the real program. Besides the commands of testscript they have
//
//	exits CODE PROGRAM [ARGUMENT...]     run to the end, with this exit code
//	freeport VARIABLE...                 set each to an address on loopback where nothing listens
//	[!] await URL [REGEXP]               wait until URL answers 200 with a body that matches (!: until nobody answers)
//	post URL FILE                        send a webhook with the demo's key, and require a 200
//	terminate WORD                       send SIGTERM to the background command that has WORD as an argument
//	truncate FILE BYTES                  cut a file short
//	jsonsum TOTAL PART...                the last line of stdout is a JSON object in which the parts add up to the total
//	vendor NAME [bare]                   serve the fake of a CRM and configure it (VENDOR, RECORD; bare: without our fields)
//	[!] unchanged                        the vendor was asked, and no request was for anything else than reading
//	unasked                              the vendor got no request at all
//
// and the demo's configuration as demo.yaml.
func TestScript(t *testing.T) {
	program, err := binary()
	require.NoError(t, err)
	testscript.Run(t, testscript.Params{
		Dir:                filepath.Join("testdata", "script"),
		RequireUniqueNames: true,
		Setup: func(env *testscript.Env) error {
			folder := filepath.Join(env.WorkDir, ".bin")
			env.Values[vendorKey{}] = &[]*vendor{}
			env.Setenv("PATH", folder+string(os.PathListSeparator)+env.Getenv("PATH"))
			return errors.Join(
				os.Mkdir(folder, 0o750),
				os.Symlink(program, filepath.Join(folder, "crmsyncd")),
				os.WriteFile(filepath.Join(env.WorkDir, "demo.yaml"), configs.Demo(), 0o600),
			)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": scriptExits, "freeport": scriptFreePort, "await": scriptAwait, "post": scriptPost,
			"terminate": scriptTerminate, "truncate": scriptTruncate, "jsonsum": scriptJSONSum,
			"vendor": scriptVendor, "unchanged": scriptUnchanged, "unasked": scriptUnasked,
		},
	})
}

// usage ends a script whose command was written wrongly.
func usage(ts *testscript.TestScript, neg, right bool, text string) {
	if neg || !right {
		ts.Fatalf("usage: %s", text)
	}
}

func scriptExits(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, len(args) >= 2, "exits CODE PROGRAM [ARGUMENT...]")
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	code := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("run %s: %v", args[1], err)
		}
		code = exit.ExitCode()
	}
	if code != want {
		ts.Fatalf("the exit code is %d, not %d", code, want)
	}
}

func scriptFreePort(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, len(args) > 0, "freeport VARIABLE...")
	for _, variable := range args {
		address, err := freeAddress()
		ts.Check(err)
		ts.Setenv(variable, address)
	}
}

// scriptPatience is how long a script waits for what must come; nothing here takes a tenth of it.
const scriptPatience = 30 * time.Second

func scriptAwait(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, false, len(args) == 1 || len(args) == 2, "[!] await URL [REGEXP]")
	pattern := regexp.MustCompile(strings.Join(args[1:], ""))
	last := ""
	holds := func() bool {
		resp, err := http.Get(args[0])
		if err != nil {
			last = err.Error()
			return neg
		}
		defer func() { _ = resp.Body.Close() }()
		body, err := io.ReadAll(resp.Body)
		last = fmt.Sprintf("%s %s %v", resp.Status, body, err)
		return !neg && resp.StatusCode == http.StatusOK && err == nil && pattern.Match(body)
	}
	deadline := time.Now().Add(scriptPatience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		if time.Now().After(deadline) {
			ts.Fatalf("waited %s for %s; the last answer: %s", scriptPatience, strings.Join(args, " "), last)
		}
		<-tick.C
	}
}

func scriptPost(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, len(args) == 2, "post URL FILE")
	req, err := http.NewRequest(http.MethodPost, args[0], strings.NewReader(ts.ReadFile(args[1])))
	ts.Check(err)
	req.Header.Set("Authorization", demoKey)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	ts.Check(err)
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	ts.Check(err)
	if resp.StatusCode != http.StatusOK {
		ts.Fatalf("the webhook was answered %s: %s", resp.Status, body)
	}
}

func scriptTerminate(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, len(args) == 1, "terminate WORD")
	found := 0
	for _, cmd := range ts.BackgroundCmds() {
		if slices.Contains(cmd.Args[1:], args[0]) {
			ts.Check(cmd.Process.Signal(syscall.SIGTERM))
			found++
		}
	}
	if found != 1 {
		ts.Fatalf("%d background commands have the argument %s", found, args[0])
	}
}

func scriptTruncate(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, len(args) == 2, "truncate FILE BYTES")
	size, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	info, err := os.Stat(ts.MkAbs(args[0]))
	ts.Check(err)
	if info.Size() <= size {
		ts.Fatalf("%s has only %d bytes", args[0], info.Size())
	}
	ts.Check(os.Truncate(ts.MkAbs(args[0]), size))
}

func scriptJSONSum(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, len(args) >= 2, "jsonsum TOTAL PART...")
	lines := strings.Split(strings.TrimSpace(ts.ReadFile("stdout")), "\n")
	decoder := json.NewDecoder(bytes.NewBufferString(lines[len(lines)-1]))
	var object map[string]any
	ts.Check(decoder.Decode(&object))
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		ts.Fatalf("something follows the JSON object")
	}
	number := func(key string) float64 {
		n, ok := object[key].(float64)
		if !ok {
			ts.Fatalf("%s is %v, not a number", key, object[key])
		}
		return n
	}
	sum := 0.0
	for _, part := range args[1:] {
		sum += number(part)
	}
	if total := number(args[0]); total != sum {
		ts.Fatalf("%s is %v, but %s add up to %v", args[0], total, strings.Join(args[1:], " + "), sum)
	}
}
