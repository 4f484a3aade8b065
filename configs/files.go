package configs

import (
	"errors"
	"io/fs"
	"reflect"
	"strconv"
	"strings"
)

// maxSecretFile is how large a file with a secret may be.
const maxSecretFile = 64 << 10

// secret replaces the twin of one secret, name_file, by the contents of the file it names.
func (l *loader) secret(typ reflect.Type, tree map[string]any, name, path string) {
	twin, at := name+fileSuffix, path+fileSuffix
	value, given := tree[twin]
	if !given {
		return
	}
	delete(tree, twin)
	file, ok := textOf(value)
	switch {
	case value == nil:
		l.mistake(at, "", "has no value: give it one or remove it")
		return
	case !ok:
		l.mistake(at, "", "takes the name of a file")
		return
	case file == "":
		return
	case isGiven(tree[name]):
		l.mistake(at, "", "is set as well as "+path+l.origin(path)+": keep one of them")
		return
	}
	text, problem := readSecret(file)
	if problem != "" {
		l.mistake(at, file, problem)
		return
	}
	tree[name] = text
	if typ == secretsType {
		tree[name] = lines(text)
	}
	_, l.places[path] = l.locate(at)
}

// isGiven tells whether a secret is set in its own place: an empty text or list is as good as none.
func isGiven(value any) bool {
	switch value := value.(type) {
	case []any:
		return len(value) > 0
	case string:
		return value != ""
	default:
		return value != nil
	}
}

// origin says where a value came from.
func (l *loader) origin(path string) string {
	_, at := l.locate(path)
	if at.line > 0 {
		return " (" + printable(at.source) + ":" + strconv.Itoa(at.line) + ")"
	}
	return " (" + printable(at.source) + ")"
}

// readSecret returns what is in a file, without the newline at its end, or what is wrong with it.
func readSecret(file string) (text, problem string) {
	data, err := readFile(file, maxSecretFile)
	if pathError, ok := errors.AsType[*fs.PathError](err); ok {
		return "", "cannot be read: " + pathError.Err.Error()
	}
	if err != nil {
		return "", "is larger than " + Bytes(maxSecretFile).String() + ", it cannot be a secret"
	}
	text = strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	if text == "" {
		return "", "is empty: it must hold the secret"
	}
	return text, ""
}

// lines takes the file of several secrets apart, one a line. Empty lines are left out.
func lines(text string) []any {
	var list []any
	for line := range strings.Lines(text) {
		if line = strings.TrimRight(line, "\r\n"); line != "" {
			list = append(list, line)
		}
	}
	return list
}
