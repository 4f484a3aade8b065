package pipedrivetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/crmsyncd/crmsyncd/crm/crmtest"
)

// entry is a call log with its activity.
type entry struct {
	activity int
	logID    string
	fields   map[string]any
	owner    int
	// subject and note are those of the activity.
	subject, note  string
	added, updated time.Time
	file           []byte
	fileType       string
}

// The forms of a call log's fields (operation addCallLog).
var (
	wholeNumber = regexp.MustCompile(`^\d+$`)
	someText    = regexp.MustCompile(`(?s)^.*$`)
	utcTime     = regexp.MustCompile(`^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$`)
	outcomes    = regexp.MustCompile(`^(connected|no_answer|left_message|left_voicemail|wrong_number|busy)$`)
	texts       = map[string]*regexp.Regexp{
		"subject": someText, "duration": wholeNumber, "outcome": outcomes, "from_phone_number": someText,
		"to_phone_number": someText, "start_time": utcTime, "end_time": utcTime, "note": someText,
		"lead_id": regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`),
	}
	numbers = []string{"user_id", "person_id", "org_id", "deal_id", "activity_id"}
)

// validate returns what is wrong with a call log.
func (c *CRM) validate(fields map[string]any) error {
	for _, name := range []string{"to_phone_number", "outcome", "start_time", "end_time"} {
		if fields[name] == nil || fields[name] == "" {
			return fmt.Errorf("%q is required.", name) //nolint:revive,staticcheck // the vendor's words
		}
	}
	for name, value := range fields {
		s, isText := value.(string)
		n, isNumber := value.(json.Number)
		form := texts[name]
		switch {
		case form != nil && (!isText || !form.MatchString(s)):
			return fmt.Errorf("%q has an invalid format.", name) //nolint:revive,staticcheck // the vendor's words
		case form == nil && !slices.Contains(numbers, name):
			return fmt.Errorf("%q is not allowed.", name) //nolint:revive,staticcheck // the vendor's words
		case form == nil && (!isNumber || !wholeNumber.MatchString(n.String())):
			return fmt.Errorf("%q must be a number.", name) //nolint:revive,staticcheck // the vendor's words
		}
	}
	if fields["deal_id"] != nil && fields["lead_id"] != nil {
		return errors.New("a call log can be associated with either a deal or a lead, but not both at once")
	}
	return nil
}

// createLog answers POST /callLogs.
func (c *CRM) createLog(w http.ResponseWriter, r *http.Request) {
	var fields map[string]any
	d := json.NewDecoder(r.Body)
	d.UseNumber()
	if err := d.Decode(&fields); err != nil {
		refuse(w, http.StatusBadRequest, "The body is no JSON")
		return
	}
	if err := c.validate(fields); err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	e := &entry{owner: ownUser, fields: fields, added: c.options.Now(), updated: c.options.Now()}
	e.subject, _ = fields["subject"].(string)
	e.note, _ = fields["note"].(string)
	if words := c.refusals[e.callID()]; words != "" {
		refuse(w, http.StatusBadRequest, words)
		return
	}
	if asked := fields["user_id"]; asked != nil {
		e.owner, _ = strconv.Atoi(fmt.Sprint(asked))
	}
	known := slices.ContainsFunc(c.users, func(u user) bool { return u.id == e.owner })
	if e.owner != ownUser && c.options.Regular {
		refuse(w, http.StatusForbidden, "You don't have permission to change this resource.")
		return
	}
	for _, object := range []string{"person", "deal", "lead"} {
		asked := fields[object+"_id"]
		known = known && (asked == nil || c.find(object, fmt.Sprint(asked)) != nil)
	}
	if !known {
		refuse(w, http.StatusNotFound, "A resource required for this operation was not found.")
		return
	}
	c.lastID += 2
	e.activity, e.logID = c.lastID, fmt.Sprintf("CA%028x", c.lastID+1)
	c.entries = append(c.entries, e)
	reply(w, e.show(), nil)
}

// show returns a call log as the API shows it.
func (e *entry) show() map[string]any {
	shown := map[string]any{
		"id": e.logID, "activity_id": e.activity, "user_id": e.owner, "has_recording": e.file != nil, "company_id": 1,
	}
	maps.Copy(shown, e.fields)
	for _, name := range []string{"start_time", "end_time"} {
		shown[name] = e.time(name).Format("2006-01-02T15:04:05.000Z")
	}
	shown["subject"], shown["note"] = e.subject, e.note
	return shown
}

func (e *entry) time(name string) time.Time {
	text, _ := e.fields[name].(string)
	at, _ := time.Parse(time.DateTime, text)
	return at
}

func (e *entry) callID() string {
	if found := callIDLine.FindStringSubmatch(e.note); found != nil {
		return html.UnescapeString(strings.TrimSpace(found[1]))
	}
	return ""
}

// attach answers POST /callLogs/{id}/recordings.
func (c *CRM) attach(w http.ResponseWriter, r *http.Request) {
	i := slices.IndexFunc(c.entries, func(e *entry) bool { return e.logID == r.PathValue("id") })
	if i < 0 {
		refuse(w, http.StatusNotFound, "A resource required for this operation was not found.")
		return
	}
	e := c.entries[i]
	if e.file != nil {
		refuse(w, http.StatusConflict, "A recording for this call already exists")
		return
	}
	file, header, err := r.FormFile("file")
	if err != nil {
		refuse(w, http.StatusBadRequest, `"file" is required.`)
		return
	}
	content, err := io.ReadAll(file)
	if err != nil || !strings.HasPrefix(header.Header.Get("Content-Type"), "audio/") || header.Filename == "" {
		refuse(w, http.StatusBadRequest, "The file is not supported.")
		return
	}
	e.file, e.fileType = content, header.Header.Get("Content-Type")
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_, _ = io.WriteString(w, `{"success":true}`)
}

// Recording returns the recording that is attached to a log and its media type; nil where there is none.
func (c *CRM) Recording(logID string) (content []byte, mediaType string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.entries {
		if strconv.Itoa(e.activity) == logID {
			return e.file, e.fileType
		}
	}
	return nil, ""
}

// listLogs answers GET /callLogs with those of the token's user, the latest first.
func (c *CRM) listLogs(w http.ResponseWriter, r *http.Request) {
	most, fine := limit(r, 50, 50)
	start, err := strconv.Atoi("0" + r.URL.Query().Get("start"))
	if !fine || err != nil {
		refuse(w, http.StatusBadRequest, "Validation failed: limit or start")
		return
	}
	own := []map[string]any{}
	for _, e := range slices.Backward(c.entries) {
		if e.owner == ownUser {
			own = append(own, e.show())
		}
	}
	end := min(start+most, len(own))
	reply(w, own[min(start, end):end], map[string]any{"pagination": map[string]any{
		"start": start, "limit": most, "more_items_in_collection": end < len(own), "next_start": end,
	}})
}

// Edit changes the note of a log as a person does.
func (c *CRM) Edit(logID string, change func(note string) string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.entries {
		if strconv.Itoa(e.activity) == logID {
			e.note, e.updated = change(e.note), c.options.Now()
		}
	}
}

var link = regexp.MustCompile(`<a href="([^"]*)"`)

// Logs returns the call logs that are there, the oldest first. The id of a log is that of its activity. Pipedrive keeps
// no direction: it is told by which of its numbers some person has or, of strangers, by the words of the note.
func (c *CRM) Logs() []crmtest.Log {
	c.mu.Lock()
	defer c.mu.Unlock()
	held := map[string]bool{}
	for _, r := range c.records {
		for _, phone := range r.phones {
			held[digits(phone)] = true
		}
	}
	logs := make([]crmtest.Log, 0, len(c.entries))
	for _, e := range c.entries {
		log := crmtest.Log{
			ID: strconv.Itoa(e.activity), CallID: e.callID(), Owner: strconv.Itoa(e.owner), Title: e.subject, Text: e.note,
			Start: e.time("start_time"), Result: "missed",
		}
		for _, object := range []string{"person", "deal", "lead"} {
			if id := e.fields[object+"_id"]; id != nil {
				log.RecordID = fmt.Sprint(id)
			}
		}
		if found := link.FindStringSubmatch(e.note); found != nil {
			log.RecordingURL = html.UnescapeString(found[1])
		}
		if e.fields["outcome"] == "connected" {
			log.Result = "answered"
		}
		log.Seconds, _ = strconv.ParseInt(fmt.Sprint(e.fields["duration"]), 10, 64)
		log.Direction = direction(e, held)
		logs = append(logs, log)
	}
	return logs
}

// direction returns which way a call went.
func direction(e *entry, held map[string]bool) string {
	from, to := held[digits(e.fields["from_phone_number"])], held[digits(e.fields["to_phone_number"])]
	words := inWords.FindString(e.note)
	switch {
	case from && !to, from == to && (words == "Cuộc gọi đến:" || words == "Inbound call:"):
		return "inbound"
	case to && !from, from == to && words != "":
		return "outbound"
	default:
		return ""
	}
}

// inWords finds the words of a note that tell the direction.
var inWords = regexp.MustCompile(`Cuộc gọi (đến|đi):|(Inbound|Outbound) call:`)

// digits returns those of a number that are the same however it is written in Vietnam.
func digits(number any) string {
	text, _ := number.(string)
	return strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(text, "+"), "84"), "0")
}
