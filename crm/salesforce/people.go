package salesforce

import (
	"context"
	"net/http"
	"strings"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/call"
)

// FindUsers looks active users up by AgentField. A value that several of them have is an error: nobody is guessed.
func (a *Adapter) FindUsers(ctx context.Context, agents []string) []crm.UserFound {
	lookups := make([]crm.Lookup, len(agents))
	for i, name := range agents {
		if a.cfg.AgentDomain != "" && !strings.Contains(name, "@") {
			name += "@" + a.cfg.AgentDomain
		}
		lookups[i] = crm.Lookup{Object: "User", TransactionID: name}
	}
	users := make([]crm.UserFound, len(agents))
	for i, found := range a.users.Find(ctx, lookups) {
		switch {
		case found.Err == nil && (found.Truncated || len(found.Records) > 1):
			users[i].Err = crm.Errorf(crm.KindInvalid, "find user",
				"several active users have the %s of the agent: name one in agents.map", a.cfg.AgentField)
		case len(found.Records) == 1:
			users[i].UserID = found.Records[0].ID
		default:
			users[i].Err = found.Err
		}
	}
	return users
}

func (a *Adapter) usersByName(ctx context.Context, _ string, names []string) ([]crm.Record, bool, error) {
	field := a.cfg.AgentField
	return a.identified(ctx, "find_user", "find user", field, "SELECT Id, "+field+" FROM User WHERE "+field+" IN ("+
		quoted(names)+") AND IsActive = true")
}

// identified returns the ids of rows and, in TransactionID, the value that they were looked up by.
func (a *Adapter) identified(ctx context.Context, op, title, field, soql string) ([]crm.Record, bool, error) {
	rows, truncated, err := a.query(ctx, op, title, soql)
	var records []crm.Record
	for _, r := range rows {
		records = append(records, crm.Record{ID: r.text("Id"), TransactionID: r.text(field)})
	}
	return records, truncated, err
}

// CreateContacts creates a Lead or Contact for each call. It does not carry the transaction id: that may be one of a
// whole campaign, and the next customer of the campaign would be taken for this one. Duplicate rules that only warn are
// overruled: nobody has the number, that is why the record is made.
func (a *Adapter) CreateContacts(ctx context.Context, calls []call.Call) []crm.Found {
	n := a.cfg.NewContact
	r := api.Request{
		Operation: "create_contact", Title: "create contact", Method: http.MethodPost, Path: a.path("composite/sobjects"),
		Effect: api.Creates, Header: http.Header{"Sforce-Duplicate-Rule-Header": {"allowSave=true"}},
	}
	founds := make([]crm.Found, 0, len(calls))
	for _, part := range api.Chunks(calls, batch, 0, nil) {
		var records []map[string]any
		for _, c := range part {
			record := map[string]any{
				"attributes": map[string]string{"type": n.Object}, "Phone": c.Customer.String(),
				"LastName": strings.TrimSpace(n.LastName + " " + c.Customer.String()),
			}
			if n.Object == "Lead" {
				record["Company"] = n.Company
			}
			records = append(records, record)
		}
		results, err := a.save(ctx, r, records)
		for i, c := range part {
			found := crm.Found{Err: err}
			if err == nil {
				var id string
				id, found.Err = results[i].outcome(r, false, a.cfg.ClientSecret.Reveal())
				a.client.Rest(found.Err)
				found.Records = []crm.Record{{Object: n.Object, ID: id, Phones: []string{c.Customer.String()}}}
			}
			if found.Err != nil {
				found.Records = nil
			}
			founds = append(founds, found)
		}
	}
	return founds
}
