package espocrmtest

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
)

// create answers POST {entity}.
func (c *CRM) create(w http.ResponseWriter, r *http.Request) {
	entity := r.PathValue("entity")
	switch {
	case c.fields[entity] == nil:
		refuse(w, http.StatusNotFound, "")
		return
	case c.level(entity, "create") == "no" && !c.isAdmin(r):
		refuse(w, http.StatusForbidden, "No create access for '"+entity+"'.")
		return
	}
	values, status := c.payload(r, entity)
	if status != http.StatusOK {
		refuse(w, status, "")
		return
	}
	for field, d := range c.fields[entity] {
		if _, set := values[field]; !set && d.Type == "enum" && d.Default != nil {
			values[field] = d.Default
		}
	}
	if c.refused(w, entity, values, text(values["cProviderCallId"]), true) {
		return
	}
	twins := c.twins(entity, values)
	if len(twins) > 0 && r.Header.Get("X-Skip-Duplicate-Check") != "true" {
		w.Header().Set("X-Status-Reason", "duplicate")
		reply(w, http.StatusConflict, twins)
		return
	}
	made := c.add(entity, "", values)
	answer := c.shown(made)
	if entity == "Call" {
		answer["duration"] = defaultDuration // what is stored shows in a later read
	}
	reply(w, http.StatusOK, answer)
}

// update answers PUT and PATCH {entity}/{id}: attributes that are not named stay as they are.
func (c *CRM) update(w http.ResponseWriter, r *http.Request) {
	entity := r.PathValue("entity")
	rec := c.byID[entity+"/"+r.PathValue("id")]
	if rec == nil {
		refuse(w, http.StatusNotFound, "")
		return
	}
	if !c.may(r, entity, "edit") && (c.level(entity, "edit") == "no" || rec.values["assignedUserId"] != apiUserID) {
		refuse(w, http.StatusForbidden, "No edit access.")
		return
	}
	values, status := c.payload(r, entity)
	if status != http.StatusOK {
		refuse(w, status, "")
		return
	}
	if c.refused(w, entity, values, text(rec.values["cProviderCallId"]), false) {
		return
	}
	maps.Copy(rec.values, values)
	now := c.options.Now()
	rec.changed, rec.values["modifiedAt"] = now, now.UTC().Format(timeLayout)
	reply(w, http.StatusOK, c.shown(rec))
}

// read answers GET {entity}/{id}.
func (c *CRM) read(w http.ResponseWriter, r *http.Request) {
	entity := r.PathValue("entity")
	rec := c.byID[entity+"/"+r.PathValue("id")]
	switch {
	case rec == nil:
		refuse(w, http.StatusNotFound, "")
	case !c.may(r, entity, "read") && (c.level(entity, "read") == "no" || rec.values["assignedUserId"] != apiUserID):
		refuse(w, http.StatusForbidden, "No read access.")
	default:
		reply(w, http.StatusOK, c.shown(rec))
	}
}

// payload reads the attributes that a request sets. What is no field, or is read only, is dropped without a word; a
// value of another JSON type breaks the server.
func (c *CRM) payload(r *http.Request, entity string) (values map[string]any, status int) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, http.StatusBadRequest
	}
	sent := map[string]any{}
	if len(body) > 0 && json.Unmarshal(body, &sent) != nil {
		return nil, http.StatusInternalServerError
	}
	values = map[string]any{}
	for attribute, value := range sent {
		_, d, found := c.field(entity, attribute)
		if !found || d.ReadOnly || d.Type == "duration" {
			continue
		}
		if !fits(d, value) {
			return nil, http.StatusInternalServerError
		}
		values[attribute] = value
	}
	return values, http.StatusOK
}

// fits reports whether a value has the JSON type of its field.
func fits(d definition, value any) bool {
	if value == nil {
		return true
	}
	isText, isList, isNumber, isBool := false, false, false, false
	switch value.(type) {
	case string:
		isText = true
	case []any:
		isList = true
	case float64:
		isNumber = true
	case bool:
		isBool = true
	}
	switch d.Type {
	case "linkMultiple":
		return isList
	case "int", "float":
		return isNumber || isText // a text is refused by the validation
	case "bool":
		return isBool
	case "phone":
		return isText || isList
	default:
		return isText
	}
}

// refused answers what is wrong with the values, if anything: validation, then assignment, then links, in the order in
// which the server checks.
func (c *CRM) refused(w http.ResponseWriter, entity string, values map[string]any, callID string, isNew bool) bool {
	if words := c.refusals[callID]; words != "" && entity == "Call" {
		refuse(w, http.StatusBadRequest, words)
		return true
	}
	if field, rule := c.invalid(entity, values, isNew); field != "" {
		reason := "Field validation failure; entityType: " + entity + ", field: " + field + ", type: " + rule + "."
		w.Header().Set("X-Status-Reason", reason)
		reply(w, http.StatusBadRequest, map[string]any{"messageTranslation": map[string]any{
			"label": "validationFailure", "scope": nil, "data": map[string]any{"field": field, "type": rule},
		}})
		return true
	}
	if owner := text(values["assignedUserId"]); owner != "" {
		user := c.byID["User/"+owner]
		if user == nil || user.values["isActive"] != true || c.options.AssignmentPermission == "no" && owner != apiUserID {
			refuse(w, http.StatusForbidden, "Assignment failure: assigned user or team not allowed.")
			return true
		}
	}
	if c.unrelated(values) {
		refuse(w, http.StatusForbidden, "Can't relate with non-existing record.")
		return true
	}
	return false
}

// unrelated reports whether the values name a record that is not there.
func (c *CRM) unrelated(values map[string]any) bool {
	if id := text(values["parentId"]); id != "" {
		kind := text(values["parentType"])
		if !slices.Contains(parents, kind) || c.byID[kind+"/"+id] == nil {
			return true
		}
	}
	for attribute, entity := range map[string]string{"contactsIds": "Contact", "leadsIds": "Lead", "usersIds": "User"} {
		ids, _ := values[attribute].([]any)
		for _, id := range ids {
			if c.byID[entity+"/"+text(id)] == nil {
				return true
			}
		}
	}
	return false
}

// twins returns the records that the duplicate check of an entity type takes for the same.
func (c *CRM) twins(entity string, values map[string]any) []map[string]any {
	if entity == "Call" {
		return nil
	}
	var found []map[string]any
	for _, r := range c.records[entity] {
		same := slices.Contains(r.numbers, text(values["phoneNumber"]))
		for _, name := range []string{"name", "lastName"} {
			value := text(values[name])
			same = same || value != "" && r.values[name] == value && text(r.values["firstName"]) == text(values["firstName"])
		}
		if same {
			found = append(found, c.shown(r))
		}
	}
	return found
}
