package espocrm

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/call"
)

// need is a field that the configuration names: of which types it may be, the first one is best, and how many
// characters it must take.
type need struct {
	object, field string
	types         []string
	length        int
}

// String names a need.
func (n need) String() string { return n.object + "." + n.field }

// needs returns the fields that must be there.
func (c Config) needs() []need {
	fields := []need{
		{callType, c.Calls.CallID, []string{"varchar"}, 64},
		{callType, c.Calls.RecordingURL, []string{"url", "varchar", "text"}, 255},
		{callType, c.Calls.Duration, []string{"int"}, 0},
		{callType, c.Calls.Text, []string{"text"}, 0},
	}
	for _, field := range slices.Sorted(maps.Keys(c.Text.Fields)) {
		fields = append(fields, need{callType, field, []string{"varchar", "text"}, 0})
	}
	for _, o := range c.Objects {
		fields = append(fields, need{o.Name, o.TransactionID, []string{"varchar"}, 64})
		for _, phone := range o.Phones {
			fields = append(fields, need{o.Name, phone, []string{"phone", "varchar"}, 0})
		}
	}
	return slices.DeleteFunc(fields, func(n need) bool { return n.field == "" })
}

// Plan names the fields that the configuration needs. Only an administrator can make fields, which an API user never is
// (source: FieldManager.php), so all that is missing is for a person to do.
func (a *Adapter) Plan(ctx context.Context) ([]crm.Preparation, error) {
	var plan []crm.Preparation
	for _, n := range a.cfg.needs() {
		var defined map[string]struct {
			Type      string
			MaxLength int
		}
		err := a.get(ctx, "describe", "read the fields of "+n.object, "/Metadata",
			url.Values{"key": {"entityDefs." + n.object + ".fields"}}, &defined)
		if err != nil {
			return nil, err
		}
		p := crm.Preparation{Name: n.String(), Title: "field " + n.String()}
		field, there := defined[n.field]
		where := fmt.Sprintf("Administration > Entity Manager > %s > Fields: ", n.object)
		switch _, old := defined["entityDefs"]; {
		case old: // before 8.2 the answer is the metadata of everything: only look-ups can tell then
		case !there:
			p.Manual = fmt.Sprintf("%sadd a field of type %s named %s (EspoCRM puts the c before it), or let the role read it",
				where, n.types[0], strings.ToLower(n.field[1:2])+n.field[2:])
			if n.length > 0 {
				p.Manual += fmt.Sprintf("; its max length must be %d or more", n.length)
			}
		case !slices.Contains(n.types, field.Type):
			p.Manual = fmt.Sprintf("%sit is of type %s and must be of %s", where, field.Type, strings.Join(n.types, " or "))
		case field.MaxLength > 0 && field.MaxLength < n.length:
			p.Manual = fmt.Sprintf("%sraise its max length from %d to %d", where, field.MaxLength, n.length)
		}
		p.Done = p.Manual == ""
		plan = append(plan, p)
	}
	return plan, nil
}

// Prepare has nothing to do: see Plan.
func (a *Adapter) Prepare(_ context.Context, p crm.Preparation) error {
	return crm.Errorf(crm.KindInvalid, "make "+p.Title, "an API user cannot: %s", p.Manual)
}

// Check reads what the API user may do and which fields there are, and sends every look-up once.
func (a *Adapter) Check(ctx context.Context) []crm.Finding {
	var app struct {
		User entity
		ACL  struct {
			Table                map[string]any
			AssignmentPermission string
		}
	}
	err := a.get(ctx, "describe", "read the rights of the API user", "/App/user", nil, &app)
	findings := []crm.Finding{{Subject: "credentials", Err: err, Detail: app.User.text("userName")}}
	if err != nil {
		return findings
	}
	allow := func(subject, level string) {
		f := crm.Finding{Subject: "right to " + subject, Detail: level}
		if level != "all" && level != "yes" && app.User.text("type") != "admin" {
			f.Err = fmt.Errorf("the role allows %q, set it to all or yes under Administration > Roles", level)
		}
		findings = append(findings, f)
	}
	allow("assign users", app.ACL.AssignmentPermission)
	rights := []string{"User read", "Call create", "Call read", "Call edit"}
	for _, o := range a.cfg.Objects {
		rights = append(rights, o.Name+" read")
	}
	for _, right := range rights {
		object, action, _ := strings.Cut(right, " ")
		levels, _ := app.ACL.Table[object].(map[string]any)
		allow(action+" "+object, entity(levels).text(action))
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
	const nothing, nobody = "crmsyncd-check-0000", "+84000000000"
	for _, o := range a.cfg.Objects {
		found := a.Find(ctx, []crm.Lookup{
			{Object: o.Name, TransactionID: nothing}, {Object: o.Name, Phone: call.ParseNumber(nobody, "")},
		})
		findings = append(findings, crm.Finding{Subject: "find " + o.Name + " by transaction id", Err: found[0].Err},
			crm.Finding{Subject: "find " + o.Name + " by phone", Err: found[1].Err})
	}
	findings = append(findings,
		crm.Finding{Subject: "find call log", Err: a.FindLogs(ctx, []call.Call{{ID: nothing}})[0].Err},
		crm.Finding{Subject: "find user by agent", Err: a.FindUsers(ctx, []string{nothing})[0].Err})
	if a.cfg.DefaultUser != "" {
		var user entity
		err := a.get(ctx, "find_user", "read default_user", "/User/"+url.PathEscape(a.cfg.DefaultUser), nil, &user)
		if err == nil && user["isActive"] != true {
			err = errors.New("the user is not active: EspoCRM assigns nothing to them, name another one")
		}
		findings = append(findings, crm.Finding{Subject: "default_user", Err: err})
	}
	return findings
}
