package dynamics

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/call"
)

// impossible is a text that nothing has.
const impossible = "crmsyncd-check@example.invalid"

// need is a column that the configuration needs.
type need struct {
	table, column string
	// types are the AttributeTypes that fit.
	types []string
	// written: by us, else it is searched. label is what a column of one's own is called; empty: it comes with Dynamics.
	written bool
	label   string
}

func (n need) name() string { return n.table + "." + n.column }

// needs returns all columns that are used, table by table.
func (a *Adapter) needs() []need {
	var needs []need
	add := func(n need) {
		if n.column != "" {
			needs = append(needs, n)
		}
	}
	text := []string{"String"}
	for _, o := range a.cfg.Objects {
		add(need{table: o.Name, column: o.TransactionID, types: text, label: "Transaction ID"})
		for _, phone := range o.Phones {
			add(need{table: o.Name, column: phone, types: text})
		}
	}
	for _, column := range a.cfg.AgentFields {
		add(need{table: "systemuser", column: column, types: text})
	}
	for _, standard := range [][2]string{
		{"subject", "String"},
		{"description", "Memo"},
		{"phonenumber", "String"},
		{"directioncode", "Boolean"},
		{"actualstart", "DateTime"},
		{"actualend", "DateTime"},
		{"actualdurationminutes", "Integer"},
	} {
		add(need{table: "phonecall", column: standard[0], types: standard[1:], written: true})
	}
	p := a.cfg.PhoneCalls
	add(need{table: "phonecall", column: p.CallIDField, types: text, written: true, label: "Call ID"})
	add(need{table: "phonecall", column: p.SecondsField, types: []string{"Integer"}, written: true, label: "Talk Seconds"})
	add(need{
		table: "phonecall", column: p.RecordingField, types: []string{"String", "Memo"}, written: true, label: "Recording",
	})
	for _, column := range slices.Sorted(maps.Keys(a.cfg.Text.Fields)) {
		add(need{table: "phonecall", column: column, types: []string{"String", "Memo"}, written: true})
	}
	slices.SortStableFunc(needs, func(one, other need) int { return strings.Compare(one.table, other.table) })
	return needs
}

// column is what the definition of a table says of a column.
type column struct {
	Name   string `json:"LogicalName"`
	Type   string `json:"AttributeType"`
	Create bool   `json:"IsValidForCreate"`
	Update bool   `json:"IsValidForUpdate"`
}

// describe returns the columns of a table by their names.
func (a *Adapter) describe(ctx context.Context, table string) (map[string]column, error) {
	var answer struct {
		Attributes []column `json:"Attributes"`
	}
	err := a.client.JSON(ctx, api.Request{
		Operation: "describe", Title: "describe " + table, Path: a.root + "/EntityDefinitions(LogicalName='" + table +
			"')?$select=LogicalName&$expand=Attributes($select=LogicalName,AttributeType,IsValidForCreate,IsValidForUpdate)",
	}, &answer)
	columns := make(map[string]column, len(answer.Attributes))
	for _, c := range answer.Attributes {
		columns[c.Name] = c
	}
	return columns, err
}

// missing says what a column lacks and what to do, empty when it is as needed.
func (n need) missing(c column) string {
	switch {
	case c.Name == "" && n.label != "":
		return "is missing: run crmsyncd setup crm"
	case c.Name == "":
		return "is missing: correct its name"
	case !slices.Contains(n.types, c.Type):
		return fmt.Sprintf("is of type %s, it must be %s: name another column", c.Type, strings.Join(n.types, " or "))
	case n.written && (!c.Create || !c.Update):
		return "cannot be written: name another column"
	}
	return ""
}

// Check asks who we are, reads the definitions of the tables and our privileges, and looks a user and records up. What
// cannot be used is named with what to do.
func (a *Adapter) Check(ctx context.Context) []crm.Finding {
	var me struct {
		UserID string `json:"UserId"`
	}
	err := a.client.JSON(ctx, api.Request{Operation: "describe", Title: "who am I", Path: a.root + "/WhoAmI"}, &me)
	if err == nil && !guid.MatchString(me.UserID) {
		err = errors.New("the answer has no user: base_url is no Dataverse environment")
	}
	if err != nil {
		return []crm.Finding{{Subject: "credentials", Err: err}}
	}
	findings := []crm.Finding{{Subject: "credentials", Detail: "taken"}, a.checkPrivileges(ctx, me.UserID)}
	needs := a.needs()
	for begin, end := 0, 0; begin < len(needs); begin = end {
		for end = begin; end < len(needs) && needs[end].table == needs[begin].table; {
			end++
		}
		findings = append(findings, a.checkTable(ctx, needs[begin:end])...)
	}
	for _, o := range a.cfg.Objects {
		lookup := crm.Lookup{Object: o.Name, TransactionID: impossible}
		if o.TransactionID == "" {
			lookup = crm.Lookup{Object: o.Name, Phone: call.Number{Raw: impossible}}
		}
		findings = append(findings, probed("find "+o.Name, a.Find(ctx, []crm.Lookup{lookup})[0].Err))
	}
	return append(findings, probed("find user", a.FindUsers(ctx, []string{impossible})[0].Err))
}

func probed(subject string, err error) crm.Finding {
	if err != nil {
		return crm.Finding{Subject: subject, Err: err}
	}
	return crm.Finding{Subject: subject, Detail: "possible"}
}

// checkTable compares what one table needs with what it has.
func (a *Adapter) checkTable(ctx context.Context, needs []need) []crm.Finding {
	table := needs[0].table
	columns, err := a.describe(ctx, table)
	if err != nil {
		return []crm.Finding{{Subject: "table " + table, Err: err}}
	}
	var findings []crm.Finding
	for _, n := range needs {
		if problem := n.missing(columns[n.column]); problem != "" {
			findings = append(findings, crm.Finding{Subject: "column " + n.name(), Err: errors.New(problem)})
		}
	}
	if len(findings) == 0 {
		findings = []crm.Finding{{Subject: "table " + table, Detail: fmt.Sprintf("%d columns as needed", len(needs))}}
	}
	return findings
}

// checkPrivileges compares our privileges with those that calls need. Phone calls have those of the table Activity.
func (a *Adapter) checkPrivileges(ctx context.Context, user string) crm.Finding {
	var answer struct {
		RolePrivileges []struct{ PrivilegeName string }
	}
	err := a.client.JSON(ctx, api.Request{
		Operation: "describe", Title: "read privileges",
		Path: a.root + "/systemusers(" + user + ")/Microsoft.Dynamics.CRM.RetrieveUserPrivileges()",
	}, &answer)
	if err != nil {
		return crm.Finding{Subject: "privileges", Err: err}
	}
	have := map[string]bool{}
	for _, p := range answer.RolePrivileges {
		have[strings.ToLower(p.PrivilegeName)] = true
	}
	delete(have, "")
	if len(have) == 0 {
		return crm.Finding{Subject: "privileges", Detail: "Dataverse does not name them, look at the security role yourself"}
	}
	wanted := []string{
		"prvCreateActivity", "prvReadActivity", "prvWriteActivity", "prvAppendActivity", "prvAssignActivity", "prvReadUser",
	}
	for _, o := range a.cfg.Objects {
		wanted = append(wanted, "prvRead"+o.Name, "prvAppendTo"+o.Name)
	}
	lacking := slices.DeleteFunc(wanted, func(name string) bool { return have[strings.ToLower(name)] })
	if len(lacking) > 0 {
		return crm.Finding{Subject: "privileges", Err: fmt.Errorf(
			"the security role lacks %s: give it these at the level Organization", strings.Join(lacking, ", "))}
	}
	return crm.Finding{Subject: "privileges", Detail: "as needed"}
}

// Plan lists the columns of one's own.
func (a *Adapter) Plan(ctx context.Context) ([]crm.Preparation, error) {
	var plan []crm.Preparation
	seen := map[string]map[string]column{}
	for _, n := range a.needs() {
		if n.label == "" {
			continue
		}
		var err error
		if seen[n.table] == nil {
			if seen[n.table], err = a.describe(ctx, n.table); err != nil {
				return nil, err
			}
		}
		p := crm.Preparation{Name: n.name(), Title: fmt.Sprintf("column %s (%s)", n.name(), n.types[0])}
		switch problem := n.missing(seen[n.table][n.column]); {
		case problem == "":
			p.Done = true
		case seen[n.table][n.column].Name != "":
			p.Manual = "the column " + problem
		case !strings.Contains(n.column, "_"):
			p.Manual = "a column of your own begins with the prefix of a publisher, such as new_: correct its name"
		}
		plan = append(plan, p)
	}
	return plan, nil
}

// Prepare makes a column. One that is there is as good.
func (a *Adapter) Prepare(ctx context.Context, p crm.Preparation) error {
	needs := a.needs()
	i := slices.IndexFunc(needs, func(n need) bool { return n.label != "" && n.name() == p.Name })
	if i < 0 {
		return crm.Errorf(crm.KindInvalid, "prepare", "the configuration needs no column %s", p.Name)
	}
	n := needs[i]
	columns, err := a.describe(ctx, n.table)
	if err != nil || columns[n.column].Name != "" {
		return err
	}
	language, err := a.language(ctx)
	if err != nil {
		return err
	}
	definition := map[string]any{
		"@odata.type": "Microsoft.Dynamics.CRM." + n.types[0] + "AttributeMetadata", "SchemaName": n.column,
		"RequiredLevel": map[string]any{"Value": "None"},
		"DisplayName": map[string]any{
			"@odata.type": "Microsoft.Dynamics.CRM.Label",
			"LocalizedLabels": []any{map[string]any{
				"@odata.type": "Microsoft.Dynamics.CRM.LocalizedLabel", "Label": n.label, "LanguageCode": language,
			}},
		},
	}
	switch {
	case n.types[0] == "Integer":
		definition["Format"], definition["MinValue"], definition["MaxValue"] = "None", 0, 1<<31-1
	case n.label == "Recording":
		definition["FormatName"], definition["MaxLength"] = map[string]any{"Value": "Url"}, maxAddress
	default:
		definition["FormatName"], definition["MaxLength"] = map[string]any{"Value": "Text"}, 255
	}
	return a.client.JSON(ctx, api.Request{
		Operation: "setup", Title: "create column " + p.Name, Method: http.MethodPost, Effect: api.Changes, Body: definition,
		Path: a.root + "/EntityDefinitions(LogicalName='" + n.table + "')/Attributes",
	}, nil)
}

// language returns the base language of the organization (an LCID): every label needs one in it.
func (a *Adapter) language(ctx context.Context) (int, error) {
	var answer struct {
		Value []struct {
			LanguageCode int `json:"languagecode"`
		} `json:"value"`
	}
	err := a.client.JSON(ctx, api.Request{
		Operation: "describe", Title: "read base language", Path: a.root + "/organizations?$select=languagecode",
	}, &answer)
	if err == nil && len(answer.Value) == 0 {
		err = crm.Errorf(crm.KindTransient, "read base language", "the answer has no organization")
	}
	if err != nil {
		return 0, err
	}
	return answer.Value[0].LanguageCode, nil
}
