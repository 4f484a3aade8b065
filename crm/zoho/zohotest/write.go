package zohotest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// maxBatch is how many records one request carries.
const maxBatch = 100

// frozen are the fields of a call that cannot be changed.
func frozen() []string { return []string{"Call_Type", "Call_Start_Time", "Owner"} }

// write serves an insert, an update or an upsert. The caller holds the lock.
func (c *CRM) write(module string, body []byte, upsert, update bool) (any, int, *fault) {
	var request struct {
		Data    []map[string]any `json:"data"`
		Keys    []string         `json:"duplicate_check_fields"`
		Trigger []string         `json:"trigger"`
	}
	if err := json.Unmarshal(body, &request); err != nil {
		return nil, 0, bad("INVALID_REQUEST", "body could not be parsed", nil)
	}
	switch {
	case upsert && module == "Calls" && c.options.NoUpsert:
		return nil, 0, &fault{http.StatusBadRequest, map[string]any{"data": []any{failure("INVALID_MODULE",
			"the module name given seems to be invalid", map[string]any{"resource_path_index": 0})}}}
	case len(request.Data) == 0:
		return nil, 0, bad("MANDATORY_NOT_FOUND", "required field not found", map[string]any{"api_name": "data"})
	case len(request.Data) > maxBatch:
		return nil, 0, &fault{http.StatusBadRequest, map[string]any{"data": []any{failure("LIMIT_EXCEEDED",
			"count of records in your request exceeds the limit", map[string]any{"maximum_length": 100, "api_name": "data"})}}}
	}
	for _, key := range request.Keys {
		if f := c.fields[module][key]; f == nil || len(f.Unique) == 0 {
			return nil, 0, bad("INVALID_DATA", "the field is not unique", map[string]any{"api_name": "duplicate_check_fields"})
		}
	}
	if request.Trigger == nil {
		c.workflows++
	}
	results := make([]any, len(request.Data))
	failed := 0
	for i, values := range request.Data {
		result := c.save(module, i, values, request.Keys, upsert, update)
		if result["status"] != "success" {
			failed++
		}
		results[i] = result
	}
	status := http.StatusOK
	switch {
	case failed == len(results):
		status = http.StatusBadRequest
	case failed > 0:
		status = http.StatusMultiStatus
	case !upsert && !update:
		status = http.StatusCreated
	}
	return map[string]any{"data": results}, status, nil
}

// save writes one record, or says what is wrong with it.
func (c *CRM) save(module string, i int, values map[string]any, keys []string, upsert, update bool) map[string]any {
	var target *record
	if update {
		id, _ := values["id"].(string)
		if target = c.records[id]; target == nil || target.module != module || target.deleted {
			return failure("INVALID_DATA", "the id given seems to be invalid", map[string]any{"id": id})
		}
	}
	if upsert {
		target = c.twin(module, values, keys)
	}
	known := make(map[string]any) // what the module has no field for is left out in silence
	for name, value := range values {
		if c.fields[module][name] != nil {
			known[name] = value
		}
	}
	if wrong := c.check(module, i, known, values, target); wrong != nil {
		return wrong
	}
	action, message := "update", "record updated"
	if target == nil {
		action, message = "insert", "record added"
		target = c.insert(module, map[string]any{})
	}
	maps.Copy(target.values, known)
	c.carry(target, known)
	result := success(message, map[string]any{
		"id": target.id, "Created_Time": target.created.Format(time.RFC3339),
		"Modified_Time": c.options.Now().Format(time.RFC3339),
	})
	if upsert {
		result["action"], result["duplicate_field"] = action, nil
	}
	return result
}

// twin returns the record that has a value of some unique fields, nil when there is none.
func (c *CRM) twin(module string, values map[string]any, keys []string) *record {
	for _, key := range keys {
		text, _ := values[key].(string)
		for _, r := range c.carriers[carried{module, key, text}] {
			if !r.deleted && r.text(key) == text {
				return r
			}
		}
	}
	return nil
}

// at names a field of a record in an error, or what is inside of one ("Who_Id.id").
func at(i int, name string) map[string]any {
	return map[string]any{
		"api_name": name[strings.LastIndex(name, ".")+1:], "json_path": fmt.Sprintf("$.data[%d].%s", i, name),
	}
}

// check says what is wrong with a record, nil when nothing is. target is what is updated, nil for a new one.
func (c *CRM) check(module string, i int, known, sent map[string]any, target *record) map[string]any {
	callID, _ := known[CallID].(string)
	if target != nil && callID == "" {
		callID = target.text(CallID)
	}
	if words := c.refused[callID]; words != "" && module == "Calls" {
		return failure("INVALID_DATA", words, at(i, "Call_Purpose"))
	}
	for name, value := range known {
		if wrong := c.checkValue(i, name, c.fields[module][name], value); wrong != nil {
			return wrong
		}
		if f := c.fields[module][name]; len(f.Unique) > 0 {
			if other := c.twin(module, known, []string{name}); other != nil && other != target {
				details := at(i, name)
				details["id"], details["duplicate_record"] = other.id, map[string]any{"id": other.id}
				return failure("DUPLICATE_DATA", "duplicate data", details)
			}
		}
	}
	if module != "Calls" {
		if text, _ := known["Last_Name"].(string); target == nil && text == "" && module != "Deals" {
			return failure("MANDATORY_NOT_FOUND", "required field not found", at(i, "Last_Name"))
		}
		return nil
	}
	return c.checkCall(i, known, sent, target)
}

// checkValue looks at the type and the length of a value. Nothing is always taken.
func (c *CRM) checkValue(i int, name string, f *field, value any) map[string]any {
	text, isText := value.(string)
	reference := f.DataType == "lookup" || f.DataType == "ownerlookup"
	switch {
	case value == nil:
		return nil
	case reference && idIn(value) == "", !reference && f.DataType != "integer" && !isText, f.DataType == "integer":
		details := at(i, name)
		details["expected_data_type"] = f.DataType
		return failure("INVALID_DATA", "invalid data", details)
	case isText && f.Length > 0 && utf8.RuneCountInString(text) > f.Length:
		details := at(i, name)
		details["maximum_length"] = f.Length
		return failure("INVALID_DATA", "invalid data", details)
	case name == "Owner" && !slices.ContainsFunc(c.users, func(u user) bool { return u.id == idIn(value) }):
		return failure("INVALID_DATA", "the id given seems to be invalid", at(i, "Owner.id"))
	}
	return nil
}

// checkCall looks at what is special of calls: types, times, links, and what is frozen.
func (c *CRM) checkCall(i int, known, sent map[string]any, target *record) map[string]any {
	if target != nil {
		for _, name := range frozen() {
			value, named := known[name]
			same := reflect.DeepEqual(value, target.values[name])
			if named && (c.options.FreezeNames || !same) {
				return failure("INVALID_DATA", "the field cannot be updated", at(i, name))
			}
		}
	}
	for _, name := range []string{"Call_Type", "Call_Start_Time", "Call_Duration"} {
		if known[name] == nil && target == nil {
			return failure("MANDATORY_NOT_FOUND", "required field not found", at(i, name))
		}
	}
	if kind, named := known["Call_Type"]; named && !slices.Contains([]any{"Inbound", "Outbound", "Missed"}, kind) {
		return failure("INVALID_DATA", "invalid data", at(i, "Call_Type"))
	}
	if start, named := known["Call_Start_Time"].(string); named {
		if _, err := time.Parse("2006-01-02T15:04:05-07:00", start); err != nil {
			return failure("INVALID_DATA", "invalid data", at(i, "Call_Start_Time"))
		}
	}
	if length, named := known["Call_Duration"].(string); named && c.seconds(length) < 0 {
		return failure("INVALID_DATA", "invalid data", at(i, "Call_Duration"))
	}
	if who := idIn(known["Who_Id"]); who != "" && !c.isThere(who, "Contacts") {
		return failure("INVALID_DATA", "the id given seems to be invalid", at(i, "Who_Id.id"))
	}
	what, module := idIn(known["What_Id"]), sent["$se_module"]
	if what != "" && module == nil {
		return failure("DEPENDENT_FIELD_MISSING", "$se_module is required with What_Id", at(i, "$se_module"))
	}
	if what != "" && !c.isThere(what, module) {
		return failure("INVALID_DATA", "the id given seems to be invalid", at(i, "What_Id"))
	}
	return nil
}

// isThere reports whether a module has a record.
func (c *CRM) isThere(id string, module any) bool {
	r := c.records[id]
	return r != nil && !r.deleted && r.module == module
}
