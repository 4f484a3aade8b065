package sandbox

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

//go:embed page/*.html
var templates embed.FS

//go:embed page/style.css
var stylesheet []byte

// contentPolicy forbids the pages everything but their own style and players.
const contentPolicy = "default-src 'none'; style-src 'self'; img-src 'self' data:; media-src http: https:; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

const (
	perPage = 50
	// maxQuery bounds what is searched for, in bytes.
	maxQuery = 200
)

// parsePages reads the embedded templates, which tests have seen to be right.
func parsePages() *template.Template {
	return template.Must(template.ParseFS(templates, "page/*.html"))
}

// addPages registers the routes of the pages.
func (s *Server) addPages() {
	s.mux.HandleFunc("GET /{$}", s.showContacts)
	s.mux.HandleFunc("GET /contacts/{id}", s.showContact)
	s.mux.HandleFunc("GET /unlinked", s.showUnlinked)
	s.mux.HandleFunc("GET /style.css", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/css; charset=utf-8")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		_, _ = w.Write(stylesheet) // an error means that the client has gone
	})
	s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.render(w, r, http.StatusNotFound, "missing", frame{Title: "Not found"})
	})
}

// frame is what every page shows around its own content.
type frame struct {
	Title              string
	Contacts, Unlinked int
	// Here names the entry of the navigation that the page belongs to.
	Here string
	// Live is whether the page loads itself again, LiveURL the same page with that switched.
	Live    bool
	LiveURL string
	Content any
}

// contactRow is a contact in the list.
type contactRow struct {
	ID, Name, Phone, TransactionID string
	Initials, Tone                 string
	Calls                          int
	// Last is when the newest call began, in words and as a time; empty without calls.
	Last, LastStamp string
}

// contactsPage is the content of the list of contacts.
type contactsPage struct {
	Query string
	Total int
	Rows  []contactRow
	Pager pager
}

// contactPage is the content of the page of a contact.
type contactPage struct {
	contactRow
	Owner    string
	Since    string
	Answered int
	Missed   int
	Running  int
	Talk     string
	Days     []day
	Pager    pager
}

// unlinkedPage is the content of the list of calls without a contact.
type unlinkedPage struct {
	Total int
	Days  []day
	Pager pager
}

// pager links the pages of a long list; an empty link is not shown.
type pager struct {
	Previous, Next string
	Number, Of     int
}

func (s *Server) showContacts(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query().Get("q")
	if len(query) > maxQuery {
		query = clip(query, maxQuery)
	}
	matches := s.store.search(query)
	p, links := paging(r, len(matches))
	now := s.options.Now().In(s.options.Location)
	content := contactsPage{Query: query, Total: len(matches), Pager: links}
	for _, m := range cut(matches, p) {
		content.Rows = append(content.Rows, s.row(m, now))
	}
	s.render(w, r, http.StatusOK, "contacts", frame{Title: "Contacts", Here: "contacts", Content: content})
}

// row is a contact as the lists show it.
func (s *Server) row(m contactSummary, now time.Time) contactRow {
	row := contactRow{
		ID: m.contact.ID, Name: m.contact.Name, Phone: m.contact.Phone, TransactionID: m.contact.TransactionID,
		Initials: initials(m.contact.Name), Tone: tone(m.contact.ID), Calls: m.calls,
	}
	if row.Name == "" {
		row.Name = "No name"
	}
	if !m.latest.IsZero() {
		at := m.latest.In(s.options.Location)
		row.Last, row.LastStamp = ago(at, now), at.Format(time.RFC3339)
	}
	return row
}

func (s *Server) showContact(w http.ResponseWriter, r *http.Request) {
	c, exists := s.store.contact(r.PathValue("id"))
	if !exists {
		s.render(w, r, http.StatusNotFound, "missing", frame{Title: "Not found"})
		return
	}
	calls := s.store.findCalls(callFilter{contactID: c.ID}, 0)
	slices.SortFunc(calls, newestFirst)
	p, links := paging(r, len(calls))
	content := contactPage{
		contactRow: s.row(contactSummary{contact: c, calls: len(calls)}, s.options.Now()), Owner: s.userName(c.Owner),
		Since: c.CreatedAt.In(s.options.Location).Format("2 January 2006"), Days: s.days(cut(calls, p)), Pager: links,
	}
	var talk int64
	for _, call := range calls {
		switch outcome(*call) {
		case outcomeAnswered:
			content.Answered++
		case outcomeMissed:
			content.Missed++
		default:
			content.Running++
		}
		if call.TalkSeconds != nil {
			talk += *call.TalkSeconds
		}
	}
	content.Talk = spell(&talk)
	s.render(w, r, http.StatusOK, "contact", frame{Title: content.Name, Here: "contact", Content: content})
}

func (s *Server) showUnlinked(w http.ResponseWriter, r *http.Request) {
	calls := s.store.unlinked()
	slices.SortFunc(calls, newestFirst)
	p, links := paging(r, len(calls))
	content := unlinkedPage{Total: len(calls), Days: s.days(cut(calls, p)), Pager: links}
	s.render(w, r, http.StatusOK, "unlinked", frame{Title: "Unlinked calls", Here: "unlinked", Content: content})
}

// render writes a page.
func (s *Server) render(w http.ResponseWriter, r *http.Request, status int, name string, f frame) {
	f.Contacts, _, f.Unlinked, _ = s.store.sizes()
	f.Live = r.URL.Query().Get("live") == "1"
	f.LiveURL = address(r, "live", "1")
	if f.Live {
		f.LiveURL = address(r, "live", "")
	}
	var body bytes.Buffer
	if err := s.pages.ExecuteTemplate(&body, name, f); err != nil {
		s.options.Logger.ErrorContext(r.Context(), "page not rendered", "page", name, "err", err)
		http.Error(w, "The page could not be shown.", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", contentPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes()) // an error means that the client has gone
}

// paging reads which page is asked for, the nearest there is, and links its neighbours.
func paging(r *http.Request, total int) (page, pager) {
	last := max(1, (total+perPage-1)/perPage)
	number, err := strconv.Atoi(r.URL.Query().Get("page"))
	if err != nil {
		number = 1
	}
	number = min(max(number, 1), last)
	links := pager{Number: number, Of: last}
	if number > 1 {
		links.Previous = address(r, "page", strconv.Itoa(number-1))
	}
	if number < last {
		links.Next = address(r, "page", strconv.Itoa(number+1))
	}
	return page{number: number, limit: perPage}, links
}

// address is the address of the page that is shown with one parameter set, or removed when value is empty. Other
// parameters than the pages' own are dropped.
func address(r *http.Request, name, value string) string {
	kept := url.Values{}
	for _, known := range []string{"q", "page", "live"} {
		if v := r.URL.Query().Get(known); v != "" {
			kept.Set(known, clip(v, maxQuery))
		}
	}
	kept.Set(name, value)
	if value == "" {
		kept.Del(name)
	}
	return "?" + kept.Encode()
}
