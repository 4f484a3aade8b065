package odootest

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// line is a record that load was given, converted.
type line struct {
	external string
	id       int64
	values   record
}

// load creates or updates records by external id (column id) or database id (column .id), all of them or none. Values
// are texts, as from a file.
func (c *CRM) load(model string, arguments map[string]any) (any, *fault) {
	columns, data, f := c.matrix(model, arguments)
	if f != nil {
		return nil, f
	}
	zone := time.FixedZone("Asia/Ho_Chi_Minh", 7*60*60) // that of the user
	if context, _ := arguments["context"].(map[string]any); context["tz"] == "UTC" {
		zone = time.UTC
	}
	records, external, last := cloned(c.records[model]), maps.Clone(c.external), c.last
	messages := []map[string]any{}
	lines := make([]line, len(data))
	for i, values := range data {
		var wrong []map[string]any
		if lines[i], wrong, f = c.convert(model, columns, values, zone); f != nil {
			return nil, f
		}
		for _, m := range wrong {
			m["record"], m["rows"], m["type"] = i, map[string]any{"from": i, "to": i}, "error"
			messages = append(messages, m)
		}
	}
	ids := []int64{}
	first, all := "", len(messages) == 0
	for _, l := range lines { // all at once
		id, words := c.put(model, l)
		if words != "" {
			first, all = words, false
			break
		}
		ids = append(ids, id)
	}
	if c.collide > 0 {
		c.collide--
		all, first = false, "could not serialize access due to concurrent update"
	}
	if all {
		return map[string]any{"ids": ids, "messages": messages, "nextrow": 0}, nil
	}
	messages = append(c.blame(model, lines, first), messages...)
	if c.records[model], c.external, c.last = records, external, last; c.records[model] == nil {
		delete(c.records, model)
	}
	return map[string]any{"ids": false, "messages": messages, "nextrow": 0}, nil
}

// blame tries one record after the other. What all of them failed with stands at the first of them, whose fault it need
// not be, unless that failed in the same way. After ten errors load stops.
func (c *CRM) blame(model string, lines []line, first string) []map[string]any {
	var messages []map[string]any
	say := func(i int, words string) map[string]any {
		return map[string]any{
			"type": "error", "message": words, "record": i, "rows": map[string]any{"from": i, "to": i},
		}
	}
	for i, l := range lines {
		_, words := c.put(model, l)
		if strings.HasPrefix(first, "could not serialize") {
			words = "current transaction is aborted, commands ignored until end of transaction block"
		}
		if words != "" {
			messages = append(messages, say(i, words))
		}
		if len(messages) >= 10 && len(messages) >= (i+1)/10 {
			messages = append(messages, map[string]any{"type": "warning", "message": "Found more than 10 errors"})
			break
		}
	}
	if first != "" && (len(messages) == 0 || messages[0]["record"] != 0 || messages[0]["message"] != first) {
		messages = append([]map[string]any{say(0, first)}, messages...)
	}
	return messages
}

func cloned(records map[int64]record) map[int64]record {
	if records == nil {
		return nil
	}
	all := make(map[int64]record, len(records))
	for id, r := range records {
		all[id] = maps.Clone(r)
	}
	return all
}

// matrix reads the arguments of load.
func (c *CRM) matrix(model string, arguments map[string]any) (columns []string, data [][]string, f *fault) {
	names, _ := arguments["fields"].([]any)
	rows, _ := arguments["data"].([]any)
	for _, name := range names {
		column := fmt.Sprint(name)
		base, _, _ := strings.Cut(column, "/")
		if _, known := c.models[model][base]; !known && column != ".id" {
			if c.major() < 18 {
				return nil, nil, broken("builtins.KeyError", "'%s'", base)
			}
			return nil, nil, broken("builtins.ValueError", "Invalid field name '%s'", base)
		}
		columns = append(columns, column)
	}
	for _, item := range rows {
		cells, _ := item.([]any)
		if len(cells) != len(columns) {
			return nil, nil, broken("builtins.IndexError", "list index out of range")
		}
		row := make([]string, len(cells))
		for i, cell := range cells {
			text, isText := cell.(string)
			if !isText {
				return nil, nil, broken("builtins.AttributeError", "'int' object has no attribute 'lower'")
			}
			row[i] = text
		}
		data = append(data, row)
	}
	return columns, data, nil
}

// convert reads the texts of a row as values of the fields.
func (c *CRM) convert(
	model string, columns, cells []string, zone *time.Location,
) (l line, wrong []map[string]any, f *fault) {
	l.values = record{}
	bad := func(name, format string, args ...any) {
		wrong = append(wrong, map[string]any{"field": name, "message": fmt.Sprintf(format, args...)})
	}
	for i, column := range columns {
		text := cells[i]
		name, sub, _ := strings.Cut(column, "/")
		d := c.models[model][name]
		switch {
		case column == "id":
			l.external = text
		case column == ".id":
			if l.id, f = parseID(text); f != nil {
				return l, nil, f
			}
			if c.records[model][l.id] == nil {
				bad(".id", "Unknown database identifier '%s'", text)
			}
		case text == "":
			l.values[name] = nil
		case d.Type == "many2one" && sub == ".id":
			id, f := parseID(text)
			if f != nil {
				return l, nil, f
			}
			if target := c.records[d.Relation][id]; target == nil || target["active"] == false {
				bad(name, "No matching record found for database id '%s' in field '%s'", text, name)
			}
			l.values[name] = id
		case d.Type == "selection" && !slices.Contains(d.Options, text):
			bad(name, "Value '%s' not found in selection field '%s'", text, name)
		case d.Type == "float" || d.Type == "integer":
			number, err := strconv.ParseFloat(text, 64)
			if err != nil || d.Type == "integer" && strings.Contains(text, ".") {
				bad(name, "'%s' does not seem to be a number for field '%s'", text, name)
			}
			l.values[name] = number
		case d.Type == "datetime":
			at, err := time.ParseInLocation(time.DateTime, text, zone)
			if err != nil {
				bad(name, "'%s' does not seem to be a valid datetime for field '%s'", text, name)
			}
			l.values[name] = at.UTC().Format(time.DateTime)
		default:
			l.values[name] = text
		}
	}
	return l, wrong, nil
}

// put creates or updates one record, and returns the words of the exception that this raises.
func (c *CRM) put(model string, l line) (id int64, words string) {
	if id = l.id; l.external != "" {
		id = c.external[l.external]
	}
	r := c.records[model][id]
	fresh := r == nil
	if f := c.denied(map[bool]string{true: "create", false: "write"}[fresh], model); f != nil {
		return 0, f.message // an AccessError is a UserError, which load catches
	}
	if fresh {
		r = record{}
		for name, f := range c.models[model] {
			if f.Default != nil {
				r[name] = f.Default
			}
		}
		if _, has := c.models[model]["user_id"]; has && model == "crm.phonecall" {
			r["user_id"] = int64(2) // the user of the request
		}
	}
	next := maps.Clone(r)
	if model == "crm.phonecall" && !fresh {
		c.hooks(next, l.values)
	}
	for name, value := range l.values {
		if next[name] = value; value == nil {
			delete(next, name)
		}
	}
	for name, f := range c.models[model] {
		if f.Required && next[name] == nil {
			return 0, "Missing required value for the field '" + name + "'"
		}
	}
	for callID, refusal := range c.refused {
		named := next["x_call_id"] == callID || strings.HasSuffix(l.external, "_"+callID)
		if refusal != "" && named {
			return 0, refusal
		}
	}
	if fresh {
		id = c.add(model, next)
		if l.external != "" {
			c.external[l.external] = id
		}
	}
	c.records[model][id] = next
	return id, ""
}

// hooks is what crm.phonecall does when its state is written: a call that is held gets a duration unless one is written
// with it, one that is open has none.
func (c *CRM) hooks(r record, values record) {
	switch values["state"] {
	case "done":
		started, err := time.Parse(time.DateTime, fmt.Sprint(r["date"]))
		if duration, _ := r["duration"].(float64); err == nil && duration <= 0 {
			r["duration"] = c.options.Now().Sub(started).Minutes()
		} else {
			r["duration"] = 0.0
		}
	case "open":
		values["duration"] = 0.0
	}
}
