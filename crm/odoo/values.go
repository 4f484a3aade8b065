package odoo

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/call"
)

// fill puts the values of a call into its record. Columns come in one order, so that records with the same ones meet.
func (a *Adapter) fill(r *record, there map[string]field, stored row) {
	f, c := a.calls.Fields, r.write.Call
	optional := func(name, value string) {
		if there[name].Type != "" {
			r.set(name, value)
		}
	}
	if r.write.LogID == "" {
		r.set("id", externalID(c.ID))
		optional(f.CallID, c.ID)
	} else {
		r.set(".id", r.write.LogID)
	}
	if start := c.Began(); !start.IsZero() {
		r.set(f.Start, start.UTC().Format(time.DateTime))
	}
	r.set(f.State, a.state(c))
	r.set(f.Duration, a.duration(c)) // with every state: crm.phonecall changes it otherwise
	switch c.Direction {
	case call.Inbound:
		optional(f.Direction, a.calls.Inbound)
	case call.Outbound:
		optional(f.Direction, a.calls.Outbound)
	}
	optional(f.Phone, c.Customer.String())
	optional(f.Recording, c.RecordingURL)
	a.link(r)
	a.words(r, there, stored)
	own := a.text.Fields(c)
	for _, name := range slices.Sorted(maps.Keys(own)) {
		r.set(name, own[name])
	}
}

// link sets what the call belongs to and who owns it: once, and again when that changed on our side.
func (a *Adapter) link(r *record) {
	w, create := r.write, r.write.LogID == ""
	if w.Owner != "" && (create || w.Owner != r.next["owner"]) {
		r.set(column(a.calls.Fields.User), w.Owner)
		r.next["owner"] = w.Owner
	}
	linked := crm.Record{}
	if w.Record != nil {
		linked = *w.Record
	}
	record := linked.Object + "/" + linked.ID
	if !create && (w.Record == nil || record == r.next["record"]) {
		return
	}
	for _, slot := range [][2]string{{partnerModel, a.calls.Fields.Partner}, {leadModel, a.calls.Fields.Lead}} {
		id := ""
		if slot[0] == linked.Object {
			id = linked.ID
		}
		if slices.ContainsFunc(a.cfg.Objects, func(o Object) bool { return o.Name == slot[0] }) {
			r.set(column(slot[1]), id)
		}
	}
	r.next["record"] = record
}

// column is that of a database id in a many2one field.
func column(field string) string {
	if field == "" {
		return ""
	}
	return field + "/.id"
}

// words sets summary and description, on an update only what is another one now and still as it was written last.
func (a *Adapter) words(r *record, there map[string]field, stored row) {
	words := a.readable(r.write.Call, there)
	for _, name := range slices.Sorted(maps.Keys(words)) {
		wanted, done := digest(words[name]), r.next[name]
		current := stored.text(name)
		html := there[name].Type == "html" // which Odoo rewrites as it stores it
		if r.write.LogID != "" && (done == wanted ||
			done != "" && current != "" && !html && !strings.Contains(done, digest(current))) {
			continue
		}
		r.set(name, words[name])
		if r.next[name] = wanted; !strings.Contains(done, wanted) {
			r.unsure[name] = done + " " + wanted
		}
	}
}

// readable returns summary and description of a call by their fields. The address of the recording is in the
// description where it has no field.
func (a *Adapter) readable(c call.Call, there map[string]field) map[string]string {
	f := a.calls.Fields
	if there[f.Recording].Type != "" {
		c.RecordingURL = ""
	}
	words := map[string]string{f.Name: a.text.Title(c, maxTitle)}
	switch {
	case f.Description == "":
	case there[f.Description].Type == "html":
		words[f.Description] = a.text.HTML(c, 0)
	default:
		words[f.Description] = a.text.Body(c, 0)
	}
	return words
}

// digest tells texts apart in little room.
func digest(text string) string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(strings.TrimSpace(text)))
	return fmt.Sprintf("%016x", h.Sum64())
}

// stored returns the logs of which summary or description are to change, by their ids.
func (a *Adapter) stored(ctx context.Context, records []*record, there map[string]field) (map[string]row, error) {
	f := a.calls.Fields
	var ids []int64
	for _, r := range records {
		id, err := strconv.ParseInt(r.write.LogID, 10, 64)
		changes := false
		for name, words := range a.readable(r.write.Call, there) {
			changes = changes || r.next[name] != "" && r.next[name] != digest(words)
		}
		if err == nil && changes {
			ids = append(ids, id)
		}
	}
	fields := slices.DeleteFunc([]string{f.Name, f.Description}, func(name string) bool { return name == "" })
	stored := make(map[string]row, len(ids))
	for _, part := range api.Chunks(ids, limit-1, 0, nil) {
		rows, _, err := a.server.search(ctx, "find_log", "read call logs", a.calls.Model,
			[]any{[]any{"id", "in", part}}, fields...)
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			stored[r.id("id")] = r
		}
	}
	return stored, nil
}

// plain is the form of call ids that can be part of an external id as they are.
var plain = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// externalID returns the external id of a call's log. Two calls never have the same one.
func externalID(callID string) string {
	if plain.MatchString(callID) {
		return "crmsyncd.call_" + callID
	}
	sum := sha256.Sum256([]byte(callID))
	return "crmsyncd.hash_" + hex.EncodeToString(sum[:16])
}

func (a *Adapter) state(c call.Call) string {
	switch {
	case c.State != call.Ended:
		return a.calls.Running
	case c.Result == call.ResultAnswered:
		return a.calls.Answered
	default:
		return a.calls.Missed
	}
}

// duration returns the time that was talked, 0 as long as that is not known.
func (a *Adapter) duration(c call.Call) string {
	unit := map[string]time.Duration{"seconds": time.Second, "minutes": time.Minute, "hours": time.Hour}
	return strconv.FormatFloat(float64(c.Talked().Duration())/float64(unit[a.calls.DurationUnit]), 'f', -1, 64)
}
