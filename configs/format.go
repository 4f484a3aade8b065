package configs

import (
	"encoding"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/crmsyncd/crmsyncd/configs/secret"
)

// kindOf says in plain words what a field takes.
func kindOf(typ reflect.Type) string {
	if _, ok := sectionType(typ); ok {
		return "keys of its own"
	}
	switch {
	case typ == secretType:
		return "a secret"
	case typ == reflect.TypeFor[time.Duration]():
		return "a duration such as 500ms, 30s, 15m or 72h"
	case typ == reflect.TypeFor[Bytes]():
		return "a size such as 64KiB or 8GiB"
	case reflect.PointerTo(typ).Implements(unmarshalerType):
		return "a single value"
	}
	switch typ.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64:
		return "a whole number"
	case reflect.Float64:
		return "a number"
	case reflect.String:
		return "a text"
	case reflect.Slice:
		return "a list"
	case reflect.Map:
		return "keys of its own"
	default:
		return "any value"
	}
}

// format writes a value as it may stand in the configuration. Secrets are written as [set] or [unset], what has keys of
// its own not at all.
func format(v reflect.Value) string {
	switch value := v.Interface().(type) {
	case time.Duration:
		return formatDuration(value)
	case []secret.String:
		return secret.New(strings.Repeat("x", len(value))).String()
	case encoding.TextMarshaler:
		if text, err := value.MarshalText(); err == nil {
			return string(text)
		}
		return ""
	case []string:
		return strings.Join(value, ", ")
	}
	switch v.Kind() {
	case reflect.Map, reflect.Slice, reflect.Struct, reflect.Pointer, reflect.Interface:
		return ""
	default:
		return fmt.Sprint(v.Interface())
	}
}

// formatDuration leaves out the zeros that time.Duration writes: 15m, not 15m0s.
func formatDuration(d time.Duration) string {
	text := d.String()
	if short, ok := strings.CutSuffix(text, "m0s"); ok {
		text = short + "m"
	}
	if short, ok := strings.CutSuffix(text, "h0m"); ok {
		text = short + "h"
	}
	return text
}
