package sandbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Limits of one record, in bytes of text and in number of custom fields.
const (
	maxShort  = 256
	maxLong   = 2 << 10
	maxNote   = 16 << 10
	maxCustom = 64
	// maxSeconds bounds durations to a year: more is a mistake of units.
	maxSeconds = 366 * 24 * 3600
)

// field is one writable field of a record: how it is read, and how it is set from JSON. set returns what is wrong with
// the value, or nothing.
type field[T any] struct {
	name string
	get  func(*T) any
	set  func(*T, json.RawMessage) string
}

// schema is the set of writable fields of one kind of record, and where it keeps the others.
type schema[T any] struct {
	fields []field[T]
	// readOnly are names that the server sets itself; writing them is passed over, so that a client may send back what
	// it read.
	readOnly []string
	custom   func(*T) *map[string]any
}

// apply sets the fields of body in record and returns what is wrong by field name, empty when all is well. With
// problems the record is half set and must be thrown away.
func (s schema[T]) apply(record *T, body map[string]json.RawMessage) map[string]string {
	problems := map[string]string{}
	known := make(map[string]bool, len(s.fields)+len(s.readOnly))
	for _, name := range s.readOnly {
		known[name] = true
	}
	for _, f := range s.fields {
		known[f.name] = true
		raw, present := body[f.name]
		if !present {
			continue
		}
		if problem := f.set(record, raw); problem != "" {
			problems[f.name] = problem
		}
	}
	custom := maps.Clone(*s.custom(record))
	if custom == nil {
		custom = map[string]any{}
	}
	for name, raw := range body {
		if known[name] {
			continue
		}
		if problem := setCustom(custom, name, raw); problem != "" {
			problems[clip(name, maxShort)] = problem
		}
	}
	if len(custom) > maxCustom {
		problems["custom"] = fmt.Sprintf("must not be more than %d fields", maxCustom)
	}
	if len(custom) == 0 {
		custom = nil
	}
	*s.custom(record) = custom
	return problems
}

// changes returns what differs between two states of a record.
func (s schema[T]) changes(before, after *T) map[string]Change {
	changed := map[string]Change{}
	for _, f := range s.fields {
		if from, to := f.get(before), f.get(after); from != to {
			changed[f.name] = Change{From: from, To: to}
		}
	}
	older, newer := *s.custom(before), *s.custom(after)
	for _, names := range []map[string]any{older, newer} {
		for name := range names {
			if older[name] != newer[name] {
				changed["custom."+name] = Change{From: older[name], To: newer[name]}
			}
		}
	}
	return changed
}

// setCustom sets or, for null, removes a field that the schema does not name.
func setCustom(custom map[string]any, name string, raw json.RawMessage) string {
	if name == "" || len(name) > maxShort {
		return fmt.Sprintf("must have a name of 1 to %d bytes", maxShort)
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return "must be JSON"
	}
	switch value := value.(type) {
	case nil:
		delete(custom, name)
		return ""
	case string:
		if len(value) > maxLong {
			return fmt.Sprintf("must not be longer than %d bytes", maxLong)
		}
	case map[string]any, []any:
		return "is not a field of this record; a custom field must be a string, a number or a boolean"
	}
	custom[name] = value
	return ""
}

// isNull reports whether raw is JSON's null.
func isNull(raw json.RawMessage) bool { return string(raw) == "null" }

// text is a string field of at most limit bytes; null empties it.
func text[T any](name string, limit int, at func(*T) *string) field[T] {
	return field[T]{
		name: name,
		get: func(record *T) any {
			if value := *at(record); value != "" {
				return value
			}
			return nil
		},
		set: func(record *T, raw json.RawMessage) string {
			var value string
			if err := json.Unmarshal(raw, &value); err != nil {
				return "must be a string"
			}
			if len(value) > limit {
				return fmt.Sprintf("must not be longer than %d bytes", limit)
			}
			*at(record) = value
			return ""
		},
	}
}

// choice is a string field that is empty or one of a few words.
func choice[T any](name string, at func(*T) *string, words ...string) field[T] {
	f := text(name, maxShort, at)
	set := f.set
	f.set = func(record *T, raw json.RawMessage) string {
		if problem := set(record, raw); problem != "" {
			return problem
		}
		if value := *at(record); value != "" && !slices.Contains(words, value) {
			return fmt.Sprintf("must be one of %q", words)
		}
		return ""
	}
	return f
}

// instant is a time field in RFC 3339; null and the empty string empty it.
func instant[T any](name string, at func(*T) *time.Time) field[T] {
	return field[T]{
		name: name,
		get: func(record *T) any {
			if value := *at(record); !value.IsZero() {
				return value
			}
			return nil
		},
		set: func(record *T, raw json.RawMessage) string {
			if isNull(raw) || string(raw) == `""` {
				*at(record) = time.Time{}
				return ""
			}
			var value time.Time
			if err := json.Unmarshal(raw, &value); err != nil {
				return "must be a time in RFC 3339, such as 2026-01-02T15:04:05+07:00"
			}
			*at(record) = value.UTC()
			return ""
		},
	}
}

// seconds is a field of whole seconds; null empties it.
func seconds[T any](name string, at func(*T) **int64) field[T] {
	return field[T]{
		name: name,
		get: func(record *T) any {
			if value := *at(record); value != nil {
				return *value
			}
			return nil
		},
		set: func(record *T, raw json.RawMessage) string {
			if isNull(raw) {
				*at(record) = nil
				return ""
			}
			var value int64
			if err := json.Unmarshal(raw, &value); err != nil {
				return "must be a whole number of seconds"
			}
			if value < 0 || value > maxSeconds {
				return fmt.Sprintf("must be between 0 and %d seconds", maxSeconds)
			}
			*at(record) = &value
			return ""
		},
	}
}

// clip returns at most limit bytes of s, for names that come from outside.
func clip(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + "…"
}
