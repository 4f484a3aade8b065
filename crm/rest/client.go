package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/crmsyncd/crmsyncd/crm"
)

// maxDrain is how much of an answer that is not wanted is read so that its connection can be used again.
const maxDrain = 4 << 10

// request is a request ready to be sent, as often as needed.
type request struct {
	method, url string
	header      http.Header
	body        []byte
}

// build makes the request of an operation for an environment. Its errors are the call's own fault.
func (a *Adapter) build(op *operation, env any) (*request, error) {
	r := &request{method: op.method, header: a.header.Clone()}
	path, err := op.path.text(env, escapeSegment)
	if err != nil {
		return nil, err
	}
	r.url = a.plan.base + "/" + strings.TrimLeft(path, "/")
	query, err := op.values(env)
	if err != nil {
		return nil, err
	}
	if len(query) > 0 {
		r.url += "?" + query.Encode()
	}
	for _, h := range op.headers {
		value, err := h.values[0].text(env, inHeader)
		if err != nil {
			return nil, err
		}
		r.header.Set(h.key, value)
	}
	if op.body != nil {
		return r, r.encode(op, env)
	}
	return r, nil
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

// encode sets the body and its type.
func (r *request) encode(op *operation, env any) error {
	v, err := op.body.eval(env)
	if err != nil {
		return err
	}
	if op.form {
		return r.encodeForm(v)
	}
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return fmt.Errorf("encode the body: %w", err)
	}
	r.body = bytes.TrimSuffix(body.Bytes(), []byte("\n"))
	r.header.Set("Content-Type", "application/json")
	return nil
}

func (r *request) encodeForm(v any) error {
	values := url.Values{}
	fields, _ := v.(map[string]any)
	for key, field := range fields {
		text, ok := textOf(field)
		if !ok {
			return fmt.Errorf("encode the body: %s is %T, a form has only texts", key, field)
		}
		values.Set(key, text)
	}
	r.body = []byte(values.Encode())
	r.header.Set("Content-Type", "application/x-www-form-urlencoded")
	return nil
}

// reply is an answer and what it was taken for.
type reply struct {
	answer
	verdict
}

// call sends an operation and judges the answer. Nothing found by a look-up and an exists with its id are told by the
// verdict too.
func (a *Adapter) call(ctx context.Context, op *operation, env any, idempotencyKey string) (reply, error) {
	r, err := a.build(op, env)
	if err != nil {
		return reply{}, crm.Errorf(crm.KindInvalid, op.title, "%s", a.mask(err.Error()))
	}
	if idempotencyKey != "" && a.cfg.IdempotencyHeader != "" {
		r.header.Set(a.cfg.IdempotencyHeader, uuid5(idempotencyKey))
	}
	got, token, err := a.send(ctx, op, r, "")
	if e, ok := errors.AsType[*crm.Error](err); ok && e.Kind == crm.KindUnauthorized && token != "" {
		got, _, err = a.send(ctx, op, r, token)
	}
	return got, err
}

// send sends a request once, with another token than the refused one. It returns the token it used.
func (a *Adapter) send(ctx context.Context, op *operation, r *request, refused string) (reply, string, error) {
	if err := a.limiter.Wait(ctx); err != nil {
		if ctx.Err() != nil {
			return reply{}, "", transportError(op.title, crm.KindTransient, context.Cause(ctx))
		}
		return reply{}, "", crm.Errorf(crm.KindTransient, op.title, "the rate leaves no time to send it")
	}
	var sent atomic.Bool
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }})
	hr, err := http.NewRequestWithContext(traced, r.method, r.url, bytes.NewReader(r.body))
	if err != nil {
		return reply{}, "", crm.Errorf(crm.KindInvalid, op.title, "the path is no part of an address")
	}
	hr.Header = r.header.Clone()
	token, err := a.authorization.authorize(ctx, hr, refused)
	if err != nil {
		return reply{}, "", err
	}
	got, err := a.exchange(op.name, hr)
	if err != nil {
		kind := crm.KindTransient
		if sent.Load() && op.effect == create {
			kind = crm.KindInDoubt
		}
		return reply{answer: got}, token, transportError(op.title, kind, err)
	}
	v := a.judge(op, got)
	if token != "" {
		v.message = strings.ReplaceAll(v.message, token, "***")
	}
	if v.then == thenSuccess || v.then == thenNotFound && op.effect == lookup {
		return reply{got, v}, token, nil
	}
	return reply{got, v}, token, a.fail(op, got, v)
}

// exchange sends hr and reads the answer. An error of a status below 300 is one of the connection; above, the status
// says enough and what came of the body is kept.
func (a *Adapter) exchange(name string, hr *http.Request) (answer, error) {
	began := a.now()
	response, err := a.client.Do(hr)
	if err != nil {
		a.observer.Requested(name, "error", a.now().Sub(began))
		return answer{}, err
	}
	defer func() {
		_, _ = io.CopyN(io.Discard, response.Body, maxDrain)
		_ = response.Body.Close()
	}()
	got, err := readAnswer(response, int64(a.cfg.MaxResponse))
	a.observer.Requested(name, statusClass(got.Status, err), a.now().Sub(began))
	if err != nil && got.Status < http.StatusMultipleChoices {
		return got, err
	}
	return got, nil
}

// statusClass names the class of an answer, a label of metrics.
func statusClass(status int, err error) string {
	switch {
	case err != nil:
		return "error"
	case status == http.StatusTooManyRequests:
		return "429"
	default:
		return strconv.Itoa(status/100) + "xx"
	}
}
