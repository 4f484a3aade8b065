package espocrm

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
)

// The bounds of a look-up: records a page (403 above it), values a request, and bytes of them in the URL. Web servers
// refuse request lines of more than 8 KiB with their usual settings.
const (
	maxPage   = 200
	maxValues = 100
	maxQuery  = 7000
)

// size tells how much of a URL a value takes that is asked for in several attributes.
func size(attributes int) func(value string) int {
	const name = "&where%5B0%5D%5Bvalue%5D%5B0%5D%5Bvalue%5D%5B%5D="
	return func(value string) int { return attributes * (len(name) + len(url.QueryEscape(value))) }
}

// list asks for the records that carry one of the values in one of the attributes, the oldest first. truncated: the
// page is full. Parameters are arrays as PHP writes them (page "API search parameters").
func (a *Adapter) list(
	ctx context.Context, operation, title, object string, attributes, values []string, more ...string,
) (found []entity, truncated bool, err error) {
	query := url.Values{
		"maxSize": {strconv.Itoa(maxPage)}, "orderBy": {"createdAt"}, "order": {"asc"}, "where[0][type]": {"or"},
		"select": {strings.Join(append(append([]string{"id"}, attributes...), more...), ",")},
	}
	for i, attribute := range attributes {
		item := fmt.Sprintf("where[0][value][%d]", i)
		query.Set(item+"[type]", "in")
		query.Set(item+"[attribute]", attribute)
		query[item+"[value][]"] = values
	}
	var page struct{ List []entity }
	err = a.get(ctx, operation, title, "/"+object, query, &page)
	if err == nil && page.List == nil {
		err = crm.Errorf(crm.KindTransient, title, "the answer has no list")
	}
	return page.List, len(page.List) >= maxPage, err
}

// Find looks records up, many values with one request.
func (a *Adapter) Find(ctx context.Context, lookups []crm.Lookup) []crm.Found {
	phones := 1
	for _, o := range a.cfg.Objects {
		phones = max(phones, len(o.Phones))
	}
	return api.Search{
		MaxValues: maxValues, MaxSize: maxQuery, Size: size(phones), Concurrency: a.cfg.Concurrency,
		Region: a.options.PhoneRegion, ByTransactionID: a.findByTransactionID, ByPhone: a.findByPhone,
	}.Find(ctx, lookups)
}

func (a *Adapter) findByTransactionID(ctx context.Context, object string, ids []string) ([]crm.Record, bool, error) {
	o := a.objects[object]
	if o.TransactionID == "" {
		return nil, false, nil
	}
	operation, title := "find", "find "+object+" by transaction id"
	if object == callType {
		operation, title = "find_log", "find call log"
	}
	found, truncated, err := a.list(ctx, operation, title, object, []string{o.TransactionID}, ids,
		append(o.Phones, "assignedUserId")...)
	return o.records(found), truncated, err
}

// findByPhone reads the records whole that were found by a number which lists do not show.
func (a *Adapter) findByPhone(ctx context.Context, object string, numbers []string) ([]crm.Record, bool, error) {
	o := a.objects[object]
	if len(o.Phones) == 0 {
		return nil, false, nil
	}
	found, truncated, err := a.list(ctx, "find", "find "+object+" by phone", object, o.Phones, numbers,
		o.TransactionID, "assignedUserId")
	records := o.records(found)
	failures := api.Each(len(records), a.cfg.Concurrency, func(i int) error {
		shown := func(number string) bool { return slices.Contains(numbers, number) }
		if slices.ContainsFunc(records[i].Phones, shown) {
			return nil
		}
		var whole struct {
			PhoneNumberData []struct{ PhoneNumber string }
		}
		err := a.get(ctx, "find", "read numbers of "+object, "/"+object+"/"+url.PathEscape(records[i].ID), nil, &whole)
		for _, data := range whole.PhoneNumberData {
			records[i].Phones = append(records[i].Phones, data.PhoneNumber)
		}
		if isKind(err, crm.KindGone) {
			return nil
		}
		return err
	})
	return records, truncated, errors.Join(append(failures, err)...)
}

// records returns what a list shows of an object.
func (o Object) records(found []entity) []crm.Record {
	records := make([]crm.Record, len(found))
	for i, e := range found {
		records[i] = crm.Record{
			Object: o.Name, ID: e.text("id"), Owner: e.text("assignedUserId"), TransactionID: e.text(o.TransactionID),
		}
		for _, field := range o.Phones {
			records[i].Phones = append(records[i].Phones, e.text(field))
		}
	}
	return records
}

// FindUsers looks active users up by the names of agents; upper and lower case are the same. A name that several users
// have is an error: an owner is not guessed.
func (a *Adapter) FindUsers(ctx context.Context, agents []string) []crm.UserFound {
	results := make([]crm.UserFound, 0, len(agents))
	for _, names := range api.Chunks(agents, maxValues, maxQuery, size(len(a.cfg.AgentFields))) {
		users, _, err := a.list(ctx, "find_user", "find user", "User", a.cfg.AgentFields, names, "isActive")
		for _, name := range names {
			result := crm.UserFound{Err: err}
			for _, u := range users {
				same := func(field string) bool { return strings.EqualFold(u.text(field), strings.TrimSpace(name)) }
				if u["isActive"] != true || !slices.ContainsFunc(a.cfg.AgentFields, same) {
					continue
				}
				if result.UserID != "" {
					err := crm.Errorf(crm.KindInvalid, "find user", "several users have the agent's name: name one in agents.map")
					result = crm.UserFound{Err: err}
					break
				}
				result.UserID = u.text("id")
			}
			results = append(results, result)
		}
	}
	return results
}
