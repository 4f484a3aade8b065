package bitrix24test

import (
	"html"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/crmsyncd/crmsyncd/crm/crmtest"
)

// maxBindings is how many records an activity belongs to at most.
const maxBindings = 100

// binding is a record that an activity belongs to.
type binding struct {
	object string
	id     int
}

// activity is one of the CRM's timeline. Those that telephony made carry a provider and nothing else here.
type activity struct {
	id                                int
	provider, originatorID, originID  string
	subject, description, phone       string
	kind, direction, responsible, how int
	completed                         bool
	start, end                        time.Time
	bindings                          []binding
	made                              time.Time
}

// wrong is an error of the activity methods: its code is empty, the words say what it is.
func wrong(words string) *failure { return fail(http.StatusBadRequest, "", "%s", words) }

// addActivity is crm.activity.add.
func (c *CRM) addActivity(params object) (result, *failure) {
	fields, _ := params["fields"].(object)
	a := &activity{originatorID: text(fields["ORIGINATOR_ID"]), originID: text(fields["ORIGIN_ID"]), made: c.o.Now()}
	if words := c.refused[a.originID]; words != "" {
		return result{}, wrong(words)
	}
	communications, _ := fields["COMMUNICATIONS"].(object)
	first, _ := communications["0"].(object)
	owner := binding{object: entityTypes()[number(fields["OWNER_TYPE_ID"])], id: number(fields["OWNER_ID"])}
	switch a.kind = number(fields["TYPE_ID"]); {
	case a.kind != 2:
		return result{}, wrong("The field TYPE_ID is not defined or invalid.")
	case text(fields["SUBJECT"]) == "":
		return result{}, wrong("The field SUBJECT is not defined or empty.")
	case number(fields["RESPONSIBLE_ID"]) == 0:
		return result{}, wrong("The field RESPONSIBLE_ID is not defined or invalid.")
	case len(communications) == 0 || text(first["VALUE"]) == "":
		return result{}, wrong("The field COMMUNICATIONS is not defined or invalid.")
	case len(communications) > 1:
		return result{}, wrong("The only one communication is allowed for activity of specified type.")
	case owner.object == "" || owner.id == 0:
		return result{}, wrong("Could not build binding. Please ensure that owner info and communications are defined " +
			"correctly.")
	case c.record(owner.object, owner.id) == nil:
		return result{}, wrong("Access denied.")
	}
	a.phone, a.bindings = text(first["VALUE"]), []binding{owner}
	if refused := a.set(fields); refused != nil {
		return result{}, refused
	}
	a.id = c.nextID()
	c.acts = append(c.acts, a)
	return result{value: a.id}, nil
}

// set takes the fields that are given.
func (a *activity) set(fields object) *failure {
	for name, value := range fields {
		switch name {
		case "SUBJECT":
			a.subject = text(value)
		case "DESCRIPTION":
			a.description = text(value)
		case "DESCRIPTION_TYPE":
			a.how = number(value)
		case "DIRECTION":
			a.direction = number(value)
		case "RESPONSIBLE_ID":
			a.responsible = number(value)
		case "COMPLETED":
			a.completed = text(value) == "Y"
		case "START_TIME", "END_TIME":
			at, err := time.Parse(time.RFC3339, text(value))
			if err != nil {
				return wrong("The field " + name + " is not a date.")
			}
			if name == "START_TIME" {
				a.start = at
			} else {
				a.end = at
			}
		}
	}
	return nil
}

// updateActivity is crm.activity.update.
func (c *CRM) updateActivity(params object) (result, *failure) {
	for _, a := range c.acts {
		if a.id != number(params["id"]) {
			continue
		}
		if words := c.refused[a.originID]; words != "" {
			return result{}, wrong(words)
		}
		fields, _ := params["fields"].(object)
		return result{value: true}, a.set(fields)
	}
	return result{}, wrong("Activity is not found.")
}

// listActivities is crm.activity.list with filters on the external reference.
func (c *CRM) listActivities(params object) (result, *failure) {
	filter, _ := params["filter"].(object)
	found := []object{}
	for _, a := range c.acts {
		row := map[string]string{
			"ORIGINATOR_ID": a.originatorID, "ORIGIN_ID": a.originID, "ID": numeral(a.id), "PROVIDER_ID": a.provider,
		}
		matches := c.visible(a.made)
		for field, value := range filter {
			matches = matches && slices.Contains(list(value), row[strings.TrimLeft(field, "@=")])
		}
		if matches {
			found = append(found, object{"ID": row["ID"], "ORIGINATOR_ID": row["ORIGINATOR_ID"], "ORIGIN_ID": row["ORIGIN_ID"]})
		}
	}
	return page(found, params), nil
}

// bind is crm.activity.binding.add.
func (c *CRM) bind(params object) (result, *failure) {
	to := binding{object: entityTypes()[number(params["entityTypeId"])], id: number(params["entityId"])}
	if to.object == "" || to.id == 0 || number(params["activityId"]) == 0 {
		return result{}, fail(http.StatusBadRequest, "100", "Required fields not provided")
	}
	if c.record(to.object, to.id) == nil {
		return result{}, fail(http.StatusBadRequest, "OWNER_NOT_FOUND", "Owner of the entity not found")
	}
	for _, a := range c.acts {
		if a.id != number(params["activityId"]) {
			continue
		}
		if slices.Contains(a.bindings, to) {
			return result{}, fail(http.StatusBadRequest, "ACTIVITY_IS_ALREADY_BOUND", "Activity is already bound")
		}
		if len(a.bindings) >= maxBindings {
			return result{}, fail(http.StatusBadRequest, "BINDINGS_LIMIT", "Too many bindings")
		}
		a.bindings = append(a.bindings, to)
		return result{value: true}, nil
	}
	return result{}, fail(http.StatusBadRequest, "NOT_FOUND", "Entity not found")
}

// unbind is crm.activity.binding.delete. The last binding stays (documentation: crm.activity.binding.delete).
func (c *CRM) unbind(params object) (result, *failure) {
	from := binding{object: entityTypes()[number(params["entityTypeId"])], id: number(params["entityId"])}
	for _, a := range c.acts {
		at := slices.Index(a.bindings, from)
		switch {
		case a.id != number(params["activityId"]):
			continue
		case at < 0:
			return result{}, fail(http.StatusBadRequest, "BINDING_NOT_FOUND", "Binding not found")
		case len(a.bindings) == 1:
			return result{}, fail(http.StatusBadRequest, "LAST_BINDING_CANNOT_BE_DELETED", "The last binding cannot be deleted")
		}
		a.bindings = slices.Delete(a.bindings, at, at+1)
		return result{value: true}, nil
	}
	return result{}, fail(http.StatusBadRequest, "NOT_FOUND", "Entity not found")
}

// Bindings returns the records that the activity of a call log belongs to, each as "object:id".
func (c *CRM) Bindings(logID string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	activity := number(logID)
	for _, s := range c.stats {
		if s.callID == logID {
			activity = s.activity
		}
	}
	var all []string
	for _, a := range c.acts {
		if a.id != activity {
			continue
		}
		for _, b := range a.bindings {
			all = append(all, b.object+":"+numeral(b.id))
		}
	}
	return all
}

// link is a link to a recording in the description of an activity.
var link = regexp.MustCompile(`href="([^"]+)"`)

// Logs returns the calls of the telephony statistics and the activities that came from elsewhere, the oldest first.
func (c *CRM) Logs() []crmtest.Log {
	c.mu.Lock()
	defer c.mu.Unlock()
	logs := []crmtest.Log{}
	for _, s := range c.stats {
		logs = append(logs, c.log(s))
	}
	for _, a := range c.acts {
		if a.provider != "" {
			continue
		}
		l := crmtest.Log{
			ID: numeral(a.id), CallID: a.originID, Owner: numeral(a.responsible), Start: a.start, Title: a.subject,
			Text: a.description, Direction: "inbound", RecordID: numeral(a.bindings[len(a.bindings)-1].id),
		}
		if a.direction == 2 {
			l.Direction = "outbound"
		}
		if a.end.After(a.start) {
			l.Seconds = int64(a.end.Sub(a.start) / time.Second)
		}
		if match := link.FindStringSubmatch(a.description); match != nil {
			l.RecordingURL = html.UnescapeString(match[1])
		}
		logs = append(logs, l)
	}
	return logs
}
