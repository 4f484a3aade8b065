package pipedrive

import (
	"cmp"
	"context"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/call"
)

// lineBreak separates the lines of a note, as package text does.
const lineBreak = "<br>"

// lines returns the note of a call: what package text makes of it, with the link to its recording if it is wanted, and
// a line with the call id. These two are added where a template of one's own leaves them out.
func (a *Adapter) lines(c call.Call, isLinked bool) []string {
	address := c.RecordingURL
	if !isLinked {
		c.RecordingURL = ""
	}
	lines := strings.Split(a.text.HTML(c, maxNote), lineBreak)
	if escaped := html.EscapeString(address); isLinked && !strings.Contains(strings.Join(lines, " "), escaped) {
		line := escaped
		if u, err := url.Parse(address); err == nil && (u.Scheme == "http" || u.Scheme == "https") {
			line = `<a href="` + escaped + `">` + escaped + `</a>`
		}
		lines = append(lines, line)
	}
	if own := a.idLine(c); !slices.ContainsFunc(lines, func(line string) bool { return plain(line) == own }) {
		lines = append(lines, html.EscapeString(own))
	}
	return lines
}

// idLine returns the line of a note that tells the call id, as plain text.
func (a *Adapter) idLine(c call.Call) string {
	c = call.Call{ID: c.ID} // the line must be the same whatever else is known of the call
	wanted := plain(html.EscapeString(c.ID))
	for line := range strings.SplitSeq(a.text.HTML(c, maxNote), lineBreak) {
		if label, found := strings.CutSuffix(plain(line), ": "+wanted); found && label != "" {
			return label + ": " + wanted
		}
	}
	return "Call ID: " + wanted
}

var (
	// tag is one of HTML, ending one that ends a line as a browser shows it: people and Pipedrive's editor put lines into
	// such.
	tag    = regexp.MustCompile(`<[^>]*>`)
	ending = regexp.MustCompile(`(?i)<(br|/p|/div|/li|p|div|li)\b[^>]*>`)
)

// plain returns a text of HTML as a reader sees it: one line for each of its lines, without needless space.
func plain(note string) string {
	var lines []string
	for line := range strings.SplitSeq(ending.ReplaceAllString(note, "\n"), "\n") {
		lines = append(lines, strings.Join(strings.Fields(html.UnescapeString(tag.ReplaceAllString(line, ""))), " "))
	}
	return strings.Join(lines, "\n")
}

// The bounds of looking for a log: how much earlier than the call it may have been made by Pipedrive's clock, how far
// back to look for a call without times, and how many pages of 500 activities are read.
const (
	clockError = 15 * time.Minute
	longAgo    = 7 * 24 * time.Hour
	maxPages   = 20
	pageSize   = 500
	searchLag  = 30 * time.Second
)

// FindLogs looks for the call ids in the notes of the activities that changed since the earliest of the calls began,
// the newest first. Calls of which this is not certain within its bounds are an error.
func (a *Adapter) FindLogs(ctx context.Context, calls []call.Call) []crm.LogFound {
	found := make([]crm.LogFound, len(calls))
	missing := map[string][]int{}
	now := a.options.Now()
	since := now
	for i, c := range calls {
		if began := cmp.Or(c.Began(), now.Add(-longAgo)); began.Before(since) {
			since = began
		}
		line := a.idLine(c)
		missing[line] = append(missing[line], i)
	}
	query := url.Values{
		"updated_since": {since.Add(-clockError).UTC().Format(time.RFC3339)}, "sort_by": {"add_time"},
		"sort_direction": {"desc"}, "limit": {strconv.Itoa(pageSize)},
	}
	err := a.walk(ctx, query, func(activity, note string) bool {
		for line := range strings.SplitSeq(plain(note), "\n") {
			for _, i := range missing[line] {
				found[i].LogID = activity
			}
			delete(missing, line)
		}
		return len(missing) > 0
	})
	for _, asked := range missing {
		for _, i := range asked {
			found[i].Err = err
		}
	}
	return found
}

// walk calls do with the activities that a query lists until it returns false.
func (a *Adapter) walk(ctx context.Context, query url.Values, do func(activity, note string) bool) error {
	for range maxPages {
		page, err := send[[]struct {
			ID   id
			Note string
		}](ctx, a, 10, api.Request{
			Operation: "find_log", Title: "find call log", Method: http.MethodGet, Path: "/api/v2/activities", Query: query,
		})
		if err != nil {
			return err
		}
		for _, activity := range page.Data {
			if !do(string(activity.ID), activity.Note) {
				return nil
			}
		}
		if page.Additional.NextCursor == "" {
			return nil
		}
		query.Set("cursor", page.Additional.NextCursor)
	}
	return crm.Errorf(crm.KindTransient, "find call log", "more than %d activities changed since the call: whether one "+
		"of them is its log is not known", maxPages*pageSize)
}
