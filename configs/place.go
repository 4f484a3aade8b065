package configs

import (
	"regexp"
	"strings"
)

// place is where a value came from.
type place struct {
	source string
	// line is 0 for what does not come from a file.
	line int
}

// bracketed is how the decoder writes the key of a map in a path; a list's index looks the same.
var bracketed = regexp.MustCompile(`\[([^\[\]]*)\]`)

// locate returns the path as operators know it and the place of its value or, when nothing was given, of the nearest
// section around it.
func (l *loader) locate(path string) (string, place) {
	if _, ok := l.places[path]; !ok {
		dotted := bracketed.ReplaceAllString(path, ".$1")
		if _, ok := l.places[dotted]; ok {
			path = dotted
		}
	}
	for at := path; at != ""; at = parent(at) {
		if place, ok := l.places[at]; ok {
			return path, place
		}
	}
	if l.name == "" {
		return path, place{source: "configuration"}
	}
	return path, place{source: l.name}
}

// parent cuts the last name or index off a path.
func parent(path string) string {
	return path[:max(strings.LastIndexAny(path, ".["), 0)]
}

// mistake reports a mistake at the place where the value of path came from.
func (l *loader) mistake(path, value, problem string) {
	if len(l.mistakes) >= maxMistakes {
		return
	}
	path, at := l.locate(path)
	l.mistakes = append(l.mistakes, Mistake{
		Source: at.source, Line: at.line, Path: path, Value: value, Problem: problem,
	})
}

// wrong tells whether a mistake was reported for path, for anything in it or around it, or for the file that should
// have held its secret. What follows from a mistake is not worth another.
func (l *loader) wrong(path string) bool {
	for _, m := range l.mistakes {
		if m.Path != "" && (within(path, m.Path) || within(m.Path, path) || m.Path == path+fileSuffix) {
			return true
		}
	}
	return false
}

// within tells whether path is the same as around or lies in it.
func within(path, around string) bool {
	rest, ok := strings.CutPrefix(path, around)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// forget drops the places of path and of all in it, because another source replaces it.
func (l *loader) forget(path string) {
	for at := range l.places {
		if within(at, path) {
			delete(l.places, at)
		}
	}
}

// remove takes the value of path out of a tree.
func remove(tree map[string]any, path string) {
	section, rest, nested := strings.Cut(path, ".")
	if !nested {
		delete(tree, section)
		return
	}
	if sub, ok := tree[section].(map[string]any); ok {
		remove(sub, rest)
	}
}

// obstacle returns the section on the way to path in whose place the tree has something else, empty if there is none.
// Laying a variable over it would hide the mistake.
func obstacle(tree map[string]any, path string) string {
	section, rest, nested := strings.Cut(path, ".")
	value, given := tree[section]
	if !nested || !given || value == nil {
		return ""
	}
	sub, ok := value.(map[string]any)
	if !ok {
		return section
	}
	if deeper := obstacle(sub, rest); deeper != "" {
		return join(section, deeper)
	}
	return ""
}
