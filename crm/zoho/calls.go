package zoho

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/call"
)

// envelope is the body of a request that writes. An empty Trigger, not an absent one, keeps workflows from running.
type envelope struct {
	Data            []map[string]any `json:"data"`
	DuplicateFields []string         `json:"duplicate_check_fields,omitempty"`
	Trigger         []string         `json:"trigger"`
}

// draft is a call on its way.
type draft struct {
	crm.Write

	progress api.Progress
	// inText: the recording stands in the text, for Zoho refused it in its field. noDuration: it cannot be mended.
	inText, noDuration bool
	// refused is the field that the last error is about.
	refused string
	err     error
}

// Write upserts (or inserts, see Calls.Upsert) calls without LogID and updates those with one, up to 100 in a request.
// An update in which nothing has changed is not sent.
func (a *Adapter) Write(ctx context.Context, writes []crm.Write) []crm.Written {
	drafts := make([]*draft, len(writes))
	for i, w := range writes {
		drafts[i] = &draft{Write: w, progress: api.ReadProgress(w.Progress)}
	}
	a.send(ctx, drafts)
	if again := a.amend(ctx, drafts); len(again) > 0 {
		a.send(ctx, again)
	}
	written := make([]crm.Written, len(drafts))
	for i, d := range drafts {
		written[i] = crm.Written{LogID: d.LogID, Progress: d.progress.Bytes(), Err: d.err}
	}
	return written
}

// send writes drafts, those that go the same way together.
func (a *Adapter) send(ctx context.Context, drafts []*draft) {
	var fresh, known []*draft
	for _, d := range drafts {
		if d.LogID == "" {
			fresh = append(fresh, d)
		} else if len(a.fields(d)) > 0 {
			known = append(known, d)
		}
	}
	parts := append(api.Chunks(fresh, maxBatch, 0, nil), api.Chunks(known, maxBatch, 0, nil)...)
	begun := make([]bool, len(parts))
	errs := api.Each(len(parts), a.cfg.Concurrency, func(i int) (last error) {
		begun[i] = true
		for j, err := range api.Split(parts[i], func(part []*draft) error { return a.exchange(ctx, part) }) {
			if err != nil {
				parts[i][j].err, last = err, err
			}
		}
		return last
	})
	for i, err := range errs {
		for _, d := range parts[i] {
			if !begun[i] {
				d.err = err
			}
		}
	}
}

// exchange sends one request. Its error is that of the request; what became of each call is noted in its draft.
func (a *Adapter) exchange(ctx context.Context, part []*draft) error {
	r := api.Request{Operation: "create_log", Title: "create call log", Path: "/Calls", Effect: api.Creates}
	var keys []string
	switch {
	case part[0].LogID != "":
		r.Operation, r.Title, r.Method, r.Effect = "update_log", "update call log", http.MethodPut, api.Changes
	case a.cfg.Calls.Upsert:
		r.Operation, r.Title, r.Path, r.Effect = "upsert_log", "upsert call log", "/Calls/upsert", api.Changes
		keys = []string{a.cfg.Calls.CallID}
	}
	records := make([]map[string]any, len(part))
	for i, d := range part {
		records[i] = a.fields(d)
		if d.LogID != "" {
			records[i]["id"] = d.LogID
		}
	}
	results, err := a.store(ctx, r, records, keys)
	if err != nil {
		return err
	}
	for i, d := range part {
		a.note(d, r, results[i])
	}
	return nil
}

// store sends records with one request and returns one result for each, in order.
func (a *Adapter) store(
	ctx context.Context, r api.Request, records []map[string]any, keys []string,
) ([]result, error) {
	var answer struct {
		Data []result `json:"data"`
	}
	r.Body = envelope{Data: records, DuplicateFields: keys, Trigger: []string{}}
	pretended := map[string]any{"code": "SUCCESS", "details": map[string]string{"id": "1"}}
	r.Pretend = map[string]any{"data": slices.Repeat([]any{pretended}, len(records))}
	if _, err := a.do(ctx, r, &answer); err != nil {
		return nil, err
	}
	if len(answer.Data) != len(records) {
		return nil, crm.Errorf(doubt(r.Effect), r.Title, "%d results for %d records", len(answer.Data), len(records))
	}
	return answer.Data, nil
}

// note keeps what became of a call, and what was sent once it arrived.
func (a *Adapter) note(d *draft, sent api.Request, r result) {
	r = r.first(a.cfg.Calls.CallID)
	id, err := r.outcome(sent, a.cfg.Calls.CallID, a.client.Mask)
	update := d.LogID != ""
	d.LogID = cmp.Or(id, d.LogID)
	if d.err, d.refused = err, r.field(); err != nil {
		if r.gone(update, d.Record != nil) {
			d.err = crm.Errorf(crm.KindGone, sent.Title, "%s", a.client.Mask(r.words()))
		}
		return
	}
	for name, value := range a.mutable(d) {
		if _, known := d.progress[name]; known || value != nil {
			d.progress[name] = checksum(value)
		}
	}
	if delete(d.progress, unended); d.Call.State != call.Ended {
		d.progress[unended] = "1"
	}
}

// amend returns the drafts that are worth another try without what Zoho refused: an address that it does not take as
// the recording, and frozen fields of a call that turns out to be there already.
func (a *Adapter) amend(ctx context.Context, drafts []*draft) []*draft {
	var again, frozenIn []*draft
	var calls []call.Call
	for _, d := range drafts {
		switch {
		case d.err == nil || d.refused == "" || crm.Classify(d.err).Kind != crm.KindInvalid:
		case d.refused == a.cfg.Calls.Recording:
			d.inText, again = true, append(again, d)
		case frozen(d.refused) && d.LogID != "":
			d.noDuration, again = true, append(again, d)
		case frozen(d.refused) && a.cfg.Calls.Upsert:
			frozenIn, calls = append(frozenIn, d), append(calls, d.Call)
		}
	}
	for i, found := range a.FindLogs(ctx, calls) {
		switch d := frozenIn[i]; {
		case found.Err != nil:
			d.err = found.Err
		case found.LogID != "":
			d.LogID, again = found.LogID, append(again, d)
		}
	}
	for _, d := range again {
		d.err, d.refused = nil, ""
	}
	return again
}

// CreateContacts creates a lead or contact for each call. It does not carry the transaction id: that may be one of a
// whole campaign, and the next customer of the campaign would be taken for this one.
func (a *Adapter) CreateContacts(ctx context.Context, calls []call.Call) []crm.Found {
	n := a.cfg.NewContact
	r := api.Request{
		Operation: "create_contact", Title: "create contact", Path: "/" + n.Object, Effect: api.Creates,
	}
	founds := make([]crm.Found, 0, len(calls))
	for _, part := range api.Chunks(calls, maxBatch, 0, nil) {
		records := make([]map[string]any, len(part))
		for i, c := range part {
			number := c.Customer.String()
			records[i] = map[string]any{"Last_Name": strings.TrimSpace(n.LastName + " " + number), "Phone": number}
			if n.Object == "Leads" {
				records[i]["Company"] = n.Company
			}
		}
		results, err := a.store(ctx, r, records, nil)
		for i, c := range part {
			found, id := crm.Found{Err: err}, ""
			if err == nil {
				id, found.Err = results[i].first("").outcome(r, "", a.client.Mask)
			}
			if found.Err == nil {
				found.Records = []crm.Record{{Object: n.Object, ID: id, Phones: []string{c.Customer.String()}}}
			}
			founds = append(founds, found)
		}
	}
	return founds
}
