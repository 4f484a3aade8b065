package suitecrm

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/call"
)

// maxPage is how many records a look-up shows. SuiteCRM bounds it not, but reads each of them by itself.
const maxPage = 50

// list asks for the records that have a value in one of the fields. truncated: the page is full.
func (a *Adapter) list(
	ctx context.Context, operation, title, module string, fields []string, value string, more ...string,
) (found []resource, truncated bool, err error) {
	shown := slices.DeleteFunc(slices.Concat(fields, more), func(field string) bool { return field == "" })
	query := url.Values{
		"fields[" + module + "]": {strings.Join(shown, ",")}, "page[size]": {strconv.Itoa(maxPage)}, "page[number]": {"1"},
	}
	if len(fields) > 1 {
		query.Set("filter[operator]", "or")
	}
	for _, field := range fields {
		query.Set("filter["+field+"][eq]", value)
	}
	var page struct{ Data []resource }
	err = a.get(ctx, operation, title, "/V8/module/"+module, query, &page)
	if err == nil && page.Data == nil {
		err = crm.Errorf(crm.KindTransient, title, "the answer has no list")
	}
	return page.Data, len(page.Data) >= maxPage, err
}

// Find looks records up, one request for each value and, for a number, each of its spellings.
func (a *Adapter) Find(ctx context.Context, lookups []crm.Lookup) []crm.Found {
	return api.Search{
		MaxValues: 1, Concurrency: a.cfg.Concurrency, Region: a.options.PhoneRegion,
		ByTransactionID: func(ctx context.Context, object string, ids []string) ([]crm.Record, bool, error) {
			o := a.objects[object]
			if o.TransactionID == "" {
				return nil, false, nil
			}
			found, truncated, err := a.list(ctx, "find", "find "+object+" by transaction id", object,
				[]string{o.TransactionID}, ids[0], append(slices.Clone(o.Phones), "assigned_user_id")...)
			return o.records(found), truncated, err
		},
		ByPhone: func(ctx context.Context, object string, numbers []string) ([]crm.Record, bool, error) {
			o := a.objects[object]
			if len(o.Phones) == 0 {
				return nil, false, nil
			}
			found, truncated, err := a.list(ctx, "find", "find "+object+" by phone", object, o.Phones, numbers[0],
				o.TransactionID, "assigned_user_id")
			return o.records(found), truncated, err
		},
	}.Find(ctx, lookups)
}

// records returns what a list shows of an object.
func (o Object) records(found []resource) []crm.Record {
	records := make([]crm.Record, len(found))
	for i, r := range found {
		records[i] = crm.Record{
			Object: o.Name, ID: r.ID, Owner: r.Attributes.text("assigned_user_id"),
			TransactionID: r.Attributes.text(o.TransactionID),
		}
		for _, field := range o.Phones {
			records[i].Phones = append(records[i].Phones, r.Attributes.text(field))
		}
	}
	return records
}

// FindUsers looks active users up by their user names, one request each; upper and lower case are the same.
func (a *Adapter) FindUsers(ctx context.Context, agents []string) []crm.UserFound {
	results := make([]crm.UserFound, len(agents))
	errs := api.Each(len(agents), a.cfg.Concurrency, func(i int) error {
		name := strings.TrimSpace(agents[i])
		if name == "" {
			return nil
		}
		users, _, err := a.list(ctx, "find_user", "find user", "Users", []string{"user_name"}, name, "status")
		for _, u := range users {
			if !strings.EqualFold(u.Attributes.text("user_name"), name) || u.Attributes.text("status") == "Inactive" {
				continue
			}
			if results[i].UserID != "" {
				results[i].UserID = ""
				return crm.Errorf(crm.KindInvalid, "find user", "several users have the agent's name: name one in agents.map")
			}
			results[i].UserID = u.ID
		}
		return err
	})
	for i, err := range errs {
		results[i].Err = err
	}
	return results
}

// operationContact is the operation that makes a record for an unknown caller.
const operationContact = "create_contact"

// CreateContacts creates one record for each call. Its id follows from the number, so that two calls of one caller make
// one record; where somebody has deleted that one, the id follows from the call as well. It does not carry the
// transaction id: that may be one of a whole campaign, and the next customer of the campaign would be taken for this one.
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
	title := "create " + a.cfg.ContactObject
	if len(o.Phones) == 0 || number == "" {
		return crm.Found{Err: crm.Errorf(crm.KindInvalid, title,
			"contact_object names no object with phones, or the caller has no number")}
	}
	fields := attributes{"last_name": number, o.Phones[0]: number}
	if o.Name != "Contacts" && o.Name != "Leads" {
		fields = attributes{"name": number, o.Phones[0]: number}
	}
	var err error
	for _, name := range []string{number, number + " " + c.ID} {
		id := api.UUID5("urn:crmsyncd:" + o.Name + ":" + name)
		err = a.save(ctx, http.MethodPost, operationContact, title, resource{o.Name, id, fields})
		if isKind(err, crm.KindExists) {
			err = a.get(ctx, "find", "read "+o.Name, "/V8/module/"+o.Name+"/"+id, nil, nil)
		}
		if err == nil {
			return crm.Found{Records: []crm.Record{{Object: o.Name, ID: id, Phones: []string{number}}}}
		}
		if !isKind(err, crm.KindGone) {
			break
		}
	}
	return crm.Found{Err: err}
}
