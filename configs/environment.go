package configs

import (
	"regexp"
	"strings"

	"github.com/knadh/koanf/providers/env/v2"
)

// Variable is the environment variable that names the configuration file. Load lets it pass; the commands read it.
const Variable = prefix + "CONFIG"

// environment begins the Source of a mistake in a variable.
const environment = "environment "

// kubernetes matches the variables that Kubernetes sets in every pod for a service named crmsyncd.
var kubernetes = regexp.MustCompile(`^CRMSYNCD_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_\w+)?)$`)

// variables are those of the environment that are keys.
type variables struct {
	environ []string
	// paths has the path of each variable.
	paths map[string]string
	// trees has the values of keys that are maps, trees or lists of sections, by path.
	trees map[string]any
}

// environment finds the variables that are meant for us and reports those that are none of our keys.
func (l *loader) environment(environ []string) variables {
	known := map[string]key{}
	for _, k := range l.keys() {
		if name := k.env(); name != "" {
			known[name] = k
		}
	}
	found := variables{environ: environ, paths: map[string]string{}, trees: map[string]any{}}
	for _, variable := range environ {
		name, value, _ := strings.Cut(variable, "=")
		if !strings.HasPrefix(name, prefix) || name == Variable || kubernetes.MatchString(name) {
			continue
		}
		k, ok := known[name]
		if !ok {
			l.unknownVariable(name, known)
			continue
		}
		l.forget(k.path)
		l.places[k.path] = place{source: environment + name}
		found.paths[name] = k.path
		if k.nested() {
			d := &document{source: environment + name, places: l.places}
			found.trees[k.path] = d.read([]byte(value), k.path)
			l.mistakes = append(l.mistakes, d.faults...)
		}
	}
	return found
}

// unknownVariable reports a variable that is not a key. Without an adapter nobody knows the keys of the section crm.
func (l *loader) unknownVariable(name string, known map[string]key) {
	if l.adapter.name == "" && strings.HasPrefix(name, prefix+"CRM__") {
		return
	}
	names := make([]string, 0, len(known))
	for name := range known {
		names = append(names, name)
	}
	problem := "is not a key of the configuration; unset it"
	if closest, ok := nearest(name, names); ok {
		problem = "is not a key of the configuration; did you mean " + closest + "?"
	}
	l.mistakes = append(l.mistakes, Mistake{Source: environment + name, Problem: problem})
}

// provider gives the variables to koanf.
func (v variables) provider() *env.Env {
	return env.Provider(".", env.Opt{
		Prefix:      prefix,
		EnvironFunc: func() []string { return v.environ },
		TransformFunc: func(name, value string) (string, any) {
			path := v.paths[name]
			if tree, ok := v.trees[path]; ok {
				return path, tree
			}
			return path, value
		},
	})
}

// chooseAdapter finds out which adapter crm.type names, before anything is decoded: which keys and variables there are
// depends on it.
func (l *loader) chooseAdapter(file map[string]any, environ []string) {
	name := ""
	if crm, ok := file["crm"].(map[string]any); ok {
		name, _ = textOf(crm["type"])
	}
	for _, variable := range environ {
		if value, ok := strings.CutPrefix(variable, prefix+"CRM__TYPE="); ok {
			name = value
		}
	}
	l.adapter, _ = adapterOf(name)
}
