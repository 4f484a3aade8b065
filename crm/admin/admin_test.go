package admin_test

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/configs/secret"
	"github.com/crmsyncd/crmsyncd/crm/admin"
	"github.com/crmsyncd/crmsyncd/outbox"
)

func TestHealthAndReadiness(t *testing.T) {
	var notReady error
	f := newFixture(t, func(o *admin.Options) { o.Ready = func() error { return notReady } })
	a := f.get("/healthz")
	require.Equal(t, http.StatusOK, a.code)
	require.Equal(t, "ok", a.body)
	a = f.get("/readyz")
	require.Equal(t, http.StatusOK, a.code)
	require.JSONEq(t, `{"ready":true}`, a.body)
	notReady = errors.New("outbox is full")
	a = f.get("/readyz")
	require.Equal(t, http.StatusServiceUnavailable, a.code)
	require.JSONEq(t, `{"ready":false,"reason":"outbox is full"}`, a.body)
	require.Equal(t, http.StatusServiceUnavailable, f.do(http.MethodHead, "/readyz", nil).code)
	require.Equal(t, http.StatusOK, f.do(http.MethodHead, "/healthz", nil).code)
}

func TestReadyWithoutACheck(t *testing.T) {
	require.Equal(t, http.StatusOK, newFixture(t, nil).get("/readyz").code)
}

func TestMetrics(t *testing.T) {
	require.Equal(t, "up 1\n", newFixture(t, nil).get("/metrics").body)
	without := newFixture(t, func(o *admin.Options) { o.Metrics = nil })
	requireError(t, without.get("/metrics"), http.StatusNotFound, "not_found")
}

func TestStats(t *testing.T) {
	f := newFixture(t, nil)
	require.JSONEq(t, `{
		"states": {"pending":0,"in_flight":0,"delivered":0,"parked":0}, "parked_by": {}, "oldest_since": {},
		"entries":0, "messages":0, "duplicates":0, "discarded":0, "purged":0,
		"quarantine": {"items":0,"bytes":0,"evicted":0}, "delivery": {"paused":false},
		"store": {"file_bytes":0,"used_bytes":0,"limit_bytes":0}
	}`, f.get("/api/v1/stats").body)
	f.park("invalid", "a")
	f.append("b")
	require.NoError(t, f.store.Quarantine(t.Context(), outbox.Rejected{Reason: "not_json", Body: []byte("abc")}))
	f.target.set(outbox.Pause{Reason: "auth", Until: start.Add(time.Hour), Error: "HTTP 401"})
	type figures struct {
		States      map[string]int64
		ParkedBy    map[string]int64     `json:"parked_by"`
		OldestSince map[string]time.Time `json:"oldest_since"`
		OldestDue   time.Time            `json:"oldest_due"`
		Entries     int
		Quarantine  map[string]int64
		Store       map[string]int64
		Delivery    map[string]any
	}
	got := decoded[figures](t, f.get("/api/v1/stats"))
	require.EqualValues(t, 1, got.States["pending"])
	require.Equal(t, map[string]int64{"invalid": 1}, got.ParkedBy)
	require.Equal(t, start.Add(2*time.Second), got.OldestSince["pending"])
	require.Equal(t, start.Add(2*time.Second), got.OldestDue)
	require.Equal(t, 2, got.Entries)
	require.EqualValues(t, 3, got.Quarantine["bytes"])
	require.Positive(t, got.Store["used_bytes"])
	require.Equal(t, map[string]any{
		"paused": true, "reason": "auth", "until": "2026-03-02T04:00:00Z", "error": "HTTP 401",
	}, got.Delivery)
}

func TestPauseAndResume(t *testing.T) {
	f := newFixture(t, nil)
	require.JSONEq(t, `{"paused":true,"reason":"operator"}`, f.post("/api/v1/pause").body)
	require.Equal(t, outbox.PauseOperator, f.target.Paused().Reason)
	require.JSONEq(t, `{"paused":false}`, f.post("/api/v1/resume").body)
	require.Contains(t, f.log.String(), "delivery paused by hand")
	require.Contains(t, f.log.String(), "delivery resumed by hand")
	for _, path := range []string{"/api/v1/pause", "/api/v1/resume"} {
		requireError(t, f.get(path), http.StatusMethodNotAllowed, "method_not_allowed")
	}
	without := newFixture(t, func(o *admin.Options) { o.Target = nil })
	requireError(t, without.post("/api/v1/pause"), http.StatusNotImplemented, "not_supported")
	requireError(t, without.post("/api/v1/resume"), http.StatusNotImplemented, "not_supported")
	require.NotContains(t, without.get("/api/v1/stats").body, `"delivery"`)
}

func TestQuarantine(t *testing.T) {
	f := newFixture(t, nil)
	for i := range 3 {
		for range i + 1 {
			require.NoError(t, f.store.Quarantine(t.Context(), outbox.Rejected{
				Reason: "not_json", Error: "unexpected end", ContentType: "text/html",
				Body: fmt.Appendf(nil, "<b>%d %s", i, number), Truncated: i == 2,
			}))
			f.clock = f.clock.Add(time.Second)
		}
	}
	type item struct {
		ID          uint64
		At          time.Time
		LastAt      time.Time `json:"last_at"`
		Count       int
		Reason      string
		Error       string
		ContentType string `json:"content_type"`
		Bytes       int
		Truncated   bool
		Body        []byte
	}
	type page struct {
		Items []item
		Next  string
	}
	a := f.get("/api/v1/quarantine?limit=2")
	first := decoded[page](t, a)
	requireNothingSecret(t, a.body)
	require.Len(t, first.Items, 2)
	require.Equal(t, item{
		ID: first.Items[1].ID, At: start.Add(time.Second), LastAt: start.Add(2 * time.Second), Count: 2,
		Reason: "not_json", Error: "unexpected end", ContentType: "text/html", Bytes: len("<b>1 ") + len(number),
	}, first.Items[1])
	second := decoded[page](t, f.get("/api/v1/quarantine?limit=2&include=body&after="+first.Next))
	require.Len(t, second.Items, 1)
	require.Empty(t, second.Next)
	require.Equal(t, "<b>2 "+number, string(second.Items[0].Body))
	require.True(t, second.Items[0].Truncated)
	require.Contains(t, f.log.String(), "refused bodies shown")
	requireNothingSecret(t, f.log.String())
}

// shownConfig is a configuration with a group and a secret.
type shownConfig struct {
	Listen string        `json:"listen"`
	Token  secret.String `json:"token"`
}

func (c shownConfig) LogValue() slog.Value {
	return slog.GroupValue(slog.String("listen", c.Listen), slog.Any("token", c.Token), slog.String("msg", "kept"))
}

func TestConfigHidesItsSecrets(t *testing.T) {
	f := newFixture(t, func(o *admin.Options) {
		o.Config = shownConfig{Listen: ":9090", Token: secret.New("hush")}
	})
	require.JSONEq(t, `{"config":{"listen":":9090","token":"[set]","msg":"kept"}}`, f.get("/api/v1/config").body)
	plain := newFixture(t, func(o *admin.Options) {
		o.Config = struct{ Tokens []secret.String }{[]secret.String{secret.New("hush")}}
	})
	require.JSONEq(t, `{"config":{"Tokens":["[set]"]}}`, plain.get("/api/v1/config").body)
	requireError(t, newFixture(t, nil).get("/api/v1/config"), http.StatusNotFound, "not_found")
}

func TestConsoleGetsEverythingElse(t *testing.T) {
	f := newFixture(t, func(o *admin.Options) {
		o.Console = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "console "+r.URL.Path)
		})
	})
	for _, path := range []string{"/", "/assets/console.css", "/calls/x"} {
		a := f.get(path)
		require.Equal(t, http.StatusOK, a.code)
		require.Equal(t, "console "+path, a.body)
	}
	for _, path := range []string{"/api", "/api/", "/api/v2/stats", "/api/v1/nothing"} {
		requireError(t, f.get(path), http.StatusNotFound, "not_found")
	}
	requireError(t, newFixture(t, nil).get("/"), http.StatusNotFound, "not_found")
}

func TestPanicsAreAnsweredAndDoNotTell(t *testing.T) {
	f := newFixture(t, func(o *admin.Options) {
		o.Console = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("customer " + number) })
	})
	requireError(t, f.get("/"), http.StatusInternalServerError, "internal")
	require.Contains(t, f.log.String(), "admin request panicked")
	requireNothingSecret(t, f.log.String())
	require.Equal(t, http.StatusOK, f.get("/healthz").code)
}
