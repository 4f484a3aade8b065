package admin

import (
	"context"
	"crypto/sha256"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/crmsyncd/crmsyncd/configs/secret"
	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/outbox"
)

// Store is the part of an outbox that operators need. Implementations must be safe for concurrent use.
type Store interface {
	outbox.Inspector
	// Replay makes a parked or delivered entry pending and due now.
	Replay(ctx context.Context, key string) error
	// Discard removes an entry for good.
	Discard(ctx context.Context, key string) error
	// Quarantined lists up to limit refused bodies with an ID above after, in the order of their arrival.
	Quarantined(ctx context.Context, after uint64, limit int) ([]outbox.Rejected, error)
	// Backup writes a consistent copy of the whole store.
	Backup(ctx context.Context, w io.Writer) (int64, error)
}

// Target is delivery to the CRM, which can rest. Implementations must be safe for concurrent use.
type Target interface {
	// Pause lets delivery rest until Resume.
	Pause()
	// Resume ends a Pause. A rest that the CRM asked for goes on.
	Resume()
	// Paused returns why delivery rests and until when; an empty reason: it does not.
	Paused() outbox.Pause
}

// Options are what New needs.
type Options struct {
	// Store and Decode are required. Decode reads one stored body.
	Store  Store
	Decode func(body []byte) (call.Event, error)
	// Region is where numbers without a country code belong to, "VN".
	Region string
	// Metrics serves /metrics; nil: not found.
	Metrics http.Handler
	// Ready says why events cannot be made durable now; nil, or a nil error: they can. It must be quick.
	Ready func() error
	// Token lets requests in. Unset: only requests from this machine are served.
	Token secret.String
	// Console serves every path that is not of the API; nil: not found. Its requests are checked like all others.
	Console http.Handler
	// Target can be paused; nil: that is answered with 501.
	Target Target
	// Config is shown by /api/v1/config in the way slog would log it, so its secrets must mask themselves; nil: not
	// found.
	Config any
	// Logger gets one line for every change made by hand; nil: none.
	Logger *slog.Logger
	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

// server answers the requests.
type server struct {
	Options
	queries   *Queries
	tokenHash [sha256.Size]byte
	origin    *http.CrossOriginProtection
}

// New returns the handler of the admin listener. It starts nothing.
func New(o Options) http.Handler {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Ready == nil {
		o.Ready = func() error { return nil }
	}
	s := &server{
		Options: o, queries: NewQueries(o.Store, o.Decode, o.Region),
		tokenHash: sha256.Sum256([]byte(o.Token.Reveal())), origin: http.NewCrossOriginProtection(),
	}
	return s.routes()
}

// routes returns the engine with all routes.
func (s *server) routes() http.Handler {
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	engine.UseEscapedPath = true // a call id may hold a slash
	engine.UnescapePathValues = true
	engine.RedirectTrailingSlash = false
	engine.HandleMethodNotAllowed = true
	engine.ForwardedByClientIP = false

	engine.Use(s.survive, secureHeaders)
	engine.Match([]string{http.MethodGet, http.MethodHead}, "/healthz", health)
	engine.Use(s.guard)
	engine.Match([]string{http.MethodGet, http.MethodHead}, "/readyz", s.ready)
	if s.Metrics != nil {
		engine.GET("/metrics", gin.WrapH(s.Metrics))
	}
	api := engine.Group("/api/v1")
	api.GET("/stats", s.stats)
	api.GET("/calls", s.listCalls)
	api.GET("/calls/:id", s.showCall)
	api.POST("/calls/:id/replay", s.replayCall)
	api.POST("/calls/:id/discard", s.discardCall)
	api.POST("/replay", s.replayCalls)
	api.GET("/quarantine", s.listQuarantine)
	api.GET("/backup", (&backups{server: s}).download)
	api.POST("/pause", s.pause)
	api.POST("/resume", s.resume)
	if s.Config != nil {
		api.GET("/config", s.config)
	}
	engine.NoRoute(s.elsewhere)
	engine.NoMethod(func(c *gin.Context) {
		refuse(c, http.StatusMethodNotAllowed, "method_not_allowed", "this path does not know the method")
	})
	return engine
}

// elsewhere hands what is not of the API to the console.
func (s *server) elsewhere(c *gin.Context) {
	path := c.Request.URL.Path
	if s.Console == nil || path == "/metrics" || path == "/api" || strings.HasPrefix(path, "/api/") {
		refuse(c, http.StatusNotFound, "not_found", "there is no such path")
		return
	}
	c.Status(http.StatusOK) // gin has put a 404 there already
	s.Console.ServeHTTP(c.Writer, c.Request)
}

// health says that the process lives.
func health(c *gin.Context) { c.String(http.StatusOK, "ok") }

// ready says whether events can be made durable.
func (s *server) ready(c *gin.Context) {
	if err := s.Ready(); err != nil {
		c.JSON(http.StatusServiceUnavailable, gin.H{"ready": false, "reason": err.Error()})
		return
	}
	c.JSON(http.StatusOK, gin.H{"ready": true})
}
