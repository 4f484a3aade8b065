package odoo

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
)

// maxTitle is where summaries are cut, for people: Odoo's texts have no limit.
const maxTitle = 255

// record is a call log on its way: its columns and values in the form of load, and what its write is about.
type record struct {
	at              int // the position among the writes
	columns, values []string
	write           crm.Write
	// next is the progress once it is written, unsure that when nobody knows.
	next, unsure api.Progress
}

func (r *record) set(column, value string) {
	if column != "" {
		r.columns, r.values = append(r.columns, column), append(r.values, value)
	}
}

// Write creates or updates call logs, up to 100 with one request. Those with other columns go separately, for an empty
// value clears a field.
func (a *Adapter) Write(ctx context.Context, writes []crm.Write) []crm.Written {
	written := make([]crm.Written, len(writes))
	records, err := a.records(ctx, writes, written)
	if err != nil {
		for i, w := range writes {
			written[i] = crm.Written{LogID: w.LogID, Err: err}
		}
		return written
	}
	slices.SortStableFunc(records, func(x, y *record) int { return slices.Compare(x.columns, y.columns) })
	var parts [][]*record
	for len(records) > 0 {
		n := 1
		for n < min(len(records), batch) && slices.Equal(records[0].columns, records[n].columns) {
			n++
		}
		parts, records = append(parts, records[:n]), records[n:]
	}
	begun := make([]bool, len(parts))
	errs := api.Each(len(parts), a.cfg.Concurrency, func(i int) error {
		begun[i] = true
		return a.load(ctx, parts[i], written)
	})
	for i, part := range parts {
		if !begun[i] {
			fail(part, written, errs[i])
		}
	}
	return written
}

// fail notes that the records of a part were not written, or that nobody knows.
func fail(part []*record, written []crm.Written, err error) {
	for _, r := range part {
		written[r.at] = crm.Written{LogID: r.write.LogID, Progress: r.unsure.Bytes(), Err: err}
	}
}

// load writes records that have the same columns. Those that Odoo names when it refuses all are sent alone, after the
// others: it may name the wrong one. It returns the last error, for the one that ends everything is the last.
func (a *Adapter) load(ctx context.Context, part []*record, written []crm.Written) (last error) {
	suspects, err := a.send(ctx, part, written)
	switch {
	case err == nil:
		return nil
	case len(part) == 1 || !is(err, crm.KindInvalid):
		fail(part, written, err)
		return err
	case len(suspects) == 0:
		send := func(part []*record) error { _, err := a.send(ctx, part, written); return err }
		for i, err := range api.Split(part, send) {
			if err != nil {
				fail(part[i:i+1], written, err)
				last = err
			}
		}
		return last
	}
	var rest []*record
	for i, r := range part {
		if !suspects[i] {
			rest = append(rest, r)
		}
	}
	if len(rest) > 0 {
		last = a.load(ctx, rest, written)
	}
	for _, i := range slices.Sorted(maps.Keys(suspects)) {
		if is(last, crm.KindUnauthorized) || is(last, crm.KindThrottled) {
			fail(part[i:i+1], written, last)
			continue
		}
		last = a.load(ctx, part[i:i+1], written)
	}
	return last
}

// message is what load says of a record.
type message struct {
	Type    string `json:"type"`
	Message string `json:"message"`
	Field   any    `json:"field"`
	Record  *int   `json:"record"`
}

// send calls load once. It writes all records or none; suspects are those that Odoo names then.
func (a *Adapter) send(ctx context.Context, part []*record, written []crm.Written) (suspects map[int]bool, err error) {
	i := invocation{
		operation: "upsert_log", title: "write call logs", model: a.calls.Model, method: "load", effect: api.Changes,
		pretend: map[string]any{"ids": slices.Repeat([]int{1}, len(part)), "messages": []any{}},
	}
	if part[0].write.LogID != "" {
		i.operation, i.title = "update_log", "update call logs"
	}
	data := make([][]string, len(part))
	for n, r := range part {
		data[n] = r.values
	}
	i.arguments = map[string]any{"fields": part[0].columns, "data": data}
	var answer struct {
		IDs      any       `json:"ids"`
		Messages []message `json:"messages"`
	}
	if err := a.server.call(ctx, i, &answer); err != nil {
		return nil, err
	}
	suspects = map[int]bool{}
	for _, m := range answer.Messages {
		if m.Type != "error" {
			continue
		}
		err = cmp.Or(err, error(a.refusal(i.title, m, part)))
		if !is(err, crm.KindInvalid) {
			return nil, err
		}
		if m.Record != nil && *m.Record >= 0 && *m.Record < len(part) {
			suspects[*m.Record] = true
		}
	}
	if err != nil {
		return suspects, err
	}
	ids, _ := answer.IDs.([]any)
	if len(ids) != len(part) || slices.ContainsFunc(ids, func(id any) bool { return idText(id) == "" }) {
		return nil, crm.Errorf(crm.KindTransient, i.title, "the answer has no id for each of %d call logs", len(part))
	}
	for n, r := range part {
		written[r.at] = crm.Written{LogID: idText(ids[n]), Progress: r.next.Bytes()}
	}
	return nil, nil
}

// load tells of everything that goes wrong in the words of a refused record. collisions are those of two transactions
// that met: PostgreSQL's own, and the name of the table in which external ids are unique. noRight begins what is said
// of a right to the whole model, hidden is in what is said of a record that a rule keeps from the user.
var (
	collisions = regexp.MustCompile(`could not serialize|deadlock detected|could not obtain lock|transaction is aborted|` +
		`canceling statement|ir_model_data`)
	noRight = regexp.MustCompile(`^You are not allowed to `)
	hidden  = regexp.MustCompile(`security restrictions|top-secret`)
)

// refusal classifies what Odoo says of a record. Of several records it only says that one is bad.
func (a *Adapter) refusal(title string, m message, part []*record) *crm.Error {
	e := &crm.Error{
		Kind: crm.KindInvalid, Op: title, Status: http.StatusOK, Message: a.server.client.Mask(m.Message),
	}
	field, _ := m.Field.(string)
	switch f := a.calls.Fields; {
	case collisions.MatchString(m.Message):
		e.Kind = crm.KindTransient
	case noRight.MatchString(m.Message):
		e.Kind = crm.KindForbidden
	case len(part) > 1:
	case hidden.MatchString(m.Message):
		e.Kind = crm.KindForbidden
	case field == ".id", field != "" && (field == f.Partner || field == f.Lead):
		e.Kind = crm.KindGone
	}
	return e
}

// records returns what is to be written. A call that cannot be written for what it names has its error in written.
func (a *Adapter) records(ctx context.Context, writes []crm.Write, written []crm.Written) ([]*record, error) {
	if len(writes) == 0 {
		return nil, nil
	}
	there, err := a.server.fields(ctx, a.calls.Model)
	if err != nil {
		return nil, err
	}
	var records []*record
	for i, w := range writes {
		if err := named(w); err != nil {
			written[i] = crm.Written{LogID: w.LogID, Err: err}
			continue
		}
		r := &record{at: i, write: w, next: api.ReadProgress(w.Progress)}
		r.unsure = maps.Clone(r.next)
		records = append(records, r)
	}
	stored, err := a.stored(ctx, records, there)
	if err != nil {
		return nil, err
	}
	for _, r := range records {
		a.fill(r, there, stored[r.write.LogID])
	}
	return records, nil
}

// named checks the ids that a write names: a database id that is too large fails a whole request.
func named(w crm.Write) error {
	const op = "write call logs"
	bad := func(id string) bool {
		n, err := strconv.ParseInt(id, 10, 32)
		return id != "" && (err != nil || n <= 0)
	}
	switch {
	case bad(w.LogID), w.Record != nil && bad(w.Record.ID):
		return crm.Errorf(crm.KindGone, op, "the id of the log or the record is none of Odoo")
	case bad(w.Owner):
		return crm.Errorf(crm.KindInvalid, op, "the user is no id of Odoo: agents.map and agents.default take numbers")
	}
	return nil
}
