package bitrix24

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
)

// probe is one question of a check.
type probe struct {
	subject string
	command
	// judge says what an answer that is no error means.
	judge func(answer) (detail string, err error)
}

// Check asks for what the adapter needs, all in one request: who we are, the fields, the look-ups, and whether the
// methods of the mode may be called.
func (a *Adapter) Check(ctx context.Context) []crm.Finding {
	const impossible = "crmsyncd-check-0000"
	fine := func(answer) (string, error) { return "may be used", nil }
	probes := []probe{
		{"credentials", command{method: "profile"}, func(said answer) (string, error) {
			r := row{}
			err := said.into(&r)
			return "taken, as user " + scalar(r["ID"]), err
		}},
		{"look-up by number", command{
			method: "crm.duplicate.findbycomm", params: given("type", "PHONE", "values[0]", "84000000000"),
		}, fine},
		{"look-up of agents", command{method: "user.get", params: given("FILTER[EMAIL]", impossible)}, fine},
	}
	for _, o := range a.withField() {
		probes = append(probes, probe{"transaction id of " + o.Name, fields(o), o.problem})
	}
	if a.cfg.DefaultUser != "" {
		params := given("FILTER[ID]", a.cfg.DefaultUser, "FILTER[ACTIVE]", "1")
		probes = append(probes, probe{"default user", command{method: "user.get", params: params}, oneUser})
	}
	if a.telephony {
		for _, method := range []string{"register", "finish", "attachrecord"} { // lower case: the portal knows no other
			method = "telephony.externalcall." + method
			probes = append(probes, probe{method, command{method: "method.get", params: given("name", method)}, available})
		}
		probes = append(probes, probe{"call statistics", command{
			method: "voximplant.statistic.get", params: given("FILTER[CALL_ID]", impossible),
		}, fine})
	} else {
		probes = append(probes, probe{"call activities", command{
			method: "crm.activity.list", params: given("filter[ORIGIN_ID]", impossible),
		}, fine})
	}
	commands := make([]command, len(probes))
	for i, p := range probes {
		commands[i] = p.command
	}
	findings := make([]crm.Finding, len(probes))
	for i, said := range a.ask(ctx, api.Request{Operation: "describe", Title: "check"}, commands) {
		findings[i] = crm.Finding{Subject: probes[i].subject}
		if said.err != nil {
			findings[i].Err = said.err
			continue
		}
		findings[i].Detail, findings[i].Err = probes[i].judge(said)
	}
	return findings
}

// oneUser judges the look-up of the default user.
func oneUser(said answer) (string, error) {
	if rows, err := said.rows(); err != nil || len(rows) != 1 {
		return "", cmp.Or(err, errors.New("there is no active user with the id in default_user"))
	}
	return "is active", nil
}

// available judges method.get.
func available(said answer) (string, error) {
	var is struct{ IsExisting, IsAvailable bool }
	if err := said.into(&is); err != nil {
		return "", err
	}
	if !is.IsAvailable {
		return "", errors.New("is not to be had: give the application the right telephony, or set mode to activity")
	}
	return "may be called by an application; a webhook is refused", nil
}

// withField returns the objects that are looked up by transaction id.
func (a *Adapter) withField() []Object {
	return slices.DeleteFunc(slices.Clone(a.cfg.Objects), func(o Object) bool { return o.TransactionID == "" })
}

// fields asks for the fields of an object.
func fields(o Object) command {
	return command{method: "crm.item.fields", params: given("entityTypeId", entityTypes()[o.Name])}
}

// errMissing: the field is not there.
var errMissing = errors.New("the field is not there: make it, or let \"crmsyncd setup crm\" do it")

// problem judges the fields of an object: the one with the transaction id must be a single text.
func (o Object) problem(said answer) (string, error) {
	var known struct {
		Fields map[string]struct {
			Type       string
			IsMultiple bool
			UpperName  string
		}
	}
	if err := said.into(&known); err != nil {
		return "", err
	}
	for name, f := range known.Fields {
		switch {
		case name != camel(o.TransactionID) && f.UpperName != o.TransactionID:
			continue
		case name != camel(o.TransactionID):
			return "", fmt.Errorf("the portal calls the field %.64q: write that into transaction_id", name)
		case f.Type != "string" || f.IsMultiple:
			return "", fmt.Errorf("the field is of type %.32q (multiple: %t), it must be a single string", f.Type, f.IsMultiple)
		}
		return "field " + o.TransactionID, nil
	}
	return "", errMissing
}

// Plan returns the custom fields that the objects need.
func (a *Adapter) Plan(ctx context.Context) ([]crm.Preparation, error) {
	var commands []command
	for _, o := range a.withField() {
		commands = append(commands, fields(o))
	}
	var plan []crm.Preparation
	for i, said := range a.ask(ctx, api.Request{Operation: "describe", Title: "read fields"}, commands) {
		if said.err != nil {
			return nil, said.err
		}
		o := a.withField()[i]
		_, err := o.problem(said)
		p := crm.Preparation{
			Name: o.Name + ".transaction_id", Title: "custom field " + o.TransactionID + " of " + o.Name, Done: err == nil,
		}
		switch {
		case err != nil && !errors.Is(err, errMissing):
			p.Manual = err.Error()
		case err != nil && !ownField.MatchString(o.TransactionID):
			p.Manual = "make a custom field of type string in the settings of the CRM and write its name into transaction_id"
		}
		plan = append(plan, p)
	}
	return plan, nil
}

// Prepare makes one custom field. Only an administrator may (crm.contact.userfield.add and its like).
func (a *Adapter) Prepare(ctx context.Context, p crm.Preparation) error {
	for _, o := range a.withField() {
		if p.Name != o.Name+".transaction_id" {
			continue
		}
		request := api.Request{Operation: "setup", Title: "make " + p.Title, Effect: api.Changes}
		said := a.ask(ctx, request, []command{{
			method: "crm." + o.Name + ".userfield.add", pretend: 1, params: given(
				"fields[FIELD_NAME]", strings.TrimPrefix(o.TransactionID, "UF_CRM_"), "fields[USER_TYPE_ID]", "string",
				"fields[LABEL]", "Transaction ID", "fields[SHOW_FILTER]", "Y",
			),
		}})[0]
		if said.err != nil && !strings.Contains(strings.ToLower(said.err.Message), "already exist") {
			return said.err
		}
		return nil
	}
	return fmt.Errorf("%s: is none of the preparations of Bitrix24", p.Name)
}
