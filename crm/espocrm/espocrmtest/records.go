package espocrmtest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/crmsyncd/crmsyncd/crm/crmtest"
)

// timeLayout is how EspoCRM writes times, always UTC.
const timeLayout = time.DateTime

// record is one record, with its attributes.
type record struct {
	entity, id string
	values     map[string]any
	// numbers are all telephone numbers, the primary one first.
	numbers []string
	changed time.Time
}

// carried returns the values of an attribute, by all of which a list finds the record.
func (r *record) carried(attribute string) []string {
	if attribute == "phoneNumber" {
		return r.numbers
	}
	if attribute == "id" {
		return []string{r.id}
	}
	if s, isText := r.values[attribute].(string); isText && s != "" {
		return []string{s}
	}
	return nil
}

// add stores a record under an id, a new one where it is empty.
func (c *CRM) add(entity, id string, values map[string]any) *record {
	c.lastID++
	if id == "" {
		id = fmt.Sprintf("%017x", 0x6600000000000+c.lastID)
	}
	now := c.options.Now()
	r := &record{entity: entity, id: id, values: values, changed: now}
	values["createdAt"], values["modifiedAt"] = now.UTC().Format(timeLayout), now.UTC().Format(timeLayout)
	if number := text(values["phoneNumber"]); number != "" {
		r.numbers = []string{number}
	}
	c.records[entity] = append(c.records[entity], r)
	c.byID[entity+"/"+id] = r
	return r
}

// shown returns a record as a read shows it.
func (c *CRM) shown(r *record) map[string]any {
	values := maps.Clone(r.values)
	values["id"] = r.id
	for field, d := range c.fields[r.entity] {
		for _, attribute := range d.attributes(field) {
			if _, set := values[attribute]; !set && !strings.HasSuffix(attribute, "Data") {
				values[attribute] = empty(d, attribute)
			}
		}
	}
	if _, hasPhone := c.fields[r.entity]["phoneNumber"]; hasPhone {
		data := make([]map[string]any, len(r.numbers))
		for i, number := range r.numbers {
			data[i] = map[string]any{
				"phoneNumber": number, "primary": i == 0, "type": "Mobile", "optOut": false, "invalid": false,
			}
		}
		values["phoneNumberData"] = data
	}
	if start, isCall := r.moment("dateStart"); isCall {
		end, _ := r.moment("dateEnd")
		values["duration"] = int64(end.Sub(start) / time.Second)
	}
	return values
}

// empty is what an attribute shows that has no value.
func empty(d definition, attribute string) any {
	switch {
	case d.Type == "linkMultiple" && strings.HasSuffix(attribute, "Ids"):
		return []string{}
	case d.Type == "linkMultiple":
		return map[string]any{}
	case d.Type == "bool":
		return false
	default:
		return d.Default
	}
}

// moment returns a time of a record.
func (r *record) moment(attribute string) (time.Time, bool) {
	t, err := time.Parse(timeLayout, text(r.values[attribute]))
	return t, err == nil
}

// AddRecord makes a record of an entity type ("Contact"; upper and lower case of the first letter are the same).
func (c *CRM) AddRecord(object, transactionID, phone string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	entity := strings.ToUpper(object[:1]) + object[1:]
	values := map[string]any{"lastName": "Nguyễn Văn An", "assignedUserId": nil}
	if _, person := c.fields[entity]["lastName"]; !person {
		delete(values, "lastName")
		values["name"] = "Công ty An Bình"
	}
	if transactionID != "" {
		values["cTransactionId"] = transactionID
	}
	if phone != "" {
		values["phoneNumber"] = phone
	}
	return c.add(entity, "", values).id
}

// AddNumber gives a record one more number, which is not its primary one.
func (c *CRM) AddNumber(object, id, phone string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.byID[object+"/"+id]
	r.numbers = append(r.numbers, phone)
}

// Own makes a user the owner of a record.
func (c *CRM) Own(object, id, userID string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.byID[object+"/"+id].values["assignedUserId"] = userID
}

// Edit changes attributes of a record as a person would in the user interface.
func (c *CRM) Edit(object, id string, values map[string]any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.Copy(c.byID[object+"/"+id].values, values)
}

// Remove deletes a record.
func (c *CRM) Remove(object, id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.byID, object+"/"+id)
	c.records[object] = slices.DeleteFunc(c.records[object], func(r *record) bool { return r.id == id })
}

// AddUser makes an active user. A login with an @ is the e-mail address of the user, any other the user name.
func (c *CRM) AddUser(login string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.addUser("", login, "regular")
}

func (c *CRM) addUser(id, login, kind string) string {
	values := map[string]any{"userName": login, "isActive": true, "type": kind}
	if name, _, found := strings.Cut(login, "@"); found {
		values["userName"], values["emailAddress"] = name, login
	}
	return c.add("User", id, values).id
}

// Values returns the attributes of a record as a read shows them, nil where there is none.
func (c *CRM) Values(object, id string) map[string]any {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.byID[object+"/"+id]; r != nil {
		return c.shown(r)
	}
	return nil
}

// Logs returns the calls. The recording and the call id are those of the fields cRecordingUrl and cProviderCallId.
func (c *CRM) Logs() []crmtest.Log {
	c.mu.Lock()
	defer c.mu.Unlock()
	logs := make([]crmtest.Log, 0, len(c.records["Call"]))
	for _, r := range c.records["Call"] {
		start, _ := r.moment("dateStart")
		end, _ := r.moment("dateEnd")
		logs = append(logs, crmtest.Log{
			ID: r.id, CallID: text(r.values["cProviderCallId"]), RecordID: text(r.values["parentId"]),
			Owner: text(r.values["assignedUserId"]), RecordingURL: text(r.values["cRecordingUrl"]),
			Direction: strings.ToLower(text(r.values["direction"])),
			Result:    map[string]string{"Held": "answered", "Not Held": "missed"}[text(r.values["status"])],
			Start:     start, Seconds: int64(end.Sub(start) / time.Second),
			Title: text(r.values["name"]), Text: text(r.values["description"]),
		})
	}
	return logs
}

// reply answers with JSON.
func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// PutContact makes a contact with an id of one's own.
func (c *CRM) PutContact(id, transactionID, phone string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add("Contact", id, map[string]any{
		"lastName": "Nguyễn Văn An", "cTransactionId": transactionID, "phoneNumber": phone,
	})
}
