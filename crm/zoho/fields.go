package zoho

import (
	"cmp"
	"fmt"
	"hash/crc32"
	"slices"
	"strconv"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/call"
)

// Limits in characters: of Subject, a single line, of Description, a multi-line field (page "Field Types"), and of a
// single line for an address.
const (
	maxSubject     = 255
	maxDescription = 32_000
	maxAddress     = 255
)

// unended is the key of Progress that tells of a call that was written before its end. The others are names of fields,
// which have no such sign in them, each with the checksum of the value last sent.
const unended = "@unended"

// frozen are the fields that Zoho does not change in a call that is over (help page "Kaizen #38 - Calls API").
func frozen(field string) bool {
	return slices.Contains([]string{"Call_Type", "Call_Start_Time", "Call_Duration", "Owner"}, field)
}

// fields returns what is to be sent of a call: all of a new one, of an old one what differs from what was last sent.
func (a *Adapter) fields(d *draft) map[string]any {
	c, fields := d.Call, make(map[string]any)
	if d.LogID == "" {
		fields = a.fixed(d.Write)
	} else if d.progress[unended] != "" && c.State == call.Ended && !d.noDuration {
		fields["Call_Duration"] = a.duration(c)
	}
	for name, value := range a.mutable(d) {
		sent, known := d.progress[name]
		if value == nil && !known || d.LogID != "" && sent == checksum(value) {
			continue
		}
		fields[name] = value
		if name == "What_Id" && value != nil {
			fields["$se_module"] = d.Record.Object
		}
	}
	return fields
}

// checksum tells whether a value differs from another, in eight characters.
func checksum(value any) string {
	return strconv.FormatUint(uint64(crc32.ChecksumIEEE([]byte(fmt.Sprint(value)))), 16)
}

// fixed returns the fields that are written once: those that Zoho freezes, and the result that people change.
func (a *Adapter) fixed(w crm.Write) map[string]any {
	c := w.Call
	fields := map[string]any{
		a.cfg.Calls.CallID: c.ID, "Call_Type": "Inbound", "Call_Duration": a.duration(c),
		"Call_Start_Time": cmp.Or(c.Began(), a.now()).In(a.location).Format("2006-01-02T15:04:05-07:00"),
	}
	switch {
	case c.Direction == call.Outbound:
		fields["Call_Type"] = "Outbound"
		if c.Result == call.ResultMissed && a.cfg.Calls.NoAnswer != "" {
			fields["Call_Result"] = a.cfg.Calls.NoAnswer
		}
	case c.Result == call.ResultMissed:
		fields["Call_Type"] = "Missed"
	}
	if w.Owner != "" {
		fields["Owner"] = map[string]string{"id": w.Owner}
	}
	return fields
}

// duration returns the time talked as Call_Duration: nothing of a missed call. Parts of a minute count as one in hh:mm.
func (a *Adapter) duration(c call.Call) string {
	seconds := c.Talked().N
	units := seconds
	if a.cfg.Calls.Duration == hoursMinutes {
		units = (seconds + 59) / 60
	}
	return fmt.Sprintf("%02d:%02d", units/60, units%60)
}

// mutable returns the fields that may change at any time, nil for those that are empty. What an operator wrote comes
// before our own.
func (a *Adapter) mutable(d *draft) map[string]any {
	c := d.Call
	fields := map[string]any{"Who_Id": nil, "What_Id": nil}
	if field := a.cfg.Calls.Recording; field != "" && !d.inText {
		fields[field] = nil
		if c.RecordingURL != "" && len([]rune(c.RecordingURL)) <= maxAddress {
			fields[field], c.RecordingURL = c.RecordingURL, ""
		}
	}
	fields["Subject"], fields["Description"] = a.text.Title(c, maxSubject), a.text.Body(c, maxDescription)
	if d.Record != nil {
		slot := "What_Id"
		if d.Record.Object == "Contacts" {
			slot = "Who_Id"
		}
		fields[slot] = map[string]string{"id": d.Record.ID}
	}
	for name, value := range a.text.Fields(d.Call) {
		if fields[name] = value; value == "" {
			fields[name] = nil
		}
	}
	return fields
}
