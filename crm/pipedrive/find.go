package pipedrive

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/call"
)

// maxHits is how many records of one value are read: more are a campaign, of which the customer's number chooses.
const maxHits = 10

// Find looks records up, one value with one request.
func (a *Adapter) Find(ctx context.Context, lookups []crm.Lookup) []crm.Found {
	return api.Search{
		MaxValues: 1, Concurrency: concurrency, Region: a.options.PhoneRegion,
		ByTransactionID: a.findByTransactionID, ByPhone: a.findByPhone,
	}.Find(ctx, lookups)
}

// search asks for one value. Searches cost 20 tokens.
func search[T any](ctx context.Context, a *Adapter, title, path string, query url.Values) (answer[T], error) {
	query.Set("limit", strconv.Itoa(maxHits))
	return send[T](ctx, a, 20, api.Request{
		Operation: "find", Title: title, Method: http.MethodGet, Path: path, Query: query, Budget: budgetSearch,
	})
}

// findByTransactionID searches the field and reads the records that it names: the index lags, and does not show values.
func (a *Adapter) findByTransactionID(
	ctx context.Context, object string, values []string,
) (records []crm.Record, truncated bool, err error) {
	key, err := a.fieldOf(ctx, object)
	if key == "" || err != nil {
		return nil, false, err
	}
	found, err := search[[]struct {
		ID   id
		Item struct{ ID id } // the form of the description, the other one is that of its example
	}](ctx, a, "find "+object+" by transaction id", "/api/v2/itemSearch/field", url.Values{
		"term": values, "entity_type": {object}, "field": {key}, "match": {"exact"},
	})
	if err != nil {
		return nil, false, err
	}
	for _, hit := range found.Data {
		r, err := a.read(ctx, object, key, hit.ID+hit.Item.ID, len(found.Data) > 1)
		if err != nil {
			return nil, false, err
		}
		records = append(records, r)
	}
	return records, found.Additional.NextCursor != "", nil
}

// card is what is read of a person, deal or lead.
type card struct {
	OwnerID  id   `json:"owner_id"`
	PersonID id   `json:"person_id"`
	Deleted  bool `json:"is_deleted"`
	Phones   []struct{ Value string }
	Custom   map[string]any `json:"custom_fields"`
}

// read reads a record. Deals and leads have the numbers of their person, which are asked for where there is something
// to choose. A record that is gone has no id.
func (a *Adapter) read(ctx context.Context, object, key string, recordID id, choose bool) (crm.Record, error) {
	c, custom, err := a.card(ctx, object, key, recordID)
	if err != nil || c.Deleted {
		return crm.Record{}, unlessGone(err)
	}
	if choose && c.PersonID != "" && object != person {
		owner, _, err := a.card(ctx, person, "", c.PersonID)
		if unlessGone(err) != nil {
			return crm.Record{}, err
		}
		c.Phones = owner.Phones
	}
	r := crm.Record{Object: object, ID: string(recordID), Owner: string(c.OwnerID), TransactionID: custom}
	for _, phone := range c.Phones {
		r.Phones = append(r.Phones, phone.Value)
	}
	return r, nil
}

// card reads a record and its value of one custom field. Leads have them beside their own fields (API v1).
func (a *Adapter) card(ctx context.Context, object, key string, recordID id) (card, string, error) {
	r := api.Request{
		Operation: "find", Title: "read " + object, Method: http.MethodGet, Query: url.Values{},
		Path: "/api/v2/" + object + "s/" + url.PathEscape(string(recordID)),
	}
	cost := int64(1)
	if object == lead {
		r.Path, cost = "/v1/leads/"+url.PathEscape(string(recordID)), 2
	} else if key != "" {
		r.Query.Set("custom_fields", key)
	}
	got, err := send[json.RawMessage](ctx, a, cost, r)
	var c card
	if err == nil && json.Unmarshal(got.Data, &c) != nil {
		err = crm.Errorf(crm.KindTransient, r.Title, "the answer has another form than expected")
	}
	value := c.Custom[key]
	if object == lead {
		flat := map[string]any{}
		_ = json.Unmarshal(got.Data, &flat) // what is no object was an error above
		value = flat[key]
	}
	if value == nil {
		value = ""
	}
	return c, fmt.Sprint(value), err
}

// unlessGone returns err unless it says that a record is gone.
func unlessGone(err error) error {
	if err != nil && crm.Classify(err).Kind == crm.KindGone {
		return nil
	}
	return err
}

// findByPhone searches persons. Numbers are compared as they were typed in, so each spelling is a search of its own.
func (a *Adapter) findByPhone(
	ctx context.Context, object string, spellings []string,
) (records []crm.Record, truncated bool, err error) {
	if object != person {
		return nil, false, nil
	}
	found, err := search[struct {
		Items []struct {
			Item struct {
				ID     id
				Phones []string
				Owner  struct{ ID id }
			}
		}
	}](ctx, a, "find person by phone", "/api/v2/persons/search", url.Values{
		"term": spellings, "fields": {"phone"}, "exact_match": {"true"},
	})
	for _, hit := range found.Data.Items {
		records = append(records, crm.Record{
			Object: person, ID: string(hit.Item.ID), Owner: string(hit.Item.Owner.ID), Phones: hit.Item.Phones,
		})
	}
	return records, found.Additional.NextCursor != "", err
}

// FindUsers finds active users by e-mail address: all of them with one request, which costs half of what searching one
// does. A name that is no e-mail address is completed by Config.EmailDomain, else it is nobody's.
func (a *Adapter) FindUsers(ctx context.Context, agents []string) []crm.UserFound {
	found := make([]crm.UserFound, len(agents))
	users, err := send[[]struct {
		ID     id
		Email  string
		Active bool `json:"active_flag"`
	}](ctx, a, 20, api.Request{
		Operation: "find_user", Title: "find user", Method: http.MethodGet, Path: "/v1/users",
	})
	for i, agent := range agents {
		found[i].Err = err
		if agent = strings.TrimSpace(agent); a.cfg.EmailDomain != "" && !strings.Contains(agent, "@") {
			agent += "@" + a.cfg.EmailDomain
		}
		for _, u := range users.Data {
			if u.Active && u.Email != "" && strings.EqualFold(u.Email, agent) {
				found[i].UserID = string(u.ID)
			}
		}
	}
	return found
}

// CreateContacts creates one person for each call, named by the number. It does not carry the transaction id: that may be
// one of a whole campaign, and the next customer of the campaign would be taken for this one.
func (a *Adapter) CreateContacts(ctx context.Context, calls []call.Call) []crm.Found {
	created := make([]crm.Found, len(calls))
	errs := api.Each(len(calls), concurrency, func(i int) error {
		number := calls[i].Customer.String()
		body := map[string]any{
			"name": number, "phones": []map[string]any{{"value": number, "primary": true, "label": "work"}},
		}
		made, err := send[struct {
			ID      id
			OwnerID id `json:"owner_id"`
		}](ctx, a, 5, api.Request{
			Operation: "create_contact", Title: "create person", Path: "/api/v2/persons", Body: body, Effect: api.Creates,
			Pretend: map[string]any{"success": true, "data": map[string]any{"id": "dry-run"}},
		})
		created[i].Records = []crm.Record{{
			Object: person, ID: string(made.Data.ID), Owner: string(made.Data.OwnerID), Phones: []string{number},
		}}
		return err
	})
	for i, err := range errs {
		if err != nil {
			created[i] = crm.Found{Err: err}
		}
	}
	return created
}

// fieldOf returns the key of the field that carries the transaction id of an object, empty where there is none. A name
// is resolved once; who else needs it meanwhile waits. A name that is nobody's is wrong for all calls alike, so the
// target rests as for a wrong token, and no call is set aside.
func (a *Adapter) fieldOf(ctx context.Context, object string) (string, error) {
	var name string
	for _, o := range a.cfg.Objects {
		if o.Name == object {
			name = o.TransactionID
		}
	}
	if name == "" || fieldKey.MatchString(name) {
		return name, nil
	}
	a.fieldMu.Lock()
	defer a.fieldMu.Unlock()
	if key := a.fieldKeys[object]; key != "" {
		return key, nil
	}
	f, err := a.describe(ctx, object, name)
	if err == nil && f.Key == "" {
		err = crm.Errorf(crm.KindUnauthorized, "find the field of "+object,
			"there is no custom field %q: make it with crmsyncd setup crm, or correct objects", name)
	}
	if err != nil {
		return "", err
	}
	a.fieldKeys[object] = f.Key
	return f.Key, nil
}
