package hubspottest

import (
	"html"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/crmsyncd/crmsyncd/crm/crmtest"
)

// AddRecord makes a record of an object ("contact") that belongs to owner 7, and returns its id.
func (c *CRM) AddRecord(objectName, transactionID, phone string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	t, known := typeOf(objectName)
	if !known {
		panic("hubspottest: there is no object " + objectName)
	}
	values := map[string]string{"hubspot_owner_id": "7"}
	for name, value := range map[string]string{TransactionID: transactionID, "phone": phone} {
		if _, defined := c.property(t.name, name); defined {
			values[name] = value
		}
	}
	return c.create(t.name, values).id
}

// Set lays values over a record, as a person at the screen does. An empty value clears.
func (c *CRM) Set(objectName, id string, values map[string]string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t, _ := typeOf(objectName)
	c.change(t.name, c.find(t.name, id), values)
}

// Values returns what a record or call holds, nil when it is not there.
func (c *CRM) Values(objectName, id string) map[string]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	t, _ := typeOf(objectName)
	if o := c.find(t.name, id); o != nil {
		return o.values()
	}
	return nil
}

// Delete takes a record or call away, with its links.
func (c *CRM) Delete(objectName, id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t, _ := typeOf(objectName)
	c.objects[t.name] = slices.DeleteFunc(c.objects[t.name], func(o *object) bool { return o.id == id })
	c.links = slices.DeleteFunc(c.links, func(l link) bool {
		return t.name == calls && l.call == id || l.toType == t.name && l.to == id
	})
}

// AddUser makes an owner with an e-mail address and returns the owner's id.
func (c *CRM) AddUser(login string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, o := range c.owners {
		if strings.EqualFold(o.Email, login) && !o.Archived {
			return o.ID // an e-mail address has one user
		}
	}
	id := c.newID()
	number, _ := strconv.ParseInt(id, 10, 64)
	c.owners = append(c.owners, owner{ID: id, Email: login, UserID: number + 1_000_000})
	return id
}

// Archive takes an owner out of use.
func (c *CRM) Archive(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.owners {
		c.owners[i].Archived = c.owners[i].Archived || c.owners[i].ID == id
	}
}

// Refuse makes the CRM refuse the call log of a call with these words from now on; empty words end
// it.
func (c *CRM) Refuse(callID, words string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refused[callID] = words
}

// Requests returns how many requests there were by operation.
func (c *CRM) Requests() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.requests)
}

// Links returns the records that a call is linked to, as "contact/123", in the order in which the links were made.
func (c *CRM) Links(callID string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.linksOf(callID)
}

func (c *CRM) linksOf(callID string) []string {
	var found []string
	for _, l := range c.links {
		if t, _ := typeOf(l.toType); l.call == callID {
			found = append(found, t.singular+"/"+l.to)
		}
	}
	return found
}

// Logs returns the calls. Of a call with several links RecordID is the last.
func (c *CRM) Logs() []crmtest.Log {
	c.mu.Lock()
	defer c.mu.Unlock()
	var logs []crmtest.Log
	for _, o := range c.objects[calls] {
		values := o.values()
		log := crmtest.Log{
			ID: o.id, CallID: values[CallID], Owner: values["hubspot_owner_id"],
			RecordingURL: values["hs_call_recording_url"],
			Direction:    strings.ToLower(values["hs_call_direction"]), Start: began(values["hs_timestamp"]),
			Title: values["hs_call_title"], Text: text(values["hs_call_body"]),
		}
		if ms, err := strconv.ParseInt(values["hs_call_duration"], 10, 64); err == nil {
			log.Seconds = ms / 1000
		}
		switch values["hs_call_status"] {
		case "COMPLETED":
			log.Result = "answered"
		case "NO_ANSWER", "BUSY", "FAILED", "CANCELED":
			log.Result = "missed"
		}
		for _, l := range c.linksOf(o.id) {
			_, log.RecordID, _ = strings.Cut(l, "/")
		}
		logs = append(logs, log)
	}
	return logs
}

// began reads the place of a call on the timeline.
func began(value string) time.Time {
	if ms, err := strconv.ParseInt(value, 10, 64); err == nil {
		return time.UnixMilli(ms).UTC()
	}
	at, _ := time.Parse("2006-01-02T15:04:05.999Z", value)
	return at
}

// text is what a reader sees of a body, which is HTML.
func text(body string) string {
	return html.UnescapeString(strings.ReplaceAll(body, "<br>", "\n"))
}

func (c *CRM) listOwners(w http.ResponseWriter, r *http.Request) {
	found := []owner{}
	email := r.URL.Query().Get("email")
	for _, o := range c.owners {
		if !o.Archived && (email == "" || strings.EqualFold(o.Email, email)) {
			found = append(found, o)
		}
	}
	reply(w, http.StatusOK, map[string]any{"results": found})
}

// token exchanges the refresh token for an access token. The answer names its life in seconds.
func (c *CRM) token(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests["token"]++
	form := r.PostFormValue
	switch {
	case form("grant_type") != "refresh_token":
		refuse(w, http.StatusBadRequest, "BAD_GRANT_TYPE", "grant_type is not one of the supported types")
	case form("client_id") != ClientID || form("client_secret") != ClientSecret:
		refuse(w, http.StatusBadRequest, "BAD_CLIENT_ID", "missing or unknown client id or secret")
	case form("refresh_token") != RefreshToken:
		refuse(w, http.StatusBadRequest, "BAD_REFRESH_TOKEN", "missing or unknown refresh token")
	default:
		token := "access-" + c.newID()
		c.tokens[token] = c.options.Now().Add(TokenLifetime)
		reply(w, http.StatusOK, map[string]any{
			"token_type": "bearer", "access_token": token, "refresh_token": RefreshToken,
			"expires_in": int(TokenLifetime / time.Second),
		})
	}
}
