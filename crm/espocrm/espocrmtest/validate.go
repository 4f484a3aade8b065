package espocrmtest

import (
	"maps"
	"regexp"
	"slices"
	"time"
	"unicode/utf8"
)

// invalid returns the first field whose value breaks a rule, and the rule, as the server names both.
func (c *CRM) invalid(entity string, values map[string]any, isNew bool) (field, rule string) {
	fields := c.fields[entity]
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		d := fields[name]
		attribute := name
		if d.Type == "link" || d.Type == "linkParent" {
			attribute += "Id"
		}
		value, set := values[attribute]
		missing := value == nil || value == ""
		switch {
		case d.Required && missing && (set || isNew):
			return name, "required"
		case missing:
		case !c.valid(d, value):
			return name, broken(d, value)
		}
	}
	return "", ""
}

// broken names the rule that a value breaks.
func broken(d definition, value any) string {
	if s, isText := value.(string); isText && d.MaxLength > 0 && utf8.RuneCountInString(s) > d.MaxLength {
		return "maxLength"
	}
	return "valid"
}

var international = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)

// valid reports whether a value is one of its field.
func (c *CRM) valid(d definition, value any) bool {
	s, isText := value.(string)
	switch d.Type {
	case "varchar", "url":
		return d.MaxLength == 0 || utf8.RuneCountInString(s) <= d.MaxLength
	case "enum":
		return slices.Contains(d.Options, s)
	case "datetime":
		return isMoment(s)
	case "phone":
		return !isText || c.options.LocalNumbers || international.MatchString(s)
	case "int", "float":
		return !isText
	default:
		return true
	}
}

// isMoment reports whether a text is a time as the server reads it: its own form or ISO 8601.
func isMoment(s string) bool {
	for _, layout := range []string{timeLayout, time.RFC3339} {
		if _, err := time.Parse(layout, s); err == nil {
			return true
		}
	}
	return false
}
