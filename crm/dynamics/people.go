package dynamics

import (
	"context"
	"net/http"
	"strings"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/call"
)

// FindUsers looks enabled users up by AgentFields. A name that several of them have is an error: nobody is guessed.
func (a *Adapter) FindUsers(ctx context.Context, agents []string) []crm.UserFound {
	lookups, users := make([]crm.Lookup, len(agents)), make([]crm.UserFound, len(agents))
	for i, name := range agents {
		if a.cfg.AgentDomain != "" && !strings.Contains(name, "@") {
			name += "@" + a.cfg.AgentDomain
		}
		lookups[i] = crm.Lookup{Object: "systemuser", TransactionID: name}
	}
	for _, column := range a.cfg.AgentFields {
		search := a.records
		search.Fold = true
		search.ByTransactionID = func(ctx context.Context, _ string, names []string) ([]crm.Record, bool, error) {
			rows, more, err := a.query(ctx, query{
				operation: "find_user", title: "find user", set: "systemusers", id: "systemuserid", columns: []string{column},
				selected: []string{column}, values: names, filter: "isdisabled eq false",
			})
			var records []crm.Record
			for _, r := range rows {
				records = append(records, crm.Record{ID: r.text("systemuserid"), TransactionID: r.text(column)})
			}
			return records, more, err
		}
		for i, found := range search.Find(ctx, lookups) {
			switch {
			case found.Err != nil:
				users[i].Err = found.Err
			case found.Truncated || len(found.Records) > 1:
				users[i].Err = crm.Errorf(crm.KindInvalid, "find user",
					"several enabled users have the %s of the agent: name one in agents.map", column)
			case len(found.Records) == 1:
				users[i].UserID = found.Records[0].ID
			}
			if users[i] != (crm.UserFound{}) {
				lookups[i].TransactionID = "" // settled: nothing is asked for
			}
		}
	}
	return users
}

// CreateContacts creates a contact or lead for each call. Its id is made from the number, so a repeat finds it and
// leaves it as it is. It does not carry the transaction id: that may be one of a whole campaign, and the next customer
// of the campaign would be taken for this one.
func (a *Adapter) CreateContacts(ctx context.Context, calls []call.Call) []crm.Found {
	o := a.object(a.cfg.ContactObject)
	r := api.Request{Operation: "create_contact", Title: "create " + o.Name}
	founds := make([]crm.Found, 0, len(calls))
	for _, part := range api.Chunks(calls, a.cfg.Batch, 0, nil) {
		groups := make([][]operation, len(part))
		for i, c := range part {
			number := c.Customer.String()
			founds = append(founds, crm.Found{Records: []crm.Record{{
				Object: o.Name, ID: api.UUID5("crmsyncd:" + o.Name + ":" + number), Phones: []string{number},
			}}})
			fields := map[string]any{"lastname": number}
			if len(o.Phones) > 0 {
				fields[o.Phones[0]] = number
			}
			if o.Name == "lead" {
				fields["subject"] = a.text.Title(c, maxSubject)
			}
			record := &founds[len(founds)-1].Records[0]
			groups[i] = []operation{{path: a.bind(record), condition: onlyCreate, body: fields}}
		}
		results, err := a.batch(ctx, r, groups)
		for i := range part {
			found := &founds[len(founds)-len(part)+i]
			if e := results[i]; err != nil {
				*found = crm.Found{Err: err}
			} else if e != nil && e.Status != http.StatusPreconditionFailed { // it is there already
				*found = crm.Found{Err: e}
			}
		}
	}
	return founds
}
