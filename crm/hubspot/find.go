package hubspot

import (
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"strings"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/call"
)

// The rate buckets. Searches have a limit of their own, all other requests share one.
const (
	budgetSearch = "search"
	budgetOther  = "write"
)

// The bounds of a search, by the page "Search the CRM". The values get what a body of 3,000 characters has left beside
// filters and properties.
const (
	maxSearchBody   = 3000
	maxSearchValues = 2700
	pageSize        = 200
)

// Close closes the connections that are idle.
func (a *Adapter) Close() { a.client.Close() }

// Traits tells what the configuration makes of HubSpot.
func (a *Adapter) Traits() crm.Traits {
	t := crm.Traits{
		Name: Name, Upsert: a.cfg.UniqueProperty, SearchLag: a.cfg.SearchLag, WriteBatch: maxBatch, FindBatch: maxBatch,
	}
	for _, o := range a.objects {
		t.Objects = append(t.Objects, o.Name)
		t.ByPhone = t.ByPhone || len(o.Phones) > 0
	}
	return t
}

// Find looks records up by the search of HubSpot. A record that was just made or changed is not found yet.
func (a *Adapter) Find(ctx context.Context, lookups []crm.Lookup) []crm.Found {
	return a.search.Find(ctx, lookups)
}

// path returns the path of an area ("objects", "properties", "associations", "owners") in the family of the
// configuration: /crm/v3/objects/…, where associations are v4, or /crm/objects/2026-03/….
func (a *Adapter) path(area, rest string) string {
	switch {
	case a.cfg.Version != "v3":
		return "/crm/" + area + "/" + a.cfg.Version + rest
	case area == "associations":
		return "/crm/v4/associations" + rest
	default:
		return "/crm/v3/" + area + rest
	}
}

// object returns the configuration of an object.
func (a *Adapter) object(name string) (Object, error) {
	i := slices.IndexFunc(a.objects, func(o Object) bool { return o.Name == name })
	if i < 0 {
		return Object{}, crm.Errorf(crm.KindInvalid, "find "+name, "no such object is configured")
	}
	return a.objects[i], nil
}

// in asks for the objects of which a property is one of some values.
type in struct {
	Property string   `json:"propertyName"`
	Operator string   `json:"operator"`
	Values   []string `json:"values"`
}

// hit is an object that a search found. Properties without a value are null in the answer and missing here.
type hit struct {
	ID         string            `json:"id"`
	Properties map[string]string `json:"properties"`
}

// query searches objects of a type for which any filter holds. An answer that has not all hits is truncated, as is one
// that was never asked for because the question is too long.
func (a *Adapter) query(ctx context.Context, r api.Request, objectType string, filters []in, properties []string) (
	hits []hit, truncated bool, err error,
) {
	type group struct {
		Filters []in `json:"filters"`
	}
	body := struct {
		Groups     []group  `json:"filterGroups"`
		Properties []string `json:"properties"`
		Limit      int      `json:"limit"`
	}{Properties: properties, Limit: pageSize}
	for _, f := range filters {
		if f.Operator = "IN"; len(f.Values) > 0 {
			body.Groups = append(body.Groups, group{[]in{f}})
		}
	}
	if encoded, err := json.Marshal(body); err != nil || len(encoded) > maxSearchBody {
		return nil, true, nil
	}
	r.Method, r.Path, r.Budget, r.Body = "POST", a.path("objects", "/"+objectType+"/search"), budgetSearch, body
	var got struct {
		Total   int   `json:"total"`
		Results []hit `json:"results"`
	}
	if err := a.client.JSON(ctx, r, &got); err != nil {
		return nil, false, err
	}
	if got.Results == nil {
		return nil, false, crm.Errorf(crm.KindTransient, r.Title, "the answer has no list of results")
	}
	return got.Results, got.Total > len(got.Results), nil
}

// records searches records of an object.
func (a *Adapter) records(ctx context.Context, o Object, by string, filters []in) ([]crm.Record, bool, error) {
	r := api.Request{Operation: "find", Title: "find " + o.Name + " by " + by}
	properties := append([]string{o.TransactionID, "hubspot_owner_id"}, o.Phones...)
	hits, truncated, err := a.query(ctx, r, o.Type, filters, properties)
	var records []crm.Record
	for _, h := range hits {
		record := crm.Record{
			Object: o.Name, ID: h.ID, Owner: h.Properties["hubspot_owner_id"], TransactionID: h.Properties[o.TransactionID],
		}
		for _, phone := range o.Phones {
			if number := h.Properties[phone]; number != "" {
				record.Phones = append(record.Phones, number)
			}
		}
		records = append(records, record)
	}
	return records, truncated, err
}

func (a *Adapter) byTransactionID(ctx context.Context, name string, values []string) ([]crm.Record, bool, error) {
	o, err := a.object(name)
	if err != nil {
		return nil, false, err
	}
	return a.records(ctx, o, "transaction id", []in{{Property: o.TransactionID, Values: lower(values)}})
}

// byPhone searches the numbers as people write them, and the ones that HubSpot derives for searching, which have no
// country code.
func (a *Adapter) byPhone(ctx context.Context, name string, spellings []string) ([]crm.Record, bool, error) {
	o, err := a.object(name)
	if err != nil || len(o.Phones) == 0 {
		return nil, false, err
	}
	var filters []in
	for _, property := range o.Phones {
		filters = append(filters, in{Property: property, Values: lower(spellings)})
	}
	bare := slices.DeleteFunc(lower(spellings), func(s string) bool { return strings.HasPrefix(s, "+") })
	for _, property := range o.SearchPhones {
		filters = append(filters, in{Property: property, Values: bare})
	}
	return a.records(ctx, o, "phone", filters)
}

// spellings returns the forms in which a number is searched: those of call.Number, and the one without country code and
// without the 0 of the national form.
func spellings(n call.Number) []string {
	forms := n.Spellings()
	if bare := strings.TrimPrefix(n.National, "0"); bare != "" && !slices.Contains(forms, bare) {
		forms = append(forms, bare)
	}
	return forms
}

// quoted returns how long a value is in a list of JSON, about: what gets too long after all is asked for in halves.
func quoted(value string) int { return len(value) + len(`"",`) }

// lower returns values in the lower case that IN compares with.
func lower(values []string) []string {
	lowered := make([]string, len(values))
	for i, v := range values {
		lowered[i] = strings.ToLower(v)
	}
	return lowered
}

// FindLogs looks call logs up by their call id. One that was just made is not found yet: see Traits.SearchLag.
func (a *Adapter) FindLogs(ctx context.Context, calls []call.Call) []crm.LogFound {
	const title = "find call log"
	founds := make([]crm.LogFound, 0, len(calls))
	size := func(c call.Call) int { return quoted(c.ID) }
	for _, part := range api.Chunks(calls, maxBatch, maxSearchValues, size) {
		ids := make([]string, len(part))
		for i, c := range part {
			ids[i] = strings.ToLower(c.ID)
		}
		hits, truncated, err := a.query(ctx, api.Request{Operation: "find_log", Title: title}, "calls",
			[]in{{Property: a.cfg.CallID, Values: ids}}, []string{a.cfg.CallID})
		for _, c := range part {
			found := crm.LogFound{Err: err}
			i := slices.IndexFunc(hits, func(h hit) bool { return h.Properties[a.cfg.CallID] == c.ID })
			switch {
			case i >= 0:
				found.LogID = hits[i].ID
			case err == nil && truncated:
				found.Err = crm.Errorf(crm.KindTransient, title, "there are more hits than one page has")
			}
			founds = append(founds, found)
		}
	}
	return founds
}

// FindUsers looks owners up by e-mail address: the agent's name where it is one, else the name at Config.EmailDomain.
// Extensions and names without a domain find nobody.
func (a *Adapter) FindUsers(ctx context.Context, agents []string) []crm.UserFound {
	founds := make([]crm.UserFound, len(agents))
	errs := api.Each(len(agents), a.cfg.Concurrency, func(i int) (err error) {
		founds[i].UserID, err = a.findUser(ctx, strings.TrimSpace(agents[i]))
		return err
	})
	for i, err := range errs {
		founds[i].Err = err
	}
	return founds
}

func (a *Adapter) findUser(ctx context.Context, agent string) (string, error) {
	if !strings.Contains(agent, "@") {
		if a.cfg.EmailDomain == "" || strings.Trim(agent, "0123456789") == "" {
			return "", nil
		}
		agent += "@" + a.cfg.EmailDomain
	}
	var got struct {
		Results []struct {
			ID       string `json:"id"`
			Email    string `json:"email"`
			Archived bool   `json:"archived"`
		} `json:"results"`
	}
	err := a.client.JSON(ctx, api.Request{
		Operation: "find_user", Title: "find owner by e-mail", Path: a.path("owners", ""), Budget: budgetOther,
		Query: url.Values{"email": {agent}, "limit": {"10"}},
	}, &got)
	for _, owner := range got.Results {
		if strings.EqualFold(owner.Email, agent) && !owner.Archived {
			return owner.ID, err
		}
	}
	return "", err
}
