package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/crmsyncd/crmsyncd/configs"
)

// webhookHead begins an authorized request whose body is announced and not yet sent.
const webhookHead = "POST /webhooks/alohub HTTP/1.1\r\nHost: crmsyncd\r\nAuthorization: " + demoKey +
	"\r\nContent-Type: application/json\r\n"

// dribble sends a request byte by byte until the daemon ends the connection, and returns what it was answered, 0 for
// nothing, and how long it was let live.
func dribble(ctx context.Context, address, first, rest string) (status int, lived time.Duration, err error) {
	conn, err := (&net.Dialer{Timeout: 30 * time.Second}).DialContext(ctx, "tcp", address)
	if err != nil {
		return 0, 0, err
	}
	defer hangUp(conn)
	began := time.Now()
	if _, err := io.WriteString(conn, first); err != nil {
		return 0, 0, err
	}
	var answer []byte
	buffer := make([]byte, 1024)
	for sent := 0; ; {
		if err := conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond)); err != nil {
			return 0, 0, err
		}
		n, err := conn.Read(buffer)
		answer = append(answer, buffer[:n]...)
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
		if sent < len(rest) && len(answer) == 0 {
			_, _ = io.WriteString(conn, rest[sent:sent+1]) // reading tells when the connection is gone
			sent++
		}
	}
	if len(answer) > len("HTTP/1.1 503") {
		status, err = strconv.Atoi(string(answer[9:12]))
	}
	return status, time.Since(began), err
}

// TestTortureSlowSenders lets thousands of senders dribble their headers or their bodies beside a normal load.
func TestTortureSlowSenders(t *testing.T) {
	slow := atMost(t, fewerInShort(2000, 200), 256)
	const limit = 2 * time.Second
	p := intake(t, "CRMSYNCD_RECEIVER__READ_TIMEOUT="+limit.String())
	p.start()
	before := newLoad(p, "before", 4)
	before.run(t.Context(), 4, 2*time.Millisecond, 800)
	before.requireOnly("200")

	during := newLoad(p, "during", 4)
	ctx, stop := context.WithCancel(t.Context())
	var normal sync.WaitGroup
	normal.Go(func() { during.run(ctx, 4, 2*time.Millisecond, math.MaxInt32) })
	var senders errgroup.Group
	lives, statuses := make([]time.Duration, slow), make([]int, slow)
	for i := range slow {
		first, rest := webhookHead[:len("POST /webhooks/alohub HTTP/1.1\r\n")], strings.Repeat("X-Slow: 1\r\n", 100)
		if i%2 == 0 {
			first, rest = webhookHead+"Content-Length: 900\r\n\r\n", strings.Repeat(" ", 900)
		}
		senders.Go(func() (err error) {
			statuses[i], lives[i], err = dribble(t.Context(), p.public, first, rest)
			return err
		})
	}
	require.NoError(t, senders.Wait())
	stop()
	normal.Wait()

	ended := map[int]int{}
	for _, status := range statuses {
		// 400: net/http takes half a header line for a whole one.
		require.Contains(t, []int{0, http.StatusServiceUnavailable, http.StatusBadRequest}, status)
		ended[status]++
	}
	during.requireOnly("200")
	require.NotEmpty(t, during.accepted)
	require.Less(t, slices.Max(lives), limit+20*time.Second)
	stored := int(p.metric(`crmsyncd_webhook_requests_total{code="200",result="stored"}`))
	require.Equal(t, len(before.accepted)+len(during.accepted), stored)
	survived(t, "B3", humanize.Comma(int64(slow))+" senders that dribble headers or bodies, limit "+limit.String(),
		"%d normal requests beside them, all answered 200: p99 %s ms during, %s ms before; %d slow ones closed in silence, "+
			"%d with 503, %d with 400, the last after %.1f s", len(during.accepted), during.p99(), before.p99(), ended[0],
		ended[http.StatusServiceUnavailable], ended[http.StatusBadRequest], slices.Max(lives).Seconds())
	require.Equal(t, exitFine, p.stop())
}

// TestTortureIdleConnections holds thousands of connections open that say nothing, a part of them after an event.
func TestTortureIdleConnections(t *testing.T) {
	idle := atMost(t, fewerInShort(10_000, 1000), 512)
	limit := time.Duration(fewerInShort(20, 5)) * time.Second
	p := intake(t, "CRMSYNCD_RECEIVER__READ_TIMEOUT="+limit.String(), "CRMSYNCD_RECEIVER__IDLE_TIMEOUT="+limit.String(),
		"CRMSYNCD_RECEIVER__MAX_CONNECTIONS="+strconv.Itoa(idle+256))
	p.start()
	newLoad(p, "warm", 4).run(t.Context(), 4, 0, 200)
	files, memory := p.metric("process_open_fds"), p.metric("process_resident_memory_bytes")

	conns := make([]net.Conn, idle)
	var openers errgroup.Group
	openers.SetLimit(32)
	for i := range conns {
		openers.Go(func() (err error) {
			conns[i], err = (&net.Dialer{Timeout: 30 * time.Second}).DialContext(t.Context(), "tcp", p.public)
			if err == nil && i%10 == 0 {
				err = postOn(conns[i], "idle-"+strconv.Itoa(i))
			}
			return err
		})
	}
	defer func() {
		for _, conn := range conns {
			hangUp(conn)
		}
	}()
	require.NoError(t, openers.Wait())
	p.eventually(limit, "every connection is accepted", func() bool {
		return p.metric("process_open_fds") >= files+float64(idle)
	})
	held := p.metric("process_resident_memory_bytes") - memory
	perConnection := held / float64(idle)

	fresh := newLoad(p, "fresh", 1)
	fresh.client.Transport.(*http.Transport).DisableKeepAlives = true
	fresh.run(t.Context(), 4, 0, 200)
	fresh.requireOnly("200")
	require.Less(t, perConnection, float64(64<<10))
	p.eventually(limit+30*time.Second, "the idle connections are closed", func() bool {
		return p.metric("process_open_fds") <= files+32
	})
	survived(t, "B4", humanize.Comma(int64(idle))+" idle connections",
		"%d new calls on connections of their own, all answered 200, p99 %s ms; %s of memory for each connection; all closed "+
			"after the limit of %s", len(fresh.accepted), fresh.p99(), humanize.IBytes(uint64(max(perConnection, 0))), limit)
	require.Equal(t, exitFine, p.stop())
}

// postOn sends an event on an open connection and reads that it is accepted.
func postOn(conn net.Conn, id string) error {
	body := string(endedCall(id))
	_, err := io.WriteString(conn, webhookHead+"Content-Length: "+strconv.Itoa(len(body))+"\r\n\r\n"+body)
	if err != nil {
		return err
	}
	status := make([]byte, len("HTTP/1.1 200"))
	if _, err := io.ReadFull(conn, status); err != nil {
		return err
	}
	if string(status) != "HTTP/1.1 200" {
		return fmt.Errorf("answered %q", status)
	}
	return nil
}

// TestTortureDescriptors gives the daemon few descriptors and more clients than those.
func TestTortureDescriptors(t *testing.T) {
	const clients, files = 300, 96
	p := intake(t, "CRMSYNCD_RECEIVER__READ_TIMEOUT=5s", "CRMSYNCD_RECEIVER__IDLE_TIMEOUT=5s")
	p.startUnder(tool(t, "prlimit"), "--nofile="+strconv.Itoa(files)+":"+strconv.Itoa(files))
	p.awaitReady()
	require.Contains(t, p.log.String(), "connections="+strconv.Itoa(files-descriptorReserve))

	// Full: nobody says anything, and the kernel holds those that are not accepted.
	crowd := make([]net.Conn, clients)
	for i := range crowd {
		crowd[i] = p.dial(p.public)
	}
	processor, began := p.metric("process_cpu_seconds_total"), time.Now()
	most, asked := 0.0, 0
	for time.Since(began) < 3*time.Second { // while it is full
		status, _ := p.get("/healthz")
		require.Equal(t, http.StatusOK, status, "healthy while it is full")
		most = max(most, p.metric("process_open_fds"))
		asked++
		<-time.After(100 * time.Millisecond)
	}
	processor = p.metric("process_cpu_seconds_total") - processor
	wall := time.Since(began).Seconds()
	require.Less(t, processor, wall/2, "it waits and does not spin")
	require.Less(t, most, float64(files), "the reserve is left")
	require.Greater(t, most, float64(files-descriptorReserve), "it was full")

	began = time.Now()
	for _, conn := range crowd {
		hangUp(conn)
	}
	after := newLoad(p, "after", 1)
	after.run(t.Context(), 1, 0, 1)
	recovered := time.Since(began)
	after.requireOnly("200")

	// All at once, each on a connection of its own: they take turns.
	rush := newLoad(p, "rush", 1)
	rush.client.Transport.(*http.Transport).DisableKeepAlives = true
	rush.run(t.Context(), clients, 0, clients)
	rush.requireOnly("200")
	require.Len(t, rush.accepted, clients)

	// The operators' listener cannot take what webhooks need.
	for i := range crowd {
		crowd[i] = p.dial(p.private)
	}
	beside := newLoad(p, "beside", 4)
	beside.run(t.Context(), 4, 0, 100)
	beside.requireOnly("200")
	for _, conn := range crowd {
		hangUp(conn)
	}
	require.NotContains(t, p.log.String(), "too many open files")
	survived(t, "B5", "300 clients, and descriptors for 32 of them",
		"%d of %d health checks and scrapes answered while full; %.2f CPU seconds in %.1f s; at most %.0f of %d descriptors; "+
			"accepting again %d ms after they left; %d at once then all answered 200", asked, asked, processor, wall, most,
		files, recovered.Milliseconds(), clients)
	require.Equal(t, exitFine, p.stop())
}

// TestTortureTooFewDescriptors holds that a daemon that could not work is not started.
func TestTortureTooFewDescriptors(t *testing.T) {
	p := intake(t)
	p.startUnder(tool(t, "prlimit"), "--nofile=64:64")
	<-p.exited
	require.Equal(t, exitCannot, p.cmd.ProcessState.ExitCode())
	require.Contains(t, p.log.String(), "the limit on open files (ulimit -n, LimitNOFILE= of systemd) is 64")
}

// TestConnectionLimit holds how many connections are left of the limit on open files.
func TestConnectionLimit(t *testing.T) {
	var limit syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	room := int(min(limit.Cur-descriptorReserve, math.MaxInt32))
	for configured, want := range map[int]int{1: 1, room - 1: room - 1, room: room, room + 1: room, 0: room} {
		log := &logBuffer{}
		d := &daemon{logger: (&program{err: log}).logger(configs.Log{Level: "info", Format: "text"})}
		got, err := d.connectionLimit(configured)
		require.NoError(t, err)
		require.Equal(t, want, got, "configured %d", configured)
		require.Equal(t, configured > room, log.String() != "", "a cut is logged")
	}
}
