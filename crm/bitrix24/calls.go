package bitrix24

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/call"
)

// originator marks the activities of ours (ORIGINATOR_ID); ORIGIN_ID is the call id.
const originator = "crmsyncd"

// writeTitle is what errors call a write.
const writeTitle = "write call log"

// The keys of a call's progress: what was done, each with what it left.
const (
	// doneCall is the CALL_ID of a registration, doneFinish that it was finished, doneActivity its activity.
	doneCall, doneFinish, doneActivity = "call", "finished", "activity"
	// doneBinding is the record that the activity belongs to, doneRecording a digest of the address that was attached.
	doneBinding, doneRecording = "bound", "recording"
)

// The steps that write a call, and the one that reads a call back of which nothing but its id is known.
const (
	stepRegister, stepFinish, stepRead, stepBind, stepAttach = "register", "finish", "read", "bind", "attach"
	stepAdd, stepUpdate, stepUnbind                          = "add", "update", "unbind"
)

// job is one call to write.
type job struct {
	at       int
	write    crm.Write
	progress api.Progress
	names    []string // of the steps
	steps    []command
	err      error
	// former is the record that the activity belonged to before.
	former string
}

// Write writes calls, as many in a request as their commands allow.
func (a *Adapter) Write(ctx context.Context, writes []crm.Write) []crm.Written {
	jobs, groups := make([]*job, len(writes)), make([][]command, len(writes))
	for i, w := range writes {
		jobs[i] = &job{at: i, write: w, progress: api.ReadProgress(w.Progress)}
		if a.telephony {
			a.planCall(jobs[i])
		} else {
			a.planActivity(jobs[i])
		}
		groups[i] = jobs[i].steps
	}
	request := api.Request{Operation: "batch", Title: writeTitle, Effect: api.Changes}
	written := make([]crm.Written, len(writes))
	for i, answers := range a.batch(ctx, request, groups) {
		written[i] = jobs[i].read(answers)
	}
	return written
}

// add appends a step and returns its key. A request runs commands in the order of their keys: those of a job one after
// the other, and all that attach recordings at the end.
func (j *job) add(name, method string, params url.Values, pretend any) (key string) {
	phase, effect := "a", api.Changes
	switch name {
	case stepAttach:
		phase = "z"
	case stepRegister, stepFinish, stepAdd:
		effect = api.Creates
	}
	key = fmt.Sprintf("%s%05d%d", phase, j.at, len(j.steps))
	j.names = append(j.names, name)
	j.steps = append(j.steps, command{key: key, method: method, params: params, effect: effect, pretend: pretend})
	return key
}

// move binds an activity to the record of the call, and then takes it from the one it was bound to before.
func (j *job) move(activity string) {
	j.add(stepBind, "crm.activity.binding.add", bindingOf(j.write.Record, activity), true)
	object, id, _ := strings.Cut(j.progress[doneBinding], ":")
	if former := (crm.Record{Object: object, ID: id}); id != "" {
		j.add(stepUnbind, "crm.activity.binding.delete", bindingOf(&former, activity), true)
	}
}

// planCall plans the steps of telephony.
func (a *Adapter) planCall(j *job) {
	c, w, p := j.write.Call, j.write, j.progress
	callID, activity := cmp.Or(p[doneCall], w.LogID), p[doneActivity]
	switch {
	case w.LogID == "":
		user := given("USER_ID", a.user(w))
		if len(user) == 0 {
			user = given("USER_PHONE_INNER", c.Extension)
		}
		if len(user) == 0 {
			j.err = crm.Errorf(crm.KindInvalid, writeTitle, "no user is known for the call: set default_user")
			return
		}
		if callID == "" {
			callID = reference(j.add(stepRegister, "telephony.externalCall.register", merge(user, a.registration(w)),
				row{"CALL_ID": "dry-run"}), "CALL_ID")
		}
		finish := merge(user, given("DURATION", strconv.FormatInt(c.Talked().N, 10), "STATUS_CODE", statusCode(c),
			"ADD_TO_CHAT", "0"))
		if c.Result == call.ResultMissed {
			finish = merge(finish, given("FAILED_REASON", c.Status))
		}
		finish.Set("CALL_ID", callID)
		activity = reference(j.add(stepFinish, "telephony.externalCall.finish", finish, row{"CRM_ACTIVITY_ID": 1}),
			"CRM_ACTIVITY_ID")
	case p[doneFinish] == "": // its id is all that is known: from a look-up
		activity = reference(j.add(stepRead, "voximplant.statistic.get", given("FILTER[CALL_ID]", w.LogID),
			[]row{{"CALL_ID": w.LogID, "CRM_ACTIVITY_ID": "1"}}), "0", "CRM_ACTIVITY_ID")
	case activity == "" && w.Record != nil:
		j.err = errNoActivity("")
		return
	}
	if bound := binding(w.Record); bound != "" && bound != p[doneBinding] && activity != "" &&
		(w.LogID != "" || w.Record.Object == "deal") { // register links the others
		j.move(activity)
	}
	if c.RecordingURL != "" && p[doneRecording] != digest(c.RecordingURL) {
		params := given("RECORD_URL", c.RecordingURL, "FILENAME", fileName(c))
		params.Set("CALL_ID", callID)
		j.add(stepAttach, "telephony.externalCall.attachRecord", params, row{"FILE_ID": 1})
	}
}

// registration are the parameters of a register beside the user: no card pops up, no record is made, no chat is told.
func (a *Adapter) registration(w crm.Write) url.Values {
	c, kind := w.Call, "2"
	if c.Direction == call.Outbound {
		kind = "1"
	}
	params := given(
		"PHONE_NUMBER", c.Customer.String(), "TYPE", kind, "CALL_START_DATE", a.moment(c.Began()),
		"EXTERNAL_CALL_ID", c.ID, "LINE_NUMBER", cmp.Or(a.cfg.Line, c.Hotline),
		"CRM_CREATE", "0", "SHOW", "0", "ADD_TO_CHAT", "0",
	)
	if w.Record != nil && w.Record.Object != "deal" { // a deal is bound afterwards
		params = merge(params, given("CRM_ENTITY_TYPE", strings.ToUpper(w.Record.Object), "CRM_ENTITY_ID", w.Record.ID))
	}
	return params
}

// planActivity plans the steps of an activity. COMMUNICATIONS has exactly one entry, as Bitrix24 wants it of calls.
func (a *Adapter) planActivity(j *job) {
	c, w := j.write.Call, j.write
	direction := "1"
	if c.Direction == call.Outbound {
		direction = "2"
	}
	begin := c.Began()
	params := given(
		"fields[SUBJECT]", cmp.Or(a.text.Title(c, 255), "Call"), "fields[DESCRIPTION]", a.text.HTML(c, 0),
		"fields[DESCRIPTION_TYPE]", "3", "fields[COMPLETED]", "Y", "fields[DIRECTION]", direction,
		"fields[START_TIME]", a.moment(begin),
		"fields[END_TIME]", a.moment(begin.Add(c.Talked().Duration())),
		"fields[RESPONSIBLE_ID]", a.user(w),
	)
	if w.LogID != "" {
		params.Set("id", w.LogID)
		j.add(stepUpdate, "crm.activity.update", params, true)
		if bound := binding(w.Record); bound != "" && bound != j.progress[doneBinding] {
			j.move(w.LogID)
		}
		return
	}
	if w.Record == nil {
		j.err = crm.Errorf(crm.KindInvalid, writeTitle,
			"Bitrix24 keeps an activity only on a record, so a call without one cannot be written in mode activity")
		return
	}
	owner := entityTypes()[w.Record.Object]
	j.add(stepAdd, "crm.activity.add", merge(params, given(
		"fields[TYPE_ID]", "2", "fields[OWNER_TYPE_ID]", owner, "fields[OWNER_ID]", w.Record.ID,
		"fields[ORIGINATOR_ID]", originator, "fields[ORIGIN_ID]", c.ID,
		"fields[COMMUNICATIONS][0][TYPE]", "PHONE", "fields[COMMUNICATIONS][0][VALUE]", c.Customer.String(),
		"fields[COMMUNICATIONS][0][ENTITY_TYPE_ID]", owner, "fields[COMMUNICATIONS][0][ENTITY_ID]", w.Record.ID,
	)), 1)
}

// user returns the id of the user who had a call, empty when nobody knows. A call that nobody took is its record's
// owner's.
func (a *Adapter) user(w crm.Write) string {
	if w.Owner == "" && w.Record != nil && w.Call.Agent == "" && w.Call.Extension == "" {
		return cmp.Or(w.Record.Owner, a.cfg.DefaultUser)
	}
	return cmp.Or(w.Owner, a.cfg.DefaultUser)
}
