package admin_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm/admin"
	"github.com/crmsyncd/crmsyncd/outbox"
)

// backupStore is a store whose backup is what a test says.
type backupStore struct {
	admin.Store
	backup func(ctx context.Context, w io.Writer) (int64, error)
}

func (s backupStore) Backup(ctx context.Context, w io.Writer) (int64, error) { return s.backup(ctx, w) }

// backupOf lets the fixture's store write a backup of its own.
func backupOf(backup func(ctx context.Context, w io.Writer) (int64, error)) func(o *admin.Options) {
	return func(o *admin.Options) { o.Store = backupStore{o.Store, backup} }
}

// sized is a backup of so many bytes.
func sized(n int) func(context.Context, io.Writer) (int64, error) {
	return func(_ context.Context, w io.Writer) (int64, error) {
		return io.CopyN(w, strings.NewReader(strings.Repeat("outbox", n/6+1)), int64(n))
	}
}

// fetch downloads a backup and returns the answer with its body and what ended it.
func (f *fixture) fetch(path string) (*http.Response, []byte, error) {
	f.t.Helper()
	req, err := http.NewRequestWithContext(f.t.Context(), http.MethodGet, f.server.URL+path, nil)
	require.NoError(f.t, err)
	resp, err := f.server.Client().Do(req)
	require.NoError(f.t, err)
	defer func() { require.NoError(f.t, resp.Body.Close()) }()
	body, err := io.ReadAll(resp.Body)
	return resp, body, err
}

func TestBackupIsAWholeCopyWithItsChecksum(t *testing.T) {
	const size = 1_000_000 // several chunks, and not a multiple of any
	var want bytes.Buffer
	_, err := sized(size)(t.Context(), &want)
	require.NoError(t, err)
	f := newFixture(t, backupOf(sized(size)))
	f.append("a", "b")
	for _, path := range []string{"/api/v1/backup", "/api/v1/backup?rate=0", "/api/v1/backup?rate=1048576"} {
		resp, body, err := f.fetch(path)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, resp.StatusCode)
		require.True(t, bytes.Equal(want.Bytes(), body))
		sum := sha256.Sum256(body)
		require.Equal(t, hex.EncodeToString(sum[:]), resp.Trailer.Get(admin.BackupChecksum))
		require.Empty(t, resp.Header.Get(admin.BackupChecksum), "it is known at the end only")
		require.Equal(t, "application/octet-stream", resp.Header.Get("Content-Type"))
		require.Equal(t, `attachment; filename="outbox-20260302T030002Z.db"`, resp.Header.Get("Content-Disposition"))
		require.Equal(t, "no-store", resp.Header.Get("Cache-Control"))
		require.Equal(t, strconv.FormatInt(f.store.Stats().FileBytes, 10), resp.Header.Get(admin.BackupSize))
	}
	require.Contains(t, f.log.String(), `"msg":"backup sent","bytes":`+strconv.Itoa(want.Len()))
}

func TestBackupIsRefused(t *testing.T) {
	never := backupOf(func(context.Context, io.Writer) (int64, error) {
		t.Error("no backup must be made")
		return 0, nil
	})
	f := newFixture(t, never)
	for _, query := range []string{
		"rate=1048575", "rate=1", "rate=-1", "rate=fast", "rate=64MiB", "rate=0&rate=0", "speed=0",
	} {
		requireError(t, f.get("/api/v1/backup?"+query), http.StatusBadRequest, "invalid_parameter")
	}
	for _, site := range []string{"cross-site", "same-site"} {
		a := f.do(http.MethodGet, "/api/v1/backup", func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", site) })
		requireError(t, a, http.StatusForbidden, "cross_origin")
	}
	requireError(t, f.post("/api/v1/backup"), http.StatusMethodNotAllowed, "method_not_allowed")
	guarded := newFixture(t, func(o *admin.Options) { never(o); withToken(o) })
	requireError(t, guarded.get("/api/v1/backup"), http.StatusUnauthorized, "unauthorized")
}

func TestBackupThatCannotBeginIsAnError(t *testing.T) {
	for err, want := range map[error]int{
		outbox.ErrClosed: http.StatusServiceUnavailable, errors.New("disk"): http.StatusInternalServerError,
	} {
		f := newFixture(t, backupOf(func(context.Context, io.Writer) (int64, error) { return 0, err }))
		a := f.get("/api/v1/backup")
		require.Equal(t, want, a.code)
		require.Empty(t, a.header.Get("Content-Disposition"))
		require.Empty(t, a.header.Get("Trailer"))
	}
}

func TestBackupThatBreaksIsNotTakenForAWholeOne(t *testing.T) {
	f := newFixture(t, backupOf(func(ctx context.Context, w io.Writer) (int64, error) {
		n, err := sized(100_000)(ctx, w)
		return n, errors.Join(err, errors.New("the disk has gone"))
	}))
	resp, body, err := f.fetch("/api/v1/backup")
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Empty(t, resp.Trailer.Get(admin.BackupChecksum))
	require.LessOrEqual(t, len(body), 100_000)
	require.Contains(t, f.log.String(), "backup broken off")
	require.Contains(t, f.log.String(), "the disk has gone")
}

func TestOneBackupAtATime(t *testing.T) {
	begun, finish := make(chan struct{}), make(chan struct{})
	f := newFixture(t, backupOf(func(_ context.Context, w io.Writer) (int64, error) {
		begun <- struct{}{}
		<-finish
		n, err := w.Write([]byte("outbox"))
		return int64(n), err
	}))
	first := make(chan error, 1)
	download := func() {
		_, body, err := f.fetch("/api/v1/backup")
		if err == nil && string(body) != "outbox" {
			err = errors.New("not the backup")
		}
		first <- err
	}
	for range 2 {
		go download()
		<-begun
		requireError(t, f.get("/api/v1/backup"), http.StatusConflict, "backup_running")
		finish <- struct{}{}
		require.NoError(t, <-first)
	}
}

func TestBackupEndsWhenTheClientHasGone(t *testing.T) {
	begun, ended := make(chan struct{}), make(chan error, 1)
	var backups atomic.Int64
	f := newFixture(t, backupOf(func(ctx context.Context, w io.Writer) (int64, error) {
		n, err := w.Write([]byte("outbox"))
		if backups.Add(1) > 1 {
			return int64(n), err
		}
		close(begun)
		<-ctx.Done()
		ended <- ctx.Err()
		return int64(n), ctx.Err()
	}))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.server.URL+"/api/v1/backup", nil)
	require.NoError(t, err)
	gone := make(chan error, 1)
	go func() {
		resp, err := f.server.Client().Do(req)
		if err == nil {
			_, err = io.Copy(io.Discard, resp.Body)
			err = errors.Join(err, resp.Body.Close())
		}
		gone <- err
	}()
	<-begun
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
	require.ErrorIs(t, <-gone, context.Canceled)
	require.Eventually(t, func() bool { return f.get("/api/v1/backup").code == http.StatusOK }, 10*time.Second,
		time.Millisecond, "its place is free again")
}

func TestBackupIsThrottled(t *testing.T) {
	const size = 32 << 20
	for query, want := range map[string]time.Duration{
		"": 2 * time.Second, "?rate=1048576": 32 * time.Second, "?rate=0": 0,
	} {
		t.Run(query, func(t *testing.T) {
			options := newFixture(t, backupOf(sized(size))).options
			options.Now = nil
			synctest.Test(t, func(t *testing.T) {
				r := httptest.NewRequest(http.MethodGet, "http://localhost/api/v1/backup"+query, nil)
				r.RemoteAddr = "127.0.0.1:1"
				w := httptest.NewRecorder()
				began := time.Now()
				admin.New(options).ServeHTTP(w, r)
				took := time.Since(began)
				require.Equal(t, http.StatusOK, w.Code)
				require.Equal(t, size, w.Body.Len())
				require.LessOrEqual(t, took, want)
				require.GreaterOrEqual(t, took, want*9/10)
			})
		})
	}
}

// pipeListener accepts connections in memory, which know the fake time of a bubble.
type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return loopbackConn{c}, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error   { close(l.done); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

// loopbackConn says that it comes from this machine.
type loopbackConn struct{ net.Conn }

func (loopbackConn) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

// overPipe asks a server with short timeouts for a backup and hands the client's end of the connection to use.
func overPipe(t *testing.T, options admin.Options, query string, use func(conn net.Conn)) {
	t.Helper()
	l := &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
	server := &http.Server{
		Handler: admin.New(options), ReadTimeout: 2 * time.Second, WriteTimeout: 3 * time.Second,
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	client, conn := net.Pipe()
	l.conns <- conn
	request := "GET /api/v1/backup" + query + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
	_, err := io.WriteString(client, request)
	require.NoError(t, err)
	use(client)
	require.NoError(t, client.Close())
	require.NoError(t, server.Shutdown(t.Context()))
	require.ErrorIs(t, <-served, http.ErrServerClosed)
}

func TestBackupOutlivesTheTimeoutsOfTheServer(t *testing.T) {
	const size = 20 << 20
	options := newFixture(t, backupOf(sized(size))).options
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		overPipe(t, options, "?rate=1048576", func(conn net.Conn) {
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			require.NoError(t, err)
			n, err := io.Copy(io.Discard, resp.Body)
			require.NoError(t, err)
			require.EqualValues(t, size, n)
			require.Len(t, resp.Trailer.Get(admin.BackupChecksum), 64)
			require.NoError(t, resp.Body.Close())
		})
		require.Greater(t, time.Since(began), 15*time.Second)
	})
}

func TestBackupOfAClientThatStopsReadingIsBrokenOff(t *testing.T) {
	options := newFixture(t, backupOf(sized(20<<20))).options
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		overPipe(t, options, "?rate=0", func(conn net.Conn) {
			some := make([]byte, 1000)
			_, err := io.ReadFull(conn, some)
			require.NoError(t, err)
			synctest.Wait()
			<-time.After(16 * time.Second) // in the time of the bubble
			synctest.Wait()
			_, err = io.Copy(io.Discard, conn)
			require.NoError(t, err, "the connection is closed")
		})
		require.Less(t, time.Since(began), 17*time.Second)
	})
}
