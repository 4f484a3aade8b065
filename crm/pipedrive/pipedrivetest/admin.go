package pipedrivetest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
)

// listFields answers with the fields of an object, system fields among them.
func (c *CRM) listFields(object string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if _, fine := limit(r, 100, 500); !fine {
			refuse(w, http.StatusBadRequest, "Validation failed: limit")
			return
		}
		show := func(f field, isCustom bool) map[string]any {
			return map[string]any{
				"field_code": f.code, "field_name": f.name, "field_type": f.kind, "is_custom_field": isCustom,
				"options": nil, "subfields": nil, "is_optional_response_field": false,
			}
		}
		data := []map[string]any{show(field{"name", "Name", "varchar"}, false)}
		for _, f := range c.fields[object] {
			data = append(data, show(f, true))
		}
		reply(w, data, cursor(""))
	}
}

var fieldTypes = regexp.MustCompile(`^(varchar|text|double|phone|varchar_auto|date|enum|set)$`)

// createField makes a custom field, for who may.
func (c *CRM) createField(object string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Name string `json:"field_name"`
			Type string `json:"field_type"`
		}
		switch {
		case c.options.Regular:
			refuse(w, http.StatusForbidden, "You do not have permissions to do this.")
			return
		case json.NewDecoder(r.Body).Decode(&body) != nil || body.Name == "" || !fieldTypes.MatchString(body.Type):
			refuse(w, http.StatusBadRequest, "Validation failed: field_name or field_type")
			return
		}
		c.lastID++
		f := field{fmt.Sprintf("%040x", c.lastID), body.Name, body.Type}
		c.fields[object] = append(c.fields[object], f)
		reply(w, map[string]any{
			"field_code": f.code, "field_name": f.name, "field_type": f.kind, "is_custom_field": true,
			"is_optional_response_field": false,
		}, nil)
	}
}

// AddField makes a custom field of an object and returns its key.
func (c *CRM) AddField(object, name, kind string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lastID++
	code := fmt.Sprintf("%040x", c.lastID)
	c.fields[object] = append(c.fields[object], field{code, name, kind})
	return code
}

// me answers with the user of the token.
func (c *CRM) me(w http.ResponseWriter, _ *http.Request) {
	access := []map[string]any{{
		"app": "sales", "admin": true, "permission_set_id": "62cc4d7f-4038-4352-abf3-a8c1c822b631",
	}}
	if !c.options.Regular {
		access = append(access, map[string]any{
			"app": "account_settings", "admin": true, "permission_set_id": "982c5ce5-b8ba-4b47-b102-9da024f4b990",
		})
	}
	reply(w, map[string]any{
		"id": ownUser, "name": "Owner", "email": c.users[0].email, "active_flag": true, "access": access,
	}, nil)
}

func (c *CRM) listUsers(w http.ResponseWriter, _ *http.Request) {
	data := []map[string]any{}
	for _, u := range c.users {
		data = append(data, map[string]any{"id": u.id, "name": u.email, "email": u.email, "active_flag": true})
	}
	reply(w, data, nil)
}
