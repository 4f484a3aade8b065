package salesforcetest

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// maxCollection is how many records a request may carry.
const maxCollection = 200

// problem is an error of one record.
type problem struct {
	Code    string   `json:"statusCode"`
	Message string   `json:"message"`
	Fields  []string `json:"fields"`
}

// saved is the result of one record.
type saved struct {
	ID      string    `json:"id,omitempty"`
	Success bool      `json:"success"`
	Errors  []problem `json:"errors"`
	Created *bool     `json:"created,omitempty"`
}

// item is one record of a request.
type item struct {
	object *object
	id     string // of an update
	values map[string]any
}

// collection serves an insert (key is empty), an update (key is Id) or an upsert of one object by an external id. The
// caller holds the lock.
func (c *CRM) collection(body []byte, object, key string) (any, int, *fault) {
	var request struct {
		AllOrNone bool                         `json:"allOrNone"`
		Records   []map[string]json.RawMessage `json:"records"`
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&request); err != nil {
		return nil, 0, badRequest("JSON_PARSER_ERROR", "%v", err)
	}
	if len(request.Records) > maxCollection {
		return nil, 0, badRequest("EXCEEDED_ID_LIMIT",
			"record limit reached. cannot submit more than 200 records into this call")
	}
	if f := c.checkKey(object, key); f != nil {
		return nil, 0, f
	}
	items := make([]item, len(request.Records))
	for i, raw := range request.Records {
		var f *fault
		if items[i], f = c.item(raw, object, key == "Id"); f != nil {
			return nil, 0, f
		}
	}
	if request.AllOrNone {
		return nil, 0, badRequest("UNKNOWN_EXCEPTION", "this fake keeps to allOrNone false")
	}
	results := make([]saved, len(items))
	for i, it := range items {
		results[i] = c.save(items, it, key)
	}
	return results, http.StatusOK, nil
}

// checkKey refuses an upsert by a field that is no external id.
func (c *CRM) checkKey(object, key string) *fault {
	if object == "" {
		return nil
	}
	o := c.objects[strings.ToLower(object)]
	if o == nil {
		return notFound()
	}
	if f := o.field(key); f == nil || !f.ExternalID && !f.IDLookup {
		return &fault{
			status: http.StatusNotFound, Code: "NOT_FOUND",
			Message: "Provided external ID field does not exist or is not accessible: " + key,
		}
	}
	return nil
}

// item reads one record. What it refuses, it refuses for the whole request.
func (c *CRM) item(raw map[string]json.RawMessage, object string, update bool) (item, *fault) {
	var attributes struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(raw["attributes"], &attributes); err != nil || attributes.Type == "" {
		return item{}, badRequest("INVALID_INPUT", "Attribute type is required for each sObject in the request.")
	}
	it := item{object: c.objects[strings.ToLower(attributes.Type)], values: make(map[string]any)}
	switch {
	case it.object == nil:
		return it, badRequest("INVALID_TYPE", "sObject type '%s' is not supported.", attributes.Type)
	case object != "" && !strings.EqualFold(object, attributes.Type):
		return it, badRequest("INVALID_INPUT", "All records must be of the type in the URI, %s", object)
	}
	for name, value := range raw {
		if name == "attributes" {
			continue
		}
		f := it.object.field(name)
		if f == nil {
			return it, badRequest("INVALID_FIELD", "No such column '%s' on sobject of type %s", name, it.object.name)
		}
		parsed, problem := read(f, value)
		if problem != nil {
			return it, problem
		}
		if f.Type == "id" {
			it.id, _ = parsed.(string)
			continue
		}
		it.values[f.Name] = parsed
	}
	if it.id != "" && !update {
		return it, badRequest("INVALID_INPUT", "The Id field should not be specified in the sobject data.")
	}
	return it, nil
}

// read takes a JSON value for a field of a type.
func read(f *field, raw json.RawMessage) (any, *fault) {
	var value any
	if err := json.Unmarshal(raw, &value); err != nil || value == nil {
		return nil, nil
	}
	kind, ok := "", false // of texts
	if slices.Contains([]string{"int", "boolean", "date", "datetime"}, f.Type) {
		kind = f.Type
	}
	switch v := value.(type) {
	case string:
		switch kind {
		case "":
			ok = true
		case "date":
			_, err := time.Parse(time.DateOnly, v)
			ok = err == nil
		case "datetime":
			_, err := time.Parse(time.RFC3339, v)
			ok = err == nil
		}
	case float64:
		value, ok = int64(v), kind == "int" && v == float64(int64(v))
	case bool:
		ok = kind == "boolean"
	}
	if !ok {
		return nil, badRequest("JSON_PARSER_ERROR", "Cannot deserialize instance of %s from value %s or request may be "+
			"missing a required field at [line:1, column:1]", f.Type, raw)
	}
	return value, nil
}

// save writes one record, or says what is wrong with it.
func (c *CRM) save(all []item, it item, key string) saved {
	target, created := (*record)(nil), false
	var wrong *problem
	switch key {
	case "":
		created = true
	case "Id":
		target, wrong = c.named(it)
	default:
		target, wrong = c.keyed(all, it, it.object.field(key).Name)
		created = target == nil && wrong == nil
	}
	if wrong == nil {
		wrong = c.check(it, target, created)
	}
	if wrong != nil {
		if wrong.Fields == nil {
			wrong.Fields = []string{}
		}
		return saved{Errors: []problem{*wrong}}
	}
	if created {
		target = c.insert(it.object, defaults(it))
	}
	maps.Copy(target.values, it.values)
	c.carry(target, it.values)
	result := saved{ID: target.id, Success: true, Errors: []problem{}}
	if key != "" && key != "Id" {
		result.Created = &created
	}
	return result
}

// named returns the record that an update is about.
func (c *CRM) named(it item) (*record, *problem) {
	switch r := c.row(it.id); {
	case it.id == "":
		return nil, &problem{Code: "MISSING_ARGUMENT", Message: "Id not specified in an update call"}
	case !idForm.MatchString(it.id):
		return nil, &problem{
			Code: "MALFORMED_ID", Message: it.object.name + " ID: id value of incorrect type: " + it.id, Fields: []string{"Id"},
		}
	case r == nil || r.object != it.object.name:
		return nil, &problem{Code: "INVALID_CROSS_REFERENCE_KEY", Message: "invalid cross reference id"}
	case r.deleted:
		return nil, &problem{Code: "ENTITY_IS_DELETED", Message: "entity is deleted"}
	default:
		return r, nil
	}
}

// keyed returns the record that an upsert finds, nil when there is none yet.
func (c *CRM) keyed(all []item, it item, key string) (*record, *problem) {
	value, _ := it.values[key].(string)
	if value == "" {
		return nil, &problem{Code: "MISSING_ARGUMENT", Message: key + " not specified"}
	}
	exact := it.object.field(key).CaseSensitive
	same := func(other any) bool {
		text, _ := other.(string)
		return text == value || !exact && strings.EqualFold(text, value)
	}
	twins := 0
	for _, other := range all {
		if same(other.values[key]) {
			twins++
		}
	}
	if twins > 1 {
		return nil, &problem{
			Code: "DUPLICATE_VALUE", Message: "Duplicate external id specified: " + value, Fields: []string{key},
		}
	}
	var found []*record
	for _, r := range c.carriersOf(it.object.name, key, value) {
		if !r.deleted && same(r.values[key]) {
			found = append(found, r)
		}
	}
	if len(found) > 1 {
		return nil, &problem{
			Code: "DUPLICATE_EXTERNAL_ID", Fields: []string{key},
			Message: key + ": more than one record found for external id field: [" + found[0].id + ", " + found[1].id + "]",
		}
	}
	if len(found) == 0 {
		return nil, nil
	}
	return found[0], nil
}

// defaults returns the values of a new record, with those that the CRM adds.
func defaults(it item) map[string]any {
	values := maps.Clone(it.values)
	if it.object.name == "Task" {
		for name, value := range map[string]string{
			"TaskSubtype": "Task", "Status": "Not Started", "Priority": "Normal", "OwnerId": "0055g000000000AAA",
		} {
			if values[name] == nil {
				values[name] = value
			}
		}
	}
	names := slices.DeleteFunc([]string{"FirstName", "LastName"}, func(name string) bool { return values[name] == nil })
	if len(names) > 0 {
		values["Name"] = values[names[len(names)-1]]
	}
	return values
}
