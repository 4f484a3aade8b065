package api

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/crmsyncd/crmsyncd/crm"
)

// tokenTitle is what errors call the request for a token.
const tokenTitle = "get token"

// renew puts a token into use that is not the refused one: what the Store did not take before, what another process
// stored meanwhile, or a new one. Only one renew runs at a time.
func (t *tokens) renew(ctx context.Context, refused string) error {
	if t.unsaved != nil {
		if err := t.keep(*t.unsaved); err != nil || t.usable(t.current, refused) {
			return err
		}
	} else if err := t.load(); err != nil {
		return crm.Errorf(crm.KindUnauthorized, tokenTitle, "%s", Mask(err.Error(), t.secrets()...))
	}
	if t.usable(t.current, refused) {
		return nil
	}
	if err := t.rests.check(tokenTitle, ""); err != nil {
		return err
	}
	if t.refreshes() && t.current.refresh == "" {
		return crm.Errorf(crm.KindUnauthorized, tokenTitle,
			"there is no refresh token: authorize crmsyncd in the CRM and put it into refresh_token")
	}
	next, err := t.fetch(ctx)
	if t.cfg.Password.IsSet() && t.current.refresh != "" && crm.Classify(err).Kind == crm.KindUnauthorized {
		t.mu.Lock()
		t.current.refresh = "" // it came to its end
		t.mu.Unlock()
		next, err = t.fetch(ctx)
	}
	if err != nil && next.refresh == "" {
		return err
	}
	// The new refresh token counts even where the rest of the answer is of no use.
	return cmp.Or(t.keep(next), err)
}

// keep makes a token durable where that is needed, then puts it into use.
func (t *tokens) keep(next issued) error {
	var failure error
	if t.cfg.Store != nil {
		failure = t.save(next)
	}
	rotated := next.refresh != t.current.refresh
	t.mu.Lock()
	defer t.mu.Unlock()
	if failure != nil && rotated {
		t.unsaved = &next
		return crm.Errorf(crm.KindUnauthorized, tokenTitle,
			"the new refresh token cannot be stored, so nothing is sent; make room or the file writable: %s",
			Mask(failure.Error(), next.token, next.refresh))
	}
	if failure != nil {
		t.logger.Warn("access token not stored", "err", Mask(failure.Error(), next.token, next.refresh))
	}
	if rotated && t.cfg.Store == nil && t.current.refresh != "" && !t.cfg.Password.IsSet() {
		t.logger.Warn("the CRM renewed its refresh token and there is no place to store it: " +
			"after a restart the configured one may be refused")
	}
	t.current, t.unsaved = next, nil
	return nil
}

// fetch asks for a token.
func (t *tokens) fetch(ctx context.Context) (issued, error) {
	params := url.Values{}
	for key, value := range t.cfg.Params {
		params.Set(key, value)
	}
	switch {
	case t.refreshes(), t.cfg.Password.IsSet() && t.current.refresh != "":
		params.Set("grant_type", "refresh_token")
		params.Set("refresh_token", t.current.refresh)
	case t.cfg.Password.IsSet():
		params.Set("grant_type", "password")
		params.Set("username", t.cfg.Username)
		params.Set("password", t.cfg.Password.Reveal())
	}
	t.oauth.EndpointParams = params
	round := &tokenRound{exchanger: t.exchanger, get: t.cfg.Method == http.MethodGet}
	token, err := t.oauth.Token(context.WithValue(ctx, oauth2.HTTPClient,
		&http.Client{Transport: round, CheckRedirect: noRedirect}))
	if err != nil {
		return issued{}, t.failure(ctx, err)
	}
	next := issued{token: token.AccessToken, refresh: token.RefreshToken}
	if !token.Expiry.IsZero() {
		next.expires = t.now().Add(time.Until(token.Expiry))
	}
	if t.cfg.BaseURL == nil {
		return next, nil
	}
	if next.base, err = t.moved(round.answer); err != nil {
		next.token = ""
	}
	return next, err
}

// moved returns the base URL that came with a token.
func (t *tokens) moved(a Answer) (string, error) {
	var raw map[string]any
	_ = json.Unmarshal(a.Body, &raw) // what is no object has no base URL
	base, err := t.cfg.BaseURL(raw)
	if err != nil {
		return "", crm.Errorf(crm.KindUnauthorized, tokenTitle, "%s", Mask(err.Error()))
	}
	return strings.TrimRight(base, "/"), nil
}

// failure classifies why there is no token. The texts of the library quote the address and the answer.
func (t *tokens) failure(ctx context.Context, err error) error {
	refusal, ok := errors.AsType[*oauth2.RetrieveError](err)
	if !ok {
		if _, isURL := errors.AsType[*url.Error](err); isURL {
			return unanswered(ctx, tokenTitle, crm.KindTransient, err)
		}
		return crm.Errorf(crm.KindTransient, tokenTitle, "the answer of token_url holds no token")
	}
	e := &crm.Error{Kind: crm.KindTransient, Op: tokenTitle, Status: refusal.Response.StatusCode}
	e.RetryAfter = RetryAfter(refusal.Response.Header.Get("Retry-After"), t.now())
	switch {
	case e.Status == http.StatusTooManyRequests, e.Status == http.StatusServiceUnavailable && e.RetryAfter > 0:
		e.Kind = crm.KindThrottled
		if e.RetryAfter > 0 {
			t.rests.ask("", e.RetryAfter, e.Kind, "too many requests for tokens")
		}
	case e.Status < 300 || e.Status >= 400 && e.Status < 500 && e.Status != http.StatusRequestTimeout:
		e.Kind, e.Message = crm.KindUnauthorized, t.refusal(refusal)
	}
	return e
}

// refusal says what was refused, what to do, and what the server said (RFC 6749, section 5.2).
func (t *tokens) refusal(e *oauth2.RetrieveError) string {
	message := "token_url refuses the refresh token: authorize crmsyncd in the CRM again and put the new one into " +
		"refresh_token"
	if !t.refreshes() || slices.Contains([]string{"invalid_client", "unauthorized_client"}, e.ErrorCode) {
		message = "token_url refuses client_id and client_secret"
		if t.cfg.Password.IsSet() {
			message += ", or username and password"
		}
	}
	if words := Mask(e.ErrorCode+" "+e.ErrorDescription, t.secrets()...); words != "" {
		message += ": " + words
	}
	return message
}

// tokenRound carries the requests of one fetch: it counts and bounds them, turns a form into a query where the server
// wants that, and keeps the answer.
type tokenRound struct {
	exchanger *exchanger
	get       bool

	answer Answer
	err    error
	sent   bool
}

// RoundTrip sends a request. The library tries another way to send the client's secret after any error; that makes sense
// only after a refusal, so any other outcome is given again.
func (x *tokenRound) RoundTrip(hr *http.Request) (*http.Response, error) {
	refused := x.answer.Status == http.StatusBadRequest || x.answer.Status == http.StatusUnauthorized
	if !x.sent || refused {
		x.sent = true
		x.answer, x.err = x.send(hr)
	}
	if x.err != nil {
		return nil, x.err
	}
	header := x.answer.Header.Clone()
	if bytes.HasPrefix(bytes.TrimSpace(x.answer.Body), []byte("{")) {
		header.Set("Content-Type", "application/json") // else the library would read what is called text/plain as a form
	}
	return &http.Response{
		StatusCode: x.answer.Status, Header: header, Body: io.NopCloser(bytes.NewReader(x.answer.Body)), Request: hr,
	}, nil
}

func (x *tokenRound) send(hr *http.Request) (Answer, error) {
	if !x.get {
		return x.exchanger.exchange("token", hr)
	}
	form, err := io.ReadAll(hr.Body)
	if err != nil {
		return Answer{}, err
	}
	asked := *hr.URL
	asked.RawQuery = string(form)
	get, err := http.NewRequestWithContext(hr.Context(), http.MethodGet, asked.String(), http.NoBody) //nolint:gosec // the operator configured it
	if err != nil {
		return Answer{}, errors.New("token_url is no address") // the library's error quotes the secrets
	}
	return x.exchanger.exchange("token", get)
}
