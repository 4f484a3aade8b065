package configs

import (
	"fmt"
	"io"
	"maps"
	"os"
	"reflect"
	"slices"

	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/v2"
)

// maxFile is how large a configuration file may be.
const maxFile = 1 << 20

// Load reads the configuration: the defaults, the YAML file at path, the variables in environ (as of os.Environ), the
// files of secrets. Without a path there is no file. Relative paths are seen from the working directory. The error is
// of type Mistakes when the configuration is wrong, and another when the file cannot be read.
func Load(path string, environ []string) (*Config, error) {
	if path == "" {
		return LoadBytes("", nil, environ)
	}
	data, err := readFile(path, maxFile)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	return LoadBytes(path, data, environ)
}

// LoadBytes is Load for YAML that is not in a file; name stands for the file in mistakes.
func LoadBytes(name string, yaml []byte, environ []string) (*Config, error) {
	l := &loader{name: name, places: map[string]place{}}
	file := l.file(yaml)
	if len(l.mistakes) > 0 && file == nil {
		return nil, sorted(l.mistakes) // nothing was read, so all that is required would seem to be missing
	}
	l.chooseAdapter(file, environ)
	tree, err := l.merge(file, environ)
	if err != nil {
		return nil, fmt.Errorf("merge configuration: %w", err)
	}
	config := Default()
	if err := l.fill(&config, tree); err != nil {
		return nil, fmt.Errorf("decode configuration: %w", err)
	}
	if err := l.validate(&config); err != nil {
		return nil, fmt.Errorf("validate configuration: %w", err)
	}
	if len(l.mistakes) > 0 {
		return nil, sorted(l.mistakes)
	}
	return &config, nil
}

// loader is the state of one load.
type loader struct {
	// name is that of the file, empty without one.
	name string
	// adapter is the one that crm.type names; its name is empty when there is none.
	adapter  adapter
	places   map[string]place
	mistakes Mistakes
}

// file returns the tree of the file.
func (l *loader) file(data []byte) map[string]any {
	d := &document{source: l.name, lines: true, places: l.places}
	value := d.read(data, "")
	l.mistakes = append(l.mistakes, d.faults...)
	tree, ok := value.(map[string]any)
	if !ok && value != nil {
		l.mistakes = append(l.mistakes, Mistake{
			Source: l.name, Line: 1,
			Problem: "is not a configuration: write sections with keys, as in receiver: {listen: 127.0.0.1:8080}",
		})
	}
	return tree
}

// merge lays the environment over the file.
func (l *loader) merge(file map[string]any, environ []string) (map[string]any, error) {
	variables := l.environment(environ)
	for path := range variables.trees {
		remove(file, path)
	}
	for _, path := range slices.Sorted(maps.Values(variables.paths)) {
		if section := obstacle(file, path); section != "" && !l.wrong(section) {
			l.mistake(section, "", "takes keys of its own, as in {key: value}")
		}
	}
	k := koanf.New(".")
	if err := k.Load(confmap.Provider(file, ""), nil); err != nil {
		return nil, err
	}
	if err := k.Load(variables.provider(), nil); err != nil {
		return nil, err
	}
	return k.Raw(), nil
}

// fill lays the tree over config. The section crm is in two parts: its type is ours, the rest is the adapter's.
func (l *loader) fill(config *Config, tree map[string]any) error {
	own := maps.Clone(tree)
	crm, ok := tree["crm"].(map[string]any)
	if ok {
		own["crm"] = map[string]any{}
		if typ, given := crm["type"]; given {
			own["crm"] = map[string]any{"type": typ}
		}
	}
	if err := l.fillSection(config, own, ""); err != nil || !ok || l.adapter.name == "" {
		return err
	}
	rest := maps.Clone(crm)
	delete(rest, "type")
	return l.fillSection(l.adapter.section(&config.CRM), rest, "crm")
}

// fillSection lays a tree over the struct that section points to.
func (l *loader) fillSection(section any, tree map[string]any, path string) error {
	l.inspect(reflect.TypeOf(section).Elem(), tree, path)
	return l.decode(section, tree, path)
}

// keys lists all keys that the configuration may have.
func (l *loader) keys() []key {
	config := Default()
	all := keys(reflect.ValueOf(config), "")
	if l.adapter.name != "" {
		all = append(all, keys(reflect.ValueOf(l.adapter.section(&config.CRM)).Elem(), "crm")...)
	}
	return all
}

// readFile reads a file that must not be larger than limit. The error names it.
func readFile(path string, limit int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(file, limit+1))
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%s is larger than %v", path, Bytes(limit))
	}
	return data, nil
}
