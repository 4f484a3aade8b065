package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

// repeated is a stream of a text again and again, ended after so many bytes.
func repeated(text string, bytes int64) io.Reader {
	return io.LimitReader(&endless{text: text}, bytes)
}

type endless struct {
	text string
	at   int
}

// Read fills p.
func (e *endless) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		copied := copy(p[n:], e.text[e.at:])
		n += copied
		e.at = (e.at + copied) % len(e.text)
	}
	return n, nil
}

// monster is a request that no call centre sends.
type monster struct {
	name string
	// headers follow those of an authorized request, body follows them.
	headers string
	body    func() io.Reader
	// status is what it is answered.
	status int
}

// monsters returns them all; each must be answered, whatever it does.
func monsters(t *testing.T) []monster {
	t.Helper()
	var bomb bytes.Buffer
	compressor := gzip.NewWriter(&bomb)
	_, err := io.Copy(compressor, repeated("0", 10<<20))
	require.NoError(t, err)
	require.NoError(t, compressor.Close())
	text := func(body string) func() io.Reader { return func() io.Reader { return strings.NewReader(body) } }
	sized := func(body string) (headers string, stream func() io.Reader) {
		return fmt.Sprintf("Content-Length: %d\r\n", len(body)), text(body)
	}
	const gigabyte = 1 << 30
	chunk := fmt.Sprintf("%x\r\n%s\r\n", 32<<10, strings.Repeat("[", 32<<10))
	list := []monster{
		{"a body of 1 GB", fmt.Sprintf("Content-Length: %d\r\n", gigabyte), func() io.Reader { return repeated("[", gigabyte) }, 413},
		{"a chunked body of 1 GB", "Transfer-Encoding: chunked\r\n", func() io.Reader { return repeated(chunk, gigabyte) }, 413},
		{"chunks of one byte without end", "Transfer-Encoding: chunked\r\n", func() io.Reader { return repeated("1\r\n[\r\n", gigabyte) }, 413},
		{"a header of 1 MB", "X-Long: " + strings.Repeat("x", 1<<20) + "\r\n", text(""), 431},
		{"100,000 headers", strings.Repeat("X-Many: 1\r\n", 100_000), text(""), 431},
	}
	add := func(name, headers, body string, status int) {
		length, stream := sized(body)
		list = append(list, monster{name, headers + length, stream, status})
	}
	add("a gzip bomb", "Content-Encoding: gzip\r\n", bomb.String(), 415)
	add("60,000 brackets", "", strings.Repeat("[", 60_000), 400)
	add("30,000 arrays in an event", "", `{"call_id":"deep","x":`+strings.Repeat("[", 30_000)+strings.Repeat("]", 30_000)+`}`, 400)
	add("10,000 objects in an event", "", `{"call_id":"deep","x":`+strings.Repeat(`{"":`, 10_000)+"1"+strings.Repeat("}", 10_000)+`}`, 400)
	return list
}

// meet sends a monster until the daemon has had enough of it, and returns the answer's status and how much was sent.
func (m monster) meet(ctx context.Context, address, key string) (status int, sent int64, err error) {
	conn, err := (&net.Dialer{Timeout: time.Minute}).DialContext(ctx, "tcp", address)
	if err != nil {
		return 0, 0, err
	}
	defer hangUp(conn)
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return 0, 0, err
	}
	head := strings.Replace(webhookHead, demoKey, key, 1) + m.headers + "\r\n"
	var sender sync.WaitGroup
	sender.Go(func() {
		// An error says that the daemon has closed the connection; what it answered before can still be read.
		sent, _ = io.Copy(conn, io.MultiReader(strings.NewReader(head), m.body()))
	})
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err == nil {
		status = resp.StatusCode
		_ = resp.Body.Close()
		if resp.Close {
			_, _ = io.Copy(io.Discard, conn) // until the daemon closes
		}
	}
	hangUp(conn)
	sender.Wait()
	return status, sent, err
}

// TestTortureBodies sends requests that are far too large, from strangers and from an authorized sender, several at once.
func TestTortureBodies(t *testing.T) {
	const atOnce = 16
	p := intake(t)
	p.start()
	newLoad(p, "warm", 8).run(t.Context(), 8, 0, 200)
	memory := p.memory("VmRSS")
	var most int64
	var statuses []string
	for _, m := range monsters(t) {
		var group errgroup.Group
		var mu sync.Mutex
		for i := range atOnce {
			key, want := demoKey, m.status
			if i%2 == 0 {
				key = "some-key-that-is-wrong"
				if want != http.StatusRequestHeaderFieldsTooLarge {
					want = http.StatusUnauthorized
				}
			}
			group.Go(func() error {
				status, sent, err := m.meet(t.Context(), p.public, key)
				mu.Lock()
				defer mu.Unlock()
				most = max(most, sent)
				if err == nil && status != want {
					err = fmt.Errorf("answered %d instead of %d", status, want)
				}
				return err
			})
		}
		require.NoError(t, group.Wait(), m.name)
		statuses = append(statuses, fmt.Sprintf("%s %d", m.name, m.status))
	}
	grown := p.memory("VmHWM") - memory
	require.Less(t, grown, int64(64<<20), "the memory at its highest")
	require.Less(t, most, int64(64<<20), "what the kernel took for us")

	status, body := p.get("/api/v1/stats")
	require.Equal(t, http.StatusOK, status)
	var stats struct {
		Entries    int `json:"entries"`
		Quarantine struct {
			Items int   `json:"items"`
			Bytes int64 `json:"bytes"`
		} `json:"quarantine"`
	}
	require.NoError(t, json.Unmarshal(body, &stats))
	require.Equal(t, 200, stats.Entries, "no monster is an event")
	require.Positive(t, stats.Quarantine.Items)
	require.LessOrEqual(t, stats.Quarantine.Items, len(statuses)-2, "one of each kind that could be read")
	require.LessOrEqual(t, stats.Quarantine.Bytes, int64(len(statuses)*64<<10))
	survived(t, "B6, B7", "monstrous requests, 16 at once, half of them with the key",
		"%s; 401 without the key; at most %s of 1 GB taken from a sender; memory grew by %s at most; %d bodies, %s, in quarantine",
		strings.Join(statuses, ", "), humanize.IBytes(uint64(most)), humanize.IBytes(uint64(max(grown, 0))),
		stats.Quarantine.Items, humanize.IBytes(uint64(stats.Quarantine.Bytes)))
	require.Equal(t, exitFine, p.stop())
	p.sound()
}
