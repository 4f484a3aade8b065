package api

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"

	"github.com/crmsyncd/crmsyncd/crm"
)

// DownloadConfig is what a Downloader may fetch.
type DownloadConfig struct {
	// Hosts are those that files may come from: "media.example.com" at the usual ports of http and https,
	// "media.example.com:1777" at this one. None: nothing is fetched.
	Hosts []string
	// MaxSize is how large a file may be. 0: no file is taken.
	MaxSize Size
	// Connection bounds the requests: Timeout the whole file. PrivateAddresses counts for the names in Hosts; an IP
	// address or localhost among them is always allowed.
	Connection Connection
}

// Downloader fetches recordings for CRMs that want the file itself. The address of a recording comes from outside, and
// so does what is behind it: only allowed hosts are asked, also where they redirect to, no private address is dialled
// that nobody configured, and what is no recording is refused before it is passed on. It is safe for concurrent use.
type Downloader struct {
	client    *http.Client
	hosts     []host
	limit     int64
	observer  Observer
	userAgent string
	exchanger *exchanger
}

// host is one that files may come from; an empty port stands for the usual one of the scheme.
type host struct{ name, port string }

// maxRedirects is how often an allowed host may send us on to an allowed host.
const maxRedirects = 3

// downloadTitle is what errors call a download.
const downloadTitle = "fetch recording"

// NewDownloader checks a configuration and returns its Downloader. It sends nothing.
func NewDownloader(cfg DownloadConfig, o Options) (*Downloader, error) {
	o = o.Filled()
	d := &Downloader{limit: int64(cfg.MaxSize), observer: o.Observer, userAgent: o.UserAgent}
	var configured []string
	for _, entry := range cfg.Hosts {
		u, err := url.Parse("http://" + entry)
		if err != nil || u.Hostname() == "" || u.Host != entry || strings.ContainsAny(entry, "* \t") {
			return nil, fmt.Errorf("%q is no host that files may come from: write one such as media.example.com or "+
				"media.example.com:1777", entry)
		}
		configured = append(configured, u.String())
		d.hosts = append(d.hosts, host{name: u.Hostname(), port: u.Port()})
	}
	d.exchanger = newExchanger(cfg.Connection, newGuard(cfg.Connection.PrivateAddresses, configured), o)
	client := *d.exchanger.client
	client.CheckRedirect = d.redirect
	d.client = &client
	return d, nil
}

// Close closes the connections that are idle. The Downloader may be used afterwards.
func (d *Downloader) Close() { d.client.CloseIdleConnections() }

// Allows reports whether the file at an address may be fetched, as far as the address tells.
func (d *Downloader) Allows(address string) bool {
	u, err := url.Parse(address)
	return err == nil && d.allows(u)
}

func (d *Downloader) allows(u *url.URL) bool {
	usual, known := map[string]string{"http": "80", "https": "443"}[u.Scheme]
	if !known || u.User != nil {
		return false
	}
	port := u.Port()
	if port == "" {
		port = usual
	}
	for _, h := range d.hosts {
		if strings.EqualFold(h.name, u.Hostname()) && (h.port == port || h.port == "" && port == usual) {
			return true
		}
	}
	return false
}

// redirect follows a redirect to an allowed host. Where it does not, the redirect is the answer.
func (d *Downloader) redirect(next *http.Request, via []*http.Request) error {
	plainer := via[0].URL.Scheme == "https" && next.URL.Scheme != "https"
	if len(via) > maxRedirects || plainer || !d.allows(next.URL) {
		return http.ErrUseLastResponse
	}
	next.Header.Del("Referer") // it would tell the signature of the address
	return nil
}

// File is a recording that is being fetched. It is read once, as it arrives, and is closed by who opened it.
type File struct {
	// Type is its media type, one that browsers play, and Name a name with the fitting ending: neither is the server's
	// word.
	Type, Name string
	// Size is its length in bytes, -1 where the server did not say.
	Size int64

	body io.ReadCloser
	read *bufio.Reader
	left int64
	// broke is why reading ended early. Whoever sends the file may still be reading it when its request has failed.
	broke atomic.Pointer[error]
}

// Open asks for the recording at an address and looks at its beginning. Every error is a *crm.Error without the
// address: crm.KindInvalid for what will not become better (a host that is not allowed, a redirect to one, a private
// address, a file that is too large or no recording), else crm.KindTransient. ctx ends the reading of the file, too.
func (d *Downloader) Open(ctx context.Context, address string) (*File, error) {
	if !d.Allows(address) {
		return nil, crm.Errorf(crm.KindInvalid, downloadTitle, "its host is not among those that files may come from")
	}
	hr, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, crm.Errorf(crm.KindInvalid, downloadTitle, "its address is none")
	}
	hr.Header.Set("User-Agent", d.userAgent)
	hr.Header.Set("Accept", "audio/*, application/octet-stream;q=0.5")
	began := d.exchanger.now()
	response, err := d.client.Do(hr)
	class := "error"
	if err == nil {
		class = statusClass(response.StatusCode, nil)
	}
	d.observer.Requested("download", class, d.exchanger.now().Sub(began))
	if err != nil {
		return nil, undelivered(ctx, err)
	}
	f, err := d.opened(ctx, response)
	if err != nil {
		_ = response.Body.Close()
		return nil, err
	}
	return f, nil
}

// opened looks at the answer.
func (d *Downloader) opened(ctx context.Context, response *http.Response) (*File, error) {
	refused := func(kind crm.Kind, text string) (*File, error) {
		return nil, &crm.Error{Kind: kind, Op: downloadTitle, Status: response.StatusCode, Message: text}
	}
	switch {
	case response.StatusCode >= 300 && response.StatusCode < 400:
		return refused(crm.KindInvalid, "it is said to be elsewhere, at a host that is not allowed")
	case response.StatusCode != http.StatusOK:
		return refused(crm.KindTransient, "it is not there, or not yet")
	case response.ContentLength > d.limit:
		return refused(crm.KindInvalid, errLarge.Error())
	}
	f := &File{
		Size: response.ContentLength, body: response.Body, read: bufio.NewReader(response.Body), left: d.limit,
	}
	const enough = 512 // as much as http.DetectContentType looks at
	head, err := f.read.Peek(enough)
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return nil, undelivered(ctx, err)
	case len(head) == 0:
		return refused(crm.KindTransient, "it is empty, or not complete yet")
	}
	if f.Type, f.Name = recordingType(response.Header.Get("Content-Type"), head); f.Type == "" {
		return refused(crm.KindInvalid, "it is no recording that browsers play (MP3, WAV, Ogg, MPEG-4)")
	}
	return f, nil
}

// errLarge says that a file is not taken.
var errLarge = errors.New("it is larger than allowed")

// undelivered returns the error of a file that did not come. What broke it carries no address.
func undelivered(ctx context.Context, err error) *crm.Error {
	for _, final := range []error{errLarge, errPrivate} {
		if errors.Is(err, final) {
			return &crm.Error{Kind: crm.KindInvalid, Op: downloadTitle, Message: final.Error()}
		}
	}
	return unanswered(ctx, downloadTitle, crm.KindTransient, err)
}

// Read reads what arrived. A file that ends early or is larger than allowed is an error, which Err keeps.
func (f *File) Read(p []byte) (int, error) {
	n, err := f.read.Read(p)
	if f.left -= int64(n); f.left < 0 {
		n, err = 0, errLarge
	}
	if err != nil && !errors.Is(err, io.EOF) {
		f.broke.CompareAndSwap(nil, &err)
	}
	return n, err
}

// Err returns why the file could not be read to its end, as Open would put it; nil if nothing is known to be wrong.
func (f *File) Err(ctx context.Context) error {
	if err := f.broke.Load(); err != nil {
		return undelivered(ctx, *err)
	}
	return nil
}

// Close ends the download.
func (f *File) Close() error {
	if err := f.body.Close(); err != nil {
		return fmt.Errorf("close the download: %w", broken(err))
	}
	return nil
}

// saysText are the media types of texts.
var saysText = regexp.MustCompile(`^text/|json|xml|html`)

// recordingType returns the media type of a recording and a name for it, both empty for what is none. The bytes decide;
// what the server says counts where they tell nothing, and against it where it says that it is a text.
func recordingType(said string, head []byte) (mediaType, name string) {
	known := map[string]string{
		"audio/mpeg": "audio/mpeg", "audio/mp3": "audio/mpeg", "audio/wave": "audio/wav", "audio/wav": "audio/wav",
		"audio/x-wav": "audio/wav", "audio/ogg": "audio/ogg", "application/ogg": "audio/ogg", "audio/opus": "audio/ogg",
		"audio/mp4": "audio/mp4", "audio/x-m4a": "audio/mp4", "video/mp4": "audio/mp4",
	}
	endings := map[string]string{"audio/mpeg": "mp3", "audio/wav": "wav", "audio/ogg": "ogg", "audio/mp4": "m4a"}
	said, _, _ = mime.ParseMediaType(said)
	seen := http.DetectContentType(head)
	if isMPEGFrame(head) {
		seen = "audio/mpeg"
	}
	switch {
	case saysText.MatchString(said):
		return "", ""
	case known[seen] != "":
		mediaType = known[seen]
	case seen == "application/octet-stream":
		mediaType = known[said]
	}
	if mediaType == "" {
		return "", ""
	}
	return mediaType, "recording." + endings[mediaType]
}

// isMPEGFrame reports whether data begin with the header of a frame of MPEG audio: an MP3 without a tag before it,
// which http.DetectContentType does not know.
func isMPEGFrame(head []byte) bool {
	const sync, layer, rate, badRate = 0xE0, 0x06, 0xF0, 0xF0
	return len(head) > 2 && head[0] == 0xFF && head[1]&sync == sync && head[1]&layer != 0 && head[2]&rate != badRate
}
