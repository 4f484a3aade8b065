package rest

import (
	"context"
	"errors"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/call"
)

// Write creates, upserts or updates call logs, one request each. A create of which it is not known whether it took
// effect is an error of kind KindInDoubt: the connection broke after the request was sent, the answer has no id, or it
// is a 5xx. A write that is read back and was not kept is one of kind KindInvalid, with the id of the log.
func (a *Adapter) Write(ctx context.Context, writes []crm.Write) []crm.Written {
	written := make([]crm.Written, len(writes))
	for i, err := range a.each(len(writes), func(i int) error {
		written[i] = a.write(ctx, writes[i])
		return written[i].Err
	}) {
		written[i].Err = err
	}
	return written
}

func (a *Adapter) write(ctx context.Context, w crm.Write) crm.Written {
	op := a.writing(w)
	if op == nil {
		return crm.Written{Err: crm.Errorf(crm.KindInvalid, "update call log", "calls.update is not configured")}
	}
	env := viewWrite(w)
	key := ""
	if w.LogID == "" {
		key = w.Call.ID
	}
	got, err := a.call(ctx, op, env, key)
	if e, ok := errors.AsType[*crm.Error](err); ok {
		if e.Kind == crm.KindGone && w.LogID == "" && w.Record == nil {
			e.Kind = crm.KindInvalid // nothing was named that could be gone: it is the path that is wrong
		}
		written := crm.Written{Err: err}
		if e.Kind == crm.KindExists {
			written.LogID = got.id
		}
		return written
	}
	id := w.LogID
	if id == "" {
		if id, err = a.newID(op, got); err != nil {
			return crm.Written{Err: err}
		}
	}
	env.LogID = id
	return crm.Written{LogID: id, Err: a.readBack(ctx, op, env)}
}

// writing returns the operation of a write, nil where there is none.
func (a *Adapter) writing(w crm.Write) *operation {
	switch {
	case w.LogID != "" && a.plan.update != nil:
		return a.plan.update
	case a.plan.upsert != nil:
		return a.plan.upsert
	case w.LogID == "":
		return a.plan.create
	default:
		return nil
	}
}

// newID returns the id in the answer to a create. Without one it is in doubt what was made.
func (a *Adapter) newID(op *operation, got reply) (string, error) {
	if a.dryRun {
		return "dry-run", nil
	}
	if id := op.id.text(got.answerEnv); id != "" {
		return id, nil
	}
	kind := crm.KindTransient
	if op.effect == api.Creates {
		kind = crm.KindInDoubt
	}
	problem := "the answer has no id where the configuration says"
	if !got.isJSON {
		problem += ", and is not JSON"
	}
	return "", &crm.Error{Kind: kind, Op: op.title, Status: got.Status, Message: problem}
}

// readBack reads what was written and says whether the CRM kept it. Nothing to read back is fine.
func (a *Adapter) readBack(ctx context.Context, op *operation, w writeEnv) error {
	if op.readBack == nil || a.dryRun {
		return nil
	}
	got, err := a.call(ctx, op.readBack.operation, w, "")
	if err != nil {
		return err
	}
	kept, err := op.readBack.expect.eval(readBackEnv{
		Call: w.Call, Record: w.Record, Owner: w.Owner, LogID: w.LogID,
		Status: got.Status, Headers: got.Headers, Body: got.Body, Text: got.Text,
	})
	switch {
	case err != nil:
		return crm.Errorf(crm.KindInvalid, op.readBack.title, "%s", a.client.Mask(err.Error()))
	case kept != true:
		return crm.Errorf(crm.KindInvalid, op.readBack.title,
			"the CRM answered success but did not keep what was written: read_back.expect does not hold")
	}
	return nil
}

// CreateContacts creates one record for each call, of the object contacts.object. Where the CRM says that there is one
// already, the one that has the caller's number is returned. Without contacts.create the errors say so.
func (a *Adapter) CreateContacts(ctx context.Context, calls []call.Call) []crm.Found {
	found := make([]crm.Found, len(calls))
	for i, err := range a.each(len(calls), func(i int) error {
		found[i] = a.createContact(ctx, calls[i])
		return found[i].Err
	}) {
		found[i].Err = err
	}
	return found
}

func (a *Adapter) createContact(ctx context.Context, c call.Call) crm.Found {
	op := a.plan.createContact
	if op == nil {
		return crm.Found{Err: crm.Errorf(crm.KindInvalid, "create contact", "contacts.create is not configured")}
	}
	got, err := a.call(ctx, op, callEnv{viewCall(c)}, "contact of "+c.ID)
	if e, ok := errors.AsType[*crm.Error](err); ok && e.Kind == crm.KindExists {
		// What the CRM compares to tell that may be a name: only the number says that it is the caller.
		found := a.find(ctx, crm.Lookup{Object: a.plan.contactObject, Phone: c.Customer})
		if found.Err == nil && len(found.Records) != 1 {
			found.Err = err
		}
		return found
	}
	if err != nil {
		return crm.Found{Err: err}
	}
	id, err := a.newID(op, got)
	if err != nil {
		return crm.Found{Err: err}
	}
	return crm.Found{Records: []crm.Record{{
		Object: a.plan.contactObject, ID: id, Phones: []string{c.Customer.String()},
	}}}
}
