package zoho

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

// impossible is a value that nothing has.
const impossible = "crmsyncd-check"

// need is a field that the configuration needs in a module.
type need struct {
	module, field string
	// own: it can be made, it does not come with Zoho. unique: its values must be. types are those that it may have, none:
	// any. value is one that its picklist must have.
	own, unique bool
	types       []string
	value       string
}

// name identifies the field in a plan.
func (n need) name() string { return n.module + "." + n.field }

// needs returns all fields that are used, module by module.
func (a *Adapter) needs() []need {
	var needs []need
	single := []string{"text", "website", "phone", "email", "bigint", "integer"}
	for _, o := range a.cfg.Objects {
		if o.TransactionID != "" {
			needs = append(needs, need{module: o.Name, field: o.TransactionID, own: true, types: single})
		}
		for _, phone := range o.Phones {
			needs = append(needs, need{module: o.Name, field: phone, types: []string{"phone", "text"}})
		}
	}
	c := a.cfg.Calls
	for _, field := range []string{"Subject", "Description", "Call_Type", "Call_Start_Time", "Call_Duration", "Owner"} {
		needs = append(needs, need{module: "Calls", field: field})
	}
	for field := range a.cfg.Text.Fields {
		needs = append(needs, need{module: "Calls", field: field})
	}
	if c.Recording != "" {
		needs = append(needs, need{module: "Calls", field: c.Recording})
	}
	if c.NoAnswer != "" {
		needs = append(needs, need{module: "Calls", field: "Call_Result", value: c.NoAnswer})
	}
	return append(needs, need{module: "Calls", field: c.CallID, own: true, unique: c.Upsert, types: single[:1]})
}

// described is what Zoho says of a field.
type described struct {
	APIName        string         `json:"api_name"`
	DataType       string         `json:"data_type"`
	Unique         map[string]any `json:"unique"`
	PickListValues []struct {
		ActualValue string `json:"actual_value"`
	} `json:"pick_list_values"`
}

// describe returns the fields of a module by name.
func (a *Adapter) describe(ctx context.Context, module string) (map[string]described, error) {
	var answer struct {
		Fields []described `json:"fields"`
	}
	_, err := a.do(ctx, api.Request{
		Operation: "describe", Title: "describe " + module, Path: "/settings/fields", Query: url.Values{"module": {module}},
	}, &answer)
	fields := make(map[string]described, len(answer.Fields))
	for _, f := range answer.Fields {
		fields[f.APIName] = f
	}
	return fields, err
}

// missing says what a field lacks and what to do, empty when it is as needed.
func (n need) missing(f described) string {
	switch {
	case f.APIName == "" && n.own:
		return "is missing: run crmsyncd setup crm, or make a single line field of that API name"
	case f.APIName == "":
		return "is missing or hidden from the user of the refresh token: name another, or show it in the profile"
	case len(n.types) > 0 && !slices.Contains(n.types, f.DataType):
		return fmt.Sprintf("is of the type %s: name a field of the type %s", f.DataType, strings.Join(n.types, " or "))
	case n.unique && len(f.Unique) == 0:
		return `takes one value twice: tick "Do not allow duplicate values" at it or, where that cannot be, set ` +
			"calls.upsert to false"
	case n.value == "" || len(f.PickListValues) == 0:
		return ""
	}
	for _, choice := range f.PickListValues {
		if choice.ActualValue == n.value {
			return ""
		}
	}
	return fmt.Sprintf("has no value %q and would be given one: add it, or name another in calls.no_answer", n.value)
}

// Check looks at the fields, the queries and the users, and finds out without writing whether Calls takes an upsert and
// how Call_Duration is read.
func (a *Adapter) Check(ctx context.Context) []crm.Finding {
	_, _, err := a.logsByCallID(ctx, "", []string{impossible})
	findings := []crm.Finding{finding("credentials and queries", err, "taken")}
	needs := a.needs()
	for begin, end := 0, 0; begin < len(needs); begin = end {
		for end = begin; end < len(needs) && needs[end].module == needs[begin].module; {
			end++
		}
		findings = append(findings, a.checkModule(ctx, needs[begin:end])...)
	}
	for _, o := range a.cfg.Objects {
		if o.TransactionID != "" {
			_, _, err := a.byTransactionID(ctx, o.Name, []string{impossible})
			findings = append(findings, finding("find in "+o.Name, err, "possible"))
		}
	}
	_, err = a.users(ctx)
	findings = append(findings, finding("find user by e-mail", err, "possible"))
	if a.cfg.Calls.Upsert {
		findings = append(findings, a.checkUpsert(ctx))
	}
	return append(findings, a.checkDuration(ctx))
}

func finding(subject string, err error, detail string) crm.Finding {
	if err != nil {
		return crm.Finding{Subject: subject, Err: err}
	}
	return crm.Finding{Subject: subject, Detail: detail}
}

// checkModule compares what is needed of one module with what it has.
func (a *Adapter) checkModule(ctx context.Context, needs []need) []crm.Finding {
	module := needs[0].module
	fields, err := a.describe(ctx, module)
	if err != nil {
		return []crm.Finding{finding("module "+module, err, "")}
	}
	var findings []crm.Finding
	for _, n := range needs {
		if problem := n.missing(fields[n.field]); problem != "" {
			findings = append(findings, crm.Finding{Subject: "field " + n.name(), Err: errors.New(problem)})
		}
	}
	if len(findings) == 0 {
		return []crm.Finding{{Subject: "module " + module, Detail: fmt.Sprintf("%d fields as needed", len(needs))}}
	}
	return findings
}

// checkUpsert sends an upsert without any record: Zoho misses the records where it takes upserts of calls.
func (a *Adapter) checkUpsert(ctx context.Context) crm.Finding {
	const subject = "upsert of calls"
	r := api.Request{
		Operation: "describe", Title: "try an upsert of nothing", Method: http.MethodPost, Path: "/Calls/upsert",
		Body: envelope{Data: []map[string]any{}, DuplicateFields: []string{a.cfg.Calls.CallID}, Trigger: []string{}},
	}
	_, err := a.do(ctx, r, &struct{}{})
	switch {
	case err == nil || crm.Classify(err).Kind == crm.KindInvalid:
		return finding(subject, nil, "taken")
	case crm.Classify(err).Kind == crm.KindUnauthorized:
		err = fmt.Errorf("%w; where Calls takes no upsert, set calls.upsert to false", err)
	}
	return finding(subject, err, "")
}

// checkDuration compares the durations of calls that are there with their seconds.
func (a *Adapter) checkDuration(ctx context.Context) crm.Finding {
	const subject = "format of Call_Duration"
	r := api.Request{Operation: "describe", Title: "read durations"}
	rows, _, err := a.query(ctx, r, []string{"Call_Duration", "Call_Duration_in_seconds"}, "Calls",
		"Call_Duration_in_seconds > 0")
	if err != nil {
		return finding(subject, err, "")
	}
	for _, found := range rows {
		var first, second, seconds int64
		_, textErr := fmt.Sscanf(found.text("Call_Duration"), "%d:%d", &first, &second)
		_, err := fmt.Sscan(string(found["Call_Duration_in_seconds"]), &seconds)
		read := map[int64]string{first*60 + second: minutesSeconds, (first*60 + second) * 60: hoursMinutes}[seconds]
		switch {
		case textErr != nil || err != nil || read == "":
		case read == a.cfg.Calls.Duration:
			return finding(subject, nil, read+", as calls that are there show")
		default:
			return finding(subject, fmt.Errorf("calls that are there show %s: set calls.duration to it", read), "")
		}
	}
	return finding(subject, nil, "no call is there to tell: check again after the first")
}

// Plan lists the fields of one's own.
func (a *Adapter) Plan(ctx context.Context) ([]crm.Preparation, error) {
	var plan []crm.Preparation
	seen := make(map[string]map[string]described)
	for _, n := range a.needs() {
		if !n.own {
			continue
		}
		var err error
		if seen[n.module] == nil {
			if seen[n.module], err = a.describe(ctx, n.module); err != nil {
				return nil, err
			}
		}
		f := seen[n.module][n.field]
		p := crm.Preparation{Name: n.name(), Title: "field " + n.name() + " (single line)"}
		if f.APIName != "" {
			p.Manual = n.missing(f)
			p.Done = p.Manual == ""
		}
		plan = append(plan, p)
	}
	return plan, nil
}

// Prepare makes a field. Zoho derives its API name from the label; that a field is there already is as good.
func (a *Adapter) Prepare(ctx context.Context, p crm.Preparation) error {
	needs := a.needs()
	i := slices.IndexFunc(needs, func(n need) bool { return n.own && n.name() == p.Name })
	if i < 0 {
		return crm.Errorf(crm.KindInvalid, "prepare", "the configuration needs no field %s", p.Name)
	}
	field := map[string]any{
		"field_label": strings.ReplaceAll(needs[i].field, "_", " "), "data_type": "text", "length": maxAddress,
	}
	if needs[i].unique {
		field["unique"] = map[string]bool{"casesensitive": true}
	}
	r := api.Request{
		Operation: "setup", Title: "create field " + p.Name, Path: "/settings/fields", Effect: api.Changes,
		Query: url.Values{"module": {needs[i].module}}, Body: map[string]any{"fields": []any{field}},
		Pretend: map[string]any{"fields": []any{map[string]string{"code": "SUCCESS"}}},
	}
	var answer struct {
		Fields []result `json:"fields"`
	}
	_, err := a.do(ctx, r, &answer)
	for _, made := range answer.Fields {
		if made.Code != "SUCCESS" && made.Code != "DUPLICATE_DATA" {
			err = crm.Errorf(crm.KindInvalid, r.Title, "%s", a.client.Mask(made.words()))
		}
	}
	if err != nil && needs[i].unique {
		return fmt.Errorf("%w; where Calls takes no unique field, set calls.upsert to false", err)
	}
	return err
}
