package configs

import (
	"encoding"
	"reflect"
	"strings"

	"github.com/crmsyncd/crmsyncd/configs/secret"
)

// prefix begins the name of every variable of ours.
const prefix = "CRMSYNCD_"

// fileSuffix ends the key that names a file with a secret in it.
const fileSuffix = "_file"

var (
	secretType      = reflect.TypeFor[secret.String]()
	secretsType     = reflect.TypeFor[[]secret.String]()
	unmarshalerType = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// key is one key of the configuration as its struct declares it.
type key struct {
	// path has [] where the index in a list of sections goes.
	path string
	typ  reflect.Type
	tag  reflect.StructTag
	// value is the value in the struct that was asked about; invalid inside lists and optional sections without one.
	value reflect.Value
	// twin: the key is not a field; it names the file of a secret.
	twin bool
}

// env returns the name of the key's variable, empty for a key inside a list.
func (k key) env() string {
	if strings.Contains(k.path, "[]") {
		return ""
	}
	return prefix + strings.ToUpper(strings.ReplaceAll(k.path, ".", "__"))
}

// nested tells whether the key's value is a map, a tree or a list of sections, which as one text is written in YAML.
func (k key) nested() bool {
	switch k.typ.Kind() {
	case reflect.Map, reflect.Interface:
		return true
	case reflect.Slice:
		_, ok := sectionType(k.typ.Elem())
		return ok
	default:
		return false
	}
}

// keys lists the keys of a section and those of the sections in it, in the order of their declaration.
func keys(section reflect.Value, path string) []key {
	return keysOf(section.Type(), section, path)
}

func keysOf(typ reflect.Type, section reflect.Value, path string) []key {
	var all []key
	for i := range typ.NumField() {
		field := typ.Field(i)
		name := fieldName(field)
		if name == "" {
			continue
		}
		k := key{path: join(path, name), typ: field.Type, tag: field.Tag}
		if section.IsValid() {
			k.value = section.Field(i)
		}
		if sub, ok := sectionType(field.Type); ok {
			all = append(all, keysOf(sub, indirect(k.value), k.path)...)
			continue
		}
		all = append(all, k)
		if field.Type.Kind() == reflect.Slice {
			if sub, ok := sectionType(field.Type.Elem()); ok {
				all = append(all, keysOf(sub, reflect.Value{}, k.path+"[]")...)
			}
		}
		if isSecret(field.Type) && !hasField(typ, name+fileSuffix) {
			all = append(all, key{path: k.path + fileSuffix, typ: reflect.TypeFor[string](), twin: true})
		}
	}
	return all
}

// fieldName returns the key of a field, empty when it has none.
func fieldName(field reflect.StructField) string {
	name, _, _ := strings.Cut(field.Tag.Get("koanf"), ",")
	if name == "-" || !field.IsExported() {
		return ""
	}
	return name
}

func hasField(typ reflect.Type, name string) bool {
	for field := range typ.Fields() {
		if fieldName(field) == name {
			return true
		}
	}
	return false
}

// sectionType returns the struct behind a field that holds keys of its own: a struct or a pointer to one that is not
// read from text.
func sectionType(typ reflect.Type) (reflect.Type, bool) {
	if typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	return typ, typ.Kind() == reflect.Struct && !reflect.PointerTo(typ).Implements(unmarshalerType)
}

// indirect follows a pointer; the result is invalid for a nil one.
func indirect(v reflect.Value) reflect.Value {
	if v.IsValid() && v.Kind() == reflect.Pointer {
		return v.Elem()
	}
	return v
}

func isSecret(typ reflect.Type) bool { return typ == secretType || typ == secretsType }

// join appends a name to a path.
func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
