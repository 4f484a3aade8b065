package configs

import "reflect"

// Field is one key of the configuration.
type Field struct {
	// Path is the key's path; [] stands for the index in a list of sections.
	Path string
	// Type says in plain words what it takes.
	Type string
	// Default is its default as it may stand in the configuration, empty without one.
	Default string
	// Env is the name of its variable, empty for keys in a list of sections.
	Env string
}

// Adapters lists the types of CRM, in the order of their names.
func Adapters() []string {
	var names []string
	for _, a := range adapters() {
		names = append(names, a.name)
	}
	return names
}

// Reference lists our own keys and those of an adapter, in the order of their declaration.
func Reference(adapter string) []Field {
	config := Default()
	var fields []Field
	add := func(all []key) {
		for _, k := range all {
			f := Field{Path: k.path, Type: kindOf(k.typ), Env: k.env()}
			if k.twin {
				f.Type = "the name of a file"
			}
			if k.value.IsValid() && !isSecret(k.typ) {
				f.Default = format(k.value)
			}
			fields = append(fields, f)
		}
	}
	add(keys(reflect.ValueOf(config), ""))
	if a, known := adapterOf(adapter); known {
		add(keys(reflect.ValueOf(a.section(&config.CRM)).Elem(), "crm"))
	}
	return fields
}
