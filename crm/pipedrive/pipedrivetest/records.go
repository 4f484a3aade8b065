package pipedrivetest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// record is a person, deal or lead.
type record struct {
	object, id string
	owner      int
	phones     []string
	// value is that of the field Transaction ID.
	value  string
	person *record
	since  time.Time
}

// field is a custom field.
type field struct{ code, name, kind string }

// AddRecord makes a person, deal or lead and returns its id. Deals and leads get a person with the number.
func (c *CRM) AddRecord(object, transactionID, phone string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if object == "person" {
		return c.add(object, transactionID, phone, nil).id
	}
	return c.add(object, transactionID, "", c.add("person", "", phone, nil)).id
}

func (c *CRM) add(object, value, phone string, owner *record) *record {
	c.lastID++
	r := &record{
		object: object, id: strconv.Itoa(c.lastID), owner: ownUser, value: value, person: owner, since: c.options.Now(),
	}
	if object == "lead" {
		r.id = fmt.Sprintf("adf21080-0e10-11eb-879b-%012d", c.lastID)
	}
	if phone != "" {
		r.phones = []string{phone}
	}
	c.records = append(c.records, r)
	return r
}

// SetPhones gives a person other numbers.
func (c *CRM) SetPhones(id string, phones ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.find("person", id).phones = phones
}

// Remove deletes a record for good. Searches go on to find it while the index lags.
func (c *CRM) Remove(object, id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.find(object, id).object = "deleted " + object
}

func (c *CRM) find(object, id string) *record {
	for _, r := range c.records {
		if r.object == object && r.id == id {
			return r
		}
	}
	return nil
}

// shown reports whether searches and lists show what was made or changed at a time.
func (c *CRM) shown(since time.Time) bool {
	return !c.options.Now().Before(since.Add(c.options.SearchLag))
}

// number returns an id as JSON has it.
func number(id string) any {
	if n, err := strconv.Atoi(id); err == nil {
		return n
	}
	return id
}

// fieldObject is the object whose fields an object has.
func fieldObject(object string) string {
	if object == "lead" {
		return "deal"
	}
	return object
}

func (c *CRM) code(object string) string {
	for _, f := range c.fields[fieldObject(object)] {
		if f.name == "Transaction ID" {
			return f.code
		}
	}
	return ""
}

// read answers with one record.
func (c *CRM) read(object string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		found := c.find(object, r.PathValue("id"))
		if found == nil {
			refuse(w, http.StatusNotFound, object+" not found")
			return
		}
		data := map[string]any{"id": number(found.id), "owner_id": found.owner}
		if found.person != nil {
			data["person_id"] = number(found.person.id)
		}
		code := c.code(object)
		switch object {
		case "lead":
			data["organization_id"] = nil
			if found.value != "" {
				data[code] = found.value
			}
		default:
			data["is_deleted"] = false
			data["custom_fields"] = map[string]any{}
			if asked := r.URL.Query().Get("custom_fields"); asked == "" || strings.Contains(asked, code) {
				data["custom_fields"] = map[string]any{code: found.value}
			}
		}
		if object == "person" {
			phones := []map[string]any{}
			for i, phone := range found.phones {
				phones = append(phones, map[string]any{"value": phone, "primary": i == 0, "label": "work"})
			}
			data["name"], data["phones"] = "Anh Nguyen", phones
		}
		reply(w, data, nil)
	}
}

// limit reads how many are asked for.
func limit(r *http.Request, usual, most int) (int, bool) {
	text := r.URL.Query().Get("limit")
	if text == "" {
		return usual, true
	}
	n, err := strconv.Atoi(text)
	return n, err == nil && n > 0 && n <= most
}

// searchField answers GET /itemSearch/field with the form of its example: ids and names.
func (c *CRM) searchField(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	object, term := query.Get("entity_type"), query.Get("term")
	most, fine := limit(r, 100, 500)
	isField := slices.ContainsFunc(c.fields[fieldObject(object)], func(f field) bool {
		return f.code == query.Get("field") && slices.Contains([]string{"varchar", "text", "varchar_auto", "double"}, f.kind)
	})
	switch {
	case term == "" || !fine || query.Get("match") != "exact" || len(query["term"]) != 1:
		refuse(w, http.StatusBadRequest, "Validation failed: term, match or limit")
		return
	case !isField:
		refuse(w, http.StatusBadRequest, "The field is not searchable")
		return
	}
	data, next := []map[string]any{}, ""
	for _, found := range c.records {
		if strings.TrimPrefix(found.object, "deleted ") != object || found.value != term || !c.shown(found.since) {
			continue
		}
		if len(data) == most {
			next = "eyJuZXh0Ijp0cnVlfQ"
			break
		}
		data = append(data, map[string]any{"id": number(found.id), "name": "Anh Nguyen"})
	}
	reply(w, data, cursor(next))
}

// searchPersons answers GET /persons/search for numbers: the stored text, not case-sensitive.
func (c *CRM) searchPersons(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	most, fine := limit(r, 100, 500)
	if !fine || query.Get("fields") != "phone" || query.Get("exact_match") != "true" || len(query["term"]) != 1 {
		refuse(w, http.StatusBadRequest, "Validation failed: fields, exact_match or limit")
		return
	}
	items, next := []map[string]any{}, ""
	for _, found := range c.records {
		if found.object != "person" || !slices.Contains(found.phones, query.Get("term")) || !c.shown(found.since) {
			continue
		}
		if len(items) == most {
			next = "eyJuZXh0Ijp0cnVlfQ"
			break
		}
		items = append(items, map[string]any{"result_score": 0.5, "item": map[string]any{
			"id": number(found.id), "type": "person", "name": "Anh Nguyen", "phones": found.phones, "emails": []string{},
			"owner": map[string]any{"id": found.owner}, "custom_fields": []string{}, "notes": []string{},
		}})
	}
	reply(w, map[string]any{"items": items}, cursor(next))
}

// createPerson answers POST /persons.
func (c *CRM) createPerson(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Name   string
		Phones []struct{ Value string }
		Custom map[string]string `json:"custom_fields"`
	}
	if json.NewDecoder(r.Body).Decode(&body) != nil || body.Name == "" {
		refuse(w, http.StatusBadRequest, "Validation failed: name: Invalid input: expected string")
		return
	}
	made := c.add("person", body.Custom[c.code("person")], "", nil)
	for _, phone := range body.Phones {
		made.phones = append(made.phones, phone.Value)
	}
	reply(w, map[string]any{"id": number(made.id), "name": body.Name, "owner_id": made.owner}, nil)
}
