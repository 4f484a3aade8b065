package salesforcetest

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// customField is a field and the object it is on.
type customField struct {
	object string
	field  *field
}

// definition is the body of a CustomField that is made.
type definition struct {
	FullName string `json:"FullName"`
	Metadata struct {
		Label         string `json:"label"`
		Type          string `json:"type"`
		Length        int    `json:"length"`
		ExternalID    bool   `json:"externalId"`
		Unique        bool   `json:"unique"`
		CaseSensitive bool   `json:"caseSensitive"`
		Required      bool   `json:"required"`
		Description   string `json:"description"`
	} `json:"Metadata"`
}

// fullName is what the name of a custom field looks like. Fields of tasks are fields of Activity.
var fullName = regexp.MustCompile(`^([A-Za-z]\w*)\.([A-Za-z]\w*)__c$`)

// createField serves the making of a custom field. It is hidden until Grant. The caller holds the lock.
func (c *CRM) createField(body []byte) (any, int, *fault) {
	var d definition
	if err := json.Unmarshal(body, &d); err != nil {
		return nil, 0, badRequest("JSON_PARSER_ERROR", "%v", err)
	}
	part := fullName.FindStringSubmatch(d.FullName)
	if part == nil {
		return nil, 0, badRequest("FIELD_INTEGRITY_EXCEPTION", "Custom field name must end with __c: %s", d.FullName)
	}
	o := c.objects[strings.ToLower(part[1])]
	if part[1] == "Activity" {
		o = c.objects["task"]
	}
	m := d.Metadata
	switch {
	case o == nil || part[1] == "Task":
		return nil, 0, badRequest("INVALID_CROSS_REFERENCE_KEY", "Entity Enumeration Or ID: bad value: %s", part[1])
	case c.exists(o, part[2]+"__c"):
		return nil, 0, badRequest("DUPLICATE_DEVELOPER_NAME", "There is already a field named %s on %s.", part[2], part[1])
	case m.Label == "":
		return nil, 0, badRequest("REQUIRED_FIELD_MISSING", "Required fields are missing: [label]")
	case m.Type == "Text" && (m.Length < 1 || m.Length > 255):
		return nil, 0, badRequest("FIELD_INTEGRITY_EXCEPTION", "Can not specify 'length' of %d for a Text field", m.Length)
	case part[1] == "Activity" && (m.ExternalID || m.Unique) && c.options.NoExternalID:
		return nil, 0, badRequest("FIELD_INTEGRITY_EXCEPTION", "Can not specify 'externalId' for a field of Activity")
	}
	kind, length := "string", m.Length
	switch m.Type {
	case "Text":
	case "Url":
		kind, length = "url", 255
	case "DateTime":
		kind = "datetime"
	default:
		return nil, 0, badRequest("INVALID_FIELD", "invalid type: %s", m.Type)
	}
	f := standard(part[2]+"__c", kind, length)
	f.Label, f.Custom, f.ExternalID, f.IDLookup = m.Label, true, m.ExternalID, m.ExternalID
	f.Unique, f.CaseSensitive = m.Unique, m.CaseSensitive
	c.hidden = append(c.hidden, customField{object: o.name, field: f})
	return map[string]any{
		"id": c.newID("00N"), "success": true, "errors": []any{}, "warnings": []any{}, "infos": []any{},
	}, http.StatusCreated, nil
}

// exists reports whether an object has a field, seen or hidden.
func (c *CRM) exists(o *object, name string) bool {
	return o.field(name) != nil || slices.ContainsFunc(c.hidden, func(h customField) bool {
		return h.object == o.name && strings.EqualFold(h.field.Name, name)
	})
}

// queryTooling serves SOQL over CustomField: DeveloperName and TableEnumOrId of the fields that there are, seen or
// hidden. The caller holds the lock.
func (c *CRM) queryTooling(r *http.Request) (any, int, *fault) {
	s, f := parse(r.URL.Query().Get("q"))
	if f != nil {
		return nil, 0, f
	}
	if s.object != "CustomField" {
		return nil, 0, badRequest("INVALID_TYPE", "sObject type '%s' is not supported.", s.object)
	}
	all := slices.Clone(c.hidden)
	for _, name := range c.names() {
		for _, f := range c.objects[name].fields {
			if f.Custom {
				all = append(all, customField{object: c.objects[name].name, field: f})
			}
		}
	}
	records := []map[string]any{}
	for _, custom := range all {
		table := custom.object
		if table == "Task" {
			table = "Activity"
		}
		row := &record{values: map[string]any{
			"DeveloperName": strings.TrimSuffix(custom.field.Name, "__c"), "TableEnumOrId": table,
		}}
		if s.where.holds(row) {
			records = append(records, row.values)
		}
	}
	return map[string]any{
		"size": len(records), "totalSize": len(records), "done": true, "queryLocator": nil, "entityTypeName": "CustomField",
		"records": records,
	}, http.StatusOK, nil
}
