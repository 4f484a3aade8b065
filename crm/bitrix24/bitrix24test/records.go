package bitrix24test

import (
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// pageSize is that of all lists.
const pageSize = 50

// maxDuplicates is how many records of a type crm.duplicate.findbycomm returns.
const maxDuplicates = 20

// objectNames are the kinds of record, in the order in which findbycomm searches them where it does.
func objectNames() []string { return []string{"lead", "contact", "company", "deal"} }

// entityTypes are the ids of the kinds.
func entityTypes() map[int]string {
	return map[int]string{1: "lead", 2: "deal", 3: "contact", 4: "company"}
}

// record is a lead, a contact, a company or a deal.
type record struct {
	kind          string
	id, owner     int
	transactionID string
	phones        []string
	made          time.Time
}

// AddRecord makes a record owned by the administrator. A phone of a deal is kept nowhere, as deals have none.
func (c *CRM) AddRecord(kind, transactionID, phone string) (id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := &record{kind: kind, id: c.nextID(), owner: 1, transactionID: transactionID, made: c.o.Now()}
	if phone != "" && kind != "deal" {
		r.phones = []string{phone}
	}
	c.records = append(c.records, r)
	return numeral(r.id)
}

// DeleteRecord removes a record.
func (c *CRM) DeleteRecord(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.records = slices.DeleteFunc(c.records, func(r *record) bool { return numeral(r.id) == id })
}

// record returns one that is there, nil if it is not.
func (c *CRM) record(kind string, id int) *record {
	for _, r := range c.records {
		if r.kind == kind && r.id == id {
			return r
		}
	}
	return nil
}

// listItems is crm.item.list: names in camelCase, 50 rows a page.
func (c *CRM) listItems(params object) (result, *failure) {
	kind, known := entityTypes()[number(params["entityTypeId"])]
	if !known {
		return result{}, fail(http.StatusBadRequest, "NOT_FOUND", "Entity type is not found")
	}
	custom := map[string]string{}
	for name := range c.fields[kind] {
		custom[camel(name)] = name
	}
	rows, refused := c.filter(kind, params["filter"], custom, "id")
	if refused != nil {
		return result{}, refused
	}
	selected := list(params["select"])
	items := []object{}
	for _, r := range rows {
		item := object{}
		if slices.Contains(selected, "id") || len(selected) == 0 {
			item["id"] = r.id
		}
		if slices.Contains(selected, "assignedById") {
			item["assignedById"] = r.owner
		}
		for name := range custom {
			if slices.Contains(selected, name) {
				item[name] = r.transactionID
			}
		}
		items = append(items, item)
	}
	answer := page(items, params)
	answer.value = object{"items": answer.value}
	return answer, nil
}

// listOf is crm.contact.list and its like: names in upper case, numbers as texts, PHONE only where it is selected.
func listOf(kind string) func(*CRM, object) (result, *failure) {
	return func(c *CRM, params object) (result, *failure) {
		custom := map[string]string{}
		for name := range c.fields[kind] {
			custom[name] = name
		}
		rows, refused := c.filter(kind, params["filter"], custom, "ID")
		if refused != nil {
			return result{}, refused
		}
		selected := list(params["select"])
		found := []object{}
		for _, r := range rows {
			item := object{"ID": numeral(r.id)}
			if slices.Contains(selected, "ASSIGNED_BY_ID") {
				item["ASSIGNED_BY_ID"] = numeral(r.owner)
			}
			if slices.Contains(selected, "PHONE") && len(r.phones) > 0 {
				var phones []object
				for i, number := range r.phones {
					phones = append(phones, object{
						"ID": numeral(i + 1), "VALUE_TYPE": "WORK", "VALUE": number, "TYPE_ID": "PHONE",
					})
				}
				item["PHONE"] = phones
			}
			for name := range custom {
				if slices.Contains(selected, name) {
					item[name] = r.transactionID
				}
			}
			found = append(found, item)
		}
		return page(found, params), nil
	}
}

// filter returns the records that show and meet a filter of equalities: FIELD, =FIELD, @FIELD with a list.
func (c *CRM) filter(kind string, filter any, custom map[string]string, id string) ([]*record, *failure) {
	conditions, _ := filter.(object)
	var rows []*record
	for _, r := range c.records {
		if r.kind == kind && c.visible(r.made) {
			rows = append(rows, r)
		}
	}
	for key, wanted := range conditions {
		field := strings.TrimLeft(key, "@=")
		values := list(wanted)
		if len(values) > 1 && !strings.HasPrefix(key, "@") {
			return nil, fail(http.StatusBadRequest, "INVALID_ARG_VALUE", "Invalid filter: field '%s' has invalid value", field)
		}
		_, isCustom := custom[field]
		if !isCustom && field != id {
			return nil, fail(http.StatusBadRequest, "INVALID_ARG_VALUE",
				"Invalid filter: field '%s' is not allowed in filter", field)
		}
		rows = slices.DeleteFunc(rows, func(r *record) bool {
			if field == id {
				return !slices.Contains(values, numeral(r.id))
			}
			// The database compares without regard to case.
			return !slices.ContainsFunc(values, func(v string) bool { return strings.EqualFold(v, r.transactionID) })
		})
	}
	return rows, nil
}

// findByCommunication is crm.duplicate.findbycomm: it compares digits and does not say which value matched.
func (c *CRM) findByCommunication(params object) (result, *failure) {
	values := list(params["values"])
	switch {
	case text(params["type"]) == "":
		return result{}, fail(http.StatusBadRequest, "Communication type is not defined", "Parameter 'type' is required.")
	case text(params["type"]) != "PHONE":
		return result{}, fail(http.StatusBadRequest, "", "Communication type is not supported in current context")
	case len(values) == 0 || len(values) > maxDuplicates:
		return result{}, fail(http.StatusBadRequest, "Communication values is not defined", "Parameter 'values' is required.")
	}
	found := object{}
	for _, kind := range objectNames()[:3] {
		if only := text(params["entity_type"]); only != "" && !strings.EqualFold(only, kind) {
			continue
		}
		var ids []int
		for _, r := range c.records {
			has := slices.ContainsFunc(r.phones, func(phone string) bool {
				return slices.ContainsFunc(values, func(v string) bool { return digits(v) == digits(phone) })
			})
			if r.kind == kind && has && c.visible(r.made) && len(ids) < maxDuplicates {
				ids = append(ids, r.id)
			}
		}
		if len(ids) > 0 {
			found[strings.ToUpper(kind)] = ids
		}
		if len(ids) >= maxDuplicates {
			break // The types that follow are not returned.
		}
	}
	return result{value: php(found)}, nil
}

// describe is crm.item.fields.
func (c *CRM) describe(params object) (result, *failure) {
	kind, known := entityTypes()[number(params["entityTypeId"])]
	if !known {
		return result{}, fail(http.StatusBadRequest, "NOT_FOUND", "Entity type is not found")
	}
	fields := object{
		"id":           object{"type": "integer", "isReadOnly": true, "isMultiple": false, "upperName": "ID"},
		"assignedById": object{"type": "user", "isReadOnly": false, "isMultiple": false, "upperName": "ASSIGNED_BY_ID"},
	}
	for name, fieldType := range c.fields[kind] {
		fields[camel(name)] = object{"type": fieldType, "isReadOnly": false, "isMultiple": false, "upperName": name}
	}
	return result{value: object{"fields": fields}}, nil
}

var fieldCode = regexp.MustCompile(`^[A-Z0-9_]{1,13}$`)

// addFieldOf is crm.contact.userfield.add and its like.
func addFieldOf(kind string) func(*CRM, object) (result, *failure) {
	return func(c *CRM, params object) (result, *failure) {
		fields, _ := params["fields"].(object)
		code := strings.TrimPrefix(text(fields["FIELD_NAME"]), "UF_CRM_")
		switch {
		case text(fields["USER_TYPE_ID"]) == "":
			return result{}, fail(http.StatusBadRequest, "", "The 'USER_TYPE_ID' field is not found.")
		case !fieldCode.MatchString(code):
			return result{}, fail(http.StatusBadRequest, "", "The 'FIELD_NAME' field is not valid.")
		case c.fields[kind]["UF_CRM_"+code] != "":
			return result{}, fail(http.StatusBadRequest, "", "Field UF_CRM_%s already exists.", code)
		}
		c.fields[kind]["UF_CRM_"+code] = text(fields["USER_TYPE_ID"])
		return result{value: c.nextID()}, nil
	}
}

// camel is how crm.item.* names a custom field: an underscore stays before a digit.
func camel(name string) string {
	parts := strings.Split(strings.ToLower(name), "_")
	var b strings.Builder
	for i, part := range parts {
		switch {
		case i == 0 || part == "":
			b.WriteString(part)
		case part[0] >= '0' && part[0] <= '9':
			b.WriteString("_" + part)
		default:
			b.WriteString(strings.ToUpper(part[:1]) + part[1:])
		}
	}
	return b.String()
}

// page returns the page of rows that the parameter start asks for.
func page(rows []object, params object) result {
	start := min(max(number(params["start"]), 0), len(rows))
	end := min(start+pageSize, len(rows))
	answer := result{value: rows[start:end], total: len(rows)}
	if end < len(rows) {
		answer.next = end
	}
	return answer
}

// numeral returns an id as PHP sends those of a database.
func numeral(id int) string { return strconv.Itoa(id) }

// digits returns the decimal digits of s.
func digits(s string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, s)
}
