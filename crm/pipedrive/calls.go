package pipedrive

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/call"
)

// How many characters subject and note take. The API names no bound; these are far below what it was seen to take.
const (
	maxSubject = 255
	maxNote    = 10_000
)

// What Progress tells: the id of the call log, that its end is written, and what became of the recording.
const (
	progressLog       = "log"
	progressEnded     = "ended"
	progressRecording = "recording"
)

// The values of progressRecording.
const (
	attached = "attached"
	linked   = "linked"
)

// Write makes call logs, one request each and one more for a recording, and completes those that are there.
func (a *Adapter) Write(ctx context.Context, writes []crm.Write) []crm.Written {
	written := make([]crm.Written, len(writes))
	errs := api.Each(len(writes), concurrency, func(i int) error {
		w, done := writes[i], api.ReadProgress(writes[i].Progress)
		if w.LogID == "" {
			logID, err := a.createLog(ctx, w, done)
			if err != nil {
				return err
			}
			w.LogID = logID
		}
		err := a.complete(ctx, w, done)
		written[i] = crm.Written{LogID: w.LogID, Progress: done.Bytes()}
		return err
	})
	for i, err := range errs {
		written[i].Err = err
	}
	return written
}

// createLog makes a call log and returns the id of its activity. The link of a recording that will be attached does not
// go into the note.
func (a *Adapter) createLog(ctx context.Context, w crm.Write, done api.Progress) (string, error) {
	isLinked := w.Call.RecordingURL != "" && !a.recordings.Allows(w.Call.RecordingURL)
	body, err := a.body(w, isLinked)
	if err != nil {
		return "", err
	}
	made, err := send[struct {
		ID       id
		Activity id `json:"activity_id"`
	}](ctx, a, 10, api.Request{
		Operation: "create_log", Title: "create call log", Path: "/v1/callLogs", Body: body, Effect: api.Creates,
		Pretend: map[string]any{"success": true, "data": map[string]any{"id": "dry-run", "activity_id": 1}},
	})
	if err != nil {
		return "", err
	}
	if made.Data.Activity == "" {
		return "", crm.Errorf(crm.KindInDoubt, "create call log", "the answer does not name the activity of the call log")
	}
	done[progressLog] = string(made.Data.ID)
	if w.Call.State == call.Ended {
		done[progressEnded] = "yes"
	}
	if isLinked {
		done[progressRecording] = linked
	}
	return string(made.Data.Activity), nil
}

// body returns what a call log is made of. Its times are UTC without a zone, its duration a text.
func (a *Adapter) body(w crm.Write, isLinked bool) (map[string]any, error) {
	c := w.Call
	start := cmp.Or(c.Began(), a.options.Now())
	end := start
	if c.End.After(start) {
		end = c.End
	}
	body := map[string]any{
		"outcome": outcome(c), "duration": strconv.FormatInt(c.Talked().N, 10),
		"start_time": start.UTC().Format(time.DateTime), "end_time": end.UTC().Format(time.DateTime),
		"subject": a.text.Title(c, maxSubject), "note": strings.Join(a.lines(c, isLinked), lineBreak),
	}
	own := cmp.Or(c.Hotline, c.Extension)
	from, to := c.Customer.String(), own
	if c.Direction != call.Inbound {
		from, to = own, c.Customer.String()
	}
	if from != "" {
		body["from_phone_number"] = from
	}
	body["to_phone_number"] = cmp.Or(to, "unknown") // required, and a caller may be hidden or a hotline not told
	if w.Owner != "" {
		if _, err := strconv.ParseInt(w.Owner, 10, 64); err != nil {
			return nil, crm.Errorf(crm.KindInvalid, "create call log",
				"the id of a user is a number, correct agents.map or agents.default")
		}
		body["user_id"] = json.Number(w.Owner)
	}
	if w.Record != nil {
		body[w.Record.Object+"_id"] = w.Record.ID
		if w.Record.Object != lead {
			body[w.Record.Object+"_id"] = json.Number(w.Record.ID)
		}
	}
	return body, nil
}

// outcome returns Pipedrive's word for what became of a call.
func outcome(c call.Call) string {
	switch {
	case c.Result == call.ResultAnswered:
		return "connected"
	case strings.Contains(strings.ToLower(c.Status), "busy"):
		return "busy"
	default:
		return "no_answer"
	}
}

// complete does what is left to do for a call log that is there: what became known of the call since it was made goes
// into the note, a recording is attached or, where that cannot be, linked.
func (a *Adapter) complete(ctx context.Context, w crm.Write, done api.Progress) error {
	isLinked := false
	if w.Call.RecordingURL != "" && done[progressRecording] == "" {
		var err error
		if isLinked, err = a.attach(ctx, w, done); err != nil {
			return err
		}
	}
	isNew := w.Call.State == call.Ended && done[progressEnded] == ""
	if !isLinked && !isNew {
		return nil
	}
	if err := a.amend(ctx, w, isLinked, isNew); err != nil {
		return err
	}
	if isLinked {
		done[progressRecording] = linked
	}
	if isNew {
		done[progressEnded] = "yes"
	}
	return nil
}

// amend adds to the note of a call's activity the lines that it lacks, and with isNew writes the subject anew.
func (a *Adapter) amend(ctx context.Context, w crm.Write, isLinked, isNew bool) error {
	r := api.Request{
		Operation: "find_log", Title: "read call log", Method: http.MethodGet,
		Path: "/api/v2/activities/" + url.PathEscape(w.LogID),
	}
	activity, err := send[struct{ Note string }](ctx, a, 1, r)
	if err != nil {
		return err
	}
	there := plain(activity.Data.Note)
	var missing []string
	for _, line := range a.lines(w.Call, isLinked) {
		if !strings.Contains(there, plain(line)) {
			missing = append(missing, line)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	body := map[string]any{"note": strings.Join(append([]string{activity.Data.Note}, missing...), lineBreak)}
	if isNew {
		body["subject"] = a.text.Title(w.Call, maxSubject)
	}
	r.Operation, r.Title, r.Method, r.Body, r.Effect = "update_log", "update call log", http.MethodPatch, body, api.Changes
	r.Pretend = map[string]any{"success": true}
	_, err = send[json.RawMessage](ctx, a, 5, r)
	return err
}
