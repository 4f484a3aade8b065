package suitecrm

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/call"
)

// How many characters the subject (source: modules/Calls/vardefs.php) and the text take.
const (
	maxTitle = 50
	maxText  = 20_000
)

// operationCreate is the operation that creates a call log.
const operationCreate = "create_log"

// LogID returns the id of the record of a call: the same for the same call id, in every SuiteCRM.
func LogID(callID string) string { return api.UUID5("urn:crmsyncd:" + callsModule + ":" + callID) }

// Write creates or updates call logs, one request each, and one more to read what people made of subject and
// description where these are to change. A create that finds the call there already ends as an update.
func (a *Adapter) Write(ctx context.Context, writes []crm.Write) []crm.Written {
	written := make([]crm.Written, len(writes))
	errs := api.Each(len(writes), a.cfg.Concurrency, func(i int) error {
		written[i] = a.write(ctx, writes[i])
		return written[i].Err
	})
	for i, err := range errs {
		written[i].Err = err
	}
	return written
}

func (a *Adapter) write(ctx context.Context, w crm.Write) crm.Written {
	fields := a.fields(w)
	if w.LogID != "" {
		return a.updateLog(ctx, w, fields)
	}
	filled := maps.Clone(fields)
	maps.DeleteFunc(filled, func(_ string, value any) bool { return value == "" })
	r := resource{callsModule, LogID(w.Call.ID), filled}
	err := a.save(ctx, http.MethodPost, operationCreate, "create call log", r)
	if isKind(err, crm.KindExists) {
		w.LogID, w.Progress = r.ID, nil // of what stands there nothing is known
		written := a.updateLog(ctx, w, fields)
		if isKind(written.Err, crm.KindGone) {
			written = crm.Written{Err: crm.Errorf(crm.KindInvalid, "create call log",
				"somebody deleted the call in SuiteCRM, and a deleted record keeps its id: discard the call, or restore the "+
					"record and replay it")}
		}
		return written
	}
	if err != nil {
		return crm.Written{Err: err}
	}
	return crm.Written{LogID: r.ID, Progress: digests(fields, nil).Bytes()}
}

// updateLog sends what is not as it was written last.
func (a *Adapter) updateLog(ctx context.Context, w crm.Write, fields attributes) crm.Written {
	done := api.ReadProgress(w.Progress)
	maps.DeleteFunc(fields, func(field string, value any) bool {
		return done[field] == digest(value) || done[field] == "" && value == ""
	})
	if err := a.sparePeoplesWords(ctx, w.LogID, fields, done); err != nil {
		return crm.Written{Err: err}
	}
	if len(fields) == 0 {
		return crm.Written{LogID: w.LogID, Progress: done.Bytes()}
	}
	err := a.save(ctx, http.MethodPatch, "update_log", "update call log", resource{callsModule, w.LogID, fields})
	next := digests(fields, done)
	if err != nil { // it may have taken effect all the same: then these are our words, too, but they are sent again
		for field := range fields {
			wrote := next[field]
			if next[field] = done[field]; !strings.Contains(done[field], wrote) {
				next[field] += " " + wrote
			}
		}
	}
	return crm.Written{LogID: w.LogID, Progress: next.Bytes(), Err: err}
}

// sparePeoplesWords takes subject and description out of an update where they stand otherwise than any write of ours
// left them.
func (a *Adapter) sparePeoplesWords(ctx context.Context, id string, fields attributes, done api.Progress) error {
	var readable []string
	for _, field := range []string{"name", a.cfg.Calls.Text} {
		if _, changes := fields[field]; changes && done[field] != "" {
			readable = append(readable, field)
		}
	}
	if len(readable) == 0 {
		return nil
	}
	var stored document
	err := a.get(ctx, "find_log", "read call log", "/V8/module/"+callsModule+"/"+url.PathEscape(id),
		url.Values{"fields[" + callsModule + "]": {strings.Join(readable, ",")}}, &stored)
	if err != nil {
		return err
	}
	for _, field := range readable {
		if there := stored.Data.Attributes.text(field); there != "" && !strings.Contains(done[field], digest(there)) {
			delete(fields, field)
		}
	}
	return nil
}

// digests returns what was written before and now, by field.
func digests(fields attributes, before api.Progress) api.Progress {
	written := api.Progress{}
	maps.Copy(written, before)
	for field, value := range fields {
		if value != "" || before[field] != "" {
			written[field] = digest(value)
		}
	}
	return written
}

// digest tells values apart in little room. SuiteCRM may trim texts and write line ends its own way.
func digest(value any) string {
	h := fnv.New32a()
	_, _ = fmt.Fprint(h, strings.TrimSpace(strings.ReplaceAll(fmt.Sprint(value), "\r\n", "\n")))
	return fmt.Sprintf("%08x", h.Sum32())
}

// fields returns what a write says of its call, empty values included.
func (a *Adapter) fields(w crm.Write) attributes {
	c, talked := w.Call, w.Call.Talked().Duration()
	minutes := int64((talked + time.Minute - 1) / time.Minute)
	fields := attributes{
		"name": a.text.Title(c, maxTitle), "status": status(c), "date_start": cmp.Or(c.Began(), a.options.Now()).UTC().Format(time.DateTime),
		"duration_hours": minutes / 60, "duration_minutes": minutes % 60,
		"direction": map[call.Direction]string{call.Inbound: "Inbound", call.Outbound: "Outbound"}[c.Direction],
	}
	if w.Owner != "" {
		fields["assigned_user_id"] = w.Owner
	}
	if w.Record != nil {
		fields["parent_type"], fields["parent_id"] = w.Record.Object, w.Record.ID
		if person := map[string]string{"Contacts": "contact_id", "Leads": "lead_id"}[w.Record.Object]; person != "" {
			fields[person] = w.Record.ID
		}
	}
	for field, value := range map[string]any{
		a.cfg.Calls.CallID: c.ID, a.cfg.Calls.RecordingURL: c.RecordingURL,
		a.cfg.Calls.DurationSeconds: int64(talked / time.Second), a.cfg.Calls.Text: a.text.Body(c, maxText),
	} {
		if field != "" {
			fields[field] = value
		}
	}
	for field, value := range a.text.Fields(c) {
		fields[field] = value
	}
	return fields
}

// status returns SuiteCRM's word for how far a call got.
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
