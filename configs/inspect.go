package configs

import (
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// inspect walks a section and those in it. It reports keys that nobody knows and keys without a value, and puts what
// the files of secrets hold in the secrets' places. The decoder would not do for the first two: it passes over a key
// without a value, and says nothing of the keys of a section in which a value is wrong.
func (l *loader) inspect(typ reflect.Type, tree map[string]any, path string) {
	unknown := maps.Clone(tree)
	for field := range typ.Fields() {
		name := fieldName(field)
		if name == "" {
			continue
		}
		delete(unknown, name)
		if isSecret(field.Type) {
			delete(unknown, name+fileSuffix)
			l.secret(field.Type, tree, name, join(path, name))
		}
		if value, given := tree[name]; given {
			l.inspectValue(field.Type, value, join(path, name))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(unknown)) {
		l.unknownKey(typ, path, name)
	}
}

// inspectValue looks at one value: into it, if it is a section or a list or map of such.
func (l *loader) inspectValue(typ reflect.Type, value any, path string) {
	sub, isSection := sectionType(typ)
	switch value := value.(type) {
	case nil:
		if !isSection && typ.Kind() != reflect.Interface && !l.wrong(path) {
			l.mistake(path, "", "has no value: give it one or remove it")
		}
	case map[string]any:
		if isSection {
			l.inspect(sub, value, path)
		}
		if typ.Kind() == reflect.Map {
			for _, name := range slices.Sorted(maps.Keys(value)) {
				l.inspectValue(typ.Elem(), value[name], join(path, name))
			}
		}
	case []any:
		if typ.Kind() == reflect.Slice {
			for i, item := range value {
				l.inspectValue(typ.Elem(), item, path+"["+strconv.Itoa(i)+"]")
			}
		}
	}
}

// unknownKey reports a key that a section does not have. Its value is not shown: it may be a secret under a wrong name.
func (l *loader) unknownKey(typ reflect.Type, path, name string) {
	var names []string
	for field := range typ.Fields() {
		known := fieldName(field)
		if known == "" {
			continue
		}
		names = append(names, known)
		if isSecret(field.Type) && !hasField(typ, known+fileSuffix) {
			names = append(names, known+fileSuffix)
		}
	}
	problem := "is not a key here; the keys are " + strings.Join(names, ", ")
	if closest, ok := nearest(name, slices.Clone(names)); ok {
		problem = "is not a key here; did you mean " + closest + "?"
	}
	if section, _, dotted := strings.Cut(name, "."); dotted && slices.Contains(names, section) {
		problem = "is not a key here; keys with dots are not taken apart: write it in the section " + section
	}
	l.mistake(join(path, name), "", problem)
}
