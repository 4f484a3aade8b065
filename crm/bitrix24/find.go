package bitrix24

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/call"
)

// Find looks records up, those of all objects together: objects after the first are answered from what came with it.
func (a *Adapter) Find(ctx context.Context, lookups []crm.Lookup) []crm.Found {
	return a.search.Find(ctx, lookups)
}

// spellings are the forms of a number in digits, for Bitrix24 compares no more. A number without an international form
// stays as it is.
func spellings(n call.Number) []string {
	var forms []string
	for _, form := range n.Spellings() {
		if n.E164 != "" {
			form = notDigits.ReplaceAllString(form, "")
		}
		if !slices.Contains(forms, form) {
			forms = append(forms, form)
		}
	}
	return forms
}

// lookup is what came back for the values of an object.
type lookup struct {
	object  string
	byPhone bool
	values  []string
	records []crm.Record
	until   time.Time
}

// lookUp returns the records of an object that may carry any of the values. The first object is asked for together with
// all others: most calls that it does not know are of one of those, and a request more is worth more than a command.
func (a *Adapter) lookUp(ctx context.Context, byPhone bool, object string, values []string,
) (records []crm.Record, truncated bool, err error) {
	objects := slices.DeleteFunc(slices.Clone(a.cfg.Objects), func(o Object) bool {
		return byPhone && o.Name == "deal" || !byPhone && o.TransactionID == ""
	})
	at := slices.IndexFunc(objects, func(o Object) bool { return o.Name == object })
	if at < 0 {
		return nil, false, nil
	}
	if at > 0 {
		if records, known := a.recall(byPhone, object, values); known {
			return records, false, nil
		}
		objects = objects[at : at+1]
	}
	ask := a.byTransactionID
	if byPhone {
		ask = a.byNumber
	}
	founds := ask(ctx, objects, values)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.seen = slices.DeleteFunc(a.seen, func(l lookup) bool { return !a.now().Before(l.until) })
	for i, o := range objects[1:] {
		if f := founds[i+1]; f.Err == nil && !f.Truncated {
			a.seen = append(a.seen, lookup{o.Name, byPhone, values, f.Records, a.now().Add(seenFor)})
		}
	}
	return founds[0].Records, founds[0].Truncated, founds[0].Err
}

// recall returns what came back a moment ago for these values, and for others, which api.Search drops. What came last
// counts: before it the record may not have been there.
func (a *Adapter) recall(byPhone bool, object string, values []string) ([]crm.Record, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var records []crm.Record
	missing := slices.Clone(values)
	for _, l := range slices.Backward(a.seen) {
		if l.object != object || l.byPhone != byPhone || !a.now().Before(l.until) {
			continue
		}
		before := len(missing)
		missing = slices.DeleteFunc(missing, func(v string) bool { return slices.Contains(l.values, v) })
		if len(missing) < before {
			records = append(records, l.records...)
		}
	}
	return records, len(missing) == 0
}

// byTransactionID asks crm.item.list for the records of several objects.
func (a *Adapter) byTransactionID(ctx context.Context, objects []Object, values []string) []crm.Found {
	var commands []command
	var of []int
	for i, o := range objects {
		field := camel(o.TransactionID)
		for part := range slices.Chunk(values, pageSize) {
			params := url.Values{"entityTypeId": {entityTypes()[o.Name]}, "select[]": {"id", "assignedById", field}}
			for n, value := range part {
				params.Set(fmt.Sprintf("filter[@%s][%d]", field, n), harmless(value))
			}
			commands, of = append(commands, command{method: "crm.item.list", params: params}), append(of, i)
		}
	}
	return a.records(ctx, objects, commands, of, func(r row, o Object) crm.Record {
		return crm.Record{
			ID: scalar(r["id"]), Owner: scalar(r["assignedById"]), TransactionID: scalar(r[camel(o.TransactionID)]),
		}
	})
}

// byNumber asks crm.duplicate.findbycomm, which says who has any of the numbers but not which, and then for the numbers
// of those.
func (a *Adapter) byNumber(ctx context.Context, objects []Object, values []string) []crm.Found {
	var ask, list []command
	var asked, listed []int
	for i, o := range objects {
		for part := range slices.Chunk(values, maxComm) {
			params := given("type", "PHONE", "entity_type", strings.ToUpper(o.Name))
			params["values[]"] = part
			ask, asked = append(ask, command{method: "crm.duplicate.findbycomm", params: params}), append(asked, i)
		}
	}
	founds, ids := make([]crm.Found, len(objects)), make([][]string, len(objects))
	for n, answer := range a.ask(ctx, api.Request{Operation: "find", Title: "find records by number"}, ask) {
		i := asked[n]
		hits := table{}
		var found []json.Number
		if err := answer.into(&hits); err != nil {
			founds[i].Err = err
		} else if said := hits[strings.ToUpper(objects[i].Name)]; said != nil && json.Unmarshal(said, &found) != nil {
			founds[i].Err = unreadable("find records by number", api.Reads)
		}
		founds[i].Truncated = founds[i].Truncated || len(found) >= maxHits
		for _, id := range found {
			ids[i] = append(ids[i], id.String())
		}
	}
	for i, o := range objects {
		for part := range slices.Chunk(ids[i], pageSize) {
			params := url.Values{"filter[@ID][]": part, "select[]": {"ID", "ASSIGNED_BY_ID", "PHONE"}}
			list, listed = append(list, command{method: "crm." + o.Name + ".list", params: params}), append(listed, i)
		}
	}
	for i, f := range a.records(ctx, objects, list, listed, func(r row, _ Object) crm.Record {
		return crm.Record{ID: scalar(r["ID"]), Owner: scalar(r["ASSIGNED_BY_ID"]), Phones: phones(r["PHONE"])}
	}) {
		founds[i].Records = f.Records
		founds[i].Err = cmp.Or(founds[i].Err, f.Err)
	}
	return founds
}

// records runs look-ups of records; command n is for the object of[n].
func (a *Adapter) records(ctx context.Context, objects []Object, commands []command, of []int,
	read func(row, Object) crm.Record,
) []crm.Found {
	founds := make([]crm.Found, len(objects))
	for n, answer := range a.ask(ctx, api.Request{Operation: "find", Title: "find records"}, commands) {
		f, o := &founds[of[n]], objects[of[n]]
		rows, err := answer.rows()
		if err != nil {
			f.Err = err
		}
		f.Truncated = f.Truncated || answer.more
		for _, r := range rows {
			if record := read(r, o); record.ID != "" {
				record.Object = o.Name
				f.Records = append(f.Records, record)
			}
		}
	}
	return founds
}

// phones reads the numbers of a record.
func phones(field any) []string {
	var numbers []string
	entries, _ := field.([]any)
	for _, entry := range entries {
		if e, ok := entry.(map[string]any); ok {
			numbers = append(numbers, scalar(e["VALUE"]))
		}
	}
	return numbers
}

// camel returns the name that crm.item.* gives to a custom field: UF_CRM_CALL_ID is ufCrmCallId, and the underscore
// before a digit stays, UF_CRM_1700000000 is ufCrm_1700000000.
func camel(field string) string {
	if !strings.HasPrefix(field, "UF_") {
		return field
	}
	return afterUnderscore.ReplaceAllStringFunc(strings.ToLower(field), func(s string) string {
		return strings.ToUpper(strings.TrimPrefix(s, "_"))
	})
}

// FindUsers finds active users by e-mail address or, for names of digits, by extension. Other names are nobody's: a
// login cannot be asked for. Two users with one extension are none.
func (a *Adapter) FindUsers(ctx context.Context, agents []string) []crm.UserFound {
	founds := make([]crm.UserFound, len(agents))
	var commands []command
	var of []int
	var fields []string
	for i, agent := range agents {
		field := ""
		switch {
		case strings.Contains(agent, "@"):
			field = "EMAIL"
		case strings.Trim(agent, "0123456789") == "" && agent != "":
			field = "UF_PHONE_INNER"
		default:
			continue
		}
		params := given("FILTER[ACTIVE]", "1", "FILTER["+field+"]", agent)
		commands, of = append(commands, command{method: "user.get", params: params}), append(of, i)
		fields = append(fields, field)
	}
	for n, answer := range a.ask(ctx, api.Request{Operation: "find_user", Title: "find user"}, commands) {
		rows, err := answer.rows()
		rows = slices.DeleteFunc(rows, func(r row) bool { return !strings.EqualFold(scalar(r[fields[n]]), agents[of[n]]) })
		if founds[of[n]].Err = err; len(rows) == 1 {
			founds[of[n]].UserID = scalar(rows[0]["ID"])
		}
	}
	return founds
}
