package espocrmtest

import "slices"

// definition is a field as the metadata (entityDefs) describe it.
type definition struct {
	Type      string   `json:"type"`
	MaxLength int      `json:"maxLength,omitempty"`
	Required  bool     `json:"required,omitempty"`
	ReadOnly  bool     `json:"readOnly,omitempty"`
	Options   []string `json:"options,omitempty"`
	Default   any      `json:"default,omitempty"`
	Entity    string   `json:"entity,omitempty"`
	IsCustom  bool     `json:"isCustom,omitempty"`
}

// parents are what a call may belong to.
var parents = []string{"Account", "Lead", "Contact", "Opportunity", "Case"}

// standardFields returns the fields of a new installation, by entity type and name.
func standardFields(custom bool) map[string]map[string]definition {
	text := func(length int) definition { return definition{Type: "varchar", MaxLength: length} }
	common := func(fields map[string]definition) map[string]definition {
		fields["description"] = definition{Type: "text"}
		fields["assignedUser"] = definition{Type: "link", Entity: "User"}
		fields["createdAt"] = definition{Type: "datetime", ReadOnly: true}
		fields["modifiedAt"] = definition{Type: "datetime", ReadOnly: true}
		return fields
	}
	person := func() map[string]definition {
		return common(map[string]definition{
			"firstName": text(100), "lastName": {Type: "varchar", MaxLength: 100, Required: true},
			"phoneNumber": {Type: "phone"}, "emailAddress": {Type: "email"},
		})
	}
	name := definition{Type: "varchar", MaxLength: 255, Required: true}
	all := map[string]map[string]definition{
		"Contact": person(), "Lead": person(),
		"Account":     common(map[string]definition{"name": name, "phoneNumber": {Type: "phone"}}),
		"Opportunity": common(map[string]definition{"name": name}),
		"Case":        common(map[string]definition{"name": name}),
		"User": {
			"createdAt": {Type: "datetime", ReadOnly: true},
			"userName":  {Type: "varchar", MaxLength: 50, ReadOnly: true}, "emailAddress": {Type: "email", ReadOnly: true},
			"isActive": {Type: "bool", ReadOnly: true}, "type": {Type: "enum", ReadOnly: true},
		},
		"Call": callFields(common(map[string]definition{"name": name})),
	}
	if custom {
		for _, entity := range parents {
			all[entity]["cTransactionId"] = definition{Type: "varchar", MaxLength: 150, IsCustom: true}
		}
		all["Call"]["cProviderCallId"] = definition{Type: "varchar", MaxLength: 150, IsCustom: true}
		all["Call"]["cRecordingUrl"] = definition{Type: "url", MaxLength: 1000, IsCustom: true}
	}
	return all
}

// callFields adds what only calls have.
func callFields(fields map[string]definition) map[string]definition {
	fields["assignedUser"] = definition{Type: "link", Entity: "User", Required: true}
	fields["status"] = definition{Type: "enum", Options: []string{"Planned", "Held", "Not Held"}, Default: "Planned"}
	fields["direction"] = definition{Type: "enum", Options: []string{"Outbound", "Inbound"}, Default: "Outbound"}
	fields["dateStart"] = definition{Type: "datetime", Required: true}
	fields["dateEnd"] = definition{Type: "datetime", Required: true}
	fields["duration"] = definition{Type: "duration", Default: defaultDuration}
	fields["parent"] = definition{Type: "linkParent"}
	fields["contacts"] = definition{Type: "linkMultiple", Entity: "Contact"}
	fields["leads"] = definition{Type: "linkMultiple", Entity: "Lead"}
	fields["users"] = definition{Type: "linkMultiple", Entity: "User"}
	fields["uid"] = definition{Type: "varchar", MaxLength: 255, ReadOnly: true}
	return fields
}

// defaultDuration is what the answer to a create shows, in seconds.
const defaultDuration = 300

// attributes returns the attributes that a field is made of (page "Terms and naming").
func (d definition) attributes(field string) []string {
	switch d.Type {
	case "link":
		return []string{field + "Id", field + "Name"}
	case "linkParent":
		return []string{field + "Id", field + "Type", field + "Name"}
	case "linkMultiple":
		return []string{field + "Ids", field + "Names"}
	case "phone":
		return []string{field, field + "Data"}
	default:
		return []string{field}
	}
}

// field returns the field that an attribute belongs to.
func (c *CRM) field(entity, attribute string) (name string, d definition, found bool) {
	for name, d := range c.fields[entity] {
		if slices.Contains(d.attributes(name), attribute) {
			return name, d, true
		}
	}
	return "", definition{}, false
}

// filterable reports whether a list can be filtered by an attribute: those that the database holds.
func (c *CRM) filterable(entity, attribute string) bool {
	name, d, found := c.field(entity, attribute)
	switch {
	case !found:
		return attribute == "id"
	case d.Type == "duration" || d.Type == "linkMultiple":
		return false
	case d.Type == "link" || d.Type == "linkParent":
		return attribute != name+"Name"
	default:
		return attribute == name
	}
}

// Define adds or changes a custom field.
func (c *CRM) Define(entity, name, kind string, maxLength int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fields[entity][name] = definition{Type: kind, MaxLength: maxLength, IsCustom: true}
}
