package api_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
)

// sound is a recording: an MP3 with a tag before it.
const sound = "ID3\x03\x00\x00\x00\x00\x00\x00 the sound"

func hostOf(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	require.NoError(t, err)
	return u.Host
}

// newDownloader returns a Downloader for the host of a server.
func newDownloader(t *testing.T, s *httptest.Server, change ...func(*api.DownloadConfig)) *api.Downloader {
	t.Helper()
	cfg := api.DownloadConfig{Hosts: []string{hostOf(t, s.URL)}, MaxSize: 1 << 10, Connection: api.DefaultConnection()}
	for _, c := range change {
		c(&cfg)
	}
	d, err := api.NewDownloader(cfg, api.Options{})
	require.NoError(t, err)
	t.Cleanup(d.Close)
	return d
}

// fetch reads a file to its end.
func fetch(t *testing.T, d *api.Downloader, address string) (content string, err error) {
	t.Helper()
	f, err := d.Open(t.Context(), address)
	if err != nil {
		return "", err
	}
	defer func() { require.NoError(t, f.Close()) }()
	read, err := io.ReadAll(f)
	if err != nil {
		return string(read), f.Err(t.Context())
	}
	require.NoError(t, f.Err(t.Context()))
	return string(read), nil
}

func TestDownload(t *testing.T) {
	s := serve(t, say(200, sound, "Content-Type", "audio/mpeg"))
	f, err := newDownloader(t, s.Server).Open(t.Context(), s.URL+"/a.mp3?signature=c0ffee")
	require.NoError(t, err)
	read, err := io.ReadAll(f)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	require.Equal(t, sound, string(read))
	require.Equal(t, "audio/mpeg recording.mp3", f.Type+" "+f.Name)
	require.Equal(t, int64(len(sound)), f.Size)
}

func TestDownloadAllows(t *testing.T) {
	hosts := []string{"media.example.com", "pbx.example.com:1777"}
	d, err := api.NewDownloader(api.DownloadConfig{Hosts: hosts}, api.Options{})
	require.NoError(t, err)
	for address, want := range map[string]bool{
		"https://media.example.com/a.mp3": true, "http://MEDIA.example.com:80/a": true,
		"https://media.example.com:443/":  true,
		"https://media.example.com:8443/": false, "https://media.example.com.evil.example/": false,
		"https://pbx.example.com:1777/": true, "https://pbx.example.com/": false, "http://pbx.example.com:1778/": false,
		"https://user@media.example.com/": false, "ftp://media.example.com/": false, "file:///etc/passwd": false,
		"a.mp3": false, "": false, "https://media.example.com\\@evil.example/": false, "//media.example.com/a": false,
	} {
		require.Equal(t, want, d.Allows(address), address)
	}
	for _, entry := range []string{"", "https://a.example", "a.example/x", "u@a.example", "*.a.example", "a b", "a:port"} {
		_, err := api.NewDownloader(api.DownloadConfig{Hosts: []string{entry}}, api.Options{})
		require.ErrorContains(t, err, "is no host that files may come from", entry)
	}
}

// TestDownloadIsHostile: what is behind an address is looked at before it is passed on.
func TestDownloadIsHostile(t *testing.T) {
	long := strings.Repeat(sound, 100)
	frame := "\xff\xfb\x90\x64 a frame"
	const none, invalid, transient = crm.Kind(0), crm.KindInvalid, crm.KindTransient
	broken := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	as := func(contentType, body string) http.HandlerFunc { return say(200, body, "Content-Type", contentType) }
	for name, test := range map[string]struct {
		answer http.HandlerFunc
		kind   crm.Kind
		want   string
	}{
		"MP3":                {as("audio/mpeg", sound), none, ""},
		"MP3 without a tag":  {as("application/octet-stream", frame), none, ""},
		"for saving":         {as("application/force-download", sound), none, ""},
		"WAV":                {as("audio/x-wav", "RIFF\x00\x00\x00\x00WAVEfmt "), none, ""},
		"Ogg":                {as("audio/ogg; codecs=opus", "OggS\x00\x02"), none, ""},
		"unknown but named":  {as("audio/mp4", "\x00\x01\x02\x03"), none, ""},
		"unknown":            {as("binary/octet-stream", "\x00\x01\x02\x03"), invalid, "no recording"},
		"of another type":    {as("text/html", sound), invalid, "no recording"},
		"of a text's type":   {as("application/problem+json", sound), invalid, "no recording"},
		"a page as audio":    {as("audio/mpeg", "<html>log in</html>"), invalid, "no recording"},
		"a text as audio":    {as("audio/mpeg", `{"error":"no"}`), invalid, "no recording"},
		"not played":         {as("audio/amr", "#!AMR\n\x3c\x00\x01"), invalid, "no recording"},
		"too large":          {as("audio/mpeg", long), invalid, "larger than allowed"},
		"too large, unsaid":  {streamed(long), invalid, "larger than allowed"},
		"endless":            {endless, invalid, "larger than allowed"},
		"empty":              {as("audio/mpeg", ""), transient, "it is empty"},
		"cut":                {cut(sound), transient, "the answer ended early"},
		"not there":          {say(404, "no", "Content-Type", "text/html"), transient, "HTTP 404"},
		"too many":           {say(429, "no", "Retry-After", "60"), transient, "HTTP 429"},
		"not ours":           {say(401, "no"), transient, "HTTP 401"},
		"part of it":         {say(206, sound, "Content-Type", "audio/mpeg"), transient, "HTTP 206"},
		"closed":             {broken, transient, "closed"},
		"redirect elsewhere": {say(302, "", "Location", "http://192.0.2.1/a.mp3"), invalid, "not allowed"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, test.answer)
			_, err := fetch(t, newDownloader(t, s.Server), s.URL+"/secret.mp3?signature=c0ffee")
			if test.want == "" {
				require.NoError(t, err)
				return
			}
			e := failure(t, err)
			require.Equal(t, test.kind.String(), e.Kind.String())
			require.ErrorContains(t, e, test.want)
			require.Zero(t, e.RetryAfter, "it must not rest the CRM")
			for _, secret := range []string{"secret", "c0ffee", hostOf(t, s.URL), "192.0.2.1"} {
				require.NotContains(t, e.Error(), secret)
			}
		})
	}
}

// streamed answers without saying how much.
func streamed(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "audio/mpeg")
		_ = http.NewResponseController(w).Flush()
		_, _ = io.WriteString(w, body)
	}
}

func endless(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "audio/mpeg")
	for r.Context().Err() == nil {
		if _, err := io.WriteString(w, sound); err != nil {
			return
		}
	}
}

// cut answers with less than was said.
func cut(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "audio/mpeg")
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, body)
	}
}

// TestDownloadFollows: a redirect within the allowed hosts is followed, a few times, and tells nothing of where from.
func TestDownloadFollows(t *testing.T) {
	var referred atomic.Bool
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		referred.CompareAndSwap(false, r.Header.Get("Referer") != "")
		switch r.URL.Path {
		case "/file":
			say(200, sound, "Content-Type", "audio/mpeg")(w, r)
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		default:
			http.Redirect(w, r, "/file", http.StatusFound)
		}
	})
	d := newDownloader(t, s.Server)
	content, err := fetch(t, d, s.URL+"/a?signature=c0ffee")
	require.NoError(t, err)
	require.Equal(t, sound, content)
	require.False(t, referred.Load())
	_, err = fetch(t, d, s.URL+"/loop")
	require.Equal(t, crm.KindInvalid, failure(t, err).Kind)
	require.Len(t, s.requests(), 2+4)
}

// TestDownloadOfLocalFiles: what stands literally among the hosts may be in one's own network; nothing else is asked.
func TestDownloadOfLocalFiles(t *testing.T) {
	s := serve(t, say(200, sound, "Content-Type", "audio/mpeg"))
	port := strings.TrimPrefix(hostOf(t, s.URL), "127.0.0.1")
	from := func(hosts ...string) func(*api.DownloadConfig) {
		return func(cfg *api.DownloadConfig) { cfg.Hosts = hosts }
	}
	_, err := fetch(t, newDownloader(t, s.Server, from("localhost"+port)), "http://localhost"+port+"/a.mp3")
	require.NoError(t, err)
	_, err = fetch(t, newDownloader(t, s.Server, from("[2001:db8::1]"+port, "127.0.0.1"+port)), s.URL)
	require.NoError(t, err)
	asked := len(s.requests())
	_, err = fetch(t, newDownloader(t, s.Server, from("media.example.com")), s.URL)
	require.Equal(t, crm.KindInvalid, failure(t, err).Kind)
	require.Len(t, s.requests(), asked)
}

// TestSlowDownload: a file that does not come to its end is given up in time, and when ctx ends.
func TestSlowDownload(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "audio/mpeg")
		_, _ = io.WriteString(w, strings.Repeat(sound, 30))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	_, err := fetch(t, newDownloader(t, s.Server, func(cfg *api.DownloadConfig) {
		cfg.Connection.Timeout = 50 * time.Millisecond
	}), s.URL)
	require.EqualError(t, err, "fetch recording: no answer in time (transient)")

	ctx, cancel := context.WithCancel(t.Context())
	f, err := newDownloader(t, s.Server).Open(ctx, s.URL)
	require.NoError(t, err)
	cancel()
	_, err = io.ReadAll(f)
	require.Error(t, err)
	require.ErrorIs(t, f.Err(ctx), context.Canceled)
	require.NoError(t, f.Close())
}
