package pipedrive

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
)

// field is a custom field.
type field struct {
	Key  string `json:"field_code"`
	Name string `json:"field_name"`
	Type string `json:"field_type"`
}

// searchable are the types of custom fields that can be searched and hold a transaction id (page "ItemSearch").
var searchable = []string{"varchar", "text", "varchar_auto"}

// owner returns the object whose fields an object has: leads have those of deals.
func owner(object string) string {
	if object == lead {
		return deal
	}
	return object
}

// describe returns the custom field that has a name or key, empty if there is none. Case does not matter; a name that
// several fields have is an error.
func (a *Adapter) describe(ctx context.Context, object, name string) (field, error) {
	title := "read the fields of " + owner(object)
	query := url.Values{"limit": {"500"}}
	var found []field
	for range maxPages {
		page, err := send[[]struct {
			field
			Custom bool `json:"is_custom_field"`
		}](ctx, a, 10, api.Request{
			Operation: "describe", Title: title, Method: http.MethodGet, Query: query,
			Path: "/api/v2/" + owner(object) + "Fields",
		})
		if err != nil {
			return field{}, err
		}
		for _, f := range page.Data {
			if f.Key == name || f.Custom && strings.EqualFold(strings.TrimSpace(f.Name), strings.TrimSpace(name)) {
				found = append(found, f.field)
			}
		}
		if query.Set("cursor", page.Additional.NextCursor); page.Additional.NextCursor == "" {
			break
		}
	}
	switch len(found) {
	case 0:
		return field{}, nil
	case 1:
		return found[0], nil
	default:
		return field{}, crm.Errorf(crm.KindUnauthorized, title, "%d custom fields have the name %q: put the key of the "+
			"right one into objects", len(found), name)
	}
}

// Plan names the custom fields for the transaction id. One that is configured by its key can only be corrected.
func (a *Adapter) Plan(ctx context.Context) ([]crm.Preparation, error) {
	var plan []crm.Preparation
	for _, o := range a.cfg.Objects {
		p := crm.Preparation{
			Name: owner(o.Name) + "." + o.TransactionID, Title: fmt.Sprintf("field %q of %ss", o.TransactionID, owner(o.Name)),
		}
		same := func(other crm.Preparation) bool { return other.Name == p.Name }
		if o.TransactionID == "" || slices.ContainsFunc(plan, same) {
			continue
		}
		f, err := a.describe(ctx, o.Name, o.TransactionID)
		if err != nil {
			return nil, err
		}
		p.Done = slices.Contains(searchable, f.Type)
		switch {
		case f.Key != "" && !p.Done:
			p.Manual = fmt.Sprintf("it is of type %s, which cannot be searched: make one of type Text under Company settings "+
				"> Data fields and put its name into objects", f.Type)
		case f.Key == "" && fieldKey.MatchString(o.TransactionID):
			p.Manual = "there is no field with this key: look it up under Company settings > Data fields, or put the name " +
				"of the field into objects"
		}
		plan = append(plan, p)
	}
	return plan, nil
}

// Prepare makes a custom field of type Text, unless it is there by now. It needs an administrator's token.
func (a *Adapter) Prepare(ctx context.Context, p crm.Preparation) error {
	object, name, _ := strings.Cut(p.Name, ".")
	if p.Manual != "" {
		return crm.Errorf(crm.KindInvalid, "make "+p.Title, "%s", p.Manual)
	}
	if f, err := a.describe(ctx, object, name); err != nil || f.Key != "" {
		return err
	}
	_, err := send[field](ctx, a, 5, api.Request{
		Operation: "setup", Title: "make " + p.Title, Path: "/api/v2/" + object + "Fields", Effect: api.Creates,
		Body: map[string]string{"field_name": name, "field_type": "varchar"}, Pretend: map[string]any{"success": true},
	})
	return err
}

// Check reads who the token belongs to, the fields and the call logs, and sends every look-up once. That the token may
// write call logs can only be seen from writing one; who may read them has the same right.
func (a *Adapter) Check(ctx context.Context) []crm.Finding {
	me, err := send[struct {
		Email  string
		Access []struct {
			App   string
			Admin bool
		}
	}](ctx, a, 2, api.Request{
		Operation: "describe", Title: "read the user of the token", Method: http.MethodGet, Path: "/v1/users/me",
	})
	findings := []crm.Finding{{Subject: "credentials", Err: err, Detail: me.Data.Email}}
	if err != nil {
		return findings
	}
	others := crm.Finding{Subject: "right to log calls for other users", Detail: "account settings"}
	isAdmin := slices.ContainsFunc(me.Data.Access, func(right struct {
		App   string
		Admin bool
	},
	) bool {
		return right.App == "account_settings" && right.Admin
	})
	if !isAdmin {
		others.Err = fmt.Errorf("the user of the token has no access to account settings: give it to them under Manage " +
			"users > Permission sets, or all calls must be their own")
	}
	_, err = send[[]json.RawMessage](ctx, a, 20, api.Request{
		Operation: "describe", Title: "list call logs", Method: http.MethodGet, Path: "/v1/callLogs",
		Query: url.Values{"limit": {"1"}},
	})
	findings = append(findings, others, crm.Finding{Subject: "call logs", Err: err})
	for _, o := range a.cfg.Objects {
		f := crm.Finding{Subject: "find " + o.Name + " by transaction id", Detail: o.TransactionID}
		_, _, f.Err = a.findByTransactionID(ctx, o.Name, []string{"crmsyncd-check"})
		findings = append(findings, f)
		if o.Name == person {
			f = crm.Finding{Subject: "find person by phone"}
			_, _, f.Err = a.findByPhone(ctx, person, []string{"+10000000000"})
			findings = append(findings, f)
		}
	}
	return append(findings, crm.Finding{Subject: "find user", Err: a.FindUsers(ctx, []string{me.Data.Email})[0].Err})
}
