package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// survived prints one row of the table of failures: its id, the failure, and what happened with the figures.
func survived(t *testing.T, id, failure, format string, args ...any) {
	t.Helper()
	t.Logf("torture: %s | %s | %s", id, failure, fmt.Sprintf(format, args...))
}

// tool returns the path of a program that a test needs. Without it the test is skipped by name, in CI it fails.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	require.Empty(t, os.Getenv("CI"), "%s is missing: install it", name)
	t.Skipf("%s is missing", name)
	return ""
}

// fewerInShort returns n, or with -short a part of it.
func fewerInShort(n, short int) int {
	if testing.Short() {
		return short
	}
	return n
}

// intake returns a daemon that only takes events in: none of them comes due for delivery.
func intake(t *testing.T, environ ...string) *process {
	t.Helper()
	return newProcess(t, "http://127.0.0.1:9", append(environ, "CRMSYNCD_DELIVERY__HOLD=24h")...)
}

// metric returns the value of a series as /metrics writes it.
func (p *process) metric(series string) float64 {
	p.t.Helper()
	status, page := p.get("/metrics")
	require.Equal(p.t, http.StatusOK, status)
	for line := range strings.Lines(string(page)) {
		if value, found := strings.CutPrefix(line, series+" "); found {
			n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			require.NoError(p.t, err, line)
			return n
		}
	}
	require.FailNow(p.t, "no such series", series)
	return 0
}

// memory returns the resident memory of the daemon in bytes: at present ("VmRSS") or at its highest ("VmHWM").
func (p *process) memory(field string) int64 {
	p.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	require.NoError(p.t, err)
	for line := range strings.Lines(string(status)) {
		if value, found := strings.CutPrefix(line, field+":"); found {
			kilobytes, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			require.NoError(p.t, err, line)
			return kilobytes << 10
		}
	}
	require.FailNow(p.t, "no such field", field)
	return 0
}

// atMost returns how many connections a test opens: as many as it wants, or as many as the limit on open files allows
// beside a reserve. Go has raised the soft limit to the hard one.
func atMost(t *testing.T, wanted, reserve int) int {
	t.Helper()
	var limit syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	room := int(min(limit.Cur, 1<<20)) - reserve
	if room < wanted {
		t.Logf("the limit on open files, %d, allows only %d connections instead of %d", limit.Cur, room, wanted)
	}
	return min(wanted, room)
}

// endedCall is an event of a call that is new with each id.
func endedCall(id string) []byte {
	return bytes.Replace([]byte(endEvent), []byte("20240113150030123456"), []byte(id), 1)
}

// load is a call centre with several lines: each sends one event after the other.
type load struct {
	p *process
	// prefix begins the ids of its calls.
	prefix string
	client *http.Client
	next   atomic.Int64

	mu sync.Mutex
	// answers counts what came back: a status, or an error.
	answers   map[string]int
	accepted  []string
	latencies []time.Duration
	// hasty counts the refusals that did not say when to come again.
	hasty int
}

func newLoad(p *process, prefix string, lines int) *load {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: lines}}
	p.t.Cleanup(client.CloseIdleConnections)
	return &load{p: p, prefix: prefix, client: client, answers: map[string]int{}}
}

// run sends events from several lines, each pausing after an event, until ctx ends or most events were sent.
func (l *load) run(ctx context.Context, lines int, pause time.Duration, most int64) {
	var group sync.WaitGroup
	last := l.next.Load() + most
	for range lines {
		group.Go(func() {
			for i := l.next.Add(1); i <= last && ctx.Err() == nil; i = l.next.Add(1) {
				l.send(fmt.Sprintf("%s-%06d", l.prefix, i))
				if pause > 0 {
					<-time.After(pause)
				}
			}
		})
	}
	group.Wait()
	l.next.Store(last)
}

// send sends the event of one call and keeps what came of it.
func (l *load) send(id string) {
	began := time.Now()
	answer, retryAfter, err := l.post(id)
	took := time.Since(began)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.answers[err.Error()]++
		return
	}
	l.answers[strconv.Itoa(answer)]++
	switch answer {
	case http.StatusOK:
		l.accepted = append(l.accepted, id)
		l.latencies = append(l.latencies, took)
	case http.StatusServiceUnavailable:
		if seconds, err := strconv.Atoi(retryAfter); err != nil || seconds < 1 {
			l.hasty++
		}
	}
}

func (l *load) post(id string) (status int, retryAfter string, err error) {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost,
		"http://"+l.p.public+"/webhooks/alohub", bytes.NewReader(endedCall(id)))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Authorization", demoKey)
	req.Header.Set("Content-Type", "application/json")
	resp, err := l.client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, resp.Header.Get("Retry-After"), err
}

// requireOnly requires that nothing but these answers came.
func (l *load) requireOnly(statuses ...string) {
	l.p.t.Helper()
	for answer, n := range l.answers {
		require.Contains(l.p.t, statuses, answer, "%d times", n)
	}
	require.Zero(l.p.t, l.hasty, "a 503 says when to come again")
}

// p99 returns the latency that 99 of 100 accepted events stayed within.
func (l *load) p99() string { return quantile(l.latencies, 0.99) }

// quantile returns what a share of the times stayed within, in milliseconds.
func quantile(times []time.Duration, share float64) string {
	if len(times) == 0 {
		return "no"
	}
	return fmt.Sprintf("%.1f", milliseconds(times, share))
}

// dial opens a connection for webhooks. It is closed, without a trace in the kernel, when the test ends.
func (p *process) dial(address string) net.Conn {
	p.t.Helper()
	conn, err := (&net.Dialer{Timeout: 30 * time.Second}).DialContext(p.t.Context(), "tcp", address)
	require.NoError(p.t, err)
	p.t.Cleanup(func() { hangUp(conn) })
	return conn
}

// hangUp resets a connection, so that thousands of them do not linger.
func hangUp(conn net.Conn) {
	if conn == nil {
		return
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// startUnder starts the daemon, through a program that sets it up if one is named, and does not wait until it is ready.
func (p *process) startUnder(program ...string) {
	p.t.Helper()
	path, err := binary()
	require.NoError(p.t, err)
	command := append(program, path, "serve", "--config", p.config)
	p.cmd = exec.CommandContext(context.Background(), command[0], command[1:]...)
	p.cmd.Env = p.environ
	p.cmd.Stderr, p.cmd.Stdout = p.log, p.log
	require.NoError(p.t, p.cmd.Start())
	p.exited = make(chan struct{})
	go func(cmd *exec.Cmd, exited chan<- struct{}) {
		_ = cmd.Wait() // the exit code says more
		close(exited)
	}(p.cmd, p.exited)
}

// awaitReady waits until a daemon that was started by startUnder takes events.
func (p *process) awaitReady() {
	p.t.Helper()
	p.eventually(30*time.Second, "the daemon is ready", func() bool {
		status, _ := p.get("/readyz")
		return status == http.StatusOK
	})
}
