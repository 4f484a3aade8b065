package admin

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"log/slog"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"
	"golang.org/x/time/rate"
)

// What a client of GET /api/v1/backup must know.
const (
	// BackupChecksum is the HTTP trailer with the SHA-256 of the body in hexadecimal. A download without it was cut, even
	// if it ended without an error.
	BackupChecksum = "X-Checksum-Sha256"
	// BackupSize is the header that says about how many bytes will come, to show progress by.
	BackupSize = "X-Outbox-Bytes"
	// DefaultBackupRate is how many bytes a second are sent without ?rate=, so that the disk serves events as well: at
	// 64 MiB/s the slowest acknowledgements took six times as long on a common virtual disk.
	DefaultBackupRate = 16 << 20
	// MinBackupRate is the least that ?rate= may ask for, but for 0, which is as fast as it goes: while a backup lasts, no
	// free page of the outbox is used again, and its file grows.
	MinBackupRate = 1 << 20
)

const (
	// backupStall is how long a client may take no byte. It is shorter than a daemon takes to stop.
	backupStall = 15 * time.Second
	// backupChunk is how many bytes are sent at a time.
	backupChunk = 256 << 10
)

// backups sends backups, one at a time.
type backups struct {
	*server
	running atomic.Bool
}

// download sends a consistent copy of the outbox while it goes on working. The length is not known before, so the end
// is marked by the checksum; after an error the connection is cut instead. A backup holds numbers and recordings in full.
func (b *backups) download(c *gin.Context) {
	p := parse(c, "rate")
	limit := p.rate("rate")
	if p.refused(c) {
		return
	}
	// Another site's page could not read the answer, but keep the one place taken.
	if site := c.GetHeader("Sec-Fetch-Site"); site != "" && site != "none" && site != "same-origin" {
		refuse(c, http.StatusForbidden, "cross_origin", "a backup must not be asked for by another site's page")
		return
	}
	if !b.running.CompareAndSwap(false, true) {
		refuse(c, http.StatusConflict, "backup_running", "another backup is being made, try again when it is done")
		return
	}
	defer b.running.Store(false)

	began := b.Now()
	ctx := c.Request.Context()
	s := &backupStream{
		ctx: ctx, out: c.Writer, control: http.NewResponseController(c.Writer), sum: sha256.New(),
		limiter: rate.NewLimiter(limit, backupChunk), name: "outbox-" + began.UTC().Format("20060102T150405Z") + ".db",
		size: b.Store.Stats().FileBytes,
	}
	n, err := b.Store.Backup(ctx, s)
	outcome := []any{slog.Int64("bytes", n), slog.Duration("took", b.Now().Sub(began))}
	switch {
	case err == nil:
		c.Writer.Header().Set(BackupChecksum, hex.EncodeToString(s.sum.Sum(nil)))
		b.Logger.InfoContext(ctx, "backup sent", outcome...)
	case !s.begun:
		b.refuseError(c, "make a backup", err)
	default:
		b.Logger.WarnContext(ctx, "backup broken off", append(outcome, slog.Any("err", err))...)
		panic(http.ErrAbortHandler)
	}
}

// rate returns a number of bytes a second; absent DefaultBackupRate, 0 no limit.
func (p *parameters) rate(name string) rate.Limit {
	text := p.text(name)
	if text == "" {
		return DefaultBackupRate
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || (n > 0 && n < MinBackupRate) {
		p.fail("%s must be a number of bytes a second, at least %d, or 0 for no limit", name, MinBackupRate)
	}
	if n == 0 {
		return rate.Inf
	}
	return rate.Limit(n)
}

// backupStream sends what is written to it, no faster than its limiter allows. The timeouts of the server are meant for
// short answers, so each chunk gets a new one.
type backupStream struct {
	ctx     context.Context //nolint:containedctx // it lives as long as one request
	out     http.ResponseWriter
	control *http.ResponseController
	limiter *rate.Limiter
	sum     hash.Hash
	name    string
	size    int64
	begun   bool
}

// Write sends p in chunks.
func (s *backupStream) Write(p []byte) (n int, err error) {
	if !s.begun {
		if err := s.begin(); err != nil {
			return 0, err
		}
	}
	for n < len(p) {
		chunk := p[n:min(len(p), n+backupChunk)]
		if err := s.limiter.WaitN(s.ctx, len(chunk)); err != nil {
			return n, err
		}
		if err := supported(s.control.SetWriteDeadline(time.Now().Add(backupStall))); err != nil {
			return n, err
		}
		sent, err := s.out.Write(chunk)
		_, _ = s.sum.Write(chunk[:sent]) // a hash returns no error
		n += sent
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// begin sets the headers. The read timeout must go, too: when it strikes, the server takes the client for gone.
func (s *backupStream) begin() error {
	s.begun = true
	h := s.out.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", `attachment; filename="`+s.name+`"`)
	h.Set("Trailer", BackupChecksum)
	h.Set(BackupSize, strconv.FormatInt(s.size, 10))
	return supported(s.control.SetReadDeadline(time.Time{}))
}

// supported drops the error of a connection that has no deadlines.
func supported(err error) error {
	if errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	return err
}
