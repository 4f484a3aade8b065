package suitecrmtest

import (
	"net/http"
	"slices"
)

// definition is a field as the metadata describe it.
type definition struct {
	Type     string `json:"type"`
	Len      int    `json:"len,omitempty"`
	Source   string `json:"source,omitempty"`
	Required bool   `json:"required"`
}

// objectNames are what SuiteCRM calls one record of a module.
var objectNames = map[string]string{
	"Accounts": "Account", "Contacts": "Contact", "Leads": "Lead", "Opportunities": "Opportunity", "Users": "User",
	"Calls": "Call",
}

// standardFields returns the fields of a new installation, by module and name.
func standardFields(custom bool) map[string]map[string]definition {
	varchar := func(length int) definition { return definition{Type: "varchar", Len: length} }
	phone := definition{Type: "phone", Len: 100}
	person := func() map[string]definition {
		return map[string]definition{
			"first_name": varchar(100), "last_name": varchar(100), "phone_mobile": phone, "phone_work": phone,
			"phone_home": phone, "phone_other": phone,
		}
	}
	all := map[string]map[string]definition{
		"Contacts": person(), "Leads": person(),
		"Accounts":      {"name": varchar(150), "phone_office": phone, "phone_alternate": phone},
		"Opportunities": {"name": varchar(50)},
		"Users":         {"user_name": {Type: "user_name", Len: 60}, "status": {Type: "enum", Len: 100}},
		"Calls": {
			"name": varchar(50), "status": {Type: "enum", Len: 100, Required: true}, "direction": {Type: "enum", Len: 100},
			"date_start": {Type: "datetimecombo", Required: true}, "date_end": {Type: "datetimecombo"},
			"duration_hours": {Type: "int", Len: 3, Required: true}, "duration_minutes": {Type: "int", Len: 2},
			"parent_type": {Type: "parent_type", Len: 255}, "parent_id": {Type: "id"}, "contact_id": {Type: "id"},
			"lead_id": {Type: "id"},
		},
	}
	for module, fields := range all {
		fields["id"], fields["assigned_user_id"] = definition{Type: "id", Len: 36}, definition{Type: "relate"}
		fields["description"], fields["date_entered"] = definition{Type: "text"}, definition{Type: "datetime"}
		if custom && module != "Users" && module != "Calls" {
			fields["transaction_id_c"] = definition{Type: "varchar", Len: 255, Source: "custom_fields"}
		}
	}
	if custom {
		all["Calls"]["call_id_c"] = definition{Type: "varchar", Len: 100, Source: "custom_fields"}
		all["Calls"]["recording_url_c"] = definition{Type: "url", Len: 255, Source: "custom_fields"}
		all["Calls"]["duration_seconds_c"] = definition{Type: "int", Len: 11, Source: "custom_fields"}
	}
	return all
}

// modules answers GET meta/modules: what the role allows, by module. Users are not shown.
func (c *CRM) modules(w http.ResponseWriter, _ *http.Request) {
	shown := map[string]any{}
	for module := range c.fields {
		access := map[string]string{} // PHP writes a list with gaps as an object
		for i, action := range []string{"access", "delete", "edit", "export", "import", "list", "massupdate", "view"} {
			if !slices.Contains(c.options.Denied[module], action) {
				access[string(rune('0'+i))] = action
			}
		}
		if module != "Users" {
			shown[module] = map[string]any{"label": module, "access": access}
		}
	}
	reply(w, http.StatusOK, map[string]any{"data": map[string]any{"type": "modules", "id": "", "attributes": shown}})
}

// fieldList answers GET meta/fields/{module}.
func (c *CRM) fieldList(w http.ResponseWriter, r *http.Request) {
	fields := c.fields[r.PathValue("module")]
	if fields == nil {
		refuse(w, "[SuiteCRM] [API] [Not Allowed] The API user does not have access to this module.")
		return
	}
	reply(w, http.StatusOK, map[string]any{"data": map[string]any{"type": "fields", "id": "", "attributes": fields}})
}
