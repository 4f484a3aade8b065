package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm/admin"
	"github.com/crmsyncd/crmsyncd/outbox"
	"github.com/crmsyncd/crmsyncd/outbox/bolt"
)

// outcome is how a command ended.
type outcome struct {
	code     int
	out, err string
}

// keeper returns a command of the real program with the daemon's configuration, changed by environment variables.
func (p *process) keeper(environ []string, args ...string) *exec.Cmd {
	p.t.Helper()
	path, err := binary()
	require.NoError(p.t, err)
	cmd := exec.CommandContext(p.t.Context(), path, append(args, "--config", p.config)...)
	cmd.Env = append(append([]string{}, p.environ...), environ...)
	return cmd
}

// keep runs a command to its end.
func (p *process) keep(environ []string, args ...string) outcome {
	p.t.Helper()
	cmd := p.keeper(environ, args...)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	require.NotNil(p.t, cmd.ProcessState, "%v", err)
	return outcome{cmd.ProcessState.ExitCode(), out.String(), errOut.String()}
}

// fine requires that a command succeeded and returns its JSON.
func (o outcome) fine(t *testing.T) (result struct{ Contents contents }) {
	t.Helper()
	require.Equal(t, exitFine, o.code, o.err)
	require.NoError(t, json.Unmarshal([]byte(o.out), &result), o.out)
	return result
}

// names returns what stands in a folder.
func names(t *testing.T, folder string) []string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	list := []string{}
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

// TestBackupsUnderLoad makes backup after backup while events stream in. Each is sound, restores, and holds at least
// what was acknowledged before it began.
func TestBackupsUnderLoad(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped by -short: it makes twenty backups of a busy daemon")
	}
	_, url := crmServer(t, 1)
	p := newProcess(t, url, "CRMSYNCD_DELIVERY__HOLD=50ms", "CRMSYNCD_MATCH__UNMATCHED=create", "CRMSYNCD_MATCH__WAIT=0s")
	p.start()
	book := newLedger()
	acked := func() (calls, events int) {
		book.mu.Lock()
		defer book.mu.Unlock()
		for _, bodies := range book.acked {
			events += len(bodies)
		}
		return len(book.acked), events
	}
	sending, stopSending := context.WithCancel(t.Context())
	var sender sync.WaitGroup
	sender.Go(func() { stream(sending, t, p, 1, book) })
	defer sender.Wait()
	defer stopSending()

	folder := t.TempDir()
	var before contents
	for round := range 20 {
		_, last := acked()
		p.eventually(30*time.Second, "events come in", func() bool { _, events := acked(); return events > last+5 })
		calls, _ := acked()
		file := filepath.Join(folder, fmt.Sprintf("backup-%d.db", round))
		made := p.keep(nil, "backup", file, "--output", "json").fine(t).Contents
		entries := made.Entries["pending"] + made.Entries["delivered"] + made.Entries["parked"]
		require.GreaterOrEqual(t, entries, int64(calls), "every call that was acknowledged before is in it")
		require.Greater(t, made.Messages, before.Messages)
		require.GreaterOrEqual(t, made.Entries["delivered"], before.Entries["delivered"])
		before = made

		restored := filepath.Join(folder, "restored", fmt.Sprintf("outbox-%d.db", round))
		elsewhere := []string{"CRMSYNCD_OUTBOX__PATH=" + restored}
		require.Equal(t, made, p.keep(elsewhere, "restore", file, "--output", "json").fine(t).Contents)
		require.Equal(t, made, p.keep(elsewhere, "outbox", "check", "--output", "json").fine(t).Contents)
	}
	require.Len(t, names(t, folder), 21, "twenty backups, the folder of the restored ones, and nothing else")
	require.Len(t, names(t, filepath.Join(folder, "restored")), 20)
	stopSending()
	sender.Wait()
	require.Equal(t, exitFine, p.stop())
	p.sound()
	t.Logf("the last backup: %s", before.String())
}

// outboxFile writes a sound outbox with some entries to path.
func outboxFile(t *testing.T, path string, entries int) {
	t.Helper()
	s, err := bolt.Open(bolt.Options{Path: path})
	require.NoError(t, err)
	const batch = 100
	for first := 0; first < entries; first += batch {
		var msgs []outbox.Message
		for i := range batch {
			key := fmt.Sprintf("call-%d", first+i)
			msgs = append(msgs, outbox.Message{Key: key, Body: bytes.Repeat([]byte(key), 100), Terms: []string{"agent:lan"}})
		}
		_, err := s.Append(t.Context(), msgs...)
		require.NoError(t, err)
	}
	require.NoError(t, s.Close())
	_, err = bolt.Compact(t.Context(), bolt.CompactOptions{Path: path}) // then every record is there once
	require.NoError(t, err)
}

func TestBackupRefusesWhatIsNotWhole(t *testing.T) {
	folder := t.TempDir()
	source := filepath.Join(folder, "source.db")
	outboxFile(t, source, 200)
	whole, err := os.ReadFile(source)
	require.NoError(t, err)
	damaged := bytes.Clone(whole)
	at := bytes.Index(damaged, []byte("call-150call-150"))
	require.Positive(t, at)
	damaged[at] ^= 1
	checksum := func(body []byte) string { sum := sha256.Sum256(body); return hex.EncodeToString(sum[:]) }
	send := func(w http.ResponseWriter, body []byte, sum string) {
		w.Header().Set("Trailer", admin.BackupChecksum)
		_, _ = w.Write(body) // the client may have gone
		w.Header().Set(admin.BackupChecksum, sum)
	}
	refuse := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"whole": {func(w http.ResponseWriter, _ *http.Request) { send(w, whole, checksum(whole)) }, ""},
		"cut": {func(w http.ResponseWriter, _ *http.Request) {
			send(w, whole[:len(whole)/2], "")
			panic(http.ErrAbortHandler)
		}, "the download was cut after"},
		"cut with an end": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(whole[:len(whole)/2])
		}, "without its checksum"},
		"changed": {func(w http.ResponseWriter, _ *http.Request) {
			send(w, damaged, checksum(whole))
		}, "checksum of the backup is wrong"},
		"damaged at its source": {func(w http.ResponseWriter, _ *http.Request) {
			send(w, damaged, checksum(damaged))
		}, "the backup is not sound, so it was not kept: record is damaged: faults found: 1, the first: entry call-150"},
		"not an outbox": {func(w http.ResponseWriter, _ *http.Request) {
			send(w, []byte("hello"), checksum([]byte("hello")))
		}, "not a bbolt file at all"},
		"empty": {func(w http.ResponseWriter, _ *http.Request) { send(w, nil, checksum(nil)) }, "it is empty"},
		"busy": {
			refuse(http.StatusConflict, `{"error":{"message":"another backup \u001b[2J"}}`), "refuses: another backup \uFFFD",
		},
		"somebody else":   {refuse(http.StatusOK, "<html>"), "without its checksum"},
		"an older daemon": {refuse(http.StatusNotFound, "404"), "no daemon that makes backups: HTTP 404"},
		"elsewhere": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
		}, "HTTP 302"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(c.answer)
			defer server.Close()
			p := newProcess(t, "http://127.0.0.1:1", "CRMSYNCD_ADMIN__LISTEN="+strings.TrimPrefix(server.URL, "http://"))
			file := filepath.Join(t.TempDir(), "backup.db")
			require.NoError(t, os.WriteFile(file, []byte("the backup of yesterday"), 0o600))
			got := p.keep(nil, "backup", file, "--force")
			require.Equal(t, []string{"backup.db"}, names(t, filepath.Dir(file)), "nothing is left behind")
			is, err := os.ReadFile(file)
			require.NoError(t, err)
			if c.want == "" {
				require.Equal(t, exitFine, got.code, got.err)
				require.True(t, bytes.Equal(whole, is))
				return
			}
			require.Equal(t, exitCannot, got.code)
			require.Contains(t, got.err, c.want)
			require.Equal(t, "the backup of yesterday", string(is), "the old file is kept")
		})
	}
}
