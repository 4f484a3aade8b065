package espocrm

import (
	"context"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/call"
)

// CreateContacts creates one record for each call. Where EspoCRM takes it for one that is there (409), the one that has
// the caller's number is returned; if none has, it was the name that was the same, and the record is made.
func (a *Adapter) CreateContacts(ctx context.Context, calls []call.Call) []crm.Found {
	created := make([]crm.Found, len(calls))
	errs := api.Each(len(calls), a.cfg.Concurrency, func(i int) error {
		created[i] = a.createContact(ctx, calls[i])
		return created[i].Err
	})
	for i, err := range errs {
		created[i].Err = err
	}
	return created
}

func (a *Adapter) createContact(ctx context.Context, c call.Call) crm.Found {
	o, number := a.objects[a.cfg.ContactObject], c.Customer.String()
	if o.Name == "" || len(o.Phones) == 0 || number == "" {
		return crm.Found{Err: crm.Errorf(crm.KindInvalid, "create contact",
			"contact_object names no object with phones, or the caller has no number")}
	}
	fields := map[string]any{"lastName": number, o.Phones[0]: number}
	if o.Name != "Contact" && o.Name != "Lead" {
		fields = map[string]any{"name": number, o.Phones[0]: number}
	}
	if a.cfg.DefaultUser != "" {
		fields["assignedUserId"] = a.cfg.DefaultUser
	}
	r := api.Request{Operation: "create_contact", Title: "create " + o.Name, Path: "/" + o.Name, Body: fields}
	id, _, err := a.create(ctx, r, "")
	if isKind(err, crm.KindExists) {
		found := a.Find(ctx, []crm.Lookup{{Object: o.Name, Phone: c.Customer}})[0]
		if found.Err != nil || len(found.Records) == 1 {
			return found
		}
		if len(found.Records) == 0 {
			id, _, err = a.create(ctx, r, skipDuplicateCheck)
		}
	}
	if err != nil {
		return crm.Found{Err: err}
	}
	return crm.Found{Records: []crm.Record{{
		Object: o.Name, ID: id, Owner: a.cfg.DefaultUser, Phones: []string{number},
	}}}
}
