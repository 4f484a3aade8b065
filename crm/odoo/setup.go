package odoo

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/call"
)

// need is a field that a key of the configuration names: of which types it may be, the first one is best.
type need struct {
	key, model, field string
	types             string
	// relation is the model that a many2one points at, values are those that a selection must have.
	relation string
	values   []string
}

func (n need) name() string { return n.model + "." + n.field }
func (n need) best() string { return strings.Fields(n.types)[0] }

// needs returns all fields that are used, those of objects first.
func needs(c Config) []need {
	var all []need
	belongs := map[string]bool{}
	for i, o := range c.Objects {
		key := fmt.Sprintf("objects[%d]", i)
		belongs[o.Name] = true
		all = append(all, need{key: key + ".transaction_id", model: o.Name, field: o.TransactionID, types: "char"})
		for _, phone := range o.Phones {
			all = append(all, need{key: key + ".phones", model: o.Name, field: phone, types: "char"})
		}
	}
	calls := c.Calls.filled()
	f, duration := calls.Fields, "float"
	if calls.DurationUnit == "seconds" {
		duration = "integer float"
	}
	own := []need{
		{"name", "", f.Name, "char", "", nil},
		{"start", "", f.Start, "datetime", "", nil},
		{"duration", "", f.Duration, duration, "", nil},
		{"state", "", f.State, "char selection", "", []string{calls.Answered, calls.Missed, calls.Running}},
		{"direction", "", f.Direction, "char selection", "", []string{calls.Inbound, calls.Outbound}},
		{"user", "", f.User, "many2one", userModel, nil},
		{"phone", "", f.Phone, "char", "", nil},
		{"description", "", f.Description, "text html", "", nil},
		{"recording", "", f.Recording, "char text", "", nil},
		{"call_id", "", f.CallID, "char", "", nil},
	}
	if belongs[partnerModel] {
		own = append(own, need{"partner", "", f.Partner, "many2one", partnerModel, nil})
	}
	if belongs[leadModel] {
		own = append(own, need{"lead", "", f.Lead, "many2one", leadModel, nil})
	}
	for _, n := range own {
		n.key, n.model = "calls.fields."+n.key, calls.Model
		all = append(all, n)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Text.Fields)) {
		all = append(all, need{key: "text.fields", model: calls.Model, field: name, types: "char text html selection"})
	}
	return slices.DeleteFunc(all, func(n need) bool { return n.field == "" })
}

// lacks says what is wrong with a field that is there.
func (n need) lacks(f field) string {
	keys := map[any]bool{}
	for _, option := range f.Selection {
		if pair, isPair := option.([]any); isPair && len(pair) > 0 {
			keys[pair[0]] = true
		}
	}
	missing := slices.IndexFunc(n.values, func(value string) bool { return !keys[value] })
	switch {
	case !slices.Contains(strings.Fields(n.types), f.Type):
		return fmt.Sprintf("%s is of type %s, %s takes one of: %s", n.name(), f.Type, n.key, n.types)
	case f.Relation != n.relation:
		return fmt.Sprintf("%s points at %s, %s takes one that points at %s", n.name(), f.Relation, n.key, n.relation)
	case f.Type == "selection" && missing >= 0:
		return fmt.Sprintf("%s has no value %q: name another one in calls", n.name(), n.values[missing])
	}
	return ""
}

// Plan lists the fields that the configuration needs. Those whose names begin with x_ can be made by a user who may
// create records of ir.model.fields, an administrator; all others come with a module.
func (a *Adapter) Plan(ctx context.Context) ([]crm.Preparation, error) {
	a.server.forget() // what was made a minute ago counts
	mayCreate, err := a.server.may(ctx, "create", "ir.model.fields")
	if err != nil {
		return nil, err
	}
	var plan []crm.Preparation
	for _, n := range needs(a.cfg) {
		fields, err := a.server.fields(ctx, n.model)
		if is(err, crm.KindUnauthorized) && n.model == a.calls.Model { // the models before it could be read
			return append(plan, crm.Preparation{
				Name: n.model, Title: "model " + n.model, Manual: "install the OCA module crm_phonecall, or make a model of " +
					"your own (Settings > Technical > Models) that the API key's user may read, write and create, and name it in " +
					"calls.model",
			}), nil
		}
		if err != nil {
			return nil, err
		}
		p := crm.Preparation{Name: n.name(), Title: fmt.Sprintf("field %s (%s)", n.name(), n.best())}
		f, there := fields[n.field]
		switch {
		case there:
			p.Manual = n.lacks(f)
			p.Done = p.Manual == ""
		case !strings.HasPrefix(n.field, "x_"):
			p.Manual = "it is not there, or hidden from the API key's user: name another one at " + n.key
		case !mayCreate:
			p.Manual = "make it under Settings > Technical > Fields, or run crmsyncd setup crm with the API key of an " +
				"administrator"
		}
		plan = append(plan, p)
	}
	return plan, nil
}

// Prepare makes a field. One that is there is as good.
func (a *Adapter) Prepare(ctx context.Context, p crm.Preparation) error {
	all := needs(a.cfg)
	i := slices.IndexFunc(all, func(n need) bool { return n.name() == p.Name })
	if i < 0 {
		return crm.Errorf(crm.KindInvalid, "prepare", "the configuration needs no field %s", p.Name)
	}
	n := all[i]
	a.server.forget()
	defer a.server.forget()
	fields, err := a.server.fields(ctx, n.model)
	if _, there := fields[n.field]; there || err != nil {
		return err
	}
	models, _, err := a.server.search(ctx, "setup", "find model "+n.model, "ir.model",
		[]any{[]any{"model", "=", n.model}}, "model")
	if err == nil && len(models) != 1 {
		err = crm.Errorf(crm.KindForbidden, "create field "+n.name(), "the API key's user does not see the model")
	}
	if err != nil {
		return err
	}
	values := map[string]any{
		"name": n.field, "model_id": models[0]["id"], "ttype": n.best(), "state": "manual",
		"field_description": strings.ReplaceAll(strings.TrimPrefix(n.field, "x_"), "_", " "),
	}
	if n.relation != "" {
		values["relation"] = n.relation
	}
	if strings.HasSuffix(n.key, ".transaction_id") {
		values["index"] = true
	}
	var made []any
	return a.server.call(ctx, invocation{
		operation: "setup", title: "create field " + n.name(), model: "ir.model.fields", method: "create",
		arguments: map[string]any{"vals_list": []any{values}}, effect: api.Changes, pretend: []int{1},
	}, &made)
}

// Check compares fields and rights with the configuration, and sends each request that delivery sends so that it finds
// and changes nothing.
func (a *Adapter) Check(ctx context.Context) []crm.Finding {
	plan, err := a.Plan(ctx)
	findings := []crm.Finding{{Subject: "credentials", Err: err}}
	if err != nil {
		return findings
	}
	for _, p := range plan {
		f := crm.Finding{Subject: p.Title}
		if p.Manual != "" {
			f.Err = errors.New(p.Manual)
		} else if !p.Done {
			f.Err = errors.New("is missing: crmsyncd setup crm makes it")
		}
		findings = append(findings, f)
	}
	rights := []string{"read " + userModel, "read " + a.calls.Model, "write " + a.calls.Model, "create " + a.calls.Model}
	for _, o := range a.cfg.Objects {
		rights = append(rights, "read "+o.Name)
	}
	for _, right := range rights {
		operation, name, _ := strings.Cut(right, " ")
		allowed, err := a.server.may(ctx, operation, name)
		if err == nil && !allowed {
			err = errors.New("is not given: add the API key's user to a group that has it (Settings > Users)")
		}
		findings = append(findings, crm.Finding{Subject: "right to " + right, Err: err})
	}
	const nothing, nobody = "crmsyncd-check-0000", "+84000000000"
	for _, o := range a.cfg.Objects {
		found := a.Find(ctx, []crm.Lookup{
			{Object: o.Name, TransactionID: nothing}, {Object: o.Name, Phone: call.Number{Raw: nobody}},
		})
		findings = append(findings, crm.Finding{Subject: "find " + o.Name + " by transaction id", Err: found[0].Err},
			crm.Finding{Subject: "find " + o.Name + " by phone", Err: found[1].Err})
	}
	var loaded any
	err = a.server.call(ctx, invocation{
		operation: "describe", title: "write no call logs", model: a.calls.Model, method: "load",
		arguments: map[string]any{"fields": []string{"id", a.calls.Fields.Name}, "data": []any{}},
	}, &loaded)
	return append(findings, crm.Finding{Subject: "write by external id", Err: err},
		crm.Finding{Subject: "find user by agent", Err: a.FindUsers(ctx, []string{nothing})[0].Err})
}
