package espocrmtest

import (
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// maxVariables is how many variables PHP reads from a query; the rest is lost (max_input_vars).
const maxVariables = 1000

// parsePHP reads a query as PHP does: a[b][]=c becomes an array within an array. What is no array is a string.
func parsePHP(raw string) map[string]any {
	parsed := map[string]any{}
	for i, pair := range strings.Split(raw, "&") {
		name, value, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(name)
		if err != nil || name == "" || i >= maxVariables {
			continue
		}
		if value, err = url.QueryUnescape(value); err != nil {
			continue
		}
		place(parsed, steps(name), value)
	}
	return parsed
}

// steps cuts "a[b][]" into "a", "b" and "".
func steps(name string) []string {
	head, rest, found := strings.Cut(name, "[")
	if !found {
		return []string{name}
	}
	path := []string{head}
	for part := range strings.SplitSeq(rest, "[") {
		path = append(path, strings.TrimSuffix(part, "]"))
	}
	return path
}

// place puts a value where its path leads.
func place(into map[string]any, path []string, value string) {
	key := path[0]
	if key == "" {
		key = strconv.Itoa(len(into))
	}
	if len(path) == 1 {
		into[key] = value
		return
	}
	next, isArray := into[key].(map[string]any)
	if !isArray {
		next = map[string]any{}
		into[key] = next
	}
	place(next, path[1:], value)
}

// items returns the values of an array in the order of its numeric keys; nil for what is no array.
func items(v any) []any {
	array, isArray := v.(map[string]any)
	if !isArray {
		return nil
	}
	keys := slices.SortedFunc(maps.Keys(array), func(a, b string) int {
		x, _ := strconv.Atoi(a)
		y, _ := strconv.Atoi(b)
		return x - y
	})
	list := make([]any, len(keys))
	for i, key := range keys {
		list[i] = array[key]
	}
	return list
}

// text returns a string of a query, empty where there is none.
func text(v any) string {
	s, _ := v.(string)
	return s
}
