package salesforce

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/call"
)

// Limits in characters: those of Task (Object Reference, "Task"), and of a field of one's own for an address.
const (
	maxSubject     = 255
	maxDescription = 32_000
	maxAddress     = 255
)

// How long to wait where Salesforce does not say. The daily pool is a sliding window of 24 hours, so something may be
// free again soon; requests count against the concurrent limit once they run for 20 seconds.
const (
	quotaWait      = 15 * time.Minute
	concurrentWait = 20 * time.Second
)

// Write upserts (or inserts, see Tasks.Upsert) the tasks of calls without LogID and updates those of calls with one.
// Tasks that go the same way share requests of up to 200.
func (a *Adapter) Write(ctx context.Context, writes []crm.Write) []crm.Written {
	written := make([]crm.Written, len(writes))
	var fresh, known []int
	for i, w := range writes {
		if w.LogID == "" {
			fresh = append(fresh, i)
		} else {
			known = append(known, i)
		}
	}
	parts := append(api.Chunks(fresh, batch, 0, nil), api.Chunks(known, batch, 0, nil)...)
	results := api.Each(len(parts), a.cfg.Concurrency, func(part int) (last error) {
		send := func(positions []int) error { return a.send(ctx, writes, positions, written, true) }
		for i, err := range api.Split(parts[part], send) {
			if last = err; err != nil {
				written[parts[part][i]].Err = err
			}
		}
		return last
	})
	for part, err := range results {
		for _, i := range parts[part] {
			if written[i].LogID == "" && written[i].Err == nil {
				written[i].Err = err // it was not begun
			}
		}
	}
	return written
}

// send writes the calls at some positions, all of them new or all of them known, with one request. Upserts that are
// refused because their Task is there already, and its subtype cannot be changed, are sent again without it.
func (a *Adapter) send(ctx context.Context, writes []crm.Write, at []int, written []crm.Written, subtype bool) error {
	update, upsert := writes[at[0]].LogID != "", a.cfg.Tasks.Upsert
	r := api.Request{
		Operation: "create_log", Title: "create call log", Method: http.MethodPost, Path: a.path("composite/sobjects"),
		Effect: api.Creates,
	}
	switch {
	case update:
		r.Operation, r.Title, r.Method, r.Effect = "update_log", "update call log", http.MethodPatch, api.Changes
	case upsert:
		r.Operation, r.Title, r.Method, r.Effect = "upsert_log", "upsert call log", http.MethodPatch, api.Changes
		r.Path = a.path("composite/sobjects/Task/" + a.cfg.Tasks.CallIDField)
	}
	var tasks []map[string]any
	for _, i := range at {
		tasks = append(tasks, a.task(writes[i], subtype))
	}
	results, err := a.save(ctx, r, tasks)
	if err != nil {
		return err
	}
	var again []int
	for n, i := range at {
		if subtype && upsert && !update && results[n].refuses("INVALID_FIELD_FOR_INSERT_UPDATE", "TaskSubtype") {
			again = append(again, i)
			continue
		}
		w := writes[i]
		id, err := results[n].outcome(r, w.LogID != "" || w.Record != nil, a.cfg.ClientSecret.Reveal())
		a.client.Rest(err)
		written[i] = crm.Written{LogID: cmp.Or(id, w.LogID), Err: err}
	}
	if len(again) > 0 {
		if err := a.send(ctx, writes, again, written, false); err != nil {
			for _, i := range again {
				written[i].Err = err
			}
		}
	}
	return nil
}

// result is what became of one record.
type result struct {
	ID      string    `json:"id"`
	Success bool      `json:"success"`
	Errors  []problem `json:"errors"`
}

// problem is an error, of one record (StatusCode) or of a whole request (ErrorCode).
type problem struct {
	StatusCode string   `json:"statusCode,omitempty"`
	ErrorCode  string   `json:"errorCode,omitempty"`
	Message    string   `json:"message"`
	Fields     []string `json:"fields"`
}

// save sends records with one request and returns one result for each.
func (a *Adapter) save(ctx context.Context, r api.Request, records []map[string]any) (results []result, err error) {
	r.Body = map[string]any{"allOrNone": false, "records": records}
	r.Pretend = slices.Repeat([]result{{ID: "000000000000000AAA", Success: true}}, len(records))
	if err := a.client.JSON(ctx, r, &results); err != nil {
		return nil, err
	}
	if len(results) != len(records) {
		return nil, crm.Errorf(doubt(r.Effect), r.Title, "%d results for %d records", len(results), len(records))
	}
	return results, nil
}

// doubt is the kind of an answer that does not say what was done.
func doubt(effect api.Effect) crm.Kind {
	if effect == api.Creates {
		return crm.KindInDoubt
	}
	return crm.KindTransient
}

func (r result) refuses(code, field string) bool {
	return slices.ContainsFunc(r.Errors, func(p problem) bool {
		return p.StatusCode == code && slices.Contains(p.Fields, field)
	})
}

// existing finds the id in "duplicate value found: … duplicates value on record with id: …".
var existing = regexp.MustCompile(`with id: <?([0-9A-Za-z]{18}|[0-9A-Za-z]{15})\b`)

// outcome returns the id of a record that was written, or that is there already, and the error as Salesforce words it.
// names: the write named records that may be gone.
func (r result) outcome(sent api.Request, names bool, secret string) (id string, err error) {
	if r.Success && recordID.MatchString(r.ID) {
		return r.ID, nil
	}
	if r.Success || len(r.Errors) == 0 {
		return "", crm.Errorf(doubt(sent.Effect), sent.Title, "the result has neither an id nor an error")
	}
	p := r.Errors[0]
	e := crm.Errorf(crm.KindInvalid, sent.Title, "%s", api.Mask(p.StatusCode+": "+p.Message, secret))
	owner := slices.Contains(p.Fields, "OwnerId")
	switch p.StatusCode {
	case "UNABLE_TO_LOCK_ROW", "SERVER_UNAVAILABLE", "REQUEST_RUNNING_TOO_LONG", "UNKNOWN_EXCEPTION":
		e.Kind = crm.KindTransient // of one record: Salesforce rolled it back
	case "REQUEST_LIMIT_EXCEEDED", "STORAGE_LIMIT_EXCEEDED":
		e.Kind, e.RetryAfter = crm.KindQuota, quotaWait
	case "ENTITY_IS_DELETED", "INVALID_CROSS_REFERENCE_KEY", "CANNOT_UPDATE_CONVERTED_LEAD", "NOT_FOUND", "MALFORMED_ID":
		if names && !owner {
			e.Kind = crm.KindGone
		}
	case "DUPLICATE_VALUE", "DUPLICATE_EXTERNAL_ID":
		e.Kind = crm.KindExists
		if match := existing.FindStringSubmatch(p.Message); match != nil {
			id = match[1]
		}
	case "INSUFFICIENT_ACCESS_OR_READONLY", "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY",
		"INVALID_FIELD_FOR_INSERT_UPDATE":
		e.Kind = crm.KindForbidden
	}
	return id, e
}

// task returns the fields of a call's Task. An update leaves out what never changes, and what a person may have set in
// the meantime: the priority and, with KeepDescription, the texts.
func (a *Adapter) task(w crm.Write, subtype bool) map[string]any {
	c, t, update := w.Call, a.cfg.Tasks, w.LogID != ""
	task := map[string]any{"attributes": map[string]string{"type": "Task"}}
	set := func(told bool, field string, value any) {
		if told && field != "" {
			task[field] = value
		}
	}
	recorded := t.RecordingField != "" && c.RecordingURL != "" && len(utf16.Encode([]rune(c.RecordingURL))) <= maxAddress
	set(recorded, t.RecordingField, c.RecordingURL)
	if recorded {
		c.RecordingURL = ""
	}
	set(!update || !t.KeepDescription, "Subject", a.text.Title(c, maxSubject))
	set(!update || !t.KeepDescription, "Description", a.text.Body(c, maxDescription))
	date := c.Began()
	set(!date.IsZero(), "ActivityDate", date.In(a.location).Format(time.DateOnly))
	set(!c.Start.IsZero(), t.StartField, c.Start.UTC().Format(time.RFC3339))
	set(c.Direction == call.Inbound, "CallType", "Inbound")
	set(c.Direction == call.Outbound, "CallType", "Outbound")
	set(c.Result == call.ResultAnswered, "CallDisposition", t.Answered)
	set(c.Result == call.ResultMissed, "CallDisposition", t.Missed)
	set(true, "Status", t.Running)
	if c.State == call.Ended {
		set(true, "Status", t.Ended)
		talked := c.Talked()
		set(talked.Known, "CallDurationInSeconds", talked.N)
	}
	for field, value := range a.text.Fields(w.Call) { // what an operator wrote comes before our own
		set(value != "", field, value)
		set(value == "", field, nil)
	}
	set(w.Owner != "", "OwnerId", w.Owner)
	if w.Record != nil {
		set(isPerson(w.Record.Object), "WhoId", w.Record.ID)
		set(!isPerson(w.Record.Object), "WhatId", w.Record.ID)
	}
	set(update, "id", w.LogID)
	set(!update && subtype, "TaskSubtype", "Call")
	set(!update, "Priority", t.Priority)
	set(!update, "CallObject", c.ID)
	set(!update, t.CallIDField, c.ID)
	return task
}

// isPerson reports whether calls are linked to an object as WhoId.
func isPerson(object string) bool { return object == "Contact" || object == "Lead" }

// FindLogs looks tasks up by their call id. Of several the oldest is taken.
func (a *Adapter) FindLogs(ctx context.Context, calls []call.Call) []crm.LogFound {
	lookups := make([]crm.Lookup, len(calls))
	for i, c := range calls {
		lookups[i] = crm.Lookup{Object: "Task", TransactionID: c.ID}
	}
	logs := make([]crm.LogFound, len(calls))
	for i, found := range a.logs.Find(ctx, lookups) {
		if logs[i].Err = found.Err; len(found.Records) > 0 {
			logs[i].LogID = found.Records[0].ID
		}
		if len(found.Records) > 1 {
			a.logger.WarnContext(ctx, "Salesforce has several tasks of one call", "call_id", calls[i].ID)
		}
	}
	return logs
}

func (a *Adapter) logsByCallID(ctx context.Context, _ string, ids []string) ([]crm.Record, bool, error) {
	field := a.cfg.Tasks.CallIDField
	return a.identified(ctx, "find_log", "find call log", field, "SELECT Id, "+field+" FROM Task WHERE "+field+
		" IN ("+quoted(ids)+") ORDER BY CreatedDate")
}

// judge reads an answer as the "Status Codes and Error Responses" of the REST API guide tell: an error is a list of
// problems.
func judge(r api.Request, a api.Answer) *crm.Error {
	e := api.Judge(r, a)
	var problems []problem
	if e == nil || json.Unmarshal(a.Body, &problems) != nil || len(problems) == 0 {
		return e
	}
	p := problems[0]
	e.Message = p.ErrorCode + ": " + p.Message
	switch p.ErrorCode {
	case "REQUEST_LIMIT_EXCEEDED":
		e.Kind, e.RetryAfter = crm.KindQuota, quotaWait
		if strings.Contains(p.Message, "Concurrent") {
			e.Kind, e.RetryAfter = crm.KindThrottled, concurrentWait
		}
		if a.Header.Get("Retry-After") != "" {
			e.RetryAfter = 0 // what the header says comes first
		}
	case "UNABLE_TO_LOCK_ROW":
		e.Kind = crm.KindTransient
	case "INVALID_SESSION_ID", "INVALID_FIELD", "INVALID_TYPE", "NOT_FOUND", "API_DISABLED_FOR_ORG",
		"API_CURRENTLY_DISABLED":
		// What the integration user may not see does not exist for it, so all of this is a matter of its rights.
		e.Kind = crm.KindUnauthorized
	}
	return e
}
