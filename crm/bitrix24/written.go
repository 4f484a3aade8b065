package bitrix24

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/call"
)

// read turns the answers to a job's steps into its result and keeps what was done.
func (j *job) read(answers []answer) crm.Written {
	w := crm.Written{LogID: j.write.LogID, Err: j.err}
	j.former = j.progress[doneBinding]
	for i, name := range j.names {
		err := j.done(name, answers[i], &w)
		if err == nil {
			continue
		}
		w.Err = cmp.Or(w.Err, err)
		if name != stepBind && name != stepUnbind && name != stepAttach {
			break // what follows leans on this step
		}
	}
	if w.Progress = j.progress.Bytes(); w.Progress == nil && len(j.write.Progress) > 0 {
		w.Progress = []byte("{}")
	}
	return w
}

// done acts on the answer to one step.
func (j *job) done(name string, said answer, w *crm.Written) error {
	switch name {
	case stepRegister:
		r := row{}
		err := said.into(&r)
		if j.progress[doneCall] = scalar(r["CALL_ID"]); err == nil && j.progress[doneCall] == "" {
			err = unreadable(writeTitle, api.Creates)
		}
		return err
	case stepFinish:
		return j.finished(said, w)
	case stepRead:
		rows, err := said.rows()
		if err == nil && (len(rows) == 0 || scalar(rows[0]["CALL_ID"]) != w.LogID) {
			err = crm.Errorf(crm.KindGone, writeTitle, "the call is not in the call statistics any more")
		}
		if err != nil {
			return err
		}
		j.progress[doneFinish], j.progress[doneActivity] = "1", identifier(rows[0]["CRM_ACTIVITY_ID"])
	case stepAdd:
		var id json.Number
		err := said.into(&id)
		if w.LogID = identifier(id); err == nil && w.LogID == "" {
			err = unreadable(writeTitle, api.Creates)
		}
		if err != nil {
			return err
		}
		j.progress[doneBinding] = binding(j.write.Record)
	case stepBind:
		if said.err != nil && said.code != "ACTIVITY_IS_ALREADY_BOUND" {
			return said.err
		}
		j.progress[doneBinding] = binding(j.write.Record)
	case stepUnbind: // what is not bound, or to nothing else, cannot be taken away
		if said.err != nil && said.err.Kind != crm.KindInvalid && said.err.Kind != crm.KindGone {
			j.progress[doneBinding] = j.former
			return said.err
		}
	case stepAttach:
		if err := attached(said); err != nil {
			return err
		}
		j.progress[doneRecording] = digest(j.write.Call.RecordingURL)
	default:
		return said.into(nil)
	}
	return nil
}

// finished acts on the answer to a finish. A call that is not found was finished by a request whose answer got lost, or
// its registration is too old: the statistics know which.
func (j *job) finished(said answer, w *crm.Written) error {
	var r struct {
		Activity any            `json:"CRM_ACTIVITY_ID"`
		Errors   map[string]any `json:"ERRORS"`
	}
	err := said.into(&r)
	if err != nil && strings.Contains(said.words, "not found") && strings.HasPrefix(said.words, "Call") {
		clear(j.progress)
		return crm.Errorf(crm.KindInDoubt, writeTitle, "the registration of the call is not there any more")
	}
	if err != nil {
		return err
	}
	w.LogID = j.progress[doneCall]
	j.progress[doneFinish], j.progress[doneActivity] = "1", identifier(r.Activity)
	if j.write.Record == nil {
		return nil
	}
	if j.write.Record.Object != "deal" {
		j.progress[doneBinding] = binding(j.write.Record)
	}
	if j.progress[doneActivity] == "" {
		w.Err = errNoActivity(scalar(r.Errors["ACTIVITY_CREATION"]))
	}
	return nil
}

// errNoActivity: Bitrix24 took the call and could not make the activity that a salesperson sees.
func errNoActivity(words string) error {
	return crm.Errorf(crm.KindInvalid, writeTitle, "the call stands in the call statistics, but Bitrix24 made no CRM "+
		"activity for it, so it does not show on its record: %s", api.Mask(cmp.Or(words, "it did not say why")))
}

// attached judges an attachRecord. The log stands whatever became of its recording: only what will never work is
// invalid, what the server of the recordings answered may change.
func attached(said answer) error {
	if said.err == nil {
		return nil
	}
	e := *said.err
	e.Op = "attach recording"
	never := []string{"extension", "non-public", "Required parameters", "encoded"}
	final := slices.ContainsFunc(never, func(s string) bool { return strings.Contains(said.words, s) })
	switch {
	case strings.Contains(said.words, "statistic table"):
		e.Kind = crm.KindGone
	case e.Kind == crm.KindInvalid && !final:
		e.Kind = crm.KindTransient
	}
	return &e
}

// FindLogs looks calls up by their call id, in the call statistics or among the activities.
func (a *Adapter) FindLogs(ctx context.Context, calls []call.Call) []crm.LogFound {
	commands := make([]command, len(calls))
	external, id := "EXTERNAL_CALL_ID", "CALL_ID"
	for i, c := range calls {
		commands[i] = command{method: "voximplant.statistic.get", params: given("FILTER[EXTERNAL_CALL_ID]", c.ID,
			"SORT", "ID", "ORDER", "ASC")}
		if !a.telephony {
			external, id = "ORIGIN_ID", "ID"
			commands[i] = command{method: "crm.activity.list", params: given("filter[ORIGINATOR_ID]", originator,
				"filter[ORIGIN_ID]", c.ID, "select[0]", "ID", "select[1]", "ORIGIN_ID", "order[ID]", "ASC")}
		}
	}
	founds := make([]crm.LogFound, len(calls))
	for i, said := range a.ask(ctx, api.Request{Operation: "find_log", Title: "find call log"}, commands) {
		rows, err := said.rows()
		founds[i].Err = err
		for _, r := range rows {
			if founds[i].LogID == "" && scalar(r[external]) == harmless(calls[i].ID) {
				founds[i].LogID = scalar(r[id])
			}
		}
	}
	return founds
}
