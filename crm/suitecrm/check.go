package suitecrm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
)

// need is a field that the configuration names: of which types it may be, the first one is best, and how many
// characters it must take.
type need struct {
	module, field string
	types         []string
	length        int
}

// String names a need.
func (n need) String() string { return n.module + "." + n.field }

// needs returns the fields that must be there.
func (c Config) needs() []need {
	fields := []need{
		{callsModule, c.Calls.CallID, []string{"varchar"}, 64},
		{callsModule, c.Calls.RecordingURL, []string{"url", "varchar", "text"}, 255},
		{callsModule, c.Calls.DurationSeconds, []string{"int"}, 0},
		{callsModule, c.Calls.Text, []string{"text"}, 0},
	}
	for _, field := range slices.Sorted(maps.Keys(c.Text.Fields)) {
		fields = append(fields, need{callsModule, field, []string{"varchar", "text", "url"}, 0})
	}
	for _, o := range c.Objects {
		fields = append(fields, need{o.Name, o.TransactionID, []string{"varchar"}, 64})
		for _, phone := range o.Phones {
			fields = append(fields, need{o.Name, phone, []string{"phone", "varchar"}, 0})
		}
	}
	return slices.DeleteFunc(fields, func(n need) bool { return n.field == "" })
}

// Plan names the fields that the configuration needs. The API makes no fields, so all that is missing is for a person
// to do.
func (a *Adapter) Plan(ctx context.Context) ([]crm.Preparation, error) {
	type definition struct {
		Type string
		Len  any
	}
	defined := map[string]map[string]definition{}
	var plan []crm.Preparation
	for _, n := range a.cfg.needs() {
		if defined[n.module] == nil {
			var answer struct {
				Data struct{ Attributes map[string]definition }
			}
			path := "/V8/meta/fields/" + n.module
			if err := a.get(ctx, "describe", "read the fields of "+n.module, path, nil, &answer); err != nil {
				return nil, err
			}
			defined[n.module] = answer.Data.Attributes
		}
		p := crm.Preparation{Name: n.String(), Title: "field " + n.String()}
		field, there := defined[n.module][n.field]
		length, _ := strconv.Atoi(fmt.Sprint(field.Len))
		where := fmt.Sprintf("Admin > Studio > %s > Fields: ", n.module)
		switch {
		case !there:
			p.Manual = fmt.Sprintf("%sadd a field of type %s named %s (SuiteCRM puts the _c behind it)",
				where, n.types[0], strings.TrimSuffix(n.field, "_c"))
			if n.length > 0 {
				p.Manual += fmt.Sprintf(" of %d characters or more", n.length)
			}
		case !slices.Contains(n.types, field.Type):
			p.Manual = fmt.Sprintf("%sit is of type %s and must be of %s", where, field.Type, strings.Join(n.types, " or "))
		case length > 0 && length < n.length:
			p.Manual = fmt.Sprintf("%sraise its size from %d to %d characters", where, length, n.length)
		}
		p.Done = p.Manual == ""
		plan = append(plan, p)
	}
	return plan, nil
}

// Prepare has nothing to do: see Plan.
func (a *Adapter) Prepare(_ context.Context, p crm.Preparation) error {
	return crm.Errorf(crm.KindInvalid, "make "+p.Title, "the API cannot: %s", p.Manual)
}

// Check reads what the API user may do and which fields there are, and sends every look-up once.
func (a *Adapter) Check(ctx context.Context) []crm.Finding {
	var modules struct {
		Data struct {
			Attributes map[string]struct{ Access json.RawMessage }
		}
	}
	err := a.get(ctx, "describe", "read the modules", "/V8/meta/modules", nil, &modules)
	if err != nil {
		if a.answersAt(ctx, !a.cfg.Legacy) {
			err = fmt.Errorf("the API answers at %t: set legacy to it: %w", !a.cfg.Legacy, err)
		}
		return []crm.Finding{{Subject: "credentials", Err: err}}
	}
	findings := []crm.Finding{{Subject: "credentials"}}
	rights := []string{callsModule + " edit", callsModule + " view"}
	for _, o := range a.cfg.Objects {
		rights = append(rights, o.Name+" list", o.Name+" view")
	}
	for _, right := range rights {
		module, action, _ := strings.Cut(right, " ")
		f := crm.Finding{Subject: "right to " + action + " " + module}
		// A list, or an object where PHP left some out.
		if !bytes.Contains(modules.Data.Attributes[module].Access, []byte(`"`+action+`"`)) {
			f.Err = errors.New("the user of the OAuth2 client has it not: allow it under Admin > Role Management")
		}
		findings = append(findings, f)
	}
	plan, err := a.Plan(ctx)
	findings = append(findings, crm.Finding{Subject: "fields", Err: err})
	for _, p := range plan {
		f := crm.Finding{Subject: p.Title}
		if !p.Done {
			f.Err = errors.New(p.Manual)
		}
		findings = append(findings, f)
	}
	return append(findings, a.checkLookups(ctx)...)
}

// checkLookups looks up what nobody has.
func (a *Adapter) checkLookups(ctx context.Context) []crm.Finding {
	const nothing, nobody = "crmsyncd-check-0000", "+84000000000"
	var findings []crm.Finding
	for _, o := range a.cfg.Objects {
		found := a.Find(ctx, []crm.Lookup{{Object: o.Name, TransactionID: nothing}})
		findings = append(findings, crm.Finding{Subject: "find " + o.Name + " by transaction id", Err: found[0].Err})
		if len(o.Phones) == 0 {
			continue
		}
		records, _, err := a.list(ctx, "find", "find "+o.Name+" by phone", o.Name, o.Phones, nobody)
		if len(records) > 0 {
			err = errors.New("records come back that have not the number: SuiteCRM before 7.11.13 does not know the " +
				"operator or; update it, or name one phone field only")
		}
		findings = append(findings, crm.Finding{Subject: "find " + o.Name + " by phone", Err: err})
	}
	return append(findings, crm.Finding{
		Subject: "find user by agent", Err: a.FindUsers(ctx, []string{nothing})[0].Err,
	})
}

// answersAt reports whether the API stands at the other path: without a token it answers 401.
func (a *Adapter) answersAt(ctx context.Context, legacy bool) bool {
	client, err := api.NewClient(api.ClientConfig{BaseURL: a.cfg.root(legacy), Connection: a.cfg.Connection}, a.options)
	if err != nil {
		return false
	}
	defer client.Close()
	_, err = client.Do(ctx, api.Request{Operation: "describe", Title: "look for the API", Path: "/V8/meta/modules"})
	return isKind(err, crm.KindUnauthorized)
}
