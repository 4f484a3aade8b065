package bitrix24test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// maxCommands is how many commands a batch runs.
const maxCommands = 50

// command is one of a batch: "method?parameters" under its key.
type command struct{ key, text string }

// commands are those of a batch, in order.
type commands []command

// UnmarshalJSON reads the commands of a batch in the order in which they are written, which is that in which they run.
func (c *commands) UnmarshalJSON(data []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	if opening, err := decoder.Token(); err != nil || opening != json.Delim('{') {
		return errors.New("commands are no object")
	}
	for decoder.More() {
		key, err := decoder.Token()
		if err != nil {
			return err
		}
		var text string
		if err := decoder.Decode(&text); err != nil {
			return err
		}
		*c = append(*c, command{key: key.(string), text: text})
	}
	return nil
}

// batch runs the commands of a batch.
func (c *CRM) batch(who caller, halt bool, commands commands) object {
	results, errs, totals, nexts, times := object{}, object{}, object{}, object{}, object{}
	for i, cmd := range commands {
		name, query, _ := strings.Cut(cmd.text, "?")
		answer, refused := result{}, (*failure)(nil)
		switch {
		case i >= maxCommands:
			refused = fail(http.StatusOK, "ERROR_BATCH_LENGTH_EXCEEDED", "Max batch length exceeded")
		case strings.EqualFold(name, "batch"):
			refused = fail(http.StatusOK, "ERROR_BATCH_METHOD_NOT_ALLOWED", "Method is not allowed for batch usage")
		default:
			answer, refused = c.call(who, name, resolve(parse(query), results).(object))
		}
		if refused != nil {
			errs[cmd.key] = object{"error": refused.code, "error_description": refused.words}
			times[cmd.key] = c.timing(name)
			if halt {
				break
			}
			continue
		}
		results[cmd.key], times[cmd.key] = answer.value, c.timing(name)
		if answer.total > 0 {
			totals[cmd.key] = answer.total
		}
		if answer.next > 0 {
			nexts[cmd.key] = answer.next
		}
	}
	return object{
		"result": php(results), "result_error": php(errs), "result_total": php(totals), "result_next": php(nexts),
		"result_time": php(times),
	}
}

// php returns an object as PHP encodes it: [] where it is empty.
func php(o object) any {
	if len(o) == 0 {
		return []any{}
	}
	return o
}

// parse reads parameters as PHP's parse_str does: a[b][c]=d is nested.
func parse(query string) object {
	params := object{}
	for pair := range strings.SplitSeq(query, "&") {
		key, value, _ := strings.Cut(pair, "=")
		key, keyErr := url.QueryUnescape(key)
		value, valueErr := url.QueryUnescape(value)
		if keyErr != nil || valueErr != nil || key == "" {
			continue
		}
		path := strings.Split(strings.ReplaceAll(key, "]", ""), "[")
		inner := params
		for _, part := range path[:len(path)-1] {
			next, ok := inner[part].(object)
			if !ok {
				next = object{}
				inner[part] = next
			}
			inner = next
		}
		last := path[len(path)-1]
		if last == "" {
			last = strconv.Itoa(len(inner))
		}
		inner[last] = value
	}
	return params
}

var reference = regexp.MustCompile(`\$result((?:\[[^\]\s]+\])+)`)

// resolve puts earlier results in place of $result[key][field]. What is not there becomes whatever was reached on the
// way to it, as in the product.
func resolve(value any, results object) any {
	switch v := value.(type) {
	case object:
		resolved := object{}
		for key, inner := range v {
			resolved[key] = resolve(inner, results)
		}
		return resolved
	case string:
		match := reference.FindStringSubmatch(v)
		if match == nil {
			return v
		}
		var reached any = results
		for step := range strings.SplitSeq(strings.Trim(match[1], "[]"), "][") {
			next, found := at(reached, step)
			if !found {
				break
			}
			reached = next
		}
		if match[0] == v {
			return reached
		}
		return strings.Replace(v, match[0], text(reached), 1)
	default:
		return value
	}
}

// at returns a member of an object or a list.
func at(value any, key string) (any, bool) {
	switch v := value.(type) {
	case object:
		inner, found := v[key]
		return inner, found
	case []object:
		if i, err := strconv.Atoi(key); err == nil && i >= 0 && i < len(v) {
			return v[i], true
		}
	}
	return nil, false
}

// text returns a scalar parameter as text, empty for anything else.
func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case int, bool:
		return fmt.Sprint(v)
	default:
		return ""
	}
}

// number returns a scalar parameter as PHP's cast to int does.
func number(v any) int {
	digits := text(v)
	if end := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' }); end >= 0 {
		digits = digits[:end]
	}
	n, err := strconv.Atoi(digits)
	if err != nil {
		return 0
	}
	return n
}

// list returns the texts of a list parameter, whether it came as JSON or as a[0]=…; a scalar is a list of one.
func list(v any) []string {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		var all []string
		for _, item := range v {
			all = append(all, text(item))
		}
		return all
	case object:
		keys := make([]int, 0, len(v))
		for key := range v {
			keys = append(keys, number(key))
		}
		slices.Sort(keys)
		var all []string
		for _, key := range keys {
			all = append(all, text(v[strconv.Itoa(key)]))
		}
		return all
	default:
		return []string{text(v)}
	}
}
