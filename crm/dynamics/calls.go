package dynamics

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/call"
)

// Limits in characters: those of phonecall (table reference), and of a column of one's own for an address.
const (
	maxSubject     = 200
	maxDescription = 2000
	maxPhoneNumber = 200
	maxAddress     = 2000
)

// The values of statuscode: statecode 0 has Open, statecode 1 (Completed) has Made and Received.
const (
	statusOpen     = 1
	statusMade     = 2
	statusReceived = 4
)

// doneClosed is the step in a call's progress that says its row was completed.
const doneClosed = "closed"

// writeTitle is what errors call a write.
const writeTitle = "write call log"

// Write writes the rows of calls, many in one request. What is refused is tried once more as the change of a completed
// row; where there is no such row, the first refusal stands.
func (a *Adapter) Write(ctx context.Context, writes []crm.Write) []crm.Written {
	written := a.round(ctx, writes, false)
	var again []int
	var rewrites []crm.Write
	for i, w := range written {
		if kind := crm.Classify(w.Err).Kind; w.Err != nil && (kind == crm.KindInvalid || kind == crm.KindForbidden) &&
			crm.Classify(w.Err).Status != 0 && !completed(writes[i]) {
			again, rewrites = append(again, i), append(rewrites, writes[i])
		}
	}
	for n, w := range a.round(ctx, rewrites, true) {
		if w.Err == nil || crm.Classify(w.Err).Kind != crm.KindGone {
			written[again[n]] = w
		}
	}
	return written
}

// round writes calls, with reopen as changes of completed rows.
func (a *Adapter) round(ctx context.Context, writes []crm.Write, reopen bool) []crm.Written {
	written, indices := make([]crm.Written, len(writes)), make([]int, len(writes))
	for i := range indices {
		indices[i] = i
	}
	parts := api.Chunks(indices, a.cfg.Batch, 0, nil)
	errs := api.Each(len(parts), a.cfg.Concurrency, func(n int) (stop error) {
		send := func(at []int) error { return a.send(ctx, writes, at, written, reopen) }
		for k, err := range api.Split(parts[n], send) { // a batch that is refused as a whole, for its size or form
			if err != nil {
				written[parts[n][k]].Err = err
			}
			if e := written[parts[n][k]].Err; e != nil && stops(crm.Classify(e).Kind) {
				stop = e
			}
		}
		return stop
	})
	for n, err := range errs {
		for _, i := range parts[n] {
			if written[i].LogID == "" && written[i].Err == nil {
				written[i].Err = err // it was not begun
			}
		}
	}
	return written
}

// stops reports whether an error of a kind concerns all calls.
func stops(kind crm.Kind) bool { return kind == crm.KindThrottled || kind == crm.KindUnauthorized }

// send writes the calls at some positions with one request.
func (a *Adapter) send(ctx context.Context, writes []crm.Write, at []int, written []crm.Written, reopen bool) error {
	var sent []int
	var groups [][]operation
	for _, i := range at {
		steps, err := a.steps(writes[i], reopen)
		if written[i] = (crm.Written{LogID: writes[i].LogID}); err != nil {
			written[i].Err = err
			continue
		}
		sent, groups = append(sent, i), append(groups, steps)
	}
	if len(sent) == 0 {
		return nil
	}
	results, err := a.batch(ctx, api.Request{Operation: "upsert_log", Title: writeTitle}, groups)
	if err != nil {
		return err
	}
	for n, i := range sent {
		if results[n] != nil {
			written[i].Err = results[n]
			continue
		}
		written[i].LogID = logID(writes[i])
		if writes[i].Call.State == call.Ended {
			written[i].Progress = api.Progress{doneClosed: "1"}.Bytes()
		}
	}
	return nil
}

// logID returns the id of a call's row.
func logID(w crm.Write) string { return cmp.Or(w.LogID, api.UUID5("crmsyncd:call:"+w.Call.ID)) }

// completed reports whether we completed the row of a call. Progress without a row is that of one that was deleted.
func completed(w crm.Write) bool {
	return w.LogID != "" && api.ReadProgress(w.Progress)[doneClosed] != ""
}

// steps returns the operations that write a call. Only the first of a new call may create the row.
func (a *Adapter) steps(w crm.Write, reopen bool) ([]operation, error) {
	ids := []string{logID(w), cmp.Or(w.Owner, logID(w))}
	if w.Record != nil {
		ids = append(ids, w.Record.ID)
	}
	for _, id := range ids {
		if !guid.MatchString(id) {
			return nil, crm.Errorf(crm.KindInvalid, writeTitle, "%q is no id of Dataverse: ids are GUIDs, see agents.map",
				a.client.Mask(id))
		}
	}
	path, ended := "/phonecalls("+ids[0]+")", w.Call.State == call.Ended
	reopen = reopen || completed(w)
	set := operation{path: path, body: a.fields(w)}
	if reopen || w.LogID != "" {
		set.condition = onlyUpdate
	}
	var steps []operation
	if reopen {
		steps = append(steps, operation{path, onlyUpdate, map[string]any{"statecode": 0, "statuscode": statusOpen}})
	}
	if steps = append(steps, set); ended {
		status := statusMade
		if w.Call.Direction == call.Inbound {
			status = statusReceived
		}
		body := map[string]any{"statecode": 1, "statuscode": status}
		for _, column := range []string{"actualend", "actualdurationminutes"} { // said again, for completing may set them
			if value := set.body[column]; value != nil {
				body[column] = value
			}
		}
		steps = append(steps, operation{path, onlyUpdate, body})
	}
	return steps, nil
}

// fields returns the columns of a call's row. An update never clears a link, an owner or a recording.
func (a *Adapter) fields(w crm.Write) map[string]any {
	c, p, fields := w.Call, a.cfg.PhoneCalls, map[string]any{}
	set := func(told bool, column string, value any) {
		if told && column != "" {
			fields[column] = value
		}
	}
	fits := c.RecordingURL != "" && len(utf16.Encode([]rune(c.RecordingURL))) <= maxAddress
	if set(fits, p.RecordingField, c.RecordingURL); fits && p.RecordingField != "" {
		c.RecordingURL = ""
	}
	number := c.Customer.String()
	set(true, "subject", a.text.Title(c, maxSubject))
	set(true, "description", a.text.Body(c, maxDescription))
	set(number != "" && len(number) <= maxPhoneNumber, "phonenumber", number)
	set(c.Direction != call.DirectionUnknown, "directioncode", c.Direction == call.Outbound)
	set(!c.Start.IsZero(), "actualstart", c.Start.UTC().Format(time.RFC3339))
	if c.State == call.Ended {
		set(!c.End.IsZero(), "actualend", c.End.UTC().Format(time.RFC3339))
		talked := c.Talked()
		set(talked.Known, "actualdurationminutes", (talked.N+59)/60)
		set(talked.Known, p.SecondsField, talked.N)
	}
	set(true, p.CallIDField, c.ID)
	for column, value := range a.text.Fields(w.Call) { // what an operator wrote comes before our own
		set(value != "", column, value)
		set(value == "", column, nil)
	}
	if w.Record != nil {
		set(true, "regardingobjectid_"+w.Record.Object+"_phonecall@odata.bind", a.bind(w.Record))
	}
	set(w.Owner != "", "ownerid@odata.bind", "/systemusers("+w.Owner+")")
	parties := a.parties(w)
	set(len(parties) > 0, "phonecall_activity_parties", parties)
	return fields
}

// bind returns the reference to a record.
func (a *Adapter) bind(r *crm.Record) string {
	return "/" + a.object(r.Object).set() + "(" + r.ID + ")"
}

// parties tells who called whom: participationtypemask 1 is From, 2 is To. Only people and accounts can be called.
func (a *Adapter) parties(w crm.Write) []map[string]any {
	agent, customer := 1, 2
	if w.Call.Direction == call.Inbound {
		agent, customer = 2, 1
	}
	var parties []map[string]any
	add := func(mask int, table, reference string) {
		parties = append(parties, map[string]any{
			"partyid_" + table + "@odata.bind": reference, "participationtypemask": mask,
		})
	}
	if a.cfg.PhoneCalls.Parties && w.Owner != "" {
		add(agent, "systemuser", "/systemusers("+w.Owner+")")
	}
	if a.cfg.PhoneCalls.Parties && w.Record != nil &&
		slices.Contains([]string{"contact", "lead", "account"}, w.Record.Object) {
		add(customer, w.Record.Object, a.bind(w.Record))
	}
	return parties
}

// judge reads an answer, or one within a batch, by its status and code ("Compose HTTP requests and handle errors",
// "Service protection API limits", "Web service error codes").
func judge(r api.Request, a api.Answer) *crm.Error {
	e := api.Judge(r, a)
	if e == nil {
		return nil
	}
	var said struct {
		Error struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	_ = json.Unmarshal(a.Body, &said) // what is no error of Dataverse has no code
	code, words := strings.ToLower(said.Error.Code), said.Error.Message
	e.Message = words // without the code: its digits would be masked as those of a number
	has := func(texts ...string) bool {
		return slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(words, text) })
	}
	switch {
	case slices.Contains([]string{"0x80072321", "0x80072322", "0x80072326"}, code):
		e.Kind = crm.KindThrottled
	case has("Could not find a property named", "doesn't contain attribute", "does not exist on type",
		"undeclared property", "Resource not found for the segment"):
		e.Kind = crm.KindUnauthorized // a column or table is missing, or hidden by column security: for every call
	case code == "0x80040217" && has("systemuser With Id"):
		e.Kind = crm.KindInvalid // a wrong agents.map: it would not help to match again
	case code == "0x80040217":
		e.Kind = crm.KindGone
	case a.Status == http.StatusPreconditionFailed:
		e.Kind = crm.KindTransient // somebody else wrote at the same moment
	}
	return e
}
