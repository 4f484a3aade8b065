package pipedrivetest

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// showActivity returns an entry as its activity is shown.
func (e *entry) showActivity() map[string]any {
	shown := map[string]any{
		"id": e.activity, "subject": e.subject, "type": "call", "owner_id": e.owner, "note": e.note, "done": true,
		"add_time": e.added.UTC().Format(time.RFC3339), "update_time": e.updated.UTC().Format(time.RFC3339),
	}
	for _, name := range []string{"person_id", "deal_id", "lead_id"} {
		if e.fields[name] != nil {
			shown[name] = e.fields[name]
		}
	}
	return shown
}

// listActivities answers GET /activities. Its cursor is the place where the next page begins.
func (c *CRM) listActivities(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	most, fine := limit(r, 100, 500)
	since, err := time.Parse(time.RFC3339, query.Get("updated_since"))
	begin, cursorErr := strconv.Atoi("0" + query.Get("cursor"))
	isSorted := query.Get("sort_by") == "add_time" && query.Get("sort_direction") == "desc"
	if !fine || err != nil || cursorErr != nil || !isSorted {
		refuse(w, http.StatusBadRequest, "Validation failed: updated_since, sort_by, sort_direction, cursor or limit")
		return
	}
	all := []map[string]any{}
	for _, e := range slices.Backward(c.entries) {
		if !e.updated.Before(since) && c.shown(e.updated) {
			all = append(all, e.showActivity())
		}
	}
	end, next := min(begin+most, len(all)), ""
	if end < len(all) {
		next = strconv.Itoa(end)
	}
	reply(w, all[min(begin, end):end], cursor(next))
}

func (c *CRM) entryOf(r *http.Request) *entry {
	for _, e := range c.entries {
		if strconv.Itoa(e.activity) == r.PathValue("id") {
			return e
		}
	}
	return nil
}

func (c *CRM) readActivity(w http.ResponseWriter, r *http.Request) {
	if e := c.entryOf(r); e != nil {
		reply(w, e.showActivity(), nil)
		return
	}
	refuse(w, http.StatusNotFound, "Activity not found")
}

// updateActivity answers PATCH /activities/{id}.
func (c *CRM) updateActivity(w http.ResponseWriter, r *http.Request) {
	e := c.entryOf(r)
	var body map[string]string
	switch {
	case e == nil:
		refuse(w, http.StatusNotFound, "Activity not found")
		return
	case json.NewDecoder(r.Body).Decode(&body) != nil:
		refuse(w, http.StatusBadRequest, "Validation failed: the body must be an object of texts")
		return
	}
	for name, value := range body {
		switch name {
		case "subject":
			e.subject = value
		case "note":
			e.note = value
		default:
			refuse(w, http.StatusBadRequest, "Validation failed: "+name)
			return
		}
	}
	e.updated = c.options.Now()
	reply(w, e.showActivity(), nil)
}
