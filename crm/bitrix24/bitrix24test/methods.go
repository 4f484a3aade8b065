package bitrix24test

import (
	"net/http"
	"slices"
	"strings"
)

// method is one of the REST API.
type method struct {
	// scope that it needs; kind is what Requests counts it as; app: it works in the context of an application only.
	scope, kind string
	app         bool
	run         func(c *CRM, params object) (result, *failure)
}

// newMethods returns those that the fake knows, by name in lower case.
func newMethods() map[string]method {
	methods := map[string]method{
		"telephony.externalcall.register":     {scope: "telephony", kind: "write", app: true, run: (*CRM).register},
		"telephony.externalcall.finish":       {scope: "telephony", kind: "write", app: true, run: (*CRM).finish},
		"telephony.externalcall.attachrecord": {scope: "telephony", kind: "write", run: (*CRM).attachRecord},
		"voximplant.statistic.get":            {scope: "telephony", kind: "find_log", run: (*CRM).statistics},
		"crm.activity.add":                    {scope: "crm", kind: "write", run: (*CRM).addActivity},
		"crm.activity.update":                 {scope: "crm", kind: "write", run: (*CRM).updateActivity},
		"crm.activity.list":                   {scope: "crm", kind: "find_log", run: (*CRM).listActivities},
		"crm.activity.binding.add":            {scope: "crm", kind: "write", run: (*CRM).bind},
		"crm.activity.binding.delete":         {scope: "crm", kind: "write", run: (*CRM).unbind},
		"crm.item.list":                       {scope: "crm", kind: "find", run: (*CRM).listItems},
		"crm.item.fields":                     {scope: "crm", kind: "describe", run: (*CRM).describe},
		"crm.duplicate.findbycomm":            {scope: "crm", kind: "find", run: (*CRM).findByCommunication},
		"user.get":                            {scope: "user", kind: "find_user", run: (*CRM).getUsers},
		"profile":                             {kind: "describe", run: (*CRM).profile},
		"scope":                               {kind: "describe", run: (*CRM).scope},
		"method.get":                          {kind: "describe", run: (*CRM).methodGet},
	}
	for _, name := range objectNames() {
		prefix := "crm." + name
		methods[prefix+".list"] = method{scope: "crm", kind: "find", run: listOf(name)}
		methods[prefix+".userfield.add"] = method{scope: "crm", kind: "setup", run: addFieldOf(name)}
	}
	return methods
}

func (c *CRM) profile(object) (result, *failure) {
	return result{value: object{"ID": "1", "ADMIN": true, "NAME": "Admin", "LAST_NAME": "", "TIME_ZONE": ""}}, nil
}

func (c *CRM) scope(object) (result, *failure) { return result{value: c.o.Scopes}, nil }

// methodGet knows methods by their names in lower case only, as the product does.
func (c *CRM) methodGet(params object) (result, *failure) {
	m, known := c.methods[text(params["name"])]
	available := known && (m.scope == "" || slices.Contains(c.o.Scopes, m.scope))
	return result{value: object{"isExisting": known, "isAvailable": available}}, nil
}

// user is one of the portal's.
type user struct {
	id                     int
	name, email, extension string
	active                 bool
}

// getUsers finds users by e-mail address or extension.
func (c *CRM) getUsers(params object) (result, *failure) {
	filter, _ := params["FILTER"].(object)
	found := []object{}
	for _, u := range c.users {
		matches := true
		for field, value := range filter {
			switch strings.ToUpper(field) {
			case "EMAIL":
				matches = matches && strings.EqualFold(u.email, text(value))
			case "UF_PHONE_INNER":
				matches = matches && u.extension == text(value)
			case "ACTIVE":
				matches = matches && u.active == slices.Contains([]string{"1", "Y", "true"}, text(value))
			case "ID":
				matches = matches && u.id == number(value)
			default:
				return result{}, fail(http.StatusBadRequest, "ERROR_ARGUMENT", "Unknown filter field %s", field)
			}
		}
		if matches {
			found = append(found, object{
				"ID": numeral(u.id), "ACTIVE": u.active, "NAME": u.name, "EMAIL": u.email, "UF_PHONE_INNER": u.extension,
				"USER_TYPE": "employee",
			})
		}
	}
	return page(found, params), nil
}

// activeUser returns the user that a write names by id or extension, as telephony reads it.
func (c *CRM) activeUser(params object) (int, *failure) {
	id := number(params["USER_ID"])
	if id == 0 {
		for _, u := range c.users {
			if inner := text(params["USER_PHONE_INNER"]); inner != "" && u.extension == inner && u.active {
				id = u.id
			}
		}
	}
	if id == 0 {
		return 0, core("USER_ID or USER_PHONE_INNER should be set")
	}
	for _, u := range c.users {
		if u.id == id && u.active {
			return id, nil
		}
	}
	return 0, core("User is not found or is not active")
}
