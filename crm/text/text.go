package text

import (
	"errors"
	"fmt"
	"html"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/crmsyncd/crmsyncd/crm/call"
)

// Config is the section text of a vendor's configuration.
type Config struct {
	// Language of the built-in texts and of the words in a View: vi or en. Default: vi.
	Language string `koanf:"language" validate:"omitempty,oneof=vi en"`
	// Template of one's own for the title of a call log. Empty: built in.
	Title string `koanf:"title"`
	// Template of one's own for the body of a call log. Empty: built in.
	Body string `koanf:"body"`
	// Templates for fields of one's own, by the name of the field in the CRM. Default: none.
	Fields map[string]string `koanf:"fields"`
}

// Default returns the built-in texts in Vietnamese.
func Default() Config { return Config{Language: "vi"} }

// Text renders calls. It is safe for concurrent use.
type Text struct {
	words       words
	location    *time.Location
	title, body *template
	// ownTitle and ownBody are the built-in ones where those of the configuration fail on a call.
	ownTitle, ownBody *template
	fields            map[string]*template
}

// New checks the configuration and returns a Text that tells times in location; nil: UTC. The error names every key
// that is wrong and why.
func New(cfg Config, location *time.Location) (*Text, error) {
	if location == nil {
		location = time.UTC
	}
	language := cfg.Language
	if language == "" {
		language = Default().Language
	}
	dictionary := languages()
	chosen, known := dictionary[language]
	if !known {
		return nil, fmt.Errorf("language: is %q, it must be one of %s", language,
			strings.Join(slices.Sorted(maps.Keys(dictionary)), ", "))
	}
	t := &Text{words: chosen, location: location, fields: make(map[string]*template, len(cfg.Fields))}
	var errs []error
	compile := func(key, source string) *template {
		compiled, err := t.compile(key, source)
		errs = append(errs, err)
		return compiled
	}
	t.ownTitle, t.ownBody = compile("title", chosen.title), compile("body", chosen.body)
	t.title, t.body = t.ownTitle, t.ownBody
	if cfg.Title != "" {
		t.title = compile("title", cfg.Title)
	}
	if cfg.Body != "" {
		t.body = compile("body", cfg.Body)
	}
	for _, field := range slices.Sorted(maps.Keys(cfg.Fields)) {
		t.fields[field] = compile("fields."+field, cfg.Fields[field])
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return t, nil
}

// Title returns the title of a call log, one line. It is cut to maxCharacters with "…"; 0: it is not cut. Characters
// are counted as UTF-16 does, the strictest way that CRMs have: a letter is one, an emoji two.
func (t *Text) Title(c call.Call, maxCharacters int) string {
	text := strings.Join(strings.Fields(rendered(t.view(c), t.title, t.ownTitle)), " ")
	return join(pieces(text, clean(c.RecordingURL), plain, plain), maxCharacters)
}

// Body returns the text of a call log, lines separated by \n, cut as Title is.
func (t *Text) Body(c call.Call, maxCharacters int) string {
	return join(pieces(t.lines(c), clean(c.RecordingURL), plain, plain), maxCharacters)
}

// HTML returns Body as HTML: escaped, lines separated by <br>, the address of the recording as a link. Markup counts,
// and nothing of it is cut apart.
func (t *Text) HTML(c call.Call, maxCharacters int) string {
	address, render := clean(c.RecordingURL), html.EscapeString
	if linkable(address) {
		render = func(address string) string {
			escaped := html.EscapeString(address)
			return `<a href="` + escaped + `">` + escaped + `</a>`
		}
	}
	escape := func(character string) string {
		if character == "\n" {
			return "<br>"
		}
		return html.EscapeString(character)
	}
	return join(pieces(t.lines(c), address, escape, render), maxCharacters)
}

// Fields returns the fields of one's own by their names, those that are empty for this call included: an update may
// have to clear what an earlier one wrote. A template that fails on a call leaves its field empty.
func (t *Text) Fields(c call.Call) map[string]string {
	fields := make(map[string]string, len(t.fields))
	view := t.view(c)
	for name, field := range t.fields {
		fields[name] = strings.TrimSpace(rendered(view, field))
	}
	return fields
}

// lines returns the body without its blank lines.
func (t *Text) lines(c call.Call) string {
	var kept []string
	for line := range strings.Lines(rendered(t.view(c), t.body, t.ownBody)) {
		if line = strings.TrimSpace(line); line != "" {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "\n")
}

// rendered returns what the first template makes of a view that does not fail on it.
func rendered(view View, templates ...*template) string {
	for _, t := range templates {
		if text, err := t.render(view); err == nil {
			return text
		}
	}
	return ""
}
