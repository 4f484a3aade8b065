package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/crmsyncd/crmsyncd/configs"
	"github.com/crmsyncd/crmsyncd/crm/admin"
	"github.com/crmsyncd/crmsyncd/outbox/bolt"
)

// backup is what backup was asked for.
type backup struct {
	file   string
	rate   configs.Bytes
	force  bool
	output string
	// cfg is that of the daemon.
	cfg *configs.Config
}

func (p *program) backupCommand() *cobra.Command {
	var b backup
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "Copy the outbox of the running daemon into a file",
		Long: "Copy the outbox of the running daemon into a file, while it goes on working. The daemon is found by\n" +
			"admin.listen and admin.token of the configuration. The copy is verified before it gets its name. It holds\n" +
			"numbers and recordings in full: keep it like the outbox itself.",
		Args: cobra.ExactArgs(1),
	}
	outputFlag(cmd, &b.output)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		b.file = args[0]
		return p.backup(cmd.Context(), b)
	}
	cmd.Flags().TextVar(&b.rate, "rate", configs.Bytes(admin.DefaultBackupRate),
		"most bytes a second, so that the daemon's disk serves events as well; 0: no limit")
	cmd.Flags().BoolVar(&b.force, "force", false, "replace an existing file")
	return cmd
}

// backup downloads a backup aside, verifies it and gives it its name.
func (p *program) backup(ctx context.Context, b backup) (err error) {
	if b.rate > 0 && b.rate < admin.MinBackupRate {
		return usageError(fmt.Errorf("--rate %s: it must be at least %s, or 0", b.rate, configs.Bytes(admin.MinBackupRate)))
	}
	if b.cfg, err = p.load(); err != nil {
		return err
	}
	if err := b.mayWrite(); err != nil {
		return err
	}
	ctx, stop := withSignals(ctx, p.logger(quiet))
	defer stop()
	began := time.Now()
	part, err := os.CreateTemp(filepath.Dir(b.file), filepath.Base(b.file)+".part-*")
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	defer func() { _ = os.Remove(part.Name()) }() // gone already after the rename
	bar := p.byteProgress("copying")
	sum, err := b.download(ctx, &steadyFile{File: part}, bar.show)
	bar.done()
	if err := errors.Join(err, part.Sync(), part.Close()); err != nil {
		return interrupted(err)
	}
	if err := mustBeSound(ctx, part.Name()); err != nil {
		return interrupted(fmt.Errorf("the backup is not sound, so it was not kept: %w", err))
	}
	held, err := bolt.ReadContents(part.Name())
	if err != nil {
		return err
	}
	// Somebody may have made a file of this name meanwhile.
	if err := b.mayWrite(); err != nil {
		return err
	}
	if err := errors.Join(os.Rename(part.Name(), b.file), syncFolder(filepath.Dir(b.file))); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	return p.printBackup(b, sum, newContents(held), time.Since(began))
}

// mayWrite returns an error when the file must not be replaced.
func (b backup) mayWrite() error {
	info, err := os.Stat(b.file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("backup: %w", err)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is not a file: name a new one", b.file)
	case !b.force:
		return fmt.Errorf("%s is there already: name a new file, or replace it with --force", b.file)
	}
	if _, err := bolt.ReadContents(b.file); errors.Is(err, bolt.ErrInUse) {
		return fmt.Errorf("%s is an outbox in use: name another file", b.file)
	}
	return nil
}

// syncFolder makes a new name in a folder durable.
func syncFolder(folder string) error {
	f, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func (p *program) printBackup(b backup, sum string, c *contents, took time.Duration) error {
	if b.output == outputJSON {
		return json.NewEncoder(p.out).Encode(struct {
			File     string    `json:"file"`
			SHA256   string    `json:"sha256"`
			Seconds  float64   `json:"seconds"`
			Contents *contents `json:"contents"`
		}{b.file, sum, took.Seconds(), c})
	}
	_, err := fmt.Fprintf(p.out, "%s is a sound backup: %s\n", b.file, c)
	return err
}

// Bounds of what the daemon is waited for: until it is reached, until it answers, and for each piece of the backup.
const (
	dialTimeout  = 5 * time.Second
	answerWithin = 30 * time.Second
	pieceWithin  = 30 * time.Second
)

var errStalled = fmt.Errorf("the daemon has sent nothing for %s", pieceWithin)

// download writes a backup of the daemon to w and returns its SHA-256 in hexadecimal. A nil error: it is whole.
func (b backup) download(ctx context.Context, w io.Writer, progress func(done, total int64)) (string, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	transport := &http.Transport{ // without a proxy: the token is for the daemon alone
		DialContext: (&net.Dialer{Timeout: dialTimeout}).DialContext, ResponseHeaderTimeout: answerWithin,
	}
	defer transport.CloseIdleConnections()
	client := &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	base := "http://" + reachable(b.cfg.Admin.Listen)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet,
		base+"/api/v1/backup?rate="+strconv.FormatInt(int64(b.rate), 10), nil)
	if err != nil {
		return "", fmt.Errorf("ask for a backup: %w", err)
	}
	if token := b.cfg.Admin.Token; token.IsSet() {
		req.Header.Set("Authorization", "Bearer "+token.Reveal())
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", b.unreachable(base, err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return "", refusal(base, resp)
	}
	total, err := strconv.ParseInt(resp.Header.Get(admin.BackupSize), 10, 64)
	if err != nil {
		total = 0 // it only shows progress
	}
	sum := sha256.New()
	stalled := time.AfterFunc(pieceWithin, func() { cancel(errStalled) })
	defer stalled.Stop()
	done := int64(0)
	_, err = io.Copy(io.MultiWriter(w, sum, writerFunc(func(p []byte) (int, error) {
		stalled.Reset(pieceWithin)
		done += int64(len(p))
		progress(done, total)
		return len(p), nil
	})), resp.Body)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return "", fmt.Errorf("the download was cut after %s, so it was not kept: %w", size(done), err)
	}
	want, got := resp.Trailer.Get(admin.BackupChecksum), hex.EncodeToString(sum.Sum(nil))
	switch want {
	case got:
		return got, nil
	case "":
		return "", errors.New("the backup came without its checksum, so it was not kept: it was cut, or came by a proxy")
	default:
		return "", errors.New("the checksum of the backup is wrong, so it was not kept: it was changed on its way")
	}
}

// writerFunc is a function that writes.
type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// reachable returns where a listener on this address can be reached from this machine.
func reachable(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	addr, err := netip.ParseAddr(host)
	switch {
	case host == "" || (err == nil && addr.IsUnspecified() && addr.Is4()):
		host = "127.0.0.1"
	case err == nil && addr.IsUnspecified():
		host = "::1"
	}
	return net.JoinHostPort(host, port)
}

// unreachable says why no daemon has answered.
func (b backup) unreachable(base string, err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	if failed, ok := errors.AsType[*net.OpError](err); ok && failed.Op == "dial" {
		return fmt.Errorf("no daemon answers at %s (admin.listen): is it running? %w; when it is stopped, copy the file "+
			"itself: %s", base, err, b.cfg.Outbox.Path)
	}
	return fmt.Errorf("ask the daemon at %s for a backup: %w", base, err)
}

// refusal says why a daemon has not sent a backup.
func refusal(base string, resp *http.Response) error {
	var answer struct {
		Error struct{ Code, Message string }
	}
	_ = json.NewDecoder(io.LimitReader(resp.Body, 4<<10)).Decode(&answer) // what is not JSON is not from a daemon
	switch {
	case resp.StatusCode == http.StatusUnauthorized:
		return fmt.Errorf("the daemon at %s does not take the token: admin.token must be the one it runs with", base)
	case answer.Error.Message != "":
		return fmt.Errorf("the daemon at %s refuses: %s", base, printable(answer.Error.Message))
	}
	return fmt.Errorf("what answers at %s (admin.listen) is no daemon that makes backups: HTTP %d", base, resp.StatusCode)
}
