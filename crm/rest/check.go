package rest

import (
	"context"
	"errors"
	"fmt"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/call"
)

// impossible is a value that no record carries, impossiblePhone a number that nobody has.
const (
	impossible      = "crmsyncd-check-0000"
	impossiblePhone = "+84000000000"
)

// Check sends every look-up with a value that nothing carries: the credentials must be taken and nothing must be found.
// Records in the answer mean that the CRM ignores the filter. Writes cannot be checked without writing.
func (a *Adapter) Check(ctx context.Context) []crm.Finding {
	phone := lookupEnv{Value: impossiblePhone, Phone: impossiblePhone}
	transaction := lookupEnv{Value: impossible, TransactionID: impossible}
	var findings []crm.Finding
	look := func(subject string, op *operation, env any) {
		if op != nil {
			findings = append(findings, a.checkLookup(ctx, subject, op, env))
		}
	}
	for _, o := range a.plan.objects {
		phone.Object, transaction.Object = o.name, o.name
		look("find "+o.name+" by transaction id", o.byTransaction, transaction)
		look("find "+o.name+" by phone", o.byPhone, phone)
	}
	look("find call log by call id", a.plan.findLog, callEnv{viewCall(call.Call{ID: impossible})})
	look("find user by agent", a.plan.findUser, userEnv{impossible})
	return append([]crm.Finding{credentials(findings)}, findings...)
}

func (a *Adapter) checkLookup(ctx context.Context, subject string, op *operation, env any) crm.Finding {
	items, got, err := a.items(ctx, op, env)
	switch {
	case err != nil:
		return crm.Finding{Subject: subject, Err: err}
	case len(items) > 0:
		return crm.Finding{Subject: subject, Err: fmt.Errorf(
			"%d found for a value that nothing carries: the CRM ignores the filter, is the name of the field right?",
			len(items))}
	case got.notFound:
		return crm.Finding{Subject: subject, Detail: fmt.Sprintf(
			"the CRM answered HTTP %d, taken for nothing found: make sure that it knows the path", got.Status)}
	default:
		return crm.Finding{Subject: subject, Detail: "nothing found for a value that nothing carries, as it should be"}
	}
}

// credentials says what the look-ups tell about the credentials.
func credentials(lookups []crm.Finding) crm.Finding {
	finding := crm.Finding{Subject: "credentials", Detail: "not checked: the CRM was not reached"}
	for _, l := range lookups {
		e, failed := errors.AsType[*crm.Error](l.Err)
		switch {
		case failed && e.Kind == crm.KindUnauthorized:
			return crm.Finding{Subject: "credentials", Err: l.Err}
		case !failed || e.Status != 0 && e.Status < 500:
			finding.Detail = "taken"
		}
	}
	return finding
}
