package pipedrive_test

import (
	"context"
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
	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/crm/crmtest"
	"github.com/crmsyncd/crmsyncd/crm/pipedrive"
	"github.com/crmsyncd/crmsyncd/crm/pipedrive/pipedrivetest"
)

// sound is the content of a recording: an MP3 with a tag before it.
var sound = "ID3\x03\x00" + strings.Repeat("\x00\xff\xfb\x90", 50_000)

// media is a call centre's server of recordings.
type media struct {
	*httptest.Server

	answer atomic.Pointer[http.HandlerFunc]
	asked  atomic.Int32
}

func newMedia(t *testing.T) *media {
	t.Helper()
	m := &media{}
	m.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.asked.Add(1)
		if answer := m.answer.Load(); answer != nil {
			(*answer)(w, r)
			return
		}
		w.Header().Set("Content-Type", "audio/mpeg")
		_, _ = w.Write([]byte(sound))
	}))
	t.Cleanup(m.Close)
	return m
}

// say answers in place of the recording from now on; 0: no more.
func (m *media) say(status int, contentType, body string) {
	if status == 0 {
		m.answer.Store(nil)
		return
	}
	answer := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	})
	m.answer.Store(&answer)
}

// recording is the address of a recording, secret as its signature.
func (m *media) recording() string {
	return m.URL + "/IPCCMedia/MP3Export.do?url=a%2Fb.mp3&source=ipcc"
}

// allowed lets recordings come from the server.
func (m *media) allowed(t *testing.T) change {
	t.Helper()
	u, err := url.Parse(m.URL)
	require.NoError(t, err)
	return func(cfg *pipedrive.Config, _ *api.Options) { cfg.RecordingHosts = []string{u.Host} }
}

// newRecordings returns an adapter that may fetch from a server of recordings, with a clock that stands.
func newRecordings(t *testing.T, changes ...change) (*bench, *media, *clock) {
	t.Helper()
	m, clock := newMedia(t), newClock()
	timed := func(_ *pipedrive.Config, o *api.Options) { o.Now = clock.Now }
	return newBench(t, pipedrivetest.Options{}, append([]change{m.allowed(t), timed}, changes...)...), m, clock
}

func recorded(c call.Call, address string) call.Call {
	c.RecordingURL = address
	return c
}

func TestRecordingIsAttached(t *testing.T) {
	b, m, _ := newRecordings(t)
	w := b.write(t, b.linked(recorded(endedCall("call-1"), m.recording())))
	content, mediaType := b.crm.Recording(w.LogID)
	require.Equal(t, sound, string(content))
	require.Equal(t, "audio/mpeg", mediaType)
	require.Empty(t, b.crm.Logs()[0].RecordingURL, "the link is not needed")
	before := b.server.Requests()
	b.write(t, w)
	require.Equal(t, before, b.server.Requests(), "all is done")
}

func TestLateRecordingIsAttached(t *testing.T) {
	b, m, _ := newRecordings(t)
	w := b.write(t, b.linked(endedCall("call-1")))
	w.Call.RecordingURL = m.recording()
	w = b.write(t, w)
	content, _ := b.crm.Recording(w.LogID)
	require.Equal(t, sound, string(content))
	require.Len(t, b.crm.Logs(), 1)
	require.Equal(t, 0, b.crm.Requests()["update_log"])
}

// TestRecordingIsThere: what was attached by a request whose answer got lost counts.
func TestRecordingIsThere(t *testing.T) {
	b, m, _ := newRecordings(t)
	w := b.write(t, b.linked(endedCall("call-1")))
	w.Call.RecordingURL = m.recording()
	b.server.Inject(crmtest.Lose())
	written := b.Write(t.Context(), []crm.Write{w})[0]
	require.Equal(t, crm.KindTransient, crm.Classify(written.Err).Kind)
	require.NotContains(t, written.Err.Error(), "MP3Export")
	b.server.Inject(nil)
	w = b.write(t, next(w, written))
	require.Equal(t, 2, b.crm.Requests()["attach_recording"])
	require.Contains(t, string(w.Progress), "attached")
	require.Empty(t, b.crm.Logs()[0].RecordingURL)
}

// TestLinkInTheNote: without hosts to fetch from, the link stands in the note; a late one is added to what stands
// there.
func TestLinkInTheNote(t *testing.T) {
	const address = `https://media.example.com:1777/IPCCMedia/MP3Export.do?url=a"b.mp3&source=ipcc`
	b := newBench(t, pipedrivetest.Options{})
	b.write(t, b.linked(recorded(endedCall("call-1"), address)))
	w := b.write(t, b.linked(endedCall("call-2")))
	b.crm.Edit(w.LogID, func(note string) string { return "<p>Wants an offer!</p>" + note })
	w.Call.RecordingURL = address
	w = b.write(t, w)
	logs := b.crm.Logs()
	require.Equal(t, address, logs[0].RecordingURL)
	require.Equal(t, address, logs[1].RecordingURL)
	require.Contains(t, logs[1].Text, "Wants an offer!", "what people wrote stays")
	require.Equal(t, 1, strings.Count(logs[1].Text, "Call ID: call-2"))
	require.Equal(t, 1, strings.Count(logs[1].Text, "<a "))

	w.Progress = nil // as after a create whose answer got lost
	b.write(t, w)
	require.Equal(t, logs, b.crm.Logs(), "what stands there is not written twice")
	require.Equal(t, 1, b.crm.Requests()["update_log"])
}

// TestLinkInPlaceOfTheFile: a file that will never be had is not waited for.
func TestLinkInPlaceOfTheFile(t *testing.T) {
	for name, test := range map[string]func(*testing.T, *bench, *media){
		"no recording": func(_ *testing.T, _ *bench, m *media) { m.say(200, "text/html", "<html>Log in</html>") },
		"too large":    func(_ *testing.T, _ *bench, m *media) { m.say(200, "audio/mpeg", sound+sound) },
		"not taken": func(_ *testing.T, b *bench, _ *media) {
			b.server.Inject(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				if strings.HasSuffix(r.URL.Path, "/recordings") {
					w.WriteHeader(http.StatusRequestEntityTooLarge)
					return
				}
				next.ServeHTTP(w, r)
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			b, m, _ := newRecordings(t, func(cfg *pipedrive.Config, _ *api.Options) {
				cfg.RecordingLimit = api.Size(len(sound))
			})
			test(t, b, m)
			w := b.write(t, b.linked(recorded(endedCall("call-1"), m.recording())))
			require.Equal(t, m.recording(), b.crm.Logs()[0].RecordingURL)
			content, _ := b.crm.Recording(w.LogID)
			require.Empty(t, content)
			before := m.asked.Load()
			b.write(t, w)
			require.Equal(t, before, m.asked.Load(), "it is settled")
		})
	}
}

// TestRecordingNotThereYet: the log is written at once, the file is tried again, and the link comes when it took too
// long.
func TestRecordingNotThereYet(t *testing.T) {
	b, m, clock := newRecordings(t)
	m.say(404, "text/html", "not yet")
	w := b.linked(recorded(endedCall("call-1"), m.recording()))
	for range 3 {
		written := b.Write(t.Context(), []crm.Write{w})[0]
		require.EqualError(t, written.Err, "fetch recording: HTTP 404: it is not there, or not yet (transient)")
		require.Len(t, b.crm.Logs(), 1)
		w = next(w, written)
		clock.move(10 * time.Minute)
	}
	other := b.linked(recorded(endedCall("call-2"), m.recording()))
	other = next(other, b.Write(t.Context(), []crm.Write{other})[0])

	clock.move(time.Minute)
	b.write(t, w)
	require.Equal(t, m.recording(), b.crm.Logs()[0].RecordingURL)

	m.say(0, "", "")
	b.write(t, other)
	content, _ := b.crm.Recording(other.LogID)
	require.Equal(t, sound, string(content))
	require.Empty(t, b.crm.Logs()[1].RecordingURL)
}

// TestMediaServerDown: calls are written although no recording can be fetched; no more than a few of them fail, or the
// relay would take the CRM for down.
func TestMediaServerDown(t *testing.T) {
	b, m, _ := newRecordings(t)
	m.Close()
	failed := map[string]bool{}
	for range 3 {
		for i := range 10 {
			w := b.linked(recorded(endedCall("call-"+string(rune('a'+i))), m.recording()))
			written := b.Write(t.Context(), []crm.Write{w})[0]
			require.NotEmpty(t, written.LogID)
			if written.Err != nil {
				failed[w.Call.ID] = true
				require.Equal(t, crm.KindTransient, crm.Classify(written.Err).Kind)
			}
		}
	}
	require.Len(t, failed, 3)
	require.Len(t, b.crm.Logs(), 30)
}

// TestStoppedDownload: a download that we break off says nothing about the media server.
func TestStoppedDownload(t *testing.T) {
	b, m, _ := newRecordings(t)
	ctx, cancel := context.WithCancel(t.Context())
	stop := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "audio/mpeg")
		_, _ = w.Write([]byte(sound))
		_ = http.NewResponseController(w).Flush()
		cancel()
		<-r.Context().Done()
	})
	m.answer.Store(&stop)
	w := b.linked(recorded(endedCall("call-1"), m.recording()))
	written := b.Write(ctx, []crm.Write{w})[0]
	require.ErrorIs(t, written.Err, context.Canceled)
	require.NotContains(t, string(written.Progress), "recording")
	content, _ := b.crm.Recording(written.LogID)
	require.Empty(t, content, "half a recording is none")
	m.answer.Store(nil)
	w = b.write(t, next(w, written))
	content, _ = b.crm.Recording(w.LogID)
	require.Equal(t, sound, string(content))
}

// TestRecordingOfAFoundLog: of a log whose create was in doubt only the activity is known, so the link is written.
func TestRecordingOfAFoundLog(t *testing.T) {
	b, m, _ := newRecordings(t)
	w := b.linked(recorded(endedCall("call-1"), m.recording()))
	b.server.Inject(crmtest.Lose())
	require.Equal(t, crm.KindInDoubt, crm.Classify(b.Write(t.Context(), []crm.Write{w})[0].Err).Kind)
	b.server.Inject(nil)
	w.LogID = b.FindLogs(t.Context(), []call.Call{w.Call})[0].LogID
	w = b.write(t, w)
	require.Len(t, b.crm.Logs(), 1)
	require.Equal(t, m.recording(), b.crm.Logs()[0].RecordingURL)
	before := b.server.Requests()
	b.write(t, w)
	require.Equal(t, before, b.server.Requests())
}

// TestDryRun fetches nothing and sends nothing that writes.
func TestDryRun(t *testing.T) {
	dry := &api.DryRun{}
	b, m, _ := newRecordings(t, func(_ *pipedrive.Config, o *api.Options) { o.DryRun = dry })
	b.write(t, b.linked(recorded(endedCall("call-1"), m.recording())))
	require.Zero(t, m.asked.Load())
	require.Empty(t, b.crm.Logs())
	var operations []string
	for _, r := range dry.Requests() {
		operations = append(operations, r.Operation)
	}
	require.Equal(t, []string{"create_log", "attach_recording"}, operations)
}
