package salesforcetest

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// cursor is the rest of a query's result.
type cursor struct {
	total int
	rows  []map[string]any
}

// query serves GET query. The caller holds the lock.
func (c *CRM) query(r *http.Request, version string) (any, int, *fault) {
	s, f := parse(r.URL.Query().Get("q"))
	if f != nil {
		return nil, 0, f
	}
	o := c.objects[strings.ToLower(s.object)]
	if o == nil {
		return nil, 0, badRequest("INVALID_TYPE", "sObject type '%s' is not supported. If you are attempting to use a "+
			"custom object, be sure to append the '__c' after the entity name.", s.object)
	}
	if f := s.check(o); f != nil {
		return nil, 0, f
	}
	var rows []map[string]any
	for _, found := range c.matching(s, o) {
		row := map[string]any{"attributes": map[string]string{
			"type": o.name, "url": "/services/data/v" + version + ".0/sobjects/" + o.name + "/" + found.id,
		}}
		for _, name := range s.fields {
			row[o.field(name).Name] = found.value(name)
		}
		rows = append(rows, row)
	}
	return c.page(version, cursor{total: len(rows), rows: rows}), http.StatusOK, nil
}

// value returns what a query shows of a field.
func (r *record) value(name string) any {
	if strings.EqualFold(name, "CreatedDate") {
		return r.created.UTC().Format("2006-01-02T15:04:05.000+0000")
	}
	if value, found := r.values[name]; found {
		return value
	}
	for key, value := range r.values {
		if strings.EqualFold(key, name) {
			return value
		}
	}
	return nil
}

// matching returns the rows that a statement is about, in its order. The caller holds the lock.
func (c *CRM) matching(s statement, o *object) []*record {
	var found []*record
	for _, id := range c.order {
		r := c.records[id]
		seen := !r.created.After(c.options.Now().Add(-c.options.SearchLag))
		if r.object == o.name && !r.deleted && seen && s.where.holds(r) {
			found = append(found, r)
		}
	}
	if s.order != "" && s.down {
		slices.Reverse(found)
	}
	if s.limit > 0 && len(found) > s.limit {
		found = found[:s.limit]
	}
	return found
}

// page returns the first rows of a result and keeps the rest. The caller holds the lock.
func (c *CRM) page(version string, all cursor) map[string]any {
	size := min(c.options.PageSize, len(all.rows))
	page := map[string]any{"totalSize": all.total, "done": size == len(all.rows), "records": all.rows[:size]}
	if size < len(all.rows) {
		c.sequences++
		id := fmt.Sprintf("0r8%015d-%d", c.sequences, c.options.PageSize)
		c.cursors[id] = cursor{total: all.total, rows: all.rows[size:]}
		page["nextRecordsUrl"] = "/services/data/v" + version + ".0/query/" + id
	}
	if size == 0 {
		page["records"] = []any{}
	}
	return page
}

// next serves what a nextRecordsUrl names. The caller holds the lock.
func (c *CRM) next(version, id string) (any, int, *fault) {
	rest, found := c.cursors[id]
	if !found {
		return nil, 0, badRequest("INVALID_QUERY_LOCATOR", "invalid query locator")
	}
	return c.page(version, rest), http.StatusOK, nil
}

// check refuses fields that are not there and comparisons that are not possible.
func (s statement) check(o *object) *fault {
	for _, name := range s.fields {
		if o.field(name) == nil {
			return noColumn(o, name)
		}
	}
	if s.order != "" && o.field(s.order) == nil {
		return noColumn(o, s.order)
	}
	return s.where.check(o)
}

// noColumn is the fault of a field that is not there, or not for this user.
func noColumn(o *object, name string) *fault {
	return badRequest("INVALID_FIELD", "\nSELECT Id,%s FROM %s\n          ^\nERROR at Row:1:Column:11\nNo such column "+
		"'%s' on entity '%s'. If you are attempting to use a custom field, be sure to append the '__c' after the custom "+
		"field name. Please reference your WSDL or the describe call for the appropriate names.", name, o.name, name, o.name)
}

func (c *condition) check(o *object) *fault {
	if c == nil {
		return nil
	}
	for _, part := range c.parts {
		if f := part.check(o); f != nil {
			return f
		}
	}
	if c.field == "" {
		return nil
	}
	f := o.field(c.field)
	switch {
	case f == nil:
		return noColumn(o, c.field)
	case !f.Filterable:
		return badRequest("INVALID_FIELD", "field '%s' can not be filtered in a query call", c.field)
	}
	for _, value := range c.values {
		boolean := f.Type == "boolean"
		truth := !value.quoted && (strings.EqualFold(value.text, "true") || strings.EqualFold(value.text, "false"))
		switch {
		case boolean && !truth:
			return badRequest("INVALID_FIELD", "value of filter criterion for field '%s' must be of type boolean and should "+
				"not be enclosed in quotes", c.field)
		case !boolean && !value.quoted && !strings.EqualFold(value.text, "null"):
			return badRequest("INVALID_FIELD", "value of filter criterion for field '%s' must be of type string and should "+
				"be enclosed in quotes", c.field)
		case (f.Type == "id" || f.Type == "reference") && value.quoted && !idForm.MatchString(value.text):
			return badRequest("INVALID_QUERY_FILTER_OPERATOR", "invalid ID field: %s", value.text)
		}
	}
	return nil
}

// holds reports whether a row meets a condition. Texts are compared without case.
func (c *condition) holds(r *record) bool {
	switch {
	case c == nil:
		return true
	case c.join == "OR":
		return slices.ContainsFunc(c.parts, func(part *condition) bool { return part.holds(r) })
	case c.field == "":
		return !slices.ContainsFunc(c.parts, func(part *condition) bool { return !part.holds(r) })
	}
	switch stored := r.value(c.field).(type) {
	case string:
		return c.set[strings.ToLower(stored)]
	case bool:
		return c.set[strconv.FormatBool(stored)]
	default:
		return c.set["null"]
	}
}

// parseForm reads a form from a body.
func parseForm(r *http.Request, body []byte) (url.Values, error) {
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		return nil, http.ErrNotSupported
	}
	return url.ParseQuery(string(body))
}
