package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/configs"
	"github.com/crmsyncd/crmsyncd/crm/sandbox"
	"github.com/crmsyncd/crmsyncd/outbox/bolt"
)

// binary builds the real program once for all tests of this package.
var binary = sync.OnceValues(func() (string, error) {
	path := filepath.Join(os.TempDir(), fmt.Sprintf("crmsyncd-test-%d", os.Getpid()))
	out, err := exec.CommandContext(context.Background(), "go", "build", "-o", path, ".").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build crmsyncd: %w\n%s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := binary(); err == nil {
		_ = os.Remove(path)
	}
	os.Exit(code)
}

// crmServer serves a sandbox CRM on loopback until the test ends.
func crmServer(t *testing.T, seed uint64) (*sandbox.Server, string) {
	t.Helper()
	crm := sandbox.New(sandbox.Options{Faults: true, Seed: seed})
	require.NoError(t, populate(crm, demoSeed, demoContacts))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- crm.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	return crm, "http://" + l.Addr().String()
}

// process is a daemon in a process of its own: the real binary, on loopback, with a file of its own.
type process struct {
	t               *testing.T
	public, private string
	outbox          string
	environ         []string
	config          string

	cmd *exec.Cmd
	log *logBuffer
	// exited is closed when the process has ended.
	exited chan struct{}
}

// logBuffer keeps what a process writes.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// newProcess returns a process with the demo's configuration, pointed at a CRM and changed by environment variables.
func newProcess(t *testing.T, crmURL string, environ ...string) *process {
	t.Helper()
	demo := func(string) []byte { return configs.Demo() }
	return newProcessOf(t, demo, append([]string{"CRMSYNCD_CRM__BASE_URL=" + crmURL + "/api/v1"}, environ...)...)
}

// newProcessOf returns a process with a configuration, which may name files in a folder, changed by environment
// variables.
func newProcessOf(t *testing.T, configuration func(folder string) []byte, environ ...string) *process {
	t.Helper()
	folder := t.TempDir()
	p := &process{
		t: t, outbox: filepath.Join(folder, "outbox.db"), config: filepath.Join(folder, "config.yaml"), log: &logBuffer{},
	}
	require.NoError(t, os.WriteFile(p.config, configuration(folder), 0o600))
	var err error
	p.public, err = freeAddress()
	require.NoError(t, err)
	p.private, err = freeAddress()
	require.NoError(t, err)
	p.environ = append([]string{
		"PATH=" + os.Getenv("PATH"), "CRMSYNCD_RECEIVER__LISTEN=" + p.public, "CRMSYNCD_ADMIN__LISTEN=" + p.private,
		"CRMSYNCD_OUTBOX__PATH=" + p.outbox,
	}, environ...)
	t.Cleanup(func() {
		if p.cmd != nil {
			p.kill()
		}
		if t.Failed() {
			lines := strings.Split(p.log.String(), "\n")
			t.Logf("the last lines of the daemon's log:\n%s", strings.Join(lines[max(0, len(lines)-30):], "\n"))
		}
	})
	return p
}

// nextPort is where the search for a free port goes on.
var nextPort atomic.Int64

// freeAddress returns an address of loopback that nobody listens on. Its port is below those that the kernel gives to
// outgoing connections, and none is given out twice: what was free stays free until the daemon uses it.
func freeAddress() (string, error) {
	const first, ports = 15_000, 17_000
	nextPort.CompareAndSwap(0, int64(os.Getpid())*100)
	for range ports {
		address := fmt.Sprintf("127.0.0.1:%d", first+nextPort.Add(1)%ports)
		if l, err := net.Listen("tcp", address); err == nil {
			return address, l.Close()
		}
	}
	return "", errors.New("no port is free")
}

// start starts the daemon and waits until it takes events.
func (p *process) start() {
	p.t.Helper()
	path, err := binary()
	require.NoError(p.t, err)
	p.cmd = exec.CommandContext(context.Background(), path, "serve", "--config", p.config)
	p.cmd.Env = p.environ
	p.cmd.Stderr, p.cmd.Stdout = p.log, p.log
	require.NoError(p.t, p.cmd.Start())
	p.exited = make(chan struct{})
	go func(cmd *exec.Cmd, exited chan<- struct{}) {
		_ = cmd.Wait() // the exit code says more
		close(exited)
	}(p.cmd, p.exited)
	p.eventually(30*time.Second, "the daemon is ready", func() bool {
		select {
		case <-p.exited:
			require.FailNow(p.t, "the daemon has exited", "%s\n%s", p.cmd.ProcessState, p.log)
		default:
		}
		status, _ := p.get("/readyz")
		return status == http.StatusOK
	})
}

// kill ends the daemon with SIGKILL, which nothing can catch, and waits for its end.
func (p *process) kill() {
	p.t.Helper()
	_ = p.cmd.Process.Kill() // it may have ended by itself
	<-p.exited
	p.cmd = nil
}

// stop ends the daemon with SIGTERM and returns its exit code.
func (p *process) stop() int {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Process.Signal(syscall.SIGTERM))
	<-p.exited
	code := p.cmd.ProcessState.ExitCode()
	p.cmd = nil
	return code
}

// get asks the operators' listener.
func (p *process) get(path string) (int, []byte) {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://"+p.private+path, nil)
	require.NoError(p.t, err)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, nil
	}
	return resp.StatusCode, body
}

// post sends a webhook and returns the answer's status.
func (p *process) post(body []byte) (int, string) {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, "http://"+p.public+"/webhooks/alohub",
		bytes.NewReader(body))
	require.NoError(p.t, err)
	req.Header.Set("Authorization", demoKey)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(answer)
}

// states returns how many calls are in each state.
func (p *process) states() map[string]int {
	status, body := p.get("/api/v1/stats")
	if status != http.StatusOK {
		return nil
	}
	var stats struct {
		States map[string]int `json:"states"`
	}
	require.NoError(p.t, json.Unmarshal(body, &stats), "%s", body)
	return stats.States
}

// drained waits until no call is on its way any more and returns the states.
func (p *process) drained(within time.Duration) map[string]int {
	p.t.Helper()
	var states map[string]int
	p.eventually(within, "every call is delivered or parked", func() bool {
		states = p.states()
		return states != nil && states["pending"]+states["in_flight"] == 0
	})
	return states
}

// eventually waits for a condition.
func (p *process) eventually(within time.Duration, what string, condition func() bool) {
	p.t.Helper()
	require.Eventually(p.t, condition, within, 20*time.Millisecond, what)
}

// sound verifies the file of a daemon that has stopped.
func (p *process) sound() {
	p.t.Helper()
	require.NoError(p.t, bolt.Verify(p.t.Context(), p.outbox, func(fault string) { p.t.Error(fault) }))
}
