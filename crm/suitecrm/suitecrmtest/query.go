package suitecrmtest

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var filterForm = regexp.MustCompile(`^filter\[(\w+)\]\[(\w+)\]$`)

// list answers GET module/{module}.
func (c *CRM) list(w http.ResponseWriter, r *http.Request) {
	module := r.PathValue("module")
	if c.fields[module] == nil {
		refuse(w, "Module %s does not exist", module)
		return
	}
	fields, fine := c.selected(w, r, module)
	if !fine || c.denied(w, module, "view") {
		return
	}
	query := r.URL.Query()
	matches, problem := c.compile(module, query)
	if problem != "" {
		refuse(w, "%s", problem)
		return
	}
	size, err := strconv.Atoi(query.Get("page[size]"))
	page, pageErr := strconv.Atoi(query.Get("page[number]"))
	if err != nil || pageErr != nil || size < 1 || page < 1 {
		refuse(w, `The option "page" with value array is invalid.`)
		return
	}
	found, now := []map[string]any{}, c.options.Now()
	for _, rec := range c.records[module] {
		lags := now.Sub(rec.changed) < c.options.SearchLag
		if !rec.deleted && !lags && matches(rec) {
			found = append(found, c.shown(module, rec, fields))
		}
	}
	total := len(found)
	begin := min((page-1)*size, total)
	found = found[begin:min(begin+size, total)]
	if len(found) == 0 {
		reply(w, http.StatusOK, map[string]any{
			"meta": map[string]any{"message": "Request was successful, but there is no result"}, "data": found,
		})
		return
	}
	reply(w, http.StatusOK, map[string]any{
		"meta":  map[string]any{"total-pages": (total + size - 1) / size, "records-on-this-page": len(found)},
		"data":  found,
		"links": map[string]any{"first": nil, "prev": nil, "next": nil, "last": nil},
	})
}

// selected returns the fields that a request asks for, nil for all.
func (c *CRM) selected(w http.ResponseWriter, r *http.Request, module string) (fields []string, fine bool) {
	asked := r.URL.Query().Get("fields[" + module + "]")
	if asked == "" {
		return nil, true
	}
	fields = strings.Split(asked, ",")
	for _, name := range fields {
		if _, known := c.fields[module][name]; !known {
			refuse(w, "The following field in %s module is not found: %s", objectNames[module], name)
			return nil, false
		}
	}
	return fields, true
}

// match tells whether a record is in a list.
type match func(*record) bool

// compile reads the filters of a query. MySQL takes no notice of case and of spaces at the end.
func (c *CRM) compile(module string, query url.Values) (matches match, problem string) {
	operator := strings.ToLower(query.Get("filter[operator]"))
	if operator != "" && operator != "and" && operator != "or" {
		return nil, "Filter operator " + operator + " is invalid"
	}
	var parts []match
	for key, values := range query {
		if !strings.HasPrefix(key, "filter[") || key == "filter[operator]" {
			continue
		}
		form := filterForm.FindStringSubmatch(key)
		switch {
		case form == nil:
			return nil, "Filter field " + key + " must be an array"
		case c.fields[module][form[1]].Type == "":
			return nil, "Filter field " + form[1] + " in " + objectNames[module] + " module is not found"
		case form[2] != "eq":
			return nil, "Filter operator " + form[2] + " is invalid"
		}
		wanted := strings.TrimRight(values[len(values)-1], " ") // of a repeated parameter PHP takes the last
		parts = append(parts, func(r *record) bool {
			return strings.EqualFold(strings.TrimRight(text(r.values[form[1]]), " "), wanted)
		})
	}
	return func(r *record) bool {
		if operator == "or" {
			return c.options.OrLetsAllThrough || slices.ContainsFunc(parts, func(part match) bool { return part(r) })
		}
		return !slices.ContainsFunc(parts, func(part match) bool { return !part(r) })
	}, ""
}
