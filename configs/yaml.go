package configs

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// Bounds of a document. Aliases count as what they stand for, so that a small file cannot become a large tree.
const (
	maxNodes = 50_000
	maxDepth = 64
)

// plain is a YAML scalar without quotes that reads as a number or a truth value. It is kept as it was written, because
// only the field it is meant for knows what it is: 0042 is a user's id in one and a number in another.
type plain string

// document turns YAML into a tree of maps, lists, texts and plain scalars, and notes where each of them stands.
type document struct {
	source string
	// lines: the source has lines worth naming.
	lines  bool
	places map[string]place
	faults []Mistake
	nodes  int
	// tooLarge: a bound was broken, the rest is not read.
	tooLarge bool
}

// read returns the tree of the one document in data, nil when it is empty.
func (d *document) read(data []byte, path string) any {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var root, second yaml.Node
	if err := decoder.Decode(&root); err != nil {
		if !errors.Is(err, io.EOF) {
			d.syntax(err, data, path)
		}
		return nil
	}
	if err := decoder.Decode(&second); err == nil {
		d.fault(&second, path, "begins a second document: put everything into one")
	} else if !errors.Is(err, io.EOF) {
		d.syntax(err, data, path)
	}
	tree := d.value(root.Content[0], path, 0)
	if d.tooLarge {
		return nil
	}
	return tree
}

// value converts a node and all below it.
func (d *document) value(n *yaml.Node, path string, depth int) any {
	d.nodes++
	if d.tooLarge {
		return nil
	}
	if d.nodes > maxNodes || depth > maxDepth {
		d.tooLarge = true
		d.fault(n, path, "is too large or nested too deeply")
		return nil
	}
	if path != "" {
		d.places[path] = d.place(n)
	}
	switch n.Kind {
	case yaml.MappingNode:
		return d.mapping(n, path, depth)
	case yaml.SequenceNode:
		list := make([]any, 0, len(n.Content))
		for i, item := range n.Content {
			list = append(list, d.value(item, path+"["+strconv.Itoa(i)+"]", depth+1))
		}
		return list
	case yaml.AliasNode:
		return d.value(n.Alias, path, depth+1)
	default:
		return d.scalar(n, path)
	}
}

func (d *document) mapping(n *yaml.Node, path string, depth int) any {
	tree := make(map[string]any, len(n.Content)/2)
	first := make(map[string]int, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		switch {
		case name.Kind != yaml.ScalarNode:
			d.fault(name, path, "has a key that is not a text")
			continue
		case name.ShortTag() == "!!merge":
			d.fault(name, path, "has a merge key (<<): write the keys out instead")
			continue
		case name.Value == "":
			d.fault(name, path, "has a key without a name")
			continue
		}
		at := join(path, name.Value)
		if line, ok := first[name.Value]; ok {
			d.fault(name, at, "stands here again, after line "+strconv.Itoa(line)+": keep one of them")
			continue
		}
		first[name.Value] = name.Line
		tree[name.Value] = d.value(value, at, depth+1)
		// The line of the key is the better one to name: that of a value on the next line would be the first thing in it.
		d.places[at] = d.place(name)
	}
	return tree
}

func (d *document) scalar(n *yaml.Node, path string) any {
	switch n.ShortTag() {
	case "!!null":
		return nil
	case "!!int", "!!float", "!!bool":
		return plain(n.Value)
	case "!!str", "!!timestamp":
		return n.Value
	default:
		d.fault(n, path, "has a YAML tag: write a text (in quotes if it begins with !), a number, true or false")
		return nil
	}
}

// unknownAnchor is how the parser complains about a text that begins with *, without a line. It repeats the text, which
// may be a secret; we must not.
var unknownAnchor = regexp.MustCompile(`unknown anchor '(.*)' referenced`)

var syntaxError = regexp.MustCompile(`(?s)^yaml: (?:line (\d+): )?(.*)$`)

// syntax notes an error of the parser.
func (d *document) syntax(err error, data []byte, path string) {
	found := syntaxError.FindStringSubmatch(err.Error())
	if found == nil {
		found = []string{"", "", err.Error()}
	}
	m := Mistake{Source: d.source, Path: path, Problem: "is not YAML: " + found[2]}
	if line, err := strconv.Atoi(found[1]); err == nil && d.lines {
		m.Line = line
	}
	if anchor := unknownAnchor.FindStringSubmatch(found[2]); anchor != nil {
		m.Problem = "has a text that begins with * and so names a YAML anchor: put it in quotes"
		if before, _, ok := bytes.Cut(data, []byte("*"+anchor[1])); ok && d.lines {
			m.Line = 1 + bytes.Count(before, []byte("\n"))
		}
	}
	d.faults = append(d.faults, m)
}

func (d *document) fault(n *yaml.Node, path, problem string) {
	at := d.place(n)
	if len(d.faults) < maxMistakes {
		d.faults = append(d.faults, Mistake{Source: at.source, Line: at.line, Path: path, Problem: problem})
	}
}

func (d *document) place(n *yaml.Node) place {
	if !d.lines {
		return place{source: d.source}
	}
	return place{source: d.source, line: n.Line}
}

// typed returns a tree with its plain scalars as numbers and truth values, for keys that take any value.
func typed(v any) any {
	switch v := v.(type) {
	case plain:
		var value any
		if err := yaml.Unmarshal([]byte(v), &value); err != nil {
			return string(v)
		}
		return value
	case []any:
		list := make([]any, len(v))
		for i, item := range v {
			list[i] = typed(item)
		}
		return list
	case map[string]any:
		tree := make(map[string]any, len(v))
		for name, item := range v {
			tree[name] = typed(item)
		}
		return tree
	default:
		return v
	}
}
