package salesforce

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
)

// impossible is a user name that nobody has.
const impossible = "crmsyncd-check@example.invalid"

// need is a field that the configuration needs on an object.
type need struct {
	object, field string
	// metadata is how the Tooling API makes the field; nil: it comes with Salesforce.
	metadata map[string]any
	// create, update: it is written. external: it is the key of the upsert. values: those that a picklist must have.
	create, update, external bool
	values                   []string
}

// name is that of the field in the Tooling API. Fields of tasks are fields of Activity.
func (n need) name() string { return strings.Replace(n.object, "Task", "Activity", 1) + "." + n.field }

// needs returns all fields that are used, object by object.
func (a *Adapter) needs() []need {
	var needs []need
	for _, o := range a.cfg.Objects {
		if o.TransactionID != "" {
			needs = append(needs, need{object: o.Name, field: o.TransactionID, metadata: map[string]any{
				"label": "Transaction ID", "type": "Text", "length": 255, "externalId": true, // indexed, not unique
			}})
		}
		for _, phone := range o.Phones {
			needs = append(needs, need{object: o.Name, field: phone})
		}
	}
	t := a.cfg.Tasks
	task := func(n need) {
		if n.object = "Task"; n.field != "" {
			needs = append(needs, n)
		}
	}
	for _, field := range []string{
		"Subject", "Description", "ActivityDate", "CallType", "CallDurationInSeconds", "CallDisposition", "WhoId", "WhatId",
		"OwnerId",
	} {
		task(need{field: field, create: true, update: true})
	}
	for field := range a.cfg.Text.Fields {
		task(need{field: field, create: true, update: true})
	}
	task(need{field: "TaskSubtype", create: true, values: []string{"Call"}})
	task(need{field: "CallObject", create: true})
	task(need{field: "Status", create: true, update: true, values: []string{t.Running, t.Ended}})
	task(need{field: "Priority", create: true, values: []string{t.Priority}})
	task(need{field: t.RecordingField, create: true, update: true, metadata: map[string]any{
		"label": "Call Recording", "type": "Url",
	}})
	task(need{field: t.StartField, create: true, update: true, metadata: map[string]any{
		"label": "Call Start", "type": "DateTime",
	}})
	task(need{field: t.CallIDField, create: true, external: t.Upsert, metadata: map[string]any{
		"label": "Call ID", "type": "Text", "length": 255, "externalId": t.Upsert, "unique": t.Upsert,
		"caseSensitive": t.Upsert,
	}})
	return needs
}

// described is what describe says of a field.
type described struct {
	Name           string   `json:"name"`
	Createable     bool     `json:"createable"`
	Updateable     bool     `json:"updateable"`
	Filterable     bool     `json:"filterable"`
	ExternalID     bool     `json:"externalId"`
	IDLookup       bool     `json:"idLookup"`
	PicklistValues []choice `json:"picklistValues"`
}

// choice is a value of a picklist.
type choice struct {
	Value  string `json:"value"`
	Active bool   `json:"active"`
}

// describe returns the fields of an object that the integration user may see, by name in lower case.
func (a *Adapter) describe(ctx context.Context, object string) (map[string]described, error) {
	var answer struct {
		Fields []described `json:"fields"`
	}
	err := a.client.JSON(ctx, api.Request{
		Operation: "describe", Title: "describe " + object, Method: http.MethodGet,
		Path: a.path("sobjects/" + object + "/describe"),
	}, &answer)
	fields := make(map[string]described, len(answer.Fields))
	for _, f := range answer.Fields {
		fields[strings.ToLower(f.Name)] = f
	}
	return fields, err
}

// Check describes the objects and looks a user up. What cannot be used is named with what to do.
func (a *Adapter) Check(ctx context.Context) []crm.Finding {
	needs := a.needs()
	findings := []crm.Finding{{Subject: "credentials", Detail: "taken"}}
	for begin, end := 0, 0; begin < len(needs); begin = end {
		for end = begin; end < len(needs) && needs[end].object == needs[begin].object; {
			end++
		}
		findings = append(findings, a.checkObject(ctx, needs[begin:end])...)
	}
	users := crm.Finding{Subject: "find user by " + a.cfg.AgentField, Detail: "possible"}
	if users.Err = a.FindUsers(ctx, []string{impossible})[0].Err; users.Err != nil {
		users.Detail = ""
	}
	findings = append(findings, users)
	for _, f := range findings {
		if f.Subject == "object Task" && f.Err != nil { // every user may describe tasks
			findings[0] = crm.Finding{Subject: "credentials", Err: f.Err}
		}
	}
	return findings
}

// checkObject compares what one object needs with what it has.
func (a *Adapter) checkObject(ctx context.Context, needs []need) []crm.Finding {
	object := needs[0].object
	fields, err := a.describe(ctx, object)
	if err != nil {
		return []crm.Finding{{Subject: "object " + object, Err: err}}
	}
	var findings []crm.Finding
	for _, n := range needs {
		if problem := n.missing(fields[strings.ToLower(n.field)]); problem != "" {
			findings = append(findings, crm.Finding{Subject: "field " + object + "." + n.field, Err: errors.New(problem)})
		}
	}
	if len(findings) == 0 {
		findings = []crm.Finding{{Subject: "object " + object, Detail: fmt.Sprintf("%d fields as needed", len(needs))}}
	}
	return findings
}

// missing says what a field lacks and what to do, empty when it is as needed.
func (n need) missing(f described) string {
	switch {
	case f.Name == "" && n.metadata != nil:
		return "is missing or hidden from the integration user: run crmsyncd setup crm, and give its permission set " +
			"Read and Edit on the field"
	case f.Name == "":
		return "is missing or hidden from the integration user: give its permission set Read and Edit on the field"
	case n.create && !f.Createable || n.update && !f.Updateable:
		return "cannot be written by the integration user: give its permission set Edit on the field"
	case !n.create && !f.Filterable:
		return "cannot be searched: choose a field of type Text or Phone"
	case n.external && !f.ExternalID && !f.IDLookup:
		return "is no external id: tick External ID and Unique at the field or, where activities cannot have one, set " +
			"tasks.upsert to false"
	}
	for _, value := range n.values {
		if !slices.Contains(f.PicklistValues, choice{Value: value, Active: true}) {
			return fmt.Sprintf("has no active value %q: add it in Setup or name another in tasks", value)
		}
	}
	return ""
}

// Plan lists the custom fields. A field that is there but hidden can only be shown by a person.
func (a *Adapter) Plan(ctx context.Context) ([]crm.Preparation, error) {
	var plan []crm.Preparation
	seen := make(map[string]map[string]described)
	for _, n := range a.needs() {
		if n.metadata == nil || !strings.HasSuffix(n.field, "__c") {
			continue
		}
		var err error
		if seen[n.object] == nil {
			if seen[n.object], err = a.describe(ctx, n.object); err != nil {
				return nil, err
			}
		}
		f := seen[n.object][strings.ToLower(n.field)]
		p := crm.Preparation{Name: n.name(), Title: fmt.Sprintf("field %s (%s)", n.name(), n.metadata["type"])}
		if f.Name == "" {
			p.Manual, err = a.hidden(ctx, n)
		} else if p.Manual = n.missing(f); p.Manual == "" {
			p.Done = true
		}
		if err != nil {
			return nil, err
		}
		plan = append(plan, p)
	}
	return plan, nil
}

// hidden says what to do about a field that the integration user does not see but the org has; empty: it has none.
func (a *Adapter) hidden(ctx context.Context, n need) (string, error) {
	table, _, _ := strings.Cut(n.name(), ".")
	var answer struct {
		Records []any `json:"records"`
	}
	err := a.client.JSON(ctx, api.Request{
		Operation: "setup", Title: "find custom field", Method: http.MethodGet, Path: a.path("tooling/query"),
		Query: url.Values{"q": {"SELECT DeveloperName FROM CustomField WHERE DeveloperName = " +
			quote(strings.TrimSuffix(n.field, "__c")) + " AND TableEnumOrId = " + quote(table)}},
	}, &answer)
	if err != nil || len(answer.Records) == 0 {
		return "", err
	}
	return "the field is there, but the integration user does not see it: give its permission set Read and Edit on " +
		n.name(), nil
}

// Prepare makes a custom field through the Tooling API. Salesforce gives nobody the right to see it: the next Plan says
// how. A field of that name is as good.
func (a *Adapter) Prepare(ctx context.Context, p crm.Preparation) error {
	needs := a.needs()
	i := slices.IndexFunc(needs, func(n need) bool { return n.metadata != nil && n.name() == p.Name })
	if i < 0 {
		return crm.Errorf(crm.KindInvalid, "prepare", "the configuration needs no field %s", p.Name)
	}
	r := api.Request{
		Operation: "setup", Title: "create field " + p.Name, Method: http.MethodPost,
		Path: a.path("tooling/sobjects/CustomField"), Effect: api.Changes,
		Body: map[string]any{"FullName": p.Name, "Metadata": needs[i].metadata},
	}
	r.Judge = func(answer api.Answer) *crm.Error {
		e := judge(r, answer)
		if e != nil && strings.HasPrefix(e.Message, "DUPLICATE_DEVELOPER_NAME") {
			return nil
		}
		return e
	}
	err := a.client.JSON(ctx, r, nil)
	if err != nil && needs[i].external {
		return fmt.Errorf("%w; where activities cannot have external ids, set tasks.upsert to false", err)
	}
	return err
}
