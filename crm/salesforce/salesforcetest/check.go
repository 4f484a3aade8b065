package salesforcetest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/crmsyncd/crmsyncd/crm/crmtest"
)

// check says what is wrong with a record, nil when nothing is.
func (c *CRM) check(it item, target *record, created bool) *problem {
	if words := c.refusal(it, target); words != "" {
		return &problem{Code: "FIELD_CUSTOM_VALIDATION_EXCEPTION", Message: words}
	}
	var readOnly []string
	for name := range it.values {
		f := it.object.field(name)
		if created && !f.Createable || !created && !f.Updateable {
			readOnly = append(readOnly, name)
		}
	}
	if len(readOnly) > 0 {
		slices.Sort(readOnly)
		return &problem{
			Code: "INVALID_FIELD_FOR_INSERT_UPDATE", Fields: readOnly,
			Message: "Unable to create/update fields: " + strings.Join(readOnly, ", ") + ". Please check the security " +
				"settings of this field and verify that it is read/write for your profile or permission set.",
		}
	}
	if missing := it.missing(); created && len(missing) > 0 {
		return &problem{
			Code: "REQUIRED_FIELD_MISSING", Message: fmt.Sprintf("Required fields are missing: [%s]",
				strings.Join(missing, ", ")), Fields: missing,
		}
	}
	for _, name := range slices.Sorted(maps.Keys(it.values)) {
		if wrong := c.checkValue(it, it.object.field(name), it.values[name], target); wrong != nil {
			return wrong
		}
	}
	if who, _ := it.values["WhoId"].(string); strings.HasPrefix(who, "00Q") && it.values["WhatId"] != nil {
		return &problem{
			Code: "FIELD_INTEGRITY_EXCEPTION", Message: "Related To must be blank when Name is a lead",
			Fields: []string{"WhatId"},
		}
	}
	return nil
}

// refusal returns the words with which the log of a call is refused.
func (c *CRM) refusal(it item, target *record) string {
	for _, name := range []string{CallID, "CallObject"} {
		id, _ := it.values[name].(string)
		if id == "" && target != nil {
			id = target.text(name)
		}
		if words := c.refused[id]; id != "" && words != "" {
			return words
		}
	}
	return ""
}

// missing returns the required fields without a value.
func (it item) missing() []string {
	return slices.DeleteFunc(slices.Clone(it.object.required), func(name string) bool {
		text, _ := it.values[name].(string)
		return text != ""
	})
}

// checkValue says what is wrong with one value.
func (c *CRM) checkValue(it item, f *field, value any, target *record) *problem {
	wrong := func(code, format string, args ...any) *problem {
		return &problem{Code: code, Message: fmt.Sprintf(format, args...), Fields: []string{f.Name}}
	}
	switch v := value.(type) {
	case int64:
		if v < 0 || v > 99_999_999 {
			return wrong("NUMBER_OUTSIDE_VALID_RANGE", "%s: value outside of valid range on numeric field: %d", f.Label, v)
		}
	case string:
		known := slices.ContainsFunc(f.PicklistValues, func(p picklist) bool { return p.Value == v })
		switch {
		case f.Type == "reference":
			return c.checkReference(f, v)
		case f.Length > 0 && len(utf16.Encode([]rune(v))) > f.Length:
			return wrong("STRING_TOO_LONG", "%s: data value too large: %s (max length=%d)", f.Label, v, f.Length)
		case f.Restricted && !known:
			return wrong("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "%s: bad value for restricted picklist field: %s",
				f.Label, v)
		}
		if other := c.holder(it, f, v, target); other != nil {
			return wrong("DUPLICATE_VALUE", "duplicate value found: %s duplicates value on record with id: %s", f.Name,
				other.id[:15])
		}
	}
	return nil
}

// holder returns another record that has a value which only one may have.
func (c *CRM) holder(it item, f *field, value string, target *record) *record {
	if !f.Unique {
		return nil
	}
	for _, r := range c.carriersOf(it.object.name, f.Name, value) {
		if r != target && !r.deleted && r.text(f.Name) == value {
			return r
		}
	}
	return nil
}

// checkReference says what is wrong with the id of another record.
func (c *CRM) checkReference(f *field, id string) *problem {
	wrong := func(code, message string) *problem {
		return &problem{Code: code, Message: message, Fields: []string{f.Name}}
	}
	if !idForm.MatchString(id) {
		return wrong("MALFORMED_ID", f.Label+": id value of incorrect type: "+id)
	}
	r := c.row(id)
	switch {
	case r == nil:
		return wrong("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
	case !slices.Contains(f.ReferenceTo, r.object):
		return wrong("FIELD_INTEGRITY_EXCEPTION", f.Label+": id value of incorrect type: "+id)
	case r.deleted:
		return wrong("ENTITY_IS_DELETED", "entity is deleted")
	case r.object == "User" && r.values["IsActive"] != true:
		return wrong("INACTIVE_OWNER_OR_USER", "operation performed with inactive user ["+r.id+"] as owner of task")
	case r.object == "Lead" && r.values["IsConverted"] == true:
		return wrong("CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead")
	}
	return nil
}

// log returns a task as a call log.
func (r *record) log() crmtest.Log {
	l := crmtest.Log{
		ID: r.id, CallID: r.text("CallObject"), RecordID: cmp.Or(r.text("WhoId"), r.text("WhatId")),
		Owner: r.text("OwnerId"), RecordingURL: cmp.Or(r.text(Recording), link.FindString(r.text("Description"))),
		Direction: strings.ToLower(r.text("CallType")), Result: strings.ToLower(r.text("CallDisposition")),
		Title: r.text("Subject"), Text: r.text("Description"),
	}
	l.Seconds, _ = r.values["CallDurationInSeconds"].(int64)
	if start, err := time.Parse(time.RFC3339, r.text(CallStart)); err == nil {
		l.Start = start
	}
	return l
}
