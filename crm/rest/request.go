package rest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
)

// request makes the request of an operation for an environment. Its errors are the call's own fault.
func (o *operation) request(env any) (api.Request, error) {
	r := api.Request{
		Operation: o.name, Title: o.title, Method: o.method, Budget: allRequests, Effect: o.effect, Header: http.Header{},
	}
	path, err := o.path.text(env, escapeSegment)
	if err != nil {
		return r, err
	}
	r.Path = "/" + strings.TrimLeft(path, "/")
	if r.Query, err = o.values(env); err != nil {
		return r, err
	}
	for _, h := range o.headers {
		value, err := h.values[0].text(env, inHeader)
		if err != nil {
			return r, err
		}
		r.Header.Set(h.key, value)
	}
	if o.body == nil {
		return r, nil
	}
	if r.Body, err = o.body.eval(env); err == nil && o.form {
		r.Body, err = form(r.Body)
	}
	return r, err
}

// escapeSegment escapes a value in a path. An empty one would name the whole collection, and dots another path.
func escapeSegment(s string) (string, error) {
	if s == "" || s == "." || s == ".." {
		return "", errors.New("a value in a path is empty or made of dots")
	}
	return url.PathEscape(s), nil
}

// inHeader refuses what would end a header.
func inHeader(s string) (string, error) {
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
		return "", errors.New("a value in a header holds a control character")
	}
	return s, nil
}

// values returns the query.
func (o *operation) values(env any) (url.Values, error) {
	values := url.Values{}
	for _, p := range o.query {
		for _, t := range p.values {
			v, err := t.eval(env)
			if err != nil {
				return nil, err
			}
			text, ok := textOf(v)
			if !ok {
				return nil, fmt.Errorf("%s: %T cannot be part of a query", t.path, v)
			}
			if isOmitted(v) || o.omitEmpty && text == "" {
				continue
			}
			values.Add(p.key, text)
		}
	}
	return values, nil
}

// form returns the values of a body that is sent as a form.
func form(v any) (url.Values, error) {
	values := url.Values{}
	fields, _ := v.(map[string]any)
	for key, field := range fields {
		text, ok := textOf(field)
		if !ok {
			return nil, fmt.Errorf("encode the body: %s is %T, a form has only texts", key, field)
		}
		values.Set(key, text)
	}
	return values, nil
}

// call sends an operation and judges the answer. Nothing found by a look-up and an exists with its id are told by the
// reply too.
func (a *Adapter) call(ctx context.Context, op *operation, env any, idempotencyKey string) (got reply, err error) {
	r, err := op.request(env)
	if err != nil {
		return reply{}, crm.Errorf(crm.KindInvalid, op.title, "%s", a.client.Mask(err.Error()))
	}
	if idempotencyKey != "" && a.cfg.IdempotencyHeader != "" {
		r.Header.Set(a.cfg.IdempotencyHeader, api.UUID5(idempotencyKey))
	}
	r.Judge = func(answered api.Answer) (e *crm.Error) {
		got, e = a.judge(op, answered)
		return e
	}
	_, err = a.client.Do(ctx, r)
	return got, err
}
