package hubspottest

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The bounds of a search, by the page "Search the CRM".
const (
	maxSearchBody   = 3000 // characters
	maxFilterGroups = 5
	maxFilters      = 6
	maxAllFilters   = 18
	maxPage         = 200
	defaultPage     = 10
	maxHits         = 10_000
)

// filter compares one property.
type filter struct {
	Property string   `json:"propertyName"`
	Operator string   `json:"operator"`
	Value    string   `json:"value"`
	Values   []string `json:"values"`
}

// query is a search: one group has to hold, and all filters of it.
type query struct {
	Groups []struct {
		Filters []filter `json:"filters"`
	} `json:"filterGroups"`
	Query      string              `json:"query"`
	Properties []string            `json:"properties"`
	Sorts      []map[string]string `json:"sorts"`
	Limit      int                 `json:"limit"`
	After      string              `json:"after"`
}

// problem returns what is wrong with a query, empty when nothing is.
func (c *CRM) problem(t objectType, q query, characters int) string {
	all := 0
	for _, group := range q.Groups {
		all += len(group.Filters)
		if len(group.Filters) > maxFilters {
			return "too many filters in a group"
		}
		for _, f := range group.Filters {
			if _, known := c.property(t.name, f.Property); !known {
				return "There was a problem with the request: no property " + f.Property
			}
			if (f.Operator == "IN") != (len(f.Values) > 0) {
				return "operator " + f.Operator + " does not fit its values"
			}
		}
	}
	switch {
	case characters > maxSearchBody:
		return "the request body is longer than 3000 characters"
	case len(q.Groups) > maxFilterGroups || all > maxAllFilters:
		return "too many filters"
	case q.Limit > maxPage || q.Limit < 0:
		return "limit must not be greater than 200"
	}
	return ""
}

// holds tells whether a filter holds for what the index has of an object. Texts are compared in lower case; IN expects
// its values to be so already.
func (f filter) holds(values map[string]string) (holds, supported bool) {
	value := strings.ToLower(values[f.Property])
	switch f.Operator {
	case "EQ":
		return value != "" && value == strings.ToLower(f.Value), true
	case "IN":
		return value != "" && slices.Contains(f.Values, value), true
	case "HAS_PROPERTY":
		return value != "", true
	default:
		return false, false
	}
}

func (c *CRM) search(w http.ResponseWriter, r *http.Request) {
	t, known := typeOf(r.PathValue("type"))
	var q query
	characters, ok := read(w, r, &q)
	if !ok {
		return
	}
	if !known {
		invalid(w, "Unable to infer object type from: %s", r.PathValue("type"))
		return
	}
	if problem := c.problem(t, q, characters); problem != "" {
		invalid(w, "%s", problem)
		return
	}
	hits := []result{}
	for _, o := range c.objects[t.name] {
		if values := o.indexed(c.options.Now().Add(-c.options.SearchLag)); values != nil && q.matches(values) {
			hits = append(hits, o.show(values, q.Properties))
		}
	}
	first, _ := strconv.Atoi(q.After)
	if q.Limit == 0 {
		q.Limit = defaultPage
	}
	last := min(first+q.Limit, len(hits))
	if first > last || first+q.Limit > maxHits {
		invalid(w, "paging goes beyond the results")
		return
	}
	answer := map[string]any{"total": len(hits), "results": hits[first:last]}
	if last < len(hits) {
		answer["paging"] = map[string]any{"next": map[string]string{"after": strconv.Itoa(last)}}
	}
	reply(w, http.StatusOK, answer)
}

// matches tells whether one of the groups holds.
func (q query) matches(values map[string]string) bool {
	for _, group := range q.Groups {
		all := len(group.Filters) > 0
		for _, f := range group.Filters {
			holds, _ := f.holds(values)
			all = all && holds
		}
		if all {
			return true
		}
	}
	return false
}

// Settle moves what is hidden by the lag into the index, as time does.
func (c *CRM) Settle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, objects := range c.objects {
		for _, o := range objects {
			for i := range o.states {
				o.states[i].since = o.states[i].since.Add(-c.options.SearchLag - time.Nanosecond)
			}
		}
	}
}
