package espocrm

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/call"
)

// How many characters the title (a varchar) and the text take.
const (
	maxTitle = 255
	maxText  = 20_000
)

// skipDuplicateCheck is the header that makes a record although EspoCRM has one that it takes for the same.
const skipDuplicateCheck = "X-Skip-Duplicate-Check"

// maintenanceRest is how long the maintenance mode is left alone; EspoCRM does not say how long it lasts.
const maintenanceRest = 30 * time.Second

// judge reads an answer. EspoCRM's words are in the header X-Status-Reason (source: ErrorOutput.php).
func judge(r api.Request, a api.Answer) *crm.Error {
	e := api.Judge(r, a)
	if e == nil {
		return nil
	}
	e.Message = a.Header.Get("X-Status-Reason")
	has := func(words string) bool { return strings.Contains(strings.ToLower(e.Message), words) }
	switch {
	case a.Status == http.StatusForbidden && has("non-existing record"):
		e.Kind = crm.KindGone
	case a.Status == http.StatusForbidden && has("failed login attempts"):
		e.Kind = crm.KindUnauthorized // of this address, with whatever key
	case a.Status == http.StatusServiceUnavailable && has("maintenance"):
		e.Kind = crm.KindThrottled
		if a.Header.Get("Retry-After") == "" {
			e.RetryAfter = maintenanceRest
		}
	case a.Status == http.StatusBadRequest && r.Effect == api.Reads:
		e.Kind = crm.KindForbidden // the question is wrong, such as for a field that is not there: no fault of the call
	case a.Status == http.StatusNotFound && r.Effect == api.Creates:
		e.Kind = crm.KindForbidden
		e.Message = cmp.Or(e.Message, "the CRM does not know the path: is base_url the address of the site?")
	}
	return e
}

// Write creates or updates call logs, one request each. What a person changed in title or text since the last write is
// left as it is; finding that out takes one request more, and only where title or text change.
func (a *Adapter) Write(ctx context.Context, writes []crm.Write) []crm.Written {
	written := make([]crm.Written, len(writes))
	errs := api.Each(len(writes), a.cfg.Concurrency, func(i int) error {
		if writes[i].LogID == "" {
			written[i] = a.createLog(ctx, writes[i])
		} else {
			written[i] = a.updateLog(ctx, writes[i])
		}
		return written[i].Err
	})
	for i, err := range errs {
		written[i].Err = err
	}
	return written
}

// createLog creates a call log. A duplicate check for calls that somebody added to the server is heeded where it found
// the log of this very call, and passed over otherwise.
func (a *Adapter) createLog(ctx context.Context, w crm.Write) crm.Written {
	fields, done := a.fields(w.Call), api.Progress{}
	fields[a.cfg.Calls.CallID] = w.Call.ID
	owner := cmp.Or(w.Owner, a.cfg.DefaultUser)
	if w.Record != nil {
		owner = cmp.Or(w.Owner, w.Record.Owner, a.cfg.DefaultUser)
		fields["parentType"], fields["parentId"] = w.Record.Object, w.Record.ID
		if people := peopleOf(w.Record.Object); people != "" {
			fields[people] = []string{w.Record.ID}
		}
		done["record"] = w.Record.Object + "/" + w.Record.ID
	}
	if owner == "" {
		return crm.Written{Err: crm.Errorf(crm.KindInvalid, "create call log",
			"EspoCRM takes no call without a user: the agent is not known, name one in agents.map or set default_user")}
	}
	fields["assignedUserId"], done["owner"] = owner, owner
	for _, field := range a.readable() {
		done[field] = digest(fields[field])
	}
	r := api.Request{Operation: "create_log", Title: "create call log", Path: "/Call", Body: fields}
	id, twins, err := a.create(ctx, r, "")
	for _, twin := range twins {
		if twin.text(a.cfg.Calls.CallID) == w.Call.ID {
			return crm.Written{LogID: twin.text("id"), Err: err}
		}
	}
	if isKind(err, crm.KindExists) {
		id, _, err = a.create(ctx, r, skipDuplicateCheck)
	}
	return crm.Written{LogID: id, Progress: done.Bytes(), Err: err}
}

// peopleOf returns the field of a call that lists records of an entity type beside its parent, empty for none.
func peopleOf(object string) string {
	return map[string]string{"Contact": "contactsIds", "Lead": "leadsIds"}[object]
}

// create sends a create and returns the id of what was made, or the records that EspoCRM takes for the same (409).
func (a *Adapter) create(ctx context.Context, r api.Request, header string) (id string, twins []entity, err error) {
	r.Method, r.Effect, r.Pretend = http.MethodPost, api.Creates, entity{"id": "dry-run"}
	answer, err := a.send(ctx, r, header, nil)
	if isKind(err, crm.KindExists) {
		_ = json.Unmarshal(answer.Body, &twins) // another form has no twins in it
	}
	if err != nil {
		return "", twins, err
	}
	var made entity
	if json.Unmarshal(answer.Body, &made) != nil || made.text("id") == "" {
		return "", nil, &crm.Error{
			Kind: crm.KindInDoubt, Op: r.Title, Status: answer.Status, Message: "the answer is not the record that was made",
		}
	}
	return made.text("id"), nil, nil
}

// updateLog sends what may have changed since the last write.
func (a *Adapter) updateLog(ctx context.Context, w crm.Write) crm.Written {
	fields, done := a.fields(w.Call), api.ReadProgress(w.Progress)
	next := maps.Clone(done)
	if w.Owner != "" && w.Owner != done["owner"] {
		fields["assignedUserId"], next["owner"] = w.Owner, w.Owner
	}
	if w.Record != nil && w.Record.Object+"/"+w.Record.ID != done["record"] {
		fields["parentType"], fields["parentId"] = w.Record.Object, w.Record.ID
		former, _, _ := strings.Cut(done["record"], "/")
		if people := peopleOf(former); people != "" { // the create put the call on that one's list, too
			fields[people] = []string{}
		}
		if people := peopleOf(w.Record.Object); people != "" {
			fields[people] = []string{w.Record.ID}
		}
		next["record"] = w.Record.Object + "/" + w.Record.ID
	}
	path := "/Call/" + url.PathEscape(w.LogID)
	if err := a.sparePeoplesWords(ctx, path, fields, done, next); err != nil {
		return crm.Written{Err: err}
	}
	_, err := a.send(ctx, api.Request{
		Operation: "update_log", Title: "update call log", Method: http.MethodPatch, Path: path, Body: fields,
		Effect: api.Changes,
	}, "", nil)
	if err != nil { // it may have taken effect all the same: then these are our words, too
		for _, field := range a.readable() {
			if !strings.Contains(done[field], next[field]) {
				done[field] += " " + next[field]
			}
		}
		return crm.Written{LogID: w.LogID, Progress: done.Bytes(), Err: err}
	}
	return crm.Written{LogID: w.LogID, Progress: next.Bytes()}
}

// readable returns the fields that people read and may write into.
func (a *Adapter) readable() []string {
	return slices.DeleteFunc([]string{"name", a.cfg.Calls.Text}, func(field string) bool { return field == "" })
}

// sparePeoplesWords takes title and text out of an update where they are as they were written last, or where they stand
// in the CRM otherwise than any write of ours left them.
func (a *Adapter) sparePeoplesWords(
	ctx context.Context, path string, fields map[string]any, done, next api.Progress,
) error {
	var stored entity
	for _, field := range a.readable() {
		wanted := digest(fields[field])
		if done[field] == wanted {
			delete(fields, field)
			continue
		}
		if done[field] != "" && stored == nil {
			if err := a.get(ctx, "find_log", "read call log", path, nil, &stored); err != nil {
				return err
			}
		}
		next[field] = wanted
		if there := stored.text(field); there != "" && !strings.Contains(done[field], digest(there)) {
			delete(fields, field)
			next[field] = done[field]
		}
	}
	return nil
}

// digest tells texts apart in little room. EspoCRM trims what it stores.
func digest(text any) string {
	h := fnv.New64a()
	_, _ = fmt.Fprint(h, strings.TrimSpace(fmt.Sprint(text)))
	return fmt.Sprintf("%016x", h.Sum64())
}

// isKind reports whether err is of a kind.
func isKind(err error, kind crm.Kind) bool {
	e, ok := errors.AsType[*crm.Error](err)
	return ok && e.Kind == kind
}

// fields returns what every write of a call says.
func (a *Adapter) fields(c call.Call) map[string]any {
	start := cmp.Or(c.Began(), a.options.Now())
	fields := map[string]any{
		"name":      a.text.Title(c, maxTitle),
		"status":    status(c),
		"dateStart": start.UTC().Format(time.DateTime),
		"dateEnd":   start.Add(c.Talked().Duration()).UTC().Format(time.DateTime),
	}
	if c.Direction != call.DirectionUnknown {
		fields["direction"] = map[call.Direction]string{call.Inbound: "Inbound", call.Outbound: "Outbound"}[c.Direction]
	}
	if field := a.cfg.Calls.RecordingURL; field != "" && c.RecordingURL != "" {
		fields[field] = c.RecordingURL
	}
	if field := a.cfg.Calls.Duration; field != "" && c.State == call.Ended {
		fields[field] = c.Talked().N
	}
	if field := a.cfg.Calls.Text; field != "" {
		fields[field] = a.text.Body(c, maxText)
	}
	for field, value := range a.text.Fields(c) {
		fields[field] = value
	}
	return fields
}

// status returns EspoCRM's word for how far a call got.
func status(c call.Call) string {
	switch {
	case c.State != call.Ended:
		return "Planned"
	case c.Result == call.ResultAnswered:
		return "Held"
	default:
		return "Not Held"
	}
}

// FindLogs looks call logs up by their call id, many with one request. Of several logs of one call the oldest counts.
func (a *Adapter) FindLogs(ctx context.Context, calls []call.Call) []crm.LogFound {
	lookups := make([]crm.Lookup, len(calls))
	for i, c := range calls {
		lookups[i] = crm.Lookup{Object: callType, TransactionID: c.ID}
	}
	logs := make([]crm.LogFound, len(calls))
	for i, found := range a.Find(ctx, lookups) {
		logs[i].Err = found.Err
		if len(found.Records) > 0 {
			logs[i].LogID = found.Records[0].ID
		}
	}
	return logs
}
