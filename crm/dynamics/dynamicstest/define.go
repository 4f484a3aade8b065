package dynamicstest

import (
	"encoding/json"
	"math"
	"regexp"
	"strings"
)

// privileges returns those of the application user.
func (c *CRM) privileges() any {
	names := []string{
		"prvCreateActivity", "prvReadActivity", "prvWriteActivity", "prvAppendActivity", "prvAssignActivity", "prvReadUser",
	}
	for _, table := range []string{"Contact", "Lead", "Opportunity", "Account"} {
		names = append(names, "prvRead"+table, "prvAppendTo"+table)
	}
	list := []any{}
	for _, name := range names {
		if !strings.EqualFold(name, c.options.Lacking) {
			list = append(list, map[string]any{"Depth": "Global", "PrivilegeId": me, "PrivilegeName": name})
		}
	}
	return map[string]any{"RolePrivileges": list}
}

// described returns the definition of a table.
func (t *table) described() any {
	attributes := []any{}
	for name, col := range t.columns {
		attributes = append(attributes, map[string]any{
			"@odata.type": "#Microsoft.Dynamics.CRM." + col.kind + "AttributeMetadata", "LogicalName": name,
			"AttributeType": col.kind, "IsValidForCreate": !col.readOnly, "IsValidForUpdate": !col.readOnly,
		})
	}
	return map[string]any{"LogicalName": t.name, "Attributes": attributes}
}

// prefixed is what the name of a column of one's own looks like.
var prefixed = regexp.MustCompile(`^[a-z][a-z0-9]{1,7}_[a-z0-9_]+$`)

// define makes a column of a table.
func (c *CRM) define(t *table, body []byte) (any, *fault) {
	var d struct {
		Type        string `json:"@odata.type"`
		SchemaName  string
		MaxLength   int
		DisplayName struct {
			LocalizedLabels []struct {
				Label        string
				LanguageCode int
			}
		}
	}
	err := json.Unmarshal(body, &d)
	labels := d.DisplayName.LocalizedLabels
	switch {
	case err != nil:
		return nil, payload(t, "The definition of a column cannot be read.")
	case len(labels) == 0 || labels[0].Label == "" || labels[0].LanguageCode != 1033:
		return nil, refuse(400, "0x80044338", "The label for the base language is missing.")
	case !prefixed.MatchString(d.SchemaName):
		return nil, refuse(400, "0x8004f010", "Schema name %s must begin with the prefix of a publisher.", d.SchemaName)
	case t.columns[d.SchemaName] != nil:
		return nil, refuse(400, "0x80044153", "An attribute with the specified name %s already exists for entity: %s.",
			d.SchemaName, t.name)
	}
	switch d.Type {
	case "Microsoft.Dynamics.CRM.StringAttributeMetadata":
		t.columns[d.SchemaName] = &column{kind: "String", length: d.MaxLength}
	case "Microsoft.Dynamics.CRM.IntegerAttributeMetadata":
		t.columns[d.SchemaName] = &column{kind: "Integer", max: math.MaxInt32}
	default:
		return nil, payload(t, "The type "+d.Type+" is not known to this fake.")
	}
	return map[string]any{}, nil
}
