package rest

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/crmsyncd/crmsyncd/crm"
)

// authorization is the header by which requests prove who they come from: a fixed one, or one made of a token that is
// fetched and renewed.
type authorization struct {
	header, value string
	tokens        *tokens
}

func newAuthorization(a Auth, client *http.Client, now func() time.Time) authorization {
	scheme := cmp.Or(a.Scheme, "Bearer") + " "
	switch a.Type {
	case AuthBearer:
		return authorization{header: "Authorization", value: scheme + a.Token.Reveal()}
	case AuthBasic:
		r := http.Request{Header: http.Header{}}
		r.SetBasicAuth(a.Username, a.Password.Reveal())
		return authorization{header: "Authorization", value: r.Header.Get("Authorization")}
	case AuthHeader:
		return authorization{header: a.Header, value: a.Value.Reveal()}
	case AuthClientCredentials:
		return authorization{header: "Authorization", value: scheme, tokens: newTokens(a, client, now)}
	default:
		return authorization{}
	}
}

// authorize adds the header to r. The token that was refused is not used again; the one that is used is returned, empty
// for a fixed header.
func (a authorization) authorize(ctx context.Context, r *http.Request, refused string) (token string, err error) {
	if a.tokens != nil {
		if token, err = a.tokens.get(ctx, refused); err != nil {
			return "", err
		}
	}
	if a.header != "" {
		r.Header.Set(a.header, a.value+token)
	}
	return token, nil
}

// secrets are the texts that must not be seen in what a CRM answers.
func (a Auth) secrets() []string {
	basic := base64.StdEncoding.EncodeToString([]byte(a.Username + ":" + a.Password.Reveal()))
	return []string{a.Token.Reveal(), a.Password.Reveal(), a.Value.Reveal(), a.ClientSecret.Reveal(), basic}
}

// tokens fetches tokens by client credentials and keeps the current one, for all workers.
type tokens struct {
	config *clientcredentials.Config
	client *http.Client
	now    func() time.Time
	// lock is held by whoever looks at current and failure, also while a token is fetched: one fetch at a time.
	lock    chan struct{}
	current *oauth2.Token
	// begun counts the fetches. Whoever waited for one that failed shares its failure in place of fetching as well.
	begun   atomic.Int64
	failure error
}

func newTokens(a Auth, client *http.Client, now func() time.Time) *tokens {
	params := url.Values{}
	for key, value := range a.TokenParams {
		params.Set(key, value)
	}
	return &tokens{
		config: &clientcredentials.Config{
			ClientID: a.ClientID, ClientSecret: a.ClientSecret.Reveal(), TokenURL: a.TokenURL, Scopes: a.Scopes,
			EndpointParams: params,
		},
		client: client, now: now, lock: make(chan struct{}, 1),
	}
}

// get returns a token that is valid and not the refused one.
func (t *tokens) get(ctx context.Context, refused string) (string, error) {
	came := t.begun.Load()
	select {
	case t.lock <- struct{}{}:
	case <-ctx.Done():
		return "", transportError("get token", crm.KindTransient, context.Cause(ctx))
	}
	defer func() { <-t.lock }()
	if t.current.Valid() && t.current.AccessToken != refused {
		return t.current.AccessToken, nil
	}
	if t.failure != nil && t.begun.Load() > came {
		return "", t.failure
	}
	t.begun.Add(1)
	token, err := t.config.Token(context.WithValue(ctx, oauth2.HTTPClient, t.client))
	if err != nil {
		err = tokenError(err, t.now())
		if t.failure = err; ctx.Err() != nil {
			t.failure = nil // that was the caller's end, not the server's fault
		}
		return "", err
	}
	t.current, t.failure = token, nil
	return token.AccessToken, nil
}

// tokenError classifies why there is no token. The texts of the library quote the address and the answer.
func tokenError(err error, now time.Time) error {
	refusal, ok := errors.AsType[*oauth2.RetrieveError](err)
	if !ok {
		if _, isURL := errors.AsType[*url.Error](err); isURL {
			return transportError("get token", crm.KindTransient, err)
		}
		return crm.Errorf(crm.KindTransient, "get token", "the answer of token_url holds no token")
	}
	e := &crm.Error{Kind: crm.KindTransient, Op: "get token"}
	if refusal.Response != nil {
		e.Status = refusal.Response.StatusCode
		e.RetryAfter = parseRetryAfter(refusal.Response.Header.Get("Retry-After"), now)
	}
	switch status := e.Status; {
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable && e.RetryAfter > 0:
		e.Kind = crm.KindThrottled
	case status < 300 || status >= 400 && status < 500 && status != http.StatusRequestTimeout:
		e.Kind, e.Message = crm.KindUnauthorized, "token_url refuses client_id and client_secret"
	}
	return e
}
