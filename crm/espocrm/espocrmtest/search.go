package espocrmtest

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// maxPage is how many records a list shows at most (configuration parameter recordListMaxSizeLimit).
const maxPage = 200

// list answers GET {entity}.
func (c *CRM) list(w http.ResponseWriter, r *http.Request) {
	entity := r.PathValue("entity")
	if c.fields[entity] == nil {
		refuse(w, http.StatusNotFound, "")
		return
	}
	if c.level(entity, "read") == "no" && !c.isAdmin(r) {
		refuse(w, http.StatusForbidden, "No access to '"+entity+"'.")
		return
	}
	query := parsePHP(r.URL.RawQuery)
	size, err := strconv.Atoi(cmp.Or(text(query["maxSize"]), strconv.Itoa(maxPage)))
	offset, _ := strconv.Atoi(text(query["offset"]))
	if err != nil || size > maxPage {
		refuse(w, http.StatusForbidden, "Max size should not exceed 200. Use offset and limit.")
		return
	}
	where := query["whereGroup"]
	if where == nil {
		where = query["where"]
	}
	matches, problem := c.all(entity, items(where))
	if order := text(query["orderBy"]); order != "" && !c.filterable(entity, order) {
		problem = "Not existing attribute '" + order + "' in orderBy."
	}
	if problem != "" {
		refuse(w, http.StatusBadRequest, problem)
		return
	}
	selected := cmp.Or(text(query["attributeSelect"]), text(query["select"]))
	found := c.search(r, entity, matches)
	if text(query["order"]) == "asc" {
		slices.Reverse(found)
	}
	c.page(w, r, found, max(offset, 0), size, selected)
}

// search returns the records of a list, the newest first as is EspoCRM's default. Of orders the fake knows that by the
// time of creation only.
func (c *CRM) search(r *http.Request, entity string, matches match) []*record {
	var found []*record
	now := c.options.Now()
	for _, rec := range slices.Backward(c.records[entity]) {
		own := c.may(r, entity, "read") || rec.values["assignedUserId"] == apiUserID
		if own && now.Sub(rec.changed) >= c.options.SearchLag && matches(rec) {
			found = append(found, rec)
		}
	}
	return found
}

// page answers with a part of what was found.
func (c *CRM) page(w http.ResponseWriter, r *http.Request, found []*record, offset, size int, selected string) {
	total := len(found)
	rest := found[min(offset, len(found)):]
	shown := rest[:min(size, len(rest))]
	if r.Header.Get("X-No-Total") == "true" {
		total = -2
		if len(rest) > len(shown) {
			total = -1
		}
	}
	list := make([]map[string]any, len(shown))
	for i, rec := range shown {
		list[i] = c.shown(rec)
		delete(list[i], "phoneNumberData") // lists load the primary number only
		if selected == "" {
			continue
		}
		wanted := append(strings.Split(selected, ","), "id")
		for attribute := range list[i] {
			if !slices.Contains(wanted, attribute) {
				delete(list[i], attribute)
			}
		}
	}
	reply(w, http.StatusOK, map[string]any{"total": total, "list": list})
}

// match tells whether a record is in a list.
type match func(*record) bool

// all compiles where items of which all must hold.
func (c *CRM) all(entity string, where []any) (matches match, problem string) {
	parts := make([]match, len(where))
	for i, item := range where {
		if parts[i], problem = c.compile(entity, item); problem != "" {
			return nil, problem
		}
	}
	return func(rec *record) bool {
		return !slices.ContainsFunc(parts, func(part match) bool { return !part(rec) })
	}, ""
}

// compile reads one where item (page "API search parameters").
func (c *CRM) compile(entity string, item any) (matches match, problem string) {
	node, _ := item.(map[string]any)
	kind, attribute := text(node["type"]), text(node["attribute"])
	switch kind {
	case "and":
		return c.all(entity, items(node["value"]))
	case "or":
		return c.anyOf(entity, items(node["value"]))
	case "equals", "in", "isTrue", "isFalse", "isNull", "isNotNull":
	default:
		return nil, "Bad where item type '" + kind + "'."
	}
	if !c.filterable(entity, attribute) {
		return nil, "Not existing attribute '" + attribute + "' in where."
	}
	wanted := map[string]bool{}
	for _, value := range append(items(node["value"]), node["value"]) {
		if s, isText := value.(string); isText {
			wanted[strings.ToLower(s)] = true // the collation of the database takes no notice of case
		}
	}
	return func(rec *record) bool {
		carried := rec.carried(attribute)
		switch kind {
		case "isTrue":
			return rec.values[attribute] == true
		case "isFalse":
			return rec.values[attribute] != true
		case "isNull":
			return len(carried) == 0
		case "isNotNull":
			return len(carried) > 0
		default:
			return slices.ContainsFunc(carried, func(value string) bool { return wanted[strings.ToLower(value)] })
		}
	}, ""
}

// anyOf compiles where items of which one must hold.
func (c *CRM) anyOf(entity string, where []any) (matches match, problem string) {
	parts := make([]match, len(where))
	for i, item := range where {
		if parts[i], problem = c.compile(entity, item); problem != "" {
			return nil, problem
		}
	}
	return func(rec *record) bool {
		return slices.ContainsFunc(parts, func(part match) bool { return part(rec) })
	}, ""
}
