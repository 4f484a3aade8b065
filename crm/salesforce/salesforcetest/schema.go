package salesforcetest

import (
	"maps"
	"slices"
	"strings"
)

// object is a described sObject.
type object struct {
	name, prefix string
	required     []string
	fields       []*field
}

// field is a described field, as far as describe tells of it here. The JSON is that of describe.
type field struct {
	Name           string     `json:"name"`
	Label          string     `json:"label"`
	Type           string     `json:"type"`
	Length         int        `json:"length"`
	Createable     bool       `json:"createable"`
	Updateable     bool       `json:"updateable"`
	Filterable     bool       `json:"filterable"`
	Nillable       bool       `json:"nillable"`
	Custom         bool       `json:"custom"`
	ExternalID     bool       `json:"externalId"`
	IDLookup       bool       `json:"idLookup"`
	Unique         bool       `json:"unique"`
	CaseSensitive  bool       `json:"caseSensitive"`
	Restricted     bool       `json:"restrictedPicklist"`
	PicklistValues []picklist `json:"picklistValues"`
	ReferenceTo    []string   `json:"referenceTo"`
}

// picklist is a value of a picklist.
type picklist struct {
	Active bool   `json:"active"`
	Label  string `json:"label"`
	Value  string `json:"value"`
}

// field returns a field by its name, in any case; nil: there is none that may be seen.
func (o *object) field(name string) *field {
	i := slices.IndexFunc(o.fields, func(f *field) bool { return strings.EqualFold(f.Name, name) })
	if i < 0 {
		return nil
	}
	return o.fields[i]
}

// standard returns a field that may be read, filtered, created and updated.
func standard(name, kind string, length int) *field {
	return &field{
		Name: name, Label: name, Type: kind, Length: length, Createable: true, Updateable: true, Filterable: true,
		Nillable: true, PicklistValues: []picklist{}, ReferenceTo: []string{},
	}
}

// custom returns a text field that somebody made.
func custom(name string, length int) *field {
	f := standard(name, "string", length)
	f.Custom = true
	return f
}

// external returns a text field that an upsert can go by.
func external(name string) *field {
	f := custom(name, 64)
	f.ExternalID, f.IDLookup, f.Unique, f.CaseSensitive = true, true, true, true
	return f
}

// readOnly returns a field that the CRM fills by itself.
func readOnly(name, kind string) *field {
	f := standard(name, kind, 18)
	f.Createable, f.Updateable, f.Nillable = false, false, false
	return f
}

// reference returns a field that names a record of some objects.
func reference(name string, objects ...string) *field {
	f := standard(name, "reference", 18)
	f.ReferenceTo = objects
	return f
}

// choice returns a picklist; restricted: no other values are taken.
func choice(name string, restricted bool, values ...string) *field {
	f := standard(name, "picklist", 40)
	f.Restricted = restricted
	for _, value := range values {
		f.PicklistValues = append(f.PicklistValues, picklist{Active: true, Label: value, Value: value})
	}
	return f
}

// schema returns the objects of an org, by name in lower case.
func schema(o Options) map[string]*object {
	objects := make(map[string]*object)
	add := func(name, prefix string, required []string, fields ...*field) {
		fields = append(fields, readOnly("Id", "id"), readOnly("CreatedDate", "datetime"))
		objects[strings.ToLower(name)] = &object{name: name, prefix: prefix, required: required, fields: fields}
	}
	person := func() []*field {
		return []*field{
			standard("LastName", "string", 80), standard("FirstName", "string", 40), standard("Phone", "phone", 40),
			standard("MobilePhone", "phone", 40), standard("Email", "email", 80), reference("OwnerId", "User"),
			standard("Description", "textarea", 32_000), readOnly("Name", "string"),
		}
	}
	add("Contact", "003", []string{"LastName"}, person()...)
	add("Lead", "00Q", []string{"LastName", "Company"},
		append(person(), standard("Company", "string", 255), readOnly("IsConverted", "boolean"))...)
	add("Opportunity", "006", []string{"Name"}, standard("Name", "string", 120), reference("OwnerId", "User"))
	add("Account", "001", []string{"Name"}, standard("Name", "string", 255), standard("Phone", "phone", 40),
		reference("OwnerId", "User"))
	add("Case", "500", nil, standard("Subject", "string", 255), reference("OwnerId", "User"))
	add("User", "005", nil, standard("Username", "string", 80), standard("Email", "email", 128),
		standard("IsActive", "boolean", 0))
	add("Task", "00T", nil, task()...)
	if !o.Bare {
		setUp(objects, o)
	}
	for _, object := range objects {
		for _, f := range object.fields {
			f.Filterable = f.Type != "textarea"
		}
	}
	return objects
}

// task returns the standard fields of a Task.
func task() []*field {
	subtype := choice("TaskSubtype", true, "Task", "Email", "ListEmail", "Cadence", "Call", "LinkedIn")
	subtype.Updateable = false
	return []*field{
		standard("Subject", "combobox", 255), standard("Description", "textarea", 32_000),
		standard("ActivityDate", "date", 0), subtype,
		choice("Status", false, "Not Started", "In Progress", "Completed", "Waiting on someone else", "Deferred"),
		choice("Priority", false, "High", "Normal", "Low"), choice("CallType", true, "Internal", "Inbound", "Outbound"),
		standard("CallDurationInSeconds", "int", 8), standard("CallDisposition", "string", 255),
		standard("CallObject", "string", 255), reference("WhoId", "Contact", "Lead"),
		reference("WhatId", "Account", "Opportunity", "Case", "Campaign"), reference("OwnerId", "User"),
	}
}

// setUp adds the custom fields.
func setUp(objects map[string]*object, o Options) {
	for _, name := range []string{"contact", "lead", "opportunity", "account", "case"} {
		objects[name].fields = append(objects[name].fields, custom(TransactionID, 255))
	}
	callID := external(CallID)
	if o.NoExternalID {
		callID = custom(CallID, 64)
	}
	recording, start := standard(Recording, "url", 255), standard(CallStart, "datetime", 0)
	recording.Custom, start.Custom = true, true
	objects["task"].fields = append(objects["task"].fields, callID, recording, start)
}

// describe returns the answer to a describe request.
func (o *object) describe() map[string]any {
	return map[string]any{
		"name": o.name, "label": o.name, "keyPrefix": o.prefix, "createable": true, "updateable": true,
		"queryable": true, "fields": o.fields,
	}
}

// rename replaces the values of a picklist, as an administrator may.
func (c *CRM) rename(object, name string, values ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.objects[strings.ToLower(object)].field(name)
	*f = *choice(f.Name, f.Restricted, values...)
}

// Rename replaces the values of Task's Status, as an administrator may.
func (c *CRM) Rename(values ...string) { c.rename("Task", "Status", values...) }

// Hide takes the right to a field away: from now on it does not exist for the API.
func (c *CRM) Hide(object, name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	o := c.objects[strings.ToLower(object)]
	for _, f := range o.fields {
		if f.Name == name {
			c.hidden = append(c.hidden, customField{object: o.name, field: f})
		}
	}
	o.fields = slices.DeleteFunc(o.fields, func(f *field) bool { return f.Name == name })
}

// Grant gives the API user the rights to all fields that are hidden from it.
func (c *CRM) Grant() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, h := range c.hidden {
		o := c.objects[strings.ToLower(h.object)]
		o.fields = append(o.fields, h.field)
	}
	c.hidden = nil
}

// names returns the names of the objects, sorted.
func (c *CRM) names() []string { return slices.Sorted(maps.Keys(c.objects)) }
