package api_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
)

// uploading is the request of the tests.
var uploading = api.Request{
	Operation: "attach_recording", Title: "attach recording", Path: "/calls/1/recordings", Effect: api.Changes,
}

// uploads is a CRM that takes files.
type uploads struct {
	*server

	got, form atomic.Pointer[string]
}

func newUploads(t *testing.T) *uploads {
	t.Helper()
	u := &uploads{}
	u.server = serve(t, func(w http.ResponseWriter, r *http.Request) {
		file, header, err := r.FormFile("file")
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		content, _ := io.ReadAll(file)
		got := string(content)
		form := header.Filename + " " + header.Header.Get("Content-Type") + " " + r.Header.Get("X-Key") +
			map[bool]string{true: " sized", false: " unsized"}[r.ContentLength > 0]
		u.got.Store(&got)
		u.form.Store(&form)
		say(200, "{}")(w, r)
	})
	return u
}

// passOn fetches a recording and sends it to a CRM.
func passOn(t *testing.T, from http.HandlerFunc, to string) error {
	t.Helper()
	source := httptest.NewServer(from)
	defer source.Close()
	c := newClient(t, api.ClientConfig{BaseURL: to, Credentials: api.Static("X-Key", "canary")}, api.Options{})
	f, err := newDownloader(t, source).Open(t.Context(), source.URL)
	require.NoError(t, err)
	defer func() { _ = f.Close() }()
	_, err = c.Upload(t.Context(), uploading, "file", f)
	return err
}

func TestUpload(t *testing.T) {
	for name, from := range map[string]http.HandlerFunc{
		"sized": say(200, sound, "Content-Type", "audio/mpeg"), "unsized": streamed(sound),
	} {
		t.Run(name, func(t *testing.T) {
			u := newUploads(t)
			require.NoError(t, passOn(t, from, u.URL))
			require.Equal(t, sound, *u.got.Load())
			require.Equal(t, "recording.mp3 audio/mpeg canary "+name, *u.form.Load())
		})
	}
}

// TestUploadStreams: what arrived is sent on before the rest is there, so a file is never held whole.
func TestUploadStreams(t *testing.T) {
	const half = 256 << 10
	got := make(chan struct{})
	to := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.CopyN(io.Discard, r.Body, half/2); err == nil {
			close(got)
		}
		n, _ := io.Copy(io.Discard, r.Body)
		w.Header().Set("X-Rest", strconv.FormatInt(n, 10))
	})
	source := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "audio/mpeg")
		_, _ = io.WriteString(w, "ID3"+strings.Repeat("x", half))
		_ = http.NewResponseController(w).Flush()
		select {
		case <-got:
			_, _ = io.WriteString(w, strings.Repeat("y", half))
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(source.Close)
	d := newDownloader(t, source, func(cfg *api.DownloadConfig) { cfg.MaxSize = 1 << 20 })
	f, err := d.Open(t.Context(), source.URL)
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	a, err := newClient(t, api.ClientConfig{BaseURL: to.URL}, api.Options{}).Upload(t.Context(), uploading, "file", f)
	require.NoError(t, err)
	rest, err := strconv.Atoi(a.Header.Get("X-Rest"))
	require.NoError(t, err)
	require.Greater(t, rest, half)
}

// TestUploadOfABrokenFile: the CRM gets no whole form, and the error is that of the file.
func TestUploadOfABrokenFile(t *testing.T) {
	enough := strings.Repeat(sound, 40)
	for name, test := range map[string]struct {
		from http.HandlerFunc
		kind crm.Kind
		want string
	}{
		"cut":                {cut(enough), crm.KindTransient, "fetch recording: the answer ended early"},
		"larger than it may": {streamed(enough + enough), crm.KindInvalid, "fetch recording: it is larger than allowed"},
	} {
		t.Run(name, func(t *testing.T) {
			u := newUploads(t)
			e := failure(t, passOn(t, test.from, u.URL))
			require.Equal(t, test.kind, e.Kind)
			require.ErrorContains(t, e, test.want)
			require.Nil(t, u.got.Load())
		})
	}
}

func TestUploadFails(t *testing.T) {
	from := say(200, sound, "Content-Type", "audio/mpeg")
	for name, test := range map[string]struct {
		to   http.HandlerFunc
		kind crm.Kind
	}{
		"refused":   {say(413, `{"error":"too large"}`), crm.KindInvalid},
		"throttled": {say(429, "{}", "Retry-After", "7"), crm.KindThrottled},
		"key":       {say(401, "{}"), crm.KindUnauthorized},
		"lost":      {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, crm.KindTransient},
		"moved":     {say(307, "", "Location", "http://192.0.2.1"), crm.KindTransient},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, test.to)
			require.Equal(t, test.kind, failure(t, passOn(t, from, s.URL)).Kind)
			require.Len(t, s.requests(), 1, "a file is sent once")
		})
	}
}

// TestUploadRests: while the CRM wants rest nothing is sent, and a dry run sends nothing at all.
func TestUploadRests(t *testing.T) {
	s := serve(t, say(429, "{}", "Retry-After", "60"))
	c := newClient(t, api.ClientConfig{BaseURL: s.URL}, api.Options{})
	_, err := c.Do(t.Context(), reading)
	require.Error(t, err)
	_, err = c.Upload(context.Background(), uploading, "file", nil)
	require.Equal(t, crm.KindThrottled, failure(t, err).Kind)
	require.Len(t, s.requests(), 1)

	dry := &api.DryRun{}
	c = newClient(t, api.ClientConfig{BaseURL: s.URL}, api.Options{DryRun: dry})
	_, err = c.Upload(t.Context(), uploading, "file", nil)
	require.NoError(t, err)
	require.Equal(t, "attach_recording", dry.Requests()[0].Operation)
	require.Len(t, s.requests(), 1)
}
