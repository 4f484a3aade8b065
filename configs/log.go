package configs

import (
	"fmt"
	"log/slog"
	"net/url"
	"reflect"
	"strings"
)

// LogValue returns the configuration in force as one group, a group per section. Secrets are [set] or [unset]; maps and
// lists of sections, which may hold names of people, are only counted; URLs are shown without user and query.
func (c Config) LogValue() slog.Value {
	attrs := attributes(reflect.ValueOf(c))
	if a, ok := adapterOf(c.CRM.Type); ok {
		for i, attr := range attrs {
			if attr.Key != "crm" {
				continue
			}
			section := attributes(reflect.ValueOf(a.section(&c.CRM)).Elem())
			attrs[i].Value = slog.GroupValue(append(attr.Value.Group(), section...)...)
		}
	}
	return slog.GroupValue(attrs...)
}

// attributes returns the keys of a section.
func attributes(section reflect.Value) []slog.Attr {
	var attrs []slog.Attr
	for field, value := range section.Fields() {
		if name := fieldName(field); name != "" {
			attrs = append(attrs, slog.Attr{Key: name, Value: attribute(value)})
		}
	}
	return attrs
}

// attribute returns one value as it may be seen.
func attribute(v reflect.Value) slog.Value {
	if _, ok := sectionType(v.Type()); ok {
		if v.Kind() == reflect.Pointer {
			return slog.BoolValue(!v.IsNil())
		}
		return slog.GroupValue(attributes(v)...)
	}
	if isSecret(v.Type()) {
		return slog.StringValue(format(v))
	}
	switch v.Kind() {
	case reflect.Bool:
		return slog.BoolValue(v.Bool())
	case reflect.Int:
		return slog.Int64Value(v.Int())
	case reflect.Float64:
		return slog.Float64Value(v.Float())
	case reflect.Map:
		return slog.IntValue(v.Len())
	case reflect.Slice:
		if list, ok := reflect.TypeAssert[[]string](v); ok {
			return slog.StringValue(strings.Join(list, ", "))
		}
		return slog.IntValue(v.Len())
	case reflect.String:
		return slog.StringValue(visible(v.String()))
	default:
		return slog.StringValue(format(v))
	}
}

// visible hides what in a URL may be a secret.
func visible(text string) string {
	if !strings.Contains(text, "://") {
		return text
	}
	u, err := url.Parse(text)
	if err != nil {
		return fmt.Sprintf("[%d bytes]", len(text))
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}
