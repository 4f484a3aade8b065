package espocrmtest

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"unicode"
)

// metadata answers GET Metadata with what stands at the path in the parameter key. Definitions of entity types that the
// user may not read are left out.
func (c *CRM) metadata(w http.ResponseWriter, r *http.Request) {
	defs := map[string]any{}
	for entity, fields := range c.fields {
		if c.level(entity, "read") != "no" || c.isAdmin(r) {
			defs[entity] = map[string]any{"fields": fields}
		}
	}
	var at any = map[string]any{"entityDefs": defs}
	if key := r.URL.Query().Get("key"); key != "" {
		for step := range strings.SplitSeq(key, ".") {
			switch node := at.(type) {
			case map[string]any:
				at = node[step]
			case map[string]definition:
				at = nil
				if d, found := node[step]; found {
					at = d
				}
			default:
				at = nil
			}
		}
	}
	reply(w, http.StatusOK, at)
}

// appUser answers GET App/user: who asks, and what their roles allow.
func (c *CRM) appUser(w http.ResponseWriter, r *http.Request) {
	table := map[string]any{}
	for entity := range c.fields {
		rights := map[string]string{"delete": "no", "stream": "no"}
		for _, action := range []string{"read", "edit"} {
			rights[action] = c.level(entity, action)
		}
		rights["create"] = "yes"
		if c.level(entity, "create") == "no" {
			rights["create"] = "no"
		}
		table[entity] = rights
		if rights["read"] == "no" && rights["create"] == "no" {
			table[entity] = false // no access to the entity type at all
		}
	}
	user := map[string]any{"id": apiUserID, "userName": "crmsyncd", "type": "api"}
	if c.isAdmin(r) {
		user = map[string]any{"id": "1", "userName": AdminName, "type": "admin"}
	}
	reply(w, http.StatusOK, map[string]any{
		"user":        user,
		"acl":         map[string]any{"table": table, "assignmentPermission": c.options.AssignmentPermission},
		"preferences": map[string]any{},
	})
}

// createField answers POST Admin/fieldManager/{scope}. Names of fields in standard entity types get the prefix c.
func (c *CRM) createField(w http.ResponseWriter, r *http.Request) {
	scope := r.PathValue("scope")
	var sent struct {
		Name string `json:"name"`
		definition
	}
	switch {
	case !c.isAdmin(r):
		refuse(w, http.StatusForbidden, "")
		return
	case json.NewDecoder(r.Body).Decode(&sent) != nil:
		refuse(w, http.StatusInternalServerError, "")
		return
	case sent.Name == "" || sent.Type == "":
		refuse(w, http.StatusBadRequest, "No type.")
		return
	case c.fields[scope] == nil:
		refuse(w, http.StatusInternalServerError, "Entity type "+scope+" is not customizable.")
		return
	}
	name := "c" + strings.ToUpper(sent.Name[:1]) + sent.Name[1:]
	switch {
	case strings.ContainsFunc(name, func(r rune) bool {
		return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}):
		refuse(w, http.StatusInternalServerError, "Field name should contain only letters and numbers.")
		return
	case !slices.Contains([]string{"varchar", "url", "int", "text"}, sent.Type):
		refuse(w, http.StatusBadRequest, "Bad type.")
		return
	}
	if _, exists := c.fields[scope][name]; exists {
		refuse(w, http.StatusConflict, "Field '"+name+"' already exists in '"+scope+"'.")
		return
	}
	sent.IsCustom = true
	c.fields[scope][name] = sent.definition
	reply(w, http.StatusOK, sent.definition)
}
