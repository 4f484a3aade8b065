package odootest

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
)

// denied is the exception for a right that the user lacks.
func (c *CRM) denied(operation, model string) *fault {
	if !slices.Contains(c.options.Denied, model+" "+operation) {
		return nil
	}
	return &fault{
		http.StatusForbidden, "odoo.exceptions.AccessError",
		fmt.Sprintf("You are not allowed to %s 'Document' (%s) records.\n\nNo group currently allows this operation.",
			operation, model),
	}
}

func (c *CRM) fieldsGet(model string) map[string]any {
	all := map[string]any{}
	for name, f := range c.models[model] {
		description := map[string]any{"type": f.Type}
		if f.Relation != "" {
			description["relation"] = f.Relation
		}
		if f.Type == "selection" {
			pairs := []any{}
			for _, option := range f.Options {
				pairs = append(pairs, []any{option, "Label of " + option})
			}
			description["selection"] = pairs
		}
		all[name] = description
	}
	return all
}

func (c *CRM) searchRead(model string, arguments map[string]any) (any, *fault) {
	if f := c.denied("read", model); f != nil {
		return nil, f
	}
	domain, _ := arguments["domain"].([]any)
	names, _ := arguments["fields"].([]any)
	limit, limited := arguments["limit"].(float64)
	for _, name := range names {
		if _, known := c.models[model][fmt.Sprint(name)]; !known {
			return nil, broken("builtins.ValueError", "Invalid field '%v' on '%s'", name, model)
		}
	}
	matches, f := c.compile(model, domain)
	if f != nil {
		return nil, f
	}
	rows := []any{}
	for _, id := range slices.Sorted(maps.Keys(c.records[model])) {
		r := c.records[model][id]
		if r["active"] == false || !matches(id, r) || limited && len(rows) >= int(limit) {
			continue
		}
		row := map[string]any{"id": id}
		for _, name := range names {
			row[fmt.Sprint(name)] = shown(c.models[model][fmt.Sprint(name)], r[fmt.Sprint(name)])
		}
		row["id"] = id
		rows = append(rows, row)
	}
	return rows, nil
}

// shown returns a value as read does.
func shown(f field, value any) any {
	switch {
	case value == nil:
		return false
	case f.Type == "many2one":
		return []any{value, "somebody"}
	default:
		return value
	}
}

type match func(id int64, r record) bool

// compile reads a domain: operators stand before their operands, terms that follow each other are all meant.
func (c *CRM) compile(model string, domain []any) (match, *fault) {
	var stack []match
	both := func(a, b match) match { return func(id int64, r record) bool { return a(id, r) && b(id, r) } }
	for _, term := range slices.Backward(domain) {
		if operator, isOperator := term.(string); isOperator {
			if len(stack) < 2 || operator != "|" && operator != "&" {
				return nil, broken("builtins.ValueError", "Domain() invalid item in domain: %v", term)
			}
			a, b := stack[len(stack)-1], stack[len(stack)-2]
			joined := both(a, b)
			if operator == "|" {
				joined = func(id int64, r record) bool { return a(id, r) || b(id, r) }
			}
			stack = append(stack[:len(stack)-2], joined)
			continue
		}
		one, f := c.condition(model, term)
		if f != nil {
			return nil, f
		}
		stack = append(stack, one)
	}
	all := func(int64, record) bool { return true }
	for _, one := range stack {
		all = both(all, one)
	}
	return all, nil
}

func (c *CRM) condition(model string, term any) (match, *fault) {
	leaf, _ := term.([]any)
	if len(leaf) != 3 {
		return nil, broken("builtins.ValueError", "Domain() invalid item in domain: %v", term)
	}
	name, _ := leaf[0].(string)
	if _, known := c.models[model][name]; !known {
		return nil, broken("builtins.ValueError", "Invalid field %s.%s in condition %v", model, name, leaf)
	}
	values, isList := leaf[2].([]any)
	if (leaf[1] == "in") != isList || leaf[1] != "in" && leaf[1] != "=" {
		return nil, broken("builtins.ValueError", "Invalid operator %v", leaf[1])
	}
	if !isList {
		values = []any{leaf[2]}
	}
	return func(id int64, r record) bool {
		have := r[name]
		if name == "id" {
			have = id
		}
		return slices.ContainsFunc(values, func(v any) bool {
			if number, isNumber := v.(float64); isNumber {
				return have == int64(number)
			}
			return have == v || v == false && have == nil
		})
	}, nil
}

// create makes records from vals_list: all or none.
func (c *CRM) create(model string, arguments map[string]any) (any, *fault) {
	if f := c.denied("create", model); f != nil {
		return nil, f
	}
	list, _ := arguments["vals_list"].([]any)
	var all []record
	for _, item := range list {
		values, _ := item.(map[string]any)
		for name := range values {
			if _, known := c.models[model][name]; !known {
				return nil, broken("builtins.ValueError", "Invalid field '%s' on model '%s'", name, model)
			}
		}
		if words := c.refused[fmt.Sprint(values["phone"])]; words != "" {
			return nil, validation("%s", words)
		}
		all = append(all, record(maps.Clone(values)))
	}
	ids := []int64{}
	for _, values := range all {
		if model == "ir.model.fields" {
			if f := c.makeField(values); f != nil {
				return nil, f
			}
		}
		ids = append(ids, c.add(model, values))
	}
	return ids, nil
}

// makeField adds a field to a model: one of a person, so its name begins with x_.
func (c *CRM) makeField(values record) *fault {
	id, _ := values["model_id"].(float64)
	model, _ := c.records["ir.model"][int64(id)]["model"].(string)
	name, _ := values["name"].(string)
	kind, _ := values["ttype"].(string)
	relation, _ := values["relation"].(string)
	_, exists := c.models[model][name]
	switch {
	case c.models[model] == nil || values["field_description"] == nil:
		return validation("Missing required value for the field")
	case len(name) < 3 || name[:2] != "x_":
		return validation("Custom fields must have a name that starts with 'x_'!")
	case exists:
		return validation("Field names must be unique per model")
	case (kind == "many2one") != (relation != "") || kind == "many2one" && c.models[relation] == nil:
		return validation("The relation of a many2one must be a model")
	}
	c.models[model][name] = field{Type: kind, Relation: relation}
	return nil
}

// parseID reads a database id as load does.
func parseID(text string) (int64, *fault) {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || id > 1<<31-1 {
		return 0, broken("psycopg2.errors.NumericValueOutOfRange", "integer out of range")
	}
	return id, nil
}
