package bolt_test

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// traced are the system calls that change files or promise something, with all of their data.
var traced = []string{
	"-f", "-qq", "--seccomp-bpf", "-y", "-xx", "-s", "2000000",
	"-e", "trace=openat,mkdirat,pwrite64,write,ftruncate,fdatasync,fsync,linkat,renameat,unlinkat",
}

// systemCall is one system call of a trace. A trace has it twice: when it began and when it returned.
type systemCall struct {
	name string
	// path is the file that it is about, to a second one (linkat, renameat).
	path, to string
	data     []byte
	offset   int64
	// returned is unset at its beginning; failed then says how it went. creating is set by O_CREAT.
	returned, failed, creating bool
}

// readTrace calls step for the beginning and the end of each system call in the order of the trace.
func readTrace(t *testing.T, path string, step func(systemCall)) {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 16<<20)
	running := map[string]systemCall{}
	for lines.Scan() {
		thread, text, _ := strings.Cut(lines.Text(), " ")
		text = strings.TrimLeft(text, " ")
		if rest, resumed := strings.CutPrefix(text, "<... "); resumed {
			c, known := running[thread]
			require.True(t, known, "a call that never began: %.200s", text)
			delete(running, thread)
			step(c.end(rest))
			continue
		}
		name, arguments, found := strings.Cut(text, "(")
		if !found || strings.HasPrefix(name, "+") || strings.HasPrefix(name, "-") {
			continue // the end of a thread, a signal
		}
		arguments, unfinished := strings.CutSuffix(arguments, "<unfinished ...>")
		c, err := parseCall(name, arguments)
		require.NoError(t, err, "%.200s", text)
		step(c)
		if unfinished {
			running[thread] = c
		} else {
			step(c.end(arguments))
		}
	}
	require.NoError(t, lines.Err())
}

// end returns the call as it returned.
func (c systemCall) end(text string) systemCall {
	c.returned = true
	at := strings.LastIndex(text, "= ")
	c.failed = at < 0 || strings.HasPrefix(text[at:], "= -") || strings.HasPrefix(text[at:], "= ?")
	return c
}

// parseCall reads the arguments of a call: FD<PATH>, "TEXT", "TEXT", NUMBER, NUMBER. Texts and paths are in
// hexadecimal, so they hold none of these signs.
func parseCall(name, arguments string) (systemCall, error) {
	c := systemCall{name: name}
	_, base, _ := strings.Cut(arguments, "<")
	base, rest, _ := strings.Cut(base, ">")
	base = unhex(base)
	var texts []string
	for {
		before, after, found := strings.Cut(rest, `"`)
		if !found {
			break
		}
		text, after, found := strings.Cut(after, `"`)
		if !found {
			return c, errors.New("a text without an end")
		}
		texts = append(texts, unhex(text))
		rest = before + after
	}
	rest, _, _ = strings.Cut(rest, ")")
	rest = strings.TrimSuffix(rest, " ")
	fields := strings.Split(rest, ", ")
	switch name {
	case "openat", "mkdirat", "unlinkat":
		if len(texts) != 1 {
			return c, errors.New("no path")
		}
		c.path, c.creating = under(base, texts[0]), strings.Contains(rest, "O_CREAT")
	case "linkat", "renameat":
		if len(texts) != 2 {
			return c, errors.New("no paths")
		}
		c.path, c.to = under(base, texts[0]), under(base, texts[1])
	case "write", "pwrite64":
		c.path, c.data = base, []byte(strings.Join(texts, ""))
	default:
		c.path = base
	}
	if name != "pwrite64" && name != "ftruncate" {
		return c, nil
	}
	var err error
	c.offset, err = strconv.ParseInt(fields[len(fields)-1], 10, 64)
	if name == "pwrite64" && err == nil && fields[len(fields)-2] != strconv.Itoa(len(c.data)) {
		err = fmt.Errorf("%s bytes were written, %d were traced", fields[len(fields)-2], len(c.data))
	}
	return c, err
}

// under returns a path that is relative to base, or absolute.
func under(base, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(base, path)
}

// unhex reads a string in the form \x61\x62.
func unhex(text string) string {
	decoded, _ := hex.DecodeString(strings.ReplaceAll(text, `\x`, ""))
	return string(decoded)
}
