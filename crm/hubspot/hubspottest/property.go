package hubspottest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// The types of properties.
const (
	typeString = "string"
	typeNumber = "number"
	typeTime   = "datetime"
	typeChoice = "enumeration"
)

// Bounds of properties.
const (
	maxValue            = 65_536 // characters
	maxUniqueProperties = 10
)

// categoryInvalid is the category of errors over what was sent.
const categoryInvalid = "VALIDATION_ERROR"

// option is a choice of an enumeration.
type option struct {
	Label string `json:"label"`
	Value string `json:"value"`
}

// property is a definition.
type property struct {
	Name      string   `json:"name"`
	Label     string   `json:"label"`
	Type      string   `json:"type"`
	FieldType string   `json:"fieldType"`
	GroupName string   `json:"groupName"`
	Options   []option `json:"options"`
	Unique    bool     `json:"hasUniqueValue"`
	readOnly  bool
}

// MarshalJSON adds what HubSpot says of every property.
func (p property) MarshalJSON() ([]byte, error) {
	type plain property
	if p.Options == nil {
		p.Options = []option{}
	}
	return json.Marshal(struct {
		plain
		Calculated   bool            `json:"calculated"`
		Modification map[string]bool `json:"modificationMetadata"`
	}{plain(p), p.readOnly, map[string]bool{"readOnlyValue": p.readOnly}})
}

// choices returns options of the same value and label.
func choices(values ...string) []option {
	options := make([]option, 0, len(values))
	for _, v := range values {
		options = append(options, option{Label: v, Value: v})
	}
	return options
}

// builtIn are the properties that every account has, as far as calls need them.
func builtIn() map[string][]property {
	texts := map[string][]string{
		contacts:  {"phone", "mobilephone", "email", "firstname", "lastname"},
		companies: {"phone", "name", "domain"}, deals: {"dealname"}, tickets: {"subject"}, leads: {"hs_lead_name"},
		calls: {
			"hs_call_title", "hs_call_body", "hs_call_from_number", "hs_call_to_number", "hs_call_recording_url",
			"hs_activity_type",
		},
	}
	all := map[string][]property{}
	for typeName, names := range texts {
		for _, name := range names {
			all[typeName] = append(all[typeName], property{Name: name, Type: typeString})
		}
		all[typeName] = append(all[typeName], property{Name: "hubspot_owner_id", Type: typeChoice})
		for _, name := range []string{"hs_object_id", "hs_createdate", "hs_lastmodifieddate"} {
			all[typeName] = append(all[typeName], property{Name: name, Type: typeNumber, readOnly: true})
		}
	}
	for _, name := range []string{"hs_searchable_calculated_phone_number", "hs_searchable_calculated_mobile_number"} {
		all[contacts] = append(all[contacts], property{Name: name, Type: typeString, readOnly: true})
	}
	all[calls] = append(all[calls],
		property{Name: "hs_timestamp", Type: typeTime},
		property{Name: "hs_call_duration", Type: typeNumber},
		property{Name: "hs_call_direction", Type: typeChoice, Options: choices("INBOUND", "OUTBOUND")},
		property{Name: "hs_call_source", Type: typeChoice, Options: choices("INTEGRATIONS_PLATFORM")},
		property{Name: "hs_call_status", Type: typeChoice, Options: choices("BUSY", "CALLING_CRM_USER", "CANCELED",
			"COMPLETED", "CONNECTING", "FAILED", "IN_PROGRESS", "NO_ANSWER", "QUEUED", "RINGING")},
		property{Name: "hs_call_disposition", Type: typeChoice, Options: []option{
			{"Busy", "9d9162e7-6cf3-4944-bf63-4dff82258764"},
			{"Connected", "f240bbac-87c9-4f6e-bf70-924b57d47db7"},
			{"Left live message", "a4c4c377-d246-4b32-a13b-75a56a4cd0ff"},
			{"Left voicemail", "b2cf5968-551e-4856-9783-52b3da59a7d0"},
			{"No answer", "73a0d17f-1163-4015-bdd5-ec830791da20"},
			{"Wrong number", "17b47fee-58de-441e-a44c-c6300d46f273"},
		}})
	for typeName := range all {
		for i := range all[typeName] {
			all[typeName][i].GroupName = typeName + "information"
		}
	}
	return all
}

// define adds a property.
func (c *CRM) define(typeName string, p property) {
	p.GroupName = typeName + "information"
	c.properties[typeName] = append(c.properties[typeName], p)
}

// Define adds a text property to an object type ("contacts", "calls"), as an admin does.
func (c *CRM) Define(typeName, name string, unique bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.define(typeName, property{Name: name, Type: typeString, Unique: unique})
}

// property returns a definition.
func (c *CRM) property(typeName, name string) (property, bool) {
	i := slices.IndexFunc(c.properties[typeName], func(p property) bool { return p.Name == name })
	if i < 0 {
		return property{}, false
	}
	return c.properties[typeName][i], true
}

// fault is what is wrong with one value, as HubSpot lists it in the message.
type fault struct {
	IsValid bool   `json:"isValid"`
	Message string `json:"message"`
	Error   string `json:"error"`
	Name    string `json:"name"`
}

// faults returns what is wrong with values for objects of a type; self is the object that is changed, if any.
func (c *CRM) faults(typeName string, values map[string]string, self *object) []fault {
	var found []fault
	for name, value := range values {
		p, known := c.property(typeName, name)
		code, message := "", ""
		switch {
		case !known:
			code, message = "PROPERTY_DOESNT_EXIST", fmt.Sprintf("Property %q does not exist", name)
		case p.readOnly:
			code, message = "READ_ONLY_VALUE", fmt.Sprintf("%q is a read only property; its value cannot be set.", name)
		default:
			code, message = c.misfit(typeName, p, value, self)
		}
		if code != "" {
			found = append(found, fault{Message: message, Error: code, Name: name})
		}
	}
	slices.SortFunc(found, func(a, b fault) int { return len(a.Message) - len(b.Message) })
	return found
}

// misfit returns what is wrong with a value for a property, two empty texts when it fits. An empty value always does.
func (c *CRM) misfit(typeName string, p property, value string, self *object) (code, message string) {
	number, notNumber := strconv.ParseInt(value, 10, 64)
	var held *object
	if p.Unique {
		held = c.holding(typeName, p.Name, value)
	}
	switch {
	case value == "":
	case len([]rune(value)) > maxValue:
		return "INVALID_LENGTH", fmt.Sprintf("%s is longer than %d characters", p.Name, maxValue)
	case held != nil && held != self:
		return "NON_UNIQUE_VALUE", fmt.Sprintf("%s %s already has that value.", typeName, held.id)
	case p.Type == typeNumber && (notNumber != nil || number < 0):
		return "INVALID_INTEGER", fmt.Sprintf("%s was not a valid number.", value)
	case p.Type == typeTime && !isTime(value):
		return "INVALID_DATE", fmt.Sprintf("%s was not a valid date.", value)
	case p.Name == "hubspot_owner_id":
		if !slices.ContainsFunc(c.owners, func(o owner) bool { return o.ID == value }) {
			return "INVALID_OWNER_ID", fmt.Sprintf("%s is not a valid owner.", value)
		}
	case p.Type == typeChoice && !slices.ContainsFunc(p.Options, func(o option) bool { return o.Value == value }):
		return "INVALID_OPTION", fmt.Sprintf("%s was not one of the allowed options of %s", value, p.Name)
	case p.Name == "hs_call_recording_url":
		if address, err := url.Parse(value); err != nil || address.Scheme != "https" || address.Host == "" {
			return "INVALID_URL", "hs_call_recording_url has to be an HTTPS URL"
		}
	}
	return "", ""
}

// isTime tells whether a value is a time: milliseconds of this century, or ISO in UTC.
func isTime(value string) bool {
	if ms, err := strconv.ParseInt(value, 10, 64); err == nil {
		at := time.UnixMilli(ms)
		return at.Year() >= 2000 && at.Year() < 2100
	}
	_, err := time.Parse("2006-01-02T15:04:05.999Z", value)
	return err == nil
}

func (c *CRM) listProperties(w http.ResponseWriter, r *http.Request) {
	t, known := typeOf(r.PathValue("type"))
	if !known {
		invalid(w, "Unable to infer object type from: %s", r.PathValue("type"))
		return
	}
	reply(w, http.StatusOK, map[string]any{"results": c.properties[t.name]})
}

func (c *CRM) readProperty(w http.ResponseWriter, r *http.Request) {
	t, _ := typeOf(r.PathValue("type"))
	p, known := c.property(t.name, r.PathValue("name"))
	if !known {
		refuse(w, http.StatusNotFound, "OBJECT_NOT_FOUND", "Property "+r.PathValue("name")+" does not exist")
		return
	}
	reply(w, http.StatusOK, p)
}

var propertyName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,99}$`)

func (c *CRM) createProperty(w http.ResponseWriter, r *http.Request) {
	var p property
	t, known := typeOf(r.PathValue("type"))
	if _, ok := read(w, r, &p); !ok {
		return
	}
	unique := 0
	groups := map[string]bool{}
	for _, other := range c.properties[t.name] {
		groups[other.GroupName] = true
		if other.Unique {
			unique++
		}
	}
	_, taken := c.property(t.name, p.Name)
	switch {
	case !known:
		invalid(w, "Unable to infer object type from: %s", r.PathValue("type"))
	case taken:
		refuse(w, http.StatusConflict, "OBJECT_ALREADY_EXISTS", "A property named '"+p.Name+"' already exists.")
	case !propertyName.MatchString(p.Name) || p.Label == "" || p.Type != typeString || p.FieldType != "text":
		invalid(w, "Property definition is not valid")
	case !groups[p.GroupName]:
		invalid(w, "Property group %s does not exist", p.GroupName)
	case p.Unique && (t.name == calls && c.options.NoUniqueCalls || unique >= maxUniqueProperties):
		invalid(w, "Unique properties are not supported here")
	default:
		c.properties[t.name] = append(c.properties[t.name], p)
		reply(w, http.StatusCreated, p)
	}
}
