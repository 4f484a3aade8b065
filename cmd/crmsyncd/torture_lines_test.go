package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/crmsyncd/crmsyncd/receiver/alohub/traffic"
)

// line is a call centre's line to the daemon: one connection, kept as long as the daemon keeps it.
type line struct {
	address string
	conn    net.Conn
	reader  *bufio.Reader
	// accepted: the daemon has answered on this connection. Before that it may be the kernel alone that knows of it.
	accepted bool
}

// What can become of an event on a line besides an answer.
const (
	noConnection = "no connection" // the daemon is not there, or went before it accepted the connection
	hungUp       = "hung up"       // the connection was closed before an answer began
	broken       = "broken"        // anything else
)

// post sends an event and returns the status of the answer or what happened instead.
func (l *line) post(body []byte) string {
	if l.conn == nil {
		conn, err := (&net.Dialer{Timeout: 30 * time.Second}).Dial("tcp", l.address)
		if err != nil {
			return noConnection
		}
		l.conn, l.reader, l.accepted = conn, bufio.NewReader(conn), false
	}
	status, last, err := l.exchange(body)
	accepted := l.accepted
	l.accepted = err == nil
	if err != nil || last {
		l.close()
	}
	switch {
	case err == nil:
		return status
	case errors.Is(err, io.EOF), errors.Is(err, syscall.EPIPE):
		return hungUp
	case errors.Is(err, syscall.ECONNRESET) && !accepted:
		return noConnection
	default:
		return broken + ": " + err.Error()
	}
}

func (l *line) exchange(body []byte) (status string, last bool, err error) {
	if err := l.conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return "", true, err
	}
	request := fmt.Appendf([]byte(webhookHead), "Content-Length: %d\r\n\r\n%s", len(body), body)
	if _, err := l.conn.Write(request); err != nil {
		return "", true, err
	}
	if _, err := l.reader.Peek(1); err != nil {
		return "", true, err
	}
	resp, err := http.ReadResponse(l.reader, nil)
	if err != nil {
		return "", true, errors.New("torn answer: " + err.Error()) // and not an end of the stream
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return "", true, errors.New("torn answer: " + err.Error()) // and not an end of the stream
	}
	return strconv.Itoa(resp.StatusCode), resp.Close, nil
}

func (l *line) close() {
	if l.conn != nil {
		_ = l.conn.Close()
		l.conn = nil
	}
}

// switchboard sends events over many lines, some of which hang up after each event, and counts what came of them.
type switchboard struct {
	p    *process
	book *ledger

	mu    sync.Mutex
	tally map[string]int
}

// run sends events until ctx ends. An event is sent again until it is acknowledged.
func (s *switchboard) run(ctx context.Context, events <-chan traffic.Event, lines int) {
	var group sync.WaitGroup
	for i := range lines {
		group.Go(func() {
			l := &line{address: s.p.public}
			defer l.close()
			for e := range events {
				for ctx.Err() == nil {
					outcome := l.post(e.Body)
					s.count(outcome)
					if outcome == "200" {
						s.book.ack(e)
						break
					}
					<-time.After(5 * time.Millisecond) // the daemon is being restarted
				}
				if i%4 == 3 {
					l.close()
				}
			}
		})
	}
	group.Wait()
}

func (s *switchboard) count(outcome string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tally[outcome]++
}

// generate gives out events of a busy call centre until ctx ends.
func generate(ctx context.Context, t *testing.T, seed uint64, events chan<- traffic.Event) {
	t.Helper()
	defer close(events)
	generator, err := traffic.New(traffic.Options{
		Seed: seed, Start: time.Now().Add(-time.Hour), Contacts: traffic.NewContacts(demoSeed, demoContacts),
		Agents: traffic.NewAgents(demoSeed, demoAgents),
	})
	if err != nil {
		t.Error(err)
		return
	}
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for e := range generator.Stream(20, 600) {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		select {
		case <-ctx.Done():
			return
		case events <- e:
		}
	}
}
