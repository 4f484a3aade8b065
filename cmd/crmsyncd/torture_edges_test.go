package main

import (
	"bufio"
	"bytes"
	byteorder "encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// bodyOf is a request's body and its length.
func bodyOf(body []byte) (io.ReadCloser, int64) {
	return io.NopCloser(bytes.NewReader(body)), int64(len(body))
}

// TestTorturePaths asks the webhook listener for all that an attacker tries first. The raw requests of the receiver's
// tests say more; this holds that the program puts nothing else on that listener.
func TestTorturePaths(t *testing.T) {
	p := intake(t)
	p.start()
	refused := 0
	ask := func(method, target string, status int) {
		conn := p.dial(p.public)
		require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
		body := string(endedCall("never"))
		_, err := fmt.Fprintf(conn, "%s%s\r\n%sContent-Length: %d\r\nConnection: close\r\n\r\n%s", method+" "+target+" HTTP/1.1",
			"\r\nX-Forwarded-For: 127.0.0.1", strings.TrimPrefix(webhookHead, "POST /webhooks/alohub HTTP/1.1\r\n"), len(body), body)
		require.NoError(t, err)
		resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
		require.NoError(t, err, "%s %s", method, target)
		defer func() { _ = resp.Body.Close() }()
		require.Equal(t, status, resp.StatusCode, "%s %s", method, target)
		if method != http.MethodHead {
			var answer struct {
				Error struct{ Code, Message string } `json:"error"`
			}
			require.NoError(t, json.NewDecoder(resp.Body).Decode(&answer), "%s %s", method, target)
			require.NotEmpty(t, answer.Error.Code)
			require.NotEmpty(t, answer.Error.Message)
		}
		refused++
	}
	for _, target := range []string{
		"/", "/metrics", "/healthz", "/readyz", "/api/v1/stats", "/api/v1/calls", "/api/v1/config", "/debug/pprof/",
		"/debug/vars", "/calls", "/assets/", "/favicon.ico", "/.git/config", "/.env", "/config.yaml", "/webhooks", "/webhooks/",
		"/webhooks/alohub/", "//webhooks/alohub", "/webhooks/../metrics", "/webhooks/%2e%2e/metrics", "/webhooks/alohub%00",
		"/webhooks/ALOHUB", "/webhooks/alohub/../../api/v1/stats", "/..%2f..%2fetc%2fpasswd",
	} {
		ask(http.MethodGet, target, http.StatusNotFound)
		ask(http.MethodPost, target, http.StatusNotFound)
	}
	for _, method := range []string{"GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "post"} {
		ask(method, "/webhooks/alohub", http.StatusMethodNotAllowed)
	}
	require.Empty(t, p.callIDs())
	survived(t, "B14", "other paths and methods on the webhook listener",
		"%d requests, all refused with 404 or 405 and a JSON error; nothing stored", refused)
	require.Equal(t, exitFine, p.stop())
}

// TestTortureListeners holds that the process listens where it was told to, and nowhere else.
func TestTortureListeners(t *testing.T) {
	p := intake(t)
	p.start()
	newLoad(p, "some", 4).run(t.Context(), 4, 0, 20)
	want := []string{p.public, p.private}
	slices.Sort(want)
	got := listening(t, p.cmd.Process.Pid)
	require.Equal(t, want, got)
	for _, address := range got {
		require.True(t, netip.MustParseAddrPort(address).Addr().IsLoopback(), address)
	}
	survived(t, "B15", "sockets that the process listens on", "the webhooks' and the operators', both on loopback, and no other")
	require.Equal(t, exitFine, p.stop())
}

// listening returns the addresses that a process listens on, by what the kernel says of its open files.
func listening(t *testing.T, pid int) []string {
	t.Helper()
	sockets := map[string]bool{}
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	require.NoError(t, err)
	for _, file := range files {
		if target, err := os.Readlink(file); err == nil { // it may be closed by now
			if inode, found := strings.CutPrefix(target, "socket:["); found {
				sockets[strings.TrimSuffix(inode, "]")] = true
			}
		}
	}
	var addresses []string
	for _, table := range []string{"tcp", "tcp6", "udp", "udp6"} {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", pid, table))
		if os.IsNotExist(err) { // a kernel without IPv6
			continue
		}
		require.NoError(t, err)
		for line := range strings.Lines(string(text)) {
			// sl, local address, remote address, state, queues, timer, retransmits, uid, timeout, inode
			fields := strings.Fields(line)
			if len(fields) < 10 || !sockets[fields[9]] {
				continue
			}
			const listen, unconnected = "0A", "07"
			if fields[3] == listen || strings.HasPrefix(table, "udp") && fields[3] == unconnected {
				addresses = append(addresses, kernelAddress(t, fields[1]))
			}
		}
	}
	slices.Sort(addresses)
	return addresses
}

// kernelAddress reads an address as /proc/net writes it: 32-bit words in the order of the machine, then the port.
func kernelAddress(t *testing.T, text string) string {
	t.Helper()
	host, port, found := strings.Cut(text, ":")
	require.True(t, found, text)
	words, err := hex.DecodeString(host)
	require.NoError(t, err, text)
	for at := 0; at+4 <= len(words); at += 4 {
		byteorder.BigEndian.PutUint32(words[at:], byteorder.NativeEndian.Uint32(words[at:]))
	}
	number, err := strconv.ParseUint(port, 16, 16)
	require.NoError(t, err, text)
	return net.JoinHostPort(net.IP(words).String(), strconv.FormatUint(number, 10))
}
