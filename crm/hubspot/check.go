package hubspot

import (
	"context"
	"fmt"
	"slices"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/call"
)

// need is a property that the configuration counts on. One of our own can be made.
type need struct {
	object, objectType, name, key string
	own, unique                   bool
}

// needs lists the properties of the configuration, by type.
func (a *Adapter) needs() []need {
	var needs []need
	for _, o := range a.objects {
		needs = append(needs, need{o.Name, o.Type, o.TransactionID, "objects", true, false})
		for _, name := range slices.Concat(o.Phones, o.SearchPhones) {
			needs = append(needs, need{o.Name, o.Type, name, "objects", false, false})
		}
	}
	needs = append(needs, need{"call", "calls", a.cfg.CallID, "call_id", true, a.cfg.UniqueProperty})
	for name := range a.cfg.Text.Fields {
		needs = append(needs, need{"call", "calls", name, "text.fields", false, false})
	}
	return needs
}

// property is the definition of a property.
type property struct {
	Name    string   `json:"name"`
	Type    string   `json:"type"`
	Group   string   `json:"groupName"`
	Unique  bool     `json:"hasUniqueValue"`
	Options []choice `json:"options"`
}

// choice is an option of an enumeration.
type choice struct {
	Value string `json:"value"`
}

// describe returns the properties of a type by name.
func (a *Adapter) describe(ctx context.Context, objectType string) (map[string]property, error) {
	var got struct {
		Results []property `json:"results"`
	}
	err := a.client.JSON(ctx, api.Request{
		Operation: "describe", Title: "read the properties of " + objectType, Budget: budgetOther,
		Path: a.path("properties", "/"+objectType),
	}, &got)
	known := make(map[string]property, len(got.Results))
	for _, p := range got.Results {
		known[p.Name] = p
	}
	return known, err
}

// Check reads owners and properties, searches for what nobody has, and updates a call that is not there: that tells
// whether the token may write and changes nothing.
func (a *Adapter) Check(ctx context.Context) []crm.Finding {
	const nobody = "crmsyncd-check-0000"
	var findings []crm.Finding
	found := func(subject, detail string, err error) {
		findings = append(findings, crm.Finding{Subject: subject, Detail: detail, Err: err})
	}
	_, err := a.findUser(ctx, nobody+"@example.com")
	found("credentials and owners", "taken", err)
	known, failed := map[string]map[string]property{}, map[string]error{}
	for _, n := range a.needs() {
		if _, asked := known[n.objectType]; !asked {
			known[n.objectType], failed[n.objectType] = a.describe(ctx, n.objectType)
		}
		err := failed[n.objectType]
		if err == nil {
			err = n.problem(known[n.objectType])
		}
		found("property "+n.name+" of "+n.object, "is there", err)
	}
	for _, outcome := range []string{a.cfg.Dispositions.Answered, a.cfg.Dispositions.Missed} {
		options := known["calls"]["hs_call_disposition"].Options
		if outcome != "" && len(options) > 0 && !slices.Contains(options, choice{outcome}) {
			found("dispositions", "", fmt.Errorf("dispositions: the account has no call outcome %s: name another or none",
				outcome))
		}
	}
	for _, o := range a.objects {
		result := a.Find(ctx, []crm.Lookup{{Object: o.Name, TransactionID: nobody}})[0]
		found("find "+o.Name+" by transaction id", fmt.Sprintf("%d found", len(result.Records)), result.Err)
	}
	found("find call log by call id", "nothing found", a.FindLogs(ctx, []call.Call{{ID: nobody}})[0].Err)
	probe := &item{input: input{ID: "0", Properties: map[string]string{"hs_call_title": nobody}}}
	a.batch(ctx, a.calls("update"), []*item{probe})
	if e := crm.Classify(probe.err); probe.err != nil && (e.Kind == crm.KindGone || e.Kind == crm.KindInvalid) {
		probe.err = nil // It may write, there is only nothing to write to.
	}
	found("write calls", "permitted", probe.err)
	return findings
}

// problem tells what is wrong with a property that is needed.
func (n need) problem(known map[string]property) error {
	p, there := known[n.name]
	switch {
	case !there && n.own:
		return fmt.Errorf("%s: %s has no property %s: make it with crmsyncd setup, or name another", n.key, n.object, n.name)
	case !there:
		return fmt.Errorf("%s: %s has no property %s: name another", n.key, n.object, n.name)
	case n.own && p.Type != "string":
		return fmt.Errorf("%s: property %s of %s is of type %s, it has to be text", n.key, n.name, n.object, p.Type)
	case n.unique && !p.Unique:
		return fmt.Errorf("%s: property %s of calls does not have unique values, which cannot be changed: name another, "+
			"or set unique_property: false", n.key, n.name)
	default:
		return nil
	}
}

// Plan lists the properties of our own. A unique one that is there without unique values is for a person to decide on.
func (a *Adapter) Plan(ctx context.Context) ([]crm.Preparation, error) {
	var plan []crm.Preparation
	for _, n := range a.needs() {
		if !n.own {
			continue
		}
		known, err := a.describe(ctx, n.objectType)
		if err != nil {
			return nil, err
		}
		p := crm.Preparation{Name: n.object + "." + n.name, Title: "text property " + n.name + " of " + n.object}
		problem := n.problem(known)
		if _, there := known[n.name]; there && problem != nil {
			p.Manual = problem.Error()
		}
		p.Done = problem == nil
		plan = append(plan, p)
	}
	return plan, nil
}

// Prepare makes a property, in the group of the property hs_object_id. One that is there already is fine.
func (a *Adapter) Prepare(ctx context.Context, p crm.Preparation) error {
	needs := a.needs()
	i := slices.IndexFunc(needs, func(n need) bool { return n.own && n.object+"."+n.name == p.Name })
	if i < 0 {
		return fmt.Errorf("prepare HubSpot: %q is none of the plan", p.Name)
	}
	n := needs[i]
	known, err := a.describe(ctx, n.objectType)
	if _, there := known[n.name]; err != nil || there {
		return err
	}
	err = a.client.JSON(ctx, api.Request{
		Operation: "setup", Title: "make property " + n.name + " of " + n.object, Budget: budgetOther,
		Path: a.path("properties", "/"+n.objectType), Effect: api.Changes,
		Body: map[string]any{
			"name": n.name, "label": n.name, "type": "string", "fieldType": "text", "hasUniqueValue": n.unique,
			"groupName": known["hs_object_id"].Group,
		},
	}, nil)
	if e := crm.Classify(err); err != nil && e.Kind == crm.KindInvalid && n.unique {
		return fmt.Errorf("%w: if the account takes no unique property on calls, set unique_property: false", err)
	}
	return err
}
