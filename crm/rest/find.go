package rest

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/call"
)

// Find looks records up, one request for each look-up and, by phone, for each spelling until one hits. Every record
// found is checked again: one that does not carry the transaction id, or a number that is the same as the one asked
// for, is left out, whatever the CRM thinks. A look-up that the object has no operation for finds nothing.
func (a *Adapter) Find(ctx context.Context, lookups []crm.Lookup) []crm.Found {
	found := make([]crm.Found, len(lookups))
	for i, err := range a.each(len(lookups), func(i int) error {
		found[i] = a.find(ctx, lookups[i])
		return found[i].Err
	}) {
		found[i].Err = err
	}
	return found
}

func (a *Adapter) find(ctx context.Context, l crm.Lookup) crm.Found {
	i := slices.IndexFunc(a.plan.objects, func(o object) bool { return o.name == l.Object })
	if i < 0 {
		return crm.Found{Err: crm.Errorf(crm.KindInvalid, "find "+l.Object, "no such object is configured")}
	}
	o := &a.plan.objects[i]
	if id := strings.TrimSpace(l.TransactionID); id != "" {
		if o.byTransaction == nil {
			return crm.Found{}
		}
		env := lookupEnv{Object: l.Object, Value: id, TransactionID: id}
		return a.search(ctx, o, o.byTransaction, env, func(_ crm.Record, ids []string) bool {
			return slices.Contains(ids, id)
		})
	}
	return a.findByPhone(ctx, o, l.Phone)
}

// findByPhone tries one spelling after the other.
func (a *Adapter) findByPhone(ctx context.Context, o *object, phone call.Number) crm.Found {
	if o.byPhone == nil {
		return crm.Found{}
	}
	for _, form := range a.spellings(phone) {
		env := lookupEnv{Object: o.name, Value: form, Phone: form}
		found := a.search(ctx, o, o.byPhone, env, func(r crm.Record, _ []string) bool {
			return slices.ContainsFunc(r.Phones, func(raw string) bool {
				return phone.Same(call.ParseNumber(raw, a.plan.region))
			})
		})
		if found.Err != nil || len(found.Records) > 0 {
			return found
		}
	}
	return crm.Found{}
}

// spellings returns the configured forms of a number, without repeats.
func (a *Adapter) spellings(n call.Number) []string {
	var forms []string
	for _, name := range a.cfg.PhoneForms {
		var form string
		switch name {
		case "e164":
			form = n.E164
		case "national":
			form = n.National
		case "digits":
			form = strings.TrimPrefix(n.E164, "+")
		case "raw":
			form = n.Raw
		}
		if form != "" && !slices.Contains(forms, form) {
			forms = append(forms, form)
		}
	}
	return forms
}

// search sends one look-up and returns the records for which carries holds, each once.
func (a *Adapter) search(ctx context.Context, o *object, op *operation, env lookupEnv,
	carries func(r crm.Record, transactionIDs []string) bool,
) crm.Found {
	items, got, err := a.items(ctx, op, env)
	if err != nil {
		return crm.Found{Err: err}
	}
	var found crm.Found
	found.Truncated, _ = op.truncated.value(got.answerEnv).(bool)
	for _, item := range items {
		ids := textsOf(o.transactionID.value(item))
		r := crm.Record{
			Object: o.name, ID: o.id.text(item), Owner: o.owner.text(item), Phones: textsOf(o.phones.value(item)),
			TransactionID: strings.Join(ids[:min(len(ids), 1)], ""),
		}
		if env.TransactionID != "" && slices.Contains(ids, env.TransactionID) {
			r.TransactionID = env.TransactionID
		}
		known := slices.ContainsFunc(found.Records, func(k crm.Record) bool { return k.ID == r.ID })
		if r.ID != "" && !known && carries(r, ids) {
			found.Records = append(found.Records, r)
		}
	}
	if dropped := len(items) - len(found.Records); dropped > 0 {
		a.logger.DebugContext(ctx, "records found do not carry what was asked for", "object", o.name, "dropped", dropped)
	}
	return found
}

// items sends a look-up and returns what its answer lists. An answer without a list is an error, so that a page or an
// error in disguise is not taken for "nothing found".
func (a *Adapter) items(ctx context.Context, op *operation, env any) (items []itemEnv, got reply, err error) {
	got, err = a.call(ctx, op, env, "")
	if err != nil || got.notFound || got.Status == http.StatusNoContent {
		return nil, got, err
	}
	list := got.Body
	if op.records != nil {
		list = op.records.value(got.answerEnv)
	}
	switch list := list.(type) {
	case []any:
		for _, item := range list {
			items = append(items, itemEnv{item})
		}
	case map[string]any:
		items = []itemEnv{{list}}
	default:
		return nil, got, unreadable(op, got.answer, "the answer has no list of what was found")
	}
	return items, got, nil
}

// unreadable is the error of a look-up whose answer says success and means nothing.
func unreadable(op *operation, got answer, problem string) error {
	switch {
	case got.cut:
		problem = "the answer is larger than max_response"
	case !got.isJSON:
		problem = "the answer is not JSON"
	}
	return &crm.Error{Kind: crm.KindTransient, Op: op.title, Status: got.Status, Message: problem}
}

// FindLogs looks call logs up by their call id. A log that does not carry the call id is left out; of several the first
// is taken. Without calls.find the errors say so.
func (a *Adapter) FindLogs(ctx context.Context, calls []call.Call) []crm.LogFound {
	found := make([]crm.LogFound, len(calls))
	for i, err := range a.each(len(calls), func(i int) (err error) {
		found[i].LogID, err = a.findLog(ctx, calls[i])
		return err
	}) {
		found[i].Err = err
	}
	return found
}

func (a *Adapter) findLog(ctx context.Context, c call.Call) (string, error) {
	if a.plan.findLog == nil {
		return "", crm.Errorf(crm.KindInvalid, "find call log", "calls.find is not configured")
	}
	items, _, err := a.items(ctx, a.plan.findLog, callEnv{viewCall(c)})
	if err != nil {
		return "", err
	}
	var ids []string
	for _, item := range items {
		carried := textsOf(a.plan.logCallID.value(item))
		if id := a.plan.logID.text(item); id != "" && slices.Contains(carried, strings.TrimSpace(c.ID)) {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return "", nil
	}
	if len(ids) > 1 {
		a.logger.WarnContext(ctx, "the CRM has several logs of one call", "call_id", c.ID, "logs", len(ids))
	}
	return ids[0], nil
}

// FindUsers looks users up by the names of agents; upper and lower case are the same. Without users.find nobody is
// found. A name that several users have is an error: an owner is not guessed.
func (a *Adapter) FindUsers(ctx context.Context, agents []string) []crm.UserFound {
	found := make([]crm.UserFound, len(agents))
	if a.plan.findUser == nil {
		return found
	}
	for i, err := range a.each(len(agents), func(i int) (err error) {
		found[i].UserID, err = a.findUser(ctx, strings.TrimSpace(agents[i]))
		return err
	}) {
		found[i].Err = err
	}
	return found
}

func (a *Adapter) findUser(ctx context.Context, agent string) (string, error) {
	if agent == "" {
		return "", nil
	}
	items, _, err := a.items(ctx, a.plan.findUser, userEnv{agent})
	if err != nil {
		return "", err
	}
	var ids []string
	for _, item := range items {
		named := slices.ContainsFunc(textsOf(a.plan.userName.value(item)), func(name string) bool {
			return strings.EqualFold(name, agent)
		})
		if id := a.plan.userID.text(item); named && id != "" && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	switch len(ids) {
	case 0:
		return "", nil
	case 1:
		return ids[0], nil
	default:
		return "", crm.Errorf(crm.KindInvalid, "find user", "%d users have the name of the agent: name one in agents.map",
			len(ids))
	}
}
