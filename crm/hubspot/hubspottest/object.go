package hubspottest

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// The types of object, as they stand in paths.
const (
	contacts  = "contacts"
	companies = "companies"
	deals     = "deals"
	tickets   = "tickets"
	leads     = "leads"
	calls     = "calls"
)

// objectType is a type with its other names and the id of the type of association that leads to it from a call.
type objectType struct {
	name, singular, id string
	fromCall           int
}

// types are all types, with the ids of the page "Associations".
func types() []objectType {
	return []objectType{
		{contacts, "contact", "0-1", 194},
		{companies, "company", "0-2", 182},
		{deals, "deal", "0-3", 206},
		{tickets, "ticket", "0-5", 220},
		{leads, "lead", "0-136", 597},
		{calls, "call", "0-48", 0},
	}
}

// typeOf returns the type of any of its names.
func typeOf(name string) (objectType, bool) {
	for _, t := range types() {
		if name == t.name || name == t.singular || name == t.id {
			return t, true
		}
	}
	return objectType{}, false
}

// object is a record or a call. Its past is kept, since a search may see an earlier state.
type object struct {
	id      string
	created time.Time
	states  []state
}

// state is what an object held from a time on.
type state struct {
	since  time.Time
	values map[string]string
}

// values returns what the object holds now.
func (o *object) values() map[string]string { return o.states[len(o.states)-1].values }

// indexed returns what a search sees of the object, nil while it does not see it at all.
func (o *object) indexed(until time.Time) map[string]string {
	for _, s := range slices.Backward(o.states) {
		if !s.since.After(until) {
			return s.values
		}
	}
	return nil
}

// result is an object in an answer.
type result struct {
	ID         string             `json:"id"`
	Properties map[string]*string `json:"properties"`
	CreatedAt  string             `json:"createdAt"`
	UpdatedAt  string             `json:"updatedAt"`
	Archived   bool               `json:"archived"`
	New        *bool              `json:"new,omitempty"`
	TraceID    string             `json:"objectWriteTraceId,omitempty"`
}

// show returns an object with the named properties and those that HubSpot always sends. What has no value is null.
func (o *object) show(values map[string]string, names []string) result {
	shown := map[string]*string{}
	for _, name := range append([]string{"hs_object_id", "hs_createdate", "hs_lastmodifieddate"}, names...) {
		shown[name] = nil
		if value := values[name]; value != "" {
			shown[name] = &value
		}
	}
	return result{
		ID: o.id, Properties: shown, CreatedAt: stamp(o.created), UpdatedAt: stamp(o.states[len(o.states)-1].since),
	}
}

// find returns the object of a type with an id.
func (c *CRM) find(typeName, id string) *object {
	i := slices.IndexFunc(c.objects[typeName], func(o *object) bool { return o.id == id })
	if i < 0 {
		return nil
	}
	return c.objects[typeName][i]
}

// holding returns the object of a type that holds a value in a unique property.
func (c *CRM) holding(typeName, name, value string) *object {
	for _, o := range c.carriers[carried{typeName, name, value}] {
		if o.values()[name] == value && slices.Contains(c.objects[typeName], o) {
			return o
		}
	}
	return nil
}

// carried is a value of a property.
type carried struct{ typeName, property, value string }

// carry notes the values that an object is given, so that those of unique properties are found without looking at all
// objects.
func (c *CRM) carry(typeName string, o *object, values map[string]string) {
	for name, value := range values {
		key := carried{typeName, name, value}
		c.carriers[key] = append(c.carriers[key], o)
	}
}

// create makes an object.
func (c *CRM) create(typeName string, values map[string]string) *object {
	o := &object{id: c.newID(), created: c.options.Now(), states: []state{{}}}
	o.states[0] = state{since: o.created, values: map[string]string{
		"hs_object_id": o.id, "hs_createdate": stamp(o.created), "hs_lastmodifieddate": stamp(o.created),
	}}
	o.states[0].write(typeName, values)
	c.objects[typeName] = append(c.objects[typeName], o)
	c.carry(typeName, o, o.values())
	return o
}

// change lays values over an object.
func (c *CRM) change(typeName string, o *object, values map[string]string) {
	next := state{since: c.options.Now(), values: maps.Clone(o.values())}
	next.values["hs_lastmodifieddate"] = stamp(next.since)
	next.write(typeName, values)
	o.states = append(o.states, next)
	c.carry(typeName, o, values)
}

// write sets values, an empty one clears, and works out the helpers for searching by phone: digits without the country
// code, which is Vietnam's here.
func (s state) write(typeName string, values map[string]string) {
	maps.Copy(s.values, values)
	if typeName != contacts {
		return
	}
	for name, from := range map[string]string{
		"hs_searchable_calculated_phone_number": "phone", "hs_searchable_calculated_mobile_number": "mobilephone",
	} {
		digits := strings.Map(func(r rune) rune {
			if r < '0' || r > '9' {
				return -1
			}
			return r
		}, s.values[from])
		if strings.HasPrefix(s.values[from], "+") {
			digits = strings.TrimPrefix(digits, "84")
		}
		s.values[name] = strings.TrimPrefix(digits, "0")
	}
}
