package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/crmsyncd/crmsyncd/crm"
)

// send sends a request once, with another token than the refused one. It returns the token it used.
func (c *Client) send(ctx context.Context, r Request, refused string) (a Answer, token string, err error) {
	if err := c.rests.check(r.Title, r.Budget); err != nil {
		return Answer{}, "", err
	}
	access, err := c.credentials.Access(ctx, refused)
	if err != nil {
		return Answer{}, "", err
	}
	hr, err := c.build(ctx, r, access)
	if err != nil {
		return Answer{}, "", err
	}
	if err := c.await(ctx, r); err != nil {
		return Answer{}, "", err
	}
	var sent atomic.Bool
	hr = hr.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }}))
	a, err = c.exchanger.exchange(r.Operation, hr)
	if err != nil {
		kind := crm.KindTransient
		if sent.Load() {
			kind = lost(r.Effect)
		}
		return a, access.Token, unanswered(ctx, r.Title, kind, err)
	}
	return a, access.Token, c.judged(r, a, access)
}

// await waits until the budget of r allows it to be sent, and looks whether the CRM asked to wait meanwhile: from here
// on nothing may come before the request is sent.
func (c *Client) await(ctx context.Context, r Request) error {
	if budget := c.budgets[r.Budget]; budget != nil {
		if err := budget.Wait(ctx); err != nil {
			if ctx.Err() != nil {
				return unanswered(ctx, r.Title, crm.KindTransient, err)
			}
			return &crm.Error{
				Kind: crm.KindThrottled, Op: r.Title, RetryAfter: untilFree(budget), Message: "the rate leaves no time to send it",
			}
		}
	}
	return c.rests.check(r.Title, r.Budget)
}

// untilFree returns after what time a budget has room for a request again, in full seconds and at least one.
func untilFree(budget *rate.Limiter) time.Duration {
	place := budget.Reserve()
	defer place.Cancel()
	wait := min(place.Delay(), maxWait)
	return max((wait + time.Second - 1).Truncate(time.Second), time.Second)
}

// build makes the request. Its errors are the request's own fault, or that of a base URL that came with the token.
func (c *Client) build(ctx context.Context, r Request, access Access) (*http.Request, error) {
	base := c.base
	if access.BaseURL != "" {
		base = strings.TrimRight(access.BaseURL, "/")
		u, err := parseAddress(base)
		if err != nil || u.Scheme != "https" && !c.plain {
			return nil, crm.Errorf(crm.KindUnauthorized, r.Title, "the base URL that came with the token is no https address")
		}
	}
	if base == "" {
		return nil, crm.Errorf(crm.KindUnauthorized, r.Title, "the token came without the base URL of the CRM")
	}
	body, contentType, err := r.encode(access.Token)
	if err != nil {
		return nil, crm.Errorf(crm.KindInvalid, r.Title, "%s", c.Mask(err.Error(), access.Token))
	}
	hr, err := http.NewRequestWithContext(ctx, r.Method, base+r.target(), bytes.NewReader(body))
	if err != nil { // the library's error quotes the address
		return nil, crm.Errorf(crm.KindInvalid, r.Title, "the path is no part of an address")
	}
	hr.Header = c.header.Clone()
	if contentType != "" {
		hr.Header.Set("Content-Type", contentType)
	}
	for key, values := range r.Header {
		hr.Header[http.CanonicalHeaderKey(key)] = values
	}
	if access.Header != "" && r.WithToken == nil {
		hr.Header.Set(access.Header, access.Value)
	}
	if r.Effect == Creates && (hr.Header.Get("Idempotency-Key") != "" || hr.Header.Get("X-Idempotency-Key") != "") {
		hr.GetBody = nil // else net/http would send it again by itself, see the package comment
	}
	return hr, nil
}

// target returns path and query.
func (r Request) target() string {
	if len(r.Query) == 0 {
		return r.Path
	}
	separator := "?"
	if strings.Contains(r.Path, "?") {
		separator = "&"
	}
	return r.Path + separator + r.Query.Encode()
}

// encode returns the body and its type, both empty without one.
func (r Request) encode(token string) (body []byte, contentType string, err error) {
	v := r.Body
	if r.WithToken != nil {
		v = r.WithToken(token)
	}
	switch v := v.(type) {
	case nil:
		return nil, "", nil
	case url.Values:
		return []byte(v.Encode()), "application/x-www-form-urlencoded", nil
	case Raw:
		return v.Body, v.ContentType, nil
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, "", fmt.Errorf("encode the body: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), "application/json", nil
}

// judged says what an answer means and begins the rest that it asks for.
func (c *Client) judged(r Request, a Answer, access Access) error {
	c.readLevels(a)
	var verdict *crm.Error
	if r.Judge != nil {
		verdict = r.Judge(a)
	} else {
		verdict = c.judge(r, a)
	}
	if verdict == nil {
		return nil
	}
	e := &crm.Error{Kind: verdict.Kind, Op: r.Title, Status: a.Status, RetryAfter: min(verdict.RetryAfter, maxWait)}
	message := verdict.Message
	if message == "" {
		message = words(a)
	}
	if a.Status >= 300 && a.Status < 400 {
		message = "the CRM redirects elsewhere, which is not followed: is its address the final one? " + message
	}
	e.Message = c.Mask(message, access.Token, hostOf(access.BaseURL))
	if e.RetryAfter <= 0 {
		e.RetryAfter = RetryAfter(a.Header.Get("Retry-After"), c.exchanger.now())
	}
	c.Rest(e)
	return e
}

// Rest begins the rest that an error asks for: a crm.Error with RetryAfter that is throttled or quota. Until it is over
// requests get the same error and are not sent. The client does so by itself for what it judges; adapters call it for
// what they find in an answer by themselves, such as an item of a batch that was answered with 200. Any other error,
// and nil, begins none.
func (c *Client) Rest(err error) {
	e, ok := errors.AsType[*crm.Error](err)
	if ok && e.RetryAfter > 0 && (e.Kind == crm.KindThrottled || e.Kind == crm.KindQuota) {
		c.rests.ask("", e.RetryAfter, e.Kind, e.Message)
	}
}

// readLevels tells the observer of quotas and begins the rest that an empty one means.
func (c *Client) readLevels(a Answer) {
	if c.levels == nil {
		return
	}
	for _, l := range c.levels(a) {
		c.exchanger.observer.Quota(l.Quota, l.Left, l.Limit)
		if l.Left <= 0 && l.Reset > 0 {
			c.rests.ask(l.Budget, l.Reset, crm.KindThrottled, "nothing is left of the quota "+l.Quota)
		}
	}
}

// Mask returns a text of the CRM as Mask does, without the secrets of this client: for the words that an adapter finds
// in an answer by itself, such as those on one item of a batch.
func (c *Client) Mask(text string, further ...string) string {
	return Mask(text, append(c.secrets(), further...)...)
}

// secrets returns what must not be seen at this moment.
func (c *Client) secrets() []string {
	all := append([]string(nil), c.hidden...)
	if own, ok := c.credentials.(ownCredentials); ok {
		all = append(all, own.secrets()...)
	}
	return all
}

// hostOf returns the host of a URL, empty where there is none.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Host
}

// pretend records a request that a dry run does not send.
func (c *Client) pretend(r Request) (Answer, error) {
	body, _, err := r.encode(hidden)
	if err != nil {
		return Answer{}, crm.Errorf(crm.KindInvalid, r.Title, "%s", c.Mask(err.Error()))
	}
	answer, err := json.Marshal(r.Pretend)
	if err != nil {
		return Answer{}, crm.Errorf(crm.KindInvalid, r.Title, "the answer of the dry run cannot be encoded")
	}
	host := hostOf(c.base) // no secret before the operator
	secrets := slices.DeleteFunc(c.secrets(), func(s string) bool { return s == host })
	c.dryRun.record(Recorded{
		Operation: r.Operation, Title: r.Title, Method: r.Method, URL: hide(c.base+r.target(), secrets),
		Body: hide(string(body), secrets),
	})
	return Answer{Status: http.StatusOK, Header: http.Header{}, Body: answer}, nil
}
