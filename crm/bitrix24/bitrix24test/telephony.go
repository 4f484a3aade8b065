package bitrix24test

import (
	"crypto/md5" //nolint:gosec // the form of the portal's call ids
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/crmsyncd/crmsyncd/crm/crmtest"
)

// registered is for how long after its start a call that is not finished is recognised.
const registered = 30 * time.Minute

// registration is a call that was registered and is not finished.
type registration struct {
	callID, externalID, phone, line string
	user, kind                      int
	start                           time.Time
	object                          string
	record                          int
}

// statistic is a call that is finished.
type statistic struct {
	registration

	id, duration int
	code         string
	activity     int
	recording    string
	made         time.Time
}

// register is telephony.externalCall.register.
func (c *CRM) register(params object) (result, *failure) {
	user, refused := c.activeUser(params)
	if refused != nil {
		return result{}, refused
	}
	r := &registration{
		externalID: text(params["EXTERNAL_CALL_ID"]), phone: telephone(text(params["PHONE_NUMBER"])), user: user,
		kind: number(params["TYPE"]), start: c.o.Now(), line: text(params["LINE_NUMBER"]),
		object: strings.ToLower(text(params["CRM_ENTITY_TYPE"])), record: number(params["CRM_ENTITY_ID"]),
	}
	if words := c.refused[r.externalID]; words != "" {
		return result{}, core("%s", words)
	}
	if r.kind < 1 || r.kind > 5 {
		return result{}, core("Unknown TYPE")
	}
	if given := text(params["CALL_START_DATE"]); given != "" {
		start, err := time.Parse(time.RFC3339, given)
		if err != nil {
			return result{}, core("CALL_START_DATE should be in the ISO-8601 format")
		}
		r.start = start
	}
	if r.phone == "" {
		return result{}, core("Unsupported phone number format")
	}
	if text(params["SHOW"]) != "0" || text(params["CRM_CREATE"]) != "0" {
		c.commands["side effects"]++
	}
	for _, earlier := range c.calls {
		if earlier.same(r) && earlier.start.After(c.o.Now().Add(-registered)) {
			return result{value: earlier.answer()}, nil
		}
	}
	sum := md5.Sum([]byte(numeral(c.nextID()))) //nolint:gosec // see above
	r.callID = fmt.Sprintf("externalCall.%x.%d", sum, c.o.Now().Unix())
	if r.object == "" && !c.o.IgnoreNumbers {
		c.link(r)
	}
	c.calls = append(c.calls, r)
	return result{value: r.answer()}, nil
}

// link finds the record of a call by its number, as a portal does that was not told which it is.
func (c *CRM) link(r *registration) {
	for _, object := range []string{"contact", "company", "lead"} {
		for _, candidate := range c.records {
			if candidate.kind == object && slices.ContainsFunc(candidate.phones, func(phone string) bool {
				return digits(phone) == digits(r.phone)
			}) {
				r.object, r.record = object, candidate.id
				return
			}
		}
	}
}

// same reports whether both are the same call to the portal.
func (r *registration) same(other *registration) bool {
	return r.externalID == other.externalID && r.phone == other.phone && r.user == other.user && r.kind == other.kind &&
		r.line == other.line
}

func (r *registration) answer() object {
	said := object{
		"CALL_ID": r.callID, "CRM_CREATED_LEAD": nil, "CRM_CREATED_ENTITIES": []any{},
		"CRM_ENTITY_TYPE": strings.ToUpper(r.object), "CRM_ENTITY_ID": nil,
	}
	if r.record != 0 {
		said["CRM_ENTITY_ID"] = r.record
	}
	return said
}

// finish is telephony.externalCall.finish.
func (c *CRM) finish(params object) (result, *failure) {
	user, refused := c.activeUser(params)
	if refused != nil {
		return result{}, refused
	}
	callID, isText := params["CALL_ID"].(string)
	if !isText {
		return result{}, fail(http.StatusBadRequest, "INVALID_ARGUMENT", "CALL_ID must be a string")
	}
	i := slices.IndexFunc(c.calls, func(r *registration) bool { return r.callID == callID })
	if i < 0 {
		return result{}, core("Call is not found (call should be registered prior to finishing")
	}
	s := &statistic{
		registration: *c.calls[i], id: c.nextID(), duration: number(params["DURATION"]),
		code: text(params["STATUS_CODE"]), made: c.o.Now(),
	}
	if text(params["ADD_TO_CHAT"]) != "0" {
		c.commands["side effects"]++
	}
	s.user = user
	if s.code == "" {
		s.code = map[bool]string{true: "200", false: "304"}[s.duration > 0]
	}
	said := object{
		"CALL_ID": callID, "EXTERNAL_CALL_ID": s.externalID, "PORTAL_USER_ID": s.user, "PHONE_NUMBER": s.phone,
		"PORTAL_NUMBER": s.line, "INCOMING": numeral(s.kind), "CALL_DURATION": s.duration, "CALL_START_DATE": object{},
		"CALL_STATUS": min(s.duration, 1), "CALL_FAILED_CODE": s.code, "CRM_ENTITY_TYPE": strings.ToUpper(s.object),
		"CRM_ENTITY_ID": s.record, "CRM_ACTIVITY_ID": 0, "COMMENT": nil, "ID": s.id,
	}
	if s.object != "" && c.record(s.object, s.record) == nil {
		said["ERRORS"] = object{"ACTIVITY_CREATION": "Owner of the activity is not found"}
	} else {
		s.activity = c.nextID()
		said["CRM_ACTIVITY_ID"] = s.activity
		act := &activity{id: s.activity, provider: "VOXIMPLANT_CALL", originID: "VI_" + callID, made: c.o.Now()}
		if s.object != "" {
			act.bindings = []binding{{object: s.object, id: s.record}}
		}
		c.acts = append(c.acts, act)
	}
	c.calls = slices.Delete(c.calls, i, i+1) // A second finish does not find it, and a second register makes a twin.
	c.stats = append(c.stats, s)
	return result{value: said}, nil
}

// attachRecord is telephony.externalCall.attachRecord with an address.
func (c *CRM) attachRecord(params object) (result, *failure) {
	i := slices.IndexFunc(c.stats, func(s *statistic) bool { return s.callID == text(params["CALL_ID"]) })
	if i < 0 {
		return result{}, fail(http.StatusBadRequest, "",
			"Call is not found in the statistic table. It looks like it is not finished yet.")
	}
	address, err := url.Parse(text(params["RECORD_URL"]))
	if err != nil || address.Host == "" {
		return result{}, fail(http.StatusBadRequest, "",
			"Required parameters are not set. Request should contain either URL or FILENAME parameter")
	}
	if ip, err := netip.ParseAddr(address.Hostname()); err == nil && (ip.IsPrivate() || ip.IsLoopback()) {
		return result{}, fail(http.StatusBadRequest, "", "Record URL resolves to a non-public address and was blocked.")
	}
	if c.o.Recording != nil {
		if status := c.o.Recording(address.String()); status != http.StatusOK {
			return result{}, core("Server returns HTTP error code %d", status)
		}
	}
	name := text(params["FILENAME"])
	if name == "" {
		name = path.Base(address.Path)
	}
	if !slices.Contains([]string{".mp3", ".wav"}, path.Ext(name)) {
		return result{}, core("Wrong file extension. Only wav and mp3 are allowed")
	}
	c.stats[i].recording = text(params["RECORD_URL"])
	return result{value: object{"FILE_ID": c.nextID()}}, nil
}

// statistics is voximplant.statistic.get.
func (c *CRM) statistics(params object) (result, *failure) {
	if c.o.NoStatistics {
		return result{}, fail(http.StatusForbidden, "ACCESS_DENIED", "Access denied!")
	}
	filter, _ := params["FILTER"].(object)
	found := []object{}
	for _, s := range c.stats {
		matches := c.visible(s.made)
		for field, value := range filter {
			row := map[string]string{"EXTERNAL_CALL_ID": s.externalID, "CALL_ID": s.callID, "ID": numeral(s.id)}
			matches = matches && slices.Contains(list(value), row[strings.TrimPrefix(field, "=")])
		}
		if matches {
			found = append(found, s.row())
		}
	}
	return page(found, params), nil
}

// row is a call as the statistics show it: all texts.
func (s *statistic) row() object {
	row := object{
		"ID": numeral(s.id), "CALL_ID": s.callID, "EXTERNAL_CALL_ID": s.externalID, "PORTAL_USER_ID": numeral(s.user),
		"PORTAL_NUMBER": s.line, "PHONE_NUMBER": s.phone, "CALL_DURATION": numeral(s.duration),
		"CALL_START_DATE": s.start.Format(time.RFC3339), "CALL_FAILED_CODE": s.code, "CALL_TYPE": numeral(s.kind),
		"CRM_ENTITY_TYPE": strings.ToUpper(s.object), "CRM_ENTITY_ID": numeral(s.record),
		"CRM_ACTIVITY_ID": numeral(s.activity), "RECORD_FILE_ID": nil,
	}
	if s.externalID == "" {
		row["EXTERNAL_CALL_ID"] = nil
	}
	if s.recording != "" {
		row["RECORD_FILE_ID"] = s.id
	}
	return row
}

// log is a call as the suite sees it.
func (c *CRM) log(s *statistic) crmtest.Log {
	l := crmtest.Log{
		ID: s.callID, CallID: s.externalID, Owner: numeral(s.user), RecordingURL: s.recording, Start: s.start,
		Seconds: int64(s.duration), Direction: "inbound", Result: "missed",
	}
	if s.kind == 1 {
		l.Direction = "outbound"
	}
	if s.code == "200" {
		l.Result = "answered"
	}
	for _, act := range c.acts {
		if act.id == s.activity && len(act.bindings) > 0 {
			l.RecordID = numeral(act.bindings[len(act.bindings)-1].id)
		}
	}
	return l
}

// telephone is a number without letters, as the portal keeps it; empty where there are no digits.
func telephone(number string) string {
	if digits(number) == "" {
		return ""
	}
	return strings.Map(func(r rune) rune {
		if r == '+' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, number)
}
