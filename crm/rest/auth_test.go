package rest_test

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/configs/secret"
	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/rest"
)

func TestAuthorization(t *testing.T) {
	for _, test := range []struct {
		auth         rest.Auth
		header, want string
	}{
		{rest.Auth{Type: "none"}, "Authorization", ""},
		{rest.Auth{Type: "bearer", Token: secret.New("s3cret")}, "Authorization", "Bearer s3cret"},
		{rest.Auth{Type: "bearer", Token: secret.New("s3cret"), Scheme: "token"}, "Authorization", "token s3cret"},
		{rest.Auth{Type: "basic", Username: "u", Password: secret.New("p:w")}, "Authorization", "Basic dTpwOnc="},
		{rest.Auth{Type: "header", Header: "X-Key", Value: secret.New("s3cret")}, "X-Key", "s3cret"},
	} {
		var got string
		server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			got = r.Header.Get(test.header)
		}))
		cfg := parseConfig(t, small)
		cfg.BaseURL, cfg.Auth = server.URL, test.auth
		require.NoError(t, write(t, newAdapter(t, cfg), crm.Write{Call: endedCall(), LogID: "1"}).Err)
		require.Equal(t, test.want, got)
		server.Close()
	}
}

// tokenServer gives out tokens and takes only the last one.
type tokenServer struct {
	issued, refused atomic.Int32
	fail            atomic.Int32
}

func (s *tokenServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/token" {
		if status := int(s.fail.Load()); status != 0 {
			w.Header().Set("Retry-After", "5")
			reply(w, status, object{"error": "nope", "error_description": "canary-secret-value at https://x"})
			return
		}
		reply(w, 200, object{"access_token": "tok" + string(rune('0'+s.issued.Add(1))), "expires_in": 3600})
		return
	}
	if r.Header.Get("Authorization") != "Bearer tok"+string(rune('0'+s.issued.Load())) {
		s.refused.Add(1)
		reply(w, 401, object{"message": "bad " + r.Header.Get("Authorization")})
		return
	}
	reply(w, 200, object{"id": 1})
}

func tokenAdapter(t *testing.T, s *tokenServer) *rest.Adapter {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	cfg := parseConfig(t, small)
	cfg.BaseURL = server.URL
	cfg.Auth = rest.Auth{
		Type: rest.AuthClientCredentials, TokenURL: server.URL + "/token", ClientID: "id", ClientSecret: secret.New(canary),
	}
	return newAdapter(t, cfg)
}

func TestOneRenewalForAllWorkers(t *testing.T) {
	s := &tokenServer{}
	a := tokenAdapter(t, s)
	require.NoError(t, write(t, a, crm.Write{Call: endedCall(), LogID: "1"}).Err)
	s.issued.Add(1) // the token is revoked
	var workers sync.WaitGroup
	errs := make([]error, 16)
	for i := range errs {
		workers.Go(func() {
			errs[i] = a.Write(t.Context(), []crm.Write{{Call: endedCall(), LogID: "1"}})[0].Err
		})
	}
	workers.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
	require.Equal(t, int32(3), s.issued.Load(), "one at first, one skipped, one renewed")
}

func TestRefusedTwiceIsUnauthorized(t *testing.T) {
	issued := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			issued++
			reply(w, 200, object{"access_token": "a-long-token-" + string(rune('0'+issued)), "expires_in": 3600})
			return
		}
		reply(w, 401, object{"message": "bad " + r.Header.Get("Authorization")})
	}))
	t.Cleanup(server.Close)
	cfg := parseConfig(t, small)
	cfg.BaseURL = server.URL
	cfg.Auth = rest.Auth{
		Type: rest.AuthClientCredentials, TokenURL: server.URL + "/token", ClientID: "id", ClientSecret: secret.New(canary),
	}
	err := write(t, newAdapter(t, cfg), crm.Write{Call: endedCall()}).Err
	require.EqualError(t, err, "create call log: HTTP 401: bad Bearer *** (unauthorized)")
	require.Equal(t, 2, issued)
}

func TestTokenErrors(t *testing.T) {
	for status, want := range map[int]crm.Kind{
		400: crm.KindUnauthorized, 401: crm.KindUnauthorized, 429: crm.KindThrottled, 500: crm.KindTransient,
		503: crm.KindThrottled, 200: crm.KindUnauthorized,
	} {
		s := &tokenServer{}
		s.fail.Store(int32(status))
		err := crm.Classify(write(t, tokenAdapter(t, s), crm.Write{Call: endedCall()}).Err)
		require.Equal(t, want, err.Kind, status)
		require.Equal(t, "get token", err.Op)
		require.NotContains(t, err.Error(), "canary")
		require.NotContains(t, err.Error(), "http:")
	}
}
