package console

import (
	"bytes"
	"context"
	"embed"
	"html/template"
	"log/slog"
	"net/http"
	"time"

	"github.com/crmsyncd/crmsyncd/crm/admin"
)

//go:embed templates/*.html assets/*
var files embed.FS

// policy lets a page load our own style sheet and icon, and nothing else.
const policy = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; " +
	"frame-ancestors 'none'"

// renderTimeout bounds how long a page reads the store.
const renderTimeout = 4 * time.Second

// Options are what New needs.
type Options struct {
	// Store and Queries are required; Queries read the same store.
	Store   admin.Store
	Queries *admin.Queries
	// Ready says why events cannot be made durable now; nil, or a nil error: they can.
	Ready func() error
	// Target tells whether delivery rests; nil: this process does not deliver.
	Target admin.Target
	// Location is the time zone of the times shown; nil: UTC.
	Location *time.Location
	// Logger gets what keeps a page from being shown; nil: nobody.
	Logger *slog.Logger
	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

// console answers the requests.
type console struct {
	Options
	pages *template.Template
}

// New returns the handler of all pages. It starts nothing. It panics when its own templates are broken.
func New(o Options) http.Handler {
	if o.Ready == nil {
		o.Ready = func() error { return nil }
	}
	if o.Location == nil {
		o.Location = time.UTC
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	c := &console{Options: o}
	c.pages = template.Must(template.New("").Funcs(template.FuncMap{
		"printable": printable, "clock": c.clock, "zone": c.zone, "instant": instant, "number": number, "size": size,
	}).ParseFS(files, "templates/*.html"))

	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", c.overview)
	for _, name := range []string{"console.css", "icon.svg"} {
		mux.HandleFunc("GET /assets/"+name, func(w http.ResponseWriter, r *http.Request) {
			http.ServeFileFS(w, r, files, "assets/"+name)
		})
	}
	return mux
}

// overview shows the overview page.
func (c *console) overview(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), renderTimeout)
	defer cancel()
	var page bytes.Buffer
	if err := c.pages.ExecuteTemplate(&page, "overview.html", c.look(ctx)); err != nil {
		c.Logger.ErrorContext(ctx, "cannot render the console", "err", err)
		http.Error(w, "the page cannot be shown, the log says more", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", policy)
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	// An error of the connection has nobody left to be told to.
	_, _ = w.Write(page.Bytes())
}
