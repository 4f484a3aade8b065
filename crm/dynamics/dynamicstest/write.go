package dynamicstest

import (
	"encoding/json"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

var (
	rowPath   = regexp.MustCompile(`^/([a-z]+)\(([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\)$`)
	regarding = regexp.MustCompile(`^regardingobjectid_([a-z_]+)_phonecall$`)
	party     = regexp.MustCompile(`^partyid_([a-z_]+)@odata\.bind$`)
)

// patch serves an upsert or update of one row and returns its id. The caller holds the lock.
func (c *CRM) patch(path string, header http.Header, body []byte) (string, *fault) {
	parts := rowPath.FindStringSubmatch(path)
	if parts == nil {
		return "", refuse(404, "0x80060888", "Resource not found for the segment '%s'.", strings.TrimPrefix(path, "/"))
	}
	t, target := c.bySet(parts[1]), c.rows[parts[2]]
	if t == nil {
		return "", refuse(404, "0x80060888", "Resource not found for the segment '%s'.", parts[1])
	}
	if !strings.HasPrefix(header.Get("Content-Type"), "application/json") {
		return "", refuse(415, "0x80060888", "A supported MIME type could not be found for the content type.")
	}
	switch {
	case target == nil && header.Get("If-Match") == "*":
		return "", absent(t.name, parts[2])
	case target != nil && header.Get("If-None-Match") == "*":
		return "", refuse(412, "0x80040237", "A record with matching key values already exists.")
	}
	changed := &row{table: t.name, id: parts[2], values: map[string]any{}}
	if target != nil {
		changed.values = maps.Clone(target.values)
	}
	given, f := c.apply(t, changed, body)
	if f == nil {
		f = c.check(t, target, changed, given)
	}
	if f != nil {
		return "", f
	}
	if target == nil {
		c.insert(changed)
	}
	c.rows[changed.id] = changed
	return changed.id, nil
}

// apply puts the values of a body into a row and returns which columns were given.
func (c *CRM) apply(t *table, r *row, body []byte) (given []string, f *fault) {
	var values map[string]json.RawMessage
	if err := json.Unmarshal(body, &values); err != nil {
		return nil, payload(t, "An unexpected token was found when reading from the JSON reader.")
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		given = append(given, name)
		property, binds := strings.CutSuffix(name, "@odata.bind")
		var value any
		switch {
		case binds:
			value, f = c.bound(t, property, values[name])
			if regarding.MatchString(property) {
				maps.DeleteFunc(r.values, func(other string, _ any) bool { return regarding.MatchString(other) })
			}
			name = property
		case name == "phonecall_activity_parties" && t.name == "phonecall":
			value, f = c.parties(t, values[name])
		default:
			value, f = t.read(name, values[name])
		}
		if f != nil {
			return nil, f
		}
		r.values[name] = value
	}
	return given, nil
}

// bound returns the id of the row that a reference names.
func (c *CRM) bound(t *table, property string, raw json.RawMessage) (string, *fault) {
	var reference string
	names := regarding.FindStringSubmatch(property)
	parts := rowPath.FindStringSubmatch(reference)
	if json.Unmarshal(raw, &reference) == nil {
		parts = rowPath.FindStringSubmatch(reference)
	}
	want := ""
	switch {
	case property == "ownerid":
		want = "systemuser"
	case names != nil && t.name == "phonecall" && c.tables[names[1]] != nil:
		want = names[1]
	default:
		return "", payload(t, "An undeclared property '"+property+"' which only has property annotations in the payload but "+
			"no property value was found in the payload.")
	}
	return c.referenced(t, want, parts)
}

// referenced returns the id of a row that must be one of a table.
func (c *CRM) referenced(t *table, want string, parts []string) (string, *fault) {
	if parts == nil || c.tables[want] == nil || c.tables[want].set != parts[1] {
		return "", payload(t, "The URI of a reference is not valid: it must name a row of "+want+".")
	}
	r := c.rows[parts[2]]
	if r == nil || r.table != want {
		return "", absent(want, parts[2])
	}
	if r.values["isdisabled"] == true {
		return "", refuse(403, "0x80040225", "The specified user(Id = %s) is disabled. Consider enabling this user.", r.id)
	}
	return r.id, nil
}

// parties reads the list of who took part in a call. It takes the place of the one that was there.
func (c *CRM) parties(t *table, raw json.RawMessage) (any, *fault) {
	var list []map[string]json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, payload(t, "A list was expected for phonecall_activity_parties.")
	}
	parties := map[string]string{}
	for _, entry := range list {
		var mask int
		if json.Unmarshal(entry["participationtypemask"], &mask) != nil || mask != 1 && mask != 2 || len(entry) != 2 {
			return nil, payload(t, "The participationtypemask of a party of a phone call is 1 or 2.")
		}
		for name, value := range entry {
			names := party.FindStringSubmatch(name)
			if names == nil {
				continue
			}
			var reference string
			_ = json.Unmarshal(value, &reference) // what is no text names no row
			id, f := c.referenced(t, names[1], rowPath.FindStringSubmatch(reference))
			if f != nil {
				return nil, f
			}
			parties[map[int]string{1: "from", 2: "to"}[mask]] = id
		}
	}
	return parties, nil
}

// check says what is wrong with a row as it would be, nil when nothing is. given are the names in the body.
func (c *CRM) check(t *table, before, after *row, given []string) *fault {
	if t.name != "phonecall" {
		return nil
	}
	words := c.refused[after.callID()]
	if before != nil && words == "" {
		words = c.refused[before.callID()]
	}
	switch {
	case words != "":
		return refuse(400, "0x80040265", "%s", words)
	case before == nil && (slices.Contains(given, "statecode") || slices.Contains(given, "statuscode")):
		return refuse(400, "0x80048408", "%v is not a valid status code for a new phonecall.", after.values["statuscode"])
	case before == nil:
		after.values["activityid"], after.values["statecode"], after.values["statuscode"] = after.id, int64(0), int64(1)
	}
	state, status := after.number("statecode"), after.number("statuscode")
	pair := state == 0 && status == 1 || state == 1 && (status == 2 || status == 4) || state == 2 && status == 3
	reopens := state == 0 && !slices.ContainsFunc(given, func(name string) bool {
		return name != "statecode" && name != "statuscode"
	})
	switch {
	case !pair:
		return refuse(400, "0x80048408", "%d is not a valid status code for state code PhoneCallState.%d on phonecall with "+
			"Id %s.", status, state, after.id)
	case before != nil && before.number("statecode") != 0 && !reopens:
		return refuse(400, "0x80040265", "Cannot update Closed or Cancelled Activity")
	case state == 1 && after.values["actualend"] == nil:
		after.values["actualend"] = c.options.Now().UTC().Format(time.RFC3339)
	}
	return nil
}

// absent is the fault of a row that is not there.
func absent(name, id string) *fault {
	return refuse(404, "0x80040217", "%s With Id = %s Does Not Exist", name, id)
}
