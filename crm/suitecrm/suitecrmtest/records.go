package suitecrmtest

import (
	"encoding/json"
	"html"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

var uuidForm = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// find returns a record, deleted or not, nil where there is none.
func (c *CRM) find(module, id string) *record {
	i := slices.IndexFunc(c.records[module], func(r *record) bool { return strings.EqualFold(r.id, id) })
	if i < 0 {
		return nil
	}
	return c.records[module][i]
}

// text returns a value that is a text.
func text(v any) string {
	s, _ := v.(string)
	return s
}

// number returns a value that is a number.
func number(v any) int64 {
	switch v := v.(type) {
	case float64:
		return int64(v)
	case string:
		n, _ := strconv.ParseInt(v, 10, 64)
		return n
	default:
		return 0
	}
}

// sent is the body of a write.
type sent struct {
	Data struct {
		Type       string         `json:"type"`
		ID         *string        `json:"id"`
		Attributes map[string]any `json:"attributes"`
	} `json:"data"`
}

// body reads and checks the body of a write.
func (c *CRM) body(w http.ResponseWriter, r *http.Request) (s sent, fine bool) {
	if !strings.Contains(r.Header.Get("Content-Type"), "json") || json.NewDecoder(r.Body).Decode(&s) != nil {
		refuse(w, `The required option "data" is missing.`)
		return s, false
	}
	fields := c.fields[s.Data.Type]
	switch {
	case fields == nil:
		refuse(w, "Module %s does not exist", s.Data.Type)
		return s, false
	case s.Data.ID != nil && !uuidForm.MatchString(*s.Data.ID):
		refuse(w, `The option "id" with value %q is invalid.`, *s.Data.ID)
		return s, false
	}
	for _, name := range slices.Sorted(maps.Keys(s.Data.Attributes)) {
		if _, known := fields[name]; !known {
			refuse(w, "Property %s in %s module is invalid", name, objectNames[s.Data.Type])
			return s, false
		}
	}
	return s, true
}

// create answers POST module.
func (c *CRM) create(w http.ResponseWriter, r *http.Request) {
	s, fine := c.body(w, r)
	if !fine {
		return
	}
	module, id := s.Data.Type, c.newID()
	if s.Data.ID != nil {
		id = *s.Data.ID
	}
	if c.find(module, id) != nil {
		refuse(w, "Bean %s with id %s is already exist", module, id)
		return
	}
	if !c.store(w, module, s.Data.Attributes, map[string]any{"assigned_user_id": nil}) {
		return
	}
	reply(w, http.StatusCreated, map[string]any{"data": c.shown(module, c.add(module, id, s.Data.Attributes), nil)})
}

// update answers PATCH module.
func (c *CRM) update(w http.ResponseWriter, r *http.Request) {
	s, fine := c.body(w, r)
	if !fine {
		return
	}
	if s.Data.ID == nil {
		refuse(w, `The required option "id" is missing.`)
		return
	}
	rec := c.find(s.Data.Type, *s.Data.ID)
	if rec == nil || rec.deleted {
		refuse(w, "%s module with id %s is not found", s.Data.Type, *s.Data.ID)
		return
	}
	if !c.store(w, s.Data.Type, s.Data.Attributes, rec.values) {
		return
	}
	maps.Copy(rec.values, s.Data.Attributes)
	rec.changed = c.options.Now()
	reply(w, http.StatusOK, map[string]any{"data": c.shown(s.Data.Type, rec, nil)})
}

// store checks values as the save of a record does. before are those that the record has.
func (c *CRM) store(w http.ResponseWriter, module string, values, before map[string]any) bool {
	callID := text(values["call_id_c"]) + text(before["call_id_c"])
	switch words := c.refusals[callID]; {
	case slices.Contains(c.options.Denied[module], "edit"):
		refuse(w, "[AccessDeniedException] ")
		return false
	case words != "" && module == "Calls":
		refuse(w, "%s", words)
		return false
	}
	for name, value := range values {
		d, s := c.fields[module][name], text(value)
		if d.Type == "datetimecombo" && s != "" {
			if _, err := time.Parse(time.DateTime, s); err != nil {
				values[name] = "1970-01-01 00:00:00" // what becomes of a time in another form than the user's
			}
		}
		if d.Type == "varchar" && utf8.RuneCountInString(s) > d.Len {
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = w.Write([]byte("Database failure. Please refer to suitecrm.log for details."))
			return false
		}
	}
	return true
}

// read answers GET module/{module}/{id}.
func (c *CRM) read(w http.ResponseWriter, r *http.Request) {
	module, id := r.PathValue("module"), r.PathValue("id")
	rec := c.find(module, id)
	if c.denied(w, module, "view") {
		return
	}
	if rec == nil || rec.deleted {
		refuse(w, "%s module with id %s is not found", module, id)
		return
	}
	fields, fine := c.selected(w, r, module)
	if fine {
		reply(w, http.StatusOK, map[string]any{"data": c.shown(module, rec, fields)})
	}
}

// denied answers what the role does not allow.
func (c *CRM) denied(w http.ResponseWriter, module, action string) bool {
	if slices.Contains(c.options.Denied[module], action) {
		refuse(w, "[AccessDeniedException] ")
		return true
	}
	return false
}

// shown returns a record as an answer has it: the fields asked for, all of them where none are.
func (c *CRM) shown(module string, r *record, fields []string) map[string]any {
	attributes := map[string]any{}
	for name := range c.fields[module] {
		if name == "id" || fields != nil && !slices.Contains(fields, name) {
			continue
		}
		attributes[name] = ""
		switch v := r.values[name].(type) {
		case string:
			attributes[name] = html.EscapeString(v)
		case float64:
			attributes[name] = strconv.FormatInt(int64(v), 10)
		}
	}
	return map[string]any{"type": objectNames[module], "id": r.id, "attributes": attributes}
}
